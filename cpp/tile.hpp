// What training holds of a tile of samples.

#pragma once

#include <cstdint>
#include <vector>

#include "buffer.hpp"

namespace gatewright {

// What one thread holds of a tile: activations and gradients of all layers.
struct Tile {
  std::vector<Buffer<std::uint32_t>> activations;  // the inputs, then each layer's outputs
  std::vector<Buffer<std::uint32_t>> operands;     // of layers with learned wiring
  Buffer<std::uint32_t> gradients[2];
  Buffer<float> sums;     // of the groups
  Buffer<float> scores;   // made of them, where they are not the scores themselves
  Buffer<float> targets;  // what the scores should mean, where that is not all one class
};

// A tile's inputs, and what of it is kept until its group has been through the layers: rows of the
// groups' gradients and, where the first layer reads bits, of its operands and of its outputs'
// gradients, where these are not the groups'.
struct Inputs {
  Buffer<std::uint64_t> bits;
  Buffer<std::uint32_t> d_groups, operands, gradients;
};

}  // namespace gatewright
