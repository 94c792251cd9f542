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
  for (std::size_t i = 0; i < num_rows; ++i) {
    store_row<Storage>(rows + place_of<Storage>(i), Storage::expand(bits[i]));
  }
}

template <typename Storage>
Scale import_rows(const float* samples, std::size_t num_rows, std::uint32_t* rows) {
  for (std::size_t i = 0; i < num_rows; ++i) {
    store_row<Storage>(rows + place_of<Storage>(i), Storage::import(samples + i * kSamples));
  }
  return {};
}

#if defined(GATEWRIGHT_FIXED16)
Scale import_fixed_rows(const float* samples, std::size_t num_rows, std::uint32_t* rows) {
  Float32::Row most{};  // of each sample
  for (std::size_t i = 0; i < num_rows; ++i) {
    const Float32::Row row = Float32::load(samples + i * kSamples);
    unroll<kVectors>([&](auto j) { most.v[j] = max(most.v[j], abs(row.v[j])); });
  }
  const float of_all = greatest(most) + 1e-30f;
  for (std::size_t i = 0; i < num_rows; ++i) {
    Float32::Row row = Float32::load(samples + i * kSamples);
    unroll<kVectors>([&](auto j) { row.v[j] /= most.v[j] + 1e-30f; });
    store_row<Fixed16>(rows + place_of<Fixed16>(i), fixed(row, kMostGradient));
  }
  std::uint32_t* magnitudes = rows + place_of<Fixed16>(num_rows);
  store_row<Fixed16>(magnitudes, fixed(most, kMagnitudeOne / of_all));
  return {of_all / kMostGradient, 1U << (kGradientBits - 1), magnitudes};
}
#endif

template <typename Storage>
constexpr TileKernels kTiles[] = {{kSamples, expand_rows<Storage>, import_rows<Storage>,
                                   any_gates_forward<Storage>, any_gates_backward<Storage>}};

#if defined(GATEWRIGHT_FIXED16)
template <int n>
constexpr TileKernels kFixedTiles = {std::size_t{n} * kShorts, expand_rows<Fixed16Of<n>>,
                                     import_fixed_rows, any_gates_forward<Fixed16Of<n>>,
                                     any_gates_backward<Fixed16Of<n>>};
#if defined(__AVX512F__)
template <>
constexpr TileKernels kTiles<Fixed16>[] = {kFixedTiles<1>, kFixedTiles<2>};
#else
template <>
constexpr TileKernels kTiles<Fixed16>[] = {kFixedTiles<1>, kFixedTiles<2>, kFixedTiles<3>,
                                           kFixedTiles<4>};
#endif
#endif

template <typename Storage>
constexpr bool kIsExact = Storage::kWords == kSamples;

template <typename Storage>
constexpr Kernels kernels_of(const char* name) {
  return {name,
          Storage::kWords,
          kTiles<Storage>,
          mixtures_forward<Storage>,
          mixtures_backward<Storage>,
          kIsExact<Storage> ? nullptr : bit_mixtures_forward<Storage>,
          kIsExact<Storage> ? nullptr : bit_mixtures_backward<Storage>,
          read_out,
          read_out_backward,
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
#if defined(GATEWRIGHT_FIXED16)
extern const Kernels GATEWRIGHT_NAME(kernels_fixed16, GATEWRIGHT_TARGET) =
    kernels_of<Fixed16>(GATEWRIGHT_TEXT(GATEWRIGHT_TARGET));
#endif
#if defined(GATEWRIGHT_FLOAT16)
extern const Kernels GATEWRIGHT_NAME(kernels_float16, GATEWRIGHT_TARGET) =
    kernels_of<Float16>(GATEWRIGHT_TEXT(GATEWRIGHT_TARGET));
#endif

}  // namespace gatewright
