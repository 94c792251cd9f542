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
extern const Kernels kernels_fixed16_avx2, kernels_fixed16_avx512;
#endif
#if defined(GATEWRIGHT_AVX512FP16)
extern const Kernels kernels_float16_avx512fp16;
#endif

namespace {

bool is_wanted(const char* name) {
  const char* wanted = std::getenv("GATEWRIGHT_ISA");
  return wanted == nullptr || std::strcmp(wanted, name) == 0;
}

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

[[noreturn]] void refuse(const std::string& why) { throw std::invalid_argument(why); }

}  // namespace

bool has_float16() {
#if defined(GATEWRIGHT_AVX512FP16)
  return is_wanted("avx512") && has_avx512() && __builtin_cpu_supports("avx512fp16");
#else
  return false;
#endif
}

bool has_fixed16() {
#if defined(__x86_64__)
  return (is_wanted("avx512") && has_avx512()) || (is_wanted("avx2") && has_avx2());
#else
  return false;
#endif
}

const Kernels& kernels(Storage storage) {
  if (storage == Storage::float16) {
#if defined(GATEWRIGHT_AVX512FP16)
    if (has_float16()) return kernels_float16_avx512fp16;
#endif
    refuse("this machine has no arithmetic in float16; take bfloat16 or float32");
  }
  if (storage == Storage::fixed16 && !has_fixed16()) {
    refuse("this machine has no kernel in fixed point; take bfloat16 or float32");
  }
  const bool is_bfloat16 = storage == Storage::bfloat16;
#if defined(__x86_64__)
  if (is_wanted("avx512") && has_avx512()) {
    if (storage == Storage::fixed16) return kernels_fixed16_avx512;
    return is_bfloat16 ? kernels_bfloat16_avx512 : kernels_float32_avx512;
  }
  if (is_wanted("avx2") && has_avx2()) {
    if (storage == Storage::fixed16) return kernels_fixed16_avx2;
    return is_bfloat16 ? kernels_bfloat16_avx2 : kernels_float32_avx2;
  }
#endif
  if (!is_wanted("portable")) {
    refuse(std::string("GATEWRIGHT_ISA is ") + std::getenv("GATEWRIGHT_ISA") +
           ", which is not avx512, avx2 or portable, or not to be had on this machine; unset it to "
           "take the best");
  }
  return is_bfloat16 ? kernels_bfloat16_portable : kernels_float32_portable;
}

const TileKernels& tile_kernels(const Kernels& of, std::size_t num_samples) {
  const TileKernels* found = of.tiles;
  while (found->num_samples < num_samples) ++found;
  return *found;
}

const char* kernel_name() { return kernels(Storage::float32).name; }

}  // namespace gatewright
