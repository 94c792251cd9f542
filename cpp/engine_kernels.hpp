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

// How many steps before it is used an operand is asked for, where slots outgrow the second cache
// and where they outgrow the third; so many more steps must be there to be read.
constexpr std::size_t kAhead = 20, kFarAhead = 128;

// Follows all steps, whose slots begin at `slots`.
using Follow = void(const Step* steps, const Run* runs, std::size_t num_runs, std::uint8_t* slots);

// Rows of packed bits, row_bytes from one to the next; of those of `inputs` the first slot_bytes
// go to a slot of the first block, the next to one of the second block, block_bytes behind it, ...
struct SlotRows {
  const std::uint8_t* first;
  std::size_t row_bytes;
  const std::uint32_t* inputs;
  std::size_t num_inputs, slot_bytes, block_bytes;
};

// Rows of features of one type, side by side; rows are any number of bytes apart.
struct Rows {
  const std::uint8_t* first;
  std::ptrdiff_t stride;
  std::size_t num_features;
};

// Rows that are packed at a time: a cache line of bits.
constexpr std::size_t kPacked = 512;

// What a bit is of a feature: nothing, since the circuit does not read it; the same for all
// numbers; over the limit; equal to it; not a number.
enum class Test : std::uint8_t { unread, never, always, over, equal, missing };

// Features taken together.
constexpr std::size_t kLanes = 64;

// Parts of kLanes features that a row has at most.
constexpr std::size_t most_parts(std::size_t num_features) {
  return (num_features + kLanes - 1) / kLanes;
}

// One bit of each of the features `first` and on: bit f of `is_read` says whether the circuit reads
// that of feature first + f, and of `is_fixed` whether all numbers pass the test, or none: then
// `fixed` says which.
template <typename T>
struct Part {
  T limit[kLanes];
  std::size_t first;
  std::uint64_t is_read, is_fixed, fixed;
};

template <typename T>
struct Bit {
  std::uint32_t column, input;
  T limit;
  Test test;
};

// Either planes, num_parts parts each, where every feature f has num_planes bits, inputs
// f * num_planes + plane; or bits, in the order of their columns.
template <typename T>
struct Tests {
  std::size_t num_features;
  const Part<T>* planes;
  std::size_t num_planes, num_parts;
  const Bit<T>* bits;
  std::size_t num_bits;
};

// Rows first to first + count - 1, at most kPacked, become words[input][0..7] of those inputs that
// are read, `stride` words from one to the next; sample s is bit s % 64 of word s / 64, and those
// that are not there are 0. `scratch` has pack_scratch(num_features) bytes, and begins at a
// multiple of 64.
template <typename T>
using PackRows = void(const Rows& rows, std::size_t first, std::size_t count, const Tests<T>& tests,
                      std::uint64_t* words, std::size_t stride, std::uint8_t* scratch);

// One row's bits side by side: those of part after part, plane after plane, or bit after bit, 64 a
// word. Of inputs that are not read they are anything.
template <typename T>
using TestRow = void(const T* row, const Tests<T>& tests, std::uint64_t* bits);

// Columns that are read together, and numbers from one to the next: their lines are to fall into
// different sets of the cache.
constexpr std::size_t kColumns = 8, kColumnSize = kPacked + 64;

constexpr std::size_t pack_scratch(std::size_t num_features) {
  return kLanes * kLanes * most_parts(num_features) + kColumns * kColumnSize * sizeof(double);
}

// Columns of words, bit s of which are cells of strip s of a board (see board.hpp), `num_words`
// each. `after` and `before` have in bit 0 what lies to the right of strip `top`, the last one, and
// in bit `top` what lies to the left of strip 0; they repeat after `period` words.
struct TurnedColumns {
  const std::uint64_t *first, *last, *after, *before;
  std::uint64_t* left;   // becomes the strips' last columns, turned by one
  std::uint64_t* right;  // becomes their first columns, turned by one
  std::uint64_t* end;    // where the last strip's right neighbour is set: `right` or another
  std::size_t num_words, period;
  unsigned top;
};

// A layer of a front (see front.hpp): so many vectors of bits are connected, so many patched, and
// all go through gates.
struct FrontLayer {
  std::uint32_t num_vectors, num_patches;
  bool has_copies;
};

// Bit `to` becomes what bit `from` is.
struct Patch {
  std::uint32_t to, from;
};

struct EngineKernels {
  const char* name;
  // Steps on the slots of one block: in near caches, in the third cache, in memory.
  Follow *follow, *follow_ahead, *follow_far_ahead;
  // Into the slots of whole blocks; slots are of whole vectors of 16 bytes.
  void (*fill_slots)(const SlotRows& rows, std::size_t num_blocks, std::uint8_t* slots);
  PackRows<std::uint8_t>* pack_uint8;
  PackRows<float>* pack_float;
  PackRows<double>* pack_double;
  TestRow<std::uint8_t>* test_uint8;
  TestRow<float>* test_float;
  TestRow<double>* test_double;
  void (*turn_columns)(const TurnedColumns& columns);
  // Bit j of word i goes to bit i of word j, of 64 words.
  void (*transpose)(std::uint64_t* words);
  // Front layers on the bits of one sample, in place; and bits as bytes of 0 or 1, in whole words.
  void (*run_layers)(const FrontLayer* layers, std::size_t num_layers, const std::uint64_t* masks,
                     const Patch* patches, std::uint64_t* bits);
  void (*spread_bits)(const std::uint64_t* bits, std::size_t num, std::uint8_t* bytes);
};

// Those of the best instruction set that this machine has; GATEWRIGHT_ISA names another. Throws
// std::invalid_argument where it has none of that name.
const EngineKernels& engine_kernels();

}  // namespace gatewright
