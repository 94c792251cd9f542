// The Python face of the native core: checks shapes, validates, releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <string>

#include "binding.hpp"
#include "bit_matrix.hpp"
#include "simulate.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using gatewright::binding::Fanin;
using gatewright::binding::Outputs;
using gatewright::binding::refuse;
using gatewright::binding::Table;
using gatewright::binding::Words;

namespace {

using Result = nb::ndarray<std::uint64_t, nb::numpy, nb::ndim<2>>;

gatewright::CircuitView view(std::int64_t num_inputs, const Fanin& fanin, const Table& table,
                             const std::int32_t* outputs, std::size_t num_outputs,
                             const Words& words) {
  const auto circuit = gatewright::binding::view(num_inputs, fanin, table, outputs, num_outputs);
  if (words.shape(0) != circuit.num_inputs) {
    refuse("words has " + std::to_string(words.shape(0)) + " rows but the circuit has " +
           std::to_string(num_inputs) + " inputs: give one row an input");
  }
  return circuit;
}

Result make_result(std::size_t num_rows, std::size_t num_words,
                   std::unique_ptr<std::uint64_t[]> rows) {
  nb::capsule owner(rows.get(),
                    [](void* data) noexcept { delete[] static_cast<std::uint64_t*>(data); });
  return Result(rows.release(), {num_rows, num_words}, owner);
}

template <typename Run>
Result run(const gatewright::CircuitView& circuit, std::size_t num_rows, std::size_t num_words,
           Run simulate) {
  std::unique_ptr<std::uint64_t[]> rows(new std::uint64_t[num_rows * num_words]);
  {
    nb::gil_scoped_release release;
    gatewright::validate(circuit);
    simulate(rows.get());
  }
  return make_result(num_rows, num_words, std::move(rows));
}

Result simulate(std::int64_t num_inputs, const Fanin& fanin, const Table& table,
                const Outputs& outputs, const Words& words) {
  const auto circuit = view(num_inputs, fanin, table, outputs.data(), outputs.shape(0), words);
  return run(circuit, circuit.num_outputs, words.shape(1), [&](std::uint64_t* rows) {
    gatewright::simulate(circuit, words.shape(1), words.data(), rows);
  });
}

Result simulate_nodes(std::int64_t num_inputs, const Fanin& fanin, const Table& table,
                      const Words& words) {
  const auto circuit = view(num_inputs, fanin, table, nullptr, 0, words);
  return run(circuit, circuit.num_nodes(), words.shape(1), [&](std::uint64_t* rows) {
    gatewright::simulate_nodes(circuit, words.shape(1), words.data(), rows);
  });
}

Result transpose(const Words& rows, std::size_t num_columns) {
  const std::size_t num_rows = rows.shape(0), num_words = (num_rows + 63) / 64;
  if (rows.shape(1) != (num_columns + 63) / 64) {
    refuse("rows have " + std::to_string(rows.shape(1)) + " words, which " +
           std::to_string(num_columns) + " bits do not fill");
  }
  std::unique_ptr<std::uint64_t[]> columns(new std::uint64_t[num_columns * num_words]);
  {
    nb::gil_scoped_release release;
    gatewright::transpose(rows.data(), num_rows, num_columns, columns.get());
  }
  return make_result(num_columns, num_words, std::move(columns));
}

}  // namespace

void bind_augment(nb::module_& module);
void bind_automaton(nb::module_& module);
void bind_descent(nb::module_& module);
void bind_engine(nb::module_& module);
void bind_mapping(nb::module_& module);
void bind_sweeping(nb::module_& module);
void bind_training(nb::module_& module);
void bind_walk(nb::module_& module);
#if defined(GATEWRIGHT_FFI)
void bind_ffi(nb::module_& module);
#endif

NB_MODULE(_native, module) {
  module.doc() = "The native core of gatewright; gatewright.native holds its specification.";
  module.def("simulate", &simulate, "num_inputs"_a, "fanin"_a.noconvert(), "table"_a.noconvert(),
             "outputs"_a.noconvert(), "words"_a.noconvert(), "Values of the outputs.");
  module.def("simulate_nodes", &simulate_nodes, "num_inputs"_a, "fanin"_a.noconvert(),
             "table"_a.noconvert(), "words"_a.noconvert(), "Values of all nodes.");
  module.def("transpose", &transpose, "rows"_a.noconvert(), "num_columns"_a,
             "Packed rows as packed columns.");
  module.def("instruction_set", &gatewright::instruction_set,
             "The widest instruction set in use: AVX-512, AVX2, NEON or portable.");
  bind_augment(module);
  bind_automaton(module);
  bind_descent(module);
  bind_engine(module);
  bind_mapping(module);
  bind_sweeping(module);
  bind_training(module);
  bind_walk(module);
#if defined(GATEWRIGHT_FFI)
  bind_ffi(module);
#endif
}
