#include "layer.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace gatewright {
namespace {

std::int32_t checked_input(const LayerShape& shape, std::int32_t input) {
  if (input < 0 || static_cast<std::size_t>(input) >= shape.num_inputs) {
    throw std::invalid_argument("a gate reads input " + std::to_string(input) + " of " +
                                std::to_string(shape.num_inputs));
  }
  return input;
}

// The inverse of a permutation.
std::vector<std::int32_t> inverse(const std::vector<std::int32_t>& order) {
  std::vector<std::int32_t> places(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    places[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
  }
  return places;
}

void walk_gates(Layer& layer, const LayerShape& shape) {
  for (const std::int32_t input : shape.wiring) checked_input(shape, input);
  layer.walk = trails(shape.num_inputs, shape.num_gates, shape.wiring.data());
  layer.order = layer.walk.order;
  for (std::size_t i = 0; i < shape.num_gates; ++i) {
    layer.is_swapped[i] = layer.walk.is_swapped[i] ? -1 : 0;
  }
}

void list_candidates(Layer& layer, const LayerShape& shape) {
  const std::size_t n = shape.num_gates, num = 2 * shape.num_candidates;
  layer.order.resize(n);
  layer.candidates.resize(num * n);
  for (std::size_t i = 0; i < n; ++i) {
    layer.order[i] = static_cast<std::int32_t>(i);
    for (std::size_t k = 0; k < num; ++k) {
      layer.candidates[i * num + k] = checked_input(shape, shape.wiring[k * n + i]);
    }
  }
}

// Of candidates only shares are read: a row has as much as others, or twice that.
std::size_t most_readers(const LayerShape& shape) {
  if (shape.num_candidates > 0) return 4 * shape.num_gates / shape.num_inputs + 1;
  std::vector<std::size_t> readers(shape.num_inputs);
  for (const std::int32_t input : shape.wiring) ++readers[static_cast<std::size_t>(input)];
  return *std::max_element(readers.begin(), readers.end());
}

// Puts the rows that a layer reads where `places` says.
void move_inputs(Layer& layer, const std::vector<std::int32_t>& places) {
  const auto move = [&](std::vector<std::int32_t>& rows) {
    for (std::int32_t& row : rows) row = places[static_cast<std::size_t>(row)];
  };
  move(layer.walk.operands);
  move(layer.walk.unread);
  move(layer.candidates);
}

}  // namespace

Layer make_layer(const LayerShape& shape) {
  if (std::max(shape.num_inputs, shape.num_gates) > kMostRows) {
    throw std::invalid_argument("a layer has more than " + std::to_string(kMostRows) +
                                " inputs or gates");
  }
  Layer layer{};
  layer.form = shape.form;
  layer.is_hard = shape.is_hard;
  layer.is_wired_hard = shape.is_wired_hard;
  layer.num_inputs = shape.num_inputs;
  layer.num_gates = shape.num_gates;
  layer.num_candidates = shape.num_candidates;
  layer.is_swapped.resize(layer.num_blocks() * kBlock);
  if (layer.is_learned()) {
    list_candidates(layer, shape);
    layer.wires = Trained(2 * shape.num_candidates, shape.num_gates);
    layer.weights = Buffer<float>(layer.weight_stride());
  } else {
    walk_gates(layer, shape);
  }
  layer.most_readers = most_readers(shape);
  layer.gates = Trained(num_parameters(shape.form), shape.num_gates);
  layer.coefficients = Buffer<float>(layer.coefficient_stride());
  return layer;
}

void connect(Layer& below, Layer& above) {
  std::vector<std::int32_t> rows;  // place -> gate of the layer below
  if (above.is_learned()) {
    rows = below.order;
  } else {
    rows = above.walk.visits;
    rows.insert(rows.end(), above.walk.unread.begin(), above.walk.unread.end());
  }
  const std::vector<std::int32_t> places = inverse(rows);
  for (const std::int32_t gate : below.order) {
    below.outputs.push_back(places[static_cast<std::size_t>(gate)]);
  }
  move_inputs(above, places);
}

void to_words(Layer& layer, std::size_t row_words) {
  for (auto* rows : {&layer.walk.operands, &layer.outputs}) {
    for (std::int32_t& row : *rows) row *= static_cast<std::int32_t>(row_words);
  }
}

}  // namespace gatewright
