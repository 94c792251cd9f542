// One round of SAT sweeping but for the solver: nodes that no sample tells apart are compared in
// small windows and merged. Knows nothing of Python; gatewright/sweeping.py is the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "simulate.hpp"

namespace gatewright {

// A gate of the merged circuit.
struct MergedGate {
  std::uint8_t table;
  std::int32_t a, b;
};

class Sweeping {
 public:
  // Copies the miter, whose 2m outputs belong together in pairs (o, m + o). It must be valid, and
  // made of gates that are 0 where both operands are and that depend on both.
  explicit Sweeping(const CircuitView& miter);

  // Takes samples words[num_inputs][num_words]; returns the first that tells two paired outputs
  // apart, and then takes none of its block and of those behind, or -1.
  std::int64_t sample(std::size_t num_words, const std::uint64_t* words);
  [[nodiscard]] std::size_t num_classes() const;

  // Visits up to `most` gates, as long as none waits for an answer; whether one does.
  bool advance(bool compare, bool ask, std::size_t most);
  [[nodiscard]] bool is_done() const { return !waits_ && merged_.size() == num_nodes_; }
  // Of the gate that waits: its node, and that of the first of its class.
  [[nodiscard]] std::pair<std::int32_t, std::int32_t> question() const;
  // Merges the gate that waits with the first of its class, or keeps it apart.
  void answer(bool is_equal);

  // The largest windows from now on.
  void limit(std::size_t gates, std::size_t leaves);
  // Whether two nodes of the merged circuit are equal as functions of a small cut.
  bool is_equal_locally(std::int32_t x, std::int32_t y);

  [[nodiscard]] bool waits() const { return waits_; }
  [[nodiscard]] std::size_t num_inputs() const { return num_inputs_; }
  [[nodiscard]] std::size_t num_merged() const { return num_merged_; }
  [[nodiscard]] const std::vector<std::int32_t>& merged() const { return merged_; }
  [[nodiscard]] const std::vector<MergedGate>& gates() const { return gates_; }

 private:
  using Word = std::uint64_t;

  template <std::size_t kWords>
  std::int64_t take(std::size_t first, std::size_t count, std::size_t num_words, const Word* words);
  std::int32_t add(std::uint8_t table, std::int32_t a, std::int32_t b);
  bool is_merged_locally(std::int32_t own, const std::vector<std::int32_t>& leaders);
  bool is_equal_where_cones_meet(std::int32_t x, std::int32_t y);
  bool meet(std::int32_t x, std::int32_t y);
  [[nodiscard]] std::size_t num_shared(std::int32_t leaf) const;
  bool agrees(std::int32_t x, std::int32_t y, const std::vector<std::int32_t>& leaves);
  void lead(std::int32_t node) {
    leaders_[bucket_[static_cast<std::size_t>(node)]].push_back(node);
  }
  void find_leaders(std::int32_t node);
  void classify();

  std::size_t num_inputs_, num_nodes_;
  std::vector<std::int32_t> fanin_, outputs_;
  std::vector<std::uint8_t> table_;
  std::vector<Word> hash_, values_;
  // Nodes that agreed when the first was visited, and those of each bucket that lead.
  std::vector<std::uint32_t> bucket_;
  std::vector<std::vector<std::int32_t>> leaders_;
  std::vector<std::int32_t> agreeing_;  // the leaders of the gate under way
  bool waits_ = false;

  std::vector<std::int32_t> merged_;  // of the miter's nodes, in the merged circuit
  std::vector<MergedGate> gates_;
  std::unordered_map<Word, std::int32_t> known_;
  std::size_t num_merged_ = 0;

  std::size_t max_gates_, max_leaves_;
  std::vector<std::uint32_t> seen_, place_;  // by node: when it was last seen, its table's place
  std::uint32_t now_ = 0;
  std::vector<std::uint8_t> sides_;  // by node: whose cone it is in, x's 1, y's 2
  std::vector<std::int32_t> heap_, inside_, leaves_, opened_;
  std::vector<Word> tables_;
};

}  // namespace gatewright
