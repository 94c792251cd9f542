// The loops of coordinate descent over samples, 64 a word and some words at a time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatewright {

// Sums of differences, one a sample, by the row of a table that the samples are in.
void add_up(const float* differences, const std::uint64_t* a, const std::uint64_t* b,
            std::size_t num_words, double* by_row);

// Adds the votes of an output, where `flips` is all ones inverted, to the counts of its samples.
void count(const std::uint64_t* says, std::uint64_t flips, std::size_t num_words, float* counts);

// By sample the sum of its numbers of all classes, each class's `stride` behind the one before.
void add_up_classes(const float* numbers, std::size_t num_classes, std::size_t stride,
                    std::size_t num_samples, float* sums);

// What an output says now, and what it says if the gate of the visit is 0 or 1; and what a class
// has of its vote: a share of the score, factors of the exponential if it comes or goes.
struct Said {
  const std::uint64_t *now, *off, *on;
  std::uint64_t flips;  // all ones where it is inverted
  float share, up, down;
};

// Adds to the sums of exponentials, with the gate 0 and 1, what a class's becomes more by these
// outputs; and to `rises`, where the class is right, what its score is more with the gate 1 than
// with it 0.
void add_votes(const Said* said, std::size_t num_said, std::size_t num_words,
               const std::uint64_t* is_right, const float* exponentials, float* off, float* on,
               float* rises);

// The weighted loss with the gate 1, less that with the gate 0, from what add_votes adds up.
void subtract(const float* off, const float* on, const float* rises, const float* weights,
              std::size_t num_samples, float* differences);

}  // namespace gatewright
