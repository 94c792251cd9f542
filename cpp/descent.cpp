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
constexpr std::size_t kChunk = 64;

// Less than the greatest of a sample a score does not count: exponentials of 0 could not grow.
constexpr float kLeastScore = -80;

// A mean of differences that is smaller may be rounding alone.
constexpr double kNothing = 2.5e-7;

}  // namespace

Descent::Descent(const CircuitView& circuit, const Word* words, const Votes& votes,
                 std::size_t num_threads)
    : num_classes_(votes.num_classes),
      num_words_(votes.num_words),
      num_chunks_((votes.num_words + kChunk - 1) / kChunk),
      first_gate_(1 + circuit.num_inputs),
      factor_(std::exp(1 / votes.tau)),
      share_(1 / votes.tau),
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
      team_(num_threads) {
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
  const std::size_t group_size = outputs_.size() / num_classes_, num_samples = 64 * num_words;
  std::vector<float> counts(num_classes_ * num_samples);
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    count(value(outputs_[i] / 2) + begin, mask(outputs_[i]), num_words,
          &counts[i / group_size * num_samples]);
  }
  for (std::size_t sample = 0; sample < num_samples; ++sample) {
    float most = 0;
    for (std::size_t c = 0; c < num_classes_; ++c) {
      most = std::max(most, counts[c * num_samples + sample]);
    }
    float total = 0;
    for (std::size_t c = 0; c < num_classes_; ++c) {
      const float score = (counts[c * num_samples + sample] - most) * share_;
      const float power = std::exp(std::max(score, kLeastScore));
      exponentials_[c * sums_.size() + 64 * begin + sample] = power;
      total += power;
    }
    sums_[64 * begin + sample] = total;
  }
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
  const std::size_t group_size = outputs_.size() / num_classes_;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto index = static_cast<std::size_t>(nodes[i]);
    place_[index] = static_cast<int>(i);
    const Node a = fanin_[2 * (index - first_gate_)], b = fanin_[2 * (index - first_gate_) + 1];
    cone_.push_back({nodes[i],
                     {a, b},
                     {place_[static_cast<std::size_t>(a)], place_[static_cast<std::size_t>(b)]},
                     table_[index - first_gate_]});
    for (const std::size_t output : votes_of_[index]) {
      votes_.push_back({i, output / group_size, (outputs_[output] & 1) != 0});
    }
  }
  std::stable_sort(votes_.begin(), votes_.end(),
                   [](const Vote& x, const Vote& y) { return x.group < y.group; });
}

// Of a chunk: the differences, and their sums for every pair of operands.
void Descent::measure(std::size_t chunk, Node node, const Node* candidates,
                      std::size_t num_candidates, Word* scratch) {
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

  PairSums* seen = &seen_[chunk * (1 + 2 * num_candidates)];
  const float* differences = &differences_[64 * begin];
  const std::size_t gate = static_cast<std::size_t>(node) - first_gate_;
  const Word *a = value(fanin_[2 * gate]) + begin, *b = value(fanin_[2 * gate + 1]) + begin;
  const auto add = [&](const Word* x, const Word* y, double* of_both, double* of_first) {
    add_up(differences, x, y, num_words, of_both, of_first);
  };
  PairSums now{};  // `on` begins with the gate's own: all ones
  add(a, b, &now.pair, &now.first);
  add(b, on, &now.second, &now.second);
  add(on, on, &now.all, &now.all);
  seen[0] = now;
  for (std::size_t k = 0; k < num_candidates; ++k) {
    PairSums& first = seen[1 + k] = {0, 0, now.second, now.all};
    add(value(candidates[k]) + begin, b, &first.pair, &first.first);
    PairSums& second = seen[1 + num_candidates + k] = {0, now.first, 0, now.all};
    add(value(candidates[num_candidates + k]) + begin, a, &second.pair, &second.second);
  }
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
    const std::size_t group = votes_[i].group;
    said.clear();
    for (; i < votes_.size() && votes_[i].group == group; ++i) {
      const std::size_t member = votes_[i].member;
      said.push_back({value(cone_[member].node) + begin, off + member * kChunk,
                      on + member * kChunk, votes_[i].is_inverted ? ~Word{0} : Word{0}});
    }
    add_votes(said.data(), said.size(), num_words, factor_, share_,
              &is_right_[group * num_words_ + begin], &exponentials_[group * sums_.size() + first],
              sums_off, sums_on, rises);
  }
  subtract(sums_off, sums_on, rises, &weights_[first], 64 * num_words, &differences_[first]);
}

Descent::Form Descent::choose(Node node, const Node* candidates, std::size_t num_candidates) const {
  const std::size_t num_pairs = 1 + 2 * num_candidates;
  const std::size_t gate = static_cast<std::size_t>(node) - first_gate_;
  const Node a = fanin_[2 * gate], b = fanin_[2 * gate + 1];
  Form best{a, b, table_[gate], 0};
  for (std::size_t i = 0; i < num_pairs; ++i) {
    const Node x = i > 0 && i <= num_candidates ? candidates[i - 1] : a;
    const Node y = i > num_candidates ? candidates[i - 1] : b;
    if (i > 0 && x == y) continue;
    PairSums total{};
    for (std::size_t chunk = 0; chunk < num_chunks_; ++chunk) {
      const PairSums& seen = seen_[chunk * num_pairs + i];
      total.pair += seen.pair;
      total.first += seen.first;
      total.second += seen.second;
      total.all += seen.all;
    }
    const double by_row[] = {total.all - total.first - total.second + total.pair,
                             total.first - total.pair, total.second - total.pair, total.pair};
    if (i == 0) {
      for (unsigned row = 0; row < 4; ++row) best.cost += (best.table >> row & 1) * by_row[row];
    }
    Form form{x, y, 0, 0};
    for (unsigned row = 0; row < 4; ++row) {
      if (by_row[row] > -nothing_) continue;
      form.table = static_cast<std::uint8_t>(form.table | 1U << row);
      form.cost += by_row[row];
    }
    if (form.cost < best.cost - nothing_) best = form;
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
  const std::size_t group_size = outputs_.size() / num_classes_;
  Word then[kChunk];
  for (std::size_t i = 0; i < cone_.size(); ++i) {
    const Member& member = cone_[i];
    const Node a = i == 0 ? form.a : member.operands[0], b = i == 0 ? form.b : member.operands[1];
    apply_table(i == 0 ? form.table : member.table, value(a) + begin, value(b) + begin, then,
                num_words);
    Word* now = value(member.node) + begin;
    for (const std::size_t output : votes_of_[static_cast<std::size_t>(member.node)]) {
      float* of_class = &exponentials_[output / group_size * sums_.size() + 64 * begin];
      for (std::size_t word = 0; word < num_words; ++word) {
        const Word says = then[word] ^ mask(outputs_[output]);
        for (Word left = then[word] ^ now[word]; left != 0; left &= left - 1) {
          const auto bit = static_cast<std::size_t>(std::countr_zero(left));
          float& power = of_class[64 * word + bit];
          const float before = power;
          power *= (says >> bit & 1) != 0 ? factor_ : 1 / factor_;
          sums_[64 * (begin + word) + bit] += power - before;
        }
      }
    }
    std::copy_n(then, num_words, now);
  }
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
  seen_.resize(num_chunks_ * (1 + 2 * num_candidates));
  Gain gain{0, 0};
  Form form{};
  bool is_better = false;
  team_.run([&](std::size_t member) {
    std::vector<Word> scratch;
    const auto each = [&](auto work) {
      for (std::size_t chunk = member; chunk < num_chunks_; chunk += team_.size()) work(chunk);
      team_.meet();
    };
    each([&](std::size_t chunk) { count_votes(chunk); });  // anew, so that rounding does not add up
    for (std::size_t visit = 0; visit < num_visits; ++visit) {
      const Node node = order[visit];
      const Node* others = candidates + 2 * num_candidates * visit;
      if (member == 0) find_cone(node);
      team_.meet();
      if (votes_.empty()) {
        team_.meet();  // before the first member goes on to the next cone
        continue;
      }
      scratch.resize(2 * cone_.size() * kChunk);
      each(
          [&](std::size_t chunk) { measure(chunk, node, others, num_candidates, scratch.data()); });
      if (member == 0) {
        form = choose(node, others, num_candidates);
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
