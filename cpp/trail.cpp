#include "trail.hpp"

#include "kernels.hpp"

namespace gatewright {
namespace {

// The gates at each row: gates[first[row]] to gates[first[row + 1] - 1].
struct Incidence {
  std::vector<std::size_t> first;
  std::vector<std::int32_t> gates;
};

Incidence incidence(std::size_t num_rows, std::size_t num_gates, const std::int32_t* fanin) {
  Incidence at{std::vector<std::size_t>(num_rows + 1), std::vector<std::int32_t>(2 * num_gates)};
  for (std::size_t slot = 0; slot < 2 * num_gates; ++slot) {
    ++at.first[static_cast<std::size_t>(fanin[slot]) + 1];
  }
  for (std::size_t row = 0; row < num_rows; ++row) at.first[row + 1] += at.first[row];
  std::vector<std::size_t> next(at.first.begin(), at.first.end() - 1);
  for (std::size_t slot = 0; slot < 2 * num_gates; ++slot) {
    at.gates[next[static_cast<std::size_t>(fanin[slot])]++] = static_cast<std::int32_t>(slot / 2);
  }
  return at;
}

}  // namespace

Trails trails(std::size_t num_rows, std::size_t num_gates, const std::int32_t* fanin) {
  const Incidence at = incidence(num_rows, num_gates, fanin);
  std::vector<std::size_t> next(at.first.begin(), at.first.end() - 1);
  std::vector<bool> is_walked(num_gates);
  Trails result;
  const auto walk = [&](std::size_t row) {
    const std::size_t begin = result.order.size();
    for (;;) {
      while (next[row] < at.first[row + 1] &&
             is_walked[static_cast<std::size_t>(at.gates[next[row]])]) {
        ++next[row];
      }
      if (next[row] == at.first[row + 1]) break;
      const std::int32_t gate = at.gates[next[row]];
      const std::int32_t* pair = fanin + 2 * static_cast<std::size_t>(gate);
      const bool is_swapped = static_cast<std::size_t>(pair[0]) != row;
      is_walked[static_cast<std::size_t>(gate)] = true;
      result.order.push_back(gate);
      result.is_swapped.push_back(is_swapped);
      result.operands.push_back(pair[is_swapped]);
      result.operands.push_back(pair[!is_swapped]);
      result.steps.push_back(0);
      row = static_cast<std::size_t>(pair[!is_swapped]);
    }
    if (result.order.size() == begin) return;
    result.steps[begin] |= kStarts;
    result.steps.back() |= kEnds;
  };
  // A trail that does not close has its ends at rows with an odd number of gates: start there.
  for (std::size_t row = 0; row < num_rows; ++row) {
    if ((at.first[row + 1] - at.first[row]) % 2) walk(row);
  }
  for (std::size_t row = 0; row < num_rows; ++row) {
    while (next[row] < at.first[row + 1]) walk(row);
  }
  std::vector<bool> is_written(num_rows);
  const auto write = [&](std::int32_t row, std::uint8_t adds) -> std::uint8_t {
    if (is_written[static_cast<std::size_t>(row)]) return adds;
    is_written[static_cast<std::size_t>(row)] = true;
    result.visits.push_back(row);
    return 0;
  };
  for (std::size_t i = 0; i < num_gates; ++i) {
    std::uint8_t& step = result.steps[i];
    step = static_cast<std::uint8_t>(step | write(result.operands[2 * i], kAddsFirst));
    step = static_cast<std::uint8_t>(step | write(result.operands[2 * i + 1], kAddsSecond));
  }
  for (std::size_t row = 0; row < num_rows; ++row) {
    if (!is_written[row]) result.unread.push_back(static_cast<std::int32_t>(row));
  }
  return result;
}

}  // namespace gatewright
