// The order in which a layer's gates are evaluated.
//
// Rows of the layer below are the vertices of a graph and gates its edges. Walked in trails, a gate
// shares one operand with the gate before it: forward, that operand is already in registers;
// backward, it and its gradient were in use a moment ago, and no gradient is zeroed first. The
// order of gates is free, since it only relabels rows; so is the place of a row, and laid out in
// the order of visits rows are read and written almost in sequence.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gatewright {

struct Trails {
  std::vector<std::int32_t> order;     // [n]: the gate at each place
  std::vector<std::int32_t> operands;  // [n][2], by place: the shared one first
  std::vector<bool> is_swapped;        // [n], by place: that exchanged the gate's operands
  std::vector<std::uint8_t> steps;     // [n], by place: see Step in kernels.hpp
  std::vector<std::int32_t> visits;    // rows in the order in which they are first read
  std::vector<std::int32_t> unread;    // rows that no gate reads
};

// fanin: [num_gates][2], rows from 0 to num_rows - 1.
Trails trails(std::size_t num_rows, std::size_t num_gates, const std::int32_t* fanin);

}  // namespace gatewright
