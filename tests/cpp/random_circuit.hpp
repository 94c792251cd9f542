// Circuits by chance, some of them with dead gates and constants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "simulate.hpp"

struct RandomCircuit {
  std::size_t num_inputs;
  std::vector<std::int32_t> fanin, outputs;
  std::vector<std::uint8_t> table;

  RandomCircuit(std::mt19937& random, std::size_t inputs, std::size_t num_gates,
                std::size_t num_outputs)
      : num_inputs(inputs) {
    for (std::size_t gate = 0; gate < num_gates; ++gate) {
      for (int side = 0; side < 2; ++side) {
        fanin.push_back(static_cast<std::int32_t>(random() % (1 + num_inputs + gate)));
      }
      table.push_back(static_cast<std::uint8_t>(random() % 16));
    }
    for (std::size_t output = 0; output < num_outputs; ++output) {
      outputs.push_back(static_cast<std::int32_t>(random() % (2 * (1 + num_inputs + num_gates))));
    }
  }

  // Valid while this lives.
  [[nodiscard]] gatewright::CircuitView view() const {
    return {num_inputs, table.size(), outputs.size(), fanin.data(), table.data(), outputs.data()};
  }
};
