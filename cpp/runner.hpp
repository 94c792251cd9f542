// What runs a program on slots: one row of bits for each value that is still needed.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gatewright {

// A slot is one row of vector_bytes(), 8 samples a byte; a block is num_slots() of them.
//
// Input i is read from slot i and outputs are left in theirs, in the polarity that the program
// stores. What else is in a slot before and after is undefined.
class Runner {
 public:
  virtual ~Runner() = default;

  // Runs the program on so many blocks, block_bytes() from one to the next, 64-byte aligned.
  virtual void run(std::uint8_t* slots, std::size_t num_blocks) const = 0;

  virtual std::size_t vector_bytes() const = 0;

  // Of what was made to run the program: code or steps.
  virtual std::size_t num_bytes() const = 0;

  std::size_t num_slots() const { return num_slots_; }
  std::size_t block_bytes() const { return num_slots_ * vector_bytes(); }

  // The slot of each output's value, -1 for constants.
  const std::vector<std::int32_t>& output_slots() const { return output_slots_; }

 protected:
  std::size_t num_slots_ = 0;
  std::vector<std::int32_t> output_slots_;
};

}  // namespace gatewright
