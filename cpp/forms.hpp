// Parametrisations: parameters to corner values of gates, and the gradient back; what
// src/gatewright/parametrisations.py specifies. Part of kernels.cpp.

#pragma once

#include "lanes.hpp"

namespace gatewright {
namespace {

// Corner values of a mixture of all sixteen gates: gate t is 1 at corner m where bit m of t is set.
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

// d_p, the gradient of softmax probabilities p, becomes that of x. Only differences of d_p count;
// they are taken from the likeliest's, so that where it is nearly 1 what is left is exact.
inline void softmax_backward(const Floats* p, std::size_t num, float by_temperature, Floats* d_p) {
  Floats likeliest = p[0], reference = d_p[0];
  for (std::size_t i = 1; i < num; ++i) {
    reference = select(p[i] > likeliest, d_p[i], reference);
    likeliest = max(p[i], likeliest);
  }
  Floats mean{};
  for (std::size_t i = 0; i < num; ++i) {
    d_p[i] -= reference;
    mean += p[i] * d_p[i];
  }
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
      // q (1 - q), without the difference, which is inexact where q is nearly 1.
      const Floats power = exponential(-abs(w[m] * by_temperature));
      const Floats part = reciprocal(1.0f + power);
      d_w[m] = d_q[m] * (power * part * part) * by_temperature;
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

}  // namespace
}  // namespace gatewright
