#include "trainer.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <string>

#include "bit_matrix.hpp"
#include "buffer.hpp"
#include "flush_to_zero.hpp"
#include "layer.hpp"
#include "team.hpp"
#include "tile.hpp"

namespace gatewright {
namespace {

constexpr std::size_t kBlocksAtOnce = 64;    // blocks of parameters that a thread takes at a time
constexpr std::size_t kBitBlocksAtOnce = 4;  // the same where that takes the backward pass too
// Tiles between which a first layer that reads bits goes backward: it keeps rows of each.
constexpr std::size_t kTilesAtOnce = 32;
constexpr std::size_t kMostThreads = 1024;

}  // namespace

struct Trainer::Implementation {
  const Kernels& kernel;
  const Kernels& scorer;  // of rows as long, in which 0 and 1 are exact, and so hard sums
  std::size_t num_groups;
  std::vector<Layer> layers;
  Team team;
  std::vector<Tile> tiles;     // one a thread
  std::vector<Inputs> inputs;  // one a thread, or, where the first layer reads bits, a tile
  std::size_t num_gangs = 0;

  Implementation(std::span<const LayerShape> shapes, std::size_t groups, Storage storage,
                 std::size_t num_threads)
      : kernel(kernels(storage)),
        scorer(kernels(storage == Storage::fixed16 ? Storage::bfloat16 : storage)),
        num_groups(groups),
        team(num_threads) {
    for (const LayerShape& shape : shapes) layers.push_back(make_layer(shape));
    for (std::size_t l = 1; l < layers.size(); ++l) connect(layers[l - 1], layers[l]);
    for (Layer& layer : layers) {
      if (layer.is_learned()) layer.readers = Readers(layer.num_inputs, layer.candidates);
    }
    Layer& last = layers.back();
    const std::size_t group = last.num_gates / num_groups;
    for (const std::int32_t gate : last.order) {
      last.outputs.push_back(static_cast<std::int32_t>(static_cast<std::size_t>(gate) / group));
    }
    for (Layer& layer : layers) to_words(layer, kernel.row_words);
    tiles.resize(num_threads);
    for (Tile& tile : tiles) {
      for (const Layer& layer : layers) {
        tile.activations.emplace_back(
            reads_bits(tile.activations.size()) ? 0 : layer.num_inputs * kernel.row_words);
        tile.operands.emplace_back(
            layer.is_learned() && !reads_bits(tile.operands.size()) ? rows_of_operands(layer) : 0);
      }
      tile.sums = Buffer<float>(num_groups * kSamples);
    }
    make_inputs(num_threads);
  }

  std::size_t rows_of_operands(const Layer& layer) const {
    return 2 * layer.num_gates * kernel.row_words;
  }

  // At least so many.
  void make_inputs(std::size_t num) {
    while (inputs.size() < num) {
      Inputs& made = inputs.emplace_back();
      made.bits = Buffer<std::uint64_t>((layers[0].num_inputs + 63) / 64 * 64);
      made.d_groups = Buffer<std::uint32_t>((num_groups + 1) * kernel.row_words);
      if (!reads_bits(0)) continue;
      made.operands = Buffer<std::uint32_t>(rows_of_operands(layers[0]));
      if (layers.size() == 1) continue;
      made.gradients = Buffer<std::uint32_t>(layers[0].num_gates * kernel.row_words);
    }
  }

  // Whether a layer reads the network's inputs as they are and not as rows.
  bool reads_bits(std::size_t layer) const {
    return layer == 0 && layers[0].is_learned() && kernel.bit_mixtures_forward;
  }

  // For a tile of so many samples; layers with learned wiring take whole tiles.
  const TileKernels& of_tile(const Kernels& with, std::size_t count) const {
    const bool is_learned = std::any_of(layers.begin(), layers.end(),
                                        [](const Layer& layer) { return layer.is_learned(); });
    return tile_kernels(with, is_learned ? kSamples : count);
  }

  // Samples first to first + count - 1 as the tile's inputs; the rest of the tile is 0.
  void load_inputs(const Kernels& with, Tile& tile, Inputs& of, const std::uint64_t* rows,
                   std::size_t words, std::size_t count) {
    for (std::size_t word = 0; word < (layers[0].num_inputs + 63) / 64; ++word) {
      std::uint64_t* block = of.bits.data() + 64 * word;
      for (std::size_t i = 0; i < 64; ++i) block[i] = i < count ? rows[i * words + word] : 0;
      transpose(block);
    }
    if (reads_bits(0)) return;
    of_tile(with, count).expand(of.bits.data(), layers[0].num_inputs, tile.activations[0].data());
  }

  void forward(const Kernels& with, Tile& tile, Inputs& of, std::size_t count) {
    const TileKernels& through = of_tile(with, count);
    std::fill_n(tile.sums.data(), tile.sums.size(), 0.0f);
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const Layer& layer = layers[l];
      const std::uint32_t* in = tile.activations[l].data();
      std::uint32_t* out = l + 1 < layers.size() ? tile.activations[l + 1].data() : nullptr;
      if (reads_bits(l)) {
        with.bit_mixtures_forward(layer.mixture_rows(), layer.weights.data(),
                                  layer.coefficients.data(), of.bits.data(), of.operands.data(),
                                  out, tile.sums.data());
      } else if (layer.is_learned()) {
        with.mixtures_forward(layer.mixture_rows(), layer.weights.data(), layer.coefficients.data(),
                              in, tile.operands[l].data(), out, tile.sums.data());
      } else {
        through.gates_forward(layer.gate_rows(), layer.coefficients.data(), in, out,
                              tile.sums.data());
      }
    }
  }

  // All but a first layer that reads bits: its gradients are left to `update`. The scale of what is
  // left to it.
  Scale backward(Tile& tile, Inputs& of, std::size_t count, std::size_t gang, bool adds) {
    const TileKernels& through = of_tile(kernel, count);
    Scale scale = through.import(tile.sums.data(), num_groups, of.d_groups.data());
    const std::uint32_t* g = of.d_groups.data();
    for (std::size_t l = layers.size(); l-- > 0 && !reads_bits(l);) {
      Layer& layer = layers[l];
      auto& below = l == 1 && reads_bits(0) ? of.gradients : tile.gradients[l % 2];
      std::uint32_t* d_in = l > 0 ? below.data() : nullptr;
      const std::uint32_t* in = tile.activations[l].data();
      float* d_coefficients = layer.d_coefficients.data() + gang * layer.coefficient_stride();
      if (layer.is_learned()) {
        scale = kernel.mixtures_backward(
            layer.mixture_rows(), layer.weights.data(), layer.coefficients.data(), in,
            tile.operands[l].data(), g, scale, d_in,
            layer.d_weights.data() + gang * layer.weight_stride(), d_coefficients, adds);
      } else {
        if (d_in) {
          for (const std::int32_t row : layer.walk.unread) {
            std::fill_n(d_in + static_cast<std::size_t>(row) * kernel.row_words, kernel.row_words,
                        0U);
          }
        }
        scale = through.gates_backward(layer.gate_rows(), layer.coefficients.data(), in, g, scale,
                                       d_in, d_coefficients, adds);
      }
      g = d_in;
    }
    return scale;
  }

  void make_coefficients(const Kernels& with, std::size_t member, float temperature, bool all_soft,
                         bool all_hard) {
    for (Layer& layer : layers) {
      const std::size_t num = layer.num_blocks();
      const std::size_t first = num * member / team.size(), last = num * (member + 1) / team.size();
      const auto is_hard = [&](bool is) { return all_hard || (is && !all_soft); };
      with.coefficients(layer.form, is_hard(layer.is_hard), temperature, layer.gates.values.data(),
                        layer.is_swapped.data(), first, last, layer.coefficients.data());
      if (layer.is_learned()) {
        with.weights(layer.num_candidates, is_hard(layer.is_wired_hard), temperature,
                     layer.wires.values.data(), first, last, layer.weights.data());
      }
    }
  }

  // Gates of the blocks first to last - 1 of a first layer that reads bits, over some tiles.
  void backward_of_bits(std::span<const BitTile> some, std::size_t first, std::size_t last,
                        bool adds) {
    Layer& layer = layers[0];
    kernel.bit_mixtures_backward(layer.mixture_rows(), layer.coefficients.data(), some.data(),
                                 some.size(), first * kBlock,
                                 std::min(last * kBlock, layer.num_gates), layer.d_weights.data(),
                                 layer.d_coefficients.data(), adds);
  }

  // Blocks first to last - 1 of layer l: from the batch's gradients the next parameters.
  void update(std::size_t l, const Adam& adam, Temperatures temperature, std::size_t first,
              std::size_t last) {
    Layer& layer = layers[l];
    const std::size_t num_sums = gangs_of(l);
    kernel.step_gates(layer.form, layer.is_hard, temperature, adam, layer.gates.view(),
                      layer.is_swapped.data(), layer.d_coefficients.data(), num_sums,
                      layer.coefficient_stride(), first, last, layer.coefficients.data());
    if (layer.is_learned()) {
      kernel.step_weights(layer.num_candidates, layer.is_wired_hard, temperature, adam,
                          layer.wires.view(), layer.d_weights.data(), num_sums,
                          layer.weight_stride(), first, last, layer.weights.data());
    }
  }

  // Makes what training needs beyond evaluation.
  void begin_training(std::size_t batch) {
    std::size_t widest = 0;
    for (Layer& layer : layers) {
      layer.gates.begin();
      layer.wires.begin();
      if (&layer != &layers.front()) widest = std::max(widest, layer.num_inputs);
    }
    for (Tile& tile : tiles) {
      for (auto& rows : tile.gradients) {
        if (rows.size() == 0) rows = Buffer<std::uint32_t>(widest * kernel.row_words);
      }
    }
    const std::size_t num_tiles = (batch + kSamples - 1) / kSamples;
    make_gangs(num_tiles);
    if (reads_bits(0)) make_inputs(std::min(num_tiles, kTilesAtOnce));
  }

  void make_gangs(std::size_t num_tiles) {
    const std::size_t num = std::min(kGangs, num_tiles);
    if (num == num_gangs) return;
    num_gangs = num;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      Layer& layer = layers[l];
      layer.d_coefficients = Buffer<float>(gangs_of(l) * layer.coefficient_stride());
      layer.d_weights = Buffer<float>(gangs_of(l) * layer.weight_stride());
    }
  }

  // How many sums a layer's gradients come in.
  std::size_t gangs_of(std::size_t l) const { return reads_bits(l) ? 1 : num_gangs; }
};

Trainer::Trainer(std::span<const LayerShape> layers, std::size_t num_groups, Storage storage,
                 std::size_t num_threads) {
  if (layers.empty()) throw std::invalid_argument("a network has at least one layer");
  if (num_threads < 1 || num_threads > kMostThreads) {
    throw std::invalid_argument("threads is " + std::to_string(num_threads) + ", not from 1 to " +
                                std::to_string(kMostThreads));
  }
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const LayerShape& layer = layers[l];
    const std::size_t entries =
        2 * layer.num_gates * std::max<std::size_t>(1, layer.num_candidates);
    if (layer.wiring.size() != entries) {
      throw std::invalid_argument("layer " + std::to_string(l) + ": the wiring has " +
                                  std::to_string(layer.wiring.size()) + " entries, not " +
                                  std::to_string(entries));
    }
    if (layer.num_candidates > kMostCandidates) {
      throw std::invalid_argument("layer " + std::to_string(l) + ": " +
                                  std::to_string(layer.num_candidates) + " candidates, more than " +
                                  std::to_string(kMostCandidates));
    }
    if (l > 0 && layer.num_inputs != layers[l - 1].num_gates) {
      throw std::invalid_argument("layer " + std::to_string(l) + ": reads " +
                                  std::to_string(layer.num_inputs) + " inputs, not " +
                                  std::to_string(layers[l - 1].num_gates));
    }
  }
  if (num_groups < 1 || layers.back().num_gates % num_groups) {
    throw std::invalid_argument("the last layer's " + std::to_string(layers.back().num_gates) +
                                " gates do not make " + std::to_string(num_groups) +
                                " equal groups");
  }
  implementation_ = std::make_unique<Implementation>(layers, num_groups, storage, num_threads);
}

Trainer::~Trainer() = default;
Trainer::Trainer(Trainer&&) noexcept = default;

std::size_t Trainer::num_inputs() const { return implementation_->layers[0].num_inputs; }
std::size_t Trainer::num_groups() const { return implementation_->num_groups; }
std::size_t Trainer::num_layers() const { return implementation_->layers.size(); }

std::pair<std::size_t, std::size_t> Trainer::shape(std::size_t layer, Part part) const {
  const Layer& of = implementation_->layers.at(layer);
  return {(part == Part::gates ? of.gates : of.wires).num_parameters, of.num_gates};
}

void Trainer::set(std::size_t layer, Part part, Quantity quantity, const float* from) {
  Layer& of = implementation_->layers.at(layer);
  Trained& trained = part == Part::gates ? of.gates : of.wires;
  if (quantity != Quantity::values) trained.begin();
  Buffer<float>& to = quantity == Quantity::values ? trained.values
                      : quantity == Quantity::mean ? trained.mean
                                                   : trained.square;
  for (std::size_t p = 0; p < trained.num_parameters; ++p) {
    for (std::size_t i = 0; i < of.num_gates; ++i) {
      to[trained.place(p, i)] = from[p * of.num_gates + static_cast<std::size_t>(of.order[i])];
    }
  }
}

void Trainer::get(std::size_t layer, Part part, Quantity quantity, float* to) const {
  const Layer& of = implementation_->layers.at(layer);
  const Trained& trained = part == Part::gates ? of.gates : of.wires;
  const Buffer<float>& from = trained.of(quantity);
  if (from.size() == 0) {
    std::fill_n(to, trained.num_parameters * of.num_gates, 0.0f);
    return;
  }
  for (std::size_t p = 0; p < trained.num_parameters; ++p) {
    for (std::size_t i = 0; i < of.num_gates; ++i) {
      to[p * of.num_gates + static_cast<std::size_t>(of.order[i])] = from[trained.place(p, i)];
    }
  }
}

void Trainer::run(const RunSettings& run, std::span<const StepSettings> steps,
                  const std::uint64_t* rows, std::size_t words, const std::int32_t* labels,
                  const float* targets, float* losses, std::int32_t* num_right) {
  Implementation& self = *implementation_;
  if (steps.empty()) return;
  self.begin_training(run.batch);
  const std::size_t num_tiles = (run.batch + kSamples - 1) / kSamples;
  const Readout readout{self.num_groups, run.readout};
  const CrossEntropy of_classes{readout.num_scores(), run.tau, run.smoothing};
  const bool is_number = !run.readout.empty() && readout.num_scores() == 1;
  const std::size_t num_targets = targets == nullptr ? 0 : readout.num_scores();
  for (Tile& tile : self.tiles) {
    tile.targets = Buffer<float>(num_targets * kSamples);
    tile.scores = Buffer<float>(run.readout.empty() ? 0 : readout.num_scores() * kSamples);
  }
  std::vector<Votes> votes(steps.size() * num_tiles);
  // Tiles are brought forward and backward in groups, more than one only where bits are read.
  const std::size_t at_once = self.reads_bits(0) ? std::min(num_tiles, kTilesAtOnce) : num_tiles;
  const std::size_t num_groups = (num_tiles + at_once - 1) / at_once;
  // Work is taken from these, one a phase, so that none is reset while others read it.
  std::vector<std::atomic<std::size_t>> next_gang(steps.size() * num_groups),
      next_bits(steps.size() * num_groups), next_part(steps.size());

  std::vector<BitTile> kept;
  for (std::size_t t = 0; self.reads_bits(0) && t < at_once; ++t) {
    const Inputs& of = self.inputs[t];
    const auto& g = self.layers.size() == 1 ? of.d_groups : of.gradients;
    kept.push_back({of.bits.data(), of.operands.data(), g.data(), {}});
  }

  const auto train_tiles = [&](std::size_t step, std::size_t group, std::size_t member) {
    auto& next = next_gang[step * num_groups + group];
    const std::size_t begin = group * at_once, end = std::min(num_tiles, begin + at_once);
    Tile& tile = self.tiles[member];
    std::int32_t label[kSamples];
    for (std::size_t gang; (gang = next.fetch_add(1)) < self.num_gangs;) {
      for (std::size_t t = begin + gang; t < end; t += self.num_gangs) {
        const std::size_t first = step * run.batch + t * kSamples;
        const std::size_t count = std::min(kSamples, run.batch - t * kSamples);
        for (std::size_t i = 0; i < kSamples; ++i) label[i] = i < count ? labels[first + i] : 0;
        float* target = targets ? tile.targets.data() : nullptr;
        for (std::size_t i = 0; i < count; ++i) {
          for (std::size_t c = 0; c < num_targets; ++c) {
            target[c * kSamples + i] = targets[(first + i) * num_targets + c];
          }
        }
        Inputs& of = self.inputs[self.reads_bits(0) ? t - begin : member];
        self.load_inputs(self.kernel, tile, of, rows + first * words, words, count);
        self.forward(self.kernel, tile, of, count);
        const bool is_read_out = !run.readout.empty();
        float* scores = is_read_out ? tile.scores.data() : tile.sums.data();
        if (is_read_out) self.kernel.read_out(readout, tile.sums.data(), scores);
        votes[step * num_tiles + t] =
            is_number ? self.kernel.squared_error(run.tau, target, count, scores)
                      : self.kernel.cross_entropy(of_classes, label, target, count, scores);
        if (is_read_out) self.kernel.read_out_backward(readout, scores, tile.sums.data());
        const Scale scale = self.backward(tile, of, count, gang, t != gang);
        if (self.reads_bits(0)) kept[t - begin].scale = scale;
      }
    }
  };
  // What `backward` left of a group: gradients of a first layer that reads bits.
  const auto train_bits = [&](std::size_t group, std::size_t first, std::size_t last) {
    const std::span tiles(kept.data(), std::min(at_once, num_tiles - group * at_once));
    self.backward_of_bits(tiles, first, last, group > 0);
  };
  const auto train_all_bits = [&](std::size_t step, std::size_t group) {
    const std::size_t num = self.layers[0].num_blocks();
    auto& next = next_bits[step * num_groups + group];
    for (std::size_t first; (first = next.fetch_add(kBitBlocksAtOnce)) < num;) {
      train_bits(group, first, std::min(num, first + kBitBlocksAtOnce));
    }
  };
  const auto update = [&](std::size_t step) {
    const double t = static_cast<double>(run.first_step + step + 1);
    const double rate = steps[step].learning_rate;
    const double unbiased1 = 1 - std::pow(static_cast<double>(run.b1), t);
    const double unbiased2 = std::sqrt(1 - std::pow(static_cast<double>(run.b2), t));
    const Adam adam{run.b1,
                    run.b2,
                    static_cast<float>(1 - rate * run.weight_decay),
                    static_cast<float>(rate * unbiased2 / unbiased1),
                    static_cast<float>(run.epsilon * unbiased2),
                    1 / (static_cast<float>(run.batch) * run.tau)};
    const Temperatures temperature{steps[step].temperature,
                                   steps[std::min(step + 1, steps.size() - 1)].temperature};
    std::size_t part = next_part[step].fetch_add(1), before = 0;
    for (std::size_t l = 0; l < self.layers.size(); ++l) {
      const std::size_t num = self.layers[l].num_blocks();
      const std::size_t of_part = self.reads_bits(l) ? kBitBlocksAtOnce : kBlocksAtOnce;
      const std::size_t parts = (num + of_part - 1) / of_part;
      for (; part < before + parts; part = next_part[step].fetch_add(1)) {
        const std::size_t first = (part - before) * of_part, last = std::min(num, first + of_part);
        if (self.reads_bits(l)) train_bits(num_groups - 1, first, last);
        self.update(l, adam, temperature, first, last);
      }
      before += parts;
    }
  };
  self.team.run([&](std::size_t member) {
    const FlushToZero flush;
    self.make_coefficients(self.kernel, member, steps[0].temperature, false, false);
    self.team.meet();
    for (std::size_t step = 0; step < steps.size(); ++step) {
      for (std::size_t group = 0; group < num_groups; ++group) {
        train_tiles(step, group, member);
        self.team.meet();
        if (group + 1 == num_groups) break;
        train_all_bits(step, group);
        self.team.meet();
      }
      update(step);
      self.team.meet();
    }
  });
  for (std::size_t step = 0; step < steps.size(); ++step) {
    double total = 0;
    num_right[step] = 0;
    for (std::size_t t = 0; t < num_tiles; ++t) {
      total += votes[step * num_tiles + t].loss;
      num_right[step] += votes[step * num_tiles + t].num_right;
    }
    losses[step] = static_cast<float>(total / static_cast<double>(run.batch));
  }
}

void Trainer::sums(const std::uint64_t* rows, std::size_t words, std::size_t num_rows,
                   float temperature, bool is_hard, float* to) {
  Implementation& self = *implementation_;
  const std::size_t num_tiles = (num_rows + kSamples - 1) / kSamples;
  std::atomic<std::size_t> next{0};
  self.team.run([&](std::size_t member) {
    const FlushToZero flush;
    self.make_coefficients(self.scorer, member, temperature, !is_hard, is_hard);
    self.team.meet();
    Tile& tile = self.tiles[member];
    for (std::size_t t; (t = next.fetch_add(1)) < num_tiles;) {
      const std::size_t count = std::min(kSamples, num_rows - t * kSamples);
      Inputs& of = self.inputs[member];
      self.load_inputs(self.scorer, tile, of, rows + t * kSamples * words, words, count);
      self.forward(self.scorer, tile, of, count);
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t c = 0; c < self.num_groups; ++c) {
          to[(t * kSamples + i) * self.num_groups + c] = tile.sums[c * kSamples + i];
        }
      }
    }
  });
}

}  // namespace gatewright
