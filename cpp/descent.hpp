// Coordinate descent on a classifier of hard gates: gate by gate the wires and the table of least
// loss, all other gates being as they are. Knows nothing of Python; gatewright/descent.py is the
// specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pair_sums.hpp"
#include "simulate.hpp"
#include "team.hpp"

namespace gatewright {

// Samples of a classifier whose outputs vote, equal groups of them in turn.
struct Votes {
  std::size_t num_classes, num_groups;
  // [num_classes][num_groups + 1]: what a vote of each group adds to the class's score, and last
  // what the score is without any.
  const float* readout;
  std::size_t num_words;        // of 64 samples; the last may be filled up with samples of weight 0
  const std::int32_t* classes;  // by sample: which is right
  const float* weights;         // by sample
};

class Descent {
 public:
  static constexpr std::size_t kMostCandidates = 254;

  // Copies the circuit, which must be valid, and the words of its inputs, input by input.
  Descent(const CircuitView& circuit, const std::uint64_t* words, const Votes& votes,
          std::size_t num_threads);

  struct Gain {
    std::size_t num_changed;
    double loss;  // the weighted sum of what the samples' losses became less, as far as was seen
  };

  // Visits gates in this order. Each may read in place of either operand, and of both, one of
  // `num_candidates` nodes below it, candidates[(2 * i + operand) * num_candidates ...] for the
  // i-th visited, and is changed where the loss falls by more than `significance` standard errors
  // of the fall. No more candidates than kMostCandidates.
  Gain sweep(const std::int32_t* order, std::size_t num_visits, const std::int32_t* candidates,
             std::size_t num_candidates, float significance);

  // By sample: the cross-entropy.
  std::vector<float> losses() const;

  std::int32_t first_gate() const { return static_cast<std::int32_t>(first_gate_); }
  const std::vector<std::int32_t>& fanin() const { return fanin_; }
  const std::vector<std::uint8_t>& table() const { return table_; }

 private:
  using Word = std::uint64_t;
  using Node = std::int32_t;

  // An output that depends on the gate of the visit: its place in the cone, a class whose score it
  // is a part of, its group, its sign.
  struct Vote {
    std::size_t member, of_class, group;
    bool is_inverted;
  };
  // A gate of the cone: its operands by their places in it, or as nodes where they are outside.
  struct Member {
    Node node, operands[2];
    int places[2];  // -1: outside
    std::uint8_t table;
  };
  struct Pair {
    Node a, b;
  };
  // What a gate may become.
  struct Form {
    Node a, b;
    std::uint8_t table;
  };

  Word* value(Node node) { return &values_[static_cast<std::size_t>(node) * num_words_]; }
  const Word* value(Node node) const {
    return &values_[static_cast<std::size_t>(node) * num_words_];
  }
  void simulate(std::size_t chunk);
  void count_votes(std::size_t chunk);
  void find_cone(Node node);
  void measure(std::size_t chunk, Node node, const Node* candidates, std::size_t num_candidates,
               Word* scratch, std::int8_t* bytes);
  void differ(std::size_t begin, std::size_t num_words, const Word* off, const Word* on);
  void find_pairs(Node node, const Node* candidates, std::size_t num_candidates);
  void add_up_pairs(std::size_t chunk);
  Form choose(Node node) const;
  float share(std::size_t of_class, std::size_t group) const {
    return shares_[of_class * num_groups_ + group];
  }
  float factor(std::size_t of_class, std::size_t group) const {
    return factors_[of_class * num_groups_ + group];
  }
  void weigh(std::size_t chunk, Node node, const Form& form);
  void replace(std::size_t chunk, const Form& form);
  void rewire(Node node, const Form& form);

  std::size_t num_classes_, num_groups_, num_words_, num_chunks_, first_gate_;
  std::vector<float> shares_, factors_;  // by class and group: in a score, and of its exponential
  std::vector<float> scores_;            // by class: without votes
  double nothing_;                       // a smaller sum of differences may be rounding alone
  std::vector<Node> fanin_, outputs_;
  std::vector<std::uint8_t> table_;
  std::vector<std::vector<Node>> readers_;            // by node: gates, one entry each
  std::vector<std::vector<std::size_t>> votes_of_;    // by node: outputs
  std::vector<Word> values_;                          // by node
  std::vector<Word> is_right_;                        // by class
  std::vector<float> weights_, exponentials_, sums_;  // exp(score) by class, and their sums
  std::vector<float> differences_;  // by sample: the weighted loss if the gate is 1 less if it is 0
  std::vector<Member> cone_;        // the gate of the visit first
  std::vector<Vote> votes_;         // in the order of classes
  std::vector<int> place_;          // by node: in the cone, or -1
  std::vector<float> seen_;         // by chunk and pair of candidates
  std::vector<double> totals_;      // by pair of candidates
  std::vector<Pair> pairs_;         // the gate's own operands, then the most promising
  std::vector<double> exact_;       // by chunk, pair and row
  std::vector<double> falls_, squares_;  // by chunk
  PairSums* pair_sums_;
  Team team_;
};

}  // namespace gatewright
