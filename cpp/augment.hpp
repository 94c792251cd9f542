// Random warps of images. Knows nothing of Python; gatewright/augment.py is the specification.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatewright {

// Images [count][height][width][channels] that the caller keeps alive.
struct ImagesView {
  const std::uint8_t* data;
  std::size_t count;
  std::size_t height;
  std::size_t width;
  std::size_t channels;

  [[nodiscard]] std::size_t size() const { return height * width * channels; }
};

// The greatest warps: an angle in radians, ratios, pixels; and of all values' relative change.
struct Warps {
  double rotate;
  double shear;
  double scale;
  double shift;
  double gain;
  std::uint64_t crop;
  bool flip;
  // Pixels that one unit of an elastic offset moves (0: no elastic warp), pixels between the grid's
  // points, and the weight of each point's spline at each pixel: basis_y[points_y][height] and
  // basis_x[points_x][width]. Pixel p reads the points p / grid to p / grid + 3, which must exist.
  float elastic;
  std::size_t elastic_grid;
  std::size_t points_y;
  std::size_t points_x;
  const float* basis_y;
  const float* basis_x;
};

// Writes result[num_rows][height][width][channels]: image rows[j], warped by the random numbers of
// (seed, first + j). Every row must be below images.count. The result does not depend on
// num_threads.
void augment(const ImagesView& images, const std::int64_t* rows, std::size_t num_rows,
             const Warps& warps, std::uint64_t seed, std::uint64_t first, std::size_t num_threads,
             std::uint8_t* result);

}  // namespace gatewright
