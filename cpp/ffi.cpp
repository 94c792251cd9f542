// The layer calls as targets of XLA's foreign function interface, for jax.ffi.ffi_call.

#include "xla/ffi/api/ffi.h"

#include <nanobind/nanobind.h>

#include <exception>

#include "layer_calls.hpp"

namespace nb = nanobind;
namespace ffi = xla::ffi;

namespace {

using Floats = ffi::Buffer<ffi::F32>;
using Indices = ffi::Buffer<ffi::S32>;
using Result = ffi::Result<Floats>;

std::size_t size(const auto& buffer, std::size_t axis) {
  return static_cast<std::size_t>(buffer.dimensions()[axis]);
}

gatewright::FixedLayer fixed(const Floats& corners, const Floats& x, const Indices& fanin) {
  return {size(x, 0),         size(fanin, 0),       size(x, 1),
          fanin.typed_data(), corners.typed_data(), x.typed_data()};
}

gatewright::LearnedLayer learned(const Floats& corners, const Floats& weights, const Floats& x,
                                 const Indices& candidates) {
  return {size(x, 0),           size(candidates, 2),     size(x, 1),
          size(candidates, 1),  candidates.typed_data(), weights.typed_data(),
          corners.typed_data(), x.typed_data()};
}

ffi::Error guarded(auto call) {
  try {
    call();
    return ffi::Error::Success();
  } catch (const std::exception& error) {
    return ffi::Error::InvalidArgument(error.what());
  }
}

ffi::Error gates(Floats corners, Floats x, Indices fanin, Result y) {
  return guarded([&] { gatewright::evaluate(fixed(corners, x, fanin), y->typed_data()); });
}

ffi::Error gates_gradient(Floats corners, Floats x, Indices fanin, Floats g, Result d_corners,
                          Result d_x) {
  return guarded([&] {
    gatewright::differentiate(fixed(corners, x, fanin), g.typed_data(), d_corners->typed_data(),
                              d_x->typed_data());
  });
}

ffi::Error mixtures(Floats corners, Floats weights, Floats x, Indices candidates, Result y) {
  return guarded(
      [&] { gatewright::evaluate(learned(corners, weights, x, candidates), y->typed_data()); });
}

ffi::Error mixtures_gradient(Floats corners, Floats weights, Floats x, Indices candidates, Floats g,
                             Result d_corners, Result d_weights, Result d_x) {
  return guarded([&] {
    gatewright::differentiate(learned(corners, weights, x, candidates), g.typed_data(),
                              d_corners->typed_data(), d_weights->typed_data(), d_x->typed_data());
  });
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    kGates, gates, ffi::Ffi::Bind().Arg<Floats>().Arg<Floats>().Arg<Indices>().Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(kGatesGradient, gates_gradient,
                              ffi::Ffi::Bind()
                                  .Arg<Floats>()
                                  .Arg<Floats>()
                                  .Arg<Indices>()
                                  .Arg<Floats>()
                                  .Ret<Floats>()
                                  .Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    kMixtures, mixtures,
    ffi::Ffi::Bind().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Indices>().Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(kMixturesGradient, mixtures_gradient,
                              ffi::Ffi::Bind()
                                  .Arg<Floats>()
                                  .Arg<Floats>()
                                  .Arg<Floats>()
                                  .Arg<Indices>()
                                  .Arg<Floats>()
                                  .Ret<Floats>()
                                  .Ret<Floats>()
                                  .Ret<Floats>());

}  // namespace

void bind_ffi(nb::module_& module) {
  nb::dict targets;
  const auto add = [&](const char* name, auto* handler) {
    targets[name] = nb::capsule(reinterpret_cast<void*>(handler));
  };
  add("gatewright_gates", kGates);
  add("gatewright_gates_gradient", kGatesGradient);
  add("gatewright_mixtures", kMixtures);
  add("gatewright_mixtures_gradient", kMixturesGradient);
  module.attr("ffi_targets") = targets;
}
