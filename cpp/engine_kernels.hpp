// The engine's loops, compiled once for each instruction set; engine_dispatch.cpp chooses.

#pragma once

#include <cstddef>
#include <cstdint>

namespace gatewright {

// Where slots begin, in bytes from the first, of a gate's result and of its operands.
struct Step {
  std::uint32_t out, a, b;
};

// So many steps of one function, which read nothing of one another.
struct Run {
  std::uint8_t table;
  std::uint32_t size;
};

constexpr std::size_t kSlotBytes = 128;

// Steps that are asked for ahead of time; so many more must be there to be read.
constexpr std::size_t kAhead = 32;

// Rows of features of one type, side by side; rows are any number of bytes apart.
struct Rows {
  const std::uint8_t* first;
  std::ptrdiff_t stride;
  std::size_t num_features;
};

// Rows that are packed at a time: a cache line of bits.
constexpr std::size_t kPacked = 512;

// Thermometer bits: bit `f * bits + b` is feature f > thresholds[f * bits + b]; NaN gives 0.
//
// Rows first to first + count - 1, at most kPacked, become words[bit][0..7], `stride` words from
// one bit to the next; sample s is bit s % 64 of word s / 64, and those that are not there are 0.
// `scratch` has pack_scratch(num_features) bytes, and begins at a multiple of 64.
using PackRows = void(const Rows& rows, std::size_t first, std::size_t count, std::size_t bits,
                      const float* thresholds, std::uint64_t* words, std::size_t stride,
                      std::uint8_t* scratch);

constexpr std::size_t pack_scratch(std::size_t num_features) {
  return (64 + sizeof(double) + 1) * (num_features + 63);
}

struct EngineKernels {
  const char* name;
  // Follow runs of steps on the slots of one block; `far` where the slots are in no near cache.
  void (*follow)(const Step* steps, const Run* runs, std::size_t num_runs, std::uint8_t* slots);
  void (*follow_far)(const Step* steps, const Run* runs, std::size_t num_runs, std::uint8_t* slots);
  PackRows* pack_uint8;
  PackRows* pack_float;
  PackRows* pack_double;
};

// Those of the best instruction set that this machine has; GATEWRIGHT_ISA names another. Throws
// std::invalid_argument where it has none of that name.
const EngineKernels& engine_kernels();

}  // namespace gatewright
