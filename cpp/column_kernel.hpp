// The loops over a board's columns: 64 x 64 bits transposed, and neighbours' columns.

#pragma once

#include <cstddef>
#include <cstdint>

#include "engine_kernels.hpp"

namespace gatewright {
namespace {

// Warren, "Hacker's Delight", 7-3.
template <unsigned half>
void exchange_halves(std::uint64_t* words, std::uint64_t mask) {
  for (std::size_t begin = 0; begin < 64; begin += 2 * half) {
    std::uint64_t* __restrict__ const low = words + begin;
    std::uint64_t* __restrict__ const high = low + half;
    for (std::size_t i = 0; i < half; ++i) {
      const std::uint64_t differ = (low[i] >> half ^ high[i]) & mask;
      low[i] ^= differ << half;
      high[i] ^= differ;
    }
  }
}

void transpose_words(std::uint64_t* words) {
  exchange_halves<32>(words, 0x0000'0000'FFFF'FFFF);
  exchange_halves<16>(words, 0x0000'FFFF'0000'FFFF);
  exchange_halves<8>(words, 0x00FF'00FF'00FF'00FF);
  exchange_halves<4>(words, 0x0F0F'0F0F'0F0F'0F0F);
  exchange_halves<2>(words, 0x3333'3333'3333'3333);
  exchange_halves<1>(words, 0x5555'5555'5555'5555);
}

// to[i] = from[i] turned up by one: bit 0 is bit `top` of before[i].
void turn_up(std::uint64_t* __restrict__ to, const std::uint64_t* __restrict__ from,
             const std::uint64_t* __restrict__ before, unsigned top, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = from[i] << 1 | (before[i] >> top & 1);
}

// Bit `top` of to[i] becomes bit 0 of after[i].
void set_bit(std::uint64_t* __restrict__ to, const std::uint64_t* __restrict__ after, unsigned top,
             std::size_t count) {
  const std::uint64_t others = ~(std::uint64_t{1} << top);
  for (std::size_t i = 0; i < count; ++i) to[i] = (to[i] & others) | (after[i] & 1) << top;
}

void turn_down(std::uint64_t* __restrict__ to, const std::uint64_t* __restrict__ from,
               std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = from[i] >> 1;
}

// Whole words, which turn in themselves.
template <unsigned by>
void rotate_words(std::uint64_t* __restrict__ to, const std::uint64_t* __restrict__ from,
                  std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = from[i] << by | from[i] >> (64 - by);
}

void turn_columns(const TurnedColumns& columns) {
  const std::size_t num_words = columns.num_words, period = columns.period;
  if (columns.top == 63 && columns.before == columns.last && columns.after == columns.first) {
    rotate_words<1>(columns.left, columns.last, num_words);
    rotate_words<63>(columns.right, columns.first, num_words);
    return;
  }
  for (std::size_t begin = 0; begin < num_words; begin += period) {
    turn_up(columns.left + begin, columns.last + begin, columns.before, columns.top, period);
  }
  turn_down(columns.right, columns.first, num_words);
  for (std::size_t begin = 0; begin < num_words; begin += period) {
    set_bit(columns.end + begin, columns.after, columns.top, period);
  }
}

}  // namespace
}  // namespace gatewright
