// See kernels.hpp. Compiled once for each instruction set, which GATEWRIGHT_TARGET names; nothing
// from the standard library is instantiated here, so that no code for one set leaks into another.

#include "kernels.hpp"

#include "bits_kernel.hpp"
#include "head_kernel.hpp"
#include "lanes.hpp"
#include "layers_kernel.hpp"
#include "steps_kernel.hpp"

namespace gatewright {
namespace {

template <typename Storage>
void expand_rows(const std::uint64_t* bits, std::size_t num_rows, std::uint32_t* rows) {
  for (std::size_t i = 0; i < num_rows; ++i) store_row<Storage>(rows, i, Storage::expand(bits[i]));
}

template <typename Storage>
void import_rows(const float* samples, std::size_t num_rows, std::uint32_t* rows) {
  for (std::size_t i = 0; i < num_rows; ++i) {
    store_row<Storage>(rows, i, Storage::import(samples + i * kSamples));
  }
}

template <typename Storage>
constexpr bool kIsExact = Storage::kWords == kSamples;

template <typename Storage>
constexpr Kernels kernels_of(const char* name) {
  return {name,
          Storage::kWords,
          expand_rows<Storage>,
          import_rows<Storage>,
          any_gates_forward<Storage>,
          any_gates_backward<Storage>,
          mixtures_forward<Storage>,
          mixtures_backward<Storage>,
          kIsExact<Storage> ? nullptr : bit_mixtures_forward<Storage>,
          kIsExact<Storage> ? nullptr : bit_mixtures_backward<Storage>,
          cross_entropy,
          squared_error,
          any_coefficients<Storage>,
          any_step_gates<Storage>,
          weights<Storage>,
          step_weights<Storage>};
}

}  // namespace

#define GATEWRIGHT_NAME2(kind, target) kind##_##target
#define GATEWRIGHT_NAME(kind, target) GATEWRIGHT_NAME2(kind, target)
#define GATEWRIGHT_TEXT2(target) #target
#define GATEWRIGHT_TEXT(target) GATEWRIGHT_TEXT2(target)

extern const Kernels GATEWRIGHT_NAME(kernels_float32, GATEWRIGHT_TARGET) =
    kernels_of<Float32>(GATEWRIGHT_TEXT(GATEWRIGHT_TARGET));
extern const Kernels GATEWRIGHT_NAME(kernels_bfloat16, GATEWRIGHT_TARGET) =
    kernels_of<BFloat16>(GATEWRIGHT_TEXT(GATEWRIGHT_TARGET));
#if defined(GATEWRIGHT_FLOAT16)
extern const Kernels GATEWRIGHT_NAME(kernels_float16, GATEWRIGHT_TARGET) =
    kernels_of<Float16>(GATEWRIGHT_TEXT(GATEWRIGHT_TARGET));
#endif

}  // namespace gatewright
