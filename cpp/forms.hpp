// Parametrisations: parameters to corner values of gates, and the gradient back; what
// src/gatewright/parametrisations.py specifies. Part of kernels.cpp.

#pragma once

#include "lanes.hpp"

namespace gatewright {
namespace {

// What is 0 and what is 1 at each corner, of shares of the sixteen gates: gate t is 1 at corner m
// where bit m of t is set.
struct Sides {
  Floats zero[4], one[4];
};

inline Sides sides_of(const Floats (&shares)[16]) {
  Sides sides;
  Floats f[16];
  unroll<16>([&](auto t) { f[t] = shares[t]; });
  unroll<4>([&](auto i) {  // the highest bit first, then the gates that differ in it are one
    constexpr int m = 3 - i, half = 1 << m;
    sides.zero[m] = f[0];
    sides.one[m] = f[half];
    unroll<half - 1>([&](auto t) {
      sides.zero[m] += f[t + 1];
      sides.one[m] += f[half + t + 1];
    });
    unroll<half>([&](auto t) { f[t] += f[half + t]; });
  });
  return sides;
}

// The shares of a softmax, but for their sum: e^((x - highest) / temperature), in place of x.
inline void weigh(Floats (&x)[16], float by_temperature) {
  Floats most[8];  // by halves: in a chain each waits for the one before
  unroll<8>([&](auto t) { most[t] = max(x[t], x[t + 8]); });
  unroll<4>([&](auto t) { most[t] = max(most[t], most[t + 4]); });
  const Floats highest = max(max(most[0], most[2]), max(most[1], most[3]));
  const float scale = by_temperature * kLog2E;
  const Floats base = highest * scale;
  unroll<16>([&](auto t) { x[t] = power2(x[t] * scale - base); });
}

// Corner values of the mixture.
inline void corners_of(const Floats (&shares)[16], Floats* q) {
  const Sides sides = sides_of(shares);
  const Floats by_total = reciprocal(sides.zero[0] + sides.one[0]);
  unroll<4>([&](auto m) { q[m] = sides.one[m] * by_total; });
}

// From gradients of corner values to those of the softmax's x. A gate's share counts by how much
// better than the mixture it is, which is summed over the corners: d_q (1 - q) where it is 1, d_q q
// less where it is 0. Both are exact where q is nearly 0 or 1.
inline void logits_of(const Floats (&shares)[16], float by_temperature, const Floats* d_q,
                      Floats (&d_x)[16]) {
  const Sides sides = sides_of(shares);
  const Floats by_total = reciprocal(sides.zero[0] + sides.one[0]);
  const Floats scale = by_total * by_total * by_temperature;
  Floats low[4], high[4];  // what corners 0 and 1, and 2 and 3, make of two bits
  Floats one[4], zero[4];
  unroll<4>([&](auto m) {
    const Floats d = d_q[m] * scale;
    one[m] = d * sides.zero[m];
    zero[m] = -d * sides.one[m];
  });
  unroll<4>([&](auto t) {
    low[t] = (t & 1 ? one[0] : zero[0]) + (t & 2 ? one[1] : zero[1]);
    high[t] = (t & 1 ? one[2] : zero[2]) + (t & 2 ? one[3] : zero[3]);
  });
  unroll<16>([&](auto t) { d_x[t] = shares[t] * (low[t % 4] + high[t / 4]); });
}

// softmax(x / temperature) of num vectors, in place of x.
inline void softmax(Floats* x, std::size_t num, float by_temperature) {
  Floats highest = x[0];
  for (std::size_t i = 1; i < num; ++i) highest = max(highest, x[i]);
  const float scale = by_temperature * kLog2E;
  const Floats base = highest * scale;
  Floats total{};
  for (std::size_t i = 0; i < num; ++i) {
    x[i] = power2(x[i] * scale - base);
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
  static constexpr int kParameters = 16;

  static void soft(const Floats (&w)[16], float by_temperature, Floats* q) {
    Floats x[16];
    unroll<16>([&](auto t) { x[t] = w[t]; });
    weigh(x, by_temperature);
    corners_of(x, q);
  }
  static void hard(const Floats (&w)[16], Floats* q) {
    Floats x[16];
    unroll<16>([&](auto t) { x[t] = w[t]; });
    one_hot(x, 16);
    corners_of(x, q);
  }
  static void backward(const Floats (&w)[16], float by_temperature, const Floats* d_q,
                       Floats (&d_w)[16]) {
    Floats x[16];
    unroll<16>([&](auto t) { x[t] = w[t]; });
    weigh(x, by_temperature);
    logits_of(x, by_temperature, d_q, d_w);
  }
};

// q = sigmoid(logits / T), each corner by itself.
struct Light {
  static constexpr int kParameters = 4;

  static void soft(const Floats (&w)[4], float by_temperature, Floats* q) {
    for (int m = 0; m < 4; ++m) q[m] = sigmoid(w[m] * by_temperature);
  }
  static void hard(const Floats (&w)[4], Floats* q) {
    for (int m = 0; m < 4; ++m) q[m] = select(w[m] > 0, splat(1.0f), Floats{});
  }
  static void backward(const Floats (&w)[4], float by_temperature, const Floats* d_q,
                       Floats (&d_w)[4]) {
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
  static constexpr int kParameters = 4;

  // The matrix is symmetric: its own transpose.
  static void transform(const Floats (&h)[4], Floats* logits) {
    const Floats sum0 = h[0] + h[1], sum1 = h[0] - h[1];
    const Floats sum2 = h[2] + h[3], sum3 = h[2] - h[3];
    logits[0] = sum0 + sum2;
    logits[1] = sum1 + sum3;
    logits[2] = sum0 - sum2;
    logits[3] = sum1 - sum3;
  }
  static void soft(const Floats (&h)[4], float by_temperature, Floats* q) {
    Floats logits[4];
    transform(h, logits);
    Light::soft(logits, by_temperature, q);
  }
  static void hard(const Floats (&h)[4], Floats* q) {
    Floats logits[4];
    transform(h, logits);
    Light::hard(logits, q);
  }
  static void backward(const Floats (&h)[4], float by_temperature, const Floats* d_q,
                       Floats (&d_h)[4]) {
    Floats logits[4], d_logits[4];
    transform(h, logits);
    Light::backward(logits, by_temperature, d_q, d_logits);
    transform(d_logits, d_h);
  }
};

// Mixes the sixteen gates by their squared distance from a free polynomial c.
struct CovJac {
  static constexpr int kParameters = 4;

  static constexpr float coefficient(int t, int i) {
    const int q0 = t & 1, q1 = t >> 1 & 1, q2 = t >> 2 & 1, q3 = t >> 3 & 1;
    const int all[4] = {q0, q1 - q0, q2 - q0, q3 - q2 - q1 + q0};
    return static_cast<float>(all[i]);
  }
  // Minus the squared distances.
  static void nearness(const Floats (&c)[4], Floats (&x)[16]) {
    unroll<16>([&](auto t) {
      Floats sum{};
      unroll<4>([&](auto i) {
        const Floats off = coefficient(t, i) - c[i];
        sum -= off * off;
      });
      x[t] = sum;
    });
  }
  static void soft(const Floats (&c)[4], float by_temperature, Floats* q) {
    Floats x[16];
    nearness(c, x);
    weigh(x, by_temperature);
    corners_of(x, q);
  }
  static void hard(const Floats (&c)[4], Floats* q) {
    Floats x[16];
    nearness(c, x);
    one_hot(x, 16);
    corners_of(x, q);
  }
  static void backward(const Floats (&c)[4], float by_temperature, const Floats* d_q,
                       Floats (&d_c)[4]) {
    Floats x[16], d_x[16];
    nearness(c, x);
    weigh(x, by_temperature);
    logits_of(x, by_temperature, d_q, d_x);
    unroll<4>([&](auto i) {
      Floats sum{};
      unroll<16>([&](auto t) { sum += d_x[t] * (2.0f * (coefficient(t, i) - c[i])); });
      d_c[i] = sum;
    });
  }
};

}  // namespace
}  // namespace gatewright
