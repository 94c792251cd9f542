// Bits brought from where they are to where they are read, by switches: no index is followed.
//
// N bits go through stages of switches between bits whose places differ in one bit of their
// numbers. First they are copied: with that place's highest bit first, bits that lie side by side
// can each fill an interval of places in their order without two meeting (T. T. Lee, "Nonblocking
// copy networks for multicast packet switching", IEEE JSAC 6, 1988). Then they are permuted: the
// highest bit first, down to the lowest and up again (V. E. Benes, 1965; the switches are set in
// loops, Waksman, JACM 15, 1968). A stage of N bits costs a few instructions each 256.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine_kernels.hpp"

namespace gatewright {

// Bits of a vector, the least that are connected; and so many words.
constexpr std::size_t kConnected = 256, kConnectedWords = kConnected / 64;
constexpr unsigned kInner = 8;  // stages within a vector: log2(kConnected)

// Masks of one vector: in stages of copies those within a vector take one a stage between words,
// two a stage within words; permuting takes one a stage.
constexpr std::size_t kCopyMasks = 14, kPermuteMasks = 2 * kInner - 1;

// How bits are brought to 2^log_size places: by copies and a permutation, or where few are read
// more than once by a permutation and patches.
struct Connection {
  unsigned log_size;
  bool has_copies;
  double cycles;  // as measured on Zen 3
};

// What is best for bits from[p] of the `num_sources` first, each for place p.
Connection plan_connection(const std::vector<std::uint32_t>& from, std::size_t num_sources);

// Appends its masks in the order in which the loops of connection_kernel.hpp read them: those of
// copies, then those of the permutation; and its patches.
void connect(const Connection& plan, const std::vector<std::uint32_t>& from,
             std::size_t num_sources, std::vector<std::uint64_t>* masks,
             std::vector<Patch>* patches);

}  // namespace gatewright
