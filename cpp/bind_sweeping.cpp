// The Python face of sweeping: checks shapes, validates, releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "binding.hpp"
#include "sweeping.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using gatewright::Sweeping;
using gatewright::binding::Fanin;
using gatewright::binding::Outputs;
using gatewright::binding::refuse;
using gatewright::binding::Table;
using gatewright::binding::Words;

void make(Sweeping* self, std::int64_t num_inputs, const Fanin& fanin, const Table& table,
          const Outputs& outputs) {
  if (outputs.shape(0) % 2 != 0) {
    refuse("a miter has pairs of outputs, not " + std::to_string(outputs.shape(0)) + " of them");
  }
  const auto miter = gatewright::binding::view(num_inputs, fanin, table, outputs);
  gatewright::validate(miter);
  for (std::size_t gate = 0; gate < miter.num_gates; ++gate) {
    const int kind = miter.table[gate];
    if (kind != 0x2 && kind != 0x4 && kind != 0x6 && kind != 0x8 && kind != 0xE) {
      refuse("only circuits that Builder made can be swept");
    }
  }
  new (self) Sweeping(miter);
}

std::int64_t sample(Sweeping& self, const Words& words) {
  if (words.shape(0) != self.num_inputs()) {
    refuse("words has " + std::to_string(words.shape(0)) + " rows, not one of " +
           std::to_string(self.num_inputs()) + " inputs");
  }
  nb::gil_scoped_release release;
  return self.sample(words.shape(1), words.data());
}

bool advance(Sweeping& self, bool compare, bool ask, std::size_t most) {
  nb::gil_scoped_release release;
  return self.advance(compare, ask, most);
}

void check(const Sweeping& self, std::int32_t node) {
  if (node < 0 || static_cast<std::size_t>(node) > self.num_inputs() + self.gates().size()) {
    throw nb::index_error(("there is no node " + std::to_string(node)).c_str());
  }
}

bool is_equal_locally(Sweeping& self, std::int32_t x, std::int32_t y) {
  check(self, x);
  check(self, y);
  return x == y || self.is_equal_locally(x, y);
}

nb::tuple question(const Sweeping& self) {
  if (!self.waits()) refuse("no gate waits for an answer");
  const auto [own, leader] = self.question();
  return nb::make_tuple(own, leader);
}

void answer(Sweeping& self, bool is_equal) {
  if (!self.waits()) refuse("no gate waits for an answer");
  self.answer(is_equal);
}

nb::tuple gate(const Sweeping& self, std::int32_t index) {
  if (index < 0 || static_cast<std::size_t>(index) >= self.gates().size()) {
    throw nb::index_error(("there is no gate " + std::to_string(index)).c_str());
  }
  const auto& found = self.gates()[static_cast<std::size_t>(index)];
  return nb::make_tuple(int{found.table}, found.a, found.b);
}

template <typename T, typename Read>
auto array(std::size_t rows, std::size_t columns, Read read) {
  auto values = std::make_unique<T[]>(rows * columns);
  for (std::size_t i = 0; i < rows * columns; ++i) values[i] = read(i);
  nb::capsule owner(values.get(), [](void* data) noexcept { delete[] static_cast<T*>(data); });
  return nb::ndarray<T, nb::numpy, nb::ndim<2>>(values.release(), {rows, columns}, owner);
}

auto merged(const Sweeping& self) {
  const auto& nodes = self.merged();
  return array<std::int32_t>(nodes.size(), 1, [&](std::size_t i) { return nodes[i]; });
}

auto fanin(const Sweeping& self) {
  const auto& gates = self.gates();
  return array<std::int32_t>(
      gates.size(), 2, [&](std::size_t i) { return i % 2 == 0 ? gates[i / 2].a : gates[i / 2].b; });
}

auto table(const Sweeping& self) {
  const auto& gates = self.gates();
  return array<std::uint8_t>(gates.size(), 1, [&](std::size_t i) { return gates[i].table; });
}

}  // namespace

void bind_sweeping(nb::module_& module) {
  nb::class_<Sweeping>(module, "Sweeping")
      .def("__init__", &make, "num_inputs"_a, "fanin"_a.noconvert(), "table"_a.noconvert(),
           "outputs"_a.noconvert())
      .def("sample", &sample, "words"_a.noconvert())
      .def("advance", &advance, "compare"_a, "ask"_a, "most"_a)
      .def("question", &question)
      .def("answer", &answer, "is_equal"_a)
      .def("limit", &Sweeping::limit, "gates"_a, "leaves"_a)
      .def("is_equal_locally", &is_equal_locally, "x"_a, "y"_a)
      .def("gate", &gate, "index"_a)
      .def_prop_ro("num_classes", &Sweeping::num_classes)
      .def_prop_ro("is_done", &Sweeping::is_done)
      .def_prop_ro("num_merged", &Sweeping::num_merged)
      .def_prop_ro("merged", &merged, nb::rv_policy::automatic)
      .def_prop_ro("fanin", &fanin, nb::rv_policy::automatic)
      .def_prop_ro("table", &table, nb::rv_policy::automatic);
}
