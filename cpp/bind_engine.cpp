// The Python face of the engine: checks shapes, validates, releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "binding.hpp"
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

namespace {

// The arrays of a circuit for many samples, and its bands.
using ManyArrays = std::tuple<Fanin, Table, Outputs, std::size_t>;

// An aligned matrix in this machine's order of bytes. Not by nanobind, whose conversions take
// longer than a small circuit.
PyArrayObject* matrix(nb::handle given) {
  if (PyArray_Check(given.ptr())) {
    auto* const array = reinterpret_cast<PyArrayObject*>(given.ptr());
    if (PyArray_NDIM(array) == 2 && PyArray_ISBEHAVED_RO(array)) return array;
  }
  throw nb::type_error("give an aligned matrix of NumPy in this machine's order of bytes");
}

std::size_t shape(PyArrayObject* array, int axis) {
  return static_cast<std::size_t>(PyArray_DIM(array, axis));
}

// A new array and where it lies.
template <typename T>
std::pair<nb::object, T*> made(std::initializer_list<std::size_t> sizes) {
  npy_intp shape[2] = {};
  std::copy(sizes.begin(), sizes.end(), shape);
  constexpr int kType = std::is_signed_v<T> ? NPY_INT64 : NPY_UINT64;
  PyObject* const array = PyArray_SimpleNew(static_cast<int>(sizes.size()), shape, kType);
  if (array == nullptr) nb::raise_python_error();
  return {nb::steal(array), static_cast<T*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(array)))};
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
                 std::size_t num_threads, const std::optional<ManyArrays>& many_arrays) {
  if (num_threads == 0) refuse("an engine has threads");
  if (backend != "jit" && backend != "interpreter") refuse("no back end " + backend);
  const auto circuit = gatewright::binding::view(num_inputs, fanin, table, outputs);
  std::optional<gatewright::Many> many;
  if (many_arrays) {
    const auto& [its_fanin, its_table, its_outputs, num_bands] = *many_arrays;
    many = {gatewright::binding::view(num_inputs, its_fanin, its_table, its_outputs), num_bands};
    if (many->circuit.num_outputs != circuit.num_outputs || num_bands == 0) {
      refuse("a circuit for many samples has as many outputs, and bands");
    }
  }
  gatewright::BitTable bits{num_features, copied(column), copied(kind), copied(limit)};
  const nb::gil_scoped_release release;
  gatewright::validate(circuit);
  gatewright::validate(bits, circuit.num_inputs);
  if (many) gatewright::validate(many->circuit);
  new (self)
      Engine(circuit, std::move(bits),
             backend == "jit" ? Backend::machine_code : Backend::interpreter, num_threads, many);
}

nb::object run(Engine& engine, nb::handle given) {
  PyArrayObject* const words = matrix(given);
  if (!PyArray_ISUNSIGNED(words) || PyArray_ITEMSIZE(words) != 8 ||
      !PyArray_IS_C_CONTIGUOUS(words)) {
    refuse("words are uint64, side by side");
  }
  if (shape(words, 0) != engine.num_inputs()) {
    refuse("words have " + std::to_string(shape(words, 0)) + " rows; the circuit has " +
           std::to_string(engine.num_inputs()) + " inputs");
  }
  const std::size_t num_words = shape(words, 1);
  auto [result, data] = made<std::uint64_t>({engine.num_outputs(), num_words});
  const nb::gil_scoped_release release;
  engine.run(static_cast<const std::uint64_t*>(PyArray_DATA(words)), num_words, data);
  return std::move(result);
}

// Rows may be any number of bytes apart.
Rows rows_of(const Engine& engine, PyArrayObject* rows) {
  const std::size_t num_features = shape(rows, 1);
  if (shape(rows, 0) > 0 && num_features > 1 && PyArray_STRIDE(rows, 1) != PyArray_ITEMSIZE(rows)) {
    refuse("a row's features are not side by side");
  }
  if (num_features != engine.num_features()) {
    refuse("rows have " + std::to_string(num_features) + " features, not " +
           std::to_string(engine.num_features()));
  }
  return {static_cast<const std::uint8_t*>(PyArray_DATA(rows)), PyArray_STRIDE(rows, 0),
          num_features};
}

// call(T()), T being the type of the numbers.
template <typename Call>
void with_type_of(PyArrayObject* rows, Call call) {
  switch (PyArray_TYPE(rows)) {
    case NPY_UINT8:
      return call(std::uint8_t());
    case NPY_FLOAT32:
      return call(float());
    case NPY_FLOAT64:
      return call(double());
    default:
      refuse("rows are uint8, float32 or float64");
  }
}

nb::object outputs(Engine& engine, nb::handle given) {
  PyArrayObject* const array = matrix(given);
  const Rows rows = rows_of(engine, array);
  const std::size_t num_samples = shape(array, 0);
  auto [result, data] = made<std::uint64_t>({engine.num_outputs(), (num_samples + 63) / 64});
  with_type_of(array, [&](auto number) {
    const nb::gil_scoped_release release;
    engine.run<decltype(number)>(rows, num_samples, data);
  });
  return std::move(result);
}

nb::object labels(Engine& engine, nb::handle given) {
  if (engine.num_outputs() > 8) refuse("a class number has 8 bits here; read the outputs");
  PyArrayObject* const array = matrix(given);
  const Rows rows = rows_of(engine, array);
  const std::size_t num_samples = shape(array, 0);
  auto [result, data] = made<std::int64_t>({num_samples});
  with_type_of(array, [&](auto number) {
    const nb::gil_scoped_release release;
    engine.label<decltype(number)>(rows, num_samples, data);
  });
  return std::move(result);
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
  if (PyArray_ImportNumPyAPI() < 0) nb::raise_python_error();
  nb::class_<Engine>(module, "Engine")
      .def("__init__", &make_engine, "num_inputs"_a, "fanin"_a.noconvert(), "table"_a.noconvert(),
           "outputs"_a.noconvert(), "num_features"_a, "column"_a.noconvert(), "kind"_a.noconvert(),
           "limit"_a.noconvert(), "backend"_a, "num_threads"_a, "many"_a.none() = nb::none())
      .def("run", &run, "words"_a)
      .def("outputs", &outputs, "rows"_a)
      .def("labels", &labels, "rows"_a)
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
