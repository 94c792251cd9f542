// Layers with learned wiring that read the network's inputs, whose rows are 64 bits: forward and
// backward in fixed point. Part of kernels.cpp.
//
// Sixteen bits a sample are twice the samples an instruction of float32, and all rows fit into the
// first-level cache. A weight is a multiple of 2^-15; the gradients of an operand are multiples of
// 2^-14 of the greatest, or, where rows are in fixed point themselves, as these are. Both are finer
// than a row stored in sixteen bits, so Float32 does not take this way.

#pragma once

#include <type_traits>

#include "fixed.hpp"
#include "kernels.hpp"
#include "lanes.hpp"
#include "layers_kernel.hpp"

namespace gatewright {
namespace {

// Half of the lanes, which are not negative, as floats times scale.
template <int kFirst, int... i>
inline Floats floats_of(Shorts x, float scale, std::integer_sequence<int, i...>) {
  using Half [[gnu::vector_size(kLanes * 2)]] = std::uint16_t;
  const Half half = __builtin_shufflevector(x, x, (kFirst + i)...);
  return __builtin_convertvector(__builtin_convertvector(half, Ints), Floats) * scale;
}

inline Float32::Row floating(const FixedRow& row, float scale) {
  constexpr auto lanes = std::make_integer_sequence<int, kLanes>();
  Float32::Row to;
  unroll<kShortVectors>([&](auto j) {
    to.v[2 * j] = floats_of<0>(row.v[j], scale, lanes);
    to.v[2 * j + 1] = floats_of<kLanes>(row.v[j], scale, lanes);
  });
  return to;
}

inline float greatest(const Float32::Row& row) {
  Floats most = abs(row.v[0]);
  unroll<kVectors>([&](auto j) { most = max(most, abs(row.v[j])); });
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(reinterpret_cast<__m512>(most));
#else
  float result = 0;
  for (int lane = 0; lane < kLanes; ++lane) result = most[lane] > result ? most[lane] : result;
  return result;
#endif
}

constexpr float kWeightOne = 32768.0f;  // of a weight: sums of weights stay below 2^16
constexpr float kGreatest = 16383.0f;   // of a gradient: two of them are added in sixteen bits

template <typename Scalar>
inline std::uint32_t fixed_weight(Scalar weight) {
  return static_cast<std::uint32_t>(static_cast<float>(weight) * kWeightOne + 0.5f);
}

// Sums of weights as a row of operands.
template <typename Storage>
inline RowOf<Storage> operand_of(const FixedRow& sums) {
  return Storage::narrow(floating(sums, 1 / kWeightOne));
}

#if defined(GATEWRIGHT_FIXED16)
inline std::uint32_t fixed_weight(std::int16_t weight) {
  return static_cast<std::uint16_t>(weight);
}

template <>
inline FixedRow operand_of<Fixed16>(const FixedRow& sums) {
  FixedRow row;
  unroll<kShortVectors>([&](auto j) { row.v[j] = lesser(sums.v[j], splat(kOne)); });
  return row;
}
#endif

// Weights in fixed point, each twice in a word.
template <typename Storage>
inline void fix_weights(const ScalarOf<Storage>* weights, std::size_t num, std::uint32_t* to) {
  for (std::size_t k = 0; k < num; ++k) {
    const std::uint32_t weight = fixed_weight(weights[k]);
    to[k] = weight << 16 | weight;
  }
}

inline void add_candidate(FixedRow& sum, const std::uint64_t* row, std::uint32_t weight) {
  const Shorts x = reinterpret_cast<Shorts>(splat(weight));
  unroll<kShortVectors>([&](auto j) { sum.v[j] = add_where(sum.v[j], row, j, x); });
}

template <typename Storage>
GATEWRIGHT_FLAT void bit_mixtures_forward(const MixtureRows& layer, const void* weights,
                                          const void* coefficients, const std::uint64_t* bits,
                                          std::uint32_t* operands, std::uint32_t* out,
                                          float* sums) {
  const std::size_t num = layer.num_candidates;
  std::uint32_t weight[2 * kMostCandidates];
  for (std::size_t i = 0; i < layer.num_gates; ++i) {
    const std::int32_t* candidates = layer.candidates + 2 * num * i;
    fix_weights<Storage>(static_cast<const ScalarOf<Storage>*>(weights) + 2 * num * i, 2 * num,
                         weight);
    FixedRow a{}, b{};
    for (std::size_t k = 0; k < num; ++k) {
      add_candidate(a, bits + candidates[k], weight[k]);
      add_candidate(b, bits + candidates[num + k], weight[num + k]);
    }
    finish_mixture<Storage>(layer, coefficients, i, operand_of<Storage>(a), operand_of<Storage>(b),
                            operands, out, sums);
  }
}

// Lane by lane, the sum of g where a row's bits are set.
inline Floats sum_where(const FixedRow& g, const std::uint64_t* row) {
  Shorts sum{};
  unroll<2>([&](auto j) { sum = add_where(sum, row, j, g.v[j]); });
  Ints total = sum_pairs(sum);
  unroll<kShortVectors / 2 - 1>([&](auto i) {  // sixteen bits hold two
    Shorts more{};
    unroll<2>([&](auto j) { more = add_where(more, row, 2 * i + 2 + j, g.v[2 * i + 2 + j]); });
    total += sum_pairs(more);
  });
  return __builtin_convertvector(total, Floats);
}

// The gradients of an operand over some tiles.
struct FixedTiles {
  static constexpr std::size_t kMost = 8;

  FixedRow rows[kMost];
  float scales[kMost];

  template <typename Storage>
  void set(std::size_t t, const RowOf<Storage>& row, const typename Storage::Scaling& scaling) {
    if constexpr (std::is_same_v<RowOf<Storage>, FixedRow>) {
      rows[t] = scaling.level(row);
      scales[t] = scaling.unit_level();
    } else {
      const Float32::Row wide = Storage::widen(row);
      const float most = greatest(wide) + 1e-30f;
      rows[t] = fixed(wide, kGreatest / most);
      scales[t] = most / kGreatest;
    }
  }
};

inline void differentiate_bits(const FixedTiles& g, const BitTile* tiles, std::size_t num_tiles,
                               const std::int32_t* candidates, std::size_t num_candidates,
                               float* d_weights, bool adds) {
  for_fours(candidates, num_candidates, d_weights, adds,
            [&](std::int32_t c0, std::int32_t c1, std::int32_t c2, std::int32_t c3) {
              Floats d0{}, d1{}, d2{}, d3{};
              for (std::size_t t = 0; t < num_tiles; ++t) {
                const std::uint64_t* bits = tiles[t].bits;
                d0 += g.scales[t] * sum_where(g.rows[t], bits + c0);
                d1 += g.scales[t] * sum_where(g.rows[t], bits + c1);
                d2 += g.scales[t] * sum_where(g.rows[t], bits + c2);
                d3 += g.scales[t] * sum_where(g.rows[t], bits + c3);
              }
              return sum_lanes(d0, d1, d2, d3);
            });
}

template <typename Storage>
GATEWRIGHT_FLAT void bit_mixtures_backward(const MixtureRows& layer, const void* coefficients,
                                           const BitTile* tiles, std::size_t num_tiles,
                                           std::size_t first, std::size_t last, float* d_weights,
                                           float* d_coefficients, bool adds) {
  const std::size_t num = layer.num_candidates;
  FixedTiles a, b;
  for (std::size_t i = first; i < last; ++i) {
    const std::int32_t* candidates = layer.candidates + 2 * num * i;
    float* d_weight = d_weights + 2 * num * i;
    for (std::size_t begin = 0; begin < num_tiles; begin += FixedTiles::kMost) {
      const std::size_t rest = num_tiles - begin;
      const std::size_t some = rest < FixedTiles::kMost ? rest : FixedTiles::kMost;
      for (std::size_t t = 0; t < some; ++t) {
        const BitTile& tile = tiles[begin + t];
        const typename Storage::Scaling scaling(tile.scale, 0);
        const auto pair =
            operand_gradients<Storage>(layer, coefficients, i, tile.operands, tile.g, scaling,
                                       d_coefficients, adds || begin + t > 0);
        a.set<Storage>(t, pair.a, scaling);
        b.set<Storage>(t, pair.b, scaling);
      }
      const bool sums_up = adds || begin > 0;
      differentiate_bits(a, tiles + begin, some, candidates, num, d_weight, sums_up);
      differentiate_bits(b, tiles + begin, some, candidates + num, num, d_weight + num, sums_up);
    }
  }
}

}  // namespace
}  // namespace gatewright
