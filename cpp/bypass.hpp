// Fewer levels: long chains of gates bypassed. Knows nothing of Python; gatewright/bypassing.py is
// the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "simulate.hpp"

namespace gatewright {

class Bypass {
 public:
  static constexpr std::size_t kLongest = 4096;

  // Copies the circuit, which must be valid and of gates 0 where both operands are, which both
  // matter; makes another of as few levels as splits of chains of at most so many gates give, from
  // 1 to kLongest.
  Bypass(const CircuitView& circuit, std::size_t longest);

  [[nodiscard]] const std::vector<std::int32_t>& fanin() const { return made_fanin_; }
  [[nodiscard]] const std::vector<std::uint8_t>& table() const { return made_table_; }
  [[nodiscard]] const std::vector<std::int32_t>& outputs() const { return outputs_; }

 private:
  using Node = std::int32_t;
  using Level = std::int32_t;
  enum class Kind : std::uint8_t { kAnd, kOr, kXor };

  // A gate of a chain, seen from the top: kind(side, path), both literals.
  struct Link {
    Kind kind;
    Node side, path;
  };

  // The top of a chain whose path is held at a value: its level, or which constant it is; and the
  // shortest chain and the value, as 2 * length + value, that give the same.
  struct Held {
    Level level, required;
    std::int32_t same;
    Node literal;
  };

  // How a gate is made (length 0), or the top of a chain of such a length held at a value: from its
  // first links held, and a tree of their sides and of what comes below.
  struct Plan {
    Node node;
    std::size_t length;
    int value;
    std::size_t split;
    Kind kind;
    std::size_t first_pair, num_pairs;
  };

  static std::size_t at(Node node) { return static_cast<std::size_t>(node); }
  Held& held(Node node, std::size_t length, int value);
  [[nodiscard]] Link link(Node node, int inverted) const;
  void follow(Node node);
  void measure(Node node);
  void hold(Node node, std::size_t length, int value);
  [[nodiscard]] std::uint64_t weight(Level level) const;
  [[nodiscard]] Level of_tree(std::uint64_t sum, Level path) const;
  [[nodiscard]] Level of_split(Node node, std::size_t split, Kind kind, Level path);
  [[nodiscard]] Level below(std::size_t split, std::size_t length, int value);
  [[nodiscard]] int prefix_value(std::size_t split, Kind kind) const;
  void find_leaves(std::size_t split, Kind kind);
  void require(Node node, Level level);
  void require_held(Node node, std::size_t length, int value, Level level);
  void decide(Node node, std::size_t length, int value, Level required);
  void make(const Plan& plan);
  Node gate(Kind kind, Node a, Node b);

  std::size_t first_gate_, longest_;
  std::vector<Node> fanin_;
  std::vector<std::uint8_t> table_;
  std::vector<Node> outputs_;
  std::vector<Level> level_, required_;
  std::vector<Node> critical_, literal_;
  std::vector<std::size_t> length_, first_held_;
  std::vector<Held> held_;
  std::vector<Plan> plans_;
  std::vector<std::pair<std::int32_t, std::int32_t>> pairs_;  // leaves of trees first, then pairs

  // of the chain from the gate that is looked at; sums over its first links
  std::vector<Link> chain_;
  std::vector<std::uint64_t> ands_, ors_;
  std::vector<bool> has_xor_;
  std::vector<Node> leaves_;
  Level base_ = 0;

  std::vector<Node> made_fanin_;
  std::vector<std::uint8_t> made_table_;
};

}  // namespace gatewright
