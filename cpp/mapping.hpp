// Covers a circuit by look-up tables. Knows nothing of Python; gatewright/passes/mapping.py is the
// specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "simulate.hpp"

namespace gatewright {

class Mapping {
 public:
  static constexpr std::size_t kMostInputs = 6;

  // Covers the circuit, which must be valid, by tables of at most k <= kMostInputs inputs, each
  // gate with so many cuts to choose from.
  Mapping(const CircuitView& circuit, std::size_t k, std::size_t max_cuts);

  // Looks at every gate's cuts anew, by area flow or by exact area.
  void choose(bool exact);
  // Tables of the cover.
  [[nodiscard]] std::size_t size() const;

  [[nodiscard]] std::size_t first_gate() const { return first_; }
  [[nodiscard]] std::size_t num_nodes() const { return num_readers_.size(); }
  [[nodiscard]] bool is_table(std::size_t node) const {
    return node >= first_ && num_readers_[node] > 0;
  }
  // Appends the leaves of a gate's table, in ascending order.
  void leaves(std::size_t node, std::vector<std::int32_t>& into) const;

 private:
  using Node = std::int32_t;

  struct Cut {
    std::uint64_t signature = 0;
    std::uint32_t size = 0;
    Node leaf[kMostInputs] = {};
  };

  struct Ranked {
    Cut cut;
    std::int64_t area;
    double flow;
  };

  void enumerate(std::size_t node);
  void merge(const Cut& x, const Cut& y);
  [[nodiscard]] double flow(const Cut& cut) const;
  std::int64_t area(const Cut& cut);
  void keep(std::size_t node);
  void count_readers();
  std::int64_t add(const Cut& cut);
  void remove(const Cut& cut);

  std::size_t first_, k_, max_cuts_;
  std::vector<Node> fanin_, outputs_;
  std::vector<std::vector<Cut>> cuts_;     // by gate, the best first
  std::vector<Cut> chosen_;                // by gate
  std::vector<std::int32_t> num_readers_;  // by node, in the cover
  std::vector<std::int32_t> num_fanouts_;  // by node, in the circuit
  std::vector<double> flow_;               // by node
  bool has_cover_ = false;
  std::vector<Ranked> ranked_;  // of the gate under way
  std::vector<Node> waiting_;
};

}  // namespace gatewright
