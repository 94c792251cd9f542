// Sweeps random circuits of five inputs, both sides of a miter alike, with few samples, so that
// gates of one class often differ. Whatever is merged must have the same truth table.
// tests/test_sweeping.py compiles it with sanitizers.

#include <cstdint>
#include <cstdio>
#include <iterator>
#include <random>
#include <vector>

#include "sweeping.hpp"

namespace {

constexpr std::size_t kInputs = 5;
constexpr std::uint32_t kVariables[kInputs] = {0xAAAAAAAA, 0xCCCCCCCC, 0xF0F0F0F0, 0xFF00FF00,
                                               0xFFFF0000};
constexpr std::uint8_t kKinds[] = {0x2, 0x4, 0x6, 0x8, 0xE};

std::uint32_t evaluate(std::uint8_t table, std::uint32_t a, std::uint32_t b) {
  std::uint32_t value = 0;
  if ((table & 2) != 0) value |= a & ~b;
  if ((table & 4) != 0) value |= ~a & b;
  if ((table & 8) != 0) value |= a & b;
  return value;
}

bool is_right(std::mt19937& random) {
  const std::size_t num_gates = random() % 60;
  std::vector<std::int32_t> fanin;
  std::vector<std::uint8_t> table;
  std::vector<std::uint32_t> truth{0};
  truth.insert(truth.end(), std::begin(kVariables), std::end(kVariables));
  for (std::size_t gate = 0; gate < num_gates; ++gate) {
    const auto a = random() % truth.size();
    const auto b = random() % truth.size();
    fanin.insert(fanin.end(), {static_cast<std::int32_t>(a), static_cast<std::int32_t>(b)});
    table.push_back(kKinds[random() % 5]);
    truth.push_back(evaluate(table.back(), truth[a], truth[b]));
  }
  const auto last = static_cast<std::int32_t>(2 * (kInputs + num_gates));
  const std::vector<std::int32_t> outputs{last, last};
  gatewright::Sweeping sweeping(
      {kInputs, num_gates, outputs.size(), fanin.data(), table.data(), outputs.data()});
  sweeping.limit(random() % 40, random() % 20);
  const std::size_t num_words = 1 + random() % 10;
  std::vector<std::uint64_t> words(kInputs * num_words);
  for (auto& word : words) word = random() & 7;
  if (sweeping.sample(num_words, words.data()) >= 0) return false;
  while (!sweeping.is_done()) {
    if (sweeping.advance(random() % 8 != 0, random() % 2 != 0, random() % 5)) {
      sweeping.answer(false);
    }
  }
  std::vector<std::uint32_t> grown(truth.begin(), truth.begin() + 1 + kInputs);
  for (const auto& gate : sweeping.gates()) {
    grown.push_back(evaluate(gate.table, grown[static_cast<std::size_t>(gate.a)],
                             grown[static_cast<std::size_t>(gate.b)]));
  }
  for (std::size_t node = 0; node < truth.size(); ++node) {
    if (grown[static_cast<std::size_t>(sweeping.merged()[node])] != truth[node]) return false;
  }
  return true;
}

}  // namespace

int main() {
  std::mt19937 random(0);
  int wrong = 0;
  for (int n = 0; n < 2000; ++n) wrong += is_right(random) ? 0 : 1;
  std::printf("2000 circuits, %d wrong\n", wrong);
  return wrong == 0 ? 0 : 1;
}
