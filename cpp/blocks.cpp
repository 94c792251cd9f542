#include "blocks.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>

#include "truth.hpp"

namespace gatewright {
namespace {

constexpr std::size_t kRows = std::size_t{1} << kBlockInputs;

// Tables that may be made: more would not stay in the caches, and then gates go one by one.
constexpr std::size_t kMaxTables = 512;

// Readers of a value that are looked at, so that one that many read costs no more than others.
constexpr std::size_t kLookedAt = 12;

std::size_t at(Value value) { return static_cast<std::size_t>(value); }

// Grows blocks, one after the other, of operations whose operands are all known by then.
class Grower {
 public:
  explicit Grower(const Program& program)
      : program_(program),
        readers_(readers(program)),
        next_(readers_.first.begin(), readers_.first.end() - 1),
        is_done_(program.num_values()),
        is_output_(program.num_values()),
        held_(program.num_values(), 0) {
    for (std::size_t i = 0; i <= program.num_inputs; ++i) is_done_[i] = true;
    for (const std::int32_t literal : program.outputs) is_output_[at(literal >> 1)] = true;
  }

  bool is_done(std::size_t operation) const { return is_done_[at(program_.value(operation))]; }

  // From this operation; `alone` with no other.
  void grow(std::size_t operation, bool alone) {
    ++number_;
    inputs.clear();
    members.clear();
    num_outputs_ = 0;
    for (std::size_t k = 0; k < 2; ++k) add_input(program_.operations[operation].operands[k]);
    add_member(static_cast<std::uint32_t>(operation));
    if (!alone) {
      absorb();
      while (inputs.size() < kBlockInputs && num_outputs_ < kBlockOutputs) {
        const Value best = best_input();
        if (best == kNone) break;
        add_input(best);
        absorb();
      }
    }
    for (const std::uint32_t member : members) is_done_[at(program_.value(member))] = true;
  }

  // Members that are read elsewhere.
  std::vector<std::uint32_t> outputs() {
    std::vector<std::uint32_t> found;
    for (const std::uint32_t member : members) {
      if (is_read_elsewhere(member)) found.push_back(member);
    }
    return found;
  }

  std::vector<Value> inputs;
  std::vector<std::uint32_t> members;  // in topological order

 private:
  bool is_held(Value value) const { return held_[at(value)] == number_; }

  void add_input(Value value) {
    if (is_held(value)) return;
    held_[at(value)] = number_;
    inputs.push_back(value);
  }

  void add_member(std::uint32_t operation) {
    members.push_back(operation);
    held_[at(program_.value(operation))] = number_;
    ++num_outputs_;
    for (std::size_t k = 0; k < 2; ++k) {
      const Value operand = program_.operations[operation].operands[k];
      const std::size_t value = at(operand);
      if (value > program_.num_inputs && !is_done_[value] &&
          !is_read_elsewhere(static_cast<std::uint32_t>(value - 1 - program_.num_inputs))) {
        --num_outputs_;
      }
    }
  }

  bool is_read_elsewhere(std::uint32_t operation) const {
    const std::size_t value = at(program_.value(operation));
    if (is_output_[value]) return true;
    for (std::uint32_t r = readers_.first[value]; r < readers_.first[value + 1]; ++r) {
      if (!is_held(program_.value(readers_.operations[r]))) return true;
    }
    return false;
  }

  // Calls what(operation) for operations that read the value and are neither done nor members.
  template <typename Function>
  void for_each_reader(Value value, Function what) {
    std::uint32_t& next = next_[at(value)];
    const std::uint32_t end = readers_.first[at(value) + 1];
    while (next < end && is_done(readers_.operations[next])) ++next;
    const std::uint32_t last = std::min<std::uint32_t>(end, next + kLookedAt);
    for (std::uint32_t r = next; r < last; ++r) {
      const std::uint32_t operation = readers_.operations[r];
      if (!is_done(operation) && !is_held(program_.value(operation))) what(operation);
    }
  }

  // The operand that is not this one.
  Value other(std::uint32_t operation, Value value) const {
    const auto& operands = program_.operations[operation].operands;
    return operands[0] == value ? operands[1] : operands[0];
  }

  // Takes what reads only what is held.
  void absorb() {
    for (bool has_grown = true; has_grown;) {
      has_grown = false;
      for (std::size_t i = 0; i < inputs.size() + members.size(); ++i) {
        const Value value =
            i < inputs.size() ? inputs[i] : program_.value(members[i - inputs.size()]);
        for_each_reader(value, [&](std::uint32_t operation) {
          if (num_outputs_ == kBlockOutputs || !is_held(other(operation, value))) return;
          add_member(operation);
          has_grown = true;
        });
      }
    }
  }

  // The known value with which most operations can be taken.
  Value best_input() {
    Value best = kNone;
    std::size_t most = 0;
    const auto consider = [&](Value value) {
      for_each_reader(value, [&](std::uint32_t operation) {
        const Value candidate = other(operation, value);
        if (is_held(candidate) || !is_done_[at(candidate)]) return;
        const std::size_t gain = gain_of(candidate);
        if (gain <= most) return;
        most = gain;
        best = candidate;
      });
    };
    for (const std::uint32_t member : members) consider(program_.value(member));
    for (const Value input : inputs) consider(input);
    return best;
  }

  // Operations that could be taken with the value, at two removes from it.
  std::size_t gain_of(Value value) {
    held_[at(value)] = number_;
    taken_.clear();
    taken_.push_back(value);
    for (std::size_t i = 0; i < taken_.size(); ++i) {
      for_each_reader(taken_[i], [&](std::uint32_t operation) {
        if (!is_held(other(operation, taken_[i]))) return;
        const Value made = program_.value(operation);
        held_[at(made)] = number_;
        taken_.push_back(made);
      });
    }
    for (const Value one : taken_) held_[at(one)] = 0;
    return taken_.size() - 1;
  }

  const Program& program_;
  Readers readers_;
  std::vector<std::uint32_t> next_;
  std::vector<bool> is_done_, is_output_;
  std::vector<std::uint32_t> held_;  // the block that last held each value
  std::vector<Value> taken_;
  std::uint32_t number_ = 0;
  std::size_t num_outputs_ = 0;
};

template <typename Index>
void look_up(const std::vector<Block<Index>>& blocks, const std::uint64_t* rows,
             std::uint8_t* bytes) {
  for (const Block<Index>& block : blocks) {
    std::size_t row = 0;
    for (std::size_t k = 0; k < kBlockInputs; ++k) {
      row += std::size_t{bytes[block.inputs[k]]} << k;
    }
    std::memcpy(bytes + block.out, rows + block.table + row, sizeof *rows);
  }
}

// A block: what it reads, and what it makes that is read elsewhere, as values of the program.
struct Grown {
  std::vector<Value> inputs;
  std::vector<Value> outputs;
  std::uint32_t table, level;
};

}  // namespace

Blocks::Blocks(const Program& program) : inverted_inputs_(program.num_inputs) {
  Grower grower(program);
  std::map<std::vector<std::uint64_t>, std::uint32_t> tables;
  std::vector<std::uint32_t> place(program.num_values()), level(program.num_values());
  std::vector<std::uint64_t> truth(program.num_values());
  // Values that are stored inverted, and those of which that is decided.
  std::vector<bool> is_inverted(program.num_values()), is_decided(program.num_values());
  std::vector<Grown> grown;
  std::vector<std::uint64_t> columns, best;
  for (std::size_t first = 0; first < program.operations.size(); ++first) {
    if (grower.is_done(first)) continue;
    grower.grow(first, tables.size() >= kMaxTables);
    Grown block{grower.inputs, {}, 0, 0};
    for (const std::uint32_t output : grower.outputs()) {
      block.outputs.push_back(program.value(output));
    }
    unsigned fixed = 0, open = 0;
    for (std::size_t k = 0; k < block.inputs.size(); ++k) {
      const std::size_t input = at(block.inputs[k]);
      block.level = std::max(block.level, level[input] + 1);
      if (is_inverted[input]) fixed |= 1U << k;
      if (input <= program.num_inputs && !is_decided[input]) open |= 1U << k;
    }
    // Of an input that no other block reads so far either polarity will do: the one that makes the
    // table least, so that what is built alike shares one. A table's first row is all zeros.
    const auto fill_columns = [&](unsigned flips) {
      for (std::size_t k = 0; k < block.inputs.size(); ++k) {
        truth[at(block.inputs[k])] = kVariables[k] ^ mask(flips >> k);
      }
      for (const std::uint32_t member : grower.members) {
        const Operation& operation = program.operations[member];
        truth[at(program.value(member))] = operate(
            operation.table, truth[at(operation.operands[0])], truth[at(operation.operands[1])]);
      }
      columns.clear();
      for (const Value output : block.outputs) {
        columns.push_back(truth[at(output)] & 1 ? ~truth[at(output)] : truth[at(output)]);
      }
    };
    unsigned chosen = fixed;
    fill_columns(fixed);
    best = columns;
    for (unsigned flips = open; flips != 0; flips = (flips - 1) & open) {
      fill_columns(fixed | flips);
      if (columns >= best) continue;
      best.swap(columns);
      chosen = fixed | flips;
    }
    fill_columns(chosen);
    for (std::size_t k = 0; k < block.inputs.size(); ++k) {
      is_inverted[at(block.inputs[k])] = chosen >> k & 1;
      is_decided[at(block.inputs[k])] = true;
    }
    for (const Value output : block.outputs) {
      is_inverted[at(output)] = truth[at(output)] & 1;
      level[at(output)] = block.level;
    }
    const auto [found, is_new] = tables.emplace(columns, static_cast<std::uint32_t>(rows_.size()));
    if (is_new) add_table(columns);
    block.table = found->second;
    grown.push_back(std::move(block));
  }
  for (std::size_t i = 0; i < program.num_inputs; ++i) inverted_inputs_[i] = is_inverted[1 + i];
  // Level by level: none waits for what has just been begun.
  std::stable_sort(grown.begin(), grown.end(),
                   [](const Grown& a, const Grown& b) { return a.level < b.level; });
  for (std::size_t i = 1; i <= program.num_inputs; ++i)
    place[i] = static_cast<std::uint32_t>(i - 1);
  place[0] = static_cast<std::uint32_t>(program.num_inputs);
  num_values_ = program.num_inputs + 1;
  for (const Grown& block : grown) {
    Block<std::uint32_t> made{{}, static_cast<std::uint32_t>(num_values_), block.table};
    made.inputs.fill(place[0]);
    for (std::size_t k = 0; k < block.inputs.size(); ++k)
      made.inputs[k] = place[at(block.inputs[k])];
    for (const Value output : block.outputs) {
      place[at(output)] = static_cast<std::uint32_t>(num_values_++);
    }
    far_.push_back(made);
  }
  for (const std::int32_t literal : program.outputs) {
    const std::size_t value = at(literal >> 1);
    const std::uint32_t inverted = static_cast<std::uint32_t>(literal & 1) ^ is_inverted[value];
    outputs_.push_back(2 * place[value] | inverted);
  }
  if (num_values_ > std::size_t{1} << 16) return;
  near_.reserve(far_.size());
  for (const Block<std::uint32_t>& block : far_) {
    Block<std::uint16_t> made{};
    std::copy(block.inputs.begin(), block.inputs.end(), made.inputs.begin());
    made.out = static_cast<std::uint16_t>(block.out);
    made.table = block.table;
    near_.push_back(made);
  }
  far_ = {};
}

void Blocks::add_table(const std::vector<std::uint64_t>& columns) {
  for (std::size_t row = 0; row < kRows; ++row) {
    std::uint64_t bytes = 0;
    for (std::size_t k = 0; k < columns.size(); ++k) {
      bytes |= std::uint64_t{columns[k] >> row & 1} << 8 * k;
    }
    rows_.push_back(bytes);
  }
}

std::size_t Blocks::num_bytes() const {
  return near_.size() * sizeof near_[0] + far_.size() * sizeof far_[0] +
         rows_.size() * sizeof rows_[0];
}

void Blocks::run(std::uint8_t* bytes) const {
  look_up(near_, rows_.data(), bytes);
  look_up(far_, rows_.data(), bytes);
}

}  // namespace gatewright
