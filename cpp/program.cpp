#include "program.hpp"

#include <algorithm>
#include <numeric>

#include "trail.hpp"

namespace gatewright {
namespace {

std::uint8_t invert_first(std::uint8_t table) {
  return static_cast<std::uint8_t>((table & 0x5) << 1 | (table & 0xA) >> 1);
}

std::uint8_t invert_second(std::uint8_t table) {
  return static_cast<std::uint8_t>((table & 0x3) << 2 | (table & 0xC) >> 2);
}

std::size_t at(Value value) { return static_cast<std::size_t>(value); }

// The program with its operations in the given order.
Program ordered(const Program& program, const std::vector<std::uint32_t>& order) {
  const std::size_t first = 1 + program.num_inputs;
  std::vector<Value> place(program.num_values());
  for (std::size_t i = 0; i < first; ++i) place[i] = static_cast<Value>(i);
  Program result{program.num_inputs, {}, {}};
  result.operations.reserve(order.size());
  for (const std::uint32_t old : order) {
    place[first + old] = result.value(result.operations.size());
    Operation operation = program.operations[old];
    for (Value& operand : operation.operands) {
      if (operand != kNone) operand = place[at(operand)];
    }
    result.operations.push_back(operation);
  }
  for (const std::int32_t literal : program.outputs) {
    result.outputs.push_back(2 * place[at(literal >> 1)] | (literal & 1));
  }
  return result;
}

// 0 of inputs and constants, else one more than the deepest operand's.
std::vector<std::uint32_t> levels(const Program& program) {
  std::vector<std::uint32_t> level(program.num_values());
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    const Operation& operation = program.operations[i];
    std::uint32_t& own = level[at(program.value(i))];
    for (std::size_t k = 0; k < operation.size(); ++k) {
      own = std::max(own, level[at(operation.operands[k])] + 1);
    }
  }
  return level;
}

}  // namespace

Readers readers(const Program& program) {
  Readers result;
  result.first.resize(program.num_values() + 1);
  for (const Operation& operation : program.operations) {
    for (std::size_t k = 0; k < operation.size(); ++k)
      ++result.first[at(operation.operands[k]) + 1];
  }
  for (std::size_t v = 0; v < program.num_values(); ++v) result.first[v + 1] += result.first[v];
  result.operations.resize(result.first.back());
  std::vector<std::uint32_t> next(result.first.begin(), result.first.end() - 1);
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    const Operation& operation = program.operations[i];
    for (std::size_t k = 0; k < operation.size(); ++k) {
      result.operations[next[at(operation.operands[k])]++] = static_cast<std::uint32_t>(i);
    }
  }
  return result;
}

Program make_program(const CircuitView& circuit) {
  const std::size_t first_gate = 1 + circuit.num_inputs;
  // Where each node's value is found: a literal of an earlier node, or of the gate itself.
  std::vector<std::int32_t> literal(circuit.num_nodes());
  std::vector<Operation> gates(circuit.num_gates);
  for (std::size_t node = 0; node < first_gate; ++node) {
    literal[node] = 2 * static_cast<std::int32_t>(node);
  }
  for (std::size_t gate = 0; gate < circuit.num_gates; ++gate) {
    std::int32_t a = literal[at(circuit.fanin[2 * gate])];
    std::int32_t b = literal[at(circuit.fanin[2 * gate + 1])];
    std::uint8_t table = circuit.table[gate];
    if (a & 1) table = invert_first(table);
    if (b & 1) table = invert_second(table);
    a >>= 1;
    b >>= 1;
    if (a == b) table = static_cast<std::uint8_t>((table & 1) * 0x5 | (table >> 3 & 1) * 0xA);
    if (a == 0) table = static_cast<std::uint8_t>((table & 0x5) * 0x3);
    if (b == 0) table = static_cast<std::uint8_t>((table & 0x3) * 0x5);
    const std::int32_t inverted = table & 1;
    if (inverted) table ^= 0xF;
    if (table == 0x4) {
      table = 0x2;
      std::swap(a, b);
    }
    const auto node = static_cast<std::int32_t>(first_gate + gate);
    const std::int32_t source = table == 0 ? 0 : table == 0xA ? a : table == 0xC ? b : node;
    literal[at(node)] = 2 * source | inverted;
    gates[gate] = {{a, b, kNone}, static_cast<std::uint8_t>(table * 0x11)};
  }
  std::vector<bool> is_live(circuit.num_nodes());
  for (std::size_t k = 0; k < circuit.num_outputs; ++k) {
    is_live[at(literal[at(circuit.outputs[k] >> 1)] >> 1)] = true;
  }
  for (std::size_t gate = circuit.num_gates; gate-- > 0;) {
    if (!is_live[first_gate + gate]) continue;
    is_live[at(gates[gate].operands[0])] = is_live[at(gates[gate].operands[1])] = true;
  }
  Program program{circuit.num_inputs, {}, {}};
  std::vector<Value> place(circuit.num_nodes());
  for (std::size_t node = 0; node < first_gate; ++node) place[node] = static_cast<Value>(node);
  for (std::size_t gate = 0; gate < circuit.num_gates; ++gate) {
    if (!is_live[first_gate + gate]) continue;
    place[first_gate + gate] = program.value(program.operations.size());
    Operation operation = gates[gate];
    for (std::size_t k = 0; k < 2; ++k) operation.operands[k] = place[at(operation.operands[k])];
    program.operations.push_back(operation);
  }
  for (std::size_t k = 0; k < circuit.num_outputs; ++k) {
    const std::int32_t found = literal[at(circuit.outputs[k] >> 1)] ^ (circuit.outputs[k] & 1);
    program.outputs.push_back(2 * place[at(found >> 1)] | (found & 1));
  }
  return program;
}

Program demand_order(const Program& program) {
  const std::size_t first = 1 + program.num_inputs;
  const std::vector<std::uint32_t> level = levels(program);
  const Readers read = readers(program);
  std::vector<std::uint8_t> missing(program.operations.size());
  for (std::size_t i = 0; i < missing.size(); ++i) {
    const Operation& operation = program.operations[i];
    for (std::size_t k = 0; k < operation.size(); ++k)
      missing[i] += at(operation.operands[k]) >= first;
  }
  std::vector<std::uint32_t> order, stack, ready;
  std::vector<bool> is_done(program.operations.size());
  order.reserve(program.operations.size());
  const auto run = [&](std::uint32_t operation) {
    ready.push_back(operation);
    while (!ready.empty()) {
      const std::uint32_t i = ready.back();
      ready.pop_back();
      is_done[i] = true;
      order.push_back(i);
      for (std::uint32_t r = read.first[first + i]; r < read.first[first + i + 1]; ++r) {
        if (--missing[read.operations[r]] == 0) ready.push_back(read.operations[r]);
      }
    }
  };
  for (const std::int32_t literal : program.outputs) {
    const std::size_t value = at(literal >> 1);
    if (value >= first) stack.push_back(static_cast<std::uint32_t>(value - first));
    while (!stack.empty()) {
      const std::uint32_t i = stack.back();
      const Operation& operation = program.operations[i];
      std::size_t deepest = 0;
      for (std::size_t k = 0; k < operation.size(); ++k) {
        const std::size_t operand = at(operation.operands[k]);
        if (operand >= first && !is_done[operand - first] &&
            (deepest == 0 || level[operand] > level[deepest])) {
          deepest = operand;
        }
      }
      if (deepest > 0) {
        stack.push_back(static_cast<std::uint32_t>(deepest - first));
        continue;
      }
      stack.pop_back();
      if (!is_done[i]) run(i);
    }
  }
  return ordered(program, order);
}

Program in_bands(const Program& program, std::size_t num_bands) {
  const std::size_t first = 1 + program.num_inputs, size = program.operations.size();
  std::vector<std::size_t> band(program.num_values());
  for (std::size_t i = 0; i < program.num_inputs; ++i) {
    band[1 + i] = i * num_bands / program.num_inputs;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const Operation& operation = program.operations[i];
    for (std::size_t k = 0; k < operation.size(); ++k) {
      band[first + i] = std::max(band[first + i], band[at(operation.operands[k])]);
    }
  }
  std::vector<std::uint32_t> order(size);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return band[first + a] < band[first + b];
  });
  return ordered(program, order);
}

Program spread(const Program& program, std::size_t window) {
  const std::size_t first = 1 + program.num_inputs, size = program.operations.size();
  const std::vector<std::uint32_t> level = levels(program);
  std::vector<std::uint32_t> order(size);
  std::iota(order.begin(), order.end(), 0U);
  for (std::size_t begin = 0; begin < size; begin += std::min(window, size - begin)) {
    std::stable_sort(
        order.data() + begin, order.data() + std::min(size, begin + window),
        [&](std::uint32_t a, std::uint32_t b) { return level[first + a] < level[first + b]; });
  }
  return ordered(program, order);
}

Program overwrite_late(const Program& program) {
  const std::size_t first = 1 + program.num_inputs, size = program.operations.size();
  const Readers read = readers(program);
  std::vector<bool> is_output(program.num_values()), is_moved(size), is_followed(size);
  for (const std::int32_t literal : program.outputs) is_output[at(literal >> 1)] = true;
  std::vector<std::vector<std::uint32_t>> behind(size);  // what follows each operation
  for (std::size_t i = 0; i < size; ++i) {
    const Operation& operation = program.operations[i];
    if (operation.size() < 3 || is_followed[i]) continue;
    std::size_t last = size;  // the first that is the last to read one of the operands
    for (const Value operand : operation.operands) {
      if (is_output[at(operand)]) continue;
      last = std::min<std::size_t>(last, read.operations[read.first[at(operand) + 1] - 1]);
    }
    const std::uint32_t own = read.first[first + i];
    const bool is_read = own < read.first[first + i + 1];
    if (last == i || last >= (is_read ? read.operations[own] : size)) continue;
    behind[last].push_back(static_cast<std::uint32_t>(i));
    is_followed[last] = is_moved[i] = true;
  }
  std::vector<std::uint32_t> order;
  for (std::size_t i = 0; i < size; ++i) {
    if (!is_moved[i]) order.push_back(static_cast<std::uint32_t>(i));
    order.insert(order.end(), behind[i].begin(), behind[i].end());
  }
  return ordered(program, order);
}

std::vector<std::uint32_t> level_trails(const Program& program, std::vector<std::size_t>* ends) {
  const std::size_t first = 1 + program.num_inputs;
  std::vector<std::uint32_t> level(program.num_values());
  std::vector<std::vector<std::uint32_t>> levels;
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    const Operation& operation = program.operations[i];
    std::uint32_t deepest = 0;
    for (std::size_t k = 0; k < operation.size(); ++k) {
      deepest = std::max(deepest, level[at(operation.operands[k])]);
    }
    level[first + i] = deepest + 1;
    if (levels.size() <= deepest) levels.resize(deepest + 1);
    levels[deepest].push_back(static_cast<std::uint32_t>(i));
  }
  std::vector<std::uint32_t> order;
  order.reserve(program.operations.size());
  ends->clear();
  std::vector<std::int32_t> row(program.num_values(), -1), seen, fanin;
  for (const std::vector<std::uint32_t>& members : levels) {
    seen.clear();
    fanin.clear();
    for (const std::uint32_t i : members) {
      for (std::size_t k = 0; k < 2; ++k) {
        const Value operand = program.operations[i].operands[k];
        if (row[at(operand)] < 0) {
          row[at(operand)] = static_cast<std::int32_t>(seen.size());
          seen.push_back(operand);
        }
        fanin.push_back(row[at(operand)]);
      }
    }
    const Trails trail = trails(seen.size(), members.size(), fanin.data());
    for (const std::int32_t gate : trail.order) order.push_back(members[at(gate)]);
    for (const std::int32_t value : seen) row[at(value)] = -1;
    ends->push_back(order.size());
  }
  return order;
}

Program level_order(const Program& program, std::vector<std::size_t>* ends) {
  return ordered(program, level_trails(program, ends));
}

}  // namespace gatewright
