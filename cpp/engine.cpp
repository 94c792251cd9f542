#include "engine.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "interpreter.hpp"
#include "machine_code.hpp"
#include "program.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gatewright {
namespace {

// Operations of a segment of machine code, which fill a good part of the instruction cache.
constexpr std::size_t kSegment = 1000;

// Blocks that are run together, so that a segment is fetched once for all: so many as the second
// cache holds the slots of; or a few, whose slots may take more.
constexpr std::size_t kManyBlocks = 16, kManyBytes = std::size_t{3} << 18;
constexpr std::size_t kFewBlocks = 4, kFewBytes = std::size_t{3} << 20;

// Outputs that make a class number.
constexpr std::size_t kMaxPlanes = 8;

constexpr std::size_t kWordsPacked = kPacked / 64;

// Samples of the narrowest vectors that there is machine code for, and calls with so few after
// which it is made: one may be what was left of many.
constexpr std::size_t kNarrowBytes = 16, kFewCalls = 2;

// Samples that are run one by one, beside code and beside steps, and operations from which that may
// be quicker; up to so many, as the program is kept for it.
constexpr std::size_t kFewOfCode = 4, kFewOfSteps = 16;
constexpr std::size_t kLeastSingle = 1000, kMostSingle = std::size_t{1} << 20;

// Cycles an operation that one sample alone may take, or it is quicker with others.
constexpr double kOfCode = 1.25, kOfSteps = 5;

Isa best_isa() {
  if (can_run(Isa::avx512)) return Isa::avx512;
  if (can_run(Isa::avx2)) return Isa::avx2;
  throw std::invalid_argument(
      "machine code is for x86-64 with AVX2 or AVX-512, on Linux; take the interpreter");
}

// Whether an operation or an output reads each input.
std::vector<bool> inputs_read(const Program& program) {
  std::vector<bool> is_read(program.num_values());
  for (const Operation& operation : program.operations) {
    for (std::size_t k = 0; k < operation.size(); ++k) {
      is_read[static_cast<std::size_t>(operation.operands[k])] = true;
    }
  }
  for (const std::int32_t literal : program.outputs) {
    is_read[static_cast<std::size_t>(literal >> 1)] = true;
  }
  return {is_read.begin() + 1,
          is_read.begin() + 1 + static_cast<std::ptrdiff_t>(program.num_inputs)};
}

}  // namespace

Engine::Engine(const CircuitView& circuit, BitTable bits, Backend backend, std::size_t num_threads,
               const std::optional<Many>& many)
    : num_inputs_(circuit.num_inputs),
      bits_(std::move(bits)),
      is_code_(backend == Backend::machine_code),
      team_(num_threads),
      places_(num_threads) {
  engine_kernels();  // refuses a GATEWRIGHT_ISA that is not there
  program_ = make_program(circuit);
  outputs_ = program_.outputs;
  std::vector<bool> is_read = inputs_read(program_);
  if (!is_code_) {
    runner_ = std::make_unique<Interpreter>(program_);
  } else {
    isa_ = best_isa();
    const std::size_t vector_bytes = isa_ == Isa::avx512 ? 64 : 32;
    if (many) {
      const Program of_many = make_program(many->circuit);
      runner_ = machine_code(of_many, many->num_bands, vector_bytes);
      const std::vector<bool> is_read_too = inputs_read(of_many);
      for (std::size_t i = 0; i < num_inputs_; ++i) is_read[i] = is_read[i] || is_read_too[i];
    } else {
      runner_ = machine_code(program_, 1, vector_bytes);
    }
  }
  num_operations_ = program_.operations.size();
  for (std::size_t input = 0; input < num_inputs_; ++input) {
    if (is_read[input]) read_inputs_.push_back(static_cast<std::uint32_t>(input));
  }
  can_be_single_ = num_operations_ >= kLeastSingle && num_operations_ <= kMostSingle;
  if (!can_be_single_ && !is_code_) program_ = {};
  const std::size_t bytes = std::max<std::size_t>(1, runner_->block_bytes());
  turn_blocks_ = std::max({std::size_t{1}, std::min(kManyBlocks, kManyBytes / bytes),
                           std::min(kFewBlocks, kFewBytes / bytes)});
  // Whole groups of packed rows.
  const std::size_t smallest = std::max<std::size_t>(1, 64 / runner_->vector_bytes());
  turn_blocks_ = std::max(turn_blocks_, smallest);
}

void Engine::Free::operator()(std::uint8_t* bytes) const { std::free(bytes); }

Engine::Bytes Engine::allocate(std::size_t size) {
  constexpr std::size_t kPage = 4096, kHuge = std::size_t{1} << 21;
  const std::size_t unit = size < kHuge ? kPage : kHuge;
  const std::size_t whole = (size / unit + 1) * unit;
  void* bytes = std::aligned_alloc(unit, whole);
  if (bytes == nullptr) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (unit == kHuge) madvise(bytes, whole, MADV_HUGEPAGE);  // it is no error if there are none
#endif
  return Bytes(static_cast<std::uint8_t*>(bytes));
}

std::unique_ptr<Runner> Engine::machine_code(const Program& program, std::size_t num_bands,
                                             std::size_t vector_bytes) const {
  Program ordered = demand_order(isa_ == Isa::avx512 ? cover(program) : program);
  if (num_bands > 1) ordered = in_bands(ordered, num_bands);
  return std::make_unique<MachineCode>(ordered, isa_, vector_bytes, kSegment);
}

// What runs so many words: for one or two there is code of its own, once there have been some calls
// of that kind.
const Runner& Engine::runner_for(std::size_t num_words) {
  const bool has_narrow = is_code_ && num_operations_ > 0 && can_be_narrow(isa_);
  if (num_words > kNarrowBytes / 8 || !has_narrow) return *runner_;
  if (!narrow_) {
    if (++num_few_ < kFewCalls) return *runner_;
    narrow_ = machine_code(program_, 1, kNarrowBytes);
  }
  return *narrow_;
}

// Calls prepare(runner, first word, words, place), which fills the slots, runs them, and calls
// finish with the same, for turns of whole blocks, the last one cut short.
template <typename Prepare, typename Finish>
void Engine::for_each_turn(std::size_t num_words, Prepare prepare, Finish finish) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Runner& runner = runner_for(num_words);
  const std::size_t block_words = runner.vector_bytes() / 8;
  // Fewer blocks where each thread would have less than a turn.
  const std::size_t share = (num_words + 64 * team_.size() - 1) / (64 * team_.size()) * 64;
  const std::size_t least = std::min(kFewBlocks, turn_blocks_) * block_words;
  const std::size_t turn_words = std::clamp(share, least, turn_blocks_ * block_words);
  const auto turn = [&](std::size_t first, Place& place) {
    if (!place.slots) place.slots = allocate(turn_blocks_ * runner_->block_bytes());
    const std::size_t count = std::min(turn_words, num_words - first);
    prepare(runner, first, count, place);
    runner.run(place.slots.get(), (count + block_words - 1) / block_words);
    finish(runner, first, count, place);
  };
  if (num_words <= turn_words) {  // not worth waking others
    if (num_words > 0) turn(0, places_[0]);
    return;
  }
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> failed(team_.size());
  team_.run([&](std::size_t member) {
    try {
      for (;;) {
        const std::size_t first = next.fetch_add(turn_words);
        if (first >= num_words) break;
        turn(first, places_[member]);
      }
    } catch (...) {
      failed[member] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failed) {
    if (failure) std::rethrow_exception(failure);
  }
}

// Inputs' rows of words, `stride` apart, into the slots of as many blocks as they take.
void Engine::fill(const Runner& runner, const std::uint64_t* words, std::size_t stride,
                  std::size_t count, std::uint8_t* slots) const {
  const std::size_t size = runner.vector_bytes(), block_words = size / 8;
  const std::size_t whole = count / block_words, rest = count % block_words;
  engine_kernels().fill_slots(
      {reinterpret_cast<const std::uint8_t*>(words), 8 * stride, read_inputs_.data(),
       read_inputs_.size(), size, runner.block_bytes()},
      whole, slots);
  if (rest == 0) return;
  words += whole * block_words;
  slots += whole * runner.block_bytes();
  for (const std::size_t input : read_inputs_) {
    std::memcpy(slots + input * size, words + input * stride, rest * 8);
    std::memset(slots + input * size + rest * 8, 0, size - rest * 8);
  }
}

// An output's words of as many blocks as they take.
void Engine::copy_output(const Runner& runner, std::size_t output, const std::uint8_t* slots,
                         std::size_t count, std::uint64_t* result) const {
  const std::size_t size = runner.vector_bytes(), block_words = size / 8;
  const std::uint64_t inverted = outputs_[output] & 1 ? ~std::uint64_t{0} : 0;
  const std::int32_t slot = runner.output_slots()[output];
  if (slot < 0) {
    std::fill_n(result, count, inverted);
    return;
  }
  slots += static_cast<std::size_t>(slot) * size;
  for (std::size_t first = 0; first < count; first += block_words) {
    const std::size_t own = std::min(block_words, count - first);
    std::memcpy(result + first, slots, own * 8);
    slots += runner.block_bytes();
  }
  if (inverted) {
    for (std::size_t word = 0; word < count; ++word) result[word] = ~result[word];
  }
}

// Made of the program, unless it would be slower than what there is.
void Engine::make_single() {
  std::vector<bool> is_read(num_inputs_);
  for (const std::size_t input : read_inputs_) is_read[input] = true;
  const BitTests<std::uint8_t> tests(bits_, is_read);
  const std::vector<std::uint32_t> places = tests.places(num_inputs_);
  auto made = std::make_unique<Single>(program_, places, tests.num_places());
  if (made->cycles() > (is_code_ ? kOfCode : kOfSteps) * static_cast<double>(num_operations_)) {
    can_be_single_ = false;
    made.reset();
  }
  if (!is_code_) program_ = {};  // nothing else is made of it
  if (!made) return;
  Place& place = places_[0];
  place.bits = allocate(std::max(made->num_words(), tests.num_places() / 64) * 8);
  place.bytes = allocate(made->num_bytes());
  auto* const bits = reinterpret_cast<std::uint64_t*>(place.bits.get());
  std::fill_n(bits, made->num_words(), 0);
  made->run(bits, place.bytes.get());
  of_zeros_.assign(outputs_.size(), 0);
  made->add_outputs(place.bytes.get(), 0, of_zeros_.data(), 0, of_zeros_.data());
  for (std::uint64_t& word : of_zeros_) word = -word;
  for (const std::uint32_t input : read_inputs_) sources_.emplace_back(places[input], input);
  std::sort(sources_.begin(), sources_.end());
  single_ = std::move(made);
}

// Where there are few samples, and have been before, calls fill(sample, bits), runs it alone and
// calls finish(sample, bytes); else returns false.
template <typename Fill, typename Finish>
bool Engine::run_singly(std::size_t num_samples, Fill fill, Finish finish) {
  if (num_samples > (is_code_ ? kFewOfCode : kFewOfSteps) || !can_be_single_) return false;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!single_) {
    if (++num_singles_ < kFewCalls || !can_be_single_) return false;
    make_single();
    if (!single_) return false;
  }
  auto* const bits = reinterpret_cast<std::uint64_t*>(places_[0].bits.get());
  std::uint8_t* const bytes = places_[0].bytes.get();
  for (std::size_t sample = 0; sample < num_samples; ++sample) {
    fill(sample, bits);
    single_->run(bits, bytes);
    finish(sample, bytes);
  }
  return true;
}

// One sample's outputs into words. Those behind the last one are of inputs that are all 0.
void Engine::add_outputs(const std::uint8_t* bytes, std::size_t sample, std::size_t num_samples,
                         std::uint64_t* result) const {
  if (sample == 0) {
    const std::uint64_t behind = ~std::uint64_t{1} << (num_samples - 1);
    single_->add_outputs(bytes, sample, of_zeros_.data(), behind, result);
  } else {
    single_->add_outputs(bytes, sample, result, ~std::uint64_t{0}, result);
  }
}

void Engine::run(const std::uint64_t* words, std::size_t num_words, std::uint64_t* result) {
  if (num_words == 1 && can_be_single_) {
    std::uint64_t any = 1;
    for (std::size_t input = 0; input < num_inputs_; ++input) any |= words[input];
    const std::size_t num_samples = std::bit_width(any);
    const auto fill = [&](std::size_t sample, std::uint64_t* bits) {
      std::size_t word = 0;
      std::uint64_t held = 0;
      for (const auto& [place, input] : sources_) {
        for (; word < place / 64; held = 0) bits[word++] = held;
        held |= (words[input] >> sample & 1) << place % 64;
      }
      bits[word] = held;
    };
    const auto finish = [&](std::size_t sample, const std::uint8_t* bytes) {
      add_outputs(bytes, sample, num_samples, result);
    };
    if (run_singly(num_samples, fill, finish)) return;
  }
  for_each_turn(
      num_words,
      [&](const Runner& runner, std::size_t first, std::size_t count, Place& place) {
        fill(runner, words + first, num_words, count, place.slots.get());
      },
      [&](const Runner& runner, std::size_t first, std::size_t count, Place& place) {
        for (std::size_t k = 0; k < outputs_.size(); ++k) {
          copy_output(runner, k, place.slots.get(), count, result + k * num_words + first);
        }
      });
}

template <typename T>
const BitTests<T>& Engine::tests() {
  const auto made = [&](std::optional<BitTests<T>>& held) -> const BitTests<T>& {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!held) {
      std::vector<bool> is_read(num_inputs_);
      for (const std::size_t input : read_inputs_) is_read[input] = true;
      held.emplace(bits_, is_read);
    }
    return *held;
  };
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    return made(of_bytes_);
  } else if constexpr (std::is_same_v<T, float>) {
    return made(of_floats_);
  } else {
    return made(of_doubles_);
  }
}

template <typename T>
TestRow<T>* tester() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return engine_kernels().test_uint8;
  if constexpr (std::is_same_v<T, float>) return engine_kernels().test_float;
  if constexpr (std::is_same_v<T, double>) return engine_kernels().test_double;
}

template <typename T, typename Finish>
bool Engine::run_rows_singly(const Rows& rows, std::size_t num_samples, Finish finish) {
  if (num_samples == 0 || num_samples > kFewOfSteps || !can_be_single_) return false;
  const Tests<T> tests = this->tests<T>().view();
  TestRow<T>* const test = tester<T>();
  return run_singly(
      num_samples,
      [&](std::size_t sample, std::uint64_t* bits) {
        const std::ptrdiff_t distance = static_cast<std::ptrdiff_t>(sample) * rows.stride;
        test(reinterpret_cast<const T*>(rows.first + distance), tests, bits);
      },
      finish);
}

template <typename T>
PackRows<T>* packer() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return engine_kernels().pack_uint8;
  if constexpr (std::is_same_v<T, float>) return engine_kernels().pack_float;
  if constexpr (std::is_same_v<T, double>) return engine_kernels().pack_double;
}

template <typename T, typename Finish>
void Engine::run_samples(const Rows& rows, std::size_t num_samples, Finish finish) {
  const Tests<T> tests = this->tests<T>().view();
  PackRows<T>* const pack = packer<T>();
  for_each_turn(
      (num_samples + 63) / 64,
      [&](const Runner& runner, std::size_t first, std::size_t count, Place& place) {
        const std::size_t block_words = runner.vector_bytes() / 8;
        if (!place.scratch) place.scratch = allocate(pack_scratch(num_features()));
        if (!place.words && block_words < kWordsPacked) {
          place.words = allocate(num_inputs_ * kWordsPacked * 8);
        }
        auto* const slots = reinterpret_cast<std::uint64_t*>(place.slots.get());
        for (std::size_t word = 0; word < count; word += kWordsPacked) {
          const std::size_t row = (first + word) * 64, own = std::min(kPacked, num_samples - row);
          std::uint64_t* const block = slots + word / block_words * (runner.block_bytes() / 8);
          if (block_words >= kWordsPacked) {  // where they are to be
            pack(rows, row, own, tests, block + word % block_words, block_words,
                 place.scratch.get());
            continue;
          }
          auto* const words = reinterpret_cast<std::uint64_t*>(place.words.get());
          pack(rows, row, own, tests, words, kWordsPacked, place.scratch.get());
          fill(runner, words, kWordsPacked, std::min(kWordsPacked, count - word),
               reinterpret_cast<std::uint8_t*>(block));
        }
      },
      finish);
}

template <typename T>
void Engine::run(const Rows& rows, std::size_t num_samples, std::uint64_t* result) {
  const auto add = [&](std::size_t sample, const std::uint8_t* bytes) {
    add_outputs(bytes, sample, num_samples, result);
  };
  if (run_rows_singly<T>(rows, num_samples, add)) return;
  const std::size_t num_words = (num_samples + 63) / 64;
  run_samples<T>(rows, num_samples,
                 [&](const Runner& runner, std::size_t first, std::size_t count, Place& place) {
                   for (std::size_t k = 0; k < outputs_.size(); ++k) {
                     copy_output(runner, k, place.slots.get(), count,
                                 result + k * num_words + first);
                   }
                 });
}

template <typename T>
void Engine::label(const Rows& rows, std::size_t num_samples, std::int64_t* labels) {
  const auto set_label = [&](std::size_t sample, const std::uint8_t* bytes) {
    labels[sample] = single_->label(bytes);
  };
  if (run_rows_singly<T>(rows, num_samples, set_label)) return;
  // The eight bits of an octet, one to a byte.
  static const std::vector<std::uint64_t> kSpread = [] {
    std::vector<std::uint64_t> spread(256);
    for (std::size_t octet = 0; octet < 256; ++octet) {
      for (std::size_t k = 0; k < 8; ++k) spread[octet] |= std::uint64_t{octet >> k & 1} << 8 * k;
    }
    return spread;
  }();
  run_samples<T>(rows, num_samples,
                 [&](const Runner& runner, std::size_t first, std::size_t count, Place& place) {
                   std::uint64_t planes[kMaxPlanes][kManyBlocks * kSlotBytes / 8];
                   for (std::size_t k = 0; k < outputs_.size(); ++k) {
                     copy_output(runner, k, place.slots.get(), count, planes[k]);
                   }
                   const std::size_t begin = first * 64,
                                     end = std::min(num_samples, (first + count) * 64);
                   for (std::size_t s = begin; s < end; s += 8) {
                     const std::size_t word = s / 64 - first;
                     std::uint64_t eight = 0;
                     for (std::size_t k = 0; k < outputs_.size(); ++k) {
                       eight |= kSpread[planes[k][word] >> s % 64 & 0xFF] << k;
                     }
                     const std::size_t there = std::min<std::size_t>(8, end - s);
                     for (std::size_t i = 0; i < there; ++i) {
                       labels[s + i] = static_cast<std::int64_t>(eight >> 8 * i & 0xFF);
                     }
                   }
                 });
}

template void Engine::run<std::uint8_t>(const Rows&, std::size_t, std::uint64_t*);
template void Engine::label<std::uint8_t>(const Rows&, std::size_t, std::int64_t*);
template void Engine::run<float>(const Rows&, std::size_t, std::uint64_t*);
template void Engine::label<float>(const Rows&, std::size_t, std::int64_t*);
template void Engine::run<double>(const Rows&, std::size_t, std::uint64_t*);
template void Engine::label<double>(const Rows&, std::size_t, std::int64_t*);

}  // namespace gatewright
