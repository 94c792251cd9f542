// The Python face of walks, of the rows they are over and of bypasses: checks shapes, validates,
// releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <string>
#include <vector>

#include "binding.hpp"
#include "bypass.hpp"
#include "reachable.hpp"
#include "walk.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using gatewright::Bypass;
using gatewright::Reachable;
using gatewright::Walk;
using gatewright::binding::array;
using gatewright::binding::Fanin;
using gatewright::binding::matrix;
using gatewright::binding::Outputs;
using gatewright::binding::refuse;
using gatewright::binding::Table;
using gatewright::binding::Words;

nb::tuple walk(const Words& rows, const Fanin& fanin, const Table& table, const Outputs& outputs,
               std::size_t kicks, std::size_t moves, std::uint64_t seed, int and_cost,
               int xor_cost) {
  const auto circuit =
      gatewright::binding::view(static_cast<std::int64_t>(rows.shape(0)), fanin, table, outputs);
  gatewright::validate(circuit);
  Walk found(circuit, rows.data(), rows.shape(1), {and_cost, xor_cost}, seed);
  {
    nb::gil_scoped_release release;
    found.advance(kicks, moves);
  }
  return nb::make_tuple(matrix(found.fanin(), 2), array(found.table()), array(found.outputs()));
}

nb::tuple bypass(std::int64_t num_inputs, const Fanin& fanin, const Table& table,
                 const Outputs& outputs, std::size_t longest) {
  const auto circuit = gatewright::binding::view(num_inputs, fanin, table, outputs);
  gatewright::validate(circuit);
  for (std::size_t gate = 0; gate < circuit.num_gates; ++gate) {
    const unsigned kind = circuit.table[gate];
    if (kind != 2 && kind != 4 && kind != 6 && kind != 8 && kind != 14) {
      refuse("gate " + std::to_string(gate) + " has table " + std::to_string(kind) +
             ", which is not one that Builder makes");
    }
  }
  if (longest < 1 || longest > Bypass::kLongest) {
    refuse("longest is " + std::to_string(longest) + ", not from 1 to " +
           std::to_string(Bypass::kLongest));
  }
  const auto found = [&] {
    nb::gil_scoped_release release;
    return Bypass(circuit, longest);
  }();
  return nb::make_tuple(matrix(found.fanin(), 2), array(found.table()), array(found.outputs()));
}

void make(Reachable* self, std::int64_t num_inputs, const Fanin& fanin, const Table& table) {
  const auto circuit = gatewright::binding::view(num_inputs, fanin, table, nullptr, 0);
  gatewright::validate(circuit);
  new (self) Reachable(circuit);
}

nb::ndarray<std::uint64_t, nb::numpy, nb::ndim<2>> rows(Reachable& self,
                                                        const std::vector<std::int32_t>& nodes,
                                                        std::size_t most) {
  if (nodes.size() > Reachable::kMaxSources || most > Reachable::kMaxSources) {
    refuse("at most " + std::to_string(Reachable::kMaxSources) + " nodes and sources");
  }
  for (const std::int32_t node : nodes) {
    if (node < 1 || static_cast<std::size_t>(node) >= self.num_nodes()) {
      refuse("no input or gate is node " + std::to_string(node));
    }
  }
  const std::vector<std::uint32_t> codes = self.codes(nodes, most);
  const std::size_t num_words = codes.size() / 64;
  std::vector<std::uint64_t> words(nodes.size() * num_words);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (std::size_t row = 0; row < codes.size(); ++row) {
      words[i * num_words + row / 64] |= std::uint64_t{codes[row] >> i & 1} << row % 64;
    }
  }
  return matrix(words, num_words);
}

}  // namespace

void bind_walk(nb::module_& module) {
  nb::class_<Reachable>(module, "Reachable")
      .def("__init__", &make, "num_inputs"_a, "fanin"_a.noconvert(), "table"_a.noconvert())
      .def("rows", &rows, "nodes"_a, "most"_a);
  module.def("bypass", &bypass, "num_inputs"_a, "fanin"_a.noconvert(), "table"_a.noconvert(),
             "outputs"_a.noconvert(), "longest"_a,
             "A circuit of fewer levels: chains of gates bypassed.");
  module.def("walk", &walk, "rows"_a.noconvert(), "fanin"_a.noconvert(), "table"_a.noconvert(),
             "outputs"_a.noconvert(), "kicks"_a, "moves"_a, "seed"_a, "and_cost"_a, "xor_cost"_a,
             "Another circuit that gives the same on these rows.");
}
