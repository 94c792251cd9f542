// Warps the images of a file: argv[1] in, argv[2] out. tests/test_augment.py compiles it with
// sanitizers and compares. A case is eleven sizes and flags in text, as main reads them, a newline,
// then the bytes of the doubles (angle, shear, scale, shift), of the elastic amplitude and of the
// arrays; the answer is the bytes of the result.

#include <cstdint>
#include <fstream>
#include <vector>

#include "augment.hpp"

namespace {

// Exactly as large as the array, so that a read past its end is caught.
template <typename T>
std::vector<T> read(std::istream& in, std::size_t count) {
  std::vector<T> values(count);
  in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(T)));
  return values;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ifstream in(argv[1], std::ios::binary);
  std::ofstream out(argv[2], std::ios::binary);
  std::size_t count = 0;
  std::size_t height = 0;
  std::size_t width = 0;
  std::size_t channels = 0;
  std::size_t num_rows = 0;
  std::size_t grid = 0;
  std::size_t num_threads = 0;
  std::uint64_t crop = 0;
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
  bool flip = false;
  while (in >> count >> height >> width >> channels >> num_rows >> grid >> num_threads >> crop >>
         seed >> first >> flip) {
    in.get();
    const auto warps = read<double>(in, 5);
    const auto elastic = read<float>(in, 1);
    const auto images = read<std::uint8_t>(in, count * height * width * channels);
    const auto rows = read<std::int64_t>(in, num_rows);
    const std::size_t points_y = (height - 1) / grid + 4;
    const std::size_t points_x = (width - 1) / grid + 4;
    const auto basis_y = read<float>(in, points_y * height);
    const auto basis_x = read<float>(in, points_x * width);
    std::vector<std::uint8_t> result(num_rows * height * width * channels);
    gatewright::augment({images.data(), count, height, width, channels}, rows.data(), num_rows,
                        {warps[0], warps[1], warps[2], warps[3], warps[4], crop, flip, elastic[0],
                         grid, points_y, points_x, basis_y.data(), basis_x.data()},
                        seed, first, num_threads, result.data());
    out.write(reinterpret_cast<const char*>(result.data()),
              static_cast<std::streamsize>(result.size()));
  }
  return out.good() && in.eof() ? 0 : 1;
}
