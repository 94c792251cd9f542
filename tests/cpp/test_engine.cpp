// Random circuits through the engine, with sanitizers on: every back end against `simulate`, on
// packed words and on rows of octets.

#include <cstdint>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <vector>

#include "engine.hpp"

using gatewright::Backend;
using gatewright::CircuitView;
using gatewright::Engine;

namespace {

struct Arrays {
  std::size_t num_inputs;
  std::vector<std::int32_t> fanin, outputs;
  std::vector<std::uint8_t> table;

  CircuitView view() const {
    return {num_inputs, table.size(), outputs.size(), fanin.data(), table.data(), outputs.data()};
  }
};

Arrays draw(std::mt19937& random) {
  const auto below = [&](std::size_t n) { return static_cast<std::int32_t>(random() % n); };
  Arrays made;
  made.num_inputs = random() % 80;
  const std::size_t num_gates = random() % (random() % 4 ? 90 : 3000);
  const std::size_t window = random() % 2 ? 40 : 4000;  // how far back a gate reads
  for (std::size_t gate = 0; gate < num_gates; ++gate) {
    const std::size_t node = 1 + made.num_inputs + gate;
    const std::size_t first = node > window ? node - window : 0;
    for (int k = 0; k < 2; ++k) {
      made.fanin.push_back(static_cast<std::int32_t>(first) + below(node - first));
    }
    made.table.push_back(static_cast<std::uint8_t>(random() % 16));
  }
  const std::size_t num_outputs = random() % 9;
  for (std::size_t k = 0; k < num_outputs; ++k) {
    made.outputs.push_back(below(2 * (1 + made.num_inputs + num_gates)));
  }
  return made;
}

std::size_t check_samples(Engine& engine, const Arrays& arrays, std::size_t bits,
                          std::mt19937& random) {
  const std::size_t num_samples = random() % 3000, num_words = (num_samples + 63) / 64;
  const std::size_t num_inputs = arrays.num_inputs, num_features = num_inputs / bits;
  const std::size_t stride = num_features + random() % 3;
  std::vector<std::uint8_t> rows(num_samples * stride);
  std::vector<std::uint64_t> words(num_inputs * num_words);
  std::vector<float> thresholds(num_inputs);
  for (float& threshold : thresholds) threshold = static_cast<float>(random() % 300) - 20;
  for (std::uint8_t& octet : rows) octet = static_cast<std::uint8_t>(random());
  for (std::size_t s = 0; s < num_samples; ++s) {
    for (std::size_t i = 0; i < num_inputs; ++i) {
      const std::uint64_t bit = static_cast<float>(rows[s * stride + i / bits]) > thresholds[i];
      words[i * num_words + s / 64] |= bit << s % 64;
    }
  }
  const std::size_t num_outputs = arrays.outputs.size();
  std::vector<std::uint64_t> expected(num_outputs * num_words), found(num_outputs * num_words);
  gatewright::simulate(arrays.view(), num_words, words.data(), expected.data());
  engine.run(words.data(), num_words, found.data());
  std::size_t wrong = found != expected;
  const gatewright::Samples samples{
      {rows.data(), static_cast<std::ptrdiff_t>(stride), num_features},
      gatewright::engine_kernels().pack_uint8,
      bits,
      thresholds.data()};
  if (num_inputs == 0) return wrong;
  engine.run(samples, num_samples, found.data());
  wrong += found != expected;
  if (num_outputs > 8) return wrong;
  std::vector<std::int64_t> labels(num_samples);
  engine.label(samples, num_samples, labels.data());
  for (std::size_t s = 0; s < num_samples; ++s) {
    std::int64_t label = 0;
    for (std::size_t k = 0; k < num_outputs; ++k) {
      label |= static_cast<std::int64_t>(expected[k * num_words + s / 64] >> s % 64 & 1) << k;
    }
    wrong += labels[s] != label;
  }
  return wrong;
}

std::size_t check(Backend backend, const Arrays& arrays, std::mt19937& random) {
  Engine engine(arrays.view(), backend, 1 + random() % 3);
  std::size_t wrong = 0;
  // The same inputs as bits of few features and of many, in one engine.
  for (const std::size_t bits : {2, 1}) {
    if (arrays.num_inputs % bits == 0) wrong += check_samples(engine, arrays, bits, random);
  }
  return wrong;
}

}  // namespace

int main() {
  std::mt19937 random(1);
  std::size_t num_circuits = 0, wrong = 0;
  for (const char* isa : {"portable", "avx2", "avx512"}) {
    setenv("GATEWRIGHT_ISA", isa, 1);
    try {
      gatewright::engine_kernels();
    } catch (const std::invalid_argument&) {
      continue;  // not on this machine
    }
    for (int i = 0; i < 60; ++i) {
      const Arrays arrays = draw(random);
      for (const Backend backend : {Backend::machine_code, Backend::interpreter}) {
        try {
          wrong += check(backend, arrays, random);
          ++num_circuits;
        } catch (const std::invalid_argument&) {
          if (backend == Backend::interpreter) throw;
        }
      }
    }
  }
  std::printf("%zu circuits, %zu wrong\n", num_circuits, wrong);
  return wrong != 0;
}
