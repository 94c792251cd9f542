// The Python face of training: checks shapes, releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "binding.hpp"
#include "trainer.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using gatewright::Form;
using gatewright::Part;
using gatewright::Quantity;
using gatewright::Trainer;

using gatewright::binding::Input;
using gatewright::binding::refuse;
using Wiring = Input<std::int32_t, nb::shape<-1>>;
using Matrix = Input<float, nb::shape<-1, -1>>;
using Vector = Input<float, nb::shape<-1>>;
using Rows = Input<std::uint64_t, nb::shape<-1, -1>>;
using Labels = Input<std::int32_t, nb::shape<-1>>;

template <typename T>
nb::ndarray<T, nb::numpy> result(std::vector<std::size_t> shape) {
  std::size_t size = 1;
  for (const std::size_t n : shape) size *= n;
  std::unique_ptr<T[]> data(new T[size]);
  nb::capsule owner(data.get(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nb::ndarray<T, nb::numpy>(data.release(), shape.size(), shape.data(), owner);
}

void check_rows(const Trainer& trainer, const Rows& rows) {
  const std::size_t words = (trainer.num_inputs() + 63) / 64;
  if (rows.shape(1) != words) {
    refuse("rows have " + std::to_string(rows.shape(1)) + " words, not " + std::to_string(words));
  }
}

void check_place(const Trainer& trainer, std::size_t layer) {
  if (layer >= trainer.num_layers()) {
    refuse("layer " + std::to_string(layer) + " of " + std::to_string(trainer.num_layers()));
  }
}

Part part_of(bool is_wires) { return is_wires ? Part::wires : Part::gates; }

Quantity quantity_of(int number) {
  if (number < 0 || number > 2) refuse("quantity " + std::to_string(number) + " is not 0, 1 or 2");
  return static_cast<Quantity>(number);
}

// Layers as parallel lists: a struct of each would need a Python type of its own.
void make(Trainer* self, const std::vector<int>& forms, const std::vector<int>& is_hard,
          const std::vector<int>& is_wired_hard, const std::vector<std::size_t>& widths,
          const std::vector<std::size_t>& candidates, const std::vector<Wiring>& wirings,
          std::size_t num_groups, int storage, std::size_t threads) {
  const std::size_t num = forms.size();
  if (is_hard.size() != num || is_wired_hard.size() != num || widths.size() != num + 1 ||
      candidates.size() != num || wirings.size() != num) {
    refuse("give one entry a layer, and one width more");
  }
  std::vector<gatewright::LayerShape> shapes;
  for (std::size_t l = 0; l < num; ++l) {
    if (forms[l] < 0 || forms[l] > 3) refuse("form " + std::to_string(forms[l]));
    shapes.push_back({static_cast<Form>(forms[l]), is_hard[l] != 0, is_wired_hard[l] != 0,
                      widths[l], widths[l + 1], candidates[l],
                      std::span(wirings[l].data(), wirings[l].shape(0))});
  }
  if (storage < 0 || storage > 3) refuse("storage " + std::to_string(storage));
  new (self) Trainer(shapes, num_groups, static_cast<gatewright::Storage>(storage), threads);
}

void set(Trainer& self, std::size_t layer, bool is_wires, int quantity, const Matrix& values) {
  check_place(self, layer);
  const auto [rows, columns] = self.shape(layer, part_of(is_wires));
  if (values.shape(0) != rows || values.shape(1) != columns) {
    refuse("layer " + std::to_string(layer) + " has parameters [" + std::to_string(rows) + ", " +
           std::to_string(columns) + "]");
  }
  self.set(layer, part_of(is_wires), quantity_of(quantity), values.data());
}

nb::ndarray<float, nb::numpy> get(const Trainer& self, std::size_t layer, bool is_wires,
                                  int quantity) {
  check_place(self, layer);
  const auto [rows, columns] = self.shape(layer, part_of(is_wires));
  auto values = result<float>({rows, columns});
  self.get(layer, part_of(is_wires), quantity_of(quantity), values.data());
  return values;
}

nb::tuple run(Trainer& self, const Rows& rows, const Labels& labels,
              const std::optional<Matrix>& targets, const Vector& learning_rates,
              const Vector& temperatures, std::uint64_t first_step, float tau, float smoothing,
              float b1, float b2, float epsilon, float weight_decay,
              const std::optional<Matrix>& readout) {
  check_rows(self, rows);
  const std::size_t steps = learning_rates.shape(0);
  if (steps == 0 || temperatures.shape(0) != steps || rows.shape(0) % steps != 0 ||
      rows.shape(0) == 0 || labels.shape(0) != rows.shape(0)) {
    refuse("give a learning rate and a temperature a step, and as many rows and labels a step");
  }
  const std::size_t groups = self.num_groups();
  if (readout && (readout->shape(0) == 0 || readout->shape(1) != groups + 1)) {
    refuse("a readout has a row a score, of weights of " + std::to_string(groups) +
           " groups and a constant");
  }
  const std::size_t scores = readout ? readout->shape(0) : groups;
  const std::span all(labels.data(), labels.shape(0));
  const auto is_label = [=](std::int32_t y) { return y >= 0 && y < static_cast<int>(scores); };
  if (!std::ranges::all_of(all, is_label)) {
    refuse("a label is not from 0 to " + std::to_string(scores - 1));
  }
  if (readout && scores == 1 && !targets) refuse("a number has targets");
  if (targets && (targets->shape(0) != rows.shape(0) || targets->shape(1) != scores)) {
    refuse("give targets [" + std::to_string(rows.shape(0)) + ", " + std::to_string(scores) +
           "], or none");
  }
  std::vector<gatewright::StepSettings> settings;
  for (std::size_t i = 0; i < steps; ++i) {
    settings.push_back({learning_rates.data()[i], temperatures.data()[i]});
  }
  auto losses = result<float>({steps});
  auto num_right = result<std::int32_t>({steps});
  {
    nb::gil_scoped_release release;
    self.run({rows.shape(0) / steps, tau, smoothing, b1, b2, epsilon, weight_decay, first_step,
              readout ? std::span(readout->data(), readout->size()) : std::span<const float>()},
             settings, rows.data(), rows.shape(1), labels.data(),
             targets ? targets->data() : nullptr, losses.data(), num_right.data());
  }
  return nb::make_tuple(losses, num_right);
}

nb::ndarray<float, nb::numpy> sums(Trainer& self, const Rows& rows, float temperature,
                                   bool is_hard) {
  check_rows(self, rows);
  auto values = result<float>({rows.shape(0), self.num_groups()});
  {
    nb::gil_scoped_release release;
    self.sums(rows.data(), rows.shape(1), rows.shape(0), temperature, is_hard, values.data());
  }
  return values;
}

}  // namespace

void bind_training(nb::module_& module) {
  module.def("training_kernel", &gatewright::kernel_name,
             "The instruction set of the training kernel: avx512, avx2 or portable.");
  module.def("has_fixed16", &gatewright::has_fixed16,
             "Whether this machine has kernels in fixed point.");
  module.def("has_float16", &gatewright::has_float16,
             "Whether this machine can train with arithmetic in half precision.");
  nb::class_<Trainer>(module, "Trainer")
      .def("__init__", &make, "forms"_a, "is_hard"_a, "is_wired_hard"_a, "widths"_a, "candidates"_a,
           "wirings"_a, "num_groups"_a, "storage"_a, "threads"_a)
      .def("set", &set, "layer"_a, "is_wires"_a, "quantity"_a, "values"_a.noconvert())
      .def("get", &get, "layer"_a, "is_wires"_a, "quantity"_a)
      .def("run", &run, "rows"_a.noconvert(), "labels"_a.noconvert(), "targets"_a.none(),
           "learning_rates"_a.noconvert(), "temperatures"_a.noconvert(), "first_step"_a, "tau"_a,
           "smoothing"_a, "b1"_a, "b2"_a, "epsilon"_a, "weight_decay"_a, "readout"_a.none())
      .def("sums", &sums, "rows"_a.noconvert(), "temperature"_a, "is_hard"_a);
}
