#include "mapping.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <iterator>
#include <span>
#include <utility>

namespace gatewright {

namespace {

std::size_t index(std::int32_t node) { return static_cast<std::size_t>(node); }

// An instruction of two operands, of three, a copy, and reading an input once more.
constexpr std::int64_t kTwo = 4, kThree = 5, kCopy = 4, kReload = 1;

}  // namespace

Mapping::Mapping(const CircuitView& circuit, std::size_t k, std::size_t max_cuts, Cost cost)
    : first_(1 + circuit.num_inputs),
      k_(k),
      max_cuts_(max_cuts),
      cost_(cost),
      fanin_(circuit.fanin, circuit.fanin + 2 * circuit.num_gates),
      outputs_(circuit.outputs, circuit.outputs + circuit.num_outputs),
      cuts_(circuit.num_gates),
      chosen_(circuit.num_gates),
      num_readers_(circuit.num_nodes()),
      num_fanouts_(circuit.num_nodes()),
      flow_(circuit.num_nodes()),
      overwrites_(circuit.num_nodes()),
      overwriter_(circuit.num_nodes()) {
  for (const Node node : fanin_) ++num_fanouts_[index(node)];
  for (const Node literal : outputs_) ++num_fanouts_[index(literal) / 2];
}

void Mapping::choose(bool exact) {
  for (std::size_t node = first_; node < num_nodes(); ++node) {
    enumerate(node);
    const bool is_exact = exact && is_table(node);
    if (is_exact) remove(node, chosen_[node - first_]);
    for (Ranked& ranked : ranked_) {
      ranked.flow = flow(ranked.cut);
      ranked.area = is_exact ? area(node, ranked.cut) : 0;
    }
    keep(node);
    if (is_exact) add(node, chosen_[node - first_]);
  }
  if (!exact) count_readers();
}

void Mapping::enumerate(std::size_t node) {
  ranked_.clear();
  const std::size_t gate = node - first_;
  Cut own[2];
  for (int side = 0; side < 2; ++side) {
    const Node operand = fanin_[2 * gate + static_cast<std::size_t>(side)];
    if (operand == 0) continue;  // the constant: a cut of no leaves
    own[side].signature = std::uint64_t{1} << (operand % 64);
    own[side].size = 1;
    own[side].leaf[0] = operand;
  }
  const auto visit = [&](int side, const auto& take) {
    const Node operand = fanin_[2 * gate + static_cast<std::size_t>(side)];
    take(own[side]);
    if (index(operand) < first_) return;
    for (const Cut& cut : cuts_[index(operand) - first_]) take(cut);
  };
  visit(0, [&](const Cut& x) { visit(1, [&](const Cut& y) { merge(x, y); }); });
  if (has_cover_) ranked_.push_back({chosen_[gate], 0, 0.0});
}

void Mapping::merge(const Cut& x, const Cut& y) {
  if (static_cast<std::size_t>(std::popcount(x.signature | y.signature)) > k_) return;
  Cut merged;
  std::uint32_t i = 0, j = 0;
  while (i < x.size || j < y.size) {
    if (merged.size == k_) return;
    const bool from_x = j == y.size || (i < x.size && x.leaf[i] <= y.leaf[j]);
    const Node leaf = from_x ? x.leaf[i] : y.leaf[j];
    if (j < y.size && y.leaf[j] == leaf) ++j;
    if (from_x) ++i;
    merged.leaf[merged.size++] = leaf;
  }
  merged.signature = x.signature | y.signature;
  ranked_.push_back({merged, 0, 0.0});
}

double Mapping::flow(const Cut& cut) const {
  double sum = cost_ == Cost::instructions && cut.size > 2 ? 1.0 * kThree / kTwo : 1.0;
  for (std::uint32_t i = 0; i < cut.size; ++i) sum += flow_[index(cut.leaf[i])];
  return sum;
}

std::int64_t Mapping::area(std::size_t node, const Cut& cut) {
  chosen_[node - first_] = cut;
  const std::int64_t added = add(node, cut);
  remove(node, cut);
  return added;
}

// Keeps the best cuts of those ranked, none that holds all leaves of another.
void Mapping::keep(std::size_t node) {
  const auto order = [](const Ranked& x, const Ranked& y) {
    if (x.area != y.area) return x.area < y.area;
    if (x.flow != y.flow) return x.flow < y.flow;
    if (x.cut.size != y.cut.size) return x.cut.size < y.cut.size;
    return std::lexicographical_compare(x.cut.leaf, x.cut.leaf + x.cut.size, y.cut.leaf,
                                        y.cut.leaf + y.cut.size);
  };
  const auto sorted =
      ranked_.begin() +
      std::min<std::ptrdiff_t>(2 * static_cast<std::ptrdiff_t>(max_cuts_), std::ssize(ranked_));
  std::partial_sort(ranked_.begin(), sorted, ranked_.end(), order);
  const auto holds = [](const Cut& large, const Cut& small) {
    return (small.signature & ~large.signature) == 0 &&
           std::includes(large.leaf, large.leaf + large.size, small.leaf, small.leaf + small.size);
  };
  auto& cuts = cuts_[node - first_];
  cuts.clear();
  for (auto next = ranked_.begin(); next != ranked_.end() && cuts.size() < max_cuts_; ++next) {
    if (next == sorted) std::sort(next, ranked_.end(), order);  // seldom: most are dropped
    const Ranked& ranked = *next;
    const bool is_more = std::any_of(cuts.begin(), cuts.end(),
                                     [&](const Cut& cut) { return holds(ranked.cut, cut); });
    if (!is_more) cuts.push_back(ranked.cut);
  }
  chosen_[node - first_] = cuts.front();
  const std::int32_t readers = has_cover_ ? num_readers_[node] : num_fanouts_[node];
  flow_[node] = flow(cuts.front()) / std::max(1, readers);
}

// Of the cover that the chosen cuts make.
void Mapping::count_readers() {
  std::fill(num_readers_.begin(), num_readers_.end(), 0);
  for (const Node literal : outputs_) ++num_readers_[index(literal) / 2];
  for (std::size_t node = num_nodes(); node-- > first_;) {
    if (num_readers_[node] == 0) continue;
    const Cut& cut = chosen_[node - first_];
    for (std::uint32_t i = 0; i < cut.size; ++i) ++num_readers_[index(cut.leaf[i])];
  }
  std::fill(overwrites_.begin(), overwrites_.end(), 0);
  std::fill(overwriter_.begin(), overwriter_.end(), 0);
  for (std::size_t node = first_; node < num_nodes(); ++node) {
    if (is_table(node)) take(node, chosen_[node - first_]);
  }
  has_cover_ = true;
}

// A table for the node and one reader more of each leaf; what this adds to the cost.
std::int64_t Mapping::add(std::size_t node, const Cut& cut) {
  waiting_.assign(cut.leaf, cut.leaf + cut.size);
  std::int64_t added = take(node, cut);
  while (!waiting_.empty()) {
    const std::size_t next = index(waiting_.back());
    waiting_.pop_back();
    if (++num_readers_[next] > 1 || next < first_) continue;
    const Cut& below = chosen_[next - first_];
    added += take(next, below);
    waiting_.insert(waiting_.end(), below.leaf, below.leaf + below.size);
  }
  return added;
}

void Mapping::remove(std::size_t node, const Cut& cut) {
  waiting_.assign(cut.leaf, cut.leaf + cut.size);
  release(node);
  while (!waiting_.empty()) {
    const std::size_t next = index(waiting_.back());
    waiting_.pop_back();
    if (--num_readers_[next] > 0 || next < first_) continue;
    release(next);
    const Cut& below = chosen_[next - first_];
    waiting_.insert(waiting_.end(), below.leaf, below.leaf + below.size);
  }
}

// What a node's table costs. Of three operands it writes over the one that the fewest read, of
// those that no other does.
std::int64_t Mapping::take(std::size_t node, const Cut& cut) {
  if (cost_ == Cost::tables || cut.size <= 2) return price(node, cut);
  const auto leaves = [](const Cut& of) { return std::span(of.leaf, of.size); };
  const auto reads = [&](Node reader, Node leaf) {
    return std::ranges::count(leaves(chosen_[index(reader) - first_]), leaf) > 0;
  };
  // What reads it comes before what writes over it: no two nodes may wait for one another.
  const auto waits = [&](Node leaf) {
    return std::ranges::any_of(leaves(cut), [&](Node other) {
      return overwriter_[index(other)] != 0 && reads(overwriter_[index(other)], leaf);
    });
  };
  Node best = 0;
  for (const Node leaf : leaves(cut)) {
    if (overwriter_[index(leaf)] != 0 || waits(leaf)) continue;
    if (best == 0 || num_readers_[index(leaf)] < num_readers_[index(best)]) best = leaf;
  }
  if (best != 0) {
    overwrites_[node] = best;
    overwriter_[index(best)] = static_cast<Node>(node);
  }
  return price(node, cut);
}

std::int64_t Mapping::price(std::size_t node, const Cut& cut) const {
  if (cost_ == Cost::tables) return 1;
  if (cut.size <= 2) return kTwo;
  if (overwrites_[node] != 0) return kThree;
  return kThree + (index(cut.leaf[0]) < first_ ? kReload : kCopy);
}

void Mapping::release(std::size_t node) {
  overwriter_[index(std::exchange(overwrites_[node], 0))] = 0;
}

std::int64_t Mapping::cost() const {
  std::int64_t sum = 0;
  for (std::size_t node = first_; node < num_nodes(); ++node) {
    if (is_table(node)) sum += price(node, chosen_[node - first_]);
  }
  return sum;
}

std::size_t Mapping::size() const {
  std::size_t tables = 0;
  for (std::size_t node = first_; node < num_nodes(); ++node) tables += is_table(node);
  return tables;
}

void Mapping::leaves(std::size_t node, std::vector<std::int32_t>& into) const {
  const Cut& cut = chosen_[node - first_];
  into.insert(into.end(), cut.leaf, cut.leaf + cut.size);
}

}  // namespace gatewright
