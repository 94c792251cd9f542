// Which values a circuit's nodes can have together, as far as the gates around them show. Knows
// nothing of Python; gatewright/reachable.py is the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "simulate.hpp"

namespace gatewright {

class Reachable {
 public:
  static constexpr std::size_t kMaxSources = 16;

  // Copies the circuit, which must be valid.
  explicit Reachable(const CircuitView& circuit);

  // The combinations of values that the nodes, at most kMaxSources and none of them the constant,
  // may have, bit i the value of nodes[i]: ascending, and the last again until 64 divides their
  // number. So many of the gates' sources are free.
  std::vector<std::uint32_t> codes(const std::vector<std::int32_t>& nodes, std::size_t most);

  [[nodiscard]] std::size_t num_nodes() const { return first_gate_ + table_.size(); }

 private:
  using Word = std::uint64_t;
  using Node = std::int32_t;

  void grow(std::size_t most);
  int cost(Node gate) const;

  std::size_t first_gate_;
  std::vector<Node> fanin_;
  std::vector<std::uint8_t> table_;
  std::vector<std::int32_t> place_;  // by node: where its values are, or -1; of a source 0
  std::vector<Node> sources_, inside_;
  std::vector<Word> values_;
};

}  // namespace gatewright
