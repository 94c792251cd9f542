// Trains the networks of a file: argv[1] in, argv[2] out. tests/test_fused.py compiles it with
// sanitizers and compares. A case is numbers in text, in the order in which main reads them; the
// answer is a line of losses, one of samples decided right, one of the sums, then a line for Adam's
// mean of each part's gradients, or the line "invalid: MESSAGE".

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <vector>

#include "kernels.hpp"
#include "trail.hpp"
#include "trainer.hpp"

namespace {

using namespace gatewright;

// Exactly as large as the array, so that a read past its end is caught.
template <typename T>
std::vector<T> read(std::istream& in, std::size_t count) {
  std::vector<T> values(count);
  for (T& value : values) in >> value;
  return values;
}

template <typename T>
void write(std::ostream& out, const std::vector<T>& values) {
  for (const T value : values) out << value << ' ';
  out << '\n';
}

void require(bool is_so, const char* what) {
  if (is_so) return;
  std::cerr << "trails: " << what << '\n';
  std::exit(1);
}

// What trail.hpp says, walked as the kernels walk it.
void check_trails(std::size_t num_rows, std::size_t num_gates, const std::int32_t* fanin) {
  const Trails found = trails(num_rows, num_gates, fanin);
  require(found.order.size() == num_gates && found.steps.size() == num_gates &&
              found.is_swapped.size() == num_gates && found.operands.size() == 2 * num_gates,
          "an entry a gate");
  std::vector<bool> is_walked(num_gates), is_read(num_rows), is_written(num_rows);
  std::vector<std::int32_t> visits;
  bool is_begun = false;  // a trail
  const auto flush = [&](std::int32_t row, bool adds) {
    require(adds == is_written[row], "the first gradient of a row is stored, later ones added");
    is_written[row] = true;
  };
  const auto visit = [&](std::int32_t row) {
    if (!is_read[row]) visits.push_back(row);
    is_read[row] = true;
  };
  for (std::size_t i = 0; i < num_gates; ++i) {
    const auto gate = static_cast<std::size_t>(found.order[i]);
    const std::int32_t first = found.operands[2 * i], second = found.operands[2 * i + 1];
    require(gate < num_gates && !is_walked[gate], "every gate once");
    is_walked[gate] = true;
    require(first == fanin[2 * gate + found.is_swapped[i]] &&
                second == fanin[2 * gate + !found.is_swapped[i]],
            "operands are the gate's");
    require(static_cast<bool>(found.steps[i] & kStarts) == !is_begun, "trails follow each other");
    require(!is_begun || first == found.operands[2 * i - 1], "gates of a trail share a row");
    visit(first);
    visit(second);
    flush(first, found.steps[i] & kAddsFirst);
    flush(second, found.steps[i] & kAddsSecond);
    is_begun = !(found.steps[i] & kEnds);
  }
  require(!is_begun, "the last trail ends");
  require(is_written == is_read, "every row that is read gets its gradient");
  require(found.visits == visits, "visits are in the order of first reads");
  std::vector<std::int32_t> rows = visits;
  for (const std::int32_t row : found.unread) {
    require(!is_read[row], "unread rows are not read");
    rows.push_back(row);
  }
  std::sort(rows.begin(), rows.end());
  require(rows.size() == num_rows, "every row is visited or unread, once");
  for (std::size_t row = 0; row < num_rows; ++row) {
    require(rows[row] == static_cast<std::int32_t>(row), "every row is there");
  }
}

void train(std::istream& in, std::ostream& out, std::size_t num_layers) {
  std::size_t num_groups, threads, batch, steps, words;
  std::int32_t storage;
  RunSettings run{};
  float temperature;
  in >> num_groups >> storage >> threads >> batch >> steps >> words >> temperature >> run.tau >>
      run.smoothing;
  run.batch = batch;
  run.b2 = 0.999f;
  run.epsilon = 1e-8f;
  std::vector<LayerShape> shapes;
  std::vector<std::vector<std::int32_t>> wirings(num_layers);
  std::vector<std::vector<float>> parameters;
  for (std::size_t l = 0; l < num_layers; ++l) {
    std::int32_t form;
    std::size_t num_wires;
    LayerShape shape{};
    in >> form >> shape.is_hard >> shape.is_wired_hard >> shape.num_inputs >> shape.num_gates >>
        shape.num_candidates >> num_wires;
    shape.form = static_cast<Form>(form);
    wirings[l] = read<std::int32_t>(in, num_wires);
    shape.wiring = wirings[l];
    shapes.push_back(shape);
    parameters.push_back(read<float>(in, num_parameters(shape.form) * shape.num_gates));
    parameters.push_back(read<float>(in, 2 * shape.num_candidates * shape.num_gates));
  }
  const auto rows = read<std::uint64_t>(in, steps * batch * words);
  const auto labels = read<std::int32_t>(in, steps * batch);
  std::size_t num_targets;  // probabilities of classes, or none
  in >> num_targets;
  const auto targets = read<float>(in, num_targets);
  std::size_t num_weights;  // of the readout, or none
  in >> num_weights;
  const auto weights = read<float>(in, num_weights);
  run.readout = weights;
  try {
    Trainer trainer(shapes, num_groups, static_cast<Storage>(storage), threads);
    for (std::size_t l = 0; l < num_layers; ++l) {
      trainer.set(l, Part::gates, Quantity::values, parameters[2 * l].data());
      trainer.set(l, Part::wires, Quantity::values, parameters[2 * l + 1].data());
      if (shapes[l].num_candidates == 0) {
        check_trails(shapes[l].num_inputs, shapes[l].num_gates, wirings[l].data());
      }
    }
    std::vector<float> losses(steps), sums(steps * batch * num_groups);
    std::vector<std::int32_t> num_right(steps);
    const std::vector<StepSettings> settings(steps, {0.0f, temperature});
    trainer.run(run, settings, rows.data(), words, labels.data(),
                num_targets ? targets.data() : nullptr, losses.data(), num_right.data());
    trainer.sums(rows.data(), words, steps * batch, temperature, false, sums.data());
    write(out, losses);
    write(out, num_right);
    write(out, sums);
    for (std::size_t l = 0; l < num_layers; ++l) {
      for (const Part part : {Part::gates, Part::wires}) {
        const auto [p, n] = trainer.shape(l, part);
        std::vector<float> mean(p * n);
        trainer.get(l, part, Quantity::mean, mean.data());
        if (p > 0) write(out, mean);
      }
    }
  } catch (const std::invalid_argument& error) {
    out << "invalid: " << error.what() << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ifstream in(argv[1]);
  std::ofstream out(argv[2]);
  out.precision(9);
  std::size_t num_layers = 0;
  while (in >> num_layers) train(in, out, num_layers);
  return out.good() && in.eof() ? 0 : 1;
}
