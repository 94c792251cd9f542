// Truth tables, 64 rows a word.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatewright {

// Variable i < 6 of a truth table, in each of its words; further ones are whole words.
inline constexpr std::uint64_t kVariables[6] = {0xAAAAAAAAAAAAAAAA, 0xCCCCCCCCCCCCCCCC,
                                                0xF0F0F0F0F0F0F0F0, 0xFF00FF00FF00FF00,
                                                0xFFFF0000FFFF0000, 0xFFFFFFFF00000000};

// The lowest bit in all places.
template <typename Integer>
constexpr std::uint64_t mask(Integer bit) {
  return std::uint64_t{0} - static_cast<std::uint64_t>(bit & 1);
}

// A gate of any table on n words, by its polynomial.
inline void apply_table(std::uint8_t table, const std::uint64_t* a, const std::uint64_t* b,
                        std::uint64_t* out, std::size_t n) {
  const unsigned t = table;
  const std::uint64_t c0 = mask(t), c1 = mask(t ^ t >> 1), c2 = mask(t ^ t >> 2);
  const std::uint64_t c3 = mask(t ^ t >> 1 ^ t >> 2 ^ t >> 3);
  for (std::size_t k = 0; k < n; ++k) out[k] = c0 ^ (c1 & a[k]) ^ (c2 & b[k]) ^ (c3 & a[k] & b[k]);
}

}  // namespace gatewright
