// Matrices of bits, transposed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace gatewright {

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

// Rows of num_columns bits, as many words each as these fill, to columns of num_rows bits.
inline void transpose(const std::uint64_t* rows, std::size_t num_rows, std::size_t num_columns,
                      std::uint64_t* columns) {
  const std::size_t of_row = (num_columns + 63) / 64, of_column = (num_rows + 63) / 64;
  for (std::size_t i = 0; i < of_column; ++i) {
    const std::size_t height = std::min<std::size_t>(64, num_rows - 64 * i);
    for (std::size_t j = 0; j < of_row; ++j) {
      std::uint64_t block[64]{};
      for (std::size_t k = 0; k < height; ++k) block[k] = rows[(64 * i + k) * of_row + j];
      transpose(block);
      const std::size_t width = std::min<std::size_t>(64, num_columns - 64 * j);
      for (std::size_t k = 0; k < width; ++k) columns[(64 * j + k) * of_column + i] = block[k];
    }
  }
}

}  // namespace gatewright
