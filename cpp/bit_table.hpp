// What each input bit is of a row of numbers, and the same as the packing loops read it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine_kernels.hpp"

namespace gatewright {

// Bit i is of feature column[i] of a row, x: x > limit[i] where kind[i] is 0, x == limit[i] where
// it is 1, and whether x is NaN where it is 2. NaN is over nothing and equal to nothing.
struct BitTable {
  std::size_t num_features = 0;
  std::vector<std::int32_t> column;
  std::vector<std::uint8_t> kind;
  std::vector<double> limit;
};

// Throws std::invalid_argument unless there is one bit for each of so many inputs, of a feature and
// a kind that there are.
void validate(const BitTable& table, std::size_t num_inputs);

// Tests of numbers of type T that come to the same as those of doubles, for the bits that are read.
template <typename T>
class BitTests {
 public:
  BitTests() = default;
  BitTests(const BitTable& table, const std::vector<bool>& is_read);

  // Valid while this lives.
  [[nodiscard]] Tests<T> view() const {
    return {num_features_, planes_.data(), num_planes_, num_parts_, bits_.data(), bits_.size()};
  }

  // Where a TestRow leaves the bit of each input that is read: the same for all T; and of how many.
  [[nodiscard]] std::vector<std::uint32_t> places(std::size_t num_inputs) const;
  [[nodiscard]] std::size_t num_places() const;

 private:
  std::size_t num_features_ = 0, num_planes_ = 0, num_parts_ = 0;
  std::vector<Part<T>> planes_;
  std::vector<Bit<T>> bits_;
};

}  // namespace gatewright
