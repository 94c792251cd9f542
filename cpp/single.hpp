// A program for one sample at a time: its wide levels as bits side by side, the rest looked up.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "blocks.hpp"
#include "front.hpp"
#include "program.hpp"

namespace gatewright {

class Single {
 public:
  // Of a program as `make_program` makes it, input i of which is bit sources[i] of `num_sources`.
  Single(const Program& program, const std::vector<std::uint32_t>& sources,
         std::size_t num_sources);

  // Reads the sources of num_words() words and writes over them; `bytes` has num_bytes().
  void run(std::uint64_t* bits, std::uint8_t* bytes) const;

  // result[k] = others[k] under the mask, and output k, as `run` has left it, in bit `sample`,
  // which is 0 under the mask. `others` may be `result`.
  void add_outputs(const std::uint8_t* bytes, std::size_t sample, const std::uint64_t* others,
                   std::uint64_t mask, std::uint64_t* result) const;

  // The outputs as a number, the first its least significant bit.
  std::int64_t label(const std::uint8_t* bytes) const;

  std::size_t num_words() const { return front_.num_words(); }
  std::size_t num_source_words() const { return num_source_words_; }
  std::size_t num_bytes() const { return blocks_.value_bytes() + 64; }

  std::size_t num_levels() const { return front_.num_levels(); }
  std::size_t num_blocks() const { return blocks_.size(); }
  double cycles() const { return front_.cycles() + blocks_.cycles(); }  // as measured on Zen 3
  std::size_t code_bytes() const { return front_.num_bytes() + blocks_.num_bytes(); }

 private:
  std::vector<Blocks> tried_;
  Front front_;
  Blocks blocks_;
  std::size_t num_source_words_;
  std::vector<std::uint64_t> inverted_;  // of what the front leaves, bit by bit
};

}  // namespace gatewright
