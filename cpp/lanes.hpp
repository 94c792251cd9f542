// Vectors of floats as wide as the target's registers, and the two ways in which a row of samples
// is stored. Included by one translation unit a target; everything has internal linkage.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#else
#include <cmath>
#endif

namespace gatewright {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

// Of a kernel: all that it calls is inlined, however large, so that vectors stay in registers.
#define GATEWRIGHT_FLAT [[gnu::flatten]]

// GNU vectors: a language that GCC and Clang share, for every target.
using Floats [[gnu::vector_size(kLanes * 4)]] = float;
using Ints [[gnu::vector_size(kLanes * 4)]] = std::int32_t;
using Bits [[gnu::vector_size(kLanes * 4)]] = std::uint32_t;

// Samples a tile: enough that what a gate costs beyond its arithmetic is paid once for many.
constexpr int kTile = 64;  // kSamples, for lanes
constexpr int kVectors = kTile / kLanes;

// Calls of(0), of(1), ... of(num - 1), each with a constant: a loop over a row's vectors that keeps
// them in registers, which GCC does not where an array is indexed by a variable.
template <typename Of, int... j>
inline void unroll(Of of, std::integer_sequence<int, j...>) {
  (of(std::integral_constant<int, j>()), ...);
}
template <int num, typename Of>
inline void unroll(Of of) {
  unroll(of, std::make_integer_sequence<int, num>());
}

inline Floats splat(float value) { return value - Floats{}; }
inline Ints splat(std::int32_t value) { return value - Ints{}; }
inline Bits splat(std::uint32_t value) { return value - Bits{}; }

inline Floats load(const float* from) {
  Floats value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline void store(float* to, Floats value) { std::memcpy(to, &value, sizeof value); }

inline Bits load(const std::uint32_t* from) {
  Bits value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline Ints load(const std::int32_t* from) {
  Ints value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline void store(std::uint32_t* to, Bits value) { std::memcpy(to, &value, sizeof value); }

inline Floats as_floats(Bits value) { return reinterpret_cast<Floats>(value); }
inline Floats as_floats(Ints value) { return reinterpret_cast<Floats>(value); }
inline Bits as_bits(Floats value) { return reinterpret_cast<Bits>(value); }
inline Ints as_ints(Floats value) { return reinterpret_cast<Ints>(value); }

// Lanes of `yes` where the mask is all ones, of `no` where it is zero.
inline Floats select(Ints mask, Floats yes, Floats no) { return mask ? yes : no; }
#if defined(__AVX512F__)
inline Floats max(Floats a, Floats b) {
  return reinterpret_cast<Floats>(
      _mm512_max_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
}
#elif defined(__AVX2__)
inline Floats max(Floats a, Floats b) {
  return reinterpret_cast<Floats>(
      _mm256_max_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
}
#else
inline Floats max(Floats a, Floats b) { return select(a > b, a, b); }
#endif
inline Floats min(Floats a, Floats b) { return -max(-a, -b); }
inline Floats abs(Floats a) { return as_floats(as_bits(a) & splat(0x7fff'ffffU)); }

// Square root of x >= 0 and reciprocal of x > 0, to about two units in the last place: estimates
// with a Newton step, several times faster than the exact instructions, where the target has them.
inline Floats root(Floats x) {
#if defined(__AVX512F__)
  const Floats y = x + 1e-37f;  // so that the root of 0 is not 0 times infinity
  const Floats r = reinterpret_cast<Floats>(_mm512_rsqrt14_ps(reinterpret_cast<__m512>(y)));
  const Floats s = y * r;
  return s + (0.5f * s) * (1.0f - s * r);
#elif defined(__AVX2__)
  return reinterpret_cast<Floats>(_mm256_sqrt_ps(reinterpret_cast<__m256>(x)));
#elif defined(__x86_64__)
  return reinterpret_cast<Floats>(_mm_sqrt_ps(reinterpret_cast<__m128>(x)));
#elif defined(__aarch64__)
  return reinterpret_cast<Floats>(vsqrtq_f32(reinterpret_cast<float32x4_t>(x)));
#else
  for (int lane = 0; lane < kLanes; ++lane) x[lane] = std::sqrt(x[lane]);
  return x;
#endif
}

inline Floats reciprocal(Floats x) {
#if defined(__AVX512F__)
  const Floats r = reinterpret_cast<Floats>(_mm512_rcp14_ps(reinterpret_cast<__m512>(x)));
  return r + r * (1.0f - x * r);
#else
  return 1.0f / x;
#endif
}

// Added to a float below 2^22, rounds it to an integer, which is then in the low bits.
constexpr float kRounder = 12582912.0f;

// 2^r for |r| <= 1/2, relatively within 1.0e-7.
inline Floats small_power(Floats r) {
  Floats p = splat(0.0013264727f);
  p = p * r + 0.0096715128f;
  p = p * r + 0.0555073374f;
  p = p * r + 0.2402224208f;
  p = p * r + 0.6931469776f;
  return p * r + 1.0f;
}

// 2^(n + r) for |r| <= 1/2 and the integer n that kRounder left in the low bits of `rounded`.
inline Floats power(Floats r, Floats rounded) {
  return as_floats(as_bits(small_power(r)) + (as_bits(rounded) << 23));
}

// 2^y for y <= 127; 2^-126 below -126.
inline Floats power2(Floats y) {
  y = max(y, splat(-126.0f));
#if defined(__AVX512F__)
  const __m512 n = _mm512_roundscale_ps(reinterpret_cast<__m512>(y), _MM_FROUND_TO_NEAREST_INT);
  const Floats p = small_power(y - reinterpret_cast<Floats>(n));
  return reinterpret_cast<Floats>(_mm512_scalef_ps(reinterpret_cast<__m512>(p), n));
#else
  const Floats rounded = y + kRounder;
  return power(y - (rounded - kRounder), rounded);
#endif
}

constexpr float kLog2E = 1.44269504f;

// e^x for x <= 87, as exact where x is large (ln 2 in two parts); e^-87 below -87.
inline Floats exponential(Floats x) {
  x = max(x, splat(-87.0f));
  const Floats rounded = x * kLog2E + kRounder;
  const Floats n = rounded - kRounder;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  return power(r * kLog2E, rounded);
}

inline Floats sigmoid(Floats x) { return reciprocal(1.0f + exponential(min(-x, splat(87.0f)))); }

using Four [[gnu::vector_size(16)]] = float;

inline Four load4(const float* from) {
  Four value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline void store4(float* to, Four value) { std::memcpy(to, &value, sizeof value); }

// Every second lane of a and b together, from the first or from the second on.
template <int kFirst, int... kLane>
inline Floats every_second(Floats a, Floats b, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(a, b, (2 * kLane + kFirst)...);
}
inline Floats evens(Floats a, Floats b) {
  return every_second<0>(a, b, std::make_integer_sequence<int, kLanes>());
}
inline Floats odds(Floats a, Floats b) {
  return every_second<1>(a, b, std::make_integer_sequence<int, kLanes>());
}

// from: [kLanes][4] in memory order; to: [4][kLanes].
inline void transpose(const Floats* from, Floats* to) {
  const Floats low = evens(from[0], from[1]), high = evens(from[2], from[3]);
  const Floats low1 = odds(from[0], from[1]), high1 = odds(from[2], from[3]);
  to[0] = evens(low, high);
  to[2] = odds(low, high);
  to[1] = evens(low1, high1);
  to[3] = odds(low1, high1);
}

// Lanes of a and b where bit kBit of the lane's number changes sides: of the two vectors that a
// step of transposing a square makes, the first (kHalf = 0) or the second.
template <int kBit, int kHalf, int... kLane>
inline Floats exchange(Floats a, Floats b, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(
      a, b, (kLane & kBit ? kLanes + kLane - (1 - kHalf) * kBit : kLane + kHalf * kBit)...);
}

// Lane j of rows[i] becomes lane i of rows[j].
template <int kBit = kLanes / 2>
inline void transpose_square(Floats* rows) {
  constexpr auto lanes = std::make_integer_sequence<int, kLanes>();
  for (int i = 0; i < kLanes; ++i) {
    if (i & kBit) continue;
    const Floats a = rows[i], b = rows[i + kBit];
    rows[i] = exchange<kBit, 0>(a, b, lanes);
    rows[i + kBit] = exchange<kBit, 1>(a, b, lanes);
  }
  if constexpr (kBit > 1) transpose_square<kBit / 2>(rows);
}

// The sums of four vectors' lanes.
inline Four sum_lanes(Floats v0, Floats v1, Floats v2, Floats v3) {
#if defined(__AVX512F__)
  const auto as = [](Floats v) { return reinterpret_cast<__m512>(v); };
  const __m512 a =
      _mm512_add_ps(_mm512_unpacklo_ps(as(v0), as(v1)), _mm512_unpackhi_ps(as(v0), as(v1)));
  const __m512 b =
      _mm512_add_ps(_mm512_unpacklo_ps(as(v2), as(v3)), _mm512_unpackhi_ps(as(v2), as(v3)));
  const __m512 c = _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(c), _mm512_extractf32x8_ps(c, 1));
  return reinterpret_cast<Four>(
      _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
#elif defined(__AVX2__)
  const __m256 a = _mm256_hadd_ps(reinterpret_cast<__m256>(v0), reinterpret_cast<__m256>(v1));
  const __m256 b = _mm256_hadd_ps(reinterpret_cast<__m256>(v2), reinterpret_cast<__m256>(v3));
  const __m256 c = _mm256_hadd_ps(a, b);
  return reinterpret_cast<Four>(_mm_add_ps(_mm256_castps256_ps128(c), _mm256_extractf128_ps(c, 1)));
#else
  const Floats from[4] = {v0, v1, v2, v3};
  Floats to[4];
  transpose(from, to);  // lane i of to[j]: from[i][j]
  return (to[0] + to[1]) + (to[2] + to[3]);
#endif
}

// Ways to store and compute a row, the values of one feature over a tile. Each has:
//   Word, kWords    what a row is in memory
//   Scalar          of coefficients and weights
//   Lane, Row       vectors to compute with, and a row of them
//   load, store     between memory and registers
//   expand          a row of 64 bits as 0.0 and 1.0
//   Scaling         how rows of gradients are read, see Unscaled
//   Shares          how they are added up with weights, see SumOf
//   narrow, widen   between Float32's rows and these
//   add_to, import  between rows and float[64]
//   write           kLanes floats as coefficients, or as weights

// Rows of floats hold gradients as they are.
struct Unscaled {
  Unscaled(const Scale&, std::size_t) {}
  template <typename Row>
  const Row& read(const Row& row) const {
    return row;
  }
  template <typename Row>
  const Row& level(const Row& row) const {
    return row;
  }
  template <typename Row>
  void see(const Row&) {}
  static constexpr float unit_level() { return 1; }
  Scale below(float = 1) const { return {}; }
};

template <typename Row>
constexpr int kParts = sizeof(Row::v) / sizeof(Row::v[0]);

template <typename Row, typename Scalar>
inline void add_times(Row& sum, Scalar weight, const Row& x) {
  unroll<kParts<Row>>([&](auto j) { sum.v[j] += weight * x.v[j]; });
}

// Adds rows up, each times a weight; `take` gives the sum in units of unit(), and begins anew.
template <typename Row>
class SumOf {
 public:
  explicit SumOf(std::size_t) {}
  template <typename Scalar>
  void add(Scalar weight, const Row& x) {
    add_times(sum_, weight, x);
  }
  Row take() {
    const Row sum = sum_;
    sum_ = {};
    return sum;
  }
  static constexpr float unit() { return 1; }

 private:
  Row sum_{};
};

// float32 in memory and in arithmetic.
struct Float32 {
  using Scaling = Unscaled;
  using Word = float;
  using Scalar = float;
  using Lane = Floats;
  static constexpr std::size_t kWords = kTile;
  struct Row {
    Floats v[kVectors];
  };
  using Shares = SumOf<Row>;

  static Row load(const float* from) {
    Row row;
    unroll<kVectors>([&](auto j) { row.v[j] = gatewright::load(from + j * kLanes); });
    return row;
  }
  static void store(float* to, const Row& row) {
    unroll<kVectors>([&](auto j) { gatewright::store(to + j * kLanes, row.v[j]); });
  }
  static Row expand(std::uint64_t bits) {
    Row row;
    Bits select_lane;
    for (int lane = 0; lane < kLanes; ++lane) select_lane[lane] = 1U << lane;
    unroll<kVectors>([&](auto j) {
      const Bits some = splat(static_cast<std::uint32_t>(bits >> (j * kLanes))) & select_lane;
      row.v[j] = as_floats((some != 0) & as_ints(splat(1.0f)));
    });
    return row;
  }
  static Row import(const float* from) { return load(from); }
  static void add_to(float* sums, const Row& row) {
    unroll<kVectors>([&](auto j) {
      gatewright::store(sums + j * kLanes, gatewright::load(sums + j * kLanes) + row.v[j]);
    });
  }
  static Row narrow(const Row& row) { return row; }
  static Row widen(const Row& row) { return row; }
  static void write(float* to, Floats values) { gatewright::store(to, values); }
  static void write_weights(float* to, Floats values) { write(to, values); }
};

// bfloat16 in memory, in pairs, and float32 in arithmetic: a 32-bit word holds two samples that are
// kLanes apart, so that unpacking is a shift and a mask.
struct BFloat16 : Float32 {
  using Word = std::uint32_t;
  static constexpr std::size_t kWords = kTile / 2;

  static Row load(const std::uint32_t* from) {
    Row row;
    unroll<kVectors / 2>([&](auto j) {
      const Bits pair = gatewright::load(from + j * kLanes);
      row.v[2 * j] = as_floats(pair << 16);
      row.v[2 * j + 1] = as_floats(pair & splat(0xffff'0000U));
    });
    return row;
  }
  static void store(std::uint32_t* to, const Row& row) {
    const Bits half = splat(0x8000U);
    unroll<kVectors / 2>([&](auto j) {
      const Bits low = (as_bits(row.v[2 * j]) + half) >> 16;
      const Bits high = (as_bits(row.v[2 * j + 1]) + half) & splat(0xffff'0000U);
      gatewright::store(to + j * kLanes, low | high);
    });
  }
};

#if defined(__AVX512FP16__)
#define GATEWRIGHT_FLOAT16 1

using Halves [[gnu::vector_size(64)]] = _Float16;

// Sixteen floats of a half of sixteen-bit lanes.
inline Floats widened(Halves x, int half) {
  const __m512i bits = reinterpret_cast<__m512i>(x);
  const __m256i part = half ? _mm512_extracti64x4_epi64(bits, 1) : _mm512_castsi512_si256(bits);
  return reinterpret_cast<Floats>(_mm512_cvtxph_ps(reinterpret_cast<__m256h>(part)));
}

inline Halves joined(Floats low, Floats high) {
  const auto part = [](Floats x) {
    return reinterpret_cast<__m256i>(_mm512_cvtxps_ph(reinterpret_cast<__m512>(x)));
  };
  return reinterpret_cast<Halves>(
      _mm512_inserti64x4(_mm512_castsi256_si512(part(low)), part(high), 1));
}

inline Four sum_lanes(Halves v0, Halves v1, Halves v2, Halves v3) {
  const auto as = [](Halves v) { return reinterpret_cast<__m512i>(v); };
  const auto back = [](__m512i v) { return reinterpret_cast<Halves>(v); };
  const __m512i a =
      as(back(_mm512_unpacklo_epi16(as(v0), as(v1))) + back(_mm512_unpackhi_epi16(as(v0), as(v1))));
  const __m512i b =
      as(back(_mm512_unpacklo_epi16(as(v2), as(v3))) + back(_mm512_unpackhi_epi16(as(v2), as(v3))));
  const Halves c = back(_mm512_unpacklo_epi32(a, b)) + back(_mm512_unpackhi_epi32(a, b));
  const __m512 quads = reinterpret_cast<__m512>(widened(c, 0) + widened(c, 1));
  const __m256 half =
      _mm256_add_ps(_mm512_castps512_ps256(quads), _mm512_extractf32x8_ps(quads, 1));
  return reinterpret_cast<Four>(
      _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

// IEEE half precision in memory and in arithmetic: twice the samples an instruction, and nothing to
// unpack.
struct Float16 {
  using Scaling = Unscaled;
  using Word = std::uint32_t;
  using Scalar = _Float16;
  using Lane = Halves;
  static constexpr std::size_t kWords = kTile / 2;
  struct Row {
    Halves v[2];
  };
  using Shares = SumOf<Row>;

  static Row load(const std::uint32_t* from) {
    Row row;
    unroll<2>(
        [&](auto j) { row.v[j] = reinterpret_cast<Halves>(gatewright::load(from + j * 16)); });
    return row;
  }
  static void store(std::uint32_t* to, const Row& row) {
    unroll<2>([&](auto j) { gatewright::store(to + j * 16, reinterpret_cast<Bits>(row.v[j])); });
  }
  static Row expand(std::uint64_t bits) {
    Row row;
    unroll<2>([&](auto j) {
      row.v[j] = reinterpret_cast<Halves>(
          _mm512_maskz_set1_epi16(static_cast<__mmask32>(bits >> (32 * j)), 0x3c00));
    });
    return row;
  }
  static Row import(const float* from) { return narrow(Float32::load(from)); }
  static void add_to(float* sums, const Row& row) {
    unroll<kVectors>([&](auto j) {
      float* at = sums + j * kLanes;
      gatewright::store(at, gatewright::load(at) + widened(row.v[j / 2], j % 2));
    });
  }
  static Row narrow(const Float32::Row& from) {
    Row row;
    unroll<2>([&](auto j) { row.v[j] = joined(from.v[2 * j], from.v[2 * j + 1]); });
    return row;
  }
  static Float32::Row widen(const Row& from) {
    Float32::Row row;
    unroll<kVectors>([&](auto j) { row.v[j] = widened(from.v[j / 2], j % 2); });
    return row;
  }
  static void write(_Float16* to, Floats values) {
    const __m256h halves = _mm512_cvtxps_ph(reinterpret_cast<__m512>(values));
    std::memcpy(to, &halves, sizeof halves);
  }
  static void write_weights(_Float16* to, Floats values) { write(to, values); }
};
#endif

}  // namespace
}  // namespace gatewright
