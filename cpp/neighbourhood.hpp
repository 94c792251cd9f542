// The rule of a cellular automaton, in the two parts that cells share and do not share.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "program.hpp"
#include "simulate.hpp"

namespace gatewright {

// A cell has a bit in each of `planes` planes. The row circuit makes of three cells side by side
// what the cells of this row, and of those above and below, read of them: input `column * planes +
// plane` is a bit of the left, the centre or the right cell. The cells' circuit makes the next bits
// of some cells one below the other, which can share gates, of what the row circuit makes of the
// row above them, of their own and of the row below them, in turn. Each cell's bits are a function
// of its own three rows, though gates on the way may read others.
struct Neighbourhood {
  CircuitView row, cells;
  std::size_t planes;

  std::size_t num_cells() const { return cells.num_outputs / planes; }
};

// Throws std::invalid_argument unless the parts are valid and fit one another.
void validate(const Neighbourhood& rule);

// The row circuit's outputs that the cells below a row read of it, and those that its own or the
// cells below read: what is carried from one cell to the next below it, of the two rows above.
struct Carried {
  std::vector<std::size_t> above, own;

  std::size_t size() const { return above.size() + own.size(); }
};
Carried carried(const Neighbourhood& rule);

// What steps some rows of a column of cells one after the other.
//
// Its inputs are what is carried: `above` of the row above the first, and `own` of the first; all
// ones; all zeros; and the bits of rows below the first, as many as are stepped, each as the row
// circuit's inputs are. Its outputs are the next bits, row by row, and what is carried on. They may
// be constant or inverted.
Program column_program(const Neighbourhood& rule, std::size_t num_rows);

// What is carried into a column. Its inputs are as above, for the two rows that it is of.
Program first_rows_program(const Neighbourhood& rule);

// The same without anything carried: its inputs are the bits of num_rows + 2 rows, from the one
// above the first, its outputs the next bits.
Program rows_program(const Neighbourhood& rule, std::size_t num_rows);

}  // namespace gatewright
