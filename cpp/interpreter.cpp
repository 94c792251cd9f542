#include "interpreter.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace gatewright {
namespace {

// Gates of a level that are sorted by function together: enough for long runs, and few enough that
// their operands stay in the nearest cache.
constexpr std::size_t kWindow = 256;

// Slots, in bytes, above which operands are asked for ahead of time, and above which far ahead.
constexpr std::size_t kLarge = std::size_t{1} << 21, kHuge = std::size_t{24} << 20;

std::size_t at(Value value) { return static_cast<std::size_t>(value); }

}  // namespace

Interpreter::Interpreter(const Program& given) {
  std::vector<std::size_t> ends;
  Program program = level_order(given, &ends);
  const std::size_t first = 1 + program.num_inputs;
  // The order of the steps: windows of a level, sorted by function.
  std::vector<std::uint32_t> order(program.operations.size());
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    for (; begin < end; begin = std::min(end, begin + kWindow)) {
      const std::size_t stop = std::min(end, begin + kWindow);
      std::size_t next = begin;
      for (const std::uint8_t table : {kAndNot, kXor, kAnd, kOr}) {
        const std::size_t start = next;
        for (std::size_t i = begin; i < stop; ++i) {
          if (program.operations[i].table == table) order[next++] = static_cast<std::uint32_t>(i);
        }
        if (next > start) runs_.push_back({table, static_cast<std::uint32_t>(next - start)});
      }
    }
  }
  // Slots, the last one freed first. What the outputs read is never freed.
  std::vector<std::uint32_t> left(program.num_values());
  for (const Operation& operation : program.operations) {
    ++left[at(operation.operands[0])];
    ++left[at(operation.operands[1])];
  }
  for (const std::int32_t literal : program.outputs) ++left[at(literal >> 1)];
  std::vector<std::int32_t> slot(program.num_values(), kNone), free_slots;
  const auto new_slot = [&] {
    if (free_slots.empty()) return static_cast<std::int32_t>(num_slots_++);
    const std::int32_t found = free_slots.back();
    free_slots.pop_back();
    return found;
  };
  for (std::size_t input = 1; input < first; ++input) {
    slot[input] = static_cast<std::int32_t>(num_slots_++);
    if (left[input] == 0) free_slots.push_back(slot[input]);
  }
  steps_.reserve(order.size() + kFarAhead);
  for (const std::uint32_t i : order) {
    const auto& operands = program.operations[i].operands;
    const auto a = static_cast<std::size_t>(slot[at(operands[0])]);
    const auto b = static_cast<std::size_t>(slot[at(operands[1])]);
    for (std::size_t k = 0; k < 2; ++k) {
      if (--left[at(operands[k])] == 0) free_slots.push_back(slot[at(operands[k])]);
    }
    const std::int32_t out = slot[first + i] = new_slot();
    steps_.push_back({static_cast<std::uint32_t>(static_cast<std::size_t>(out) * kSlotBytes),
                      static_cast<std::uint32_t>(a * kSlotBytes),
                      static_cast<std::uint32_t>(b * kSlotBytes)});
  }
  if (block_bytes() > std::numeric_limits<std::uint32_t>::max()) {
    throw std::length_error("the circuit's values take more than 4 GB");
  }
  for (std::size_t k = 0; k < kFarAhead; ++k)
    steps_.push_back({0, 0, 0});  // prefetched, not followed
  for (const std::int32_t literal : program.outputs) {
    output_slots_.push_back(slot[at(literal >> 1)]);
  }
}

void Interpreter::run(std::uint8_t* slots, std::size_t num_blocks) const {
  const EngineKernels& kernels = engine_kernels();
  Follow* const follow = block_bytes() > kHuge    ? kernels.follow_far_ahead
                         : block_bytes() > kLarge ? kernels.follow_ahead
                                                  : kernels.follow;
  for (std::size_t block = 0; block < num_blocks; ++block) {
    follow(steps_.data(), runs_.data(), runs_.size(), slots + block * block_bytes());
  }
}

}  // namespace gatewright
