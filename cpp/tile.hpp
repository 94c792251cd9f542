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

// Transposes 64 x 64 bits: bit j of word i becomes bit i of word j (Hacker's Delight 7-3).
inline void transpose(std::uint64_t* words) {
  std::uint64_t mask = 0x0000'0000'ffff'ffff;
  for (unsigned width = 32; width != 0; width >>= 1, mask ^= mask << width) {
    for (unsigned i = 0; i < 64; i = ((i | width) + 1) & ~width) {
      const std::uint64_t swap = ((words[i] >> width) ^ words[i | width]) & mask;
      words[i] ^= swap << width;
      words[i | width] ^= swap;
    }
  }
}

}  // namespace gatewright
