// See engine_kernels.hpp. Compiled once for each instruction set, which GATEWRIGHT_TARGET names;
// nothing from the standard library is instantiated here, so that no code for one set leaks into
// another.

#include "engine_kernels.hpp"

#include "column_kernel.hpp"
#include "connection_kernel.hpp"
#include "filling_kernel.hpp"
#include "packing_kernel.hpp"
#include "program.hpp"
#include "vectors.hpp"

namespace gatewright {
namespace {

constexpr std::size_t kVectors = kSlotBytes / sizeof(Words);

// Into the first cache; from memory into the second, which waits for more lines at a time.
template <std::size_t ahead>
[[gnu::always_inline]] inline void ask_for(const std::uint8_t* slot) {
  constexpr int locality = ahead > kAhead ? 2 : 3;
  for (std::size_t line = 0; line < kSlotBytes; line += 64) {
    __builtin_prefetch(slot + line, 0, locality);
  }
}

template <std::size_t ahead, typename Function>
[[gnu::always_inline]] inline void step_through(const Step* step, std::size_t size,
                                                std::uint8_t* slots, Function function) {
  for (const Step* const end = step + size; step != end; ++step) {
    if constexpr (ahead > 0) {
      ask_for<ahead>(slots + step[ahead].a);
      ask_for<ahead>(slots + step[ahead].b);
    }
    const auto* a = reinterpret_cast<const Words*>(slots + step->a);
    const auto* b = reinterpret_cast<const Words*>(slots + step->b);
    auto* out = reinterpret_cast<Words*>(slots + step->out);
    for (std::size_t v = 0; v < kVectors; ++v) out[v] = function(a[v], b[v]);
  }
}

template <std::size_t ahead>
void follow(const Step* step, const Run* runs, std::size_t num_runs, std::uint8_t* slots) {
  for (const Run* run = runs; run != runs + num_runs; step += run->size, ++run) {
    const std::size_t size = run->size;
    switch (run->table) {
      case kAndNot:
        step_through<ahead>(step, size, slots,
                            [](const Words& a, const Words& b) { return a & ~b; });
        break;
      case kXor:
        step_through<ahead>(step, size, slots,
                            [](const Words& a, const Words& b) { return a ^ b; });
        break;
      case kAnd:
        step_through<ahead>(step, size, slots,
                            [](const Words& a, const Words& b) { return a & b; });
        break;
      default:
        step_through<ahead>(step, size, slots,
                            [](const Words& a, const Words& b) { return a | b; });
    }
  }
}

}  // namespace

#define GATEWRIGHT_NAME2(kind, target) kind##_##target
#define GATEWRIGHT_NAME(kind, target) GATEWRIGHT_NAME2(kind, target)
#define GATEWRIGHT_TEXT2(target) #target
#define GATEWRIGHT_TEXT(target) GATEWRIGHT_TEXT2(target)

extern const EngineKernels GATEWRIGHT_NAME(engine_kernels, GATEWRIGHT_TARGET) = {
    GATEWRIGHT_TEXT(GATEWRIGHT_TARGET),
    follow<0>,
    follow<kAhead>,
    follow<kFarAhead>,
    fill_slots,
    pack<std::uint8_t>,
    pack<float>,
    pack<double>,
    test_row<std::uint8_t>,
    test_row<float>,
    test_row<double>,
    turn_columns,
    transpose_words,
    run_layers,
    spread_bits};

}  // namespace gatewright
