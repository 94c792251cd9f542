// Packed inputs into slots. Part of engine_kernels.cpp.

#pragma once

#include "engine_kernels.hpp"
#include "vectors.hpp"

namespace gatewright {
namespace {

// Rows that are asked for ahead: each lies in a page of its own.
constexpr std::size_t kRowsAhead = 8;

template <typename Vector>
[[gnu::always_inline]] inline void copy_slot(const std::uint8_t* from, std::size_t size,
                                             std::uint8_t* to) {
  using Unaligned [[gnu::aligned(1), gnu::may_alias]] = Vector;
  for (std::size_t byte = 0; byte < size; byte += sizeof(Vector)) {
    *reinterpret_cast<Vector*>(to + byte) = *reinterpret_cast<const Unaligned*>(from + byte);
  }
}

// Each row is read once for all blocks.
template <typename Vector>
[[gnu::always_inline]] inline void fill_with(const SlotRows& rows, std::size_t num_blocks,
                                             std::uint8_t* slots) {
  const std::size_t count = num_blocks * rows.slot_bytes;
  for (std::size_t i = 0; i < rows.num_inputs; ++i) {
    if (i + kRowsAhead < rows.num_inputs) {
      const std::uint8_t* const next = rows.first + rows.inputs[i + kRowsAhead] * rows.row_bytes;
      for (std::size_t byte = 0; byte < count; byte += 64) __builtin_prefetch(next + byte);
    }
    const std::uint8_t* from = rows.first + rows.inputs[i] * rows.row_bytes;
    std::uint8_t* to = slots + rows.inputs[i] * rows.slot_bytes;
    for (std::size_t block = 0; block < num_blocks; ++block) {
      copy_slot<Vector>(from, rows.slot_bytes, to);
      from += rows.slot_bytes;
      to += rows.block_bytes;
    }
  }
}

void fill_slots(const SlotRows& rows, std::size_t num_blocks, std::uint8_t* slots) {
  using Narrowest [[gnu::vector_size(16), gnu::may_alias]] = std::uint64_t;
  if (rows.slot_bytes % sizeof(Words) == 0) {
    fill_with<Words>(rows, num_blocks, slots);
  } else {
    fill_with<Narrowest>(rows, num_blocks, slots);
  }
}

}  // namespace
}  // namespace gatewright
