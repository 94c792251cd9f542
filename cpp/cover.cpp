// Operations of three operands out of those of two.

#include <algorithm>

#include "program.hpp"

namespace gatewright {
namespace {

constexpr std::size_t kCuts = 5;

// A set of values, in rising order, that a value is a function of.
struct Cut {
  std::array<Value, 3> leaves;
  std::uint8_t size;
  std::uint8_t table;
  float flow;
};

struct Cuts {
  std::array<Cut, kCuts + 1> cuts;  // the last one of all: the value itself
  std::uint8_t size = 0;
};

// Whether both cuts together have up to three leaves, and those.
bool join(const Cut& a, const Cut& b, Cut* joined) {
  std::size_t i = 0, j = 0, n = 0;
  while (i < a.size || j < b.size) {
    if (n == 3) return false;
    Value next = 0;
    if (j == b.size || (i < a.size && a.leaves[i] <= b.leaves[j])) {
      next = a.leaves[i];
      if (j < b.size && b.leaves[j] == next) ++j;
      ++i;
    } else {
      next = b.leaves[j++];
    }
    joined->leaves[n++] = next;
  }
  joined->size = static_cast<std::uint8_t>(n);
  for (; n < 3; ++n) joined->leaves[n] = kNone;
  return true;
}

// A cut's table as one over the leaves of a cut that holds it, in all eight rows.
std::uint8_t widened(const Cut& cut, const Cut& wide) {
  std::array<unsigned, 3> place{};
  for (std::size_t i = 0; i < cut.size; ++i) {
    while (wide.leaves[place[i]] != cut.leaves[i]) ++place[i];
  }
  unsigned table = 0;
  for (unsigned row = 0; row < 8; ++row) {
    unsigned from = 0;
    for (std::size_t i = 0; i < cut.size; ++i) from |= (row >> place[i] & 1) << i;
    table |= (cut.table >> from & 1U) << row;
  }
  return static_cast<std::uint8_t>(table);
}

}  // namespace

Program cover(const Program& program) {
  const std::size_t first = 1 + program.num_inputs;
  const Readers read = readers(program);
  std::vector<Cuts> cuts(program.num_values());
  std::vector<float> flow(program.num_values());
  const auto own = [&](std::size_t value) {
    Cuts& held = cuts[value];
    held.cuts[held.size] = {{static_cast<Value>(value), kNone, kNone}, 1, 0xAA, flow[value]};
    ++held.size;
  };
  for (std::size_t input = 1; input < first; ++input) {
    flow[input] = 1;  // it is read from memory each time
    own(input);
  }
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    const auto& [operands, table] = program.operations[i];
    const Cuts& of_a = cuts[static_cast<std::size_t>(operands[0])];
    const Cuts& of_b = cuts[static_cast<std::size_t>(operands[1])];
    Cuts& held = cuts[first + i];
    for (std::size_t a = 0; a < of_a.size; ++a) {
      for (std::size_t b = 0; b < of_b.size; ++b) {
        Cut joined{};
        if (!join(of_a.cuts[a], of_b.cuts[b], &joined)) continue;
        joined.flow = 1;
        for (std::size_t k = 0; k < joined.size; ++k) {
          joined.flow += flow[static_cast<std::size_t>(joined.leaves[k])];
        }
        const auto end = held.cuts.begin() + held.size;
        if (held.size == kCuts && held.cuts[kCuts - 1].flow <= joined.flow) continue;
        const auto same = [&](const Cut& cut) { return cut.leaves == joined.leaves; };
        if (std::any_of(held.cuts.begin(), end, same)) continue;
        joined.table = operate(table, widened(of_a.cuts[a], joined), widened(of_b.cuts[b], joined));
        if (held.size < kCuts) ++held.size;
        std::size_t k = held.size - 1U;
        for (; k > 0 && held.cuts[k - 1].flow > joined.flow; --k) held.cuts[k] = held.cuts[k - 1];
        held.cuts[k] = joined;
      }
    }
    const std::size_t fanout = read.first[first + i + 1] - read.first[first + i];
    flow[first + i] = held.cuts[0].flow / static_cast<float>(std::max<std::size_t>(1, fanout));
    own(first + i);
  }
  std::vector<bool> is_needed(program.num_values());
  for (const std::int32_t literal : program.outputs) {
    is_needed[static_cast<std::size_t>(literal >> 1)] = true;
  }
  for (std::size_t i = program.operations.size(); i-- > 0;) {
    if (!is_needed[first + i]) continue;
    const Cut& best = cuts[first + i].cuts[0];
    for (std::size_t k = 0; k < best.size; ++k) {
      is_needed[static_cast<std::size_t>(best.leaves[k])] = true;
    }
  }
  Program result{program.num_inputs, {}, {}};
  std::vector<Value> place(program.num_values());
  for (std::size_t value = 0; value < first; ++value) place[value] = static_cast<Value>(value);
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    if (!is_needed[first + i]) continue;
    place[first + i] = result.value(result.operations.size());
    const Cut& best = cuts[first + i].cuts[0];
    Operation made{best.leaves, best.table};
    for (Value& operand : made.operands) {
      if (operand != kNone) operand = place[static_cast<std::size_t>(operand)];
    }
    result.operations.push_back(made);
  }
  for (const std::int32_t literal : program.outputs) {
    result.outputs.push_back(2 * place[static_cast<std::size_t>(literal >> 1)] | (literal & 1));
  }
  return result;
}

}  // namespace gatewright
