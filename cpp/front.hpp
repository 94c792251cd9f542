// The wide levels at a program's beginning, for one sample: its bits side by side, brought to where
// the next level's gates read them, and all gates of a level at once.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "engine_kernels.hpp"
#include "program.hpp"

namespace gatewright {

// A level's gates are walked in trails (see trail.hpp): gate p reads bits p and p + 1, and where a
// trail ends is the bit itself. What is read further on is carried along, a place of its own.
class Front {
 public:
  // Cycles that what is left will take.
  using CyclesOf = std::function<double(const Program& rest)>;

  // Of a program as `make_program` makes it, input i of which is bit sources[i] of `num_sources`.
  // As many levels as are worth it, which may be none; cycles_of is asked once or twice.
  Front(const Program& program, const std::vector<std::uint32_t>& sources, std::size_t num_sources,
        const CyclesOf& cycles_of);

  // In place, on num_words() words.
  void run(std::uint64_t* bits) const {
    engine_kernels().run_layers(layers_.data(), layers_.size(), masks_.data(), patches_.data(),
                                bits);
  }

  // Bits that `run` leaves: the inputs of the operations that are left.
  std::size_t num_left() const { return num_left_; }

  // Which answer of `cycles_of` was taken.
  std::size_t choice() const { return choice_; }

  double cycles() const { return cycles_; }  // as measured on Zen 3
  std::size_t num_words() const { return num_words_; }
  std::size_t num_levels() const { return layers_.size(); }
  std::size_t num_bytes() const {
    return masks_.size() * sizeof(std::uint64_t) + patches_.size() * sizeof(Patch);
  }

 private:
  std::vector<FrontLayer> layers_;
  std::vector<std::uint64_t> masks_;
  std::vector<Patch> patches_;
  std::size_t choice_ = 0, num_left_ = 0, num_words_ = 0;
  double cycles_ = 0;
};

}  // namespace gatewright
