// The Python face of the automaton: checks shapes, validates, releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "automaton.hpp"
#include "binding.hpp"
#include "buffer.hpp"
#include "neighbourhood.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using gatewright::Automaton;
using gatewright::CompiledColumn;
using gatewright::binding::Fanin;
using gatewright::binding::Input;
using gatewright::binding::Outputs;
using gatewright::binding::refuse;
using gatewright::binding::Table;
using gatewright::binding::view;

namespace {

using Words = Input<std::uint64_t, nb::shape<-1, -1, -1>>;
using Board = nb::ndarray<std::uint64_t, nb::numpy, nb::ndim<3>>;

void make_automaton(Automaton* self, std::size_t planes, const Fanin& row_fanin,
                    const Table& row_table, const Outputs& row_outputs, const Fanin& cells_fanin,
                    const Table& cells_table, const Outputs& cells_outputs,
                    const std::string& backend) {
  if (backend != "jit" && backend != "interpreter") refuse("no back end " + backend);
  if (planes == 0 || planes > 64) refuse("a cell has 1 to 64 planes");
  const std::size_t num_cells = cells_outputs.shape(0) / planes;
  const gatewright::Neighbourhood rule{
      view(static_cast<std::int64_t>(3 * planes), row_fanin, row_table, row_outputs),
      view(static_cast<std::int64_t>((num_cells + 2) * row_outputs.shape(0)), cells_fanin,
           cells_table, cells_outputs),
      planes};
  const nb::gil_scoped_release release;
  gatewright::validate(rule);
  new (self) Automaton(rule, backend == "jit");
}

Board step(const Automaton& automaton, const Words& words, std::size_t width,
           std::size_t generations, std::optional<std::uint64_t> outside, std::size_t num_threads) {
  const gatewright::BoardSize size{width, words.shape(1)};
  if (words.shape(0) != automaton.num_planes() || width == 0 || size.height == 0 ||
      words.shape(2) != size.row_words() || num_threads == 0) {
    refuse(
        "words are [planes, height, ceil(width / 64)] for the rule's planes, and a board has "
        "cells");
  }
  auto* const result = static_cast<std::uint64_t*>(gatewright::allocate_lines(words.nbytes()));
  nb::capsule owner(result, [](void* data) noexcept { std::free(data); });
  {
    const nb::gil_scoped_release release;
    automaton.step(words.data(), size, {!outside.has_value(), outside.value_or(0)}, generations,
                   num_threads, result);
  }
  return Board(result, {words.shape(0), words.shape(1), words.shape(2)}, owner);
}

}  // namespace

void bind_automaton(nb::module_& module) {
  nb::class_<Automaton>(module, "Automaton")
      .def("__init__", &make_automaton, "planes"_a, "row_fanin"_a.noconvert(),
           "row_table"_a.noconvert(), "row_outputs"_a.noconvert(), "cells_fanin"_a.noconvert(),
           "cells_table"_a.noconvert(), "cells_outputs"_a.noconvert(), "backend"_a)
      .def("step", &step, "words"_a.noconvert(), "width"_a, "generations"_a, "outside"_a.none(),
           "num_threads"_a)
      .def_prop_ro("operations_a_row",
                   [](const Automaton& automaton) { return automaton.column().operations_a_row(); })
      .def_prop_ro("scratch_bytes",
                   [](const Automaton& automaton) { return automaton.column().scratch_bytes(); })
      .def_prop_ro("code", [](const Automaton& automaton) {
        const auto* made = dynamic_cast<const CompiledColumn*>(&automaton.column());
        if (made == nullptr) return nb::bytes("", 0);
        return nb::bytes(reinterpret_cast<const char*>(made->code().data()), made->code().size());
      });
}
