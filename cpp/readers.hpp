// The inverse of a list of candidates: which of them read a row.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gatewright {

struct Readers {
  std::vector<std::int64_t> first;  // [num_rows + 1]: where a row's readers begin
  std::vector<std::int32_t> slots;  // places in the candidates, row after row

  Readers() = default;
  Readers(std::size_t num_rows, const std::vector<std::int32_t>& candidates)
      : first(num_rows + 1), slots(candidates.size()) {
    for (const std::int32_t row : candidates) ++first[static_cast<std::size_t>(row) + 1];
    for (std::size_t row = 0; row < num_rows; ++row) first[row + 1] += first[row];
    std::vector<std::int64_t> next(first.begin(), first.end() - 1);
    for (std::size_t slot = 0; slot < candidates.size(); ++slot) {
      const auto row = static_cast<std::size_t>(candidates[slot]);
      slots[static_cast<std::size_t>(next[row]++)] = static_cast<std::int32_t>(slot);
    }
  }
};

}  // namespace gatewright
