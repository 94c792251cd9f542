// Covers random circuits, some of them with dead gates and constants. A cover must reach every
// output, its tables must read inputs and tables, and no round of exact area may take more tables.
// tests/test_passes_mapping.py compiles it with sanitizers.

#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "mapping.hpp"
#include "random_circuit.hpp"
#include "simulate.hpp"

namespace {

bool is_cover(const gatewright::Mapping& mapping, const std::vector<std::int32_t>& outputs,
              std::size_t k) {
  std::vector<bool> is_made(mapping.num_nodes());
  for (std::size_t node = 0; node < mapping.first_gate(); ++node) is_made[node] = true;
  for (std::size_t node = mapping.first_gate(); node < mapping.num_nodes(); ++node) {
    if (!mapping.is_table(node)) continue;
    std::vector<std::int32_t> leaves;
    mapping.leaves(node, leaves);
    if (leaves.size() > k) return false;
    for (const std::int32_t leaf : leaves) {
      if (!is_made[static_cast<std::size_t>(leaf)]) return false;
    }
    is_made[node] = true;
  }
  for (const std::int32_t literal : outputs) {
    if (!is_made[static_cast<std::size_t>(literal) / 2]) return false;
  }
  return true;
}

bool is_right(std::mt19937& random) {
  const std::size_t num_inputs = 1 + random() % 8, num_gates = random() % 80;
  const std::size_t k = 2 + random() % 5;
  const RandomCircuit drawn(random, num_inputs, num_gates, 4);
  const gatewright::CircuitView circuit = drawn.view();
  gatewright::validate(circuit);
  gatewright::Mapping mapping(circuit, k, 1 + random() % 8);
  mapping.choose(false);
  for (int round = 0; round < 3; ++round) {
    const std::size_t before = mapping.size();
    if (!is_cover(mapping, drawn.outputs, k)) return false;
    mapping.choose(true);
    if (mapping.size() > before) return false;
  }
  return is_cover(mapping, drawn.outputs, k);
}

}  // namespace

int main() {
  std::mt19937 random(1);
  int wrong = 0;
  for (int n = 0; n < 300; ++n) wrong += !is_right(random);
  std::printf("300 circuits, %d wrong\n", wrong);
  return wrong != 0;
}
