// One layer at a time on the kernels of training: what JAX calls where the whole chain is not
// fused.
//
// Arrays are JAX's, dense and row-major, in float32: x [num_inputs][batch], y [num_gates][batch],
// corners [4][num_gates].

#pragma once

#include <cstddef>
#include <cstdint>

namespace gatewright {

struct FixedLayer {
  std::size_t num_inputs, num_gates, batch;
  const std::int32_t* fanin;  // [num_gates][2]
  const float* corners;
  const float* x;
};

struct LearnedLayer {
  std::size_t num_inputs, num_gates, batch, num_candidates;
  const std::int32_t* candidates;  // [2][K][num_gates]
  const float* weights;            // [2][K][num_gates]
  const float* corners;
  const float* x;
};

// Throw std::invalid_argument where an input is not from 0 to num_inputs - 1.
void evaluate(const FixedLayer& layer, float* y);
void evaluate(const LearnedLayer& layer, float* y);

// From g, the gradient of y, those of the arguments.
void differentiate(const FixedLayer& layer, const float* g, float* d_corners, float* d_x);
void differentiate(const LearnedLayer& layer, const float* g, float* d_corners, float* d_weights,
                   float* d_x);

}  // namespace gatewright
