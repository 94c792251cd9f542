// The loops over what `connect` makes (see connection.hpp), and gates on what it has brought.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "connection.hpp"
#include "engine_kernels.hpp"

namespace gatewright {
namespace {

// In each byte 1; in byte k the bit of number k.
constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101, kBits = 0x8040'2010'0804'0201;

// Bits in a register, and in memory.
using Bits [[gnu::vector_size(kConnected / 8)]] = std::uint64_t;
struct Held {
  std::uint64_t words[kConnectedWords];
};

[[gnu::always_inline]] inline void load(Bits& x, const Held& from) {
  std::memcpy(&x, &from, sizeof x);
}

[[gnu::always_inline]] inline void store(const Bits& x, Held& to) {
  std::memcpy(&to, &x, sizeof x);
}

// Exchanges, where the mask is set, a word's bits with those `by` above.
template <unsigned by>
[[gnu::always_inline]] inline void exchange(Bits& x, const Bits& mask) {
  const Bits differ = (x ^ x >> by) & mask;
  x ^= differ;
  x ^= differ << by;
}

// Copies a word's bits down by as much where `low` is set, up where `high` is.
template <unsigned by>
[[gnu::always_inline]] inline void copy(Bits& x, const Bits& low, const Bits& high) {
  const Bits differ = x ^ x >> by;
  x ^= differ & low;
  x ^= (differ & high) << by;
}

// Takes, where the mask is set, the bits of the word that is two away, or one.
[[gnu::always_inline]] inline void take_far(Bits& x, const Bits& mask) {
  x ^= (x ^ __builtin_shufflevector(x, x, 2, 3, 0, 1)) & mask;
}

[[gnu::always_inline]] inline void take_near(Bits& x, const Bits& mask) {
  x ^= (x ^ __builtin_shufflevector(x, x, 1, 0, 3, 2)) & mask;
}

// Where the mask is set, exchanges the bits of two vectors.
[[gnu::always_inline]] inline void exchange(Bits& x, Bits& y, const Held& held) {
  Bits mask;
  load(mask, held);
  const Bits differ = (x ^ y) & mask;
  x ^= differ;
  y ^= differ;
}

// The stages within vectors, of `count` at a time: none waits for what has just been begun.
template <std::size_t count, std::size_t num_masks>
struct Within {
  Bits x[count];
  const Held* masks;

  // A stage with one mask, or two.
  template <typename Function>
  [[gnu::always_inline]] void one(std::size_t number, Function stage) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < count; ++i) {
      Bits mask;
      load(mask, masks[i * num_masks + number]);
      stage(x[i], mask);
    }
  }
  template <typename Function>
  [[gnu::always_inline]] void two(std::size_t number, Function stage) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < count; ++i) {
      Bits first, second;
      load(first, masks[i * num_masks + number]);
      load(second, masks[i * num_masks + number + 1]);
      stage(x[i], first, second);
    }
  }
};

template <std::size_t count, std::size_t num_masks, typename Stages>
[[gnu::always_inline]] inline void go_through(const Held* masks, Held* bits, Stages stages) {
  Within<count, num_masks> own;
  own.masks = masks;
#pragma GCC unroll 4
  for (std::size_t i = 0; i < count; ++i) load(own.x[i], bits[i]);
  stages(own);
#pragma GCC unroll 4
  for (std::size_t i = 0; i < count; ++i) store(own.x[i], bits[i]);
}

// Of all vectors, whose number is a power of two. Like all that follow it returns the next mask.
template <std::size_t num_masks, typename Stages>
[[gnu::always_inline]] inline const Held* go_through_all(const Held* masks, Held* bits,
                                                         std::size_t num, Stages stages) {
  for (std::size_t i = 0; i + 4 <= num; i += 4) {
    go_through<4, num_masks>(masks + i * num_masks, bits + i, stages);
  }
  if (num == 2) go_through<2, num_masks>(masks, bits, stages);
  if (num == 1) go_through<1, num_masks>(masks, bits, stages);
  return masks + num * num_masks;
}

[[gnu::always_inline]] inline const Held* copy_bits(const Held* mask, Held* bits, std::size_t num) {
  for (std::size_t apart = num / 2; apart > 0; apart /= 2) {
    for (std::size_t begin = 0; begin < num; begin += 2 * apart) {
      for (Held* x = bits + begin; x != bits + begin + apart; ++x, mask += 2) {
        Bits low, high, to_low, to_high;
        load(low, x[0]);
        load(high, x[apart]);
        load(to_low, mask[0]);
        load(to_high, mask[1]);
        const Bits differ = low ^ high;
        store(low ^ (differ & to_low), x[0]);
        store(high ^ (differ & to_high), x[apart]);
      }
    }
  }
  return go_through_all<kCopyMasks>(mask, bits, num, [](auto& own) {
    own.one(0, take_far);
    own.one(1, take_near);
    own.two(2, copy<32>);
    own.two(4, copy<16>);
    own.two(6, copy<8>);
    own.two(8, copy<4>);
    own.two(10, copy<2>);
    own.two(12, copy<1>);
  });
}

// The stage between vectors `apart`.
[[gnu::always_inline]] inline const Held* exchange_twos(const Held* mask, Held* bits,
                                                        std::size_t num, std::size_t apart) {
  for (std::size_t begin = 0; begin < num; begin += 2 * apart) {
    for (Held* x = bits + begin; x != bits + begin + apart; ++x, ++mask) {
      Bits a, b;
      load(a, x[0]);
      load(b, x[apart]);
      exchange(a, b, *mask);
      store(a, x[0]);
      store(b, x[apart]);
    }
  }
  return mask;
}

// That stage and then, or before if `is_up`, the one between vectors `apart` / 2: of four vectors
// at a time, which are read and written once.
template <bool is_up>
[[gnu::always_inline]] inline const Held* exchange_fours(const Held* mask, Held* bits,
                                                         std::size_t num, std::size_t apart) {
  const std::size_t half = apart / 2;
  const Held* const second = mask + num / 2;
  for (std::size_t begin = 0; begin < num; begin += 2 * apart) {
    for (std::size_t j = begin / 2; j < begin / 2 + half; ++j) {
      Held* const x = bits + begin / 2 + j;
      Bits a, b, c, d;
      load(a, x[0]);
      load(b, x[half]);
      load(c, x[apart]);
      load(d, x[apart + half]);
      if (is_up) {
        exchange(a, b, mask[j]);
        exchange(c, d, mask[j + half]);
        exchange(a, c, second[j]);
        exchange(b, d, second[j + half]);
      } else {
        exchange(a, c, mask[j]);
        exchange(b, d, mask[j + half]);
        exchange(a, b, second[j]);
        exchange(c, d, second[j + half]);
      }
      store(a, x[0]);
      store(b, x[half]);
      store(c, x[apart]);
      store(d, x[apart + half]);
    }
  }
  return second + num / 2;
}

[[gnu::always_inline]] inline const Held* permute_bits(const Held* mask, Held* bits,
                                                       std::size_t num) {
  std::size_t apart = num / 2;
  for (; apart > 1; apart /= 4) mask = exchange_fours<false>(mask, bits, num, apart);
  if (apart == 1) mask = exchange_twos(mask, bits, num, 1);
  mask = go_through_all<kPermuteMasks>(mask, bits, num, [](auto& own) {
    own.one(0, take_far);
    own.one(1, take_near);
    own.one(2, exchange<32>);
    own.one(3, exchange<16>);
    own.one(4, exchange<8>);
    own.one(5, exchange<4>);
    own.one(6, exchange<2>);
    own.one(7, exchange<1>);
    own.one(8, exchange<2>);
    own.one(9, exchange<4>);
    own.one(10, exchange<8>);
    own.one(11, exchange<16>);
    own.one(12, exchange<32>);
    own.one(13, take_near);
    own.one(14, take_far);
  });
  for (apart = 1; 2 * apart < num; apart *= 4) {
    mask = exchange_fours<true>(mask, bits, num, 2 * apart);
  }
  if (apart < num) mask = exchange_twos(mask, bits, num, apart);
  return mask;
}

// Each bit with the one above it, through the gate of its place.
[[gnu::always_inline]] inline const Held* apply_gates(const Held* mask, Held* bits,
                                                      std::size_t num) {
  for (std::size_t i = 0; i < num; ++i, mask += 3) {
    Bits a, above, of_a, of_b, of_both;
    load(a, bits[i]);
    std::memcpy(&above, reinterpret_cast<const std::uint64_t*>(bits + i) + 1, sizeof above);
    load(of_a, mask[0]);
    load(of_b, mask[1]);
    load(of_both, mask[2]);
    const Bits b = a >> 1 | above << 63;
    store((a & (of_a ^ (b & of_both))) ^ (b & of_b), bits[i]);
  }
  return mask;
}

void run_layers(const FrontLayer* layers, std::size_t num_layers, const std::uint64_t* masks,
                const Patch* patch, std::uint64_t* words) {
  const auto* mask = reinterpret_cast<const Held*>(masks);
  auto* const bits = reinterpret_cast<Held*>(words);
  for (const FrontLayer* layer = layers; layer != layers + num_layers; ++layer) {
    if (layer->has_copies) mask = copy_bits(mask, bits, layer->num_vectors);
    mask = permute_bits(mask, bits, layer->num_vectors);
    for (const Patch* const end = patch + layer->num_patches; patch != end; ++patch) {
      const std::uint64_t bit = words[patch->from / 64] >> patch->from % 64 & 1;
      std::uint64_t& word = words[patch->to / 64];
      word = (word & ~(std::uint64_t{1} << patch->to % 64)) | bit << patch->to % 64;
    }
    mask = apply_gates(mask, bits, layer->num_vectors);
  }
}

// Bits as bytes of 0 or 1, 64 at a time.
void spread_bits(const std::uint64_t* bits, std::size_t num, std::uint8_t* bytes) {
  for (std::size_t begin = 0; begin < num; begin += 64, ++bits) {
#if defined(__AVX2__)
    const __m256i octet = _mm256_setr_epi64x(0, kOnes, 2 * kOnes, 3 * kOnes);
    const __m256i own = _mm256_set1_epi64x(static_cast<std::int64_t>(kBits));
    for (std::size_t k = 0; k < 64; k += 32) {
      const __m256i all = _mm256_set1_epi32(static_cast<int>(*bits >> k));
      const __m256i found = _mm256_and_si256(_mm256_shuffle_epi8(all, octet), own);
      const __m256i ones = _mm256_min_epu8(found, _mm256_set1_epi8(1));
      std::memcpy(bytes + begin + k, &ones, sizeof ones);
    }
#else
    for (std::size_t k = 0; k < 64; k += 8) {
      const std::uint64_t eight = (*bits >> k & 255) * kOnes & kBits;
      const std::uint64_t found = (eight + 0x7F * kOnes) >> 7 & kOnes;
      std::memcpy(bytes + begin + k, &found, sizeof found);
    }
#endif
  }
}

}  // namespace
}  // namespace gatewright
