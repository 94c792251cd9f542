// The Python face of coordinate descent: checks shapes, validates, releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "binding.hpp"
#include "descent.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using gatewright::Descent;
using gatewright::binding::array;
using gatewright::binding::Fanin;
using gatewright::binding::Input;
using gatewright::binding::matrix;
using gatewright::binding::Outputs;
using gatewright::binding::refuse;
using gatewright::binding::Table;
using gatewright::binding::Words;
using Classes = Input<std::int32_t, nb::shape<-1>>;
using Weights = Input<float, nb::shape<-1>>;
using Readout = Input<float, nb::shape<-1, -1>>;
using Order = Input<std::int32_t, nb::shape<-1>>;
using Candidates = Input<std::int32_t, nb::shape<-1, 2, -1>>;

void make(Descent* self, const Fanin& fanin, const Table& table, const Outputs& outputs,
          const Readout& readout, const Words& words, const Classes& classes,
          const Weights& weights, std::size_t threads) {
  const auto circuit =
      gatewright::binding::view(static_cast<std::int64_t>(words.shape(0)), fanin, table, outputs);
  gatewright::validate(circuit);
  const std::size_t num_samples = 64 * words.shape(1);
  const std::size_t num_classes = readout.shape(0);
  if (num_classes < 2 || readout.shape(1) < 2 || outputs.shape(0) == 0 ||
      outputs.shape(0) % (readout.shape(1) - 1) != 0) {
    refuse("a readout of shape [" + std::to_string(num_classes) + ", " +
           std::to_string(readout.shape(1)) +
           "] is not of at least 2 classes and of equal groups of " +
           std::to_string(outputs.shape(0)) + " outputs");
  }
  const std::size_t num_numbers = num_classes * readout.shape(1);
  if (!std::all_of(readout.data(), readout.data() + num_numbers,
                   [](float one) { return std::isfinite(one); })) {
    refuse("the readout holds numbers that are not finite");
  }
  if (classes.shape(0) != num_samples || weights.shape(0) != num_samples) {
    refuse("classes and weights have one entry for each of " + std::to_string(num_samples) +
           " samples");
  }
  const auto is_class = [&](std::int32_t one) {
    return one >= 0 && static_cast<std::size_t>(one) < num_classes;
  };
  if (!std::all_of(classes.data(), classes.data() + num_samples, is_class)) {
    refuse("classes holds numbers that are not in 0.." + std::to_string(num_classes - 1));
  }
  if (threads < 1) refuse("threads is at least 1");
  const gatewright::Votes votes{num_classes,    readout.shape(1) - 1, readout.data(),
                                words.shape(1), classes.data(),       weights.data()};
  new (self) Descent(circuit, words.data(), votes, threads);
}

nb::tuple sweep(Descent& self, const Order& order, const Candidates& candidates,
                float significance) {
  if (candidates.shape(0) != order.shape(0)) {
    refuse("order has " + std::to_string(order.shape(0)) + " gates and candidates " +
           std::to_string(candidates.shape(0)) + "; give candidates for each gate");
  }
  if (candidates.shape(2) > Descent::kMostCandidates) {
    refuse(std::to_string(candidates.shape(2)) + " candidates of an operand; at most " +
           std::to_string(Descent::kMostCandidates));
  }
  const auto num_gates = static_cast<std::int32_t>(self.table().size());
  const std::int32_t first = self.first_gate();
  const std::size_t each = 2 * candidates.shape(2);
  for (std::size_t i = 0; i < order.shape(0); ++i) {
    const std::int32_t node = order.data()[i];
    if (node < first || node >= first + num_gates) {
      refuse("order[" + std::to_string(i) + "] is " + std::to_string(node) + ", not a gate's node");
    }
    const auto is_below = [node](std::int32_t one) { return one >= 0 && one < node; };
    const std::int32_t* others = candidates.data() + each * i;
    if (!std::all_of(others, others + each, is_below)) {
      refuse("candidates[" + std::to_string(i) + "] holds nodes that are not below node " +
             std::to_string(node));
    }
  }
  const Descent::Gain gain = [&] {
    nb::gil_scoped_release release;
    return self.sweep(order.data(), order.shape(0), candidates.data(), candidates.shape(2),
                      significance);
  }();
  return nb::make_tuple(gain.num_changed, gain.loss);
}

}  // namespace

void bind_descent(nb::module_& module) {
  nb::class_<Descent>(module, "Descent")
      .def("__init__", &make, "fanin"_a.noconvert(), "table"_a.noconvert(), "outputs"_a.noconvert(),
           "readout"_a.noconvert(), "words"_a.noconvert(), "classes"_a.noconvert(),
           "weights"_a.noconvert(), "threads"_a)
      .def("sweep", &sweep, "order"_a.noconvert(), "candidates"_a.noconvert(), "significance"_a)
      .def("losses",
           [](const Descent& self) {
             const auto losses = [&] {
               nb::gil_scoped_release release;
               return self.losses();
             }();
             return array(losses);
           })
      .def_prop_ro(
          "fanin", [](const Descent& self) { return matrix(self.fanin(), 2); }, nb::rv_policy::move)
      .def_prop_ro(
          "table", [](const Descent& self) { return array(self.table()); }, nb::rv_policy::move);
}
