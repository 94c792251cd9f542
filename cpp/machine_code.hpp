// A program as x86-64 machine code, for AVX-512 or AVX2.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "assembler.hpp"
#include "code_pages.hpp"
#include "program.hpp"
#include "runner.hpp"

namespace gatewright {

// The code is a sequence of segments, which hold nothing in registers between one another, so that
// each can be run over several blocks of samples while it is in the instruction cache.
class MachineCode : public Runner {
 public:
  // `program` in an order of execution, with operations of up to three operands for AVX-512 and of
  // two, as `make_program` makes them, for AVX2. Vectors are of 64 bytes (AVX-512 alone), 32 or 16
  // (AVX-512 with VL). Throws std::length_error where its values take
  // more than 2 GB, std::invalid_argument where the system lets no memory be executed,
  // std::bad_alloc.
  MachineCode(const Program& program, Isa isa, std::size_t vector_bytes, std::size_t segment_size);

  void run(std::uint8_t* slots, std::size_t num_blocks) const override;
  std::size_t vector_bytes() const override { return vector_bytes_; }
  std::size_t num_bytes() const override { return code_.size(); }

  const std::uint8_t* code() const { return code_.begin(); }

  // What the code does, counted: reads and writes of slots, the operations' own included.
  std::size_t num_loads = 0, num_stores = 0;

 private:
  std::size_t vector_bytes_;
  CodePages code_;
  std::vector<std::size_t> entries_;
};

// Whether this machine runs such code, and GATEWRIGHT_ISA does not ask for another.
bool can_run(Isa isa);

// Whether it also has this set's instructions for vectors of 16 bytes.
bool can_be_narrow(Isa isa);

// What code for AVX-512 is to have few of. Intel's processors begin two operations on 64 bytes a
// cycle, whatever these are, and copies beside them; AMD's begin four instructions, copies among
// them, and fewer of three operands where there are stores.
Cost cost_of_code();

}  // namespace gatewright
