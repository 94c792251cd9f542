// A circuit made ready to run: packed words in and out, or rows of numbers in and class numbers
// out.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bit_table.hpp"
#include "engine_kernels.hpp"
#include "machine_code.hpp"
#include "program.hpp"
#include "runner.hpp"
#include "simulate.hpp"
#include "single.hpp"
#include "team.hpp"

namespace gatewright {

enum class Backend { machine_code, interpreter };

// A circuit that code for many samples is made of, and the bands of inputs that its operations are
// run in (see `in_bands`).
struct Many {
  CircuitView circuit;
  std::size_t num_bands;
};

class Engine {
 public:
  // A valid circuit, and what its inputs are of rows, valid too. Where there are `many`, code for
  // many samples is made of that circuit: valid, and the same function. Throws
  // std::invalid_argument where this machine has no such back end, std::length_error where the
  // circuit is too large for it, std::bad_alloc.
  Engine(const CircuitView& circuit, BitTable bits, Backend backend, std::size_t num_threads,
         const std::optional<Many>& many = std::nullopt);

  // result[num_outputs][num_words] of words[num_inputs][num_words].
  void run(const std::uint64_t* words, std::size_t num_words, std::uint64_t* result);

  // The same of rows of T (std::uint8_t, float or double), num_words = ceil(num_samples / 64).
  template <typename T>
  void run(const Rows& rows, std::size_t num_samples, std::uint64_t* result);

  // labels[num_samples]: the outputs, at most 8, as a number, the first the least significant bit.
  template <typename T>
  void label(const Rows& rows, std::size_t num_samples, std::int64_t* labels);

  std::size_t num_inputs() const { return num_inputs_; }
  std::size_t num_features() const { return bits_.num_features; }
  std::size_t num_outputs() const { return outputs_.size(); }
  std::size_t num_threads() const { return team_.size(); }
  std::size_t num_operations() const { return num_operations_; }
  const Runner& runner() const { return *runner_; }

  // What runs one or two words, or none yet.
  const Runner* narrow_runner() const { return narrow_.get(); }

  // What runs a few samples one by one, or none yet, or none that is worth it.
  const Single* single() const { return single_.get(); }

 private:
  // What a thread works in, aligned to pages.
  struct Free {
    void operator()(std::uint8_t* bytes) const;
  };
  using Bytes = std::unique_ptr<std::uint8_t, Free>;
  struct Place {
    Bytes slots, scratch, words;  // words: packed samples that do not fit the slots as they are
    Bytes bits, bytes;            // of one sample
  };
  static Bytes allocate(std::size_t size);

  template <typename Prepare, typename Finish>
  void for_each_turn(std::size_t num_words, Prepare prepare, Finish finish);
  std::unique_ptr<Runner> machine_code(const Program& program, std::size_t num_bands,
                                       std::size_t vector_bytes) const;
  const Runner& runner_for(std::size_t num_words);
  void fill(const Runner& runner, const std::uint64_t* words, std::size_t stride, std::size_t count,
            std::uint8_t* slots) const;
  void copy_output(const Runner& runner, std::size_t output, const std::uint8_t* slots,
                   std::size_t count, std::uint64_t* result) const;
  void make_single();
  void add_outputs(const std::uint8_t* bytes, std::size_t sample, std::size_t num_samples,
                   std::uint64_t* result) const;
  template <typename Fill, typename Finish>
  bool run_singly(std::size_t num_samples, Fill fill, Finish finish);
  template <typename T, typename Finish>
  bool run_rows_singly(const Rows& rows, std::size_t num_samples, Finish finish);
  template <typename T, typename Finish>
  void run_samples(const Rows& rows, std::size_t num_samples, Finish finish);
  template <typename T>
  const BitTests<T>& tests();

  std::size_t num_inputs_, num_operations_ = 0;
  std::vector<std::uint32_t> read_inputs_;
  BitTable bits_;
  // Made when first asked for.
  std::optional<BitTests<std::uint8_t>> of_bytes_;
  std::optional<BitTests<float>> of_floats_;
  std::optional<BitTests<double>> of_doubles_;
  // Literals of the program. Values are 0 where all inputs are, so all programs of a function have
  // the same ones inverted.
  std::vector<std::int32_t> outputs_;
  bool is_code_;  // or steps
  Isa isa_ = Isa::avx2;
  Program program_;                          // what is made later is made of it
  std::unique_ptr<Runner> runner_, narrow_;  // the same function, for many samples and for few
  std::size_t num_few_ = 0;                  // calls with few
  std::unique_ptr<Single> single_;           // the same for one
  // Places that it reads, rising, and the input of each.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> sources_;
  std::vector<std::uint64_t> of_zeros_;  // the outputs of 64 samples of zeros
  std::atomic<bool> can_be_single_ = false;
  std::size_t num_singles_ = 0;  // calls with one sample or hardly more
  std::size_t turn_blocks_ = 1;  // blocks that are run together
  Team team_;
  std::vector<Place> places_;  // one a thread
  std::mutex mutex_;           // one call at a time
};

}  // namespace gatewright
