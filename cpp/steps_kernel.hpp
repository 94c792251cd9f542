// Adam's steps: gradients to parameters, and parameters to what the layers read. Part of
// kernels.cpp.

#pragma once

#include "forms.hpp"
#include "kernels.hpp"
#include "lanes.hpp"

namespace gatewright {
namespace {

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
inline void write_coefficients(const Floats (&w)[How::kParameters], bool is_hard, float temperature,
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
GATEWRIGHT_FLAT void coefficients(bool is_hard, float temperature, const float* parameters,
                                  const std::int32_t* is_swapped, std::size_t first,
                                  std::size_t last, void* to) {
  for (std::size_t gate = first * kBlock; gate < last * kBlock; gate += kLanes) {
    const float* from = parameters + gate / kBlock * kBlock * How::kParameters + gate % kBlock;
    Floats w[How::kParameters];
    unroll<How::kParameters>([&](auto i) { w[i] = load(from + i * kBlock); });
    write_coefficients<Storage, How>(w, is_hard, temperature, is_swapped, to, gate);
  }
}

template <typename Storage, typename How>
GATEWRIGHT_FLAT void step_gates(bool is_hard, Temperatures temperature, const Adam& with_given,
                                const Parameters& all, const std::int32_t* is_swapped,
                                const float* gradients, std::size_t num_gradients,
                                std::size_t stride, std::size_t first, std::size_t last, void* to) {
  const Adam with = with_given;  // a copy, which no store can change
  // What one gates' gradients wait for overlaps with the steps of those before.
  Floats d_w[2][How::kParameters];
  const auto place_of_parameters = [](std::size_t gate) {
    return gate / kBlock * kBlock * std::size_t{How::kParameters} + gate % kBlock;
  };
  const auto step = [&](std::size_t gate) {
    const std::size_t place = place_of_parameters(gate);
    const Parameters at{all.values + place, all.mean + place, all.square + place};
    const Floats* d = d_w[gate / kLanes % 2];
    Floats w[How::kParameters];
    unroll<How::kParameters>([&](auto i) { w[i] = adam(with, at, i * kBlock, d[i]); });
    write_coefficients<Storage, How>(w, is_hard, temperature.next, is_swapped, to, gate);
  };
  const std::size_t begin = first * kBlock, end = last * kBlock;
  for (std::size_t gate = begin; gate < end; gate += kLanes) {
    const float* values = all.values + place_of_parameters(gate);
    Floats w[How::kParameters], d_q[4];
    unroll<How::kParameters>([&](auto i) { w[i] = load(values + i * kBlock); });
    read_gradients(gradients + 4 * gate, num_gradients, stride, with.gradient_scale,
                   is_swapped + gate, d_q);
    How::backward(w, 1 / temperature.now, d_q, d_w[gate / kLanes % 2]);
    if (gate != begin) step(gate - kLanes);
  }
  if (begin != end) step(end - kLanes);
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

// At most kLanes values; nearly always all of them, which is then a vector.
template <typename T>
inline void copy_some(T* to, const T* from, std::size_t count) {
  if (count == kLanes) {
    std::memcpy(to, from, kLanes * sizeof(T));
  } else {
    for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
  }
}

// [2 K] vectors of logits to weights [kLanes][2 K].
template <typename Storage>
inline void write_weights(Floats* x, std::size_t num, bool is_hard, float temperature,
                          ScalarOf<Storage>* to) {
  for (std::size_t side = 0; side < 2; ++side) {
    if (is_hard) {
      one_hot(x + side * num, num);
    } else {
      softmax(x + side * num, num, 1 / temperature);
    }
  }
  for (std::size_t k = 0; k < 2 * num; k += kLanes) {
    const std::size_t count = 2 * num - k < kLanes ? 2 * num - k : kLanes;
    transpose_square(x + k);
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      ScalarOf<Storage> some[kLanes];
      Storage::write_weights(some, x[k + lane]);
      copy_some(to + lane * 2 * num + k, some, count);
    }
  }
}

// Columns first to first + count - 1 of the sum of num_gradients arrays [kLanes][columns], `stride`
// floats apart, times scale: a vector a column.
inline void read_columns(const float* gradients, std::size_t columns, std::size_t num_gradients,
                         std::size_t stride, float scale, std::size_t first, std::size_t count,
                         Floats* to) {
  Floats square[kLanes];
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    Floats sum{};
    for (std::size_t i = 0; i < num_gradients; ++i) {
      Floats some{};
      copy_some(reinterpret_cast<float*>(&some), gradients + i * stride + lane * columns + first,
                count);
      sum += some;
    }
    square[lane] = sum * scale;
  }
  transpose_square(square);
  for (std::size_t k = 0; k < count; ++k) to[k] = square[k];
}

template <typename Storage>
GATEWRIGHT_FLAT void weights(std::size_t num, bool is_hard, float temperature,
                             const float* parameters, std::size_t first, std::size_t last,
                             void* to) {
  Floats x[2 * kMostCandidates];
  for (std::size_t gate = first * kBlock; gate < last * kBlock; gate += kLanes) {
    const float* from = parameters + gate / kBlock * kBlock * 2 * num + gate % kBlock;
    for (std::size_t k = 0; k < 2 * num; ++k) x[k] = load(from + k * kBlock);
    write_weights<Storage>(x, num, is_hard, temperature,
                           static_cast<ScalarOf<Storage>*>(to) + gate * 2 * num);
  }
}

template <typename Storage>
GATEWRIGHT_FLAT void step_weights(std::size_t num, bool is_hard, Temperatures temperature,
                                  const Adam& with, const Parameters& at, const float* gradients,
                                  std::size_t num_gradients, std::size_t stride, std::size_t first,
                                  std::size_t last, void* to) {
  Floats p[kMostCandidates], x[2 * kMostCandidates];
  for (std::size_t gate = first * kBlock; gate < last * kBlock; gate += kLanes) {
    const std::size_t place = gate / kBlock * kBlock * 2 * num + gate % kBlock;
    for (std::size_t k = 0; k < 2 * num; k += kLanes) {
      read_columns(gradients + gate * 2 * num, 2 * num, num_gradients, stride, with.gradient_scale,
                   k, 2 * num - k < kLanes ? 2 * num - k : kLanes, x + k);
    }
    for (std::size_t side = 0; side < 2; ++side) {
      const std::size_t begin = place + side * num * kBlock;
      Floats* d = x + side * num;
      for (std::size_t k = 0; k < num; ++k) p[k] = load(at.values + begin + k * kBlock);
      softmax(p, num, 1 / temperature.now);
      softmax_backward(p, num, 1 / temperature.now, d);
      for (std::size_t k = 0; k < num; ++k) d[k] = adam(with, at, begin + k * kBlock, d[k]);
    }
    write_weights<Storage>(x, num, is_hard, temperature.next,
                           static_cast<ScalarOf<Storage>*>(to) + gate * 2 * num);
  }
}

}  // namespace
}  // namespace gatewright
