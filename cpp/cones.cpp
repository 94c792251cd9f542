#include "cones.hpp"

#include <algorithm>
#include <functional>

#include "truth.hpp"

namespace gatewright {

Cones::Cones(const CircuitView& circuit, std::size_t max_leaves, std::size_t max_cuts)
    : first_(1 + circuit.num_inputs),
      max_leaves_(max_leaves),
      max_cuts_(max_cuts),
      fanin_(circuit.fanin, circuit.fanin + 2 * circuit.num_gates),
      table_(circuit.table, circuit.table + circuit.num_gates),
      num_fanouts_(circuit.num_nodes()),
      cuts_(circuit.num_gates),
      seen_(circuit.num_nodes()),
      reads_(circuit.num_nodes()),
      value_(circuit.num_nodes()) {
  for (const Node node : fanin_) ++num_fanouts_[at(node)];
  for (std::size_t o = 0; o < circuit.num_outputs; ++o) ++num_fanouts_[at(circuit.outputs[o]) / 2];
  for (std::size_t gate = 0; gate < table_.size(); ++gate) enumerate(gate);
}

// The cuts that one of each operand makes, the operand itself among its own.
void Cones::enumerate(std::size_t gate) {
  merged_.clear();
  const auto visit = [&](Node operand, const auto& take) {
    take(operand == 0 ? Cut{} : Cut{1, {operand}});
    if (at(operand) < first_) return;
    for (const Cut& cut : cuts_[at(operand) - first_]) take(cut);
  };
  visit(fanin_[2 * gate],
        [&](const Cut& x) { visit(fanin_[2 * gate + 1], [&](const Cut& y) { merge(x, y); }); });
  const auto order = [](const Cut& x, const Cut& y) {
    if (x.size != y.size) return x.size < y.size;
    return std::lexicographical_compare(x.leaf, x.leaf + x.size, y.leaf, y.leaf + y.size);
  };
  std::sort(merged_.begin(), merged_.end(), order);
  const auto is_same = [](const Cut& x, const Cut& y) {
    return std::equal(x.leaf, x.leaf + x.size, y.leaf, y.leaf + y.size);
  };
  merged_.erase(std::unique(merged_.begin(), merged_.end(), is_same), merged_.end());
  merged_.resize(std::min(merged_.size(), max_cuts_));
  cuts_[gate] = merged_;
}

void Cones::merge(const Cut& x, const Cut& y) {
  Node both[2 * kMostLeaves];
  const Node* end = std::set_union(x.leaf, x.leaf + x.size, y.leaf, y.leaf + y.size, both);
  const auto size = static_cast<std::size_t>(end - both);
  if (size > max_leaves_) return;
  Cut merged{static_cast<std::uint32_t>(size), {}};
  std::copy(both, both + size, merged.leaf);
  merged_.push_back(merged);
}

void Cones::find_cone(Node node, const Cut& cut) {
  ++cut_;
  for (std::uint32_t i = 0; i < cut.size; ++i) seen_[at(cut.leaf[i])] = cut_;
  cone_.assign(1, node);
  seen_[at(node)] = cut_;
  for (std::size_t next = 0; next < cone_.size(); ++next) {
    const Node* read = operands(cone_[next]);
    for (int side = 0; side < 2; ++side) {
      if (at(read[side]) < first_ || seen_[at(read[side])] == cut_) continue;
      seen_[at(read[side])] = cut_;
      cone_.push_back(read[side]);
    }
  }
  std::sort(cone_.begin(), cone_.end(), std::greater<>());
}

void Cones::find_own(Node node) {
  own_.clear();
  for (const Node gate : cone_) {
    if (gate != node && reads_[at(gate)] != num_fanouts_[at(gate)]) continue;
    own_.push_back(gate);
    ++reads_[at(operands(gate)[0])];
    ++reads_[at(operands(gate)[1])];
  }
  for (const Node gate : own_) reads_[at(operands(gate)[0])] = reads_[at(operands(gate)[1])] = 0;
}

std::uint32_t Cones::table_of(Node node, const Cut& cut) {
  const std::uint32_t full = (std::uint32_t{1} << (1U << max_leaves_)) - 1;
  for (std::uint32_t i = 0; i < cut.size; ++i) {
    value_[at(cut.leaf[i])] = static_cast<std::uint32_t>(kVariables[i]) & full;
  }
  value_[0] = 0;
  for (auto gate = cone_.rbegin(); gate != cone_.rend(); ++gate) {
    const std::uint64_t a = value_[at(operands(*gate)[0])], b = value_[at(operands(*gate)[1])];
    std::uint64_t out = 0;
    apply_table(table_[at(*gate) - first_], &a, &b, &out, 1);
    value_[at(*gate)] = static_cast<std::uint32_t>(out) & full;
  }
  return value_[at(node)];
}

std::vector<Cones::Cone> Cones::choose(const Costs& costs) {
  std::vector<Cone> chosen;
  std::vector<bool> is_taken(num_fanouts_.size());
  std::vector<Node> freed;
  for (std::size_t n = num_fanouts_.size(); n-- > first_;) {
    if (is_taken[n]) continue;  // so no gate that only this one needs is taken either
    const auto node = static_cast<Node>(n);
    Cone best;
    int most = 0;
    for (const Cut& cut : cuts_[n - first_]) {
      find_cone(node, cut);
      find_own(node);
      int saved = 0;
      for (const Node gate : own_) saved += costs.of_gate[table_[at(gate) - first_]];
      if (saved <= most) continue;
      const std::uint32_t table = table_of(node, cut);
      const int cost = costs.of_function[table];
      if (cost < 0 || saved - cost <= most) continue;
      most = saved - cost;
      best = {node, cut.size, {}, table};
      std::copy(cut.leaf, cut.leaf + cut.size, best.leaf);
      freed = own_;
    }
    if (most == 0) continue;
    chosen.push_back(best);
    for (const Node gate : freed) is_taken[at(gate)] = true;
  }
  return chosen;
}

}  // namespace gatewright
