// One sample at a time, with sanitizers on: connections of bits against what they are to bring, and
// random circuits, wide, deep and odd ones, against `simulate`.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

#include "connection.hpp"
#include "instruction_sets.hpp"
#include "simulate.hpp"
#include "single.hpp"

using gatewright::Blocks;
using gatewright::CircuitView;
using gatewright::Connection;
using gatewright::Program;
using gatewright::Single;

namespace {

struct Arrays {
  std::size_t num_inputs = 0;
  std::vector<std::int32_t> fanin, outputs;
  std::vector<std::uint8_t> table;

  CircuitView view() const {
    return {num_inputs, table.size(), outputs.size(), fanin.data(), table.data(), outputs.data()};
  }
};

std::uint32_t below(std::mt19937& random, std::size_t n) {
  return static_cast<std::uint32_t>(random() % n);
}

// How bits are to be brought: a few of them to many places, each to one, or at random.
std::vector<std::uint32_t> draw_map(std::size_t num_sources, std::size_t num_places,
                                    std::mt19937& random) {
  std::vector<std::uint32_t> from(num_places);
  const std::size_t popular = 1 + random() % num_sources;
  const unsigned kind = random() % 3;
  for (std::size_t p = 0; p < num_places; ++p) {
    from[p] = below(random, kind == 0 ? popular : num_sources);
  }
  if (kind == 2) {
    std::vector<std::uint32_t> each(num_sources);
    std::iota(each.begin(), each.end(), 0U);
    std::shuffle(each.begin(), each.end(), random);
    std::copy_n(each.begin(), std::min(num_sources, num_places), from.begin());
  }
  return from;
}

std::size_t check_connection(const Connection& plan, const std::vector<std::uint32_t>& from,
                             std::size_t num_sources, std::mt19937& random) {
  std::vector<std::uint64_t> masks;
  std::vector<gatewright::Patch> patches;
  gatewright::connect(plan, from, num_sources, &masks, &patches);
  const std::size_t num_words = (std::size_t{1} << plan.log_size) / 64;
  for (std::size_t vector = 0; vector < num_words / 4; ++vector) {  // gates that change nothing
    masks.insert(masks.end(), 4, ~std::uint64_t{0});
    masks.insert(masks.end(), 8, 0);
  }
  std::vector<std::uint64_t> bits(std::max(num_words, (num_sources + 63) / 64) + 4);
  for (std::uint64_t& word : bits) word = std::uint64_t{random()} << 32 | random();
  const std::vector<std::uint64_t> before = bits;
  const gatewright::FrontLayer layer{static_cast<std::uint32_t>(num_words / 4),
                                     static_cast<std::uint32_t>(patches.size()), plan.has_copies};
  gatewright::engine_kernels().run_layers(&layer, 1, masks.data(), patches.data(), bits.data());
  std::size_t wrong = 0;
  for (std::size_t p = 0; p < from.size(); ++p) {
    wrong += (bits[p / 64] >> p % 64 & 1) != (before[from[p] / 64] >> from[p] % 64 & 1);
  }
  return wrong;
}

std::size_t check_connections(std::mt19937& random) {
  std::size_t wrong = 0;
  for (int i = 0; i < 60; ++i) {
    const std::size_t most = random() % 2 ? 300 : 5000;
    const std::size_t num_sources = 1 + random() % most;
    const auto from = draw_map(num_sources, 1 + random() % most, random);
    const Connection plan = gatewright::plan_connection(from, num_sources);
    wrong += check_connection(plan, from, num_sources, random);
    // The other way, with as much room as it may need.
    Connection other{14, !plan.has_copies, 0};
    wrong += check_connection(other, from, num_sources, random);
  }
  return wrong;
}

// Layers of `width` over one another, of which gates read, now and then, what is far behind.
Arrays draw(std::size_t num_inputs, std::size_t width, std::size_t depth, std::mt19937& random) {
  Arrays made;
  made.num_inputs = num_inputs;
  for (std::size_t layer = 0; layer < depth; ++layer) {
    const std::size_t begin = layer == 0 ? 0 : 1 + num_inputs + (layer - 1) * width;
    const std::size_t size = layer == 0 ? 1 + num_inputs : width;
    for (std::size_t gate = 0; gate < width; ++gate) {
      for (int k = 0; k < 2; ++k) {
        const std::size_t near = begin + random() % size;
        made.fanin.push_back(
            static_cast<std::int32_t>(random() % 16 ? near : random() % (begin + size)));
      }
      made.table.push_back(static_cast<std::uint8_t>(random() % 16));
    }
  }
  const std::size_t num_nodes = 1 + num_inputs + width * depth,
                    num_outputs = random() % (width + 2);
  for (std::size_t k = 0; k < num_outputs; ++k) {
    const std::size_t back = random() % 3 ? random() % (width + 1) : random() % num_nodes;
    made.outputs.push_back(static_cast<std::int32_t>(
        2 * (num_nodes - 1 - std::min(back, num_nodes - 1)) + random() % 2));
  }
  return made;
}

// The inputs are taken from places in any order, with gaps.
std::size_t check_circuit(const Arrays& arrays, std::mt19937& random, std::size_t* num_levels) {
  const std::size_t num_sources = arrays.num_inputs + random() % 70;
  std::vector<std::uint32_t> sources(num_sources);
  std::iota(sources.begin(), sources.end(), 0U);
  std::shuffle(sources.begin(), sources.end(), random);
  sources.resize(arrays.num_inputs);
  const Program program = gatewright::make_program(arrays.view());
  const Single single(program, sources, num_sources);
  *num_levels += single.num_levels();
  std::vector<std::uint64_t> bits(std::max(single.num_words(), single.num_source_words()));
  std::vector<std::uint8_t> bytes(single.num_bytes());
  std::size_t wrong = 0;
  for (int sample = 0; sample < 4; ++sample) {
    std::vector<std::uint64_t> words(arrays.num_inputs), expected(arrays.outputs.size());
    for (std::size_t i = 0; i < words.size(); ++i) {
      words[i] = random() % 2;
      const std::size_t place = sources[i];
      bits[place / 64] &= ~(std::uint64_t{1} << place % 64);
      bits[place / 64] |= words[i] << place % 64;
    }
    gatewright::simulate(arrays.view(), 1, words.data(), expected.data());
    single.run(bits.data(), bytes.data());
    std::vector<std::uint64_t> others(expected.size()), found(expected.size());
    for (std::uint64_t& other : others) other = random();
    single.add_outputs(bytes.data(), 5, others.data(), 0xF0F, found.data());
    const bool has_label = expected.size() <= 63;
    const std::int64_t label = has_label ? single.label(bytes.data()) : 0;
    for (std::size_t k = 0; k < expected.size(); ++k) {
      wrong += found[k] != ((others[k] & 0xF0F) | (expected[k] & 1) << 5);
      wrong += has_label && (label >> k & 1) != static_cast<std::int64_t>(expected[k] & 1);
    }
  }
  return wrong;
}

// Values of more than 16 bits' numbers.
std::size_t check_many_values(std::mt19937& random) {
  const Arrays arrays = draw(70'000, 900, 2, random);
  const Program program = gatewright::make_program(arrays.view());
  const Blocks blocks(program);
  std::vector<std::uint8_t> bytes(blocks.value_bytes());
  std::vector<std::uint64_t> words(arrays.num_inputs), expected(arrays.outputs.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = random() % 2;
    bytes[i] = static_cast<std::uint8_t>(words[i] ^ blocks.inverted_inputs()[i]);
  }
  gatewright::simulate(arrays.view(), 1, words.data(), expected.data());
  blocks.run(bytes.data());
  std::size_t wrong = 0;
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const std::uint32_t literal = blocks.outputs()[k];
    wrong += (bytes[literal >> 1] ^ (literal & 1U)) != (expected[k] & 1);
  }
  return wrong;
}

}  // namespace

int main() {
  std::mt19937 random(1);
  std::size_t num_circuits = 0, num_levels = 0, wrong = 0;
  for_each_instruction_set([&] {
    wrong += check_connections(random) + check_many_values(random);
    const std::size_t shapes[][3] = {{0, 0, 0},      {3, 0, 0},     {0, 5, 3},     {1, 2, 9},
                                     {80, 40, 30},   {200, 300, 4}, {90, 2000, 3}, {700, 257, 6},
                                     {5000, 100, 2}, {16, 3, 400}};
    for (const auto& [num_inputs, width, depth] : shapes) {
      for (int i = 0; i < 3; ++i, ++num_circuits) {
        wrong += check_circuit(draw(num_inputs, width, depth, random), random, &num_levels);
      }
    }
  });
  std::printf("%zu circuits, %zu levels, %zu wrong\n", num_circuits, num_levels, wrong);
  return wrong != 0 || num_levels == 0;
}
