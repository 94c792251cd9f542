#include "front.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "connection.hpp"

namespace gatewright {
namespace {

// Cycles that a gate may take that is looked up, at most and at least.
constexpr double kMost = 6, kLeast = 0.5;

std::size_t at(Value value) { return static_cast<std::size_t>(value); }

// A level's places: what is read there, and the coefficients of the gate a c0 ^ b c1 ^ ab c2.
struct Places {
  std::vector<Value> read, made;
  std::vector<std::uint8_t> gates;

  void add(Value value, Value result, unsigned gate) {
    read.push_back(value);
    made.push_back(result);
    gates.push_back(static_cast<std::uint8_t>(gate));
  }
};

bool reads(const Operation& operation, Value value) {
  return operation.operands[0] == value || operation.operands[1] == value;
}

// Of the operations of a level in trails, and the values of `sources` that `is_carried`.
template <typename Function>
Places lay_out(const Program& program, std::span<const std::uint32_t> operations,
               const std::vector<Value>& sources, Function is_carried) {
  Places places;
  std::vector<Value> ends;
  Value last = kNone;
  const auto finish = [&] {  // a trail: its last value goes on as it is
    if (last == kNone) return;
    places.add(last, is_carried(last) ? last : kNone, 1);
    if (is_carried(last)) ends.push_back(last);
    last = kNone;
  };
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Operation& operation = program.operations[operations[i]];
    Value a = operation.operands[0], b = operation.operands[1];
    if (!reads(operation, last)) {
      finish();
      // The operand that the next one reads comes second.
      const bool has_next = i + 1 < operations.size();
      if (has_next && reads(program.operations[operations[i + 1]], a)) std::swap(a, b);
    } else if (b == last) {
      std::swap(a, b);
    }
    unsigned of_a = operation.table >> 1 & 1, of_b = operation.table >> 2 & 1;
    const unsigned of_both = (operation.table >> 3 & 1) ^ of_a ^ of_b;
    if (a != operation.operands[0]) std::swap(of_a, of_b);
    places.add(a, program.value(operations[i]), of_a | of_b << 1 | of_both << 2);
    last = b;
  }
  finish();
  std::sort(ends.begin(), ends.end());
  for (const Value value : sources) {
    if (value == kNone || !is_carried(value)) continue;
    if (!std::binary_search(ends.begin(), ends.end(), value)) places.add(value, value, 1);
  }
  return places;
}

// A level that may be one of the front.
struct Level {
  std::vector<std::uint32_t> from;  // where each place's bit is before
  std::vector<std::uint8_t> gates;
  Connection connection;
};

// What is left behind a front that has done these operations and leaves `held`.
Program rest_of(const Program& program, const std::vector<bool>& is_done,
                const std::vector<Value>& held) {
  Program rest{held.size(), {}, {}};
  std::vector<Value> renamed(program.num_values());
  for (std::size_t p = 0; p < held.size(); ++p) {
    if (held[p] != kNone) renamed[at(held[p])] = static_cast<Value>(1 + p);
  }
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    if (is_done[i]) continue;
    renamed[at(program.value(i))] = rest.value(rest.operations.size());
    Operation operation = program.operations[i];
    for (std::size_t k = 0; k < 2; ++k) operation.operands[k] = renamed[at(operation.operands[k])];
    rest.operations.push_back(operation);
  }
  for (const std::int32_t literal : program.outputs) {
    rest.outputs.push_back(2 * renamed[at(literal >> 1)] | (literal & 1));
  }
  return rest;
}

}  // namespace

Front::Front(const Program& program, const std::vector<std::uint32_t>& sources,
             std::size_t num_sources, const CyclesOf& cycles_of) {
  std::vector<std::size_t> ends;
  const std::vector<std::uint32_t> order = level_trails(program, &ends);
  // The last level that reads a value, from 1 on; one more for what outputs read.
  std::vector<std::size_t> last_read(program.num_values());
  for (std::size_t level = 1, i = 0; level <= ends.size(); ++level) {
    for (; i < ends[level - 1]; ++i) {
      for (std::size_t k = 0; k < 2; ++k) {
        last_read[at(program.operations[order[i]].operands[k])] = level;
      }
    }
  }
  for (const std::int32_t literal : program.outputs) last_read[at(literal >> 1)] = ends.size() + 1;

  // What is at each place: of the inputs first, then behind each level.
  std::vector<std::vector<Value>> held(1, std::vector<Value>(num_sources, kNone));
  for (std::size_t i = 0; i < program.num_inputs; ++i) {
    if (last_read[1 + i] > 0) held[0][sources[i]] = static_cast<Value>(1 + i);
  }
  std::vector<Level> levels;
  std::vector<std::uint32_t> place(program.num_values());
  std::vector<double> cycles(1);
  const auto left = [&](std::size_t level) {
    return static_cast<double>(program.operations.size() - (level == 0 ? 0 : ends[level - 1]));
  };
  while (levels.size() < ends.size() && cycles.back() < kMost * left(0)) {
    const std::vector<Value>& before = held.back();
    const std::size_t begin = levels.empty() ? 0 : ends[levels.size() - 1];
    const std::size_t level = levels.size() + 1;
    Places places = lay_out(program, std::span(order.data() + begin, ends[level - 1] - begin),
                            before, [&](Value value) { return last_read[at(value)] > level; });
    for (std::size_t p = 0; p < before.size(); ++p) {
      if (before[p] != kNone) place[at(before[p])] = static_cast<std::uint32_t>(p);
    }
    Level made{{}, std::move(places.gates), {}};
    for (const Value value : places.read) made.from.push_back(place[at(value)]);
    made.connection = plan_connection(made.from, before.size());
    cycles.push_back(cycles.back() + made.connection.cycles);
    levels.push_back(std::move(made));
    held.push_back(std::move(places.made));
  }

  // How many levels, if what is left costs much a gate, or little.
  std::vector<std::size_t> tried;
  std::size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (const double cost : {kMost, kLeast}) {
    std::size_t num = 0;
    for (std::size_t level = 0; level < cycles.size(); ++level) {
      if (cycles[level] + cost * left(level) < cycles[num] + cost * left(num)) num = level;
    }
    if (!tried.empty() && num == tried.back()) continue;
    std::vector<bool> is_done(program.operations.size());
    for (std::size_t i = 0; num > 0 && i < ends[num - 1]; ++i) is_done[order[i]] = true;
    const double all = cycles[num] + cycles_of(rest_of(program, is_done, held[num]));
    tried.push_back(num);
    if (all >= least) continue;
    least = all;
    best = num;
    cycles_ = cycles[num];
    choice_ = tried.size() - 1;
  }

  num_left_ = held[best].size();
  std::size_t most = num_sources;
  for (std::size_t level = 0; level < best; ++level) {
    const Level& own = levels[level];
    const std::size_t size = std::size_t{1} << own.connection.log_size, vectors = size / kConnected,
                      num_patches = patches_.size();
    most = std::max(most, size);
    connect(own.connection, own.from, held[level].size(), &masks_, &patches_);
    layers_.push_back({static_cast<std::uint32_t>(vectors),
                       static_cast<std::uint32_t>(patches_.size() - num_patches),
                       own.connection.has_copies});
    const std::size_t start = masks_.size();
    masks_.resize(start + vectors * 3 * kConnectedWords);
    for (std::size_t p = 0; p < own.gates.size(); ++p) {
      for (std::size_t k = 0; k < 3; ++k) {
        const std::size_t vector = p / kConnected * 3 + k, word = p % kConnected / 64;
        masks_[start + vector * kConnectedWords + word] |= std::uint64_t{own.gates[p] >> k & 1U}
                                                           << p % 64;
      }
    }
  }
  masks_.shrink_to_fit();
  num_words_ = ((most + kConnected - 1) / kConnected + 1) * kConnectedWords;
}

}  // namespace gatewright
