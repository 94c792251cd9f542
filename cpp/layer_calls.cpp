#include "layer_calls.hpp"

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"
#include "readers.hpp"
#include "team.hpp"

namespace gatewright {
namespace {

// What a member of the team needs of a tile; kept between calls, since fresh pages are slow.
struct Tile {
  Buffer<std::uint32_t> x, y, operands, d_x;
};

std::uint32_t* grown(Buffer<std::uint32_t>& buffer, std::size_t num_rows) {
  if (buffer.size() < num_rows * kSamples) buffer = Buffer<std::uint32_t>(num_rows * kSamples);
  return buffer.data();
}

// One call at a time: the team and its tiles are shared.
struct Workshop {
  std::mutex mutex;
  Team team{usable_threads()};
  std::vector<Tile> tiles{team.size()};
};

Workshop& workshop() {
  static Workshop the;
  return the;
}

std::size_t num_tiles(std::size_t batch) { return (batch + kSamples - 1) / kSamples; }

// Columns 64 t to 64 t + 63 of rows [num][batch] as a tile; what is beyond the batch is 0.
void load_tile(const float* from, std::size_t num, std::size_t batch, std::size_t t,
               std::uint32_t* tile) {
  const std::size_t count = std::min(kSamples, batch - t * kSamples);
  auto* to = reinterpret_cast<float*>(tile);
  for (std::size_t row = 0; row < num; ++row, to += kSamples) {
    std::copy_n(from + row * batch + t * kSamples, count, to);
    std::fill(to + count, to + kSamples, 0.0f);
  }
}

void store_tile(const std::uint32_t* tile, std::size_t num, std::size_t batch, std::size_t t,
                float* to) {
  const std::size_t count = std::min(kSamples, batch - t * kSamples);
  const auto* from = reinterpret_cast<const float*>(tile);
  for (std::size_t row = 0; row < num; ++row) {
    std::copy_n(from + row * kSamples, count, to + row * batch + t * kSamples);
  }
}

void check(std::size_t num_rows) {
  if (num_rows <= kMostRows) return;
  throw std::invalid_argument("a layer has " + std::to_string(num_rows) +
                              " inputs or gates, more than " + std::to_string(kMostRows));
}

void check(std::size_t num_inputs, const std::int32_t* inputs, std::size_t count) {
  check(num_inputs);
  for (std::size_t i = 0; i < count; ++i) {
    if (inputs[i] < 0 || static_cast<std::size_t>(inputs[i]) >= num_inputs) {
      throw std::invalid_argument("a gate reads input " + std::to_string(inputs[i]) + " of " +
                                  std::to_string(num_inputs));
    }
  }
}

// Corner values [4][n] as the kernel's coefficients.
std::vector<float> coefficients_of(const float* corners, std::size_t n) {
  std::vector<float> coefficients((n + kBlock - 1) / kBlock * kBlock * 4);
  for (std::size_t i = 0; i < n; ++i) {
    float* c = coefficients.data() + i / kBlock * kBlock * 4 + i % kBlock;
    const float q0 = corners[i], q1 = corners[n + i], q2 = corners[2 * n + i];
    c[0] = q0;
    c[kBlock] = q1 - q0;
    c[2 * kBlock] = q2 - q0;
    c[3 * kBlock] = corners[3 * n + i] - q2 - q1 + q0;
  }
  return coefficients;
}

// Gradients of coefficients, [gangs][n][4], as those of corner values [4][n].
void corners_of(const std::vector<float>& d, std::size_t num_gangs, std::size_t n,
                float* d_corners) {
  for (std::size_t i = 0; i < n; ++i) {
    float sum[4] = {};
    for (std::size_t gang = 0; gang < num_gangs; ++gang) {
      for (std::size_t m = 0; m < 4; ++m) sum[m] += d[(gang * n + i) * 4 + m];
    }
    d_corners[i] = sum[0] - sum[1] - sum[2] + sum[3];
    d_corners[n + i] = sum[1] - sum[3];
    d_corners[2 * n + i] = sum[2] - sum[3];
    d_corners[3 * n + i] = sum[3];
  }
}

// Where rows 0 to num - 1 begin, in words.
std::vector<std::int32_t> row_places(std::size_t num) {
  check(num);
  std::vector<std::int32_t> places(num);
  for (std::size_t i = 0; i < num; ++i) places[i] = static_cast<std::int32_t>(i * kSamples);
  return places;
}

// A fixed layer's gates in their own order, each a trail of its own.
struct Plain {
  std::vector<std::uint8_t> steps;
  std::vector<std::int32_t> operands, outputs, unread;

  explicit Plain(const FixedLayer& layer)
      : steps(layer.num_gates), outputs(row_places(layer.num_gates)) {
    check(layer.num_inputs, layer.fanin, 2 * layer.num_gates);
    for (std::size_t i = 0; i < 2 * layer.num_gates; ++i) {
      operands.push_back(layer.fanin[i] * static_cast<std::int32_t>(kSamples));
    }
    std::vector<bool> is_written(layer.num_inputs);
    for (std::size_t i = 0; i < layer.num_gates; ++i) {
      const auto a = static_cast<std::size_t>(layer.fanin[2 * i]);
      const auto b = static_cast<std::size_t>(layer.fanin[2 * i + 1]);
      unsigned step = kStarts | kEnds;
      if (is_written[a]) step |= kAddsFirst;
      is_written[a] = true;
      if (is_written[b]) step |= kAddsSecond;
      is_written[b] = true;
      steps[i] = static_cast<std::uint8_t>(step);
    }
    for (std::size_t row = 0; row < layer.num_inputs; ++row) {
      if (!is_written[row]) unread.push_back(static_cast<std::int32_t>(row));
    }
  }
  GateRows rows(const FixedLayer& layer) const {
    return {layer.num_gates, operands.data(), steps.data(), outputs.data(), 0};
  }
};

// A learned layer as the kernel wants it: [n][2][K].
struct Mixed {
  std::vector<std::int32_t> candidates, outputs;
  Readers readers;
  std::vector<float> weights;

  explicit Mixed(const LearnedLayer& layer, bool is_read)
      : candidates(2 * layer.num_candidates * layer.num_gates),
        outputs(row_places(layer.num_gates)),
        weights(candidates.size()) {
    const std::size_t n = layer.num_gates, num = 2 * layer.num_candidates;
    check(layer.num_inputs, layer.candidates, num * n);
    for (std::size_t k = 0; k < num; ++k) {
      for (std::size_t i = 0; i < n; ++i) {
        candidates[i * num + k] = layer.candidates[k * n + i];
        weights[i * num + k] = layer.weights[k * n + i];
      }
    }
    if (is_read) readers = Readers(layer.num_inputs, candidates);
  }
  MixtureRows rows(const LearnedLayer& layer) const {
    return {layer.num_gates,  layer.num_candidates, candidates.data(),   outputs.data(), 0,
            layer.num_inputs, readers.first.data(), readers.slots.data()};
  }
};

// Calls work(tile, t, gang, adds) for every tile t of the batch; a gang's tiles in order.
template <typename Work>
std::size_t for_each_tile(std::size_t batch, Work work) {
  const std::size_t num = num_tiles(batch), num_gangs = std::min(kGangs, num);
  Workshop& shop = workshop();
  const std::lock_guard lock(shop.mutex);
  shop.team.run([&](std::size_t member) {
    for (std::size_t gang = member; gang < num_gangs; gang += shop.team.size()) {
      for (std::size_t t = gang; t < num; t += num_gangs) {
        work(shop.tiles[member], t, gang, t != gang);
      }
    }
  });
  return num_gangs;
}

}  // namespace

void evaluate(const FixedLayer& layer, float* y) {
  const Kernels& kernel = kernels(Storage::float32);
  const Plain plain(layer);
  const std::vector<float> coefficients = coefficients_of(layer.corners, layer.num_gates);
  for_each_tile(layer.batch, [&](Tile& tile, std::size_t t, std::size_t, bool) {
    std::uint32_t* x = grown(tile.x, layer.num_inputs);
    std::uint32_t* out = grown(tile.y, layer.num_gates);
    load_tile(layer.x, layer.num_inputs, layer.batch, t, x);
    tile_kernels(kernel, kSamples)
        .gates_forward(plain.rows(layer), coefficients.data(), x, out, nullptr);
    store_tile(out, layer.num_gates, layer.batch, t, y);
  });
}

void differentiate(const FixedLayer& layer, const float* g, float* d_corners, float* d_x) {
  const Kernels& kernel = kernels(Storage::float32);
  const Plain plain(layer);
  const std::size_t n = layer.num_gates;
  const std::vector<float> coefficients = coefficients_of(layer.corners, n);
  std::vector<float> d(std::min(kGangs, num_tiles(layer.batch)) * n * 4);
  const std::size_t num_gangs =
      for_each_tile(layer.batch, [&](Tile& tile, std::size_t t, std::size_t gang, bool adds) {
        std::uint32_t* x = grown(tile.x, layer.num_inputs);
        std::uint32_t* d_y = grown(tile.y, n);
        std::uint32_t* d_in = grown(tile.d_x, layer.num_inputs);
        load_tile(layer.x, layer.num_inputs, layer.batch, t, x);
        load_tile(g, n, layer.batch, t, d_y);
        for (const std::int32_t row : plain.unread) {
          std::fill_n(d_in + static_cast<std::size_t>(row) * kSamples, kSamples, 0U);
        }
        tile_kernels(kernel, kSamples)
            .gates_backward(plain.rows(layer), coefficients.data(), x, d_y, {}, d_in,
                            d.data() + gang * n * 4, adds);
        store_tile(d_in, layer.num_inputs, layer.batch, t, d_x);
      });
  corners_of(d, num_gangs, n, d_corners);
}

void evaluate(const LearnedLayer& layer, float* y) {
  const Kernels& kernel = kernels(Storage::float32);
  const Mixed mixed(layer, false);
  const std::vector<float> coefficients = coefficients_of(layer.corners, layer.num_gates);
  for_each_tile(layer.batch, [&](Tile& tile, std::size_t t, std::size_t, bool) {
    std::uint32_t* x = grown(tile.x, layer.num_inputs);
    std::uint32_t* out = grown(tile.y, layer.num_gates);
    load_tile(layer.x, layer.num_inputs, layer.batch, t, x);
    kernel.mixtures_forward(mixed.rows(layer), mixed.weights.data(), coefficients.data(), x,
                            nullptr, out, nullptr);
    store_tile(out, layer.num_gates, layer.batch, t, y);
  });
}

void differentiate(const LearnedLayer& layer, const float* g, float* d_corners, float* d_weights,
                   float* d_x) {
  const Kernels& kernel = kernels(Storage::float32);
  const Mixed mixed(layer, true);
  const std::size_t n = layer.num_gates, num = 2 * layer.num_candidates;
  const std::vector<float> coefficients = coefficients_of(layer.corners, n);
  const std::size_t most_gangs = std::min(kGangs, num_tiles(layer.batch));
  std::vector<float> d(most_gangs * n * 4), d_mixed(most_gangs * n * num);
  const std::size_t num_gangs =
      for_each_tile(layer.batch, [&](Tile& tile, std::size_t t, std::size_t gang, bool adds) {
        std::uint32_t* x = grown(tile.x, layer.num_inputs);
        std::uint32_t* y = grown(tile.y, n);
        std::uint32_t* operands = grown(tile.operands, 2 * n);
        std::uint32_t* d_in = grown(tile.d_x, layer.num_inputs);
        load_tile(layer.x, layer.num_inputs, layer.batch, t, x);
        kernel.mixtures_forward(mixed.rows(layer), mixed.weights.data(), coefficients.data(), x,
                                operands, y, nullptr);
        load_tile(g, n, layer.batch, t, y);  // its outputs are not needed
        kernel.mixtures_backward(mixed.rows(layer), mixed.weights.data(), coefficients.data(), x,
                                 operands, y, {}, d_in, d_mixed.data() + gang * n * num,
                                 d.data() + gang * n * 4, adds);
        store_tile(d_in, layer.num_inputs, layer.batch, t, d_x);
      });
  corners_of(d, num_gangs, n, d_corners);
  for (std::size_t k = 0; k < num; ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      float sum = 0;
      for (std::size_t gang = 0; gang < num_gangs; ++gang) {
        sum += d_mixed[(gang * n + i) * num + k];
      }
      d_weights[k * n + i] = sum;
    }
  }
}

}  // namespace gatewright
