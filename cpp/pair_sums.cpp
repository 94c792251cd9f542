#include "pair_sums.hpp"

#include <algorithm>
#include <cmath>

#include "sixteen.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace gatewright {
namespace {

using Word = std::uint64_t;

constexpr std::size_t kRow = 64 * kPairWords;  // bytes: one a sample

using Unsigned [[gnu::vector_size(4 * kLanes)]] = std::uint32_t;
using Quanta [[gnu::vector_size(kLanes)]] = std::int8_t;

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

// Byte k: all ones where bit k is 1.
GATEWRIGHT_INLINE Word spread(Word eight) {
  const Word bits = (eight * 0x0101010101010101) & 0x8040201008040201;
  const Word tops = ((bits & 0x7F7F7F7F7F7F7F7F) + 0x7F7F7F7F7F7F7F7F) | bits;
  return ((tops >> 7) & 0x0101010101010101) * 0xFF;
}

// A row of bytes: what `of` has where the node is 1, else 0.
template <typename Of>
GATEWRIGHT_INLINE void expand(const Word* node, std::size_t num_words, Of of, std::int8_t* to) {
  for (std::size_t word = 0; word < num_words; ++word) {
    for (std::size_t part = 0; part < 8; ++part) {
      const std::size_t at = 64 * word + 8 * part;
      store(to + at, spread(node[word] >> 8 * part & 0xFF) & of(at));
    }
  }
}

// The lists' rows, rounded values and `one`s, behind one another from `rows` on; and the step.
GATEWRIGHT_INLINE float make_rows(const float* values, const Word* const* first,
                                  const Word* const* second, std::size_t num_rows,
                                  std::size_t num_words, Word one, std::int8_t* scratch) {
  std::int8_t* rows = scratch + kRow;
  const float step = rounded(values, 64 * num_words, scratch);
  const auto value = [scratch](std::size_t at) { return load<Word>(scratch + at); };
  for (std::size_t i = 0; i < num_rows; ++i) {
    expand(first[i], num_words, value, rows + i * kRow);
    expand(second[i], num_words, [one](std::size_t) { return one; }, rows + (num_rows + i) * kRow);
  }
  return step;
}

// Values of a row that are added up in 16 bits, with so many lanes: they are 127 at most.
constexpr std::size_t at_once(std::size_t num_lanes) { return ((1 << 15) - 1) / 127 * num_lanes; }

using Bytes [[gnu::vector_size(16)]] = std::int8_t;
using Shorts [[gnu::vector_size(16)]] = std::int16_t;

// Adds the sums of neighbours.
GATEWRIGHT_INLINE Shorts plus_pairs(Shorts total, Bytes of) {
#if defined(__ARM_NEON)
  return vpadalq_s8(total, of);
#else
  const auto pairs = Shorts(of);
  return total + (pairs << 8 >> 8) + (pairs >> 8);
#endif
}

void pair_sums_portable(const float* values, const Word* const* first, const Word* const* second,
                        std::size_t num_nodes, std::size_t num_words, std::int8_t* scratch,
                        float* sums) {
  constexpr std::size_t kPart = at_once(8) / 64 * 64;
  const std::size_t num_rows = padded(num_nodes);
  const float step = make_rows(values, first, second, num_rows, num_words, ~Word{0}, scratch);
  const std::int8_t *a = scratch + kRow, *b = a + num_rows * kRow;
  for (std::size_t i = 0; i < num_rows; i += 2) {
    for (std::size_t j = 0; j < num_rows; j += 2) {
      std::int32_t whole[2][2]{};
      for (std::size_t begin = 0; begin < 64 * num_words; begin += kPart) {
        Shorts total[2][2]{};
        const std::size_t end = std::min(begin + kPart, 64 * num_words);
        for (std::size_t at = begin; at < end; at += sizeof(Bytes)) {
          for (std::size_t x = 0; x < 2; ++x) {
            const Bytes of_first = load<Bytes>(a + (i + x) * kRow + at);
            for (std::size_t y = 0; y < 2; ++y) {
              const Bytes both = of_first & load<Bytes>(b + (j + y) * kRow + at);
              total[x][y] = plus_pairs(total[x][y], both);
            }
          }
        }
        for (std::size_t k = 0; k < sizeof(Shorts) / 2; ++k) {
          for (std::size_t x = 0; x < 2; ++x) {
            for (std::size_t y = 0; y < 2; ++y) whole[x][y] += total[x][y][k];
          }
        }
      }
      for (std::size_t x = 0; x < 2; ++x) {
        for (std::size_t y = 0; y < 2; ++y) {
          sums[(i + x) * num_rows + j + y] = step * static_cast<float>(whole[x][y]);
        }
      }
    }
  }
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void pair_sums_avx2(const float* values, const Word* const* first,
                                            const Word* const* second, std::size_t num_nodes,
                                            std::size_t num_words, std::int8_t* scratch,
                                            float* sums) {
  static_assert(kRow <= at_once(16));
  const std::size_t num_rows = padded(num_nodes);
  const float step =
      make_rows(values, first, second, num_rows, num_words, 0x0101010101010101, scratch);
  const std::int8_t *a = scratch + kRow, *b = a + num_rows * kRow;
  for (std::size_t j = 0; j < num_rows; j += 2) {
    for (std::size_t i = 0; i < num_rows; i += 4) {
      __m256i total[4][2];
      for (auto& row : total) row[0] = row[1] = _mm256_setzero_si256();
      for (std::size_t at = 0; at < 64 * num_words; at += 32) {
        const __m256i second_0 = load<__m256i>(b + j * kRow + at);
        const __m256i second_1 = load<__m256i>(b + (j + 1) * kRow + at);
        for (std::size_t x = 0; x < 4; ++x) {
          const __m256i of_first = load<__m256i>(a + (i + x) * kRow + at);
          total[x][0] = _mm256_add_epi16(total[x][0], _mm256_maddubs_epi16(second_0, of_first));
          total[x][1] = _mm256_add_epi16(total[x][1], _mm256_maddubs_epi16(second_1, of_first));
        }
      }
      for (std::size_t x = 0; x < 4; ++x) {
        for (std::size_t y = 0; y < 2; ++y) {
          std::int32_t parts[8], whole = 0;
          store(parts, _mm256_madd_epi16(total[x][y], _mm256_set1_epi16(1)));
          for (const std::int32_t part : parts) whole += part;
          sums[(i + x) * num_rows + j + y] = step * static_cast<float>(whole);
        }
      }
    }
  }
}

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
#endif

}  // namespace

std::vector<PairSums*> pair_sums() {
  std::vector<PairSums*> found;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vnni") != 0) {
    found.push_back(pair_sums_vnni);
  }
  if (__builtin_cpu_supports("avx2") != 0) found.push_back(pair_sums_avx2);
#endif
  found.push_back(pair_sums_portable);
  return found;
}

}  // namespace gatewright
