#include "walk.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "truth.hpp"

namespace gatewright {
namespace {

using Word = std::uint64_t;
using Node = std::int32_t;

// Outer gates that are tried where two gates may take a gate's place.
constexpr std::size_t kOuterTrials = 8;

// Divisors of a gate: all nodes up to so many; else those so near, some drawn, and what is read by
// the gate and those first below it.
constexpr std::size_t kAllNodes = 256, kNear = 64, kDrawn = 64, kBelow = 14;

// Words that are looked at between two tests whether more need be.
constexpr std::size_t kStep = 4;

// Words of a divisor's value that its hash is of.
constexpr std::size_t kHashedWords = 8;

std::size_t at(Node node) { return static_cast<std::size_t>(node); }

// The table of AND over literals of which a or b may be inverted, or the result.
std::uint8_t and_table(int a, int b, int out) {
  int table = 0;
  for (int row = 0; row < 4; ++row) {
    const int one = (row & 1) ^ a, two = (row >> 1) ^ b;
    table |= ((one & two) ^ out) << row;
  }
  return static_cast<std::uint8_t>(table);
}

// A table with its operands inverted.
std::uint8_t inverted(std::uint8_t table, int a, int b) {
  int t = table;
  if (a != 0) t = (t & 5) << 1 | (t >> 1 & 5);
  if (b != 0) t = (t & 3) << 2 | (t >> 2 & 3);
  return static_cast<std::uint8_t>(t);
}

std::uint8_t swap_operands(std::uint8_t table) {
  return static_cast<std::uint8_t>((table & 9) | (table & 2) << 1 | (table >> 1 & 2));
}

// The literal that is 0, 1, the node or its complement where the node is 0 and 1.
Node literal(Node node, int at_0, int at_1) {
  if (at_0 == at_1) return at_0;
  return 2 * node + at_0;
}

}  // namespace

Walk::Walk(const CircuitView& circuit, const Word* rows, std::size_t num_words, GateCosts costs,
           std::uint64_t seed)
    : first_gate_(1 + circuit.num_inputs),
      num_words_(num_words),
      costs_(costs),
      state_(seed),
      fanin_(circuit.fanin, circuit.fanin + 2 * circuit.num_gates),
      outputs_(circuit.outputs, circuit.outputs + circuit.num_outputs),
      table_(circuit.table, circuit.table + circuit.num_gates),
      values_(first_gate_ * num_words),
      target_(num_words_),
      care_(num_words_) {
  std::copy_n(rows, circuit.num_inputs * num_words,
              values_.begin() + static_cast<std::ptrdiff_t>(num_words));
  build();
}

// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
std::size_t Walk::below(std::size_t bound) {
  state_ += 0x9E3779B97F4A7C15;
  Word z = state_;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  z ^= z >> 31;
  return static_cast<std::size_t>((z >> 32) * bound >> 32);
}

// Numbers the gates that outputs need anew, operands first, folds, and evaluates all.
void Walk::build() {
  const std::size_t num_nodes = first_gate_ + table_.size();
  std::vector<Node> made(num_nodes, -1), fanin, waiting;
  std::vector<std::uint8_t> table;
  for (std::size_t node = 0; node < first_gate_; ++node) made[node] = static_cast<Node>(2 * node);
  for (Node& output : outputs_) {
    waiting.push_back(output >> 1);
    while (!waiting.empty()) {
      const Node node = waiting.back();
      if (made[at(node)] >= 0) {
        waiting.pop_back();
        continue;
      }
      const std::size_t gate = at(node) - first_gate_;
      Node a = made[at(fanin_[2 * gate])], b = made[at(fanin_[2 * gate + 1])];
      if (a < 0 || b < 0) {
        if (b < 0) waiting.push_back(fanin_[2 * gate + 1]);
        if (a < 0) waiting.push_back(fanin_[2 * gate]);
        continue;
      }
      waiting.pop_back();
      const std::uint8_t t = inverted(table_[gate], a & 1, b & 1);
      a >>= 1;
      b >>= 1;
      const int t0 = t & 1, t1 = t >> 1 & 1, t2 = t >> 2 & 1, t3 = t >> 3 & 1;
      Node& own = made[at(node)];
      if (a == 0) {
        own = literal(b, t0, t2);
      } else if (b == 0) {
        own = literal(a, t0, t1);
      } else if (a == b) {
        own = literal(a, t0, t3);
      } else if (t0 == t2 && t1 == t3) {
        own = literal(a, t0, t1);
      } else if (t0 == t1 && t2 == t3) {
        own = literal(b, t0, t2);
      } else {
        own = static_cast<Node>(2 * (first_gate_ + table.size()));
        fanin.push_back(a);
        fanin.push_back(b);
        table.push_back(t);
      }
    }
    output = made[at(output >> 1)] ^ (output & 1);
  }
  fanin_ = std::move(fanin);
  table_ = std::move(table);

  const std::size_t now = first_gate_ + table_.size();
  values_.resize(now * num_words_);
  flipped_.resize(now * num_words_);
  is_above_.resize(now);
  for (std::size_t gate = 0; gate < table_.size(); ++gate) {
    apply_table(table_[gate], value(fanin_[2 * gate]), value(fanin_[2 * gate + 1]),
                &values_[(first_gate_ + gate) * num_words_], num_words_);
  }
  count_readers();
}

void Walk::count_readers() {
  num_readers_.assign(first_gate_ + table_.size(), 0);
  for (const Node operand : fanin_) ++num_readers_[at(operand)];
  for (const Node output : outputs_) ++num_readers_[at(output >> 1)];
}

// The rows on which an output depends on the gate, and the nodes that it reaches.
void Walk::find_care(Node gate) {
  std::fill(is_above_.begin(), is_above_.end(), std::uint8_t{0});
  is_above_[at(gate)] = 1;
  const std::size_t n = num_words_;
  for (std::size_t k = 0; k < n; ++k) flipped_[at(gate) * n + k] = ~value(gate)[k];
  for (std::size_t g = at(gate) + 1 - first_gate_; g < table_.size(); ++g) {
    const Node a = fanin_[2 * g], b = fanin_[2 * g + 1];
    if (is_above_[at(a)] == 0 && is_above_[at(b)] == 0) continue;
    is_above_[first_gate_ + g] = 1;
    const Word* one = is_above_[at(a)] != 0 ? &flipped_[at(a) * n] : value(a);
    const Word* two = is_above_[at(b)] != 0 ? &flipped_[at(b) * n] : value(b);
    apply_table(table_[g], one, two, &flipped_[(first_gate_ + g) * n], n);
  }
  std::fill(care_.begin(), care_.end(), Word{0});
  for (const Node output : outputs_) {
    const std::size_t node = at(output >> 1);
    if (is_above_[node] == 0) continue;
    for (std::size_t k = 0; k < n; ++k) care_[k] |= flipped_[node * n + k] ^ values_[node * n + k];
  }
}

int Walk::cost_of(std::uint8_t table) const {
  return std::popcount(table) % 2 == 1 ? costs_.land : costs_.lxor;
}

// Adds up the gates that go with the gate, and takes their readings off `num_readers_`.
void Walk::find_freed(Node gate) {
  freed_ = 0;
  waiting_.assign(1, gate);
  while (!waiting_.empty()) {
    const std::size_t g = at(waiting_.back()) - first_gate_;
    waiting_.pop_back();
    freed_ += cost_of(table_[g]);
    for (const Node operand : {fanin_[2 * g], fanin_[2 * g + 1]}) {
      if (--num_readers_[at(operand)] == 0 && at(operand) >= first_gate_) {
        waiting_.push_back(operand);
      }
    }
  }
}

// What the freed gates cost that stay for one more reader of the node.
int Walk::kept(Node node) {
  int cost = 0;
  waiting_.assign(1, node);
  while (!waiting_.empty()) {
    const Node top = waiting_.back();
    waiting_.pop_back();
    counted_.push_back(top);
    if (num_readers_[at(top)]++ == 0 && at(top) >= first_gate_) {
      const std::size_t g = at(top) - first_gate_;
      cost += cost_of(table_[g]);
      waiting_.push_back(fanin_[2 * g]);
      waiting_.push_back(fanin_[2 * g + 1]);
    }
  }
  return cost;
}

// One of those that gain most, each as likely as the others; any, where a loss is allowed.
void Walk::consider(const Change& change) {
  int gain = freed_;
  if (change.num_added >= 1) gain -= cost_of(change.outer);
  if (change.num_added == 2) gain -= cost_of(change.inner);
  if (gain < gain_) return;
  counted_.clear();
  gain -= kept(change.num_added == 0 ? change.a >> 1 : change.a);
  if (change.num_added >= 1) gain -= kept(change.b);
  if (change.num_added == 2) gain -= kept(change.c);
  for (const Node node : counted_) --num_readers_[at(node)];
  if (gain < gain_) return;
  if (least_gain_ == 0 && gain > gain_) {
    gain_ = gain;
    num_equal_ = 0;
  }
  if (below(++num_equal_) == 0) best_ = change;
}

void Walk::find_literals() {
  on_.clear();
  off_.clear();
  for (const Node node : divisors_) {
    const Word* x = value(node);
    Word missed[4] = {0, 0, 0, 0};
    for (std::size_t k = 0; k < num_words_;) {
      for (const std::size_t end = std::min(num_words_, k + kStep); k < end; ++k) {
        const Word on = target_[k] & care_[k], off = ~target_[k] & care_[k];
        missed[0] |= on & ~x[k];
        missed[1] |= on & x[k];
        missed[2] |= off & ~x[k];
        missed[3] |= off & x[k];
      }
      if (missed[0] != 0 && missed[1] != 0 && missed[2] != 0 && missed[3] != 0) break;
    }
    for (int inverted = 0; inverted < 2; ++inverted) {
      if (missed[inverted] == 0) on_.push_back(2 * node + inverted);
      if (missed[2 + inverted] == 0) off_.push_back(2 * node + inverted);
    }
  }
}

// ANDs of two literals, of those that are 1 where the target is, or isn't; then XORs.
void Walk::find_pairs() {
  pairs_.clear();
  const std::size_t n = num_words_;
  for (int side = 0; side < 2; ++side) {
    const std::vector<Node>& literals = side == 0 ? on_ : off_;
    // what each is where the target is not what it should be
    words_.clear();
    for (std::size_t k = 0; k < n; ++k) {
      if ((care_[k] & ~(target_[k] ^ mask(side))) != 0) words_.push_back(k);
    }
    const std::size_t width = (words_.size() + kStep - 1) / kStep * kStep;
    surplus_.assign(literals.size() * width, 0);
    for (std::size_t j = 0; j < literals.size(); ++j) {
      const Word *x = value(literals[j] >> 1), inverts = mask(literals[j]);
      Word* own = &surplus_[j * width];
      for (std::size_t w = 0; w < words_.size(); ++w) {
        const std::size_t k = words_[w];
        own[w] = (x[k] ^ inverts) & care_[k] & ~(target_[k] ^ mask(side));
      }
    }
    for (std::size_t j = 0; j < literals.size(); ++j) {
      const Node y = literals[j];
      const Word* two = surplus_.data() + j * width;
      for (std::size_t i = 0; i < j; ++i) {
        const Node x = literals[i];
        const Word* one = surplus_.data() + i * width;
        Word wrong = 0;
        for (std::size_t w = 0; w < width && wrong == 0; w += kStep) {
          for (std::size_t k = w; k < w + kStep; ++k) wrong |= one[k] & two[k];
        }
        if (wrong == 0 && x >> 1 != y >> 1) {
          pairs_.push_back({x >> 1, y >> 1, and_table(x & 1, y & 1, side)});
        }
      }
    }
  }
  // what a divisor is on the rows that matter, inverted where it is 1 on the first of them
  std::size_t first = 0;
  while (first < n && care_[first] == 0) ++first;
  if (first == n) return;
  const Word lowest = care_[first] & (~care_[first] + 1);
  const std::size_t last = std::min(n, first + kHashedWords);
  const auto hash = [&](const Word* x, Word with) {
    const Word inverts = ((x[first] ^ (with & target_[first])) & lowest) != 0 ? ~Word{0} : 0;
    Word h = 0;
    for (std::size_t k = first; k < last; ++k) {
      h = (h ^ ((x[k] ^ (with & target_[k]) ^ inverts) & care_[k])) * 0x9E3779B97F4A7C15;
      h ^= h >> 32;
    }
    return h;
  };
  const std::size_t num_chains = std::bit_ceil(2 * divisors_.size());
  chains_.assign(num_chains, {-1, -1});
  next_.resize(divisors_.size());
  for (std::size_t j = 0; j < divisors_.size(); ++j) {
    const Word* x = value(divisors_[j]);
    for (Node i = chains_[hash(x, ~Word{0}) & (num_chains - 1)].first; i >= 0; i = next_[at(i)]) {
      const Word* y = value(divisors_[at(i)]);
      const bool is_inverted = ((x[first] ^ y[first] ^ target_[first]) & lowest) != 0;
      Word wrong = 0;
      for (std::size_t k = first; k < n && wrong == 0; ++k) {
        wrong = (x[k] ^ y[k] ^ target_[k] ^ mask(is_inverted)) & care_[k];
      }
      if (wrong == 0) {
        pairs_.push_back(
            {divisors_[at(i)], divisors_[j], static_cast<std::uint8_t>(is_inverted ? 0x9 : 0x6)});
      }
    }
    Chain& chain = chains_[hash(x, 0) & (num_chains - 1)];
    next_[j] = -1;
    (chain.first < 0 ? chain.first : next_[at(chain.last)]) = static_cast<Node>(j);
    chain.last = static_cast<Node>(j);
  }
}

// A constant or a divisor, as it is or inverted.
void Walk::consider_literals() {
  Word on = 0, off = 0;
  for (std::size_t k = 0; k < num_words_; ++k) {
    on |= target_[k] & care_[k];
    off |= ~target_[k] & care_[k];
  }
  if (on == 0 || off == 0) {
    consider({0, on == 0 ? 0 : 1, 0, 0, 0, 0});
    return;
  }
  for (const Node x : on_) {
    if (std::binary_search(off_.begin(), off_.end(), x ^ 1)) consider({0, x, 0, 0, 0, 0});
  }
}

// One other gate.
void Walk::consider_pairs(std::size_t gate) {
  const Node a = fanin_[2 * gate], b = fanin_[2 * gate + 1];
  const std::uint8_t same = table_[gate], swapped = swap_operands(same);
  for (const Pair& pair : pairs_) {
    const bool is_same = (pair.a == a && pair.b == b && pair.table == same) ||
                         (pair.a == b && pair.b == a && pair.table == swapped);
    if (!is_same) consider({1, pair.a, pair.b, 0, pair.table, 0});
  }
}

// Two gates: an outer one that reads some divisor, and what is then wanted of the inner one.
void Walk::consider_triples() {
  if (divisors_.empty()) return;
  const std::vector<Word> target = target_, care = care_;
  const std::vector<Node> on = on_, off = off_;
  for (std::size_t trial = 0; trial < kOuterTrials; ++trial) {
    Change change{2, 0, 0, 0, 0x6, 0};
    const std::size_t num_literals = on.size() + off.size();
    if (below(4) == 0 || num_literals == 0) {
      change.a = divisors_[below(divisors_.size())];
      for (std::size_t k = 0; k < num_words_; ++k) target_[k] = target[k] ^ value(change.a)[k];
      care_ = care;
    } else {
      const std::size_t choice = below(num_literals);
      const int side = choice < on.size() ? 0 : 1;
      const Node x = side == 0 ? on[choice] : off[choice - on.size()];
      change.a = x >> 1;
      change.outer = and_table(x & 1, side, side);
      target_ = target;
      for (std::size_t k = 0; k < num_words_; ++k) {
        care_[k] = care[k] & (value(change.a)[k] ^ mask(x));
      }
    }
    find_literals();
    find_pairs();
    for (const Pair& pair : pairs_) {
      change.b = pair.a;
      change.c = pair.b;
      change.inner = pair.table;
      if (pair.a != change.a && pair.b != change.a) consider(change);
    }
  }
}

// Nodes that do not read the gate: in a large circuit those that are near in the order, some of
// those below, and some drawn.
void Walk::find_divisors(Node gate) {
  const std::size_t n = is_above_.size();
  divisors_.clear();
  if (n <= kAllNodes) {
    for (std::size_t node = 1; node < n; ++node) divisors_.push_back(static_cast<Node>(node));
  } else {
    const std::size_t begin = at(gate) > kNear ? at(gate) - kNear : 1;
    const std::size_t end = std::min(n, at(gate) + kNear);
    for (std::size_t node = begin; node < end; ++node) divisors_.push_back(static_cast<Node>(node));
    for (std::size_t k = 0; k < kDrawn; ++k) {
      divisors_.push_back(static_cast<Node>(1 + below(n - 1)));
    }
    waiting_.assign(1, gate);
    for (std::size_t k = 0; k < waiting_.size() && k < kBelow; ++k) {
      if (at(waiting_[k]) < first_gate_) continue;
      const std::size_t g = at(waiting_[k]) - first_gate_;
      for (const Node operand : {fanin_[2 * g], fanin_[2 * g + 1]}) {
        waiting_.push_back(operand);
        divisors_.push_back(operand);
      }
    }
    std::sort(divisors_.begin(), divisors_.end());
    divisors_.erase(std::unique(divisors_.begin(), divisors_.end()), divisors_.end());
  }
  std::erase_if(divisors_, [this](Node node) { return is_above_[at(node)] != 0; });
}

void Walk::move(int loss) {
  if (table_.empty()) return;
  const std::size_t gate = below(table_.size());
  const Node node = static_cast<Node>(first_gate_ + gate);
  find_care(node);
  std::copy_n(value(node), num_words_, target_.begin());
  find_divisors(node);
  find_freed(node);
  gain_ = least_gain_ = -loss;
  num_equal_ = 0;
  find_literals();
  consider_literals();
  if (num_equal_ == 0) {
    find_pairs();
    consider_pairs(gate);
    if (freed_ - 2 * std::min(costs_.land, costs_.lxor) >= least_gain_) consider_triples();
  }
  if (num_equal_ > 0) {
    apply(gate, best_);
  } else {
    count_readers();
  }
}

void Walk::apply(std::size_t gate, const Change& change) {
  if (change.num_added == 0) {  // a copy, which folds
    fanin_[2 * gate] = fanin_[2 * gate + 1] = change.a >> 1;
    table_[gate] = (change.a & 1) != 0 ? 0x7 : 0x8;
  } else {
    fanin_[2 * gate] = change.a;
    fanin_[2 * gate + 1] = change.b;
    table_[gate] = change.outer;
  }
  if (change.num_added == 2) {
    fanin_[2 * gate + 1] = static_cast<Node>(first_gate_ + table_.size());
    fanin_.push_back(change.b);
    fanin_.push_back(change.c);
    table_.push_back(change.inner);
  }
  build();
}

void Walk::advance(std::size_t kicks, std::size_t moves) {
  for (; kicks > 0; --kicks) move(costs_.land);
  for (; moves > 0; --moves) move(0);
}

}  // namespace gatewright
