// The Python face of walks: checks shapes, validates, releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "binding.hpp"
#include "walk.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using gatewright::Walk;
using gatewright::binding::Fanin;
using gatewright::binding::Outputs;
using gatewright::binding::refuse;
using gatewright::binding::Table;

template <typename T, std::size_t kColumns>
auto array(const std::vector<T>& values) {
  auto copy = std::make_unique<T[]>(values.size());
  std::copy(values.begin(), values.end(), copy.get());
  nb::capsule owner(copy.get(), [](void* data) noexcept { delete[] static_cast<T*>(data); });
  if constexpr (kColumns == 1) {
    return nb::ndarray<T, nb::numpy, nb::ndim<1>>(copy.release(), {values.size()}, owner);
  } else {
    return nb::ndarray<T, nb::numpy, nb::ndim<2>>(copy.release(),
                                                  {values.size() / kColumns, kColumns}, owner);
  }
}

nb::tuple walk(std::int64_t num_inputs, const Fanin& fanin, const Table& table,
               const Outputs& outputs, std::size_t kicks, std::size_t moves, std::uint64_t seed) {
  const auto circuit = gatewright::binding::view(num_inputs, fanin, table, outputs);
  if (circuit.num_inputs > Walk::kMaxInputs) {
    refuse("a walk is over circuits of at most " + std::to_string(Walk::kMaxInputs) +
           " inputs, not " + std::to_string(num_inputs));
  }
  gatewright::validate(circuit);
  Walk found(circuit, seed);
  {
    nb::gil_scoped_release release;
    found.advance(kicks, moves);
  }
  return nb::make_tuple(array<std::int32_t, 2>(found.fanin()),
                        array<std::uint8_t, 1>(found.table()),
                        array<std::int32_t, 1>(found.outputs()));
}

}  // namespace

void bind_walk(nb::module_& module) {
  module.def("walk", &walk, "num_inputs"_a, "fanin"_a.noconvert(), "table"_a.noconvert(),
             "outputs"_a.noconvert(), "kicks"_a, "moves"_a, "seed"_a,
             "Another circuit of the same function.");
}
