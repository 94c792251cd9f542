// Gives the values of a program registers and slots, and writes its instructions.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "assembler.hpp"
#include "program.hpp"

namespace gatewright {

constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kAtEnd = kNever - 1;

// Keeps values in registers, those that are read the soonest (Belady's rule), the others in slots:
// memory after the address in rdi, the slot of a value that is read no more is taken by another.
class Allocator {
 public:
  // Inputs are in slots, of which the first `num_reserved` keep what is in them, in other memory,
  // or in registers. Outputs are left in slots, or where there are `outputs`, then all of them,
  // none constant or inverted, each is stored there as soon as it is known, or is in a register in
  // the end; what is stored after r8 may take the place of the input that is as far after rsi or
  // rcx.
  Allocator(const Program& program, Assembler& assembler, std::vector<Memory> inputs,
            const std::vector<Memory>& outputs, std::size_t num_reserved)
      : out(assembler),
        program_(program),
        readers_(readers(program)),
        next_(readers_.first.begin(), readers_.first.end() - 1),
        is_output_(program.num_values()),
        memory_(program.num_values(), kNowhere),
        inputs_(std::move(inputs)),
        reg_(program.num_values(), -1),
        slot_bytes_(static_cast<std::int64_t>(assembler.vector_bytes())),
        num_reserved_(static_cast<std::int64_t>(num_reserved)),
        num_slots_(num_reserved_),
        num_registers_(assembler.isa() == Isa::avx512 ? 32 : 16) {
    held_.fill(kNone);
    for (std::size_t k = 0; k < program.outputs.size(); ++k) {
      const Value value = program.outputs[k] >> 1;
      is_output_[at(value)] = true;
      if (outputs.empty()) continue;
      if (outputs[k].base == kVectorRegister) {
        ends_.push_back({value, static_cast<int>(outputs[k].bytes)});
      } else {
        places_[value].push_back(outputs[k]);
      }
    }
    for (const End& end : ends_) is_end_.insert(end.value);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const auto input = static_cast<Value>(1 + i);
      if (inputs_[i].base == kVectorRegister) {
        if (!is_dead(input)) put(input, static_cast<int>(inputs_[i].bytes));
        continue;
      }
      memory_[at(input)] = inputs_[i];
      if (!is_own(inputs_[i])) continue;
      num_slots_ = std::max(num_slots_, inputs_[i].bytes / slot_bytes_ + 1);
      if (is_dead(input)) free_slots_.push_back(inputs_[i]);
    }
  }

  void run(std::size_t index) {
    Operation operation = program_.operations[index];
    const std::size_t size = operation.size();
    for (std::size_t k = 0; k < size; ++k) ++next_[at(operation.operands[k])];
    locked_ = 0;
    for (std::size_t k = 0; k < size; ++k) {
      if (const int reg = reg_[at(operation.operands[k])]; reg >= 0) locked_ |= 1U << reg;
    }
    // One operand may be read from its slot: the one that is read again the latest.
    std::size_t last = size;
    std::uint32_t latest = 0;
    for (std::size_t k = 0; k < size; ++k) {
      const Value value = operation.operands[k];
      if (reg_[at(value)] < 0 && next_use(value) >= latest) {
        last = k;
        latest = next_use(value);
      }
    }
    for (std::size_t k = 0; k < size; ++k) {
      if (reg_[at(operation.operands[k])] < 0 && k != last) load(operation.operands[k]);
    }
    if (last < size && is_worth_a_register(latest)) {
      load(operation.operands[last]);
      last = size;
    }
    compute(index, operation, last);
    for (std::size_t k = 0; k < size; ++k) drop_if_dead(operation.operands[k]);
  }

  // Stores the inputs that are outputs too, and moves to their registers what is to end there.
  void finish() {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const auto input = static_cast<Value>(1 + i);
      if (!places_.contains(input)) continue;
      locked_ = 0;
      if (reg_[at(input)] < 0) load(input);
      store_output(input);
      drop_if_dead(input);
    }
    move_to_ends();
  }

  // Stores what is still to be read and forgets all registers.
  void flush() {
    for (std::size_t reg = 0; reg < num_registers_; ++reg) {
      if (held_[reg] != kNone) evict(static_cast<int>(reg));
    }
    out.leave();
  }

  // Of a value that is in one; -1: none.
  std::int32_t slot(Value value) const {
    const Memory memory = memory_[at(value)];
    return memory == kNowhere ? -1 : static_cast<std::int32_t>(memory.bytes / slot_bytes_);
  }
  std::size_t num_slots() const { return static_cast<std::size_t>(num_slots_); }
  std::size_t num_loads = 0, num_stores = 0;
  Assembler& out;

 private:
  static std::size_t at(Value value) { return static_cast<std::size_t>(value); }

  // The operation that reads the value next, kAtEnd for an output that no other will.
  std::uint32_t next_use(Value value) const {
    const std::uint32_t next = next_[at(value)];
    if (next < readers_.first[at(value) + 1]) return readers_.operations[next];
    return is_output_[at(value)] ? kAtEnd : kNever;
  }

  void compute(std::size_t index, const Operation& operation, std::size_t last) {
    const std::size_t size = operation.size();
    // The operand that comes last, in memory or not; the others are in registers.
    std::size_t third = last < size ? last : size - 1;
    std::array<std::size_t, 3> order{};
    std::size_t n = 0;
    for (std::size_t k = 0; k < size; ++k) {
      if (k != third) order[n++] = k;
    }
    order[n] = third;
    const Value value = program_.value(index);
    const auto operand = [&](std::size_t k) { return operation.operands[order[k]]; };
    const Place place =
        last < size ? in_memory(memory_[at(operand(n))]) : in_register(reg_[at(operand(n))]);
    if (last < size) ++num_loads;
    if (size == 2) {
      const int first = reg_[at(operand(0))];
      const int to = register_for_result(operation);
      const bool is_swapped = order[0] == 1;
      switch (operation.table) {
        case kAnd:
          out.emit(kPand, to, first, place);
          break;
        case kOr:
          out.emit(kPor, to, first, place);
          break;
        case kXor:
          out.emit(kPxor, to, first, place);
          break;
        default:
          if (operation.table == kAndNot && is_swapped) {
            out.emit(kPandn, to, first, place);
          } else if (operation.table == kAndNot && place.reg >= 0) {
            out.emit(kPandn, to, place.reg, in_register(first));
          } else {
            andnot_or_other(operation, to, first, place, is_swapped);
          }
      }
      hold(value, to);
      return;
    }
    // The first source is overwritten: one that is not read again, or a copy.
    if (!is_dead(operand(0)) && is_dead(operand(1))) std::swap(order[0], order[1]);
    if (!is_dead(operand(0)) && place.reg >= 0 && is_dead(operand(2)))
      std::swap(order[0], order[2]);
    const int second = reg_[at(operand(1))];
    const Place third_place = last < size ? place : in_register(reg_[at(operand(2))]);
    int to = reg_[at(operand(0))];
    if (is_dead(operand(0))) {
      release(operand(0));
    } else {
      const int copied = free_register();
      out.copy(copied, to);
      to = copied;
    }
    out.ternary(to, second, third_place, permuted(operation.table, order));
    hold(value, to);
  }

  // With AVX-512 any table will do; with AVX2 the second operand is loaded.
  void andnot_or_other(const Operation& operation, int to, int first, Place place,
                       bool is_swapped) {
    if (num_registers_ == 32) {
      const std::array<std::size_t, 3> order = {2, is_swapped ? 1U : 0U, is_swapped ? 0U : 1U};
      out.ternary(to, first, place, permuted(operation.table, order));
    } else if (to != first) {
      out.load(to, place.memory);
      out.emit(kPandn, to, to, in_register(first));
    } else {  // ~b & a out of a in `to` and b in memory: a ^ (a & b)
      const int spare = free_register();
      out.emit(kPand, spare, first, place);
      out.emit(kPxor, to, first, in_register(spare));
    }
  }

  // vpternlog's table has the first source as bit 2 of a row's number, the last one as bit 0.
  static Byte permuted(Byte table, const std::array<std::size_t, 3>& order) {
    unsigned result = 0;
    for (unsigned row = 0; row < 8; ++row) {
      unsigned from = 0;
      for (std::size_t k = 0; k < 3; ++k) from |= (row >> (2 - k) & 1) << order[k];
      result |= (table >> from & 1U) << row;
    }
    return static_cast<Byte>(result);
  }

  int register_for_result(const Operation& operation) {
    for (std::size_t k = 0; k < operation.size(); ++k) {
      const Value value = operation.operands[k];
      const int reg = reg_[at(value)];
      if (reg >= 0 && is_dead(value)) {
        release(value);
        return reg;
      }
    }
    return free_register();
  }

  bool is_dead(Value value) const { return next_use(value) == kNever; }

  // Whether a value that is read next at `use` is read before one that a register holds.
  bool is_worth_a_register(std::uint32_t use) const {
    if (use >= kAtEnd) return false;
    for (std::size_t reg = 0; reg < num_registers_; ++reg) {
      if (locked_ >> reg & 1) continue;
      if (held_[reg] == kNone || next_use(held_[reg]) > use) return true;
    }
    return false;
  }

  void load(Value value) {
    const int reg = free_register();
    out.load(reg, memory_[at(value)]);
    ++num_loads;
    put(value, reg);
    locked_ |= 1U << reg;
  }

  void put(Value value, int reg) {
    held_[static_cast<std::size_t>(reg)] = value;
    reg_[at(value)] = static_cast<std::int8_t>(reg);
  }

  int free_register() {
    std::size_t farthest = num_registers_;
    std::uint32_t use = 0;
    for (std::size_t reg = 0; reg < num_registers_; ++reg) {
      if (locked_ >> reg & 1) continue;
      if (held_[reg] == kNone) {
        locked_ |= 1U << reg;
        return static_cast<int>(reg);
      }
      if (farthest == num_registers_ || next_use(held_[reg]) > use) {
        farthest = reg;
        use = next_use(held_[reg]);
      }
    }
    evict(static_cast<int>(farthest));
    locked_ |= 1U << farthest;
    return static_cast<int>(farthest);
  }

  void evict(int reg) {
    const Value value = held_[static_cast<std::size_t>(reg)];
    if (memory_[at(value)] == kNowhere && !is_dead(value)) {
      memory_[at(value)] = new_slot();
      out.store(reg, memory_[at(value)]);
      ++num_stores;
    }
    release(value);
  }

  void hold(Value value, int reg) {
    put(value, reg);
    store_output(value);
    drop_if_dead(value);
  }

  // Stores a value that is in a locked register wherever it is an output.
  void store_output(Value value) {
    const auto found = places_.find(value);
    if (found == places_.end()) return;
    for (const Memory place : found->second) {
      for (std::size_t i = 0; i < inputs_.size(); ++i) {
        const auto input = static_cast<Value>(1 + i);
        if (input != value && is_overwritten(inputs_[i], place)) keep(input);
      }
      out.store(reg_[at(value)], place);
      ++num_stores;
    }
    if (!is_end_.contains(value)) is_output_[at(value)] = false;
  }

  // Each value that is to end in a register is in one, or in memory. A register is written once
  // what it holds waits for no other one; where all wait for one another, one gives way.
  void move_to_ends() {
    std::erase_if(ends_, [&](const End& end) { return reg_[at(end.value)] == end.reg; });
    const auto is_waiting = [&](Value value) {
      return std::any_of(ends_.begin(), ends_.end(),
                         [&](const End& end) { return end.value == value; });
    };
    while (!ends_.empty()) {
      const auto next = std::find_if(ends_.begin(), ends_.end(), [&](const End& end) {
        const Value held = held_[static_cast<std::size_t>(end.reg)];
        return held == kNone || !is_waiting(held);
      });
      if (next == ends_.end()) {
        const Value value = ends_.front().value;
        locked_ = 0;
        const int spare = free_register();
        out.copy(spare, reg_[at(value)]);
        release(value);
        put(value, spare);
        continue;
      }
      const auto [value, reg] = *next;
      ends_.erase(next);
      held_[static_cast<std::size_t>(reg)] = value;  // not free, though the value may be elsewhere
      if (reg_[at(value)] >= 0) {
        out.copy(reg, reg_[at(value)]);
      } else {
        out.load(reg, memory_[at(value)]);
        ++num_loads;
      }
    }
  }

  static bool is_overwritten(Memory input, Memory place) {
    if (place.base != kR8) return input == place;
    return (input.base == kRsi || input.base == kRcx) && input.bytes == place.bytes;
  }

  // Keeps what is still to be read of an input whose memory is written over.
  void keep(Value input) {
    if (!is_dead(input) && reg_[at(input)] < 0) {
      const std::uint32_t locked = locked_;
      load(input);
      locked_ = locked;
    }
    memory_[at(input)] = kNowhere;
  }

  // Forgets that a register holds the value.
  void release(Value value) {
    held_[static_cast<std::size_t>(reg_[at(value)])] = kNone;
    reg_[at(value)] = -1;
  }

  void drop_if_dead(Value value) {
    if (!is_dead(value)) return;
    if (reg_[at(value)] >= 0) release(value);
    if (is_own(memory_[at(value)])) free_slots_.push_back(memory_[at(value)]);
    memory_[at(value)] = kNowhere;
  }

  Memory new_slot() {
    if (free_slots_.empty()) return {kRdi, num_slots_++ * slot_bytes_};
    const Memory found = free_slots_.back();
    free_slots_.pop_back();
    return found;
  }

  bool is_own(Memory memory) const {
    return memory.base == kRdi && memory.bytes >= num_reserved_ * slot_bytes_;
  }

  // A value that is in this register in the end.
  struct End {
    Value value;
    int reg;
  };

  const Program& program_;
  Readers readers_;
  std::vector<std::uint32_t> next_;  // of each value, into readers_.operations
  std::vector<bool> is_output_;      // and not yet stored
  std::vector<Memory> memory_, inputs_, free_slots_;
  std::unordered_map<Value, std::vector<Memory>> places_;  // where outputs are stored
  std::vector<End> ends_;                                  // not yet there
  std::unordered_set<Value> is_end_;
  std::vector<std::int8_t> reg_;
  std::array<Value, 32> held_{};
  std::uint32_t locked_ = 0;  // registers that the operation at hand reads or has just got
  std::int64_t slot_bytes_, num_reserved_, num_slots_;
  std::size_t num_registers_;
};

}  // namespace gatewright
