// The Python face of augment: checks, releases the GIL, calls.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <string>

#include "augment.hpp"
#include "binding.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using gatewright::binding::Input;
using gatewright::binding::refuse;
using Images = Input<std::uint8_t, nb::shape<-1, -1, -1, -1>>;
using Rows = Input<std::int64_t, nb::shape<-1>>;
using Basis = Input<float, nb::shape<-1, -1>>;
using Result = nb::ndarray<std::uint8_t, nb::numpy, nb::ndim<4>>;

void check_basis(const char* name, const Basis& basis, std::size_t size, std::size_t grid) {
  if (grid == 0 || size == 0 || basis.shape(1) != size || basis.shape(0) < (size - 1) / grid + 4) {
    refuse(std::string(name) + " does not fit the images and the elastic grid");
  }
}

Result augment(const Images& images, const Rows& rows, std::uint64_t seed, std::uint64_t first,
               double rotate, double shear, double scale, double shift, double gain,
               std::uint64_t crop, bool flip, float elastic, std::size_t elastic_grid,
               const Basis& basis_y, const Basis& basis_x, std::size_t threads) {
  const gatewright::ImagesView view{images.data(), images.shape(0), images.shape(1),
                                    images.shape(2), images.shape(3)};
  check_basis("basis_y", basis_y, view.height, elastic_grid);
  check_basis("basis_x", basis_x, view.width, elastic_grid);
  for (std::size_t j = 0; j < rows.shape(0); ++j) {
    if (rows.data()[j] < 0 || static_cast<std::size_t>(rows.data()[j]) >= view.count) {
      refuse("rows[" + std::to_string(j) + "] is " + std::to_string(rows.data()[j]) + ", of " +
             std::to_string(view.count) + " images");
    }
  }
  const gatewright::Warps warps{rotate,
                                shear,
                                scale,
                                shift,
                                gain,
                                crop,
                                flip,
                                elastic,
                                elastic_grid,
                                basis_y.shape(0),
                                basis_x.shape(0),
                                basis_y.data(),
                                basis_x.data()};
  std::unique_ptr<std::uint8_t[]> result(new std::uint8_t[rows.shape(0) * view.size()]);
  {
    nb::gil_scoped_release release;
    gatewright::augment(view, rows.data(), rows.shape(0), warps, seed, first, threads,
                        result.get());
  }
  nb::capsule owner(result.get(),
                    [](void* data) noexcept { delete[] static_cast<std::uint8_t*>(data); });
  return Result(result.release(), {rows.shape(0), view.height, view.width, view.channels}, owner);
}

}  // namespace

void bind_augment(nb::module_& module) {
  module.def("augment", &augment, "images"_a.noconvert(), "rows"_a.noconvert(), "seed"_a, "first"_a,
             "rotate"_a, "shear"_a, "scale"_a, "shift"_a, "gain"_a, "crop"_a, "flip"_a, "elastic"_a,
             "elastic_grid"_a, "basis_y"_a.noconvert(), "basis_x"_a.noconvert(), "threads"_a,
             "Images [N, H, W, C], warped; see gatewright.augment.");
}
