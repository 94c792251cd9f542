// Training of a chain of gate layers under group sums, many steps a call: forward, cross-entropy or
// squared error, backward and Adam, fused.
//
// A batch is cut into tiles of 64 samples. A thread takes whole tiles and brings each through all
// layers forward, through the loss, and through all layers back, so activations stay in its cache
// and threads meet twice a step. Gradients are summed in an order that the number of threads does
// not change: tiles belong to `gangs`, each summed in turn, then gang by gang.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kernels.hpp"

namespace gatewright {

struct LayerShape {
  Form form;
  bool is_hard;        // gates forward as their nearest hard gate, backward as soft ones
  bool is_wired_hard;  // the same for candidates
  std::size_t num_inputs, num_gates;
  std::size_t num_candidates;            // 0: fixed wiring
  std::span<const std::int32_t> wiring;  // fixed: [n][2]; else candidates: [2][K][n]
};

// One optimiser step's settings.
struct StepSettings {
  float learning_rate, temperature;
};

struct RunSettings {
  std::size_t batch;
  float tau, smoothing;
  float b1, b2, epsilon, weight_decay;
  std::uint64_t first_step;  // number of steps of Adam taken before
  // The readout's weights: of classes, or, where it has one score, of a number that is learned.
  std::span<const float> readout{};
};

// Which of a layer's parameters: gates [p][n], wires [2 K][n].
enum class Part { gates, wires };
// The values, or Adam's running means of gradients and of their squares.
enum class Quantity { values, mean, square };

class Trainer {
 public:
  Trainer(std::span<const LayerShape> layers, std::size_t num_groups, Storage storage,
          std::size_t num_threads);
  ~Trainer();
  Trainer(Trainer&&) noexcept;

  std::size_t num_inputs() const;
  std::size_t num_groups() const;
  std::size_t num_layers() const;
  // Rows and columns of a layer's parameters; no rows where it has no such part.
  std::pair<std::size_t, std::size_t> shape(std::size_t layer, Part part) const;

  void set(std::size_t layer, Part part, Quantity quantity, const float* from);
  void get(std::size_t layer, Part part, Quantity quantity, float* to) const;

  // Takes steps.size() steps. rows: [steps * batch][words], bit i of a row is input i; labels as
  // many. targets: null, or the probability [steps * batch][classes] of each class, which takes the
  // label's place in the loss; or numbers [steps * batch] where these are learned. losses and
  // num_right: a step's mean loss and samples decided right, before its update.
  void run(const RunSettings& run, std::span<const StepSettings> steps, const std::uint64_t* rows,
           std::size_t words, const std::int32_t* labels, const float* targets, float* losses,
           std::int32_t* num_right);

  // Group sums [num_rows][num_groups] of the soft network, or of the hard one.
  void sums(const std::uint64_t* rows, std::size_t words, std::size_t num_rows, float temperature,
            bool is_hard, float* to);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

const char* kernel_name();

}  // namespace gatewright
