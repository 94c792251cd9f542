// Walks random circuits of seven inputs, two words a table, some of them with dead gates and
// constants, every fourth so large that not all nodes are divisors. What comes out must have the
// same truth tables, and no more gates than kicks cost. What occurs on nodes must be reachable.
// Chains that are bypassed must give the same, in as many levels or fewer.
// tests/test_walking.py compiles it with sanitizers.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "bypass.hpp"
#include "random_circuit.hpp"
#include "reachable.hpp"
#include "simulate.hpp"
#include "walk.hpp"

namespace {

constexpr std::size_t kInputs = 7;
constexpr std::size_t kWords = 2;

std::vector<std::uint64_t> all_rows() {
  std::vector<std::uint64_t> words(kInputs * kWords);
  for (std::size_t row = 0; row < 64 * kWords; ++row) {
    for (std::size_t i = 0; i < kInputs; ++i) {
      words[i * kWords + row / 64] |= std::uint64_t{row >> i & 1} << (row % 64);
    }
  }
  return words;
}

std::vector<std::uint64_t> truth(const gatewright::CircuitView& circuit) {
  std::vector<std::uint64_t> result(circuit.num_outputs * kWords);
  gatewright::simulate(circuit, kWords, all_rows().data(), result.data());
  return result;
}

// Whether all combinations that occur on three gates are among those that may.
bool is_reached(const gatewright::CircuitView& circuit, std::mt19937& random) {
  if (circuit.num_gates < 8) return true;
  std::vector<std::int32_t> nodes, outputs;
  for (std::size_t n = 0; n < 3; ++n) {
    const std::size_t gate = n * circuit.num_gates / 3 + random() % (circuit.num_gates / 3);
    nodes.push_back(static_cast<std::int32_t>(1 + kInputs + gate));
    outputs.push_back(2 * nodes.back());
  }
  const auto values = truth(
      {kInputs, circuit.num_gates, outputs.size(), circuit.fanin, circuit.table, outputs.data()});
  gatewright::Reachable reachable(circuit);
  for (const std::size_t most : {std::size_t{3}, std::size_t{5}, std::size_t{12}}) {
    const auto codes = reachable.codes(nodes, most);
    for (std::size_t row = 0; row < 64 * kWords; ++row) {
      std::uint32_t code = 0;
      for (std::size_t n = 0; n < nodes.size(); ++n) {
        const auto bit = values[n * kWords + row / 64] >> row % 64 & 1;
        code |= static_cast<std::uint32_t>(bit) << n;
      }
      if (std::find(codes.begin(), codes.end(), code) == codes.end()) return false;
    }
  }
  return true;
}

bool is_right(std::mt19937& random) {
  const std::size_t most = random() % 4 == 0 ? 600 : 60;
  const std::size_t num_gates = random() % most, num_outputs = random() % 5;
  const RandomCircuit drawn(random, kInputs, num_gates, num_outputs);
  const gatewright::CircuitView circuit = drawn.view();
  const std::size_t kicks = random() % 4;
  const gatewright::GateCosts costs{static_cast<int>(random() % 3), static_cast<int>(random() % 3)};
  gatewright::Walk walk(circuit, all_rows().data(), kWords, costs, random());
  walk.advance(kicks, 50);
  const gatewright::CircuitView after{kInputs,
                                      walk.table().size(),
                                      walk.outputs().size(),
                                      walk.fanin().data(),
                                      walk.table().data(),
                                      walk.outputs().data()};
  gatewright::validate(after);
  const auto cost = [&](const std::vector<std::uint8_t>& tables) {
    int sum = 0;
    for (const std::uint8_t gate : tables) sum += std::popcount(gate) % 2 ? costs.land : costs.lxor;
    return sum;
  };
  return cost(walk.table()) <= cost(drawn.table) + static_cast<int>(kicks) * costs.land &&
         truth(circuit) == truth(after) && is_reached(circuit, random);
}

std::int32_t depth(const gatewright::CircuitView& circuit) {
  std::vector<std::int32_t> level(circuit.num_nodes());
  for (std::size_t gate = 0; gate < circuit.num_gates; ++gate) {
    const auto a = static_cast<std::size_t>(circuit.fanin[2 * gate]);
    const auto b = static_cast<std::size_t>(circuit.fanin[2 * gate + 1]);
    level[1 + circuit.num_inputs + gate] = 1 + std::max(level[a], level[b]);
  }
  std::int32_t most = 0;
  for (std::size_t output = 0; output < circuit.num_outputs; ++output) {
    most = std::max(most, level[static_cast<std::size_t>(circuit.outputs[output] >> 1)]);
  }
  return most;
}

// Of gates that mostly read the one before.
bool is_bypassed(std::mt19937& random) {
  constexpr std::uint8_t kTables[5] = {2, 4, 6, 8, 14};
  const std::size_t num_gates = 1 + random() % 200;
  std::vector<std::int32_t> fanin;
  std::vector<std::uint8_t> table;
  for (std::size_t gate = 0; gate < num_gates; ++gate) {
    const std::size_t last = kInputs + gate;
    fanin.push_back(static_cast<std::int32_t>(random() % 8 == 0 ? 1 + random() % last : last));
    fanin.push_back(static_cast<std::int32_t>(random() % (last + 1)));
    table.push_back(kTables[random() % (random() % 2 == 0 ? 5 : 2)]);
  }
  const std::vector<std::int32_t> outputs{
      static_cast<std::int32_t>(2 * (kInputs + num_gates) + random() % 2),
      static_cast<std::int32_t>(random() % (2 * (1 + kInputs + num_gates)))};
  const gatewright::CircuitView circuit{kInputs,      num_gates,    outputs.size(),
                                        fanin.data(), table.data(), outputs.data()};
  const gatewright::Bypass bypass(circuit, std::size_t{1} << random() % 9);
  const gatewright::CircuitView after{kInputs,
                                      bypass.table().size(),
                                      bypass.outputs().size(),
                                      bypass.fanin().data(),
                                      bypass.table().data(),
                                      bypass.outputs().data()};
  gatewright::validate(after);
  return truth(circuit) == truth(after) && depth(after) <= depth(circuit);
}

}  // namespace

int main() {
  std::mt19937 random(1);
  int wrong = 0;
  for (int n = 0; n < 300; ++n) wrong += is_right(random) && is_bypassed(random) ? 0 : 1;
  std::printf("300 circuits, %d wrong\n", wrong);
  return wrong == 0 ? 0 : 1;
}
