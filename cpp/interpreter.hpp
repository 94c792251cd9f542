// A program as a list of steps that a loop follows: no code is made, and nothing is to be compiled.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine_kernels.hpp"
#include "program.hpp"
#include "runner.hpp"

namespace gatewright {

class Interpreter : public Runner {
 public:
  // Of a program as `make_program` makes it; any order will do. Throws std::length_error where its
  // values take more than 4 GB.
  explicit Interpreter(const Program& program);

  void run(std::uint8_t* slots, std::size_t num_blocks) const override;
  std::size_t vector_bytes() const override { return kSlotBytes; }
  std::size_t num_bytes() const override {
    return steps_.size() * sizeof(Step) + runs_.size() * sizeof(Run);
  }

 private:
  std::vector<Step> steps_;
  std::vector<Run> runs_;
};

}  // namespace gatewright
