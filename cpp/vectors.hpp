// The widest vectors of the instruction set that is compiled for.

#pragma once

#include <cstddef>
#include <cstdint>

namespace gatewright {
namespace {

#if defined(__AVX512BW__)
constexpr std::size_t kVector = 64;
#elif defined(__AVX2__)
constexpr std::size_t kVector = 32;
#else
constexpr std::size_t kVector = 16;
#endif

template <typename T>
using VectorOf [[gnu::vector_size(kVector), gnu::may_alias]] = T;
using Words = VectorOf<std::uint64_t>;

}  // namespace
}  // namespace gatewright
