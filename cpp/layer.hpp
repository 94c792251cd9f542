// A layer as training holds it: its wiring in the order of the kernels, and its parameters.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"
#include "readers.hpp"
#include "trail.hpp"
#include "trainer.hpp"

namespace gatewright {

inline std::size_t blocks_of(std::size_t num) { return (num + kBlock - 1) / kBlock; }

// Parameters [blocks][p][kBlock] with Adam's state, which is there once training has begun.
struct Trained {
  std::size_t num_parameters = 0;
  Buffer<float> values, mean, square;

  Trained() = default;
  Trained(std::size_t p, std::size_t num_gates)
      : num_parameters(p), values(p * blocks_of(num_gates) * kBlock) {}

  void begin() {
    if (mean.size() > 0) return;
    mean = Buffer<float>(values.size());
    square = Buffer<float>(values.size());
  }
  Parameters view() { return {values.data(), mean.data(), square.data()}; }
  const Buffer<float>& of(Quantity quantity) const {
    return quantity == Quantity::values ? values : quantity == Quantity::mean ? mean : square;
  }
  std::size_t place(std::size_t parameter, std::size_t gate) const {
    return (gate / kBlock * num_parameters + parameter) * kBlock + gate % kBlock;
  }
};

struct Layer {
  Form form;
  bool is_hard, is_wired_hard;
  std::size_t num_inputs, num_gates, num_candidates;
  std::size_t most_readers;              // see kernels.hpp
  std::vector<std::int32_t> order;       // place -> gate
  std::vector<std::int32_t> is_swapped;  // masks, of whole blocks
  std::vector<std::int32_t> outputs;     // place -> row, or class in the last layer
  // Fixed wiring.
  Trails walk;
  // Candidates, [n][2][K], and their inverse.
  std::vector<std::int32_t> candidates;
  Readers readers;

  Trained gates, wires;
  // Of float, or, where arithmetic is in half precision, of _Float16, which fill a half of them.
  Buffer<float> coefficients, weights;
  Buffer<float> d_coefficients, d_weights;  // [gangs] of the same

  bool is_learned() const { return num_candidates > 0; }
  std::size_t num_blocks() const { return blocks_of(num_gates); }
  std::size_t weight_stride() const { return 2 * num_candidates * num_blocks() * kBlock; }
  std::size_t coefficient_stride() const { return 4 * num_blocks() * kBlock; }
  GateRows gate_rows() const {
    return {num_gates, walk.operands.data(), walk.steps.data(), outputs.data(), most_readers};
  }
  MixtureRows mixture_rows() const {
    return {num_gates,    num_candidates, candidates.data(),    outputs.data(),
            most_readers, num_inputs,     readers.first.data(), readers.slots.data()};
  }
};

// Throws std::invalid_argument where a gate reads what is no input, or there are too many.
Layer make_layer(const LayerShape& shape);

// Lays the rows between two layers out in the order in which the upper one reads them, or, where it
// has no such order, in which the lower one writes them.
void connect(Layer& below, Layer& above);

// Numbers of rows become words at which they begin, where the kernels want these.
void to_words(Layer& layer, std::size_t row_words);

}  // namespace gatewright
