// The Python face of what works on cuts, the mapping to tables and the choice of cones: checks
// shapes, validates, releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <string>
#include <vector>

#include "binding.hpp"
#include "cones.hpp"
#include "mapping.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using gatewright::Cones;
using gatewright::Mapping;
using gatewright::binding::array;
using gatewright::binding::Fanin;
using gatewright::binding::Outputs;
using gatewright::binding::refuse;
using gatewright::binding::Table;

nb::tuple cover(std::int64_t num_inputs, const Fanin& fanin, const Table& table,
                const Outputs& outputs, std::size_t k, std::size_t max_cuts, std::size_t rounds) {
  if (k < 2 || k > Mapping::kMostInputs || max_cuts < 1) {
    refuse("tables have from 2 to " + std::to_string(Mapping::kMostInputs) + " inputs, not " +
           std::to_string(k) + ", and gates one cut at least");
  }
  const auto circuit = gatewright::binding::view(num_inputs, fanin, table, outputs);
  gatewright::validate(circuit);
  std::vector<std::int32_t> nodes, sizes, leaves;
  {
    nb::gil_scoped_release release;
    Mapping mapping(circuit, k, max_cuts);
    mapping.choose(false);
    for (std::size_t round = 0; round < rounds; ++round) {
      const std::size_t before = mapping.size();
      mapping.choose(true);
      if (mapping.size() == before) break;
    }
    for (std::size_t node = mapping.first_gate(); node < mapping.num_nodes(); ++node) {
      if (!mapping.is_table(node)) continue;
      const std::size_t begin = leaves.size();
      mapping.leaves(node, leaves);
      nodes.push_back(static_cast<std::int32_t>(node));
      sizes.push_back(static_cast<std::int32_t>(leaves.size() - begin));
    }
  }
  return nb::make_tuple(array(nodes), array(sizes), array(leaves));
}

using GateCosts = gatewright::binding::Input<std::uint8_t, nb::shape<16>>;
using FunctionCosts = gatewright::binding::Input<std::int16_t, nb::shape<-1>>;

nb::tuple cones(std::int64_t num_inputs, const Fanin& fanin, const Table& table,
                const Outputs& outputs, const GateCosts& of_gate, const FunctionCosts& of_function,
                std::size_t max_leaves, std::size_t max_cuts) {
  if (max_leaves > Cones::kMostLeaves) {
    refuse("cuts have up to " + std::to_string(Cones::kMostLeaves) + " leaves, not " +
           std::to_string(max_leaves));
  }
  if (of_function.shape(0) != std::size_t{1} << (1U << max_leaves)) {
    refuse("of_function has " + std::to_string(of_function.shape(0)) +
           " entries: give one for each function of " + std::to_string(max_leaves) + " variables");
  }
  const auto circuit = gatewright::binding::view(num_inputs, fanin, table, outputs);
  gatewright::validate(circuit);
  std::vector<std::int32_t> nodes, sizes, leaves, tables;
  {
    nb::gil_scoped_release release;
    Cones found(circuit, max_leaves, max_cuts);
    for (const Cones::Cone& cone : found.choose({of_gate.data(), of_function.data()})) {
      nodes.push_back(cone.node);
      sizes.push_back(static_cast<std::int32_t>(cone.size));
      leaves.insert(leaves.end(), cone.leaf, cone.leaf + cone.size);
      tables.push_back(static_cast<std::int32_t>(cone.table));
    }
  }
  return nb::make_tuple(array(nodes), array(sizes), array(leaves), array(tables));
}

}  // namespace

void bind_mapping(nb::module_& module) {
  module.def("cover", &cover, "num_inputs"_a, "fanin"_a.noconvert(), "table"_a.noconvert(),
             "outputs"_a.noconvert(), "k"_a, "max_cuts"_a, "rounds"_a,
             "Gates that become tables, how many leaves each reads, and these.");
  module.def("cones", &cones, "num_inputs"_a, "fanin"_a.noconvert(), "table"_a.noconvert(),
             "outputs"_a.noconvert(), "of_gate"_a.noconvert(), "of_function"_a.noconvert(),
             "max_leaves"_a, "max_cuts"_a,
             "Gates that cost less made anew, how many leaves each has, these, and its function.");
}
