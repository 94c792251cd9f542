#include "neighbourhood.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace gatewright {
namespace {

using Literals = std::vector<std::int32_t>;

// Circuits put side by side and behind one another.
class Composer {
 public:
  explicit Composer(std::size_t num_inputs) : num_inputs_(num_inputs) {}

  std::int32_t input(std::size_t index) const { return 2 * static_cast<std::int32_t>(1 + index); }

  // The circuit's outputs, of literals for its inputs.
  std::vector<std::int32_t> add(const CircuitView& circuit,
                                const std::vector<std::int32_t>& inputs) {
    std::vector<std::int32_t> literal = {0};
    literal.insert(literal.end(), inputs.begin(), inputs.end());
    for (std::size_t gate = 0; gate < circuit.num_gates; ++gate) {
      std::uint8_t table = circuit.table[gate];
      for (std::size_t k = 0; k < 2; ++k) {
        const auto node = static_cast<std::size_t>(circuit.fanin[2 * gate + k]);
        if (literal[node] & 1) {  // swap the rows of the table that differ in this operand
          table = static_cast<std::uint8_t>(k == 0 ? (table & 0x5) << 1 | (table & 0xA) >> 1
                                                   : (table & 0x3) << 2 | (table & 0xC) >> 2);
        }
        fanin_.push_back(literal[node] >> 1);
      }
      literal.push_back(2 * static_cast<std::int32_t>(1 + num_inputs_ + table_.size()));
      table_.push_back(table);
    }
    std::vector<std::int32_t> outputs;
    for (std::size_t k = 0; k < circuit.num_outputs; ++k) {
      const std::int32_t output = circuit.outputs[k];
      outputs.push_back(literal[static_cast<std::size_t>(output >> 1)] ^ (output & 1));
    }
    return outputs;
  }

  void output(const std::vector<std::int32_t>& literals) {
    outputs_.insert(outputs_.end(), literals.begin(), literals.end());
  }

  Program program() const {
    return make_program({num_inputs_, table_.size(), outputs_.size(), fanin_.data(), table_.data(),
                         outputs_.data()});
  }

 private:
  std::size_t num_inputs_;
  std::vector<std::int32_t> fanin_, outputs_;
  std::vector<std::uint8_t> table_;
};

Literals inputs_from(const Composer& composer, std::size_t first, std::size_t count) {
  Literals literals;
  for (std::size_t i = 0; i < count; ++i) literals.push_back(composer.input(first + i));
  return literals;
}

Literals chosen(const Literals& literals, const std::vector<std::size_t>& indices) {
  Literals found;
  for (const std::size_t index : indices) found.push_back(literals[index]);
  return found;
}

// What is carried from row to row: the row circuit's outputs of the last two rows.
struct Last {
  Literals above, own;
};

// Adds the cells of rows of which `bits` are the ones below, each row's after another's.
void add_rows(Composer& composer, const Neighbourhood& rule, std::size_t num_rows,
              const Literals& bits, Last& last) {
  const std::size_t num_bits = 3 * rule.planes, num_cells = rule.num_cells();
  auto next = bits.begin();
  for (std::size_t row = 0; row < num_rows; row += num_cells) {
    const std::size_t count = std::min(num_cells, num_rows - row);
    std::vector<Literals> rows = {std::move(last.above), std::move(last.own)};
    for (std::size_t i = 0; i < count; ++i, next += num_bits) {
      rows.push_back(composer.add(rule.row, Literals(next, next + num_bits)));
    }
    Literals inputs;
    for (const Literals& literals : rows) {
      inputs.insert(inputs.end(), literals.begin(), literals.end());
    }
    inputs.resize(rule.cells.num_inputs);  // false: of rows of cells that are not there
    Literals made = composer.add(rule.cells, inputs);
    made.resize(count * rule.planes);
    composer.output(made);
    last = {std::move(rows[count]), std::move(rows[count + 1])};
  }
}

}  // namespace

void validate(const Neighbourhood& rule) {
  validate(rule.row);
  validate(rule.cells);
  const std::size_t carried = rule.row.num_outputs;
  if (rule.planes == 0 || rule.row.num_inputs != 3 * rule.planes || rule.num_cells() == 0 ||
      rule.cells.num_inputs != (rule.num_cells() + 2) * carried ||
      rule.cells.num_outputs != rule.num_cells() * rule.planes) {
    throw std::invalid_argument("a rule of " + std::to_string(rule.planes) +
                                " planes has 3 inputs a plane of its rows, an output a plane of "
                                "each cell, and for each of the rows' outputs as many inputs of "
                                "the cells as there are cells, and 2");
  }
}

Carried carried(const Neighbourhood& rule) {
  const Program cells = make_program(rule.cells);
  std::vector<bool> is_read(cells.num_values());
  for (const Operation& operation : cells.operations) {
    for (std::size_t k = 0; k < 2; ++k)
      is_read[static_cast<std::size_t>(operation.operands[k])] = true;
  }
  for (const std::int32_t output : cells.outputs)
    is_read[static_cast<std::size_t>(output >> 1)] = true;
  Carried found;
  const std::size_t num = rule.row.num_outputs;
  for (std::size_t k = 0; k < num; ++k) {
    if (is_read[1 + k]) found.above.push_back(k);
    if (is_read[1 + k] || is_read[1 + num + k]) found.own.push_back(k);
  }
  return found;
}

Program column_program(const Neighbourhood& rule, std::size_t num_rows) {
  const Carried carried = gatewright::carried(rule);
  const std::size_t bits = 3 * rule.planes, first = carried.size() + 2;
  Composer composer(first + num_rows * bits);
  Last last{Literals(rule.row.num_outputs), Literals(rule.row.num_outputs)};  // false: not read
  std::size_t input = 0;
  for (const std::size_t k : carried.above) last.above[k] = composer.input(input++);
  for (const std::size_t k : carried.own) last.own[k] = composer.input(input++);
  add_rows(composer, rule, num_rows, inputs_from(composer, first, num_rows * bits), last);
  composer.output(chosen(last.above, carried.above));
  composer.output(chosen(last.own, carried.own));
  return composer.program();
}

Program first_rows_program(const Neighbourhood& rule) {
  const Carried carried = gatewright::carried(rule);
  const std::size_t bits = 3 * rule.planes, first = carried.size() + 2;
  Composer composer(first + 2 * bits);
  const Literals above = composer.add(rule.row, inputs_from(composer, first, bits));
  const Literals own = composer.add(rule.row, inputs_from(composer, first + bits, bits));
  composer.output(chosen(above, carried.above));
  composer.output(chosen(own, carried.own));
  return composer.program();
}

Program rows_program(const Neighbourhood& rule, std::size_t num_rows) {
  const std::size_t bits = 3 * rule.planes;
  Composer composer((num_rows + 2) * bits);
  Last last{composer.add(rule.row, inputs_from(composer, 0, bits)),
            composer.add(rule.row, inputs_from(composer, bits, bits))};
  add_rows(composer, rule, num_rows, inputs_from(composer, 2 * bits, num_rows * bits), last);
  return composer.program();
}

}  // namespace gatewright
