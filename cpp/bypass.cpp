#include "bypass.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <queue>
#include <tuple>

namespace gatewright {
namespace {

// Levels so far below the highest side of a chain count as if they were there.
constexpr std::int32_t kClip = 40;

// So far above them what is below the first links outweighs all sides together.
constexpr std::int32_t kFar = 60;

// In place of a level: what is constant, false or true.
constexpr std::int32_t kFalse = -1, kTrue = -2;

constexpr std::int32_t kNever = std::numeric_limits<std::int32_t>::max();

constexpr std::uint8_t kXorTable = 6;

// An AND-like table as AND(a ^ bit 0, b ^ bit 1) ^ bit 2.
unsigned inversions(std::uint8_t table) {
  switch (table) {
    case 2:
      return 2;
    case 4:
      return 1;
    case 8:
      return 0;
    default:
      return 7;  // OR
  }
}

}  // namespace

Bypass::Bypass(const CircuitView& circuit, std::size_t longest)
    : first_gate_(1 + circuit.num_inputs),
      longest_(longest),
      fanin_(circuit.fanin, circuit.fanin + 2 * circuit.num_gates),
      table_(circuit.table, circuit.table + circuit.num_gates),
      outputs_(circuit.outputs, circuit.outputs + circuit.num_outputs),
      level_(circuit.num_nodes()),
      required_(circuit.num_nodes(), kNever),
      critical_(circuit.num_nodes()),
      literal_(circuit.num_nodes()),
      length_(circuit.num_nodes()),
      first_held_(circuit.num_nodes()) {
  const auto end = static_cast<Node>(circuit.num_nodes()), first = static_cast<Node>(first_gate_);
  for (Node node = first; node < end; ++node) measure(node);
  Level depth = 0;
  for (const Node output : outputs_) depth = std::max(depth, level_[at(output >> 1)]);
  for (const Node output : outputs_) require(output >> 1, depth);
  for (Node node = end - 1; node >= first; --node) {
    follow(node);
    if (required_[at(node)] != kNever) decide(node, 0, 0, required_[at(node)]);
    for (std::size_t length = length_[at(node)]; length > 0; --length) {
      for (const int value : {0, 1}) {
        const Level required = held(node, length, value).required;
        if (required != kNever) decide(node, length, value, required);
      }
    }
  }
  for (Node node = 0; node < first; ++node) literal_[at(node)] = 2 * node;
  for (auto plan = plans_.rbegin(); plan != plans_.rend(); ++plan) make(*plan);
  for (Node& output : outputs_) output = literal_[at(output >> 1)] ^ (output & 1);
}

Bypass::Held& Bypass::held(Node node, std::size_t length, int value) {
  return held_[first_held_[at(node)] + 2 * (length - 1) + static_cast<std::size_t>(value)];
}

Bypass::Link Bypass::link(Node node, int inverted) const {
  const std::size_t gate = at(node) - first_gate_;
  Node path = fanin_[2 * gate], side = fanin_[2 * gate + 1];
  const bool is_first = path == critical_[at(node)];
  if (!is_first) std::swap(path, side);
  if (table_[gate] == kXorTable) return {Kind::kXor, 2 * side + inverted, 2 * path};
  const unsigned bits = inversions(table_[gate]);
  auto inverted_path = static_cast<Node>(bits & 1),
       inverted_side = static_cast<Node>(bits >> 1 & 1);
  if (!is_first) std::swap(inverted_path, inverted_side);
  const Node is_or = static_cast<Node>(bits >> 2) ^ inverted;
  return {is_or != 0 ? Kind::kOr : Kind::kAnd, 2 * side + (inverted_side ^ is_or),
          2 * path + (inverted_path ^ is_or)};
}

// The chain from a gate down its critical operands.
void Bypass::follow(Node node) {
  chain_.clear();
  Node path = 2 * node;
  Level top = 0;
  for (std::size_t n = 0; n < length_[at(node)]; ++n) {
    chain_.push_back(link(path >> 1, path & 1));
    path = chain_.back().path;
    top = std::max(top, level_[at(chain_.back().side >> 1)]);
  }
  base_ = top - kClip;
  ands_.assign(1, 0);
  ors_.assign(1, 0);
  has_xor_.assign(1, false);
  for (const Link& one : chain_) {
    const std::uint64_t side = weight(level_[at(one.side >> 1)]);
    ands_.push_back(ands_.back() + (one.kind == Kind::kAnd ? side : 0));
    ors_.push_back(ors_.back() + (one.kind == Kind::kOr ? side : 0));
    has_xor_.push_back(has_xor_.back() || one.kind == Kind::kXor);
  }
}

void Bypass::measure(Node node) {
  const std::size_t gate = at(node) - first_gate_;
  const Node a = fanin_[2 * gate], b = fanin_[2 * gate + 1];
  const auto rank = [this](Node n) { return std::tuple(level_[at(n)], length_[at(n)], n); };
  critical_[at(node)] = rank(a) < rank(b) ? b : a;
  length_[at(node)] = std::min(longest_, length_[at(critical_[at(node)])] + 1);
  first_held_[at(node)] = held_.size();
  follow(node);
  held_.resize(held_.size() + 2 * chain_.size(), {0, kNever, 0, 0});
  for (std::size_t length = 1; length <= chain_.size(); ++length) {
    for (const int value : {0, 1}) hold(node, length, value);
  }
  Level least = kNever;
  for (std::size_t split = 1; split <= chain_.size(); ++split) {
    const Level path = below(split, 0, 0);
    for (const Kind kind : {Kind::kAnd, Kind::kOr, Kind::kXor}) {
      least = std::min(least, of_split(node, split, kind, path));
    }
  }
  level_[at(node)] = least;
}

void Bypass::hold(Node node, std::size_t length, int value) {
  Held& now = held(node, length, value);
  now.same = static_cast<std::int32_t>(2 * length) + value;
  if (length == 1) {
    const Link& only = chain_[0];
    const bool path = (value ^ (only.path & 1)) != 0;
    const Level side = level_[at(only.side >> 1)];
    now.level = only.kind == Kind::kAnd && !path ? kFalse
                : only.kind == Kind::kOr && path ? kTrue
                                                 : side;
    return;
  }
  const Held& rest = held(critical_[at(node)], length - 1, value);
  const auto shorter = static_cast<std::int32_t>(2 * (length - 1)) + value;
  if (rest.level < 0 || rest.same != shorter) {
    now.same = rest.level < 0 ? 2 + (rest.level == kTrue) : rest.same + 2;
    now.level = held(node, at(now.same >> 1), now.same & 1).level;
    return;
  }
  Level least = kNever;
  for (std::size_t split = 1; split < length; ++split) {
    const Level path = below(split, length, value);
    for (const Kind kind : {Kind::kAnd, Kind::kOr, Kind::kXor}) {
      least = std::min(least, of_split(node, split, kind, path));
    }
  }
  now.level = least;
}

std::uint64_t Bypass::weight(Level level) const {
  return std::uint64_t{1} << std::max(0, level - base_);
}

// Of a tree of gates of one kind: its leaves' weights add up, and the least depth is known.
Bypass::Level Bypass::of_tree(std::uint64_t sum, Level path) const {
  if (sum == 0) return path;
  if (path - base_ >= kFar) return path + 1;
  return base_ + static_cast<Level>(std::bit_width(sum + weight(path) - 1));
}

// The level of the first links and what is below them, that much deep; kNever where they have an
// XOR and the kind is another, or the other way round.
Bypass::Level Bypass::of_split(Node node, std::size_t split, Kind kind, Level path) {
  if (has_xor_[split] != (kind == Kind::kXor)) return kNever;
  const Level prefix = held(node, split, prefix_value(split, kind)).level;
  const std::uint64_t sum = kind == Kind::kAnd  ? ands_[split]
                            : kind == Kind::kOr ? ors_[split]
                                                : ands_[split] + ors_[split];
  const Level tree = of_tree(sum, path);
  return prefix < 0 ? tree : 1 + std::max(prefix, tree);
}

// The level of what is below the first links: all that is there, or the rest of a chain held.
Bypass::Level Bypass::below(std::size_t split, std::size_t length, int value) {
  const Node node = chain_[split - 1].path >> 1;
  return length == 0 ? level_[at(node)] : held(node, length - split, value).level;
}

// What the first links are held at: the value that makes what is below them 0, or 1.
int Bypass::prefix_value(std::size_t split, Kind kind) const {
  return (chain_[split - 1].path & 1) ^ (kind == Kind::kOr ? 1 : 0);
}

void Bypass::find_leaves(std::size_t split, Kind kind) {
  leaves_.clear();
  for (std::size_t n = 0; n < split; ++n) {
    const Link& one = chain_[n];
    if (one.kind == Kind::kXor) continue;
    if (kind == Kind::kXor) leaves_.push_back(one.side ^ (one.kind == Kind::kOr ? 1 : 0));
    if (kind == one.kind) leaves_.push_back(one.side);
  }
}

void Bypass::require(Node node, Level level) {
  required_[at(node)] = std::min(required_[at(node)], level);
}

void Bypass::require_held(Node node, std::size_t length, int value, Level level) {
  const std::int32_t same = held(node, length, value).same;
  Held& one = held(node, at(same >> 1), same & 1);
  one.required = std::min(one.required, level);
}

// Chooses the shortest prefix that is in time.
void Bypass::decide(Node node, std::size_t length, int value, Level required) {
  if (length == 1) {
    require(chain_[0].side >> 1, required);
    plans_.push_back({node, 1, value, 0, Kind::kAnd, pairs_.size(), 0});
    return;
  }
  const std::size_t end = length == 0 ? chain_.size() + 1 : length;
  for (std::size_t split = 1; split < end; ++split) {
    const Level path = below(split, length, value);
    for (const Kind kind : {Kind::kAnd, Kind::kOr, Kind::kXor}) {
      if (of_split(node, split, kind, path) > required) continue;
      find_leaves(split, kind);
      using Item = std::pair<Level, std::int32_t>;
      std::priority_queue<Item, std::vector<Item>, std::greater<>> queue;
      for (std::size_t n = 0; n < leaves_.size(); ++n) {
        queue.emplace(level_[at(leaves_[n] >> 1)], static_cast<std::int32_t>(n));
      }
      const auto num_leaves = static_cast<std::int32_t>(leaves_.size()) + 1;
      queue.emplace(path, num_leaves - 1);
      const std::size_t first_pair = pairs_.size();
      while (queue.size() > 1) {
        const Item a = queue.top();
        queue.pop();
        const Item b = queue.top();
        queue.pop();
        queue.emplace(1 + std::max(a.first, b.first),
                      num_leaves + static_cast<std::int32_t>(pairs_.size() - first_pair));
        pairs_.emplace_back(a.second, b.second);
      }
      const std::size_t num_pairs = pairs_.size() - first_pair;
      const int prefix = prefix_value(split, kind);
      const bool has_prefix = held(node, split, prefix).level >= 0;
      std::vector<Level> in_time(leaves_.size() + 1 + num_pairs);
      in_time.back() = required - (has_prefix ? 1 : 0);
      for (std::size_t n = num_pairs; n-- > 0;) {
        const auto& [a, b] = pairs_[first_pair + n];
        in_time[at(a)] = in_time[at(b)] = in_time[leaves_.size() + 1 + n] - 1;
      }
      for (std::size_t n = 0; n < leaves_.size(); ++n) require(leaves_[n] >> 1, in_time[n]);
      const Node rest = chain_[split - 1].path >> 1;
      if (length == 0) {
        require(rest, in_time[leaves_.size()]);
      } else {
        require_held(rest, length - split, value, in_time[leaves_.size()]);
      }
      if (has_prefix) require_held(node, split, prefix, required - 1);
      plans_.push_back({node, length, value, split, kind, first_pair, num_pairs});
      return;
    }
  }
}

void Bypass::make(const Plan& plan) {
  const Node node = plan.node;
  follow(node);
  const auto made = [this](Node literal) { return literal_[at(literal >> 1)] ^ (literal & 1); };
  const auto made_held = [this](Node top, std::size_t length, int value) {
    const std::int32_t same = held(top, length, value).same;
    return held(top, at(same >> 1), same & 1).literal;
  };
  if (plan.length == 1) {
    const Link& only = chain_[0];
    held(node, 1, plan.value).literal =
        made(only.side) ^ (only.kind == Kind::kXor ? plan.value : 0);
    return;
  }
  find_leaves(plan.split, plan.kind);
  std::vector<Node> tree;
  for (const Node leaf : leaves_) tree.push_back(made(leaf));
  const Node path = chain_[plan.split - 1].path;
  const Node rest = plan.length == 0 ? literal_[at(path >> 1)]
                                     : made_held(path >> 1, plan.length - plan.split, plan.value);
  tree.push_back(rest ^ (path & 1));
  for (std::size_t n = 0; n < plan.num_pairs; ++n) {
    const auto& [a, b] = pairs_[plan.first_pair + n];
    tree.push_back(gate(plan.kind == Kind::kOr ? Kind::kOr : Kind::kAnd, tree[at(a)], tree[at(b)]));
  }
  Node result = tree.back();
  const int prefix = prefix_value(plan.split, plan.kind);
  if (held(node, plan.split, prefix).level >= 0) {
    const Node other = made_held(node, plan.split, prefix);
    const Kind outer = plan.kind == Kind::kAnd  ? Kind::kOr
                       : plan.kind == Kind::kOr ? Kind::kAnd
                                                : Kind::kXor;
    result = gate(outer, other, result);
  }
  (plan.length == 0 ? literal_[at(node)] : held(node, plan.length, plan.value).literal) = result;
}

// A gate over two literals.
Bypass::Node Bypass::gate(Kind kind, Node a, Node b) {
  int table = 0;
  for (int row = 0; row < 4; ++row) {
    const int x = (row & 1) ^ (a & 1), y = (row >> 1) ^ (b & 1);
    const int one = kind == Kind::kAnd ? x & y : kind == Kind::kOr ? x | y : x ^ y;
    table |= one << row;
  }
  made_fanin_.push_back(a >> 1);
  made_fanin_.push_back(b >> 1);
  made_table_.push_back(static_cast<std::uint8_t>(table));
  return static_cast<Node>(2 * (first_gate_ + made_table_.size() - 1));
}

}  // namespace gatewright
