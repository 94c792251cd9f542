// The inner loops of training, compiled once for each instruction set and chosen at run time.
//
// Activations are feature-major tiles: a row holds one feature of kSamples = 64 samples. A gate has
// four coefficients: out = c0 + c1 a + c2 b + c3 a b. Those of kBlock gates lie together:
// coefficients [blocks][4][kBlock], and so do their masks for an exchange of operands.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gatewright {

// How rows are stored; float16 and fixed16 are their arithmetic too.
enum class Storage : std::int32_t { float32, bfloat16, float16, fixed16 };

enum class Form : std::int32_t { softmax, light, walsh, covjac };

constexpr std::size_t kBlock = 16;            // gates whose parameters lie side by side
constexpr std::size_t kSamples = 64;          // samples of a tile
constexpr std::size_t kMostCandidates = 128;  // of an operand: they live on the stack
constexpr std::size_t kMostRows = 1 << 25;    // of a layer: words are counted in 32 bits
constexpr std::size_t kGangs = 8;             // sums of gradients: as many threads share a batch

constexpr std::size_t num_parameters(Form form) { return form == Form::softmax ? 16 : 4; }

// Where a gate stands in its trail; see trail.hpp.
enum Step : std::uint8_t {
  kStarts = 1,      // the gate before it does not share its first operand's row
  kAddsFirst = 2,   // the first operand's gradient was written before: add to it
  kEnds = 4,        // the gate after it does not share its second operand's row
  kAddsSecond = 8,  // the second operand's gradient was written before
};

// A layer's gates in the order of its trails.
struct GateRows {
  std::size_t num_gates;
  const std::int32_t* operands;  // [n][2]: where rows of the layer below begin, in words
  const std::uint8_t* steps;     // [n]: Step bits
  const std::int32_t* outputs;   // [n]: where the row that a gate writes begins; in the last layer,
                                 // that of the class that it votes for
  std::size_t most_readers;      // of a row below
};

// A layer whose operands are mixtures of candidates.
struct MixtureRows {
  std::size_t num_gates;
  std::size_t num_candidates;      // K, of each operand
  const std::int32_t* candidates;  // [n][2][K]: rows of the layer below
  const std::int32_t* outputs;     // [n]: as in GateRows
  std::size_t most_readers;        // of a row below; a gate reads two, or as much of many
  // The inverse: the candidates that read a row, as indices into [n][2][K].
  std::size_t num_rows;
  const std::int64_t* first_reader;  // [num_rows + 1]
  const std::int32_t* readers;
};

// Where a layer's parameters, and Adam's means of their gradients, are: [blocks][p][kBlock].
struct Parameters {
  float* values;
  float* mean;
  float* square;
};

// One step of Adam (Kingma and Ba 2014) with decoupled weight decay, its constants gathered:
// value = keep value - rate mean / (sqrt(square) + epsilon).
struct Adam {
  float b1, b2;
  float keep;            // 1 - learning rate * weight decay
  float rate;            // learning rate * sqrt(1 - b2^t) / (1 - b1^t)
  float epsilon;         // epsilon * sqrt(1 - b2^t)
  float gradient_scale;  // of what the backward pass gives: 1 / (batch tau)
};

struct Temperatures {
  float now, next;  // of this step's parameters and the next's
};

// Of rows of gradients in fixed point: a sample's is its magnitude times `unit` times integers,
// none of which has a bit that `greatest` has not. Rows of floats are as they are.
struct Scale {
  float unit = 1;
  std::uint32_t greatest = 0;
  const std::uint32_t* magnitudes = nullptr;  // a row
};

// A tile of samples of a first layer with learned wiring: its inputs, 64 samples a word, its
// operands, and the rows of its outputs' gradients, as for other layers.
struct BitTile {
  const std::uint64_t* bits;
  const std::uint32_t* operands;
  const std::uint32_t* g;
  Scale scale;  // of g
};

struct Votes {
  float loss;     // summed over the tile's samples
  int num_right;  // samples whose highest score, the first such, is their class's
};

// Scores of the groups' sums: weights [num_scores][num_groups + 1], the last of a row a constant.
// Without weights each sum is a score.
struct Readout {
  std::size_t num_groups;
  std::span<const float> weights{};

  std::size_t num_scores() const {
    return weights.empty() ? num_groups : weights.size() / (num_groups + 1);
  }
};

struct CrossEntropy {
  std::size_t num_classes;
  float tau, smoothing;
};

// Of a tile of at most num_samples; more than those are not looked at.
struct TileKernels {
  std::size_t num_samples;

  void (*expand)(const std::uint64_t* bits, std::size_t num_rows, std::uint32_t* rows);
  // Gradients. In fixed point there is a row more, that of magnitudes.
  Scale (*import)(const float* samples, std::size_t num_rows, std::uint32_t* rows);

  // Layers of fixed wiring forward: to rows, or, where out is null, added to the sums of their
  // groups.
  void (*gates_forward)(const GateRows&, const void* coefficients, const std::uint32_t* in,
                        std::uint32_t* out, float* sums);
  // g: rows of gradients, of the outputs or, in the last layer, of the groups. d_in null:
  // gradients of the inputs are not wanted. d_coefficients: [n][4], added to or written. Takes the
  // scale of g and gives that of d_in.
  Scale (*gates_backward)(const GateRows&, const void* coefficients, const std::uint32_t* in,
                          const std::uint32_t* g, Scale, std::uint32_t* d_in, float* d_coefficients,
                          bool adds);
};

struct Kernels {
  const char* name;

  std::size_t row_words;  // 32-bit words of a row in memory

  // From the fewest samples to kSamples, the last.
  const TileKernels* tiles;

  // Coefficients and weights are float or, where arithmetic is not in float32, of sixteen bits.

  // Learned wiring. weights: [n][2][K]. operands: [n][2] rows, kept for the backward pass.
  void (*mixtures_forward)(const MixtureRows&, const void* weights, const void* coefficients,
                           const std::uint32_t* in, std::uint32_t* operands, std::uint32_t* out,
                           float* sums);
  // operands become their gradients. d_weights: [n][2][K].
  Scale (*mixtures_backward)(const MixtureRows&, const void* weights, const void* coefficients,
                             const std::uint32_t* in, std::uint32_t* operands,
                             const std::uint32_t* g, Scale, std::uint32_t* d_in, float* d_weights,
                             float* d_coefficients, bool adds);
  // The same of a layer that reads the network's inputs: bits[input], a sample a bit. Null where
  // rows are float32: these are in fixed point. Backward are gates first to last - 1 over some
  // tiles; their gradients are written or added.
  void (*bit_mixtures_forward)(const MixtureRows&, const void* weights, const void* coefficients,
                               const std::uint64_t* bits, std::uint32_t* operands,
                               std::uint32_t* out, float* sums);
  void (*bit_mixtures_backward)(const MixtureRows&, const void* coefficients, const BitTile* tiles,
                                std::size_t num_tiles, std::size_t first, std::size_t last,
                                float* d_weights, float* d_coefficients, bool adds);

  // [num_scores][kSamples] of [num_groups][kSamples], and gradients the way back.
  void (*read_out)(const Readout&, const float* sums, float* scores);
  void (*read_out_backward)(const Readout&, const float* scores, float* sums);

  // Scores become their gradients times tau: a sample's probabilities less its targets. Not divided
  // by the batch either, so that half precision holds them well; Adam::gradient_scale does it.
  // Targets are [classes][kSamples] probabilities, or null: then a sample's is all its label's.
  Votes (*cross_entropy)(const CrossEntropy&, const std::int32_t* labels, const float* targets,
                         std::size_t num_samples, float* scores);
  // The same for a number, the one score over tau: targets [kSamples], none of which decides.
  Votes (*squared_error)(float tau, const float* targets, std::size_t num_samples, float* score);

  // Blocks first..last: the coefficients of parameters; is_swapped[n]: all ones where a gate's
  // operands are exchanged, else 0.
  void (*coefficients)(Form, bool is_hard, float temperature, const float* parameters,
                       const std::int32_t* is_swapped, std::size_t first, std::size_t last,
                       void* coefficients);
  // Sum num_gradients arrays [n][4], `stride` floats apart, go back to the parameters, step, and
  // make the next coefficients.
  void (*step_gates)(Form, bool is_hard, Temperatures, const Adam&, const Parameters&,
                     const std::int32_t* is_swapped, const float* gradients,
                     std::size_t num_gradients, std::size_t stride, std::size_t first,
                     std::size_t last, void* coefficients);

  // The same for the weights of candidates: parameters [blocks][2 K][kBlock], weights [n][2][K].
  void (*weights)(std::size_t num_candidates, bool is_hard, float temperature,
                  const float* parameters, std::size_t first, std::size_t last, void* weights);
  void (*step_weights)(std::size_t num_candidates, bool is_hard, Temperatures, const Adam&,
                       const Parameters&, const float* gradients, std::size_t num_gradients,
                       std::size_t stride, std::size_t first, std::size_t last, void* weights);
};

// Kernels of the best instruction set that this machine has; GATEWRIGHT_ISA names another.
// Throws std::invalid_argument where it has none for this storage.
const Kernels& kernels(Storage storage);
// Those of a tile with so many samples.
const TileKernels& tile_kernels(const Kernels& of, std::size_t num_samples);
bool has_float16();
bool has_fixed16();

}  // namespace gatewright
