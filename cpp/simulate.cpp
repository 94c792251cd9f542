#include "simulate.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "multiversion.hpp"

namespace gatewright {
namespace {

using Word = std::uint64_t;

// A vector of 512 bits in the language that GCC and Clang share: each clone lowers it to the widest
// registers it has.
using Vector [[gnu::vector_size(64)]] = Word;

// The values of one node: 1024 bits, so that what a gate costs beyond its logic is paid once for
// two vectors. Aligned by hand: without AVX-512 GCC aligns a Vector for the registers it has.
constexpr std::size_t kVectors = 2;
constexpr std::size_t kBlock = kVectors * sizeof(Vector) / sizeof(Word);
struct alignas(sizeof(Vector)) Block {
  Vector vectors[kVectors];
};

// A gate's algebraic normal form, f(x, y) = one ^ (a & x) ^ (b & y) ^ (ab & x & y): the Moebius
// transform of its truth table, each coefficient all ones or all zeros.
struct Polynomial {
  Word one, a, b, ab;
};

constexpr std::array<Polynomial, 16> kPolynomials = [] {
  std::array<Polynomial, 16> polynomials{};
  for (Word table = 0; table < 16; ++table) {
    const auto all = [table](Word rows) {
      return std::popcount(table & rows) % 2 == 0 ? Word{0} : ~Word{0};
    };
    polynomials[table] = {all(1), all(1 | 2), all(1 | 4), all(1 | 2 | 4 | 8)};
  }
  return polynomials;
}();

// Evaluates all gates on one block; the nodes below first_gate are filled in. The polynomial costs
// fewer cycles than a branch on the kind of gate, which is mispredicted.
GATEWRIGHT_MULTIVERSION
void evaluate_gates(const std::int32_t* fanin, const std::uint8_t* table, std::size_t num_gates,
                    std::size_t first_gate, Block* nodes) {
  for (std::size_t gate = 0; gate < num_gates; ++gate) {
    const Polynomial f = kPolynomials[table[gate]];
    const Block& a = nodes[fanin[2 * gate]];
    const Block& b = nodes[fanin[2 * gate + 1]];
    Block& out = nodes[first_gate + gate];
    for (std::size_t k = 0; k < kVectors; ++k) {
      out.vectors[k] =
          (f.one ^ (f.b & b.vectors[k])) ^ (a.vectors[k] & (f.a ^ (f.ab & b.vectors[k])));
    }
  }
}

// Calls finish(first word, number of words, blocks of all nodes) for each block of words.
template <typename Finish>
void for_each_block(const CircuitView& circuit, std::size_t num_words, const Word* words,
                    Finish finish) {
  const std::size_t num_inputs = circuit.num_inputs;
  // Zeroed, so that node 0 is false and the unused end of the last block is defined.
  std::vector<Block> nodes(circuit.num_nodes());
  for (std::size_t first = 0; first < num_words; first += kBlock) {
    const std::size_t count = std::min(kBlock, num_words - first);
    for (std::size_t i = 0; i < num_inputs; ++i) {
      std::memcpy(&nodes[1 + i], words + i * num_words + first, count * sizeof(Word));
    }
    evaluate_gates(circuit.fanin, circuit.table, circuit.num_gates, 1 + num_inputs, nodes.data());
    finish(first, count, nodes.data());
  }
}

}  // namespace

void validate(const CircuitView& circuit) {
  for (std::size_t gate = 0; gate < circuit.num_gates; ++gate) {
    const auto fail = [gate](const std::string& what) {
      throw InvalidCircuit("gate " + std::to_string(gate) + ": " + what);
    };
    if (circuit.table[gate] > 15) {
      fail("table[" + std::to_string(gate) + "] is " + std::to_string(circuit.table[gate]) +
           ", not in 0..15");
    }
    const std::size_t node = 1 + circuit.num_inputs + gate;
    for (std::size_t side = 0; side < 2; ++side) {
      const std::int32_t source = circuit.fanin[2 * gate + side];
      if (source < 0 || static_cast<std::size_t>(source) >= node) {
        fail("fanin[" + std::to_string(gate) + ", " + std::to_string(side) + "] is node " +
             std::to_string(source) + ", not below the gate's own node " + std::to_string(node));
      }
    }
  }
  const std::size_t num_literals = 2 * circuit.num_nodes();
  for (std::size_t k = 0; k < circuit.num_outputs; ++k) {
    const std::int32_t literal = circuit.outputs[k];
    if (literal < 0 || static_cast<std::size_t>(literal) >= num_literals) {
      throw InvalidCircuit("output " + std::to_string(k) + ": outputs[" + std::to_string(k) +
                           "] is literal " + std::to_string(literal) + ", not in 0.." +
                           std::to_string(num_literals - 1));
    }
  }
}

void simulate(const CircuitView& circuit, std::size_t num_words, const Word* words, Word* result) {
  for_each_block(circuit, num_words, words,
                 [&](std::size_t first, std::size_t count, const Block* nodes) {
                   for (std::size_t k = 0; k < circuit.num_outputs; ++k) {
                     const auto literal = static_cast<std::size_t>(circuit.outputs[k]);
                     const Block& node = nodes[literal >> 1];
                     Word* out = result + k * num_words + first;
                     std::memcpy(out, &node, count * sizeof(Word));
                     if ((literal & 1) != 0) {
                       for (std::size_t j = 0; j < count; ++j) out[j] = ~out[j];
                     }
                   }
                 });
}

void simulate_nodes(const CircuitView& circuit, std::size_t num_words, const Word* words,
                    Word* result) {
  for_each_block(
      circuit, num_words, words, [&](std::size_t first, std::size_t count, const Block* nodes) {
        for (std::size_t node = 0; node < circuit.num_nodes(); ++node) {
          std::memcpy(result + node * num_words + first, &nodes[node], count * sizeof(Word));
        }
      });
}

const char* instruction_set() {
#if GATEWRIGHT_IS_MULTIVERSION
  if (__builtin_cpu_supports("avx512f")) return "AVX-512";
  if (__builtin_cpu_supports("avx2")) return "AVX2";
#elif defined(__ARM_NEON)
  return "NEON";
#endif
  return "portable";
}

}  // namespace gatewright
