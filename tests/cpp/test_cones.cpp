// Chooses cones of random circuits, some of them with dead gates and constants. They come from the
// outputs down, their leaves must lie below their roots, and on random inputs the function of these
// must be the root's value.
// tests/test_passes_cones.py compiles it with sanitizers.

#include <array>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "cones.hpp"
#include "random_circuit.hpp"
#include "simulate.hpp"

namespace {

bool is_right(std::mt19937& random) {
  const std::size_t num_inputs = random() % 8, num_gates = random() % 80;
  const std::size_t max_leaves = random() % (gatewright::Cones::kMostLeaves + 1);
  const RandomCircuit drawn(random, num_inputs, num_gates, 4);
  const gatewright::CircuitView circuit = drawn.view();
  gatewright::validate(circuit);
  std::vector<std::uint64_t> words, value(circuit.num_nodes());
  for (std::size_t i = 0; i < num_inputs; ++i) words.push_back(random());
  gatewright::simulate_nodes(circuit, 1, words.data(), value.data());

  std::array<std::uint8_t, 16> of_gate{};
  for (auto& cost : of_gate) cost = static_cast<std::uint8_t>(random() % 3);
  std::vector<std::int16_t> of_function(std::size_t{1} << (1U << max_leaves));
  for (auto& cost : of_function)
    cost = static_cast<std::int16_t>(static_cast<int>(random() % 4) - 1);

  gatewright::Cones cones(circuit, max_leaves, 1 + random() % 8);
  std::size_t last = circuit.num_nodes();
  for (const auto& cone : cones.choose({of_gate.data(), of_function.data()})) {
    const auto node = static_cast<std::size_t>(cone.node);
    if (node >= last || node <= num_inputs || cone.size > max_leaves) return false;
    last = node;
    if (cone.table >= of_function.size() || of_function[cone.table] < 0) return false;
    for (int bit = 0; bit < 64; ++bit) {
      std::size_t row = 0;
      for (std::uint32_t i = 0; i < cone.size; ++i) {
        if (cone.leaf[i] >= cone.node) return false;
        row |= (value[static_cast<std::size_t>(cone.leaf[i])] >> bit & 1) << i;
      }
      if ((cone.table >> row & 1) != (value[node] >> bit & 1)) return false;
    }
  }
  return true;
}

}  // namespace

int main() {
  std::mt19937 random(1);
  int wrong = 0;
  for (int n = 0; n < 500; ++n) wrong += !is_right(random);
  std::printf("500 circuits, %d wrong\n", wrong);
  return wrong != 0;
}
