// Random circuits through the engine, with sanitizers on: every back end against `simulate`, on
// packed words and on rows of numbers.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <random>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "engine.hpp"
#include "instruction_sets.hpp"

using gatewright::Backend;
using gatewright::BitTable;
using gatewright::CircuitView;
using gatewright::Engine;

namespace {

struct Arrays {
  std::size_t num_inputs;
  std::vector<std::int32_t> fanin, outputs;
  std::vector<std::uint8_t> table;

  CircuitView view() const {
    return {num_inputs, table.size(), outputs.size(), fanin.data(), table.data(), outputs.data()};
  }
};

// Layers over one another of gates that depend on both operands, as one sample goes through them.
Arrays draw_layers(std::mt19937& random) {
  constexpr std::uint8_t kDependent[] = {1, 2, 4, 6, 7, 8, 9, 11, 13, 14};
  constexpr std::size_t kWidth = 400, kDepth = 12;
  Arrays made;
  made.num_inputs = 36 + 18 * (random() % 3);
  std::size_t begin = 1, size = made.num_inputs;
  for (std::size_t layer = 0; layer < kDepth; begin += size, size = kWidth, ++layer) {
    for (std::size_t k = 0; k < 2 * kWidth; ++k) {
      made.fanin.push_back(static_cast<std::int32_t>(begin + random() % size));
    }
    for (std::size_t k = 0; k < kWidth; ++k) made.table.push_back(kDependent[random() % 10]);
  }
  for (std::size_t k = 0; k < 8; ++k) {
    made.outputs.push_back(static_cast<std::int32_t>(2 * (begin + k) + random() % 2));
  }
  return made;
}

Arrays draw(std::mt19937& random) {
  if (random() % 8 == 0) return draw_layers(random);
  const auto below = [&](std::size_t n) { return static_cast<std::int32_t>(random() % n); };
  Arrays made;
  made.num_inputs = random() % 80;
  const std::size_t num_gates = random() % (random() % 4 ? 90 : 3000);
  const std::size_t window = random() % 2 ? 40 : 4000;  // how far back a gate reads
  for (std::size_t gate = 0; gate < num_gates; ++gate) {
    const std::size_t node = 1 + made.num_inputs + gate;
    const std::size_t first = node > window ? node - window : 0;
    for (int k = 0; k < 2; ++k) {
      made.fanin.push_back(static_cast<std::int32_t>(first) + below(node - first));
    }
    made.table.push_back(static_cast<std::uint8_t>(random() % 16));
  }
  const std::size_t num_outputs = random() % 9;
  for (std::size_t k = 0; k < num_outputs; ++k) {
    made.outputs.push_back(below(2 * (1 + made.num_inputs + num_gates)));
  }
  return made;
}

// The same function, of gates that are the others inverted.
Arrays inverted(const Arrays& arrays) {
  Arrays made = arrays;
  const auto is_gate = [&](std::int32_t node) {
    return static_cast<std::size_t>(node) > arrays.num_inputs;
  };
  for (std::size_t gate = 0; gate < made.table.size(); ++gate) {
    unsigned table = made.table[gate] ^ 0xFU;
    if (is_gate(made.fanin[2 * gate])) table = (table & 0x5) << 1 | (table & 0xA) >> 1;
    if (is_gate(made.fanin[2 * gate + 1])) table = (table & 0x3) << 2 | (table & 0xC) >> 2;
    made.table[gate] = static_cast<std::uint8_t>(table);
  }
  for (std::int32_t& output : made.outputs) output ^= is_gate(output >> 1);
  return made;
}

// The kinds of a table's bits that the loops may know as one of another kind, or of none.
double draw_limit(std::mt19937& random) {
  switch (random() % 8) {
    case 0:
      return std::numeric_limits<double>::quiet_NaN();
    case 1:
      return std::numeric_limits<double>::infinity();
    case 2:
      return static_cast<double>(random() % 300) - 20.5;
    default:
      return static_cast<double>(random() % 270) - 10;
  }
}

// `bits` a feature, all of one kind, or as they come where it is 0.
BitTable draw_table(std::size_t num_inputs, std::size_t bits, std::mt19937& random) {
  BitTable table;
  table.num_features = bits ? num_inputs / bits : 1 + random() % 90;
  for (std::size_t i = 0; i < num_inputs; ++i) {
    table.column.push_back(
        static_cast<std::int32_t>(bits ? i / bits : random() % table.num_features));
    table.kind.push_back(static_cast<std::uint8_t>(bits ? 0 : random() % 3));
    table.limit.push_back(draw_limit(random));
  }
  return table;
}

template <typename T>
std::size_t check_samples(Engine& engine, const Arrays& arrays, const BitTable& table,
                          std::size_t most, std::mt19937& random) {
  const std::size_t num_samples = random() % most, num_words = (num_samples + 63) / 64;
  const std::size_t num_inputs = arrays.num_inputs;
  const std::size_t stride = table.num_features + random() % 3;
  std::vector<T> rows(num_samples * stride);
  std::vector<std::uint64_t> words(num_inputs * num_words);
  for (T& x : rows) {
    x = static_cast<T>(random());
    if (std::is_floating_point_v<T>) {
      x = random() % 3 ? static_cast<T>(draw_limit(random))
                       : std::nextafter(static_cast<T>(random() % 9), T{0});
    }
  }
  for (std::size_t s = 0; s < num_samples; ++s) {
    for (std::size_t i = 0; i < num_inputs; ++i) {
      const auto x =
          static_cast<double>(rows[s * stride + static_cast<std::size_t>(table.column[i])]);
      const bool tests[] = {x > table.limit[i], x == table.limit[i], std::isnan(x)};
      words[i * num_words + s / 64] |= std::uint64_t{tests[table.kind[i]]} << s % 64;
    }
  }
  const std::size_t num_outputs = arrays.outputs.size();
  std::vector<std::uint64_t> expected(num_outputs * num_words), found(num_outputs * num_words);
  gatewright::simulate(arrays.view(), num_words, words.data(), expected.data());
  engine.run(words.data(), num_words, found.data());
  std::size_t wrong = found != expected;
  const gatewright::Rows samples{reinterpret_cast<const std::uint8_t*>(rows.data()),
                                 static_cast<std::ptrdiff_t>(stride * sizeof(T)),
                                 table.num_features};
  engine.run<T>(samples, num_samples, found.data());
  wrong += found != expected;
  if (num_outputs > 8) return wrong;
  std::vector<std::int64_t> labels(num_samples);
  engine.label<T>(samples, num_samples, labels.data());
  for (std::size_t s = 0; s < num_samples; ++s) {
    std::int64_t label = 0;
    for (std::size_t k = 0; k < num_outputs; ++k) {
      label |= static_cast<std::int64_t>(expected[k * num_words + s / 64] >> s % 64 & 1) << k;
    }
    wrong += labels[s] != label;
  }
  return wrong;
}

std::size_t num_singles = 0;  // engines that had something of its own for one sample

std::size_t check(Backend backend, const Arrays& arrays, std::mt19937& random) {
  std::size_t wrong = 0;
  for (const std::size_t bits : {0, 1, 2, 9}) {
    if (bits && arrays.num_inputs % bits != 0) continue;
    const BitTable table = draw_table(arrays.num_inputs, bits, random);
    const Arrays other = inverted(arrays);
    std::optional<gatewright::Many> many;
    if (random() % 2) many = {other.view(), 1 + random() % 9};
    Engine engine(arrays.view(), table, backend, 1 + random() % 3, many);
    for (const std::size_t most : {random() % 2 ? std::size_t{3000} : 150, std::size_t{6}}) {
      wrong += check_samples<std::uint8_t>(engine, arrays, table, most, random);
      wrong += check_samples<float>(engine, arrays, table, most, random);
      wrong += check_samples<double>(engine, arrays, table, most, random);
    }
    num_singles += engine.single() != nullptr;
  }
  return wrong;
}

// Tables that would have the loops read or write elsewhere.
std::size_t accepted() {
  const auto refused = [](const BitTable& table) {
    try {
      gatewright::validate(table, 2);
      return false;
    } catch (const std::invalid_argument&) {
      return true;
    }
  };
  const BitTable good{3, {2, 0}, {2, 1}, {0, 0}};
  BitTable far = good, negative = good, kind = good, short_kinds = good, long_limits = good;
  far.column[0] = 3;
  negative.column[1] = -1;
  kind.kind[1] = 3;
  short_kinds.kind.pop_back();
  long_limits.limit.push_back(0);
  std::size_t wrong = refused(good);
  for (const BitTable& bad : {far, negative, kind, short_kinds, long_limits})
    wrong += !refused(bad);
  return wrong;
}

}  // namespace

int main() {
  std::mt19937 random(1);
  std::size_t num_circuits = 0, wrong = accepted();
  for_each_instruction_set([&] {
    for (int i = 0; i < 60; ++i) {
      const Arrays arrays = draw(random);
      for (const Backend backend : {Backend::machine_code, Backend::interpreter}) {
        try {
          wrong += check(backend, arrays, random);
          ++num_circuits;
        } catch (const std::invalid_argument&) {
          if (backend == Backend::interpreter) throw;
        }
      }
    }
  });
  if (num_singles == 0) std::fputs("nothing was run one sample at a time\n", stderr);
  std::printf("%zu circuits, %zu wrong\n", num_circuits, wrong);
  return wrong != 0 || num_singles == 0;
}
