// Operations of three operands out of those of two, as `Mapping` chooses them.

#include <algorithm>
#include <utility>

#include "mapping.hpp"
#include "program.hpp"

namespace gatewright {
namespace {

// Cuts of a value, and rounds by exact area at most.
constexpr std::size_t kCuts = 16, kRounds = 4;

// Tables of values over a few others.
class Cones {
 public:
  explicit Cones(const Program& program)
      : program_(program), seen_(program.num_values(), kNone), rows_(program.num_values()) {}

  std::uint8_t table(Value value, const std::vector<Value>& leaves) {
    constexpr std::array<std::uint8_t, 3> kRows = {0xAA, 0xCC, 0xF0};
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      seen_[at(leaves[i])] = value;
      rows_[at(leaves[i])] = kRows[i];
    }
    std::vector<Value> cone;
    for (std::vector<Value> waiting = {value}; !waiting.empty();) {
      const Value next = waiting.back();
      waiting.pop_back();
      if (std::exchange(seen_[at(next)], value) == value) continue;
      cone.push_back(next);
      for (const Value operand : {operation(next).operands[0], operation(next).operands[1]}) {
        waiting.push_back(operand);
      }
    }
    std::sort(cone.begin(), cone.end());
    for (const Value next : cone) {
      const auto& [operands, table] = operation(next);
      rows_[at(next)] = operate(table, rows_[at(operands[0])], rows_[at(operands[1])]);
    }
    return rows_[at(value)];
  }

 private:
  static std::size_t at(Value value) { return static_cast<std::size_t>(value); }
  const Operation& operation(Value value) const {
    return program_.operations[at(value) - 1 - program_.num_inputs];
  }

  const Program& program_;
  std::vector<Value> seen_;  // for which value last
  std::vector<std::uint8_t> rows_;
};

}  // namespace

Program cover_closely(const Program& program, Cost cost) {
  const std::size_t first = 1 + program.num_inputs;
  std::vector<std::int32_t> fanin;
  std::vector<std::uint8_t> tables;
  for (const auto& [operands, table] : program.operations) {
    fanin.insert(fanin.end(), operands.begin(), operands.begin() + 2);
    tables.push_back(table & 0xF);
  }
  Mapping mapping({program.num_inputs, tables.size(), program.outputs.size(), fanin.data(),
                   tables.data(), program.outputs.data()},
                  3, kCuts, cost);
  mapping.choose(false);
  for (std::size_t round = 0; round < kRounds; ++round) {
    const std::int64_t before = mapping.cost();
    mapping.choose(true);
    if (mapping.cost() == before) break;
  }
  Program result{program.num_inputs, {}, {}};
  std::vector<Value> place(program.num_values()), leaves;
  for (std::size_t value = 0; value < first; ++value) place[value] = static_cast<Value>(value);
  Cones cones(program);
  for (std::size_t value = first; value < program.num_values(); ++value) {
    if (!mapping.is_table(value)) continue;
    leaves.clear();
    mapping.leaves(value, leaves);
    Operation made{{kNone, kNone, kNone}, cones.table(static_cast<Value>(value), leaves)};
    for (std::size_t k = 0; k < leaves.size(); ++k) {
      made.operands[k] = place[static_cast<std::size_t>(leaves[k])];
    }
    place[value] = result.value(result.operations.size());
    result.operations.push_back(made);
  }
  for (const std::int32_t literal : program.outputs) {
    result.outputs.push_back(2 * place[static_cast<std::size_t>(literal >> 1)] | (literal & 1));
  }
  return result;
}

}  // namespace gatewright
