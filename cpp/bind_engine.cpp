// The Python face of the engine: checks shapes, validates, releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "binding.hpp"
#include "buffer.hpp"
#include "engine.hpp"
#include "machine_code.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using gatewright::Backend;
using gatewright::Engine;
using gatewright::Rows;
using gatewright::binding::Fanin;
using gatewright::binding::Input;
using gatewright::binding::Outputs;
using gatewright::binding::refuse;
using gatewright::binding::Table;
using gatewright::binding::Words;

namespace {

// Rows may be any number of bytes apart.
template <typename T>
using RowsOf = nb::ndarray<const T, nb::numpy, nb::ndim<2>, nb::device::cpu>;
using Packed = nb::ndarray<std::uint64_t, nb::numpy, nb::ndim<2>>;
using Labels = nb::ndarray<std::int64_t, nb::numpy, nb::ndim<1>>;

// Memory for a result. Rows of a large one are written a few lines at a time, and `malloc` is the
// quicker for a small one.
template <typename T>
std::pair<T*, nb::capsule> owned(std::size_t size) {
  constexpr std::size_t kLarge = std::size_t{1} << 21;
  const std::size_t bytes = size * sizeof(T);
  void* const held = bytes < kLarge ? std::malloc(bytes + 1) : gatewright::allocate_lines(bytes);
  if (held == nullptr) throw std::bad_alloc();
  return {static_cast<T*>(held), nb::capsule(held, [](void* it) noexcept { std::free(it); })};
}

template <typename T>
std::vector<T> copied(const Input<T, nb::shape<-1>>& given) {
  return {given.data(), given.data() + given.shape(0)};
}

void make_engine(Engine* self, std::int64_t num_inputs, const Fanin& fanin, const Table& table,
                 const Outputs& outputs, std::size_t num_features,
                 const Input<std::int32_t, nb::shape<-1>>& column,
                 const Input<std::uint8_t, nb::shape<-1>>& kind,
                 const Input<double, nb::shape<-1>>& limit, const std::string& backend,
                 std::size_t num_threads) {
  if (num_threads == 0) refuse("an engine has threads");
  if (backend != "jit" && backend != "interpreter") refuse("no back end " + backend);
  const auto circuit = gatewright::binding::view(num_inputs, fanin, table, outputs);
  gatewright::BitTable bits{num_features, copied(column), copied(kind), copied(limit)};
  const nb::gil_scoped_release release;
  gatewright::validate(circuit);
  gatewright::validate(bits, circuit.num_inputs);
  new (self) Engine(circuit, std::move(bits),
                    backend == "jit" ? Backend::machine_code : Backend::interpreter, num_threads);
}

Packed run(Engine& engine, const Words& words) {
  if (words.shape(0) != engine.num_inputs()) {
    refuse("words have " + std::to_string(words.shape(0)) + " rows; the circuit has " +
           std::to_string(engine.num_inputs()) + " inputs");
  }
  auto [data, owner] = owned<std::uint64_t>(engine.num_outputs() * words.shape(1));
  {
    const nb::gil_scoped_release release;
    engine.run(words.data(), words.shape(1), data);
  }
  return Packed(data, {engine.num_outputs(), words.shape(1)}, owner);
}

template <typename T>
Rows rows_of(const Engine& engine, const RowsOf<T>& rows) {
  if (rows.shape(0) > 0 && rows.shape(1) > 1 && rows.stride(1) != 1) {
    refuse("a row's features are not side by side");
  }
  if (rows.shape(1) != engine.num_features()) {
    refuse("rows have " + std::to_string(rows.shape(1)) + " features, not " +
           std::to_string(engine.num_features()));
  }
  return {reinterpret_cast<const std::uint8_t*>(rows.data()),
          static_cast<std::ptrdiff_t>(rows.stride(0)) * static_cast<std::ptrdiff_t>(sizeof(T)),
          rows.shape(1)};
}

template <typename T>
Packed outputs_of(Engine& engine, const RowsOf<T>& given) {
  const Rows rows = rows_of<T>(engine, given);
  const std::size_t num_words = (given.shape(0) + 63) / 64;
  auto [data, owner] = owned<std::uint64_t>(engine.num_outputs() * num_words);
  {
    const nb::gil_scoped_release release;
    engine.run<T>(rows, given.shape(0), data);
  }
  return Packed(data, {engine.num_outputs(), num_words}, owner);
}

template <typename T>
Labels labels_of(Engine& engine, const RowsOf<T>& given) {
  const Rows rows = rows_of<T>(engine, given);
  if (engine.num_outputs() > 8) refuse("a class number has 8 bits here; read the outputs");
  auto [data, owner] = owned<std::int64_t>(given.shape(0));
  {
    const nb::gil_scoped_release release;
    engine.label<T>(rows, given.shape(0), data);
  }
  return Labels(data, {given.shape(0)}, owner);
}

const gatewright::MachineCode* machine_code(const gatewright::Runner* runner) {
  return dynamic_cast<const gatewright::MachineCode*>(runner);
}

// Pairs of code and the bytes of the values that it works in: for many samples, and for few.
std::vector<std::pair<nb::bytes, std::size_t>> code_of(const Engine& engine) {
  std::vector<std::pair<nb::bytes, std::size_t>> found;
  for (const auto* runner : {&engine.runner(), engine.narrow_runner()}) {
    const auto* made = machine_code(runner);
    if (made == nullptr || made->code() == nullptr) continue;
    const auto* code = reinterpret_cast<const char*>(made->code());
    found.emplace_back(nb::bytes(code, made->num_bytes()), made->block_bytes());
  }
  return found;
}

}  // namespace

void bind_engine(nb::module_& module) {
  nb::class_<Engine>(module, "Engine")
      .def("__init__", &make_engine, "num_inputs"_a, "fanin"_a.noconvert(), "table"_a.noconvert(),
           "outputs"_a.noconvert(), "num_features"_a, "column"_a.noconvert(), "kind"_a.noconvert(),
           "limit"_a.noconvert(), "backend"_a, "num_threads"_a)
      .def("run", &run, "words"_a.noconvert())
      .def("outputs", &outputs_of<std::uint8_t>, "rows"_a.noconvert())
      .def("outputs", &outputs_of<float>, "rows"_a.noconvert())
      .def("outputs", &outputs_of<double>, "rows"_a.noconvert())
      .def("labels", &labels_of<std::uint8_t>, "rows"_a.noconvert())
      .def("labels", &labels_of<float>, "rows"_a.noconvert())
      .def("labels", &labels_of<double>, "rows"_a.noconvert())
      .def("code", &code_of)
      .def("loads_and_stores",
           [](const Engine& engine) {
             const auto* made = machine_code(&engine.runner());
             return made == nullptr ? std::pair<std::size_t, std::size_t>()
                                    : std::pair(made->num_loads, made->num_stores);
           })
      .def("single",
           [](const Engine& engine) {
             const gatewright::Single* made = engine.single();
             std::vector<std::size_t> about;
             if (made) about = {made->num_levels(), made->num_blocks(), made->code_bytes()};
             return about;
           })
      .def_prop_ro("num_threads", &Engine::num_threads)
      .def_prop_ro("num_operations", &Engine::num_operations)
      .def_prop_ro("num_bytes", [](const Engine& e) { return e.runner().num_bytes(); })
      .def_prop_ro("slot_bytes", [](const Engine& e) { return e.runner().block_bytes(); })
      .def_prop_ro("vector_bytes", [](const Engine& e) { return e.runner().vector_bytes(); });
  module.def("has_machine_code", [] {
    return gatewright::can_run(gatewright::Isa::avx512) ||
           gatewright::can_run(gatewright::Isa::avx2);
  });
}
