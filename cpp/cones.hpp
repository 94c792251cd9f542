// Cones of a circuit that are worth making another way. Knows nothing of Python;
// gatewright/passes/cones.py is the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "simulate.hpp"

namespace gatewright {

class Cones {
 public:
  static constexpr std::size_t kMostLeaves = 4;

  // What a gate costs, by its table, and what a function over max_leaves variables costs, by its
  // truth table; below 0 where its cones are to stay.
  struct Costs {
    const std::uint8_t* of_gate;
    const std::int16_t* of_function;
  };

  struct Cone {
    std::int32_t node = 0;
    std::uint32_t size = 0;
    std::int32_t leaf[kMostLeaves] = {};
    std::uint32_t table = 0;  // over max_leaves variables, of which the first are the leaves
  };

  // Copies the circuit, which must be valid, and finds so many cuts of each gate, each of at most
  // max_leaves <= kMostLeaves.
  Cones(const CircuitView& circuit, std::size_t max_leaves, std::size_t max_cuts);

  // Cones that do not overlap, from the outputs down, each of which costs less made anew.
  [[nodiscard]] std::vector<Cone> choose(const Costs& costs);

 private:
  using Node = std::int32_t;

  struct Cut {
    std::uint32_t size = 0;
    Node leaf[kMostLeaves] = {};
  };

  static std::size_t at(Node node) { return static_cast<std::size_t>(node); }
  [[nodiscard]] const Node* operands(Node gate) const { return &fanin_[2 * (at(gate) - first_)]; }
  void enumerate(std::size_t gate);
  void merge(const Cut& x, const Cut& y);
  void find_cone(Node node, const Cut& cut);
  void find_own(Node node);
  std::uint32_t table_of(Node node, const Cut& cut);

  std::size_t first_, max_leaves_, max_cuts_;
  std::vector<Node> fanin_;
  std::vector<std::uint8_t> table_;
  std::vector<std::int32_t> num_fanouts_;  // by node
  std::vector<std::vector<Cut>> cuts_;     // by gate, those of fewest leaves first

  // Of the cut that is looked at: its cone, readers before what they read, and the part of it that
  // only its root needs.
  std::vector<Node> cone_, own_;
  std::vector<std::uint32_t> seen_;   // by node: the cut that it was seen in
  std::vector<std::int32_t> reads_;   // by node: by gates of the cone that only the root needs
  std::vector<std::uint32_t> value_;  // by node
  std::vector<Cut> merged_;
  std::uint32_t cut_ = 0;
};

}  // namespace gatewright
