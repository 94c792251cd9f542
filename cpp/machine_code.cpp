#include "machine_code.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>

#if defined(__x86_64__) && defined(__linux__)
#include <sys/mman.h>
#define GATEWRIGHT_MACHINE_CODE 1
#else
#define GATEWRIGHT_MACHINE_CODE 0
#endif

namespace gatewright {
namespace {

using Byte = std::uint8_t;

// Second bytes of instructions that AVX2 and AVX-512 share, all in the 66 0F map.
enum : Byte { kLoad = 0x6F, kStore = 0x7F, kPand = 0xDB, kPandn = 0xDF, kPor = 0xEB, kPxor = 0xEF };
constexpr Byte kTernary = 0x25;  // vpternlogq, in the 66 0F 3A map, AVX-512 only

// The last source of an instruction, or where it stores: a register, or a slot.
struct Place {
  int reg;            // -1: memory
  std::size_t bytes;  // of the slot, from the base in rdi
};

// Writes instructions; the address of the slots is in rdi.
class Assembler {
 public:
  Assembler(Isa isa, std::size_t vector_bytes) : isa_(isa), vector_bytes_(vector_bytes) {}

  std::vector<Byte> bytes;

  void load(int to, std::size_t from) { emit(kLoad, to, 0, {-1, from}); }
  void copy(int to, int from) { emit(kLoad, to, 0, {from, 0}); }
  void store(int from, std::size_t to) { emit(kStore, from, 0, {-1, to}); }
  void emit(Byte opcode, int reg, int source, Place place) {
    isa_ == Isa::avx512 ? evex(opcode, 1, reg, source, place) : vex(opcode, reg, source, place);
  }
  void ternary(int reg, int second, Place third, Byte table) {
    evex(kTernary, 3, reg, second, third);
    put(table);
  }
  void leave() {
    for (const int byte : {0xC5, 0xF8, 0x77, 0xC3}) put(byte);  // vzeroupper; ret
  }

 private:
  void put(int byte) { bytes.push_back(static_cast<Byte>(byte)); }

  // Intel's manual, volume 2, 2.7: register numbers have five bits, of which two are stored
  // inverted in the prefix. Quadwords (W), no mask; the length of vectors is in units of 128 bits.
  void evex(Byte opcode, int map, int reg, int source, Place place) {
    const int high = place.reg < 0 ? 0 : place.reg;
    put(0x62);
    put((~reg & 8) << 4 | (~high & 16) << 2 | (~high & 8) << 2 | (~reg & 16) | map);
    put(0x80 | (~source & 15) << 3 | 4 | 1);
    put(static_cast<int>(vector_bytes_ / 32) << 5 | (~source & 16) >> 1);
    operand(opcode, reg, place, vector_bytes_);
  }

  // The same with registers of four bits, and vectors of 128 or 256 bits.
  void vex(Byte opcode, int reg, int source, Place place) {
    const int high = place.reg < 0 ? 0 : place.reg;
    put(0xC4);
    put((~reg & 8) << 4 | 0x40 | (~high & 8) << 2 | 1);
    put((~source & 15) << 3 | (vector_bytes_ == 32 ? 4 : 0) | 1);
    operand(opcode, reg, place, 1);
  }

  // A displacement fits one byte in units of `scale`, or four bytes.
  void operand(Byte opcode, int reg, Place place, std::size_t scale) {
    put(opcode);
    if (place.reg >= 0) {
      put(0xC0 | (reg & 7) << 3 | (place.reg & 7));
    } else if (place.bytes % scale == 0 && place.bytes / scale < 128) {
      put(0x47 | (reg & 7) << 3);
      put(static_cast<int>(place.bytes / scale));
    } else {
      put(0x87 | (reg & 7) << 3);
      for (int shift = 0; shift < 32; shift += 8) put(static_cast<int>(place.bytes >> shift & 255));
    }
  }

  Isa isa_;
  std::size_t vector_bytes_;
};

constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kAtEnd = kNever - 1;

// Keeps values in registers, those that are read the soonest (Belady's rule), the others in slots.
class Allocator {
 public:
  Allocator(const Program& program, Isa isa, std::size_t vector_bytes)
      : program_(program),
        readers_(readers(program)),
        next_(readers_.first.begin(), readers_.first.end() - 1),
        is_output_(program.num_values()),
        slot_(program.num_values(), kNone),
        reg_(program.num_values(), -1),
        slot_bytes_(vector_bytes),
        num_registers_(isa == Isa::avx512 ? 32 : 16),
        out(isa, vector_bytes) {
    held_.fill(kNone);
    for (const std::int32_t literal : program.outputs) {
      is_output_[static_cast<std::size_t>(literal >> 1)] = true;
    }
    for (std::size_t input = 1; input <= program.num_inputs; ++input) {
      slot_[input] = static_cast<std::int32_t>(num_slots_++);
      if (is_dead(static_cast<Value>(input))) free_slots_.push_back(slot_[input]);
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

  // Stores what is still to be read and forgets all registers.
  void flush() {
    for (std::size_t reg = 0; reg < num_registers_; ++reg) {
      if (held_[reg] != kNone) evict(static_cast<int>(reg));
    }
    out.leave();
  }

  std::int32_t slot(Value value) const { return slot_[at(value)]; }
  std::size_t num_slots() const { return num_slots_; }
  std::size_t num_loads = 0, num_stores = 0;

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
        last < size ? Place{-1, address(operand(n))} : Place{reg_[at(operand(n))], 0};
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
            out.emit(kPandn, to, place.reg, {first, 0});
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
    const Place third_place = last < size ? place : Place{reg_[at(operand(2))], 0};
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
      out.load(to, place.bytes);
      out.emit(kPandn, to, to, {first, 0});
    } else {  // ~b & a out of a in `to` and b in memory: a ^ (a & b)
      const int spare = free_register();
      out.emit(kPand, spare, first, place);
      out.emit(kPxor, to, first, {spare, 0});
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
    out.load(reg, address(value));
    ++num_loads;
    held_[static_cast<std::size_t>(reg)] = value;
    reg_[at(value)] = static_cast<std::int8_t>(reg);
    locked_ |= 1U << reg;
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
    if (slot_[at(value)] == kNone && !is_dead(value)) {
      new_slot(value);
      out.store(reg, address(value));
      ++num_stores;
    }
    release(value);
  }

  void hold(Value value, int reg) {
    held_[static_cast<std::size_t>(reg)] = value;
    reg_[at(value)] = static_cast<std::int8_t>(reg);
    drop_if_dead(value);
  }

  // Forgets that a register holds the value.
  void release(Value value) {
    held_[static_cast<std::size_t>(reg_[at(value)])] = kNone;
    reg_[at(value)] = -1;
  }

  void drop_if_dead(Value value) {
    if (!is_dead(value)) return;
    if (reg_[at(value)] >= 0) release(value);
    if (slot_[at(value)] != kNone) free_slots_.push_back(slot_[at(value)]);
    slot_[at(value)] = kNone;
  }

  void new_slot(Value value) {
    if (free_slots_.empty()) {
      slot_[at(value)] = static_cast<std::int32_t>(num_slots_++);
    } else {
      slot_[at(value)] = free_slots_.back();
      free_slots_.pop_back();
    }
  }

  std::size_t address(Value value) const {
    return static_cast<std::size_t>(slot_[at(value)]) * slot_bytes_;
  }

  const Program& program_;
  Readers readers_;
  std::vector<std::uint32_t> next_;  // of each value, into readers_.operations
  std::vector<bool> is_output_;
  std::vector<std::int32_t> slot_, free_slots_;
  std::vector<std::int8_t> reg_;
  std::array<Value, 32> held_{};
  std::uint32_t locked_ = 0;  // registers that the operation at hand reads or has just got
  std::size_t num_slots_ = 0, slot_bytes_;
  std::size_t num_registers_;

 public:
  Assembler out;
};

}  // namespace

MachineCode::MachineCode(const Program& program, Isa isa, std::size_t vector_bytes,
                         std::size_t segment_size)
    : vector_bytes_(vector_bytes) {
  Allocator allocator(program, isa, vector_bytes);
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    if (i % segment_size == 0) {
      if (i > 0) allocator.flush();
      entries_.push_back(allocator.out.bytes.size());
    }
    allocator.run(i);
  }
  if (!entries_.empty()) allocator.flush();
  for (const std::int32_t literal : program.outputs) {
    output_slots_.push_back(allocator.slot(literal >> 1));
  }
  num_slots_ = allocator.num_slots();
  num_loads = allocator.num_loads;
  num_stores = allocator.num_stores;
  if (num_slots_ * vector_bytes > std::numeric_limits<std::int32_t>::max()) {
    throw std::length_error("the circuit's values take more than 2 GB");
  }
  make_executable(allocator.out.bytes);
}

// The pages are written first and made executable then, never both at once.
void MachineCode::make_executable(const std::vector<std::uint8_t>& bytes) {
  code_size_ = bytes.size();
  if (bytes.empty()) return;
#if GATEWRIGHT_MACHINE_CODE
  void* pages =
      mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  code_ = {static_cast<std::uint8_t*>(pages), Unmap{bytes.size()}};
  std::memcpy(pages, bytes.data(), bytes.size());
  if (mprotect(pages, bytes.size(), PROT_READ | PROT_EXEC) != 0) {
    throw std::invalid_argument("this system lets no memory be executed; take the interpreter");
  }
#endif
}

void MachineCode::Unmap::operator()(std::uint8_t* code) const {
#if GATEWRIGHT_MACHINE_CODE
  munmap(code, size);
#else
  static_cast<void>(code);
#endif
}

void MachineCode::run(std::uint8_t* slots, std::size_t num_blocks) const {
  for (const std::size_t entry : entries_) {
    const std::uint8_t* address = code_.get() + entry;
    void (*segment)(std::uint8_t*) = nullptr;
    std::memcpy(&segment, &address, sizeof segment);
    for (std::size_t block = 0; block < num_blocks; ++block) segment(slots + block * block_bytes());
  }
}

}  // namespace gatewright
