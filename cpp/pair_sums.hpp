// Sums of values, one a sample, over the samples in which both of a pair of nodes are 1: for all
// pairs of a node of one list and a node of another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gatewright {

// Values are rounded to multiples of a power of two, at most a 63rd of the greatest, up or down by
// a fixed sequence, so that what they add up to is right on the average; sums of them are exact.
// More samples than these would overflow.
constexpr std::size_t kPairWords = 64;

// Rows of sums are as long as this says, and the lists are too: a few more than there are nodes.
constexpr std::size_t padded(std::size_t num_nodes) { return (num_nodes + 3) / 4 * 4; }

// sums[i * padded(n) + j] for first[i] and second[j], each num_words <= kPairWords words of 64
// samples, with n of either list; from there to padded(n) they are anything that can be read.
// `scratch` holds (2 * padded(n) + 1) * 64 * kPairWords bytes.
using PairSums = void(const float* values, const std::uint64_t* const* first,
                      const std::uint64_t* const* second, std::size_t num_nodes,
                      std::size_t num_words, std::int8_t* scratch, float* sums);

// For the instruction sets that this processor has, the best first. All give the same.
std::vector<PairSums*> pair_sums();

}  // namespace gatewright
