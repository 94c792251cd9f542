// Which instruction set's loops the engine runs.

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "engine_kernels.hpp"
#include "machine_code.hpp"

namespace gatewright {

extern const EngineKernels engine_kernels_portable;
#if defined(__x86_64__)
extern const EngineKernels engine_kernels_avx2, engine_kernels_avx512;
#endif

namespace {

const char* wanted() { return std::getenv("GATEWRIGHT_ISA"); }

bool is_wanted(const char* name) { return wanted() == nullptr || std::strcmp(wanted(), name) == 0; }

}  // namespace

bool can_run(Isa isa) {
#if defined(__x86_64__) && defined(__linux__)
  return isa == Isa::avx512 ? is_wanted("avx512") && __builtin_cpu_supports("avx512f")
                            : is_wanted("avx2") && __builtin_cpu_supports("avx2");
#else
  static_cast<void>(isa);
  return false;
#endif
}

bool can_be_narrow(Isa isa) {
#if defined(__x86_64__)
  return isa == Isa::avx2 || __builtin_cpu_supports("avx512vl");
#else
  static_cast<void>(isa);
  return false;
#endif
}

Cost cost_of_code() {
#if defined(__x86_64__)
  return __builtin_cpu_is("intel") ? Cost::tables : Cost::instructions;
#else
  return Cost::tables;
#endif
}

const EngineKernels& engine_kernels() {
#if defined(__x86_64__)
  if (is_wanted("avx512") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return engine_kernels_avx512;
  }
  if (is_wanted("avx2") && __builtin_cpu_supports("avx2")) return engine_kernels_avx2;
#endif
  if (is_wanted("portable")) return engine_kernels_portable;
  throw std::invalid_argument(
      std::string("GATEWRIGHT_ISA is ") + wanted() +
      ", which is not avx512, avx2 or portable, or not to be had on this machine; unset it to take "
      "the best");
}

}  // namespace gatewright
