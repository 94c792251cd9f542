// Which instruction set's kernels run.

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels.hpp"
#include "trainer.hpp"

namespace gatewright {

extern const Kernels kernels_float32_portable, kernels_bfloat16_portable;
#if defined(__x86_64__)
extern const Kernels kernels_float32_avx2, kernels_bfloat16_avx2;
extern const Kernels kernels_float32_avx512, kernels_bfloat16_avx512;
#endif

const Kernels& kernels(bool is_bfloat16) {
  const char* wanted = std::getenv("GATEWRIGHT_ISA");
  const auto is_wanted = [wanted](const char* name) {
    return wanted == nullptr || std::strcmp(wanted, name) == 0;
  };
#if defined(__x86_64__)
  if (is_wanted("avx512") && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    return is_bfloat16 ? kernels_bfloat16_avx512 : kernels_float32_avx512;
  }
  if (is_wanted("avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return is_bfloat16 ? kernels_bfloat16_avx2 : kernels_float32_avx2;
  }
#endif
  if (!is_wanted("portable")) {
    throw std::invalid_argument(std::string("GATEWRIGHT_ISA is ") + wanted +
                                ", which is not avx512, avx2 or portable, or not to be had on "
                                "this machine; unset it to take the best");
  }
  return is_bfloat16 ? kernels_bfloat16_portable : kernels_float32_portable;
}

const char* kernel_name() { return kernels(true).name; }

}  // namespace gatewright
