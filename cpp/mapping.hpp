// Covers a circuit by look-up tables. Knows nothing of Python; gatewright/passes/mapping.py is the
// specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "simulate.hpp"

namespace gatewright {

// What a cover is to have few of.
enum class Cost : std::uint8_t {
  tables,
  // Instructions of which those of three operands write over one of them, which takes a copy where
  // each is still to be read. Two-operand ones cost a little less: on some processors more of them
  // run beside stores.
  instructions,
};

class Mapping {
 public:
  static constexpr std::size_t kMostInputs = 6;

  // Covers the circuit, which must be valid, by tables of at most k <= kMostInputs inputs, each
  // gate with so many cuts to choose from.
  Mapping(const CircuitView& circuit, std::size_t k, std::size_t max_cuts,
          Cost cost = Cost::tables);

  // Looks at every gate's cuts anew, by area flow or by exact area.
  void choose(bool exact);
  // Tables of the cover, and what it costs.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::int64_t cost() const;

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
  std::int64_t area(std::size_t node, const Cut& cut);
  void keep(std::size_t node);
  void count_readers();
  std::int64_t add(std::size_t node, const Cut& cut);
  void remove(std::size_t node, const Cut& cut);
  std::int64_t take(std::size_t node, const Cut& cut);
  void release(std::size_t node);
  std::int64_t price(std::size_t node, const Cut& cut) const;

  std::size_t first_, k_, max_cuts_;
  Cost cost_;
  std::vector<Node> fanin_, outputs_;
  std::vector<std::vector<Cut>> cuts_;     // by gate, the best first
  std::vector<Cut> chosen_;                // by gate
  std::vector<std::int32_t> num_readers_;  // by node, in the cover
  std::vector<std::int32_t> num_fanouts_;  // by node, in the circuit
  std::vector<double> flow_;               // by node
  // The operand that a node's instruction writes over, and the node whose instruction writes over
  // it; 0: none.
  std::vector<Node> overwrites_, overwriter_;
  bool has_cover_ = false;
  std::vector<Ranked> ranked_;  // of the gate under way
  std::vector<Node> waiting_;
};

}  // namespace gatewright
