// Walks random circuits of seven inputs, two words a table, some of them with dead gates and
// constants. What comes out must have the same truth tables, and no more gates than kicks cost.
// tests/test_walking.py compiles it with sanitizers.

#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "simulate.hpp"
#include "walk.hpp"

namespace {

constexpr std::size_t kInputs = 7;
constexpr std::size_t kWords = 2;

std::vector<std::uint64_t> truth(const gatewright::CircuitView& circuit) {
  std::vector<std::uint64_t> words(kInputs * kWords), result(circuit.num_outputs * kWords);
  for (std::size_t row = 0; row < 64 * kWords; ++row) {
    for (std::size_t i = 0; i < kInputs; ++i) {
      words[i * kWords + row / 64] |= std::uint64_t{row >> i & 1} << (row % 64);
    }
  }
  gatewright::simulate(circuit, kWords, words.data(), result.data());
  return result;
}

bool is_right(std::mt19937& random) {
  const std::size_t num_gates = random() % 60, num_outputs = random() % 5;
  std::vector<std::int32_t> fanin, outputs;
  std::vector<std::uint8_t> table;
  for (std::size_t gate = 0; gate < num_gates; ++gate) {
    for (int side = 0; side < 2; ++side) {
      fanin.push_back(static_cast<std::int32_t>(random() % (1 + kInputs + gate)));
    }
    table.push_back(static_cast<std::uint8_t>(random() % 16));
  }
  for (std::size_t output = 0; output < num_outputs; ++output) {
    outputs.push_back(static_cast<std::int32_t>(random() % (2 * (1 + kInputs + num_gates))));
  }
  const gatewright::CircuitView circuit{kInputs,      num_gates,    num_outputs,
                                        fanin.data(), table.data(), outputs.data()};
  const std::size_t kicks = random() % 4;
  gatewright::Walk walk(circuit, random());
  walk.advance(kicks, 50);
  const gatewright::CircuitView after{kInputs,
                                      walk.table().size(),
                                      walk.outputs().size(),
                                      walk.fanin().data(),
                                      walk.table().data(),
                                      walk.outputs().data()};
  gatewright::validate(after);
  return after.num_gates <= num_gates + kicks && truth(circuit) == truth(after);
}

}  // namespace

int main() {
  std::mt19937 random(1);
  int wrong = 0;
  for (int n = 0; n < 300; ++n) wrong += is_right(random) ? 0 : 1;
  std::printf("300 circuits, %d wrong\n", wrong);
  return wrong == 0 ? 0 : 1;
}
