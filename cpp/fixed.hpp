// Rows in fixed point, sixteen bits a sample: twice the samples an instruction of float32. Part of
// kernels.cpp.

#pragma once

#include "kernels.hpp"
#include "lanes.hpp"

namespace gatewright {
namespace {

using Shorts [[gnu::vector_size(kLanes * 4)]] = std::uint16_t;  // of numbers with a sign, too
constexpr int kShorts = 2 * kLanes;
constexpr int kShortVectors = kTile / kShorts;

// Samples of a row in fixed point: the first n vectors of them.
template <int n>
struct FixedRows {
  Shorts v[n];
};
using FixedRow = FixedRows<kShortVectors>;

inline Ints as_ints(Shorts value) { return reinterpret_cast<Ints>(value); }
inline Shorts as_shorts(Ints value) { return reinterpret_cast<Shorts>(value); }

// sum, with x added in the lanes whose bits are set in part j of a row.
inline Shorts add_where(Shorts sum, const std::uint64_t* row, int j, Shorts x) {
#if defined(__AVX512F__)
  // From memory: a mask from a general register takes a trip through the ports that add.
  __mmask32 mask;
  asm("kmovd %1, %0" : "=k"(mask) : "m"(reinterpret_cast<const std::uint32_t*>(row)[j]));
  const auto as = [](Shorts v) { return reinterpret_cast<__m512i>(v); };
  return reinterpret_cast<Shorts>(_mm512_mask_add_epi16(as(sum), mask, as(sum), as(x)));
#else
  Shorts lane;
  for (int i = 0; i < kShorts; ++i) lane[i] = static_cast<std::uint16_t>(1U << i);
  const auto bits = static_cast<std::uint16_t>(*row >> (j * kShorts));
  return sum + (x & reinterpret_cast<Shorts>(((bits - Shorts{}) & lane) == lane));
#endif
}

// The low halves of the lanes of two vectors, one vector after the other.
template <int... i>
inline Shorts low_halves(Ints x, Ints y, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(as_shorts(x), as_shorts(y), (2 * i)...);
}

// Integers nearest to x, |x| < 2^22, in the low bits of each lane.
inline Ints nearest(Floats x) { return as_ints(x + kRounder); }

inline FixedRow fixed(const Float32::Row& row, float scale) {
  FixedRow to;
  unroll<kShortVectors>([&](auto j) {
    to.v[j] = low_halves(nearest(row.v[2 * j] * scale), nearest(row.v[2 * j + 1] * scale),
                         std::make_integer_sequence<int, kShorts>());
  });
  return to;
}

#if defined(__AVX2__)
#define GATEWRIGHT_FIXED16 1

#if defined(__AVX512F__)
#define GATEWRIGHT_SHORTS(name) _mm512_##name
using Wide = __m512i;
#else
#define GATEWRIGHT_SHORTS(name) _mm256_##name
using Wide = __m256i;
#endif

#define GATEWRIGHT_OF_TWO(Result, name, instruction)                                           \
  inline Result name(Shorts a, Shorts b) {                                                     \
    return reinterpret_cast<Result>(                                                           \
        GATEWRIGHT_SHORTS(instruction)(reinterpret_cast<Wide>(a), reinterpret_cast<Wide>(b))); \
  }
// Lane by lane, a b / 2^15, to the nearest.
GATEWRIGHT_OF_TWO(Shorts, times, mulhrs_epi16)
// The sum of two neighbouring lanes' products.
GATEWRIGHT_OF_TWO(Ints, sum_products, madd_epi16)
// a + b, or what is nearest to it in sixteen bits.
GATEWRIGHT_OF_TWO(Shorts, add_within, adds_epi16)
// The lesser, of numbers without a sign.
GATEWRIGHT_OF_TWO(Shorts, lesser, min_epu16)
// Lanes of a and b by turns, of the lower or the upper half of each 128 bits.
GATEWRIGHT_OF_TWO(Shorts, interleave_low, unpacklo_epi16)
GATEWRIGHT_OF_TWO(Shorts, interleave_high, unpackhi_epi16)
#undef GATEWRIGHT_OF_TWO

inline Shorts splat(std::int16_t value) { return static_cast<std::uint16_t>(value) - Shorts{}; }

inline Shorts absolute(Shorts a) {
  return reinterpret_cast<Shorts>(GATEWRIGHT_SHORTS(abs_epi16)(reinterpret_cast<Wide>(a)));
}

constexpr std::int16_t kOne = 32767;         // of an activation and of a weight
constexpr float kCoefficientOne = 16383.0f;  // of a coefficient, which is at most 2
// Of a sample's magnitude: its products with eight gradients and activations are added in 32 bits.
constexpr float kMagnitudeOne = 8191.0f;
constexpr int kGradientBits = 15;
constexpr float kMostGradient = (1 << kGradientBits) - 1;

// Half of the lanes.
inline Ints widened(Shorts x, int half) {
  const auto all = reinterpret_cast<Wide>(x);
#if defined(__AVX512F__)
  const __m256i part = half ? _mm512_extracti64x4_epi64(all, 1) : _mm512_castsi512_si256(all);
#else
  const __m128i part = half ? _mm256_extracti128_si256(all, 1) : _mm256_castsi256_si128(all);
#endif
  return reinterpret_cast<Ints>(GATEWRIGHT_SHORTS(cvtepi16_epi32)(part));
}

inline Floats floats_of(Ints x) { return __builtin_convertvector(x, Floats); }

// How rows of gradients are read, and what is known of those that come of them. Samples that are
// nearly decided have small gradients: each has a magnitude of its own, so that they are as exact
// as others' down to the first layer. A row is shifted so that the greatest of its layer and tile
// has kGradientBits bits, and the gradients of a gate's operands one less, so that two readers' can
// be added; where a row has more readers, it is as many bits less.
class FixedScaling {
 public:
  FixedScaling(const Scale& of, std::size_t most_readers)
      : unit_(of.unit), magnitudes_(of.magnitudes) {
    std::uint32_t rest = of.greatest;
    for (; rest != 0 && rest >> (kGradientBits - 1) == 0; rest *= 2) ++left_;
    for (std::size_t readers = 2; readers < most_readers; readers *= 2) --left_;
    factor_ = splat(static_cast<std::int16_t>(left_ < 0 ? (1 << 15) >> -left_ : 0));
    for (int i = 0; i < left_; ++i) unit_ *= 0.5f;
    for (int i = left_; i < 0; ++i) unit_ *= 2;
  }

  template <int n>
  FixedRows<n> read(FixedRows<n> row) const {
    if (left_ < 0) {
      unroll<n>([&](auto j) { row.v[j] = times(row.v[j], factor_); });
    } else {
      unroll<n>([&](auto j) { row.v[j] <<= static_cast<std::uint16_t>(left_); });
    }
    return row;
  }
  Shorts magnitude(int j) const {
    return reinterpret_cast<Shorts>(gatewright::load(magnitudes_ + j * kLanes));
  }
  // An operand's gradients, of samples of one magnitude, in units of unit_level().
  FixedRow level(FixedRow row) const {
    unroll<kShortVectors>([&](auto j) { row.v[j] = times(row.v[j] << 1, magnitude(j)); });
    return row;
  }
  template <int n>
  void see(const FixedRows<n>& row) {
    unroll<n>([&](auto j) { seen_ |= absolute(row.v[j]); });
  }
  // Of the product of a gradient and a magnitude.
  float unit() const { return unit_ / kMagnitudeOne; }
  float unit_level() const { return unit_below() * (16384.0f / kMagnitudeOne); }
  // Of rows that are sums of operands' gradients, or of shares of them in such units.
  Scale below(float unit = 1) const {
    std::uint32_t greatest = 0;
    for (int lane = 0; lane < kShorts; ++lane) greatest |= seen_[lane];
    return {unit_below() * unit, greatest, magnitudes_};
  }

 private:
  float unit_below() const { return unit_ * (32768.0f / kCoefficientOne); }

  float unit_;
  const std::uint32_t* magnitudes_;
  int left_ = 0;
  Shorts factor_, seen_{};
};

// Shares of rows of kGradientBits - 1 bits, of which as many are added as `most_readers` says:
// their products with weights are exact, and two of them are added at a time.
class FixedShares {
 public:
  explicit FixedShares(std::size_t most_readers) {
    while (std::size_t{2} << shift_ < most_readers) ++shift_;
    factor_ = splat(static_cast<std::int16_t>(shift_ == 0 ? kOne : (1 << 15) >> shift_));
  }
  void add(std::int16_t weight, const FixedRow& x) {
    if (!is_odd_) {
      first_ = x;
      first_weight_ = weight;
    } else {
      add_both(weight, x);
    }
    is_odd_ = !is_odd_;
  }
  FixedRow take() {
    if (is_odd_) add(0, FixedRow{});
    const Ints half = splat(1 << 14);
    FixedRow sum;
    unroll<kShortVectors>([&](auto j) {
      sum.v[j] = reinterpret_cast<Shorts>(
          GATEWRIGHT_SHORTS(packs_epi32)(reinterpret_cast<Wide>((low_[j] + half) >> 15),
                                         reinterpret_cast<Wide>((high_[j] + half) >> 15)));
      low_[j] = high_[j] = Ints{};
    });
    return sum;
  }
  float unit() const { return static_cast<float>(1 << shift_); }

 private:
  void add_both(std::int16_t weight, const FixedRow& x) {
    const auto pair = static_cast<std::uint32_t>(static_cast<std::uint16_t>(weight)) << 16 |
                      static_cast<std::uint16_t>(first_weight_);
    const Shorts weights = reinterpret_cast<Shorts>(splat(pair));
    unroll<kShortVectors>([&](auto j) {
      const Shorts one = times(first_.v[j], factor_), other = times(x.v[j], factor_);
      low_[j] += sum_products(interleave_low(one, other), weights);
      high_[j] += sum_products(interleave_high(one, other), weights);
    });
  }

  int shift_ = 0;
  Shorts factor_;
  bool is_odd_ = false;
  std::int16_t first_weight_ = 0;
  FixedRow first_{};
  Ints low_[kShortVectors]{}, high_[kShortVectors]{};
};

// Activations from 0 to kOne, gradients as FixedScaling has them; arithmetic is in fixed point too.
// Of a row as long as others only the first n vectors are there.
template <int n>
struct Fixed16Of {
  using Word = std::uint32_t;
  using Scalar = std::int16_t;
  using Lane = Floats;
  using Row = FixedRows<n>;
  using Scaling = FixedScaling;
  using Shares = FixedShares;
  static constexpr std::size_t kWords = kTile / 2;

  static Row load(const std::uint32_t* from) {
    Row row;
    unroll<n>(
        [&](auto j) { row.v[j] = reinterpret_cast<Shorts>(gatewright::load(from + j * kLanes)); });
    return row;
  }
  static void store(std::uint32_t* to, const Row& row) {
    unroll<n>(
        [&](auto j) { gatewright::store(to + j * kLanes, reinterpret_cast<Bits>(row.v[j])); });
  }
  static Row expand(std::uint64_t bits) {
    Row row;
    unroll<n>([&](auto j) { row.v[j] = add_where(Shorts{}, &bits, j, splat(kOne)); });
    return row;
  }
  static void add_to(float* sums, const Row& row) {
    unroll<2 * n>([&](auto j) {
      float* at = sums + j * kLanes;
      const Floats half = floats_of(widened(row.v[j / 2], j % 2));
      gatewright::store(at, gatewright::load(at) + half * (1.0f / kOne));
    });
  }
  static void write(std::int16_t* to, Floats values) { write_times(to, values, kCoefficientOne); }
  static void write_weights(std::int16_t* to, Floats values) { write_times(to, values, kOne); }

 private:
  using Half [[gnu::vector_size(kLanes * 2)]] = std::int16_t;

  static void write_times(std::int16_t* to, Floats values, float one) {
    const Half some = __builtin_convertvector(nearest(values * one), Half);
    std::memcpy(to, &some, sizeof some);
  }
};
using Fixed16 = Fixed16Of<kShortVectors>;

template <int n>
inline FixedRows<n> plus(FixedRows<n> x, const FixedRows<n>& y) {
  unroll<n>([&](auto j) { x.v[j] = add_within(x.v[j], y.v[j]); });
  return x;
}

template <int n>
inline FixedRows<n> evaluate(const std::int16_t* c, const FixedRows<n>& a, const FixedRows<n>& b) {
  const Shorts c0 = splat(c[0]), c1 = splat(c[kBlock]);
  const Shorts c2 = splat(c[2 * kBlock]), c3 = splat(c[3 * kBlock]);
  FixedRows<n> out;
  unroll<n>([&](auto j) {
    const Shorts half = (c0 + times(c1, a.v[j])) + times(c2 + times(c3, a.v[j]), b.v[j]);
    out.v[j] = add_within(half, half);
  });
  return out;
}

template <bool kInputs, int n>
inline void differentiate(const std::int16_t* c, const FixedRows<n>& g, FixedRows<n>& a,
                          FixedRows<n>& b, const FixedScaling& scaling, float* d_coefficients,
                          bool adds) {
  const Shorts c1 = splat(c[kBlock]), c2 = splat(c[2 * kBlock]), c3 = splat(c[3 * kBlock]);
  Ints d0{}, d1{}, d2{}, d3{};
  unroll<n>([&](auto j) {
    const Shorts m = scaling.magnitude(j), ma = times(m, a.v[j]);
    d0 += sum_products(g.v[j], m);
    d1 += sum_products(g.v[j], ma);
    d2 += sum_products(g.v[j], times(m, b.v[j]));
    d3 += sum_products(g.v[j], times(ma, b.v[j]));
    asm("" : "+v"(d0), "+v"(d1), "+v"(d2), "+v"(d3));  // added up now, lest products spill
    if constexpr (kInputs) {
      const Shorts by_a = times(g.v[j], c1 + times(c3, b.v[j]));
      b.v[j] = times(g.v[j], c2 + times(c3, a.v[j]));
      a.v[j] = by_a;
    }
  });
  Four sums = sum_lanes(floats_of(d0), floats_of(d1), floats_of(d2), floats_of(d3));
  sums *= scaling.unit();
  if (adds) sums += load4(d_coefficients);
  store4(d_coefficients, sums);
}

inline void add_times(FixedRow& sum, std::int16_t weight, const FixedRow& x) {
  const Shorts w = splat(weight);
  unroll<kShortVectors>([&](auto j) { sum.v[j] = add_within(sum.v[j], times(w, x.v[j])); });
}

inline Floats products(const FixedRow& g, const FixedRow& x) {
  Ints sum{};
  unroll<kShortVectors>([&](auto j) { sum += sum_products(g.v[j], x.v[j]); });
  return floats_of(sum) * (1.0f / kOne);
}

// The sums of neighbouring lanes.
inline Ints sum_pairs(Shorts x) { return sum_products(x, splat(std::int16_t{1})); }
#else
inline Ints sum_pairs(Shorts x) { return ((as_ints(x) << 16) >> 16) + (as_ints(x) >> 16); }
#endif

}  // namespace
}  // namespace gatewright
