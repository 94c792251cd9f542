#include "augment.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

// As in simulate.cpp: one body for several instruction sets, where GCC and the loader can. AVX-512
// is no faster here.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define GATEWRIGHT_MULTIVERSION __attribute__((target_clones("avx2", "default")))
#else
#define GATEWRIGHT_MULTIVERSION
#endif
// Must be part of each version, not called from it.
#define GATEWRIGHT_INLINE [[gnu::always_inline]] inline
// The iterations of the loop that follows read nothing that others write.
#if defined(__clang__)
#define GATEWRIGHT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define GATEWRIGHT_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace gatewright {
namespace {

// Rows of floats are processed in whole vectors of this many lanes; what is past the width is
// computed, in range, and dropped.
constexpr std::size_t kLanes = 16;
// Below this many images a thread costs more than it saves.
constexpr std::size_t kImagesPerThread = 32;

enum Draw { kRotate, kShear, kScaleX, kScaleY, kShiftX, kShiftY, kCropX, kCropY, kFlip, kGain };
constexpr std::uint64_t kElastic = 16;
constexpr int kSeries = 12;
constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::uint64_t draw(std::uint64_t key, std::uint64_t number) {
  return mix(key + (number + 1) * kGolden);
}

double uniform(std::uint64_t word) { return static_cast<double>(word >> 40) * 0x1p-23 - 1.0; }

double whole(std::uint64_t word, std::uint64_t limit) {
  return static_cast<double>((word >> 40) * (2 * limit + 1) >> 24) - static_cast<double>(limit);
}

void sine_cosine(double angle, double& sine, double& cosine) {
  const double square = angle * angle;
  double sine_term = angle;
  double cosine_term = 1.0;
  sine = sine_term;
  cosine = cosine_term;
  for (int k = 1; k <= kSeries; ++k) {
    cosine_term = -cosine_term * square / static_cast<double>((2 * k - 1) * (2 * k));
    sine_term = -sine_term * square / static_cast<double>((2 * k) * (2 * k + 1));
    cosine += cosine_term;
    sine += sine_term;
  }
}

// Pixel (row, column) is taken from x = x0 + xy * row + xx * column, y alike, both counted from 1.
struct Affine {
  float x0, xx, xy, y0, yx, yy;
};

Affine draw_affine(const Warps& warps, std::uint64_t key, std::size_t height, std::size_t width) {
  const auto amount = [key](Draw number) { return uniform(draw(key, number)); };
  double sine = 0;
  double cosine = 0;
  sine_cosine(warps.rotate * amount(kRotate), sine, cosine);
  const double shear = warps.shear * amount(kShear);
  double scale_x = 1.0 + warps.scale * amount(kScaleX);
  const double scale_y = 1.0 + warps.scale * amount(kScaleY);
  if (warps.flip && draw(key, kFlip) >> 63 == 1) scale_x = -scale_x;
  const double xx = cosine * scale_x;
  const double xy = (cosine * shear - sine) * scale_y;
  const double yx = sine * scale_x;
  const double yy = (sine * shear + cosine) * scale_y;
  const double centre_x = (static_cast<double>(width) - 1) / 2;
  const double centre_y = (static_cast<double>(height) - 1) / 2;
  const double shift_x = warps.shift * amount(kShiftX) + whole(draw(key, kCropX), warps.crop);
  const double shift_y = warps.shift * amount(kShiftY) + whole(draw(key, kCropY), warps.crop);
  const double x0 = shift_x + (centre_x + 1.0) - xx * centre_x - xy * centre_y;
  const double y0 = shift_y + (centre_y + 1.0) - yx * centre_x - yy * centre_y;
  return {static_cast<float>(x0), static_cast<float>(xx), static_cast<float>(xy),
          static_cast<float>(y0), static_cast<float>(yx), static_cast<float>(yy)};
}

std::size_t whole_lanes(std::size_t width) { return (width + kLanes - 1) / kLanes * kLanes; }

// What one thread needs to warp one image after another.
struct Workspace {
  std::size_t lanes;                  // floats a row, in whole vectors
  std::size_t stride;                 // blocks a row, in whole vectors
  std::vector<float> basis_x;         // [points_x][lanes]
  std::vector<float> offsets;         // [2][points_y][points_x]
  std::vector<float> lines;           // [2][points_y][lanes]: offsets, expanded along x
  std::vector<std::uint8_t> padded;   // [height + 3][stride + kLanes], with a border of zeros
  std::vector<std::uint32_t> blocks;  // [channels][height + 2][stride], see make_blocks
  std::vector<float> part_x, part_y;  // [lanes]: of a pixel, beyond the block
  std::vector<std::int32_t> place;    // [lanes]: a row's blocks
  std::vector<std::uint8_t> grey;     // [lanes]

  Workspace(const ImagesView& images, const Warps& warps)
      : lanes(whole_lanes(images.width)),
        stride(whole_lanes(images.width + 2)),
        basis_x(warps.points_x * lanes),
        offsets(2 * warps.points_y * warps.points_x),
        lines(2 * warps.points_y * lanes),
        padded((images.height + 3) * (stride + kLanes)),
        blocks(images.channels * (images.height + 2) * stride),
        part_x(lanes),
        part_y(lanes),
        place(lanes),
        grey(lanes) {
    for (std::size_t j = 0; j < warps.points_x; ++j) {
      std::copy_n(warps.basis_x + j * images.width, images.width, &basis_x[j * lanes]);
    }
  }
};

// Copies one channel into the zero border, then makes blocks: the four bytes at (row, column) and
// at its right, lower and lower right neighbour, so that one read fetches all that a sample needs.
GATEWRIGHT_INLINE void make_blocks(const ImagesView& images, const std::uint8_t* source,
                                   std::size_t channel, Workspace& work) {
  const std::size_t width = images.width;
  const std::size_t stride = work.stride;
  const std::size_t row_size = stride + kLanes;
  for (std::size_t row = 0; row < images.height; ++row) {
    std::uint8_t* to = &work.padded[(row + 1) * row_size + 1];
    const std::uint8_t* from = source + row * width * images.channels + channel;
    if (images.channels == 1) {
      std::memcpy(to, from, width);
    } else {
      for (std::size_t c = 0; c < width; ++c) to[c] = from[c * images.channels];
    }
  }
  for (std::size_t row = 0; row < images.height + 2; ++row) {
    const std::uint8_t* north = &work.padded[row * row_size];
    const std::uint8_t* south = north + row_size;
    std::uint32_t* __restrict blocks =
        &work.blocks[(channel * (images.height + 2) + row) * work.stride];
    GATEWRIGHT_INDEPENDENT
    for (std::size_t c = 0; c < stride; ++c) {
      blocks[c] = static_cast<std::uint32_t>(north[c]) |
                  static_cast<std::uint32_t>(north[c + 1]) << 8 |
                  static_cast<std::uint32_t>(south[c]) << 16 |
                  static_cast<std::uint32_t>(south[c + 1]) << 24;
    }
  }
}

// Draws the elastic offsets and expands each line of them from grid points to pixels.
GATEWRIGHT_INLINE void draw_lines(const Warps& warps, std::uint64_t key, Workspace& work) {
  const std::size_t num_points = warps.points_x;
  const std::size_t num_lines = 2 * warps.points_y;
  for (std::size_t k = 0; k < num_lines * num_points; ++k) {
    const std::uint64_t word = draw(key, kElastic + k);
    const std::uint64_t sum =
        (word & 0xFFFF) + (word >> 16 & 0xFFFF) + (word >> 32 & 0xFFFF) + (word >> 48);
    work.offsets[k] =
        (static_cast<float>(static_cast<std::int32_t>(sum)) - 131070.0F) * warps.elastic;
  }
  for (std::size_t line = 0; line < num_lines; ++line) {
    const float* offsets = &work.offsets[line * num_points];
    for (std::size_t begin = 0; begin < work.lanes; begin += kLanes) {
      float sums[kLanes] = {};
      for (std::size_t j = 0; j < num_points; ++j) {
        const float* basis = &work.basis_x[j * work.lanes + begin];
        for (std::size_t c = 0; c < kLanes; ++c) sums[c] += offsets[j] * basis[c];
      }
      std::copy_n(sums, kLanes, &work.lines[line * work.lanes + begin]);
    }
  }
}

// Finds the block, and the part of a pixel beyond it, that each pixel of a row is taken from.
template <bool is_elastic>
GATEWRIGHT_INLINE void find_places(const ImagesView& images, const Warps& warps,
                                   const Affine& affine, std::size_t row, Workspace& work) {
  const std::size_t lanes = work.lanes;
  const float* dx = nullptr;
  const float* dy = nullptr;
  float w0 = 0, w1 = 0, w2 = 0, w3 = 0;
  if constexpr (is_elastic) {
    const std::size_t line = row / warps.elastic_grid;
    const float* basis = warps.basis_y + line * images.height + row;
    w0 = basis[0];
    w1 = basis[images.height];
    w2 = basis[2 * images.height];
    w3 = basis[3 * images.height];
    dx = &work.lines[line * lanes];
    dy = &work.lines[(warps.points_y + line) * lanes];
  }
  const float x0 = affine.x0 + affine.xy * static_cast<float>(row);
  const float y0 = affine.y0 + affine.yy * static_cast<float>(row);
  const auto max_x = static_cast<float>(images.width + 1);
  const auto max_y = static_cast<float>(images.height + 1);
  const auto stride = static_cast<std::int32_t>(work.stride);
  float* __restrict part_x = work.part_x.data();
  float* __restrict part_y = work.part_y.data();
  std::int32_t* __restrict place = work.place.data();
  GATEWRIGHT_INDEPENDENT
  for (std::size_t c = 0; c < lanes; ++c) {
    const auto column = static_cast<float>(static_cast<std::int32_t>(c));
    float x = x0 + affine.xx * column;
    float y = y0 + affine.yx * column;
    if constexpr (is_elastic) {
      x += dx[c] * w0 + dx[lanes + c] * w1 + dx[2 * lanes + c] * w2 + dx[3 * lanes + c] * w3;
      y += dy[c] * w0 + dy[lanes + c] * w1 + dy[2 * lanes + c] * w2 + dy[3 * lanes + c] * w3;
    }
    x = x > 0.0F ? x : 0.0F;
    y = y > 0.0F ? y : 0.0F;
    x = x < max_x ? x : max_x;
    y = y < max_y ? y : max_y;
    const auto block_column = static_cast<std::int32_t>(x);
    const auto block_row = static_cast<std::int32_t>(y);
    part_x[c] = x - static_cast<float>(block_column);
    part_y[c] = y - static_cast<float>(block_row);
    place[c] = block_row * stride + block_column;
  }
}

// Linear between the four bytes of each pixel's block, times the gain.
GATEWRIGHT_INLINE void sample_row(const std::uint32_t* blocks, float gain, Workspace& work) {
  const float* part_x = work.part_x.data();
  const float* part_y = work.part_y.data();
  const std::int32_t* place = work.place.data();
  std::uint8_t* __restrict grey = work.grey.data();
  const std::size_t lanes = work.lanes;
  GATEWRIGHT_INDEPENDENT
  for (std::size_t c = 0; c < lanes; ++c) {
    const std::uint32_t block = blocks[place[c]];
    const auto byte = [block](int shift) {
      return static_cast<float>(static_cast<std::int32_t>(block >> shift & 0xFF));
    };
    const float north = byte(0) + part_x[c] * (byte(8) - byte(0));
    const float south = byte(16) + part_x[c] * (byte(24) - byte(16));
    float value = (north + part_y[c] * (south - north)) * gain;
    value = value < 255.0F ? value : 255.0F;
    grey[c] = static_cast<std::uint8_t>(static_cast<std::int32_t>(value + 0.5F));
  }
}

GATEWRIGHT_MULTIVERSION
void warp(const ImagesView& images, const std::uint8_t* source, const Warps& warps,
          std::uint64_t key, Workspace& work, std::uint8_t* result) {
  const std::size_t height = images.height;
  const std::size_t width = images.width;
  const std::size_t channels = images.channels;
  for (std::size_t channel = 0; channel < channels; ++channel) {
    make_blocks(images, source, channel, work);
  }
  const Affine affine = draw_affine(warps, key, height, width);
  const auto gain = static_cast<float>(1.0 + warps.gain * uniform(draw(key, kGain)));
  const bool is_elastic = warps.elastic > 0;
  if (is_elastic) draw_lines(warps, key, work);
  for (std::size_t row = 0; row < height; ++row) {
    if (is_elastic) {
      find_places<true>(images, warps, affine, row, work);
    } else {
      find_places<false>(images, warps, affine, row, work);
    }
    for (std::size_t channel = 0; channel < channels; ++channel) {
      sample_row(&work.blocks[channel * (height + 2) * work.stride], gain, work);
      std::uint8_t* to = result + row * width * channels + channel;
      if (channels == 1) {
        std::memcpy(to, work.grey.data(), width);
      } else {
        for (std::size_t c = 0; c < width; ++c) to[c * channels] = work.grey[c];
      }
    }
  }
}

}  // namespace

void augment(const ImagesView& images, const std::int64_t* rows, std::size_t num_rows,
             const Warps& warps, std::uint64_t seed, std::uint64_t first, std::size_t num_threads,
             std::uint8_t* result) {
  const std::uint64_t seed_key = mix(seed);
  const auto run = [&](Workspace& work, std::size_t begin, std::size_t end) {
    for (std::size_t j = begin; j < end; ++j) {
      const std::uint8_t* source = images.data + static_cast<std::size_t>(rows[j]) * images.size();
      const std::uint64_t key = mix(seed_key + (first + j) * kGolden);
      warp(images, source, warps, key, work, result + j * images.size());
    }
  };
  num_threads = std::clamp<std::size_t>(num_rows / kImagesPerThread, 1,
                                        std::max<std::size_t>(num_threads, 1));
  // Made here, where running out of memory can still be reported.
  std::vector<Workspace> workspaces(num_threads, Workspace(images, warps));
  std::vector<std::thread> threads;
  for (std::size_t t = 1; t < num_threads; ++t) {
    threads.emplace_back(run, std::ref(workspaces[t]), num_rows * t / num_threads,
                         num_rows * (t + 1) / num_threads);
  }
  run(workspaces[0], 0, num_rows / num_threads);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace gatewright
