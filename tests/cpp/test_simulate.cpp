// Simulates every circuit of a text file: argv[1] in, argv[2] out. tests/test_native.py compiles it
// with sanitizers and compares. A circuit is the numbers of inputs, gates, outputs and words, then
// fanin, table, outputs and words; the answer is a line for each output, then for each node, of
// words in decimal, or the line "invalid: MESSAGE".

#include <cstdint>
#include <fstream>
#include <vector>

#include "simulate.hpp"

namespace {

template <typename T>
std::vector<T> read(std::istream& in, std::size_t count) {
  std::vector<T> values;
  for (std::size_t i = 0; i < count; ++i) {
    std::int64_t signed_value = 0;
    std::uint64_t value = 0;
    if constexpr (sizeof(T) == sizeof(value)) {
      in >> value;
    } else {
      in >> signed_value;
      value = static_cast<std::uint64_t>(signed_value);
    }
    values.push_back(static_cast<T>(value));
  }
  return values;
}

void write(std::ostream& out, const std::vector<std::uint64_t>& rows, std::size_t num_rows) {
  const std::size_t num_words = num_rows == 0 ? 0 : rows.size() / num_rows;
  for (std::size_t row = 0; row < num_rows; ++row) {
    for (std::size_t word = 0; word < num_words; ++word) out << rows[row * num_words + word] << ' ';
    out << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ifstream in(argv[1]);
  std::ofstream out(argv[2]);
  std::size_t num_inputs = 0;
  std::size_t num_gates = 0;
  std::size_t num_outputs = 0;
  std::size_t num_words = 0;
  while (in >> num_inputs >> num_gates >> num_outputs >> num_words) {
    const auto fanin = read<std::int32_t>(in, 2 * num_gates);
    const auto table = read<std::uint8_t>(in, num_gates);
    const auto outputs = read<std::int32_t>(in, num_outputs);
    const auto words = read<std::uint64_t>(in, num_inputs * num_words);
    const gatewright::CircuitView circuit{num_inputs,   num_gates,    num_outputs,
                                          fanin.data(), table.data(), outputs.data()};
    try {
      gatewright::validate(circuit);
    } catch (const gatewright::InvalidCircuit& error) {
      out << "invalid: " << error.what() << '\n';
      continue;
    }
    // Exactly as large as the result, so that a write past its end is caught.
    std::vector<std::uint64_t> values(num_outputs * num_words);
    gatewright::simulate(circuit, num_words, words.data(), values.data());
    write(out, values, num_outputs);
    std::vector<std::uint64_t> nodes(circuit.num_nodes() * num_words);
    gatewright::simulate_nodes(circuit, num_words, words.data(), nodes.data());
    write(out, nodes, circuit.num_nodes());
  }
  return out.good() && in.eof() ? 0 : 1;
}
