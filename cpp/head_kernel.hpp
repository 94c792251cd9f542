// Scores of group sums over one tile, and their losses. Part of kernels.cpp.

#pragma once

#include "kernels.hpp"
#include "lanes.hpp"

namespace gatewright {
namespace {

// What is added to a score comes last: it is large where groups' zeros are votes, and each sum on
// top of it would be rounded as coarsely.
void read_out(const Readout& readout, const float* sums, float* scores) {
  const std::size_t num = readout.num_groups;
  const float* weights = readout.weights.data();
  for (std::size_t s = 0; s < readout.num_scores(); ++s, weights += num + 1) {
    for (int j = 0; j < kVectors; ++j) {
      Floats score{};
      for (std::size_t g = 0; g < num; ++g) {
        score += weights[g] * load(sums + g * kSamples + j * kLanes);
      }
      store(scores + s * kSamples + j * kLanes, score + weights[num]);
    }
  }
}

void read_out_backward(const Readout& readout, const float* scores, float* sums) {
  const std::size_t num = readout.num_groups;
  for (std::size_t g = 0; g < num; ++g) {
    for (int j = 0; j < kVectors; ++j) {
      Floats sum{};
      for (std::size_t s = 0; s < readout.num_scores(); ++s) {
        sum += readout.weights[s * (num + 1) + g] * load(scores + s * kSamples + j * kLanes);
      }
      store(sums + g * kSamples + j * kLanes, sum);
    }
  }
}

// Where a sample is decided, its winner's probability is 1 less nearly nothing. So what the others
// have is summed by itself: the difference from 1 and the logarithm are then as exact as the rest.
Votes cross_entropy(const CrossEntropy& loss, const std::int32_t* labels, const float* targets,
                    std::size_t num_samples, float* scores) {
  Votes votes{0, 0};
  const std::size_t num = loss.num_classes;
  const float by_tau = 1 / loss.tau;
  const float spread = loss.smoothing / static_cast<float>(num);
  for (int j = 0; j < kVectors; ++j) {
    Ints label, sample;
    std::memcpy(&label, labels + j * kLanes, sizeof label);
    for (int lane = 0; lane < kLanes; ++lane) sample[lane] = j * kLanes + lane;
    const Ints counts = sample < splat(static_cast<std::int32_t>(num_samples));
    const auto place = [&](std::size_t c) { return scores + c * kSamples + j * kLanes; };
    const auto is_number = [](Ints x, std::size_t c) {
      return x == splat(static_cast<std::int32_t>(c));
    };
    const auto target = [&](std::size_t c) {
      if (targets) return spread + (1 - loss.smoothing) * load(targets + c * kSamples + j * kLanes);
      return spread + select(is_number(label, c), splat(1 - loss.smoothing), Floats{});
    };
    Floats highest = load(place(0));
    Ints winner{};
    for (std::size_t c = 1; c < num; ++c) {
      const Floats score = load(place(c));
      winner = score > highest ? splat(static_cast<std::int32_t>(c)) : winner;
      highest = max(score, highest);
    }
    // Exponentials of the scores over tau, relative to the highest, summed but for the winner's,
    // which is 1, and but for the label's. They take the places of the scores.
    Floats but_winner{}, but_label{};
    Floats cross{};  // of the target and the relative scores
    for (std::size_t c = 0; c < num; ++c) {
      const Floats score = (load(place(c)) - highest) * by_tau;
      cross += target(c) * score;
      const Floats power = exponential(score);
      but_winner += select(is_number(winner, c), Floats{}, power);
      but_label += select(is_number(label, c), Floats{}, power);
      store(place(c), power);
    }
    const Floats by_total = 1.0f / (1.0f + but_winner);
    for (std::size_t c = 0; c < num; ++c) {
      Floats d = load(place(c)) * by_total - target(c);
      if (!targets) {
        const Floats its = (loss.smoothing - spread) - but_label * by_total;
        d = select(is_number(label, c), its, d);
      }
      store(place(c), select(counts, d, Floats{}));
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      if (!counts[lane]) continue;
      votes.loss += __builtin_log1pf(but_winner[lane]) - cross[lane];
      votes.num_right += winner[lane] == label[lane];
    }
  }
  return votes;
}

Votes squared_error(float tau, const float* targets, std::size_t num_samples, float* score) {
  Votes votes{0, 0};
  const float by_tau = 1 / tau;
  for (int j = 0; j < kVectors; ++j) {
    Ints sample;
    for (int lane = 0; lane < kLanes; ++lane) sample[lane] = j * kLanes + lane;
    const Ints counts = sample < splat(static_cast<std::int32_t>(num_samples));
    float* place = score + j * kLanes;
    const Floats off = select(counts, load(place) * by_tau - load(targets + j * kLanes), Floats{});
    store(place, 2 * off);
    for (int lane = 0; lane < kLanes; ++lane) votes.loss += off[lane] * off[lane];
  }
  return votes;
}

}  // namespace
}  // namespace gatewright
