// The loops that make packed bits of rows of numbers: 512 rows at a time, and one row.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "engine_kernels.hpp"
#include "vectors.hpp"

namespace gatewright {
namespace {

template <typename T>
[[gnu::always_inline]] inline const T* row_of(const Rows& rows, std::size_t row) {
  return reinterpret_cast<const T*>(rows.first + static_cast<std::ptrdiff_t>(row) * rows.stride);
}

#if defined(__AVX512BW__)
// Which of 64 features are over their limits.
[[gnu::always_inline]] inline __mmask64 over(const std::uint8_t* x, const std::uint8_t* limit) {
  return _mm512_cmpgt_epu8_mask(_mm512_loadu_si512(x), _mm512_loadu_si512(limit));
}

[[gnu::always_inline]] inline __mmask64 over(const float* x, const float* limit) {
  __mmask64 found = 0;
  for (std::size_t f = 0; f < kLanes; f += 16) {
    found |= static_cast<__mmask64>(
                 _mm512_cmp_ps_mask(_mm512_loadu_ps(x + f), _mm512_loadu_ps(limit + f), _CMP_GT_OQ))
             << f;
  }
  return found;
}

[[gnu::always_inline]] inline __mmask64 over(const double* x, const double* limit) {
  __mmask64 found = 0;
  for (std::size_t f = 0; f < kLanes; f += 8) {
    found |= static_cast<__mmask64>(
                 _mm512_cmp_pd_mask(_mm512_loadu_pd(x + f), _mm512_loadu_pd(limit + f), _CMP_GT_OQ))
             << f;
  }
  return found;
}
#endif

// octets[f]: bit k is whether feature f of row(k), a pointer, is over its limit. The rows `ahead`
// bytes on are asked for.
template <typename T, typename RowAt>
[[gnu::always_inline]] inline void compare(RowAt row, const T* limits, std::ptrdiff_t ahead,
                                           std::uint8_t* octets) {
  const auto ask = [ahead](const T* x) {
    __builtin_prefetch(reinterpret_cast<const std::uint8_t*>(x) + ahead);
  };
#if defined(__AVX512BW__)
  __m512i found = _mm512_setzero_si512();
#pragma GCC unroll 8
  for (std::size_t k = 0; k < 8; ++k) {
    const T* const x = row(k);
    found = _mm512_mask_add_epi8(found, over(x, limits), found,
                                 _mm512_set1_epi8(static_cast<char>(1U << k)));
    for (std::size_t f = 0; f < kLanes; f += 64 / sizeof(T)) ask(x + f);
  }
  _mm512_storeu_si512(octets, found);
#else
  constexpr std::size_t kSize = kVector / sizeof(T);
  using Octets [[gnu::vector_size(kSize)]] = std::int8_t;
  for (std::size_t f = 0; f < kLanes; f += kSize) {
    VectorOf<T> limit;
    std::memcpy(&limit, limits + f, sizeof limit);
    Octets found = {};
    for (std::size_t k = 0; k < 8; ++k) {
      VectorOf<T> x;
      std::memcpy(&x, row(k) + f, sizeof x);
      const auto bit = static_cast<std::int8_t>(1U << k);
      found |= __builtin_convertvector(x > limit, Octets) & bit;
      ask(row(k) + f);
    }
    std::memcpy(octets + f, &found, sizeof found);
  }
#endif
}

// Two vectors' elements in turn, within each 128 bits as the instruction sets do it: those of the
// lower halves into a, those of the upper halves into b.
template <typename T, std::size_t... I>
[[gnu::always_inline]] inline void interleave(VectorOf<T>& a, VectorOf<T>& b,
                                              std::index_sequence<I...>) {
  constexpr std::size_t kSize = sizeof...(I), kLane = 16 / sizeof(T);
  const VectorOf<T> low =
      __builtin_shufflevector(a, b, (I % 2 * kSize + I / kLane * kLane + I % kLane / 2)...);
  const VectorOf<T> high = __builtin_shufflevector(
      a, b, (I % 2 * kSize + I / kLane * kLane + I % kLane / 2 + kLane / 2)...);
  a = low;
  b = high;
}

// A third of a transposition of octets: rows r and r + 4 in turn become rows 2r and 2r + 1.
template <typename T>
[[gnu::always_inline]] inline void interleave_rows(VectorOf<std::uint8_t> (&rows)[8]) {
  VectorOf<T> held[8];
  std::memcpy(held, rows, sizeof held);
  for (std::size_t r = 0; r < 4; ++r) {
    interleave<T>(held[r], held[r + 4], std::make_index_sequence<kVector / sizeof(T)>());
    std::memcpy(&rows[2 * r], &held[r], kVector);
    std::memcpy(&rows[2 * r + 1], &held[r + 4], kVector);
  }
}

// The thirds put row r where its three bits are turned round.
constexpr std::size_t kTurned[8] = {0, 4, 2, 6, 1, 5, 3, 7};

// Eight rows of kLanes octets become words: octet r of a word was in row kTurned[r].
[[gnu::always_inline]] inline void gather_octets(const std::uint8_t* octets, std::uint8_t* words) {
  for (std::size_t first = 0; first < kLanes; first += kVector) {
    VectorOf<std::uint8_t> rows[8];
    for (std::size_t r = 0; r < 8; ++r) {
      std::memcpy(&rows[r], octets + r * kLanes + first, kVector);
    }
    interleave_rows<std::uint8_t>(rows);
    interleave_rows<std::uint16_t>(rows);
    interleave_rows<std::uint32_t>(rows);
    for (std::size_t r = 0; r < 8; ++r) {
      std::memcpy(words + r * kLanes + first, &rows[r], kVector);
    }
  }
}

// The feature whose octets are then word `word` of row `row`: 128 bits hold those of 16 features.
constexpr std::size_t feature_at(std::size_t row, std::size_t word) {
  return word / 2 * 16 + 2 * row + word % 2;
}

// r[i][j] <-> r[j][i] of 8 x 8 words.
[[gnu::always_inline]] inline void transpose(std::uint64_t (&r)[8][8]) {
#if defined(__AVX512BW__)
  Words h[8], s[8], t[8];
  std::memcpy(h, r, sizeof h);
  for (std::size_t i = 0; i < 8; i += 2) {  // columns c, c + 2, c + 4, c + 6 of two rows
    s[i] = __builtin_shufflevector(h[i], h[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    s[i + 1] = __builtin_shufflevector(h[i], h[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (std::size_t i = 0; i < 8; i += 4) {  // columns c and c + 4 of four rows
    for (std::size_t c = 0; c < 2; ++c) {
      t[i + c] = __builtin_shufflevector(s[i + c], s[i + 2 + c], 0, 1, 8, 9, 4, 5, 12, 13);
      t[i + 2 + c] = __builtin_shufflevector(s[i + c], s[i + 2 + c], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (std::size_t c = 0; c < 4; ++c) {
    h[c] = __builtin_shufflevector(t[c], t[c + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    h[c + 4] = __builtin_shufflevector(t[c], t[c + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  std::memcpy(r, h, sizeof h);
#else
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const std::uint64_t held = r[i][j];
      r[i][j] = r[j][i];
      r[j][i] = held;
    }
  }
#endif
}

// Which samples of a word are there.
[[gnu::always_inline]] inline std::uint64_t there(std::size_t count, std::size_t word) {
  const std::size_t own = count > 64 * word ? count - 64 * word : 0;
  return own < 64 ? (std::uint64_t{1} << own) - 1 : ~std::uint64_t{0};
}

constexpr std::size_t kPart = 8 * kLanes;  // bytes of 64 rows' bits

// Rows that are asked for ahead of time.
constexpr std::ptrdiff_t kAheadRows = 8;

#if defined(__AVX512BW__)
// `compare` of bytes in so many parts at once: rows are read from one end to the other, as the
// processor's own prefetching has it.
template <std::size_t kNum>
void compare_parts(const Rows& rows, std::size_t row, const Part<std::uint8_t>* parts,
                   std::uint8_t* octets) {
  __m512i found[kNum] = {};
#pragma GCC unroll 8
  for (std::size_t k = 0; k < 8; ++k) {
#pragma GCC unroll 16
    for (std::size_t part = 0; part < kNum; ++part) {
      const std::uint8_t* const x = row_of<std::uint8_t>(rows, row + k) + parts[part].first;
      found[part] = _mm512_mask_add_epi8(found[part], over(x, parts[part].limit), found[part],
                                         _mm512_set1_epi8(static_cast<char>(1U << k)));
      __builtin_prefetch(x + kAheadRows * rows.stride);
    }
  }
#pragma GCC unroll 16
  for (std::size_t part = 0; part < kNum; ++part) {
    _mm512_storeu_si512(octets + part * kPart, found[part]);
  }
}

// The same of any number of parts.
template <std::size_t... kLess>
void compare_all_parts(const Rows& rows, std::size_t row, const Part<std::uint8_t>* parts,
                       std::size_t num, std::uint8_t* octets, std::index_sequence<kLess...>) {
  constexpr decltype(&compare_parts<1>) kOfNum[] = {compare_parts<kLess + 1>...};
  constexpr std::size_t kMost = sizeof...(kLess);
  for (; num > kMost; num -= kMost, parts += kMost, octets += kMost * kPart) {
    kOfNum[kMost - 1](rows, row, parts, octets);
  }
  if (num > 0) kOfNum[num - 1](rows, row, parts, octets);
}
#endif

// Of 64 rows or fewer and every part, octets: row kTurned[i] of a part's has 8 rows' bits of its
// features, those of the eight rows i. Row after row, as they lie in memory.
template <typename T>
[[gnu::always_inline]] inline void compare_rows(const Rows& rows, std::size_t first,
                                                std::size_t count, const Part<T>* parts,
                                                std::size_t num, std::uint8_t* octets) {
  for (std::size_t octet = 0; octet < 8 && 8 * octet < count; ++octet) {
    const std::size_t row = first + 8 * octet;
    std::uint8_t* const out = octets + kTurned[octet] * kLanes;
    if (count >= 8 * octet + 8 && rows.num_features >= kLanes) {
#if defined(__AVX512BW__)
      if constexpr (sizeof(T) == 1) {
        compare_all_parts(rows, row, parts, num, out, std::make_index_sequence<16>());
        continue;
      }
#endif
      for (std::size_t part = 0; part < num; ++part) {
        if (parts[part].is_read == 0) continue;
        compare<T>([&](std::size_t k) { return row_of<T>(rows, row + k) + parts[part].first; },
                   parts[part].limit, kAheadRows * rows.stride, out + part * kPart);
      }
      continue;
    }
    // What the last eight rows lack is copies of the last one, and what a row lacks zeros.
    const std::size_t size = rows.num_features < kLanes ? rows.num_features : kLanes;
    for (std::size_t part = 0; part < num; ++part) {
      T whole[8][kLanes] = {};
      for (std::size_t k = 0; k < 8; ++k) {
        const std::size_t own = 8 * octet + k < count ? 8 * octet + k : count - 1;
        std::memcpy(whole[k], row_of<T>(rows, first + own) + parts[part].first, size * sizeof(T));
      }
      compare<T>([&](std::size_t k) { return whole[k]; }, parts[part].limit, 0, out + part * kPart);
    }
  }
}

// One bit a feature, inputs `bits` apart.
template <typename T>
void pack_plane(const Rows& rows, std::size_t first, std::size_t count, const Part<T>* parts,
                std::size_t num, std::size_t bits, std::uint64_t* words, std::size_t stride,
                std::uint8_t* scratch) {
  for (std::size_t g = 0; 64 * g < count; ++g) {
    std::uint8_t* const octets = scratch + g * num * kPart;
    compare_rows<T>(rows, first + 64 * g, count - 64 * g, parts, num, octets);
    for (std::size_t part = 0; part < num; ++part) {
      if (parts[part].is_read != 0) gather_octets(octets + part * kPart, octets + part * kPart);
    }
  }
  for (std::size_t part = 0; part < num; ++part) {
    const Part<T>& own = parts[part];
    if (own.is_read == 0) continue;
    std::uint64_t* const to = words + own.first * bits * stride;
    for (std::size_t row = 0; row < 8; ++row) {
      std::uint64_t held[8][8];
      for (std::size_t g = 0; g < 8; ++g) {
        std::memcpy(held[g], scratch + (g * num + part) * kPart + row * kLanes, kLanes);
      }
      transpose(held);
#pragma GCC unroll 8
      for (std::size_t word = 0; word < 8; ++word) {
        const std::size_t f = feature_at(row, word);
        if (own.is_read >> f & 1) std::memcpy(to + f * bits * stride, held[word], kLanes);
      }
    }
    if (own.is_fixed == 0 && count == kPacked) continue;
    for (std::size_t f = 0; f < kLanes; ++f) {
      if (~own.is_read >> f & 1) continue;
      std::uint64_t* const bit = to + f * bits * stride;
      if (own.is_fixed >> f & 1) std::memset(bit, own.fixed >> f & 1 ? 0xFF : 0, kLanes);
      for (std::size_t i = 0; i < 8; ++i) bit[i] &= there(count, i);
    }
  }
}

#if defined(__AVX2__) && !defined(__AVX512BW__)
// Bit k is whether element k of a comparison is true.
template <typename T, typename Found>
[[gnu::always_inline]] inline std::uint32_t mask_of(const Found& found) {
  if constexpr (sizeof(T) == 1) {
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(reinterpret_cast<__m256i>(found)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<std::uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(found)));
  } else {
    return static_cast<std::uint32_t>(_mm256_movemask_pd(reinterpret_cast<__m256d>(found)));
  }
}
#endif

// Bit k is whether x[k] passes the test, of 64 numbers.
template <Test kTest, typename T>
[[gnu::always_inline]] inline std::uint64_t test_word(const T* x, T limit) {
  std::uint64_t word = 0;
#if defined(__AVX512BW__)
  if constexpr (sizeof(T) == 1) {
    const __m512i value = _mm512_loadu_si512(x);
    const __m512i other = _mm512_set1_epi8(static_cast<char>(limit));
    return kTest == Test::over ? _mm512_cmpgt_epu8_mask(value, other)
                               : _mm512_cmpeq_epu8_mask(value, other);
  } else {
    constexpr int kHow = kTest == Test::over    ? _CMP_GT_OQ
                         : kTest == Test::equal ? _CMP_EQ_OQ
                                                : _CMP_UNORD_Q;
    constexpr std::size_t kSize = kVector / sizeof(T);
    for (std::size_t k = 0; k < 64; k += kSize) {
      std::uint64_t found;
      if constexpr (sizeof(T) == 4) {
        found = _mm512_cmp_ps_mask(_mm512_loadu_ps(x + k), _mm512_set1_ps(limit), kHow);
      } else {
        found = _mm512_cmp_pd_mask(_mm512_loadu_pd(x + k), _mm512_set1_pd(limit), kHow);
      }
      word |= found << k;
    }
  }
#elif defined(__AVX2__)
  constexpr std::size_t kSize = kVector / sizeof(T);
  for (std::size_t k = 0; k < 64; k += kSize) {
    VectorOf<T> value;
    std::memcpy(&value, x + k, sizeof value);
    const VectorOf<T> other = VectorOf<T>{} + limit;
    const auto found = kTest == Test::over    ? value > other
                       : kTest == Test::equal ? value == other
                                              : value != value;
    word |= std::uint64_t{mask_of<T>(found)} << k;
  }
#else
  for (std::size_t k = 0; k < 64; ++k) {
    const bool found = kTest == Test::over    ? x[k] > limit
                       : kTest == Test::equal ? x[k] == limit
                                              : x[k] != x[k];
    word |= std::uint64_t{found} << k;
  }
#endif
  return word;
}

template <Test kTest, typename T>
void test_column(const T* x, T limit, std::size_t count, std::uint64_t* words) {
  for (std::size_t i = 0; i < 8; ++i) words[i] = 0;
  for (std::size_t i = 0; 64 * i < count; ++i) {
    words[i] = test_word<kTest>(x + 64 * i, limit) & there(count, i);
  }
}

// Bit by bit, from columns that lie one after the other in `scratch`.
template <typename T>
void pack_bits(const Rows& rows, std::size_t first, std::size_t count, const Tests<T>& tests,
               std::uint64_t* words, std::size_t stride, std::uint8_t* scratch) {
  auto* const columns = reinterpret_cast<T*>(scratch);
  const Bit<T>*bit = tests.bits, *const end = bit + tests.num_bits;
  while (bit != end) {
    const std::size_t left = rows.num_features - bit->column;
    const std::size_t begin = bit->column, num = left < kColumns ? left : kColumns;
    for (std::size_t row = 0; row < count; ++row) {
      const T* const x = row_of<T>(rows, first + row) + begin;
      if (num == kColumns) {
        for (std::size_t c = 0; c < kColumns; ++c) columns[c * kColumnSize + row] = x[c];
      } else {
        for (std::size_t c = 0; c < num; ++c) columns[c * kColumnSize + row] = x[c];
      }
    }
    // Whatever is behind the last row: it is tested too, and the results are cleared.
    for (std::size_t row = count; row % 64 != 0; ++row) {
      for (std::size_t c = 0; c < num; ++c) columns[c * kColumnSize + row] = 0;
    }
    for (; bit != end && bit->column < begin + num; ++bit) {
      const T* const x = columns + (bit->column - begin) * kColumnSize;
      std::uint64_t* const own = words + bit->input * stride;
      switch (bit->test) {
        case Test::over:
          test_column<Test::over>(x, bit->limit, count, own);
          break;
        case Test::equal:
          test_column<Test::equal>(x, bit->limit, count, own);
          break;
        case Test::missing:
          test_column<Test::missing>(x, bit->limit, count, own);
          break;
        default:
          for (std::size_t i = 0; i < 8; ++i) {
            own[i] = bit->test == Test::always ? there(count, i) : 0;
          }
      }
    }
  }
}

template <typename T>
void pack(const Rows& rows, std::size_t first, std::size_t count, const Tests<T>& tests,
          std::uint64_t* words, std::size_t stride, std::uint8_t* scratch) {
  if (tests.num_planes == 0) return pack_bits<T>(rows, first, count, tests, words, stride, scratch);
  for (std::size_t plane = 0; plane < tests.num_planes; ++plane) {
    pack_plane<T>(rows, first, count, tests.planes + plane * tests.num_parts, tests.num_parts,
                  tests.num_planes, words + plane * stride, stride, scratch);
  }
}

// Bit k is whether x[k] is over limits[k], of 64 numbers.
template <typename T>
[[gnu::always_inline]] inline std::uint64_t over_word(const T* x, const T* limits) {
#if defined(__AVX512BW__)
  return over(x, limits);
#else
  std::uint64_t word = 0;
#if defined(__AVX2__)
  constexpr std::size_t kSize = kVector / sizeof(T);
  for (std::size_t k = 0; k < kLanes; k += kSize) {
    VectorOf<T> value, limit;
    std::memcpy(&value, x + k, sizeof value);
    std::memcpy(&limit, limits + k, sizeof limit);
    word |= std::uint64_t{mask_of<T>(value > limit)} << k;
  }
#else
  for (std::size_t k = 0; k < kLanes; ++k) word |= std::uint64_t{x[k] > limits[k]} << k;
#endif
  return word;
#endif
}

template <typename T>
bool passes(const Bit<T>& bit, T x) {
  switch (bit.test) {
    case Test::over:
      return x > bit.limit;
    case Test::equal:
      return x == bit.limit;
    case Test::missing:
      return x != x;
    default:
      return bit.test == Test::always;
  }
}

template <typename T>
void test_row(const T* row, const Tests<T>& tests, std::uint64_t* bits) {
  const std::size_t num_words = (tests.num_bits + 63) / 64;
  for (std::size_t i = 0; i < num_words; ++i) bits[i] = 0;
  for (std::size_t i = 0; i < tests.num_bits; ++i) {
    const Bit<T>& bit = tests.bits[i];
    bits[i / 64] |= std::uint64_t{passes<T>(bit, row[bit.column])} << i % 64;
  }
  T held[kLanes] = {};
  for (std::size_t i = 0; i < tests.num_planes * tests.num_parts; ++i) {
    const Part<T>& part = tests.planes[i];
    const T* x = row + part.first;
    if (tests.num_features < kLanes) {
      std::memcpy(held, row, tests.num_features * sizeof(T));
      x = held;
    }
    bits[i] = (over_word<T>(x, part.limit) & ~part.is_fixed) | part.fixed;
  }
}

}  // namespace
}  // namespace gatewright
