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

  // Of what `run` has left.
  bool output(std::size_t number, const std::uint8_t* bytes) const {
    const std::uint32_t literal = blocks_.outputs()[number];
    return bytes[literal >> 1] ^ (literal & 1);
  }

  std::size_t num_words() const { return front_.num_words(); }
  std::size_t num_source_words() const { return num_source_words_; }
  std::size_t num_bytes() const { return blocks_.value_bytes() + 64; }

  std::size_t num_layers() const { return front_.num_layers(); }
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
