// Steps boards of cells whose rule is a circuit.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "column.hpp"
#include "neighbourhood.hpp"
#include "runner.hpp"

namespace gatewright {

// Rows from the top down, each of (width + 63) / 64 words; column x is bit x % 64 of word x / 64.
// Planes follow one another.
struct BoardSize {
  std::size_t width, height;

  std::size_t row_words() const { return (width + 63) / 64; }
};

// What lies around a board: its other side, or cells that keep one state, bit p of which is
// plane p.
struct Edge {
  bool is_torus;
  std::uint64_t outside;
};

class Automaton {
 public:
  // A valid rule. Throws std::invalid_argument where this machine has no such back end,
  // std::length_error where the rule is too large for it, std::bad_alloc.
  Automaton(const Neighbourhood& rule, bool is_compiled);

  // result is the board after some generations, as large as the board; the spare bits of both are
  // ignored and cleared. Up to so many threads share the work.
  void step(const std::uint64_t* words, BoardSize size, Edge edge, std::size_t generations,
            std::size_t num_threads, std::uint64_t* result) const;

  std::size_t num_planes() const { return num_planes_; }
  const Column& column() const { return *column_; }

 private:
  std::size_t num_planes_;
  std::unique_ptr<Column> column_;
};

}  // namespace gatewright
