// A circuit as the engines run it: live gates only, one polarity a value, an order of execution.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mapping.hpp"
#include "simulate.hpp"

namespace gatewright {

// Values: 0 is constant false, 1..num_inputs are the inputs, 1 + num_inputs + i is operation i.
using Value = std::int32_t;
constexpr Value kNone = -1;

// A function of two or three other values, all different.
//
// Row r of the table is bit r of it; the first operand is bit 0 of r. Of two operands the third is
// kNone, and rows 4..7 repeat rows 0..3.
struct Operation {
  std::array<Value, 3> operands;
  std::uint8_t table;

  [[nodiscard]] std::size_t size() const { return operands[2] == kNone ? 2 : 3; }
};

// What `make_program` makes.
enum : std::uint8_t { kAndNot = 0x22, kXor = 0x66, kAnd = 0x88, kOr = 0xEE };

// What such an operation makes of its two operands, bit by bit.
template <typename Bits>
Bits operate(std::uint8_t table, Bits a, Bits b) {
  switch (table) {
    case kAndNot:
      return static_cast<Bits>(a & ~b);
    case kXor:
      return static_cast<Bits>(a ^ b);
    case kAnd:
      return static_cast<Bits>(a & b);
    default:
      return static_cast<Bits>(a | b);
  }
}

struct Program {
  std::size_t num_inputs = 0;
  std::vector<Operation> operations;  // in topological order
  std::vector<std::int32_t> outputs;  // literals: 2 * value + (1 if inverted)

  [[nodiscard]] std::size_t num_values() const { return 1 + num_inputs + operations.size(); }
  [[nodiscard]] Value value(std::size_t operation) const {
    return static_cast<Value>(1 + num_inputs + operation);
  }
};

// The readers of each value: operations[first[value]] to operations[first[value + 1] - 1], in
// order.
struct Readers {
  std::vector<std::uint32_t> first;
  std::vector<std::uint32_t> operations;
};

Readers readers(const Program& program);

// What computes the outputs of a valid circuit: gates that nothing reads are left out, constants
// and copies are followed to their source, and a value is stored inverted where that makes its
// function 0 where both operands are.
Program make_program(const CircuitView& circuit);

// The same function out of operations of up to three operands, as few as one pass of area flow over
// a few cuts a value finds, an input's reader counted as one more (Mishchenko, Chatterjee and
// Brayton, "Improvements to technology mapping for LUT-based FPGAs", IEEE TCAD 26, 2007).
Program cover(const Program& program);

// The same with less of the cost, but for small programs: `Mapping` looks for it longer.
Program cover_closely(const Program& program, Cost cost);

// The same operations in another order: what an output needs, the deepest operand first, and
// besides each operation whose last operand has just been computed. Few values are held at a time
// where results are read at once, as those of sums are.
Program demand_order(const Program& program);

// The same operations, in their order, but those first that need no input behind the first of so
// many equal bands of the inputs, then those that need none behind the second, and so on.
Program in_bands(const Program& program, std::size_t num_bands);

// The same operations, each `window` of them level by level: what is computed does not wait for
// what has just been begun.
Program spread(const Program& program, std::size_t window);

// The same operations, but such of three operands that could write over none of them, as each is
// still to be read, behind the last reader of one: if nothing has read their own result by then.
Program overwrite_late(const Program& program);

// The operations level by level, in trails (see trail.hpp) within each. `ends` receives the end of
// each level.
std::vector<std::uint32_t> level_trails(const Program& program, std::vector<std::size_t>* ends);

// The same operations in that order: long runs that read nothing of one another.
Program level_order(const Program& program, std::vector<std::size_t>* ends);

}  // namespace gatewright
