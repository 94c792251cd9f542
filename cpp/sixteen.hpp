// Vectors of sixteen samples, in the language that GCC and Clang share: each target makes of them
// what its registers take.
#pragma once

#include <cstddef>
#include <cstdint>

#define GATEWRIGHT_INLINE [[gnu::always_inline]] inline

namespace gatewright {
namespace {

constexpr std::size_t kLanes = 16;
using Floats [[gnu::vector_size(4 * kLanes)]] = float;
using Ints [[gnu::vector_size(4 * kLanes)]] = std::int32_t;

template <typename T, typename From>
GATEWRIGHT_INLINE T load(const From* from) {
  T values;
  __builtin_memcpy(&values, from, sizeof values);
  return values;
}

template <typename T, typename To>
GATEWRIGHT_INLINE void store(To* to, T values) {
  __builtin_memcpy(to, &values, sizeof values);
}

}  // namespace
}  // namespace gatewright
