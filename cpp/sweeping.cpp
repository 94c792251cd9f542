#include "sweeping.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "truth.hpp"

namespace gatewright {
namespace {

using Word = std::uint64_t;

constexpr std::size_t kBlock = 8;
constexpr std::size_t kMaxTries = 8;
constexpr std::size_t kMaxLeaves = 16;
constexpr std::size_t kTableBlock = 16;
constexpr std::size_t kMaxOpened = 12;

// A gate on words. The five kinds are those that are 0 where both operands are.
void evaluate(std::uint8_t table, const Word* a, const Word* b, Word* out, std::size_t n) {
  switch (table) {
    case 0x2:
      for (std::size_t k = 0; k < n; ++k) out[k] = a[k] & ~b[k];
      break;
    case 0x4:
      for (std::size_t k = 0; k < n; ++k) out[k] = ~a[k] & b[k];
      break;
    case 0x6:
      for (std::size_t k = 0; k < n; ++k) out[k] = a[k] ^ b[k];
      break;
    case 0x8:
      for (std::size_t k = 0; k < n; ++k) out[k] = a[k] & b[k];
      break;
    default:
      for (std::size_t k = 0; k < n; ++k) out[k] = a[k] | b[k];
  }
}

}  // namespace

Sweeping::Sweeping(const CircuitView& miter)
    : num_inputs_(miter.num_inputs),
      num_nodes_(miter.num_nodes()),
      fanin_(miter.fanin, miter.fanin + 2 * miter.num_gates),
      outputs_(miter.outputs, miter.outputs + miter.num_outputs),
      table_(miter.table, miter.table + miter.num_gates),
      hash_(num_nodes_) {
  merged_.resize(1 + num_inputs_);
  std::iota(merged_.begin(), merged_.end(), 0);
  merged_.reserve(num_nodes_);
  gates_.reserve(table_.size());
  known_.reserve(table_.size());
  seen_.resize(num_nodes_);
  place_.resize(num_nodes_);
  sides_.resize(num_nodes_);
  limit(24, 8);
}

template <std::size_t kWords>
std::int64_t Sweeping::take(std::size_t first, std::size_t count, std::size_t num_words,
                            const Word* words) {
  values_.assign(num_nodes_ * kWords, 0);
  Word* const values = values_.data();
  for (std::size_t i = 0; i < num_inputs_; ++i) {
    std::memcpy(values + (1 + i) * kWords, words + i * num_words + first, count * sizeof(Word));
  }
  for (std::size_t gate = 0; gate < table_.size(); ++gate) {
    const auto a = static_cast<std::size_t>(fanin_[2 * gate]);
    const auto b = static_cast<std::size_t>(fanin_[2 * gate + 1]);
    evaluate(table_[gate], values + a * kWords, values + b * kWords,
             values + (1 + num_inputs_ + gate) * kWords, kWords);
  }
  const std::size_t half = outputs_.size() / 2;
  for (std::size_t word = 0; word < count; ++word) {
    Word wrong = 0;
    for (std::size_t o = 0; o < half; ++o) {
      const auto x = static_cast<std::size_t>(outputs_[o]);
      const auto y = static_cast<std::size_t>(outputs_[half + o]);
      const Word inverted = ((x ^ y) & 1) != 0 ? ~Word{0} : Word{0};
      wrong |= values[(x >> 1) * kWords + word] ^ values[(y >> 1) * kWords + word] ^ inverted;
    }
    if (wrong != 0) {
      const auto bit = static_cast<std::size_t>(__builtin_ctzll(wrong));
      return static_cast<std::int64_t>(64 * (first + word) + bit);
    }
  }
  for (std::size_t node = 0; node < num_nodes_; ++node) {
    Word hash = hash_[node];
    for (std::size_t word = 0; word < count; ++word) {
      const Word mixed = (hash ^ values[node * kWords + word]) * 0x9E3779B97F4A7C15;
      hash = mixed << 29 | mixed >> 35;
    }
    hash_[node] = hash;
  }
  return -1;
}

std::int64_t Sweeping::sample(std::size_t num_words, const Word* words) {
  for (std::size_t first = 0; first < num_words; first += kBlock) {
    const std::size_t count = std::min(kBlock, num_words - first);
    const std::int64_t found = count == 1 ? take<1>(first, count, num_words, words)
                                          : take<kBlock>(first, count, num_words, words);
    if (found >= 0) return found;
  }
  return -1;
}

std::size_t Sweeping::num_classes() const {
  std::vector<Word> sorted(hash_);
  std::sort(sorted.begin(), sorted.end());
  return static_cast<std::size_t>(std::unique(sorted.begin(), sorted.end()) - sorted.begin());
}

// Puts nodes that agree by now into buckets; the constant and the inputs lead.
void Sweeping::classify() {
  std::unordered_map<Word, std::uint32_t> bucket_of;
  bucket_of.reserve(num_nodes_);
  bucket_.reserve(num_nodes_);
  for (const Word hash : hash_) {
    const auto next = static_cast<std::uint32_t>(bucket_of.size());
    bucket_.push_back(bucket_of.try_emplace(hash, next).first->second);
  }
  leaders_.resize(bucket_of.size());
  for (std::size_t node = 0; node <= num_inputs_; ++node) lead(static_cast<std::int32_t>(node));
}

void Sweeping::find_leaders(std::int32_t node) {
  agreeing_.clear();
  const Word hash = hash_[static_cast<std::size_t>(node)];
  for (const std::int32_t leader : leaders_[bucket_[static_cast<std::size_t>(node)]]) {
    if (hash_[static_cast<std::size_t>(leader)] == hash) agreeing_.push_back(leader);
  }
}

bool Sweeping::advance(bool compare, bool ask, std::size_t most) {
  if (bucket_.empty()) classify();
  while (!is_done() && (waits_ || most > 0)) {
    if (!waits_) {
      --most;
      const std::size_t gate = merged_.size() - 1 - num_inputs_;
      const auto a = static_cast<std::size_t>(fanin_[2 * gate]);
      const auto b = static_cast<std::size_t>(fanin_[2 * gate + 1]);
      merged_.push_back(add(table_[gate], merged_[a], merged_[b]));
    }
    waits_ = false;
    const auto node = static_cast<std::int32_t>(merged_.size() - 1);
    if (compare) {
      find_leaders(node);
      if (!agreeing_.empty()) {
        if (is_merged_locally(merged_.back(), agreeing_)) continue;
        if (ask) return waits_ = true;
      }
    }
    lead(node);
  }
  return false;
}

bool Sweeping::is_merged_locally(std::int32_t own, const std::vector<std::int32_t>& leaders) {
  const std::size_t tries = std::min(kMaxTries, leaders.size());
  for (std::size_t i = leaders.size() - tries; i < leaders.size(); ++i) {
    const std::int32_t other = merged_[static_cast<std::size_t>(leaders[i])];
    if (own == other || is_equal_locally(own, other)) {
      num_merged_ += own != other;
      merged_.back() = other;
      return true;
    }
  }
  return false;
}

std::pair<std::int32_t, std::int32_t> Sweeping::question() const {
  return {merged_.back(), merged_[static_cast<std::size_t>(agreeing_.front())]};
}

void Sweeping::answer(bool is_equal) {
  if (is_equal) {
    ++num_merged_;
    merged_.back() = merged_[static_cast<std::size_t>(agreeing_.front())];
  } else {
    lead(static_cast<std::int32_t>(merged_.size() - 1));
  }
  waits_ = false;
}

std::int32_t Sweeping::add(std::uint8_t table, std::int32_t a, std::int32_t b) {
  if (a > b) {
    std::swap(a, b);
    table = static_cast<std::uint8_t>((table & 9) | (table & 2) << 1 | (table & 4) >> 1);
  }
  if (a == b) return (table & 8) != 0 ? a : 0;
  if (a == 0) return (table & 4) != 0 ? b : 0;
  const Word key = static_cast<Word>(a) << 35 | static_cast<Word>(b) << 4 | table;
  const auto next = static_cast<std::int32_t>(1 + num_inputs_ + gates_.size());
  const auto [at, is_new] = known_.try_emplace(key, next);
  if (is_new) gates_.push_back({table, a, b});
  return at->second;
}

void Sweeping::limit(std::size_t gates, std::size_t leaves) {
  max_gates_ = gates;
  max_leaves_ = std::min(leaves, kMaxLeaves);
  tables_.resize((max_gates_ + max_leaves_ + 1) * kTableBlock);
}

// Whether x and y are equal over the first nodes that are in both cones. Where that does not show
// it, of these the one is opened that shares most operands with others, the highest of such.
bool Sweeping::is_equal_where_cones_meet(std::int32_t x, std::int32_t y) {
  const auto last_input = static_cast<std::int32_t>(num_inputs_);
  opened_.clear();
  for (std::size_t tries = 0; tries < kMaxOpened; ++tries) {
    const bool is_cut = meet(x, y);
    if (is_cut && agrees(x, y, leaves_)) return true;
    if (leaves_.size() > max_leaves_) return false;
    std::int32_t chosen = 0;
    std::size_t most = 0;
    for (const std::int32_t leaf : leaves_) {
      if (leaf <= last_input) continue;
      const std::size_t shared = num_shared(leaf);
      if (chosen > 0 && (shared < most || (shared == most && leaf < chosen))) continue;
      chosen = leaf;
      most = shared;
    }
    if (chosen == 0) return false;
    opened_.push_back(chosen);
  }
  return false;
}

// Operands of a leaf that are leaves too, or operands of others.
std::size_t Sweeping::num_shared(std::int32_t leaf) const {
  const auto last_input = static_cast<std::int32_t>(num_inputs_);
  const MergedGate& gate = gates_[static_cast<std::size_t>(leaf - last_input - 1)];
  std::size_t shared = 0;
  for (const std::int32_t operand : {gate.a, gate.b}) {
    shared += std::any_of(leaves_.begin(), leaves_.end(), [&](std::int32_t other) {
      if (other == operand) return true;
      if (other == leaf || other <= last_input) return false;
      const MergedGate& at = gates_[static_cast<std::size_t>(other - last_input - 1)];
      return at.a == operand || at.b == operand;
    });
  }
  return shared;
}

// Takes the nodes below both x and y but for those opened, and those above; whether these are all.
bool Sweeping::meet(std::int32_t x, std::int32_t y) {
  const auto last_input = static_cast<std::int32_t>(num_inputs_);
  ++now_;
  heap_ = {std::max(x, y), std::min(x, y)};
  inside_.clear();
  leaves_.clear();
  seen_[static_cast<std::size_t>(x)] = seen_[static_cast<std::size_t>(y)] = now_;
  sides_[static_cast<std::size_t>(x)] = 1;
  sides_[static_cast<std::size_t>(y)] = 2;
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const std::int32_t node = heap_.back();
    heap_.pop_back();
    const std::uint8_t sides = sides_[static_cast<std::size_t>(node)];
    const bool is_opened = std::find(opened_.begin(), opened_.end(), node) != opened_.end();
    if (node <= last_input || (sides == 3 && !is_opened)) {
      leaves_.push_back(node);
      if (leaves_.size() > max_leaves_) return false;
      continue;
    }
    if (inside_.size() == max_gates_) return false;
    inside_.push_back(node);
    const MergedGate& gate = gates_[static_cast<std::size_t>(node - last_input - 1)];
    for (const std::int32_t operand : {gate.a, gate.b}) {
      const auto at = static_cast<std::size_t>(operand);
      if (seen_[at] != now_) {
        seen_[at] = now_;
        sides_[at] = 0;
        heap_.push_back(operand);
        std::push_heap(heap_.begin(), heap_.end());
      }
      sides_[at] |= sides;
    }
  }
  return true;
}

bool Sweeping::is_equal_locally(std::int32_t x, std::int32_t y) {
  if (is_equal_where_cones_meet(x, y)) return true;
  const auto last_input = static_cast<std::int32_t>(num_inputs_);
  ++now_;
  heap_ = {std::max(x, y), std::min(x, y)};
  inside_.clear();
  seen_[static_cast<std::size_t>(x)] = seen_[static_cast<std::size_t>(y)] = now_;
  std::size_t evaluate_at = 4;
  while (inside_.size() < max_gates_ && heap_.front() > last_input) {
    std::pop_heap(heap_.begin(), heap_.end());
    const std::int32_t node = heap_.back();
    heap_.pop_back();
    inside_.push_back(node);
    const MergedGate& gate = gates_[static_cast<std::size_t>(node - last_input - 1)];
    for (const std::int32_t operand : {gate.a, gate.b}) {
      if (seen_[static_cast<std::size_t>(operand)] != now_) {
        seen_[static_cast<std::size_t>(operand)] = now_;
        heap_.push_back(operand);
        std::push_heap(heap_.begin(), heap_.end());
      }
    }
    if (inside_.size() == evaluate_at || heap_.size() == 1 || heap_.front() <= last_input) {
      evaluate_at *= 2;
      if (heap_.size() <= max_leaves_ && agrees(x, y, heap_)) return true;
    }
  }
  return false;
}

// Whether x and y have the same truth table over the leaves, with the gates inside between. The
// table is gone through in blocks: where they differ, mostly the first shows it.
bool Sweeping::agrees(std::int32_t x, std::int32_t y, const std::vector<std::int32_t>& leaves) {
  const std::size_t num_words = leaves.size() > 6 ? std::size_t{1} << (leaves.size() - 6) : 1;
  const std::size_t n = std::min(num_words, kTableBlock);
  std::uint32_t place = 0;
  for (const std::int32_t leaf : leaves) place_[static_cast<std::size_t>(leaf)] = place++;
  for (auto node = inside_.rbegin(); node != inside_.rend(); ++node) {
    place_[static_cast<std::size_t>(*node)] = place++;
  }
  const auto table_of = [&](std::int32_t node) {
    return tables_.data() + place_[static_cast<std::size_t>(node)] * n;
  };
  for (std::size_t first = 0; first < num_words; first += n) {
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      Word* const table = table_of(leaves[i]);
      for (std::size_t k = 0; k < n; ++k) {
        table[k] = leaves[i] == 0 ? 0 : i < 6 ? kVariables[i] : mask((first + k) >> (i - 6));
      }
    }
    for (auto node = inside_.rbegin(); node != inside_.rend(); ++node) {
      const MergedGate& gate = gates_[static_cast<std::size_t>(*node) - num_inputs_ - 1];
      evaluate(gate.table, table_of(gate.a), table_of(gate.b), table_of(*node), n);
    }
    if (!std::equal(table_of(x), table_of(x) + n, table_of(y))) return false;
  }
  return true;
}

}  // namespace gatewright
