// Layers of gates, forward and backward over one tile: of fixed and of learned wiring. Part of
// kernels.cpp.

#pragma once

#include "fixed.hpp"
#include "kernels.hpp"
#include "lanes.hpp"

namespace gatewright {
namespace {

constexpr std::size_t kAhead = 24;  // gates that rows are fetched ahead
constexpr std::size_t kLine = 64;   // bytes of a cache line

template <typename Storage, bool kToWrite = false>
inline void prefetch_row(const std::uint32_t* row) {
  for (std::size_t word = 0; word < Storage::kWords; word += kLine / 4) {
    __builtin_prefetch(row + word, kToWrite);
  }
}

template <typename Storage>
using RowOf = typename Storage::Row;
template <typename Storage>
using ScalarOf = typename Storage::Scalar;

template <typename Storage>
inline RowOf<Storage> load_row(const std::uint32_t* row) {
  return Storage::load(reinterpret_cast<const typename Storage::Word*>(row));
}

template <typename Storage>
inline void store_row(std::uint32_t* to, const RowOf<Storage>& row) {
  Storage::store(reinterpret_cast<typename Storage::Word*>(to), row);
}

template <typename Storage, typename Index>
inline std::size_t place_of(Index row) {
  return static_cast<std::size_t>(row) * Storage::kWords;
}

// Of gate i; the coefficients are kBlock apart.
template <typename Storage>
inline const ScalarOf<Storage>* coefficients_of(const void* coefficients, std::size_t i) {
  return static_cast<const ScalarOf<Storage>*>(coefficients) + i / kBlock * kBlock * 4 + i % kBlock;
}

template <typename Row, typename Scalar>
inline Row evaluate(const Scalar* c, const Row& a, const Row& b) {
  Row out;
  unroll<kParts<Row>>([&](auto j) {
    out.v[j] = (c[0] + c[kBlock] * a.v[j]) + b.v[j] * (c[2 * kBlock] + c[3 * kBlock] * a.v[j]);
  });
  return out;
}

// A gate's outputs go to a row, or, in the last layer, are added to the sums of a class.
template <typename Storage, bool kVotes>
inline void put(const std::int32_t* outputs, std::size_t i, const RowOf<Storage>& y,
                std::uint32_t* out, float* sums) {
  if constexpr (kVotes) {
    Storage::add_to(sums + kSamples / Storage::kWords * outputs[i], y);
  } else {
    store_row<Storage>(out + outputs[i], y);
  }
}

template <typename Storage, bool kVotes>
GATEWRIGHT_FLAT void gates_forward(const GateRows& given, const void* coefficients,
                                   const std::uint32_t* in, std::uint32_t* out, float* sums) {
  const GateRows layer = given;  // a copy, which no store can change
  RowOf<Storage> b{};
  for (std::size_t i = 0; i < layer.num_gates; ++i) {
    const std::int32_t* operands = layer.operands + 2 * i;
    if (i + kAhead < layer.num_gates) {
      if constexpr (!kVotes) {
        prefetch_row<Storage, true>(out + layer.outputs[i + kAhead]);
      }
    }
    const RowOf<Storage> a = layer.steps[i] & kStarts ? load_row<Storage>(in + operands[0]) : b;
    b = load_row<Storage>(in + operands[1]);
    put<Storage, kVotes>(layer.outputs, i,
                         evaluate(coefficients_of<Storage>(coefficients, i), a, b), out, sums);
  }
}

// The gradients of a gate: of its coefficients to d_coefficients, of its operands to a and b.
template <bool kInputs, typename Row, typename Scalar>
inline void differentiate(const Scalar* c, const Row& g, Row& a, Row& b, const Unscaled&,
                          float* d_coefficients, bool adds) {
  decltype(Row::v[0] + Row::v[0]) d0{}, d1{}, d2{}, d3{};
  unroll<kParts<Row>>([&](auto j) {
    const auto ga = g.v[j] * a.v[j];
    d0 += g.v[j];
    d1 += ga;
    d2 += g.v[j] * b.v[j];
    d3 += ga * b.v[j];
    if constexpr (kInputs) {
      const auto by_a = g.v[j] * (c[kBlock] + c[3 * kBlock] * b.v[j]);
      b.v[j] = g.v[j] * (c[2 * kBlock] + c[3 * kBlock] * a.v[j]);
      a.v[j] = by_a;
    }
  });
  Four sums = sum_lanes(d0, d1, d2, d3);
  if (adds) sums += load4(d_coefficients);
  store4(d_coefficients, sums);
}

template <typename Row>
inline Row plus(Row x, const Row& y) {
  unroll<kParts<Row>>([&](auto j) { x.v[j] += y.v[j]; });
  return x;
}

template <typename Storage, bool kInputs>
GATEWRIGHT_FLAT Scale gates_backward(const GateRows& given, const void* coefficients,
                                     const std::uint32_t* in, const std::uint32_t* g, Scale scale,
                                     std::uint32_t* d_in, float* d_coefficients, bool adds) {
  const GateRows layer = given;  // a copy, which no store can change
  typename Storage::Scaling scaling(scale, kInputs ? layer.most_readers : 0);
  for (std::size_t i = 0; i < layer.num_gates; ++i) {
    const std::int32_t* operands = layer.operands + 2 * i;
    const std::uint8_t step = layer.steps[i];
    if (i + kAhead < layer.num_gates) {
      prefetch_row<Storage>(g + layer.outputs[i + kAhead]);
    }
    const std::int32_t first = operands[0], second = operands[1];
    RowOf<Storage> d_a = load_row<Storage>(in + first), d_b = load_row<Storage>(in + second);
    const auto gradient = scaling.read(load_row<Storage>(g + layer.outputs[i]));
    differentiate<kInputs>(coefficients_of<Storage>(coefficients, i), gradient, d_a, d_b, scaling,
                           d_coefficients + 4 * i, adds);
    if constexpr (kInputs) {
      if (step & kAddsFirst) d_a = plus(d_a, load_row<Storage>(d_in + first));
      scaling.see(d_a);
      store_row<Storage>(d_in + first, d_a);
      if (step & kAddsSecond) d_b = plus(d_b, load_row<Storage>(d_in + second));
      if (step & kEnds) scaling.see(d_b);
      store_row<Storage>(d_in + second, d_b);
    }
  }
  return scaling.below();
}

template <typename Storage>
void any_gates_forward(const GateRows& layer, const void* coefficients, const std::uint32_t* in,
                       std::uint32_t* out, float* sums) {
  (out ? gates_forward<Storage, false> : gates_forward<Storage, true>)(layer, coefficients, in, out,
                                                                       sums);
}

template <typename Storage>
Scale any_gates_backward(const GateRows& layer, const void* coefficients, const std::uint32_t* in,
                         const std::uint32_t* g, Scale scale, std::uint32_t* d_in,
                         float* d_coefficients, bool adds) {
  const auto run = d_in ? gates_backward<Storage, true> : gates_backward<Storage, false>;
  return run(layer, coefficients, in, g, scale, d_in, d_coefficients, adds);
}

// ---- Layers with learned wiring -------------------------------------------------------------

// A gate's outputs from its operands, which are kept for the backward pass where that is wanted.
template <typename Storage>
inline void finish_mixture(const MixtureRows& layer, const void* coefficients, std::size_t i,
                           const RowOf<Storage>& a, const RowOf<Storage>& b,
                           std::uint32_t* operands, std::uint32_t* out, float* sums) {
  if (operands) {
    store_row<Storage>(operands + place_of<Storage>(2 * i), a);
    store_row<Storage>(operands + place_of<Storage>(2 * i + 1), b);
  }
  const auto y = evaluate(coefficients_of<Storage>(coefficients, i), a, b);
  if (out) {
    put<Storage, false>(layer.outputs, i, y, out, sums);
  } else {
    put<Storage, true>(layer.outputs, i, y, out, sums);
  }
}

template <typename Row>
struct Pair {
  Row a, b;
};

// The gradients of gate i's operands; those of its coefficients are stored or added.
template <typename Storage>
inline Pair<RowOf<Storage>> operand_gradients(const MixtureRows& layer, const void* coefficients,
                                              std::size_t i, const std::uint32_t* operands,
                                              const std::uint32_t* g,
                                              const typename Storage::Scaling& scaling,
                                              float* d_coefficients, bool adds) {
  Pair<RowOf<Storage>> pair{load_row<Storage>(operands + place_of<Storage>(2 * i)),
                            load_row<Storage>(operands + place_of<Storage>(2 * i + 1))};
  const auto gradient = scaling.read(load_row<Storage>(g + layer.outputs[i]));
  differentiate<true>(coefficients_of<Storage>(coefficients, i), gradient, pair.a, pair.b, scaling,
                      d_coefficients + 4 * i, adds);
  return pair;
}

// The gradients of an operand's weights, by four: `of` gives those of four candidates. The last
// ones are filled up with the first.
template <typename Of>
inline void for_fours(const std::int32_t* candidates, std::size_t num, float* d_weights, bool adds,
                      Of of) {
  std::size_t k = 0;
  for (; k + 4 <= num; k += 4) {
    Four sums = of(candidates[k], candidates[k + 1], candidates[k + 2], candidates[k + 3]);
    if (adds) sums += load4(d_weights + k);
    store4(d_weights + k, sums);
  }
  if (k == num) return;
  const auto candidate = [&](std::size_t i) { return candidates[k + i < num ? k + i : 0]; };
  const Four sums = of(candidate(0), candidate(1), candidate(2), candidate(3));
  for (std::size_t i = 0; k + i < num; ++i) {
    d_weights[k + i] = adds ? d_weights[k + i] + sums[i] : sums[i];
  }
}

// By its bits, so that the test needs no vector unit.
template <typename Scalar>
inline bool is_zero(Scalar x) {
  const Scalar zero = 0;
  return std::memcmp(&x, &zero, sizeof x) == 0;
}

template <typename Storage>
inline void add_scaled(RowOf<Storage>& sum, ScalarOf<Storage> weight, const std::uint32_t* in,
                       std::int32_t index) {
  if (is_zero(weight)) return;  // where wiring is hard, all but one are
  add_times(sum, weight, load_row<Storage>(in + place_of<Storage>(index)));
}

template <typename Storage>
GATEWRIGHT_FLAT void mixtures_forward(const MixtureRows& layer, const void* weights,
                                      const void* coefficients, const std::uint32_t* in,
                                      std::uint32_t* operands, std::uint32_t* out, float* sums) {
  const std::size_t num = layer.num_candidates;
  for (std::size_t i = 0; i < layer.num_gates; ++i) {
    const auto* weight = static_cast<const ScalarOf<Storage>*>(weights) + 2 * num * i;
    const std::int32_t* candidates = layer.candidates + 2 * num * i;
    RowOf<Storage> a{}, b{};
    for (std::size_t k = 0; k < num; ++k) {
      add_scaled<Storage>(a, weight[k], in, candidates[k]);
      add_scaled<Storage>(b, weight[num + k], in, candidates[num + k]);
    }
    finish_mixture<Storage>(layer, coefficients, i, a, b, operands, out, sums);
  }
}

// Lane by lane, the sum over a row's vectors of g times x.
template <typename Row>
inline auto products(const Row& g, const Row& x) {
  auto sum = g.v[0] * x.v[0];
  unroll<kParts<Row> - 1>([&](auto j) { sum += g.v[j + 1] * x.v[j + 1]; });
  return sum;
}

template <typename Storage>
inline auto dot(const RowOf<Storage>& g, const std::uint32_t* in, std::int32_t index) {
  return products(g, load_row<Storage>(in + place_of<Storage>(index)));
}

// The gradient of the weights: the operand's gradient times each candidate, summed over samples.
template <typename Storage>
inline void differentiate_mixture(const RowOf<Storage>& g, const std::int32_t* candidates,
                                  std::size_t num_candidates, const std::uint32_t* in, float unit,
                                  float* d_weights, bool adds) {
  for_fours(candidates, num_candidates, d_weights, adds,
            [&](std::int32_t c0, std::int32_t c1, std::int32_t c2, std::int32_t c3) {
              return unit * sum_lanes(dot<Storage>(g, in, c0), dot<Storage>(g, in, c1),
                                      dot<Storage>(g, in, c2), dot<Storage>(g, in, c3));
            });
}

template <typename Storage>
GATEWRIGHT_FLAT Scale mixtures_backward(const MixtureRows& layer, const void* weights,
                                        const void* coefficients, const std::uint32_t* in,
                                        std::uint32_t* operands, const std::uint32_t* g,
                                        Scale scale, std::uint32_t* d_in, float* d_weights,
                                        float* d_coefficients, bool adds) {
  const std::size_t num = layer.num_candidates;
  typename Storage::Scaling scaling(scale, 0);
  for (std::size_t i = 0; i < layer.num_gates; ++i) {
    const std::int32_t* candidates = layer.candidates + 2 * num * i;
    float* d_weight = d_weights + 2 * num * i;
    auto [a, b] = operand_gradients<Storage>(layer, coefficients, i, operands, g, scaling,
                                             d_coefficients, adds);
    const float unit = scaling.unit_level();
    differentiate_mixture<Storage>(scaling.level(a), candidates, num, in, unit, d_weight, adds);
    differentiate_mixture<Storage>(scaling.level(b), candidates + num, num, in, unit,
                                   d_weight + num, adds);
    if (d_in) {
      store_row<Storage>(operands + place_of<Storage>(2 * i), a);
      store_row<Storage>(operands + place_of<Storage>(2 * i + 1), b);
    }
  }
  if (!d_in) return {};
  typename Storage::Shares shares(layer.most_readers);
  for (std::size_t row = 0; row < layer.num_rows; ++row) {
    for (std::int64_t r = layer.first_reader[row]; r < layer.first_reader[row + 1]; ++r) {
      const auto slot = static_cast<std::size_t>(layer.readers[r]);
      const auto weight = static_cast<const ScalarOf<Storage>*>(weights)[slot];
      if (weight == 0) continue;
      shares.add(weight,
                 load_row<Storage>(operands + place_of<Storage>(slot / layer.num_candidates)));
    }
    const RowOf<Storage> sum = shares.take();
    scaling.see(sum);
    store_row<Storage>(d_in + place_of<Storage>(row), sum);
  }
  return scaling.below(shares.unit());
}

}  // namespace
}  // namespace gatewright
