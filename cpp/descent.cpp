#include "descent.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "descent_kernels.hpp"
#include "truth.hpp"

namespace gatewright {
namespace {

using Word = std::uint64_t;

// Words that go through a visit together: their differences stay in the first-level cache.
constexpr std::size_t kChunk = kPairWords;

// Pairs of operands, but for the gate's own, whose sums are worked out without rounding.
constexpr std::size_t kPromising = 4;

// Less than the greatest of a sample a score does not count: exponentials of 0 could not grow.
constexpr float kLeastScore = -80;

// Visits after which exponentials are made anew: rounding adds up in them, and they may overflow.
constexpr std::size_t kRecount = 4096;

// A mean of differences that is smaller may be rounding alone.
constexpr double kNothing = 2.5e-7;

}  // namespace

Descent::Descent(const CircuitView& circuit, const Word* words, const Votes& votes,
                 std::size_t num_threads)
    : num_classes_(votes.num_classes),
      num_groups_(votes.num_groups),
      num_words_(votes.num_words),
      num_chunks_((votes.num_words + kChunk - 1) / kChunk),
      first_gate_(1 + circuit.num_inputs),
      shares_(num_classes_ * num_groups_),
      factors_(shares_.size()),
      scores_(num_classes_),
      nothing_(kNothing * std::accumulate(votes.weights, votes.weights + 64 * num_words_, 0.0)),
      fanin_(circuit.fanin, circuit.fanin + 2 * circuit.num_gates),
      outputs_(circuit.outputs, circuit.outputs + circuit.num_outputs),
      table_(circuit.table, circuit.table + circuit.num_gates),
      readers_(circuit.num_nodes()),
      votes_of_(circuit.num_nodes()),
      values_(circuit.num_nodes() * num_words_),
      is_right_(num_classes_ * num_words_),
      weights_(votes.weights, votes.weights + 64 * num_words_),
      exponentials_(num_classes_ * 64 * num_words_),
      sums_(64 * num_words_),
      differences_(64 * num_words_),
      place_(circuit.num_nodes(), -1),
      falls_(num_chunks_),
      squares_(num_chunks_),
      pair_sums_(pair_sums().front()),
      team_(num_threads) {
  // What all classes' scores have in common is no matter: the least share of a group becomes 0.
  for (std::size_t group = 0; group < num_groups_; ++group) {
    const float* of_group = votes.readout + group;
    float least = of_group[0];
    for (std::size_t c = 0; c < num_classes_; ++c) {
      least = std::min(least, of_group[c * (num_groups_ + 1)]);
    }
    for (std::size_t c = 0; c < num_classes_; ++c) {
      const float share = of_group[c * (num_groups_ + 1)] - least;
      shares_[c * num_groups_ + group] = share;
      factors_[c * num_groups_ + group] = std::exp(share);
    }
  }
  for (std::size_t c = 0; c < num_classes_; ++c) {
    scores_[c] = votes.readout[c * (num_groups_ + 1) + num_groups_];
  }
  std::copy_n(words, circuit.num_inputs * num_words_, value(1));
  for (std::size_t gate = 0; gate < circuit.num_gates; ++gate) {
    const auto node = static_cast<Node>(first_gate_ + gate);
    for (const Node operand : {fanin_[2 * gate], fanin_[2 * gate + 1]}) {
      auto& readers = readers_[static_cast<std::size_t>(operand)];
      if (readers.empty() || readers.back() != node) readers.push_back(node);
    }
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    votes_of_[static_cast<std::size_t>(outputs_[i]) / 2].push_back(i);
  }
  for (std::size_t sample = 0; sample < 64 * num_words_; ++sample) {
    const auto right = static_cast<std::size_t>(votes.classes[sample]);
    is_right_[right * num_words_ + sample / 64] |= Word{1} << sample % 64;
  }
  team_.run([&](std::size_t member) {
    for (std::size_t chunk = member; chunk < num_chunks_; chunk += team_.size()) {
      simulate(chunk);
      count_votes(chunk);
    }
  });
}

void Descent::simulate(std::size_t chunk) {
  const std::size_t begin = chunk * kChunk, num_words = std::min(kChunk, num_words_ - begin);
  for (std::size_t gate = 0; gate < table_.size(); ++gate) {
    apply_table(table_[gate], value(fanin_[2 * gate]) + begin, value(fanin_[2 * gate + 1]) + begin,
                value(static_cast<Node>(first_gate_ + gate)) + begin, num_words);
  }
}

// Exponentials of scores, less the greatest of the sample, so that they are in range.
void Descent::count_votes(std::size_t chunk) {
  const std::size_t begin = chunk * kChunk, num_words = std::min(kChunk, num_words_ - begin);
  const std::size_t group_size = outputs_.size() / num_groups_, num_samples = 64 * num_words;
  std::vector<float> counts(num_samples), scores(num_classes_ * num_samples);
  for (std::size_t c = 0; c < num_classes_; ++c) {
    std::fill_n(&scores[c * num_samples], num_samples, scores_[c]);
  }
  for (std::size_t group = 0; group < num_groups_; ++group) {
    std::fill(counts.begin(), counts.end(), 0.F);
    for (std::size_t i = group * group_size; i < (group + 1) * group_size; ++i) {
      count(value(outputs_[i] / 2) + begin, mask(outputs_[i]), num_words, counts.data());
    }
    for (std::size_t c = 0; c < num_classes_; ++c) {
      const float of_one = share(c, group);
      if (of_one == 0) continue;
      for (std::size_t sample = 0; sample < num_samples; ++sample) {
        scores[c * num_samples + sample] += counts[sample] * of_one;
      }
    }
  }
  for (std::size_t sample = 0; sample < num_samples; ++sample) {
    float most = scores[sample];
    for (std::size_t c = 1; c < num_classes_; ++c) {
      most = std::max(most, scores[c * num_samples + sample]);
    }
    for (std::size_t c = 0; c < num_classes_; ++c) {
      const float score = scores[c * num_samples + sample] - most;
      const float power = std::exp(std::max(score, kLeastScore));
      exponentials_[c * sums_.size() + 64 * begin + sample] = power;
    }
  }
  add_up_classes(&exponentials_[64 * begin], num_classes_, sums_.size(), num_samples,
                 &sums_[64 * begin]);
}

std::vector<float> Descent::losses() const {
  std::vector<float> losses(sums_.size());
  for (std::size_t c = 0; c < num_classes_; ++c) {
    const float* of_class = &exponentials_[c * sums_.size()];
    for (std::size_t word = 0; word < num_words_; ++word) {
      for (Word left = is_right_[c * num_words_ + word]; left != 0; left &= left - 1) {
        const std::size_t sample = 64 * word + static_cast<std::size_t>(std::countr_zero(left));
        losses[sample] = std::log(sums_[sample] / of_class[sample]);
      }
    }
  }
  return losses;
}

// The gate and all that read of it, in order, and the votes that depend on it.
void Descent::find_cone(Node node) {
  for (const Member& member : cone_) place_[static_cast<std::size_t>(member.node)] = -1;
  std::vector<Node> nodes{node};
  place_[static_cast<std::size_t>(node)] = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const Node reader : readers_[static_cast<std::size_t>(nodes[i])]) {
      int& place = place_[static_cast<std::size_t>(reader)];
      if (place < 0) nodes.push_back(reader);
      place = 0;
    }
  }
  std::sort(nodes.begin(), nodes.end());
  cone_.clear();
  votes_.clear();
  const std::size_t group_size = outputs_.size() / num_groups_;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto index = static_cast<std::size_t>(nodes[i]);
    place_[index] = static_cast<int>(i);
    const Node a = fanin_[2 * (index - first_gate_)], b = fanin_[2 * (index - first_gate_) + 1];
    cone_.push_back({nodes[i],
                     {a, b},
                     {place_[static_cast<std::size_t>(a)], place_[static_cast<std::size_t>(b)]},
                     table_[index - first_gate_]});
    for (const std::size_t output : votes_of_[index]) {
      const std::size_t group = output / group_size;
      for (std::size_t c = 0; c < num_classes_; ++c) {
        if (share(c, group) != 0) votes_.push_back({i, c, group, (outputs_[output] & 1) != 0});
      }
    }
  }
  std::stable_sort(votes_.begin(), votes_.end(),
                   [](const Vote& x, const Vote& y) { return x.of_class < y.of_class; });
}

// Of a chunk: the differences, and their sums for every pair of operands, rounded. The lists of
// operands begin with a node that is always 1, whose pairs are sums of the other's alone, and with
// what the gate reads now.
void Descent::measure(std::size_t chunk, Node node, const Node* candidates,
                      std::size_t num_candidates, Word* scratch, std::int8_t* bytes) {
  const std::size_t begin = chunk * kChunk, num_words = std::min(kChunk, num_words_ - begin);
  Word *off = scratch, *on = scratch + cone_.size() * kChunk;
  std::fill_n(off, kChunk, Word{0});
  std::fill_n(on, kChunk, ~Word{0});
  for (std::size_t i = 1; i < cone_.size(); ++i) {
    const Member& member = cone_[i];
    for (Word* values : {off, on}) {
      const Word* operands[2];
      for (std::size_t side = 0; side < 2; ++side) {
        const int place = member.places[side];
        operands[side] = place < 0 ? value(member.operands[side]) + begin
                                   : values + static_cast<std::size_t>(place) * kChunk;
      }
      apply_table(member.table, operands[0], operands[1], values + i * kChunk, num_words);
    }
  }
  differ(begin, num_words, off, on);

  // `on` begins with the gate's own values: all ones.
  const std::size_t num_nodes = 2 + num_candidates, num_rows = padded(num_nodes);
  std::vector<const Word*> lists[2];
  for (std::size_t side = 0; side < 2; ++side) {
    auto& list = lists[side];
    list.assign(num_rows, on);
    list[1] = value(fanin_[2 * (static_cast<std::size_t>(node) - first_gate_) + side]) + begin;
    for (std::size_t k = 0; k < num_candidates; ++k) {
      list[2 + k] = value(candidates[side * num_candidates + k]) + begin;
    }
  }
  pair_sums_(&differences_[64 * begin], lists[0].data(), lists[1].data(), num_nodes, num_words,
             bytes, &seen_[chunk * num_rows * num_rows]);
}

// What the loss of each sample of a chunk would be with the gate 1, less that with the gate 0.
void Descent::differ(std::size_t begin, std::size_t num_words, const Word* off, const Word* on) {
  const std::size_t first = 64 * begin;
  alignas(64) float sums_off[64 * kChunk], sums_on[64 * kChunk], rises[64 * kChunk];
  std::copy_n(&sums_[first], 64 * num_words, sums_off);
  std::copy_n(&sums_[first], 64 * num_words, sums_on);
  std::fill_n(rises, 64 * num_words, 0.F);
  std::vector<Said> said;
  for (std::size_t i = 0; i < votes_.size();) {
    const std::size_t c = votes_[i].of_class;
    said.clear();
    for (; i < votes_.size() && votes_[i].of_class == c; ++i) {
      const std::size_t member = votes_[i].member, group = votes_[i].group;
      said.push_back({value(cone_[member].node) + begin, off + member * kChunk,
                      on + member * kChunk, votes_[i].is_inverted ? ~Word{0} : Word{0},
                      share(c, group), factor(c, group), 1 / factor(c, group)});
    }
    add_votes(said.data(), said.size(), num_words, &is_right_[c * num_words_ + begin],
              &exponentials_[c * sums_.size() + first], sums_off, sums_on, rises);
  }
  subtract(sums_off, sums_on, rises, &weights_[first], 64 * num_words, &differences_[first]);
}

// The gate's own pair of operands, and those whose best tables promise most.
void Descent::find_pairs(Node node, const Node* candidates, std::size_t num_candidates) {
  const std::size_t num_nodes = 2 + num_candidates, num_rows = padded(num_nodes);
  const Node* own = &fanin_[2 * (static_cast<std::size_t>(node) - first_gate_)];
  totals_.assign(num_rows * num_rows, 0);
  for (std::size_t chunk = 0; chunk < num_chunks_; ++chunk) {
    const float* seen = &seen_[chunk * totals_.size()];
    for (std::size_t i = 0; i < totals_.size(); ++i) totals_[i] += static_cast<double>(seen[i]);
  }
  struct Promise {
    double cost;
    std::size_t i, j;
  };
  Promise best[kPromising];
  std::size_t num_best = 0;
  for (std::size_t i = 1; i < num_nodes; ++i) {
    for (std::size_t j = 1; j < num_nodes; ++j) {
      if (i == 1 && j == 1) continue;
      const double pair = totals_[i * num_rows + j], first = totals_[i * num_rows] - pair;
      const double second = totals_[j] - pair, none = totals_[0] - first - second - pair;
      const double cost =
          std::min(none, 0.0) + std::min(first, 0.0) + std::min(second, 0.0) + std::min(pair, 0.0);
      if (num_best == kPromising && !(cost < best[num_best - 1].cost)) continue;
      const Node a = i == 1 ? own[0] : candidates[i - 2];
      const Node b = j == 1 ? own[1] : candidates[num_candidates + j - 2];
      if (a == b) continue;
      std::size_t at = num_best < kPromising ? num_best++ : num_best - 1;
      for (; at > 0 && cost < best[at - 1].cost; --at) best[at] = best[at - 1];
      best[at] = {cost, i, j};
    }
  }
  pairs_.assign(1, {own[0], own[1]});
  for (std::size_t k = 0; k < num_best; ++k) {
    const auto& [cost, i, j] = best[k];
    pairs_.push_back({i == 1 ? own[0] : candidates[i - 2],
                      j == 1 ? own[1] : candidates[num_candidates + j - 2]});
  }
}

// Of a chunk: the sums of the pairs that were found, not rounded.
void Descent::add_up_pairs(std::size_t chunk) {
  const std::size_t begin = chunk * kChunk, num_words = std::min(kChunk, num_words_ - begin);
  const float* differences = &differences_[64 * begin];
  for (std::size_t k = 0; k < pairs_.size(); ++k) {
    double* by_row = &exact_[4 * (chunk * (1 + kPromising) + k)];
    add_up(differences, value(pairs_[k].a) + begin, value(pairs_[k].b) + begin, num_words, by_row);
  }
}

Descent::Form Descent::choose(Node node) const {
  const std::size_t gate = static_cast<std::size_t>(node) - first_gate_;
  Form best{fanin_[2 * gate], fanin_[2 * gate + 1], table_[gate]};
  double least = 0;  // what the best costs, against false
  for (std::size_t k = 0; k < pairs_.size(); ++k) {
    Form form{pairs_[k].a, pairs_[k].b, 0};
    double cost = 0;
    for (unsigned row = 0; row < 4; ++row) {
      double sum = 0;
      for (std::size_t chunk = 0; chunk < num_chunks_; ++chunk) {
        sum += exact_[4 * (chunk * (1 + kPromising) + k) + row];
      }
      if (k == 0) least += (best.table >> row & 1) * sum;
      if (sum > -nothing_) continue;
      form.table = static_cast<std::uint8_t>(form.table | 1U << row);
      cost += sum;
    }
    if (cost < least - nothing_) {
      best = form;
      least = cost;
    }
  }
  return best;
}

// By how much the loss falls where the gate changes, and the squares of that, sample by sample.
void Descent::weigh(std::size_t chunk, Node node, const Form& form) {
  const std::size_t begin = chunk * kChunk, num_words = std::min(kChunk, num_words_ - begin);
  Word then[kChunk];
  apply_table(form.table, value(form.a) + begin, value(form.b) + begin, then, num_words);
  double fall = 0, square = 0;
  for (std::size_t word = 0; word < num_words; ++word) {
    for (Word left = then[word] ^ value(node)[begin + word]; left != 0; left &= left - 1) {
      const auto bit = static_cast<std::size_t>(std::countr_zero(left));
      const auto difference = static_cast<double>(differences_[64 * (begin + word) + bit]);
      fall += (then[word] >> bit & 1) != 0 ? -difference : difference;
      square += difference * difference;
    }
  }
  falls_[chunk] = fall;
  squares_[chunk] = square;
}

// Values, exponentials and sums of a chunk, with the gate as it becomes.
void Descent::replace(std::size_t chunk, const Form& form) {
  const std::size_t begin = chunk * kChunk, num_words = std::min(kChunk, num_words_ - begin);
  const std::size_t group_size = outputs_.size() / num_groups_;
  Word then[kChunk];
  for (std::size_t i = 0; i < cone_.size(); ++i) {
    const Member& member = cone_[i];
    const Node a = i == 0 ? form.a : member.operands[0], b = i == 0 ? form.b : member.operands[1];
    apply_table(i == 0 ? form.table : member.table, value(a) + begin, value(b) + begin, then,
                num_words);
    Word* now = value(member.node) + begin;
    for (const std::size_t output : votes_of_[static_cast<std::size_t>(member.node)]) {
      const std::size_t group = output / group_size;
      for (std::size_t c = 0; c < num_classes_; ++c) {
        if (share(c, group) == 0) continue;
        const float up = factor(c, group), down = 1 / up;
        float* of_class = &exponentials_[c * sums_.size() + 64 * begin];
        for (std::size_t word = 0; word < num_words; ++word) {
          const Word says = then[word] ^ mask(outputs_[output]);
          for (Word left = then[word] ^ now[word]; left != 0; left &= left - 1) {
            const auto bit = static_cast<std::size_t>(std::countr_zero(left));
            of_class[64 * word + bit] *= (says >> bit & 1) != 0 ? up : down;
          }
        }
      }
    }
    std::copy_n(then, num_words, now);
  }
  add_up_classes(&exponentials_[64 * begin], num_classes_, sums_.size(), 64 * num_words,
                 &sums_[64 * begin]);
}

void Descent::rewire(Node node, const Form& form) {
  const std::size_t gate = static_cast<std::size_t>(node) - first_gate_;
  for (std::size_t side = 0; side < 2; ++side) {
    std::erase(readers_[static_cast<std::size_t>(fanin_[2 * gate + side])], node);
  }
  fanin_[2 * gate] = form.a;
  fanin_[2 * gate + 1] = form.b;
  table_[gate] = form.table;
  readers_[static_cast<std::size_t>(form.a)].push_back(node);
  if (form.b != form.a) readers_[static_cast<std::size_t>(form.b)].push_back(node);
}

Descent::Gain Descent::sweep(const Node* order, std::size_t num_visits, const Node* candidates,
                             std::size_t num_candidates, float significance) {
  const std::size_t num_rows = padded(2 + num_candidates);
  seen_.resize(num_chunks_ * num_rows * num_rows);
  exact_.resize(4 * num_chunks_ * (1 + kPromising));
  Gain gain{0, 0};
  Form form{};
  bool is_better = false;
  team_.run([&](std::size_t member) {
    std::vector<Word> scratch;
    std::vector<std::int8_t> bytes((2 * num_rows + 1) * 64 * kChunk);
    const auto each = [&](auto work) {
      for (std::size_t chunk = member; chunk < num_chunks_; chunk += team_.size()) work(chunk);
      team_.meet();
    };
    for (std::size_t visit = 0; visit < num_visits; ++visit) {
      if (visit % kRecount == 0) each([&](std::size_t chunk) { count_votes(chunk); });
      const Node node = order[visit];
      const Node* others = candidates + 2 * num_candidates * visit;
      if (member == 0) find_cone(node);
      team_.meet();
      if (votes_.empty()) {
        team_.meet();  // before the first member goes on to the next cone
        continue;
      }
      scratch.resize(2 * cone_.size() * kChunk);
      each([&](std::size_t chunk) {
        measure(chunk, node, others, num_candidates, scratch.data(), bytes.data());
      });
      if (member == 0) find_pairs(node, others, num_candidates);
      team_.meet();
      each([&](std::size_t chunk) { add_up_pairs(chunk); });
      if (member == 0) {
        form = choose(node);
        const std::size_t gate = static_cast<std::size_t>(node) - first_gate_;
        is_better = form.a != fanin_[2 * gate] || form.b != fanin_[2 * gate + 1] ||
                    form.table != table_[gate];
      }
      team_.meet();
      if (!is_better) continue;
      each([&](std::size_t chunk) { weigh(chunk, node, form); });
      if (member == 0) {
        const double fall = std::accumulate(falls_.begin(), falls_.end(), 0.0);
        const double square = std::accumulate(squares_.begin(), squares_.end(), 0.0);
        is_better = fall > static_cast<double>(significance) * std::sqrt(square);
        if (is_better) {
          rewire(node, form);
          gain = {gain.num_changed + 1, gain.loss + fall};
        }
      }
      team_.meet();
      if (is_better) each([&](std::size_t chunk) { replace(chunk, form); });
    }
  });
  return gain;
}

}  // namespace gatewright
