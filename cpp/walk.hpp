// A random walk over circuits that give the same on some rows, never to a larger one. Knows nothing
// of Python; gatewright/walking.py is the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "simulate.hpp"

namespace gatewright {

// What gates cost, at least 0: ANDs, whatever is inverted, and XORs.
struct GateCosts {
  int land, lxor;
};

class Walk {
 public:
  // Copies the circuit, which must be valid, and the rows of its inputs, input by input.
  Walk(const CircuitView& circuit, const std::uint64_t* rows, std::size_t num_words,
       GateCosts costs, std::uint64_t seed);

  // Makes so many kicks, which may each cost an AND, and then so many moves, which cost nothing.
  void advance(std::size_t kicks, std::size_t moves);

  [[nodiscard]] const std::vector<std::int32_t>& fanin() const { return fanin_; }
  [[nodiscard]] const std::vector<std::uint8_t>& table() const { return table_; }
  [[nodiscard]] const std::vector<std::int32_t>& outputs() const { return outputs_; }

 private:
  using Word = std::uint64_t;
  using Node = std::int32_t;

  // What may take a gate's place: a literal, one gate (a, b), or (a, inner) with inner = (b, c).
  struct Change {
    int num_added;
    Node a, b, c;  // `a` a literal where nothing is added, else nodes
    std::uint8_t outer, inner;
  };

  // A gate that is what is wanted where that matters.
  struct Pair {
    Node a, b;
    std::uint8_t table;
  };

  struct Chain {
    Node first, last;
  };

  std::size_t below(std::size_t bound);
  void build();
  void count_readers();
  void move(int loss);
  void find_care(Node gate);
  void find_freed(Node gate);
  void find_divisors(Node gate);
  void find_literals();
  void find_pairs();
  void consider_literals();
  void consider_pairs(std::size_t gate);
  void consider_triples();
  void consider(const Change& change);
  int kept(Node node);
  int cost_of(std::uint8_t table) const;
  void apply(std::size_t gate, const Change& change);
  const Word* value(Node node) const {
    return &values_[static_cast<std::size_t>(node) * num_words_];
  }

  std::size_t first_gate_, num_words_;
  GateCosts costs_;
  std::uint64_t state_;
  std::vector<Node> fanin_, outputs_;
  std::vector<std::uint8_t> table_;
  std::vector<Word> values_, flipped_;     // by node
  std::vector<std::uint8_t> is_above_;     // by node: whether it reads the gate of the move
  std::vector<std::int32_t> num_readers_;  // by node
  std::vector<Word> target_, care_;        // what is wanted, and the rows on which it matters
  std::vector<Node> divisors_, on_, off_;  // nodes; literals that are 1 where the target is, isn't
  std::vector<Pair> pairs_;
  std::vector<std::size_t> words_;
  std::vector<Word> surplus_;
  std::vector<Chain> chains_;  // divisors by what hashes alike, in their order
  std::vector<Node> next_;     // by divisor: the next of its chain, or -1
  std::vector<Node> waiting_, counted_;
  int least_gain_ = 0, gain_ = 0, freed_ = 0;  // costs
  std::size_t num_equal_ = 0;
  Change best_{};
};

}  // namespace gatewright
