#include "descent_kernels.hpp"

#include "multiversion.hpp"
#include "sixteen.hpp"

namespace gatewright {
namespace {

using Word = std::uint64_t;

constexpr Ints kBits = {1,      1 << 1, 1 << 2,  1 << 3,  1 << 4,  1 << 5,  1 << 6,  1 << 7,
                        1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};

// The lanes of a word from bit `shift` on: all ones where it has ones.
GATEWRIGHT_INLINE Ints lanes(Word word, std::size_t shift) {
  return ((kBits * 0 + static_cast<std::int32_t>(word >> shift & 0xFFFF)) & kBits) != 0;
}

constexpr std::size_t kParts = 64 / kLanes;  // of a word; each has its own sums, for sums wait

GATEWRIGHT_INLINE double sum(const Floats (&parts)[kParts]) {
  Floats total = (parts[0] + parts[1]) + (parts[2] + parts[3]);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) total[i] += total[half + i];
  }
  return static_cast<double>(total[0]);
}

// The natural logarithm of positive numbers, to some 1e-7: of m from .71 to 1.42 and e where a
// number is m 2^e, the former as 2 atanh((m - 1) / (m + 1)) by its series.
GATEWRIGHT_INLINE Floats logarithm(Floats values) {
  constexpr std::int32_t kRootOfHalf = 0x3F3504F3;
  Ints bits;
  __builtin_memcpy(&bits, &values, sizeof bits);
  const Ints exponent = (bits - kRootOfHalf) >> 23;
  bits -= exponent << 23;
  Floats m;
  __builtin_memcpy(&m, &bits, sizeof m);
  const Floats u = (m - 1) / (m + 1), square = u * u;
  const Floats series =
      1 + square * (1 / 3.F + square * (1 / 5.F + square * (1 / 7.F + square / 9)));
  return 2 * u * series + __builtin_convertvector(exponent, Floats) * 0.69314718F;
}

}  // namespace

GATEWRIGHT_MULTIVERSION
void add_up(const float* differences, const Word* a, const Word* b, std::size_t num_words,
            double* by_row) {
  for (std::size_t row = 0; row < 4; ++row) {
    const Word flips_a = (row & 1) != 0 ? 0 : ~Word{0}, flips_b = (row & 2) != 0 ? 0 : ~Word{0};
    Floats parts[kParts]{};
    const Floats zero{};
    for (std::size_t word = 0; word < num_words; ++word) {
      const Word in_row = (a[word] ^ flips_a) & (b[word] ^ flips_b);
      for (std::size_t part = 0; part < kParts; ++part) {
        const Floats values = load<Floats>(differences + 64 * word + kLanes * part);
        parts[part] += lanes(in_row, kLanes * part) ? values : zero;
      }
    }
    by_row[row] = sum(parts);
  }
}

GATEWRIGHT_MULTIVERSION
void count(const Word* says, Word flips, std::size_t num_words, float* counts) {
  const Floats one = Floats{} + 1, zero{};
  for (std::size_t word = 0; word < num_words; ++word) {
    for (std::size_t shift = 0; shift < 64; shift += kLanes) {
      float* at = counts + 64 * word + shift;
      store(at, load<Floats>(at) + (lanes(says[word] ^ flips, shift) ? one : zero));
    }
  }
}

GATEWRIGHT_MULTIVERSION
void add_up_classes(const float* numbers, std::size_t num_classes, std::size_t stride,
                    std::size_t num_samples, float* sums) {
  for (std::size_t at = 0; at < num_samples; at += kLanes) {
    Floats total = load<Floats>(numbers + at);
    for (std::size_t c = 1; c < num_classes; ++c) total += load<Floats>(numbers + c * stride + at);
    store(sums + at, total);
  }
}

GATEWRIGHT_MULTIVERSION
void add_votes(const Said* said, std::size_t num_said, std::size_t num_words, const Word* is_right,
               const float* exponentials, float* off, float* on, float* rises) {
  const Floats zero{}, one = zero + 1;
  for (std::size_t word = 0; word < num_words; ++word) {
    Word differs = 0;
    for (std::size_t i = 0; i < num_said; ++i) differs |= said[i].off[word] ^ said[i].on[word];
    if (differs == 0) continue;
    for (std::size_t shift = 0; shift < 64; shift += kLanes) {
      Floats factors_off = one, factors_on = one, rise = zero;
      for (std::size_t i = 0; i < num_said; ++i) {
        const Floats up = zero + said[i].up, down = zero + said[i].down;
        const Floats share = zero + said[i].share;
        const Word now = said[i].now[word] ^ said[i].flips;
        const Word if_off = said[i].off[word] ^ said[i].flips;
        const Word if_on = said[i].on[word] ^ said[i].flips;
        factors_off *= lanes(if_off & ~now, shift) ? up : one;
        factors_off *= lanes(~if_off & now, shift) ? down : one;
        factors_on *= lanes(if_on & ~now, shift) ? up : one;
        factors_on *= lanes(~if_on & now, shift) ? down : one;
        const Word right = is_right[word];
        rise += lanes(if_on & ~if_off & right, shift) ? share : zero;
        rise -= lanes(~if_on & if_off & right, shift) ? share : zero;
      }
      const std::size_t at = 64 * word + shift;
      const Floats exponential = load<Floats>(exponentials + at);
      store(off + at, load<Floats>(off + at) + exponential * (factors_off - one));
      store(on + at, load<Floats>(on + at) + exponential * (factors_on - one));
      store(rises + at, load<Floats>(rises + at) + rise);
    }
  }
}

GATEWRIGHT_MULTIVERSION
void subtract(const float* off, const float* on, const float* rises, const float* weights,
              std::size_t num_samples, float* differences) {
  for (std::size_t at = 0; at < num_samples; at += kLanes) {
    const Floats difference =
        logarithm(load<Floats>(on + at) / load<Floats>(off + at)) - load<Floats>(rises + at);
    store(differences + at, difference * load<Floats>(weights + at));
  }
}

}  // namespace gatewright
