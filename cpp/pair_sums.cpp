#include "pair_sums.hpp"

#include <cmath>

#include "multiversion.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gatewright {
namespace {

using Word = std::uint64_t;

#define GATEWRIGHT_INLINE [[gnu::always_inline]] inline

constexpr std::size_t kRow = 64 * kPairWords;  // bytes: one a sample

// In the language that GCC and Clang share.
constexpr std::size_t kLanes = 16;
using Floats [[gnu::vector_size(4 * kLanes)]] = float;
using Ints [[gnu::vector_size(4 * kLanes)]] = std::int32_t;
using Unsigned [[gnu::vector_size(4 * kLanes)]] = std::uint32_t;
using Quanta [[gnu::vector_size(kLanes)]] = std::int8_t;

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

// Rounds so many values, a multiple of 16, and returns the step. The s-th is rounded up where the
// fractions of it and of s + 1 times the golden ratio are over 1 together.
GATEWRIGHT_INLINE float rounded(const float* values, std::size_t num, std::int8_t* quanta) {
  constexpr std::uint32_t kRatio = 2654435769;  // its fraction, of 2^32
  Floats greatest{};
  for (std::size_t at = 0; at < num; at += kLanes) {
    const Floats value = load<Floats>(values + at);
    const Floats size = value < 0 ? -value : value;
    greatest = size > greatest ? size : greatest;
  }
  float most = 0;
  for (std::size_t i = 0; i < kLanes; ++i) most = greatest[i] > most ? greatest[i] : most;
  int exponent = 0;  // nothing is so small but zeros, and what may be taken for them
  if (most > 1e-30F) std::frexp(most / 126, &exponent);
  const float step = std::ldexp(1.F, exponent), share = 1 / step;
  const Unsigned lane = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  Unsigned place = lane * kRatio;
  for (std::size_t at = 0; at < num; at += kLanes) {
    const Floats fraction = __builtin_convertvector(Ints(place >> 8), Floats) * (1 / 16777216.F);
    const Floats shifted = load<Floats>(values + at) * share + fraction + 128;  // over 0
    store(quanta + at,
          __builtin_convertvector(__builtin_convertvector(shifted, Ints) - 128, Quanta));
    place += static_cast<std::uint32_t>(kRatio * kLanes);
  }
  return step;
}

// Halves of a register of AVX-512, so that four sums and what they are of fit in what others have.
using Bytes [[gnu::vector_size(32)]] = std::int8_t;
using Shorts [[gnu::vector_size(32)]] = std::int16_t;

// Byte k: all ones where bit k is 1.
GATEWRIGHT_INLINE Word spread(Word eight) {
  const Word bits = (eight * 0x0101010101010101) & 0x8040201008040201;
  const Word tops = ((bits & 0x7F7F7F7F7F7F7F7F) + 0x7F7F7F7F7F7F7F7F) | bits;
  return ((tops >> 7) & 0x0101010101010101) * 0xFF;
}

GATEWRIGHT_INLINE void expand(const Word* node, std::size_t num_words, std::int8_t* to) {
  for (std::size_t word = 0; word < num_words; ++word) {
    for (std::size_t part = 0; part < 8; ++part) {
      store(to + 64 * word + 8 * part, spread(node[word] >> 8 * part & 0xFF));
    }
  }
}

// What a lane adds up is two of 126 in each of 128 steps: it does not overflow.
static_assert(126 * kRow / 16 < 1 << 15);

}  // namespace

GATEWRIGHT_MULTIVERSION
void pair_sums_portable(const float* values, const Word* const* first, const Word* const* second,
                        std::size_t num_nodes, std::size_t num_words, std::int8_t* scratch,
                        float* sums) {
  const std::size_t num_rows = padded(num_nodes), size = 64 * num_words;
  std::int8_t *quanta = scratch, *a = quanta + kRow, *b = a + num_rows * kRow;
  const float step = rounded(values, size, quanta);
  for (std::size_t i = 0; i < num_rows; ++i) {
    expand(first[i], num_words, a + i * kRow);
    expand(second[i], num_words, b + i * kRow);
    for (std::size_t at = 0; at < size; at += sizeof(Bytes)) {
      std::int8_t* to = a + i * kRow + at;
      store(to, load<Bytes>(to) & load<Bytes>(quanta + at));
    }
  }
  for (std::size_t i = 0; i < num_rows; i += 2) {
    for (std::size_t j = 0; j < num_rows; j += 2) {
      Shorts total[2][2]{};
      for (std::size_t at = 0; at < size; at += sizeof(Bytes)) {
        for (std::size_t x = 0; x < 2; ++x) {
          const Bytes of_first = load<Bytes>(a + (i + x) * kRow + at);
          for (std::size_t y = 0; y < 2; ++y) {
            const auto both = Shorts(of_first & load<Bytes>(b + (j + y) * kRow + at));
            total[x][y] += (both << 8 >> 8) + (both >> 8);
          }
        }
      }
      for (std::size_t x = 0; x < 2; ++x) {
        for (std::size_t y = 0; y < 2; ++y) {
          std::int32_t whole = 0;
          for (std::size_t k = 0; k < sizeof(Shorts) / 2; ++k) whole += total[x][y][k];
          sums[(i + x) * num_rows + j + y] = step * static_cast<float>(whole);
        }
      }
    }
  }
}

#if defined(__x86_64__)
namespace {

[[gnu::target("avx512f,avx512bw,avx512vnni")]] void pair_sums_vnni(
    const float* values, const Word* const* first, const Word* const* second, std::size_t num_nodes,
    std::size_t num_words, std::int8_t* scratch, float* sums) {
  const std::size_t num_rows = padded(num_nodes);
  std::int8_t *quanta = scratch, *a = quanta + kRow, *b = a + num_rows * kRow;
  const float step = rounded(values, 64 * num_words, quanta);
  for (std::size_t i = 0; i < num_rows; ++i) {
    for (std::size_t word = 0; word < num_words; ++word) {
      const __m512i all = _mm512_loadu_si512(quanta + 64 * word);
      const std::size_t at = i * kRow + 64 * word;
      _mm512_storeu_si512(a + at, _mm512_maskz_mov_epi8(first[i][word], all));
      _mm512_storeu_si512(b + at, _mm512_maskz_set1_epi8(second[i][word], 1));
    }
  }
  for (std::size_t j = 0; j < num_rows; j += 4) {
    for (std::size_t i = 0; i < num_rows; i += 4) {
      __m512i total[4][4];
      for (auto& row : total) {
        for (__m512i& one : row) one = _mm512_setzero_si512();
      }
      for (std::size_t word = 0; word < num_words; ++word) {
        __m512i of_second[4];
        for (std::size_t y = 0; y < 4; ++y) {
          of_second[y] = _mm512_loadu_si512(b + (j + y) * kRow + 64 * word);
        }
        for (std::size_t x = 0; x < 4; ++x) {
          const __m512i of_first = _mm512_loadu_si512(a + (i + x) * kRow + 64 * word);
          for (std::size_t y = 0; y < 4; ++y) {
            total[x][y] = _mm512_dpbusd_epi32(total[x][y], of_second[y], of_first);
          }
        }
      }
      for (std::size_t x = 0; x < 4; ++x) {
        for (std::size_t y = 0; y < 4; ++y) {
          const std::int32_t whole = _mm512_reduce_add_epi32(total[x][y]);
          sums[(i + x) * num_rows + j + y] = step * static_cast<float>(whole);
        }
      }
    }
  }
}

}  // namespace
#endif

void pair_sums(const float* values, const Word* const* first, const Word* const* second,
               std::size_t num_nodes, std::size_t num_words, std::int8_t* scratch, float* sums) {
#if defined(__x86_64__)
  static const bool has_products =
      __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vnni") != 0;
  if (has_products) {
    return pair_sums_vnni(values, first, second, num_nodes, num_words, scratch, sums);
  }
#endif
  pair_sums_portable(values, first, second, num_nodes, num_words, scratch, sums);
}

}  // namespace gatewright
