#include "reachable.hpp"

#include <algorithm>

#include "truth.hpp"

namespace gatewright {
namespace {

using Word = std::uint64_t;

// Gates that are looked at, at most.
constexpr std::size_t kMostInside = 150;

}  // namespace

Reachable::Reachable(const CircuitView& circuit)
    : first_gate_(1 + circuit.num_inputs),
      fanin_(circuit.fanin, circuit.fanin + 2 * circuit.num_gates),
      table_(circuit.table, circuit.table + circuit.num_gates),
      place_(num_nodes(), -1) {}

// How many sources more there are once the gate is no longer one.
int Reachable::cost(Node gate) const {
  const std::size_t g = static_cast<std::size_t>(gate) - first_gate_;
  const Node a = fanin_[2 * g], b = fanin_[2 * g + 1];
  int added = a != 0 && place_[static_cast<std::size_t>(a)] < 0 ? 1 : 0;
  if (b != a && b != 0 && place_[static_cast<std::size_t>(b)] < 0) ++added;
  return added - 1;
}

// Takes gates in from the sources, those that add fewest and of these the last, while there may be
// more sources.
void Reachable::grow(std::size_t most) {
  while (inside_.size() < kMostInside) {
    int least = 2;
    std::size_t best = 0;
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      if (static_cast<std::size_t>(sources_[s]) < first_gate_) continue;
      const int added = cost(sources_[s]);
      if (added < least || (added == least && sources_[s] > sources_[best])) {
        least = added;
        best = s;
      }
    }
    if (least == 2 || static_cast<int>(sources_.size()) + least > static_cast<int>(most)) return;
    const Node gate = sources_[best];
    sources_[best] = sources_.back();
    sources_.pop_back();
    inside_.push_back(gate);
    const std::size_t g = static_cast<std::size_t>(gate) - first_gate_;
    for (const Node operand : {fanin_[2 * g], fanin_[2 * g + 1]}) {
      if (operand == 0 || place_[static_cast<std::size_t>(operand)] >= 0) continue;
      place_[static_cast<std::size_t>(operand)] = 0;
      sources_.push_back(operand);
    }
  }
}

std::vector<std::uint32_t> Reachable::codes(const std::vector<Node>& nodes, std::size_t most) {
  sources_ = nodes;
  inside_.clear();
  for (const Node node : nodes) place_[static_cast<std::size_t>(node)] = 0;
  grow(most);
  std::sort(sources_.begin(), sources_.end());
  std::sort(inside_.begin(), inside_.end());

  const std::size_t k = sources_.size();
  const std::size_t num_words = k <= 6 ? 1 : std::size_t{1} << (k - 6);
  values_.assign((1 + k + inside_.size()) * num_words, 0);
  const auto value = [&](Node node) {
    const std::int32_t place = node == 0 ? 0 : place_[static_cast<std::size_t>(node)];
    return &values_[static_cast<std::size_t>(place) * num_words];
  };
  std::int32_t end = 1;
  for (std::size_t i = 0; i < k; ++i) {
    place_[static_cast<std::size_t>(sources_[i])] = end++;
    Word* out = value(sources_[i]);
    for (std::size_t w = 0; w < num_words; ++w) out[w] = i < 6 ? kVariables[i] : mask(w >> (i - 6));
  }
  for (const Node gate : inside_) {
    place_[static_cast<std::size_t>(gate)] = end++;
    const std::size_t g = static_cast<std::size_t>(gate) - first_gate_;
    apply_table(table_[g], value(fanin_[2 * g]), value(fanin_[2 * g + 1]), value(gate), num_words);
  }

  std::vector<std::uint8_t> is_seen(std::size_t{1} << nodes.size());
  for (std::size_t w = 0; w < num_words; ++w) {
    std::uint32_t code[64] = {};
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const Word word = value(nodes[i])[w];
      for (std::size_t row = 0; row < 64; ++row) {
        code[row] |= static_cast<std::uint32_t>(word >> row & 1) << i;
      }
    }
    for (const std::uint32_t one : code) is_seen[one] = 1;
  }
  for (const Node node : sources_) place_[static_cast<std::size_t>(node)] = -1;
  for (const Node node : inside_) place_[static_cast<std::size_t>(node)] = -1;
  std::vector<std::uint32_t> found;
  for (std::uint32_t code = 0; code < is_seen.size(); ++code) {
    if (is_seen[code] != 0) found.push_back(code);
  }
  while (found.size() % 64 != 0) found.push_back(found.back());
  return found;
}

}  // namespace gatewright
