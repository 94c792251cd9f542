// A program as blocks of gates that are looked up: the quickest for one sample at a time.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "program.hpp"

namespace gatewright {

// Gates that read at most kBlockInputs values besides one another, and that at most kBlockOutputs
// values are read of elsewhere.
constexpr std::size_t kBlockInputs = 6, kBlockOutputs = 8;

// What a block does to bytes of 0 or 1: those at `inputs`, the first as bit 0, are the number of a
// table's row, and the row's eight bytes go to `out` and on, of which the block's own are the first
// and what follows is written by later blocks.
template <typename Index>
struct Block {
  std::array<Index, kBlockInputs> inputs;
  Index out;
  std::uint32_t table;
};

class Blocks {
 public:
  // Of a program as `make_program` makes it.
  explicit Blocks(const Program& program);

  // On value_bytes() bytes: input i is byte i, inverted where `inverted_inputs` says so, and byte
  // num_inputs is 0.
  void run(std::uint8_t* bytes) const;

  // Where each output is then, as a literal: 2 * place + (1 if inverted).
  const std::vector<std::uint32_t>& outputs() const { return outputs_; }

  const std::vector<bool>& inverted_inputs() const { return inverted_inputs_; }
  std::size_t value_bytes() const { return num_values_ + kBlockOutputs; }
  std::size_t num_tables() const { return rows_.size() >> kBlockInputs; }
  std::size_t num_bytes() const;  // at rest
  std::size_t size() const { return near_.size() + far_.size(); }

  // Cycles that `run` takes, as measured on Zen 3.
  double cycles() const { return 7.5 * static_cast<double>(near_.size() + far_.size()); }

 private:
  void add_table(const std::vector<std::uint64_t>& columns);

  std::vector<Block<std::uint16_t>> near_;  // of values that there are at most 65,536 of
  std::vector<Block<std::uint32_t>> far_;
  std::vector<std::uint64_t> rows_;  // of tables, 2^kBlockInputs each
  std::vector<std::uint32_t> outputs_;
  std::vector<bool> inverted_inputs_;
  std::size_t num_values_ = 0;
};

}  // namespace gatewright
