// Runs a test under each instruction set's kernels that this machine has.

#pragma once

#include <cstdlib>
#include <stdexcept>

#include "engine_kernels.hpp"

template <typename Run>
void for_each_instruction_set(Run run) {
  for (const char* name : {"portable", "avx2", "avx512"}) {
    setenv("GATEWRIGHT_ISA", name, 1);
    try {
      gatewright::engine_kernels();
    } catch (const std::invalid_argument&) {
      continue;
    }
    run();
  }
}
