// Bit-parallel simulation of a circuit of two-input gates. Knows nothing of Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace gatewright {

// A circuit as flat arrays that the caller keeps alive.
//
// Node 0 is constant false, nodes 1..num_inputs are the inputs, node 1 + num_inputs + g is gate g.
// Gate g reads nodes fanin[2g] = a and fanin[2g + 1] = b, both below its own node; bit a + 2b of
// table[g] is its value. An output is a literal: 2 * node + (1 if inverted).
struct CircuitView {
  std::size_t num_inputs;
  std::size_t num_gates;
  std::size_t num_outputs;
  const std::int32_t* fanin;
  const std::uint8_t* table;
  const std::int32_t* outputs;

  [[nodiscard]] std::size_t num_nodes() const { return 1 + num_inputs + num_gates; }
};

// Thrown by validate: names the gate or output, and the entry, at fault.
struct InvalidCircuit : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// Throws InvalidCircuit unless every table is below 16, every fan-in below its gate's own node and
// every output literal in range. The functions below rely on it.
void validate(const CircuitView& circuit);

// Writes result[num_outputs][num_words] from words[num_inputs][num_words], a block of words at a
// time, so that the values of all nodes of the block stay in cache. The circuit must be valid.
void simulate(const CircuitView& circuit, std::size_t num_words, const std::uint64_t* words,
              std::uint64_t* result);

// Writes the values of all nodes, result[num_nodes][num_words]. The circuit must be valid.
void simulate_nodes(const CircuitView& circuit, std::size_t num_words, const std::uint64_t* words,
                    std::uint64_t* result);

// The widest instruction set that this build can use on this machine: "AVX-512", "AVX2",
// "NEON" or "portable".
[[nodiscard]] const char* instruction_set();

}  // namespace gatewright
