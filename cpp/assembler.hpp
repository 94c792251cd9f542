// Writes the x86-64 instructions that machine code is made of.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gatewright {

enum class Isa { avx2, avx512 };

using Byte = std::uint8_t;

// Second bytes of instructions that AVX2 and AVX-512 share, all in the 66 0F map.
enum : Byte { kLoad = 0x6F, kStore = 0x7F, kPand = 0xDB, kPandn = 0xDF, kPor = 0xEB, kPxor = 0xEF };
constexpr Byte kTernary = 0x25;  // vpternlogq, in the 66 0F 3A map, AVX-512 only

// General registers, as Linux passes arguments in them.
enum : int { kRdi = 7, kRsi = 6, kRdx = 2, kRcx = 1, kR8 = 8, kR9 = 9 };

// So many bytes after the address that a general register holds, which is not rsp or r12.
struct Memory {
  int base;
  std::int64_t bytes;

  bool operator==(const Memory&) const = default;
};
constexpr Memory kNowhere{-1, 0};

// Where a value is that is in no memory but in a vector register.
constexpr int kVectorRegister = -2;
inline Memory vector_register(std::size_t reg) {
  return {kVectorRegister, static_cast<std::int64_t>(reg)};
}

// The last source of an instruction, or where it stores: a vector register, or memory.
struct Place {
  int reg;  // -1: memory
  Memory memory;
};

inline Place in_register(int reg) { return {reg, kNowhere}; }
inline Place in_memory(Memory memory) { return {-1, memory}; }

class Assembler {
 public:
  Assembler(Isa isa, std::size_t vector_bytes) : isa_(isa), vector_bytes_(vector_bytes) {}

  std::vector<Byte> bytes;

  Isa isa() const { return isa_; }
  std::size_t vector_bytes() const { return vector_bytes_; }

  // Memory is aligned to whole vectors.
  void load(int to, Memory from) { emit(kLoad, to, 0, in_memory(from)); }
  void copy(int to, int from) { emit(kLoad, to, 0, in_register(from)); }
  void store(int from, Memory to) { emit(kStore, from, 0, in_memory(to)); }
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

  // General registers, by constants.
  void add(int reg, std::size_t number) {
    arithmetic(0x81, 0xC0, reg);
    put_four(number);
  }
  void subtract(int reg, Byte number) {
    arithmetic(0x83, 0xE8, reg);
    put(number);
  }
  void compare(int reg, Byte number) {
    arithmetic(0x83, 0xF8, reg);
    put(number);
  }

  // Where jumps go.
  std::size_t here() const { return bytes.size(); }
  void jump_if_not_below(std::size_t target) { jump(0x83, target); }
  // Returns what `land` makes to jump to where the code is then.
  std::size_t jump_if_below() {
    jump(0x82, here());
    return here();
  }
  void land(std::size_t jump) {
    const std::size_t distance = here() - jump;
    for (std::size_t k = 0; k < 4; ++k) {
      bytes[jump - 4 + k] = static_cast<Byte>(distance >> 8 * k & 255);
    }
  }

 private:
  void put(int byte) { bytes.push_back(static_cast<Byte>(byte)); }
  void put_four(std::size_t number) {
    for (int shift = 0; shift < 32; shift += 8) put(static_cast<int>(number >> shift & 255));
  }

  void arithmetic(int opcode, int kind, int reg) {
    put(0x48 | reg >> 3);
    put(opcode);
    put(kind | (reg & 7));
  }
  void jump(int condition, std::size_t target) {
    put(0x0F);
    put(condition);
    put_four(target - (here() + 4));
  }

  // The number of the last operand's register, or of that which holds its address.
  static int number(Place place) { return place.reg < 0 ? place.memory.base : place.reg; }

  // Intel's manual, volume 2, 2.7: register numbers have five bits, of which two are stored
  // inverted in the prefix. Quadwords (W), no mask; the length of vectors is in units of 128 bits.
  void evex(Byte opcode, int map, int reg, int source, Place place) {
    const int high = number(place);
    put(0x62);
    put((~reg & 8) << 4 | (~high & 16) << 2 | (~high & 8) << 2 | (~reg & 16) | map);
    put(0x80 | (~source & 15) << 3 | 4 | 1);
    put(static_cast<int>(vector_bytes_ / 32) << 5 | (~source & 16) >> 1);
    operand(opcode, reg, place, static_cast<std::int64_t>(vector_bytes_));
  }

  // The same with registers of four bits, and vectors of 128 or 256 bits.
  void vex(Byte opcode, int reg, int source, Place place) {
    const int rest = (~source & 15) << 3 | (vector_bytes_ == 32 ? 4 : 0) | 1;
    if (number(place) & 8) {
      put(0xC4);
      put((~reg & 8) << 4 | 0x40 | 1);
      put(rest);
    } else {  // the short form
      put(0xC5);
      put((~reg & 8) << 4 | rest);
    }
    operand(opcode, reg, place, 1);
  }

  // A displacement fits one byte in units of `scale`, or four bytes.
  void operand(Byte opcode, int reg, Place place, std::int64_t scale) {
    put(opcode);
    const int mode = (reg & 7) << 3 | (number(place) & 7);
    const std::int64_t distance = place.memory.bytes;
    if (place.reg >= 0) {
      put(0xC0 | mode);
    } else if (distance % scale == 0 && distance >= -128 * scale && distance < 128 * scale) {
      put(0x40 | mode);
      put(static_cast<int>(distance / scale));
    } else {
      put(0x80 | mode);
      put_four(static_cast<std::size_t>(distance));
    }
  }

  Isa isa_;
  std::size_t vector_bytes_;
};

}  // namespace gatewright
