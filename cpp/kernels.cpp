// See kernels.hpp. Compiled once for each instruction set, which GATEWRIGHT_TARGET names; nothing
// from the standard library is instantiated here, so that no code for one set leaks into another.

#include "kernels.hpp"

#include "lanes.hpp"

namespace gatewright {
namespace {

// ---- Layers of gates ------------------------------------------------------------------------

constexpr std::size_t kAhead = 24;  // gates that rows are fetched ahead
constexpr std::size_t kLine = 64;   // bytes of a cache line

template <typename Storage, bool kToWrite = false>
inline void prefetch_row(const std::uint32_t* rows, std::size_t index) {
  const char* row = reinterpret_cast<const char*>(rows + index * Storage::kWords);
  for (std::size_t byte = 0; byte < Storage::kWords * 4; byte += kLine) {
    __builtin_prefetch(row + byte, kToWrite);
  }
}

template <typename Storage>
using RowOf = typename Storage::Row;
template <typename Storage>
using ScalarOf = typename Storage::Scalar;

template <typename Storage>
inline RowOf<Storage> load_row(const std::uint32_t* rows, std::size_t index) {
  return Storage::load(
      reinterpret_cast<const typename Storage::Word*>(rows + index * Storage::kWords));
}

template <typename Storage>
inline void store_row(std::uint32_t* rows, std::size_t index, const RowOf<Storage>& row) {
  Storage::store(reinterpret_cast<typename Storage::Word*>(rows + index * Storage::kWords), row);
}

template <typename Row>
constexpr int kParts = sizeof(Row::v) / sizeof(Row::v[0]);

// Of gate i; the coefficients are kBlock apart.
template <typename Storage>
inline const ScalarOf<Storage>* coefficients_of(const void* coefficients, std::size_t i) {
  return static_cast<const ScalarOf<Storage>*>(coefficients) + i / kBlock * kBlock * 4 + i % kBlock;
}

template <typename Row, typename Scalar>
inline Row evaluate(const Scalar* c, const Row& a, const Row& b) {
  Row out;
  for (int j = 0; j < kParts<Row>; ++j) {
    out.v[j] = (c[0] + c[kBlock] * a.v[j]) + b.v[j] * (c[2 * kBlock] + c[3 * kBlock] * a.v[j]);
  }
  return out;
}

// A gate's outputs go to a row, or, in the last layer, are added to the sums of a class.
template <typename Storage, bool kVotes>
inline void put(const std::int32_t* outputs, std::size_t i, const RowOf<Storage>& y,
                std::uint32_t* out, float* sums) {
  const auto place = static_cast<std::size_t>(outputs[i]);
  if constexpr (kVotes) {
    Storage::add_to(sums + place * kSamples, y);
  } else {
    store_row<Storage>(out, place, y);
  }
}

template <typename Storage, bool kVotes>
void gates_forward(const GateRows& layer, const void* coefficients, const std::uint32_t* in,
                   std::uint32_t* out, float* sums) {
  RowOf<Storage> b{};
  for (std::size_t i = 0; i < layer.num_gates; ++i) {
    const std::int32_t* operands = layer.operands + 2 * i;
    if (i + kAhead < layer.num_gates) {
      prefetch_row<Storage>(in, static_cast<std::size_t>(operands[2 * kAhead + 1]));
      if constexpr (!kVotes) {
        prefetch_row<Storage, true>(out, static_cast<std::size_t>(layer.outputs[i + kAhead]));
      }
    }
    const RowOf<Storage> a =
        layer.steps[i] & kStarts ? load_row<Storage>(in, static_cast<std::size_t>(operands[0])) : b;
    b = load_row<Storage>(in, static_cast<std::size_t>(operands[1]));
    put<Storage, kVotes>(layer.outputs, i,
                         evaluate(coefficients_of<Storage>(coefficients, i), a, b), out, sums);
  }
}

// The gradients of a gate: of its coefficients to d_coefficients, of its operands to a and b.
template <bool kInputs, typename Row, typename Scalar>
inline void differentiate(const Scalar* c, const Row& g, Row& a, Row& b, float* d_coefficients,
                          bool adds) {
  decltype(Row::v[0] + Row::v[0]) d0{}, d1{}, d2{}, d3{};
  for (int j = 0; j < kParts<Row>; ++j) {
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
  }
  Four sums = sum_lanes(d0, d1, d2, d3);
  if (adds) sums += load4(d_coefficients);
  store4(d_coefficients, sums);
}

template <typename Row>
inline Row plus(Row x, const Row& y) {
  for (int j = 0; j < kParts<Row>; ++j) x.v[j] += y.v[j];
  return x;
}

template <typename Storage>
inline void flush(std::uint32_t* rows, std::int32_t index, const RowOf<Storage>& row, bool adds) {
  const auto place = static_cast<std::size_t>(index);
  store_row<Storage>(rows, place, adds ? plus(row, load_row<Storage>(rows, place)) : row);
}

template <typename Storage, bool kInputs>
void gates_backward(const GateRows& layer, const void* coefficients, const std::uint32_t* in,
                    const std::uint32_t* g, std::uint32_t* d_in, float* d_coefficients, bool adds) {
  RowOf<Storage> b{}, carry{};  // the shared operand, and what the gate before gave its gradient
  for (std::size_t i = 0; i < layer.num_gates; ++i) {
    const std::int32_t* operands = layer.operands + 2 * i;
    const std::uint8_t step = layer.steps[i];
    if (i + kAhead < layer.num_gates) {
      const auto next = static_cast<std::size_t>(operands[2 * kAhead + 1]);
      prefetch_row<Storage>(in, next);
      if constexpr (kInputs) prefetch_row<Storage, true>(d_in, next);
      prefetch_row<Storage>(g, static_cast<std::size_t>(layer.outputs[i + kAhead]));
    }
    const RowOf<Storage> a =
        step & kStarts ? load_row<Storage>(in, static_cast<std::size_t>(operands[0])) : b;
    b = load_row<Storage>(in, static_cast<std::size_t>(operands[1]));
    const auto gradient = load_row<Storage>(g, static_cast<std::size_t>(layer.outputs[i]));
    RowOf<Storage> d_a = a, d_b = b;
    differentiate<kInputs>(coefficients_of<Storage>(coefficients, i), gradient, d_a, d_b,
                           d_coefficients + 4 * i, adds);
    if constexpr (kInputs) {
      if (!(step & kStarts)) d_a = plus(d_a, carry);
      flush<Storage>(d_in, operands[0], d_a, step & kAddsFirst);
      carry = d_b;
      if (step & kEnds) flush<Storage>(d_in, operands[1], d_b, step & kAddsSecond);
    }
  }
}

template <typename Storage>
void any_gates_forward(const GateRows& layer, const void* coefficients, const std::uint32_t* in,
                       std::uint32_t* out, float* sums) {
  (out ? gates_forward<Storage, false> : gates_forward<Storage, true>)(layer, coefficients, in, out,
                                                                       sums);
}

template <typename Storage>
void any_gates_backward(const GateRows& layer, const void* coefficients, const std::uint32_t* in,
                        const std::uint32_t* g, std::uint32_t* d_in, float* d_coefficients,
                        bool adds) {
  (d_in ? gates_backward<Storage, true>
        : gates_backward<Storage, false>)(layer, coefficients, in, g, d_in, d_coefficients, adds);
}

// ---- Layers with learned wiring -------------------------------------------------------------

template <typename Storage>
inline RowOf<Storage> mix(const ScalarOf<Storage>* weights, const std::int32_t* candidates,
                          std::size_t num_candidates, const std::uint32_t* in) {
  RowOf<Storage> sum{};
  for (std::size_t k = 0; k < num_candidates; ++k) {
    const ScalarOf<Storage> weight = weights[k];
    if (weight == 0) continue;  // hard wiring: all but one
    const auto x = load_row<Storage>(in, static_cast<std::size_t>(candidates[k]));
    for (int j = 0; j < kParts<RowOf<Storage>>; ++j) sum.v[j] += weight * x.v[j];
  }
  return sum;
}

template <typename Storage>
void mixtures_forward(const MixtureRows& layer, const void* weights, const void* coefficients,
                      const std::uint32_t* in, std::uint32_t* operands, std::uint32_t* out,
                      float* sums) {
  const std::size_t num = layer.num_candidates;
  for (std::size_t i = 0; i < layer.num_gates; ++i) {
    const auto* weight = static_cast<const ScalarOf<Storage>*>(weights) + 2 * num * i;
    const std::int32_t* candidates = layer.candidates + 2 * num * i;
    const auto a = mix<Storage>(weight, candidates, num, in);
    const auto b = mix<Storage>(weight + num, candidates + num, num, in);
    if (operands) {
      store_row<Storage>(operands, 2 * i, a);
      store_row<Storage>(operands, 2 * i + 1, b);
    }
    const auto y = evaluate(coefficients_of<Storage>(coefficients, i), a, b);
    if (out) {
      put<Storage, false>(layer.outputs, i, y, out, sums);
    } else {
      put<Storage, true>(layer.outputs, i, y, out, sums);
    }
  }
}

// Lane by lane, the sum over a row's vectors of g times x.
template <typename Storage>
inline typename Storage::Lane dot(const RowOf<Storage>& g, const std::uint32_t* in,
                                  std::int32_t index) {
  const auto x = load_row<Storage>(in, static_cast<std::size_t>(index));
  typename Storage::Lane sum{};
  for (int j = 0; j < kParts<RowOf<Storage>>; ++j) sum += g.v[j] * x.v[j];
  return sum;
}

// The gradient of the weights: the operand's gradient times each candidate, summed over samples.
template <typename Storage>
inline void differentiate_mixture(const RowOf<Storage>& g, const std::int32_t* candidates,
                                  std::size_t num_candidates, const std::uint32_t* in,
                                  float* d_weights, bool adds) {
  for (std::size_t k = 0; k < num_candidates; k += 4) {
    const std::size_t count = num_candidates - k < 4 ? num_candidates - k : 4;
    typename Storage::Lane dots[4] = {};
    for (std::size_t i = 0; i < count; ++i) dots[i] = dot<Storage>(g, in, candidates[k + i]);
    const Four sums = sum_lanes(dots[0], dots[1], dots[2], dots[3]);
    for (std::size_t i = 0; i < count; ++i) {
      d_weights[k + i] = adds ? d_weights[k + i] + sums[i] : sums[i];
    }
  }
}

template <typename Storage>
void mixtures_backward(const MixtureRows& layer, const void* weights, const void* coefficients,
                       const std::uint32_t* in, std::uint32_t* operands, const std::uint32_t* g,
                       std::uint32_t* d_in, float* d_weights, float* d_coefficients, bool adds) {
  const std::size_t num = layer.num_candidates;
  for (std::size_t i = 0; i < layer.num_gates; ++i) {
    const std::int32_t* candidates = layer.candidates + 2 * num * i;
    auto a = load_row<Storage>(operands, 2 * i), b = load_row<Storage>(operands, 2 * i + 1);
    const auto gradient = load_row<Storage>(g, static_cast<std::size_t>(layer.outputs[i]));
    differentiate<true>(coefficients_of<Storage>(coefficients, i), gradient, a, b,
                        d_coefficients + 4 * i, adds);
    float* d_weight = d_weights + 2 * num * i;
    differentiate_mixture<Storage>(a, candidates, num, in, d_weight, adds);
    differentiate_mixture<Storage>(b, candidates + num, num, in, d_weight + num, adds);
    if (d_in) {
      store_row<Storage>(operands, 2 * i, a);
      store_row<Storage>(operands, 2 * i + 1, b);
    }
  }
  if (!d_in) return;
  for (std::size_t row = 0; row < layer.num_rows; ++row) {
    RowOf<Storage> sum{};
    for (std::int64_t r = layer.first_reader[row]; r < layer.first_reader[row + 1]; ++r) {
      const auto slot = static_cast<std::size_t>(layer.readers[r]);
      const auto weight = static_cast<const ScalarOf<Storage>*>(weights)[slot];
      if (weight == 0) continue;
      const auto x = load_row<Storage>(operands, slot / num);
      for (int j = 0; j < kParts<RowOf<Storage>>; ++j) sum.v[j] += weight * x.v[j];
    }
    store_row<Storage>(d_in, row, sum);
  }
}

// ---- The head -------------------------------------------------------------------------------

inline Floats logarithm_of_sum(const float* sums, std::size_t num_classes, float by_tau, int j,
                               Floats& highest) {
  highest = load(sums + j * kLanes);
  for (std::size_t c = 1; c < num_classes; ++c) {
    highest = max(load(sums + c * kSamples + j * kLanes), highest);
  }
  Floats total{};
  for (std::size_t c = 0; c < num_classes; ++c) {
    total += exponential((load(sums + c * kSamples + j * kLanes) - highest) * by_tau);
  }
  return total;
}

Votes cross_entropy(const CrossEntropy& loss, const std::int32_t* labels, std::size_t num_samples,
                    float* sums) {
  Votes votes{0, 0};
  const float by_tau = 1 / loss.tau;
  const float spread = loss.smoothing / static_cast<float>(loss.num_classes);
  for (int j = 0; j < kVectors; ++j) {
    Ints label, sample;
    std::memcpy(&label, labels + j * kLanes, sizeof label);
    for (int lane = 0; lane < kLanes; ++lane) sample[lane] = j * kLanes + lane;
    const Ints counts = sample < splat(static_cast<std::int32_t>(num_samples));
    Floats highest;
    const Floats total = logarithm_of_sum(sums, loss.num_classes, by_tau, j, highest);
    Ints winner = splat(static_cast<std::int32_t>(loss.num_classes));
    Floats cross{};  // of the target and the scores relative to the highest
    for (std::size_t c = loss.num_classes; c-- > 0;) {
      float* place = sums + c * kSamples + j * kLanes;
      const Floats sum = load(place);
      const Ints number = splat(static_cast<std::int32_t>(c));
      winner = sum == highest ? number : winner;
      const Floats target = spread + select(label == number, splat(1 - loss.smoothing), Floats{});
      const Floats score = (sum - highest) * by_tau;
      cross += target * score;
      const Floats gradient = exponential(score) / total - target;
      store(place, select(counts, gradient, Floats{}));
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      if (!counts[lane]) continue;
      votes.loss += __builtin_logf(total[lane]) - cross[lane];
      votes.num_right += winner[lane] == label[lane];
    }
  }
  return votes;
}

// ---- Parameters -----------------------------------------------------------------------------

// Corner values of all sixteen gates: gate t is 1 at corner m where bit m of t is set.
// sum over gates with bit m of p, for each m.
inline void corners_of(const Floats* p, Floats* q) {
  for (int m = 0; m < 4; ++m) {
    Floats sum{};
    for (int t = 0; t < 16; ++t) {
      if (t >> m & 1) sum += p[t];
    }
    q[m] = sum;
  }
}

// The transpose: for each gate the sum of its corners' gradients.
inline void gates_of(const Floats* d_q, Floats* d_p) {
  d_p[0] = Floats{};
  for (int m = 0; m < 4; ++m) {
    for (int t = 0; t < 1 << m; ++t) d_p[(1 << m) + t] = d_p[t] + d_q[m];
  }
}

// softmax(x / temperature) of num vectors, in place of x.
inline void softmax(Floats* x, std::size_t num, float by_temperature) {
  Floats highest = x[0];
  for (std::size_t i = 1; i < num; ++i) highest = max(highest, x[i]);
  Floats total{};
  for (std::size_t i = 0; i < num; ++i) {
    x[i] = exponential((x[i] - highest) * by_temperature);
    total += x[i];
  }
  const Floats by_total = reciprocal(total);
  for (std::size_t i = 0; i < num; ++i) x[i] *= by_total;
}

// d_p, the gradient of softmax probabilities p, becomes that of x.
inline void softmax_backward(const Floats* p, std::size_t num, float by_temperature, Floats* d_p) {
  Floats mean{};
  for (std::size_t i = 0; i < num; ++i) mean += p[i] * d_p[i];
  for (std::size_t i = 0; i < num; ++i) d_p[i] = p[i] * (d_p[i] - mean) * by_temperature;
}

// 1 at the first of the highest, 0 elsewhere, in place of x.
inline void one_hot(Floats* x, std::size_t num) {
  Floats highest = x[0];
  for (std::size_t i = 1; i < num; ++i) highest = max(x[i], highest);
  Ints found{};
  for (std::size_t i = 0; i < num; ++i) {
    const Ints is_it = (x[i] == highest) & ~found;
    found |= is_it;
    x[i] = select(is_it, splat(1.0f), Floats{});
  }
}

struct Softmax {
  static constexpr std::size_t kParameters = 16;

  static void soft(const Floats* w, float by_temperature, Floats* q) {
    Floats p[16];
    for (int t = 0; t < 16; ++t) p[t] = w[t];
    softmax(p, 16, by_temperature);
    corners_of(p, q);
  }
  static void hard(const Floats* w, Floats* q) {
    Floats p[16];
    for (int t = 0; t < 16; ++t) p[t] = w[t];
    one_hot(p, 16);
    corners_of(p, q);
  }
  static void backward(const Floats* w, float by_temperature, const Floats* d_q, Floats* d_w) {
    Floats p[16];
    for (int t = 0; t < 16; ++t) p[t] = w[t];
    softmax(p, 16, by_temperature);
    gates_of(d_q, d_w);
    softmax_backward(p, 16, by_temperature, d_w);
  }
};

// q = sigmoid(logits / T), each corner by itself.
struct Light {
  static constexpr std::size_t kParameters = 4;

  static void soft(const Floats* w, float by_temperature, Floats* q) {
    for (int m = 0; m < 4; ++m) q[m] = sigmoid(w[m] * by_temperature);
  }
  static void hard(const Floats* w, Floats* q) {
    for (int m = 0; m < 4; ++m) q[m] = select(w[m] > 0, splat(1.0f), Floats{});
  }
  static void backward(const Floats* w, float by_temperature, const Floats* d_q, Floats* d_w) {
    for (int m = 0; m < 4; ++m) {
      const Floats q = sigmoid(w[m] * by_temperature);
      d_w[m] = d_q[m] * q * (1.0f - q) * by_temperature;
    }
  }
};

// Light over the logits h1 + h2 u + h3 v + h4 uv, u = 1 - 2a, v = 1 - 2b.
struct Walsh {
  static constexpr std::size_t kParameters = 4;

  // The matrix is symmetric: its own transpose.
  static void transform(const Floats* h, Floats* logits) {
    const Floats sum0 = h[0] + h[1], sum1 = h[0] - h[1];
    const Floats sum2 = h[2] + h[3], sum3 = h[2] - h[3];
    logits[0] = sum0 + sum2;
    logits[1] = sum1 + sum3;
    logits[2] = sum0 - sum2;
    logits[3] = sum1 - sum3;
  }
  static void soft(const Floats* h, float by_temperature, Floats* q) {
    Floats logits[4];
    transform(h, logits);
    Light::soft(logits, by_temperature, q);
  }
  static void hard(const Floats* h, Floats* q) {
    Floats logits[4];
    transform(h, logits);
    Light::hard(logits, q);
  }
  static void backward(const Floats* h, float by_temperature, const Floats* d_q, Floats* d_h) {
    Floats logits[4], d_logits[4];
    transform(h, logits);
    Light::backward(logits, by_temperature, d_q, d_logits);
    transform(d_logits, d_h);
  }
};

// Mixes the sixteen gates by their squared distance from a free polynomial c.
struct CovJac {
  static constexpr std::size_t kParameters = 4;

  static constexpr float coefficient(int t, int i) {
    const int q0 = t & 1, q1 = t >> 1 & 1, q2 = t >> 2 & 1, q3 = t >> 3 & 1;
    const int all[4] = {q0, q1 - q0, q2 - q0, q3 - q2 - q1 + q0};
    return static_cast<float>(all[i]);
  }
  // Minus the squared distances.
  static void nearness(const Floats* c, Floats* x) {
    for (int t = 0; t < 16; ++t) {
      Floats sum{};
      for (int i = 0; i < 4; ++i) {
        const Floats off = coefficient(t, i) - c[i];
        sum -= off * off;
      }
      x[t] = sum;
    }
  }
  static void soft(const Floats* c, float by_temperature, Floats* q) {
    Floats p[16];
    nearness(c, p);
    softmax(p, 16, by_temperature);
    corners_of(p, q);
  }
  static void hard(const Floats* c, Floats* q) {
    Floats p[16];
    nearness(c, p);
    one_hot(p, 16);
    corners_of(p, q);
  }
  static void backward(const Floats* c, float by_temperature, const Floats* d_q, Floats* d_c) {
    Floats p[16], d_x[16];
    nearness(c, p);
    softmax(p, 16, by_temperature);
    gates_of(d_q, d_x);
    softmax_backward(p, 16, by_temperature, d_x);
    for (int i = 0; i < 4; ++i) {
      Floats sum{};
      for (int t = 0; t < 16; ++t) sum += d_x[t] * (2.0f * (coefficient(t, i) - c[i]));
      d_c[i] = sum;
    }
  }
};

// One Adam step on a vector of parameters; gives their new values.
inline Floats adam(const Adam& with, const Parameters& at, std::size_t place, Floats gradient) {
  const Floats mean = with.b1 * load(at.mean + place) + (1 - with.b1) * gradient;
  const Floats square = with.b2 * load(at.square + place) + ((1 - with.b2) * gradient) * gradient;
  store(at.mean + place, mean);
  store(at.square + place, square);
  const Floats value = load(at.values + place) * with.keep;
  const Floats now = value - with.rate * mean * reciprocal(root(square) + with.epsilon);
  store(at.values + place, now);
  return now;
}

// Corner values to the coefficients of kLanes gates, operands exchanged where they are.
template <typename Storage>
inline void write_coefficients(const Floats* q, const std::int32_t* is_swapped,
                               ScalarOf<Storage>* to) {
  const Floats c1 = q[1] - q[0], c2 = q[2] - q[0];
  const Ints is = load(is_swapped);
  Storage::write(to, q[0]);
  Storage::write(to + kBlock, select(is, c2, c1));
  Storage::write(to + 2 * kBlock, select(is, c1, c2));
  Storage::write(to + 3 * kBlock, (q[3] - q[2]) - c1);
}

// The sum of num gradients [n][4] of kLanes gates' coefficients, as that of their corner values.
inline void read_gradients(const float* gradients, std::size_t num, std::size_t stride, float scale,
                           const std::int32_t* is_swapped, Floats* d_q) {
  Floats sum[4];
  for (int j = 0; j < 4; ++j) {
    sum[j] = load(gradients + j * kLanes);
    for (std::size_t i = 1; i < num; ++i) sum[j] += load(gradients + i * stride + j * kLanes);
    sum[j] *= scale;
  }
  Floats d[4];
  transpose(sum, d);
  const Ints is = load(is_swapped);
  const Floats d1 = select(is, d[2], d[1]), d2 = select(is, d[1], d[2]);
  d_q[0] = d[0] - d[1] - d[2] + d[3];
  d_q[1] = d1 - d[3];
  d_q[2] = d2 - d[3];
  d_q[3] = d[3];
}

template <typename Storage, typename How>
inline void write_coefficients(const Floats* w, bool is_hard, float temperature,
                               const std::int32_t* is_swapped, void* coefficients,
                               std::size_t gate) {
  Floats q[4];
  if (is_hard) {
    How::hard(w, q);
  } else {
    How::soft(w, 1 / temperature, q);
  }
  write_coefficients<Storage>(
      q, is_swapped + gate,
      static_cast<ScalarOf<Storage>*>(coefficients) + gate / kBlock * kBlock * 4 + gate % kBlock);
}

template <typename Storage, typename How>
void coefficients(bool is_hard, float temperature, const float* parameters,
                  const std::int32_t* is_swapped, std::size_t first, std::size_t last, void* to) {
  for (std::size_t gate = first * kBlock; gate < last * kBlock; gate += kLanes) {
    const float* from = parameters + gate / kBlock * kBlock * How::kParameters + gate % kBlock;
    Floats w[How::kParameters];
    for (std::size_t i = 0; i < How::kParameters; ++i) w[i] = load(from + i * kBlock);
    write_coefficients<Storage, How>(w, is_hard, temperature, is_swapped, to, gate);
  }
}

template <typename Storage, typename How>
void step_gates(bool is_hard, Temperatures temperature, const Adam& with, const Parameters& at,
                const std::int32_t* is_swapped, const float* gradients, std::size_t num_gradients,
                std::size_t stride, std::size_t first, std::size_t last, void* to) {
  for (std::size_t gate = first * kBlock; gate < last * kBlock; gate += kLanes) {
    const std::size_t place = gate / kBlock * kBlock * How::kParameters + gate % kBlock;
    Floats w[How::kParameters], d_w[How::kParameters], d_q[4];
    for (std::size_t i = 0; i < How::kParameters; ++i) w[i] = load(at.values + place + i * kBlock);
    read_gradients(gradients + 4 * gate, num_gradients, stride, with.gradient_scale,
                   is_swapped + gate, d_q);
    How::backward(w, 1 / temperature.now, d_q, d_w);
    for (std::size_t i = 0; i < How::kParameters; ++i) {
      w[i] = adam(with, at, place + i * kBlock, d_w[i]);
    }
    write_coefficients<Storage, How>(w, is_hard, temperature.next, is_swapped, to, gate);
  }
}

template <typename Storage>
void any_coefficients(Form form, bool is_hard, float temperature, const float* parameters,
                      const std::int32_t* is_swapped, std::size_t first, std::size_t last,
                      void* to) {
  const auto run = form == Form::softmax ? coefficients<Storage, Softmax>
                   : form == Form::light ? coefficients<Storage, Light>
                   : form == Form::walsh ? coefficients<Storage, Walsh>
                                         : coefficients<Storage, CovJac>;
  run(is_hard, temperature, parameters, is_swapped, first, last, to);
}

template <typename Storage>
void any_step_gates(Form form, bool is_hard, Temperatures temperature, const Adam& with,
                    const Parameters& at, const std::int32_t* is_swapped, const float* gradients,
                    std::size_t num_gradients, std::size_t stride, std::size_t first,
                    std::size_t last, void* to) {
  const auto run = form == Form::softmax ? step_gates<Storage, Softmax>
                   : form == Form::light ? step_gates<Storage, Light>
                   : form == Form::walsh ? step_gates<Storage, Walsh>
                                         : step_gates<Storage, CovJac>;
  run(is_hard, temperature, with, at, is_swapped, gradients, num_gradients, stride, first, last,
      to);
}

// ---- Weights of candidates ------------------------------------------------------------------

// Candidates are few, but their number is the user's: vectors of them live on the stack up to here.
constexpr std::size_t kMostCandidates = 64;

// [2 K] vectors of logits to weights [kLanes][2 K].
template <typename Storage>
inline void write_weights(Floats* x, std::size_t num, bool is_hard, float temperature,
                          ScalarOf<Storage>* to) {
  for (int side = 0; side < 2; ++side, x += num, to += num) {
    if (is_hard) {
      one_hot(x, num);
    } else {
      softmax(x, num, 1 / temperature);
    }
    for (std::size_t k = 0; k < num; ++k) {
      for (int lane = 0; lane < kLanes; ++lane) {
        to[static_cast<std::size_t>(lane) * 2 * num + k] =
            static_cast<ScalarOf<Storage>>(x[k][lane]);
      }
    }
  }
}

template <typename Storage>
void weights(std::size_t num, bool is_hard, float temperature, const float* parameters,
             std::size_t first, std::size_t last, void* to) {
  Floats x[2 * kMostCandidates];
  for (std::size_t gate = first * kBlock; gate < last * kBlock; gate += kLanes) {
    const float* from = parameters + gate / kBlock * kBlock * 2 * num + gate % kBlock;
    for (std::size_t k = 0; k < 2 * num; ++k) x[k] = load(from + k * kBlock);
    write_weights<Storage>(x, num, is_hard, temperature,
                           static_cast<ScalarOf<Storage>*>(to) + gate * 2 * num);
  }
}

template <typename Storage>
void step_weights(std::size_t num, bool is_hard, Temperatures temperature, const Adam& with,
                  const Parameters& at, const float* gradients, std::size_t num_gradients,
                  std::size_t stride, std::size_t first, std::size_t last, void* to) {
  Floats p[kMostCandidates], x[2 * kMostCandidates];
  for (std::size_t gate = first * kBlock; gate < last * kBlock; gate += kLanes) {
    const std::size_t place = gate / kBlock * kBlock * 2 * num + gate % kBlock;
    for (std::size_t side = 0; side < 2; ++side) {
      const std::size_t begin = place + side * num * kBlock;
      Floats* d = x + side * num;
      for (std::size_t k = 0; k < num; ++k) {
        p[k] = load(at.values + begin + k * kBlock);
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
          const float* from = gradients + (gate + lane) * 2 * num + side * num + k;
          float sum = *from;
          for (std::size_t i = 1; i < num_gradients; ++i) sum += from[i * stride];
          d[k][lane] = sum * with.gradient_scale;
        }
      }
      softmax(p, num, 1 / temperature.now);
      softmax_backward(p, num, 1 / temperature.now, d);
      for (std::size_t k = 0; k < num; ++k) d[k] = adam(with, at, begin + k * kBlock, d[k]);
    }
    write_weights<Storage>(x, num, is_hard, temperature.next,
                           static_cast<ScalarOf<Storage>*>(to) + gate * 2 * num);
  }
}

// ---- Rows -----------------------------------------------------------------------------------

template <typename Storage>
void expand_rows(const std::uint64_t* bits, std::size_t num_rows, std::uint32_t* rows) {
  for (std::size_t i = 0; i < num_rows; ++i) store_row<Storage>(rows, i, Storage::expand(bits[i]));
}

template <typename Storage>
void import_rows(const float* samples, std::size_t num_rows, std::uint32_t* rows) {
  for (std::size_t i = 0; i < num_rows; ++i) {
    store_row<Storage>(rows, i, Storage::import(samples + i * kSamples));
  }
}

template <typename Storage>
constexpr Kernels kernels_of(const char* name) {
  return {name,
          Storage::kWords,
          expand_rows<Storage>,
          import_rows<Storage>,
          any_gates_forward<Storage>,
          any_gates_backward<Storage>,
          mixtures_forward<Storage>,
          mixtures_backward<Storage>,
          cross_entropy,
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
#if defined(GATEWRIGHT_FLOAT16)
extern const Kernels GATEWRIGHT_NAME(kernels_float16, GATEWRIGHT_TARGET) =
    kernels_of<Float16>(GATEWRIGHT_TEXT(GATEWRIGHT_TARGET));
#endif

}  // namespace gatewright
