// What the Python faces of circuits share: the arrays that they take, and how they refuse others.

#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "simulate.hpp"

namespace gatewright::binding {

namespace nb = nanobind;

template <typename T, typename Shape>
using Input = nb::ndarray<const T, nb::numpy, Shape, nb::c_contig, nb::device::cpu>;
using Fanin = Input<std::int32_t, nb::shape<-1, 2>>;
using Table = Input<std::uint8_t, nb::shape<-1>>;
using Outputs = Input<std::int32_t, nb::shape<-1>>;
using Words = Input<std::uint64_t, nb::shape<-1, -1>>;

[[noreturn]] inline void refuse(const std::string& why) { throw nb::value_error(why.c_str()); }

// Of a circuit whose arrays fit one another; not yet validated.
inline CircuitView view(std::int64_t num_inputs, const Fanin& fanin, const Table& table,
                        const std::int32_t* outputs, std::size_t num_outputs) {
  if (num_inputs < 0) refuse("num_inputs is " + std::to_string(num_inputs));
  if (fanin.shape(0) != table.shape(0)) {
    refuse("fanin has " + std::to_string(fanin.shape(0)) + " rows but table has " +
           std::to_string(table.shape(0)) + " entries: give one of each a gate");
  }
  return {static_cast<std::size_t>(num_inputs),
          table.shape(0),
          num_outputs,
          fanin.data(),
          table.data(),
          outputs};
}

inline CircuitView view(std::int64_t num_inputs, const Fanin& fanin, const Table& table,
                        const Outputs& outputs) {
  return view(num_inputs, fanin, table, outputs.data(), outputs.shape(0));
}

// What a result hands to Python: the values, copied.
template <typename T>
nb::ndarray<T, nb::numpy, nb::ndim<1>> array(const std::vector<T>& values) {
  auto copy = std::make_unique<T[]>(values.size());
  std::copy(values.begin(), values.end(), copy.get());
  nb::capsule owner(copy.get(), [](void* data) noexcept { delete[] static_cast<T*>(data); });
  return {copy.release(), {values.size()}, owner};
}

template <typename T>
nb::ndarray<T, nb::numpy, nb::ndim<2>> matrix(const std::vector<T>& values, std::size_t columns) {
  auto copy = std::make_unique<T[]>(values.size());
  std::copy(values.begin(), values.end(), copy.get());
  nb::capsule owner(copy.get(), [](void* data) noexcept { delete[] static_cast<T*>(data); });
  return {copy.release(), {values.size() / columns, columns}, owner};
}

}  // namespace gatewright::binding
