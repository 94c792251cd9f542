// Descends from random circuits, some of them with dead gates and constants, with one and three
// threads, which must agree. The losses that are kept up to date must be those that the circuit it
// became has, and no greater than it said. Sums over pairs are the same with all instructions and
// near what they are without rounding.
// tests/test_descent.py compiles it with sanitizers.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "descent.hpp"
#include "pair_sums.hpp"
#include "random_circuit.hpp"
#include "simulate.hpp"

namespace {

using gatewright::Descent;

struct Case {
  RandomCircuit circuit;
  std::size_t num_classes, num_groups;
  std::vector<float> readout;
  std::vector<std::uint64_t> words;
  std::vector<std::int32_t> classes;
  std::vector<float> weights;
  gatewright::Votes votes;

  Case(std::mt19937& random, std::size_t classes_, std::size_t groups_, std::size_t group_size)
      : circuit(random, 1 + random() % 8, 1 + random() % 60, groups_ * group_size),
        num_classes(classes_),
        num_groups(groups_) {
    for (std::size_t i = 0; i < num_classes * (num_groups + 1); ++i) {
      readout.push_back(static_cast<float>(random() % 4) / 4 - 0.5F);
    }
    const std::size_t num_words = 1 + random() % 200;
    for (std::size_t i = 0; i < circuit.num_inputs * num_words; ++i) {
      words.push_back(std::uint64_t{random()} << 32 | random());
    }
    for (std::size_t i = 0; i < 64 * num_words; ++i) {
      classes.push_back(static_cast<std::int32_t>(random() % num_classes));
      weights.push_back(static_cast<float>(random() % 4) / 2);
    }
    votes = {num_classes, num_groups, readout.data(), num_words, classes.data(), weights.data()};
  }

  // By definition, of these gates.
  double loss(const std::vector<std::int32_t>& fanin,
              const std::vector<std::uint8_t>& table) const {
    gatewright::CircuitView view = circuit.view();
    view.fanin = fanin.data();
    view.table = table.data();
    gatewright::validate(view);
    std::vector<std::uint64_t> outputs(view.num_outputs * votes.num_words);
    gatewright::simulate(view, votes.num_words, words.data(), outputs.data());
    double total = 0;
    for (std::size_t sample = 0; sample < 64 * votes.num_words; ++sample) {
      std::vector<double> scores;
      for (std::size_t c = 0; c < num_classes; ++c) {
        const float* of_class = &readout[c * (num_groups + 1)];
        scores.push_back(static_cast<double>(of_class[num_groups]));
        for (std::size_t i = 0; i < view.num_outputs; ++i) {
          const std::uint64_t word = outputs[i * votes.num_words + sample / 64];
          scores[c] += static_cast<double>(word >> sample % 64 & 1) *
                       static_cast<double>(of_class[i / (view.num_outputs / num_groups)]);
        }
      }
      double sum = 0;
      for (const double score : scores) sum += std::exp(score);
      const auto right = static_cast<std::size_t>(classes[sample]);
      total += static_cast<double>(weights[sample]) * (std::log(sum) - scores[right]);
    }
    return total;
  }
};

double sum(const Descent& descent, const Case& drawn) {
  const std::vector<float> losses = descent.losses();
  double total = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    total += static_cast<double>(losses[i]) * static_cast<double>(drawn.weights[i]);
  }
  return total;
}

bool is_right(std::mt19937& random) {
  const Case drawn(random, 2 + random() % 3, 1 + random() % 5, 1 + random() % 5);
  const gatewright::CircuitView view = drawn.circuit.view();
  gatewright::validate(view);
  Descent one(view, drawn.words.data(), drawn.votes, 1);
  Descent three(view, drawn.words.data(), drawn.votes, 3);
  const auto first = static_cast<std::int32_t>(1 + view.num_inputs);
  const std::size_t num_candidates = random() % 4;
  double before = drawn.loss(one.fanin(), one.table());
  const double nothing = 1e-4 * (1 + before);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::int32_t> order, candidates;
    for (std::size_t i = 0; i < view.num_gates; ++i) {
      order.push_back(first + static_cast<std::int32_t>(random() % view.num_gates));
      for (std::size_t k = 0; k < 2 * num_candidates; ++k) {
        candidates.push_back(
            static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(order.back())));
      }
    }
    const auto gain =
        one.sweep(order.data(), order.size(), candidates.data(), num_candidates, 0.5F);
    const auto other =
        three.sweep(order.data(), order.size(), candidates.data(), num_candidates, 0.5F);
    if (gain.num_changed != other.num_changed || gain.loss != other.loss) return false;
    if (one.fanin() != three.fanin() || one.table() != three.table()) return false;
    const double after = drawn.loss(one.fanin(), one.table());
    if (std::abs(before - gain.loss - after) > nothing) return false;
    if (std::abs(sum(one, drawn) - after) > nothing) return false;
    before = after;
  }
  return true;
}

bool sums_are_right(std::mt19937& random) {
  const std::size_t num_nodes = 1 + random() % 12,
                    num_words = 1 + random() % gatewright::kPairWords;
  const std::size_t num_rows = gatewright::padded(num_nodes), num_samples = 64 * num_words;
  std::vector<std::uint64_t> words;
  for (std::size_t i = 0; i < 2 * num_rows * num_words; ++i) {
    words.push_back(std::uint64_t{random()} << 32 | random());
    if (i / num_words % num_rows == 0) words.back() = ~std::uint64_t{0};
  }
  std::vector<const std::uint64_t*> first, second;
  for (std::size_t i = 0; i < num_rows; ++i) {
    first.push_back(&words[i * num_words]);
    second.push_back(&words[(num_rows + i) * num_words]);
  }
  std::vector<float> values;
  const float size = std::ldexp(1.F, static_cast<int>(random() % 40) - 30);
  std::normal_distribution<float> normal(0.05F, 1);
  for (std::size_t i = 0; i < num_samples; ++i) {
    values.push_back(random() % 50 == 0 ? 0 : size * normal(random));
  }
  const auto alike = random() % 10;
  if (alike < 2) std::fill(values.begin(), values.end(), alike == 0 ? 0 : 0.98F * size);
  float most = 0;
  for (const float value : values) most = std::max(most, std::abs(value));
  std::vector<std::int8_t> scratch((2 * num_rows + 1) * 64 * gatewright::kPairWords);
  std::vector<std::vector<float>> found;
  for (gatewright::PairSums* kind : gatewright::pair_sums()) {
    found.emplace_back(num_rows * num_rows);
    kind(values.data(), first.data(), second.data(), num_nodes, num_words, scratch.data(),
         found.back().data());
  }
  const std::vector<float>& sums = found.front();
  if (std::count(found.begin(), found.end(), sums) != std::ssize(found)) return false;
  // A step is a 63rd at most, and roundings go up and down as evenly as they can.
  const double allowed = static_cast<double>(most) / 63 * (3 + std::sqrt(num_samples));
  for (std::size_t i = 0; i < num_nodes; ++i) {
    for (std::size_t j = 0; j < num_nodes; ++j) {
      double exact = 0;
      for (std::size_t sample = 0; sample < num_samples; ++sample) {
        const std::uint64_t both = first[i][sample / 64] & second[j][sample / 64];
        if ((both >> sample % 64 & 1) != 0) exact += static_cast<double>(values[sample]);
      }
      if (std::abs(static_cast<double>(sums[i * num_rows + j]) - exact) > allowed) return false;
    }
  }
  return true;
}

}  // namespace

int main() {
  std::mt19937 random(1);
  int wrong = 0;
  for (int n = 0; n < 60; ++n) wrong += !is_right(random) + !sums_are_right(random);
  std::printf("60 circuits, %d wrong\n", wrong);
  return wrong != 0;
}
