// Random rules on random boards, with sanitizers on: every back end, any number of bands, both
// edges, against a loop over the cells.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <vector>

#include "automaton.hpp"
#include "board.hpp"
#include "instruction_sets.hpp"
#include "machine_code.hpp"
#include "mapping.hpp"

using gatewright::Buffer;
using gatewright::CircuitView;
using gatewright::Column;
using gatewright::Cost;
using gatewright::Isa;
using gatewright::Neighbourhood;

namespace {

struct Arrays {
  std::size_t num_inputs;
  std::vector<std::int32_t> fanin, outputs;
  std::vector<std::uint8_t> table;

  CircuitView view() const {
    return {num_inputs, table.size(), outputs.size(), fanin.data(), table.data(), outputs.data()};
  }
};

Arrays draw(std::mt19937& random, std::size_t num_inputs, std::size_t num_gates,
            std::size_t num_outputs) {
  const auto below = [&](std::size_t n) { return static_cast<std::int32_t>(random() % n); };
  Arrays made{num_inputs, {}, {}, {}};
  for (std::size_t gate = 0; gate < num_gates; ++gate) {
    for (int k = 0; k < 2; ++k) made.fanin.push_back(below(1 + num_inputs + gate));
    made.table.push_back(static_cast<std::uint8_t>(random() % 16));
  }
  for (std::size_t k = 0; k < num_outputs; ++k) {
    made.outputs.push_back(below(2 * (1 + num_inputs + num_gates)));
  }
  return made;
}

// All inputs together decide each output: whatever is wrong shows.
Arrays parity(std::size_t num_inputs, std::size_t num_outputs) {
  Arrays made{num_inputs, {}, {}, {}};
  for (std::size_t input = 1; input <= num_inputs; ++input) {
    made.fanin.push_back(static_cast<std::int32_t>(input));
    made.fanin.push_back(static_cast<std::int32_t>(input == 1 ? 0 : num_inputs + input - 1));
    made.table.push_back(6);
  }
  made.outputs.assign(num_outputs, static_cast<std::int32_t>(4 * num_inputs));
  return made;
}

// Cells one below the other, which share nothing, of one that reads `carried` of each row.
Arrays stacked(const Arrays& cell, std::size_t carried, std::size_t num_cells) {
  Arrays made{(num_cells + 2) * carried, {}, {}, {}};
  for (std::size_t k = 0; k < num_cells; ++k) {
    const std::size_t before = made.table.size();
    const auto node = [&](std::size_t of_cell) -> std::int32_t {
      if (of_cell == 0) return 0;
      const std::size_t moved = of_cell <= cell.num_inputs
                                    ? of_cell + k * carried
                                    : of_cell - cell.num_inputs + made.num_inputs + before;
      return static_cast<std::int32_t>(moved);
    };
    for (const std::int32_t from : cell.fanin) {
      made.fanin.push_back(node(static_cast<std::size_t>(from)));
    }
    for (const std::int32_t literal : cell.outputs) {
      made.outputs.push_back(2 * node(static_cast<std::size_t>(literal) / 2) + literal % 2);
    }
    made.table.insert(made.table.end(), cell.table.begin(), cell.table.end());
  }
  return made;
}

using Bits = std::vector<std::uint8_t>;  // [plane][y][x]

struct Board {
  std::size_t width, height, planes;
  bool is_torus;
  std::uint64_t outside;

  std::uint8_t bit(const Bits& bits, std::size_t plane, std::ptrdiff_t y, std::ptrdiff_t x) const {
    const auto h = static_cast<std::ptrdiff_t>(height), w = static_cast<std::ptrdiff_t>(width);
    if (!is_torus && (y < 0 || y >= h || x < 0 || x >= w)) return outside >> plane & 1;
    return bits[(plane * height + static_cast<std::size_t>((y + h) % h)) * width +
                static_cast<std::size_t>((x + w) % w)];
  }

  std::vector<std::uint64_t> words(const Bits& bits) const {
    std::vector<std::uint64_t> words(planes * height * ((width + 63) / 64));
    for (std::size_t row = 0; row < planes * height; ++row) {
      for (std::size_t x = 0; x < width; ++x) {
        words[row * ((width + 63) / 64) + x / 64] |= std::uint64_t{bits[row * width + x]} << x % 64;
      }
    }
    return words;
  }
};

std::vector<std::uint64_t> run(const CircuitView& circuit,
                               const std::vector<std::uint64_t>& inputs) {
  std::vector<std::uint64_t> outputs(circuit.num_outputs);
  gatewright::simulate(circuit, 1, inputs.data(), outputs.data());
  return outputs;
}

Bits step(const Board& board, const Neighbourhood& rule, const Bits& bits) {
  Bits next(bits.size());
  for (std::size_t y = 0; y < board.height; ++y) {
    for (std::size_t x = 0; x < board.width; ++x) {
      std::vector<std::uint64_t> read;
      for (std::ptrdiff_t dy = -1; dy <= 1; ++dy) {
        std::vector<std::uint64_t> row;
        for (std::ptrdiff_t dx = -1; dx <= 1; ++dx) {
          for (std::size_t plane = 0; plane < board.planes; ++plane) {
            row.push_back(board.bit(bits, plane, static_cast<std::ptrdiff_t>(y) + dy,
                                    static_cast<std::ptrdiff_t>(x) + dx));
          }
        }
        for (const std::uint64_t value : run(rule.row, row)) read.push_back(value);
      }
      const std::vector<std::uint64_t> cell = run(rule.cells, read);
      for (std::size_t plane = 0; plane < board.planes; ++plane) {
        next[(plane * board.height + y) * board.width + x] = cell[plane] & 1;
      }
    }
  }
  return next;
}

// What a board is after some generations in so many bands, which are stepped one after the other,
// by up to `depth` generations at once.
std::vector<std::uint64_t> stepped(const Board& board, const Column& column, const Bits& bits,
                                   std::size_t num_bands, std::size_t depth,
                                   std::size_t generations) {
  gatewright::StripedBoard striped({board.width, board.height}, {board.is_torus, board.outside},
                                   board.planes, column.vector_bytes() / 8, num_bands, depth);
  Buffer<std::uint8_t> scratch(column.scratch_bytes());
  column.prepare(scratch.data());
  std::vector<std::uint64_t> words = board.words(bits);
  const auto each_band = [&](auto&& work) {
    for (std::size_t band = 0; band < striped.num_bands(); ++band) work(band);
  };
  std::size_t shift = striped.depth();
  each_band([&](std::size_t band) { striped.load(band, words.data()); });
  each_band([&](std::size_t band) { striped.fill_border(band, shift, false); });
  for (std::size_t left = generations; left > 0;) {
    const std::size_t count = std::min(left, striped.depth());
    each_band([&](std::size_t band) { striped.step(column, band, shift, count, scratch.data()); });
    shift = striped.shifted(shift, count);
    left -= count;
    each_band([&](std::size_t band) { striped.fill_border(band, shift, true); });
  }
  std::vector<std::uint64_t> result(words.size());
  each_band([&](std::size_t band) { striped.store(band, shift, result.data()); });
  return result;
}

// Rules whose parts do not fit one another.
std::size_t accepted() {
  std::mt19937 random(0);
  const Arrays row = draw(random, 6, 4, 3), cell = draw(random, 9, 4, 2);
  const Arrays short_row = draw(random, 5, 4, 3), few = draw(random, 9, 4, 1);
  const Arrays wide = draw(random, 10, 4, 2);
  const auto refused = [](const Neighbourhood& rule) {
    try {
      gatewright::validate(rule);
      return false;
    } catch (const std::invalid_argument&) {
      return true;
    }
  };
  Arrays bad = row;
  bad.fanin[0] = 100;
  return refused({row.view(), cell.view(), 2}) + !refused({short_row.view(), cell.view(), 2}) +
         !refused({row.view(), few.view(), 2}) + !refused({row.view(), wide.view(), 2}) +
         !refused({row.view(), draw(random, 9, 4, 4).view(), 2}) +
         refused({row.view(), draw(random, 12, 4, 4).view(), 2}) +
         !refused({row.view(), draw(random, 12, 4, 5).view(), 2}) +
         !refused({row.view(), cell.view(), 1}) + !refused({bad.view(), cell.view(), 2});
}

}  // namespace

int main() {
  std::mt19937 random(1);
  std::size_t num_boards = 0, wrong = accepted();
  for_each_instruction_set([&] {
    for (int i = 0; i < 60; ++i) {
      const bool is_parity = i % 3 == 0;
      const std::size_t planes = 1 + random() % 4, carried = random() % 8 + is_parity;
      const Arrays row = is_parity ? parity(3 * planes, carried)
                                   : draw(random, 3 * planes, random() % 20, carried);
      const Arrays cell = is_parity ? parity(3 * carried, planes)
                                    : draw(random, 3 * carried, random() % 4 ? 20 : 200, planes);
      const Arrays cells = stacked(cell, carried, 1 + random() % 3);
      const Neighbourhood single{row.view(), cell.view(), planes};
      const Neighbourhood rule{row.view(), cells.view(), planes};
      gatewright::validate(rule);
      const bool is_wide = random() % 6 == 0;
      const std::size_t width = 1 + random() % (is_wide ? 1500 : random() % 3 ? 12 : 200);
      const std::size_t height = 1 + random() % (is_wide || random() % 3 ? 16 : 100);
      const Board board{width, height, planes, random() % 2 == 0, random() % 16};
      Bits bits(planes * height * width);
      for (std::uint8_t& bit : bits) bit = random() % 2;
      const std::size_t generations = random() % 2 ? random() % 3 : random() % 11;
      Bits expected = bits;
      for (std::size_t g = 0; g < generations; ++g) expected = step(board, single, expected);
      for (const bool is_compiled : {true, false}) {
        try {
          const gatewright::Automaton automaton(rule, is_compiled);
          for (const std::size_t bands : {1, 2, 5}) {
            ++num_boards;
            wrong += stepped(board, automaton.column(), bits, bands, 1 + random() % 5,
                             generations) != board.words(expected);
          }
          std::vector<std::uint64_t> words = board.words(bits), result(words.size());
          automaton.step(words.data(), {width, height}, {board.is_torus, board.outside},
                         generations, 2, result.data());
          wrong += result != board.words(expected);
          if (!is_compiled) continue;
          for (const Cost cost : {Cost::tables, Cost::instructions}) {  // of any processor's
            const Isa isa = gatewright::can_run(Isa::avx512) ? Isa::avx512 : Isa::avx2;
            const gatewright::CompiledColumn column(rule, isa, cost);
            wrong += stepped(board, column, bits, 1, 1 + random() % 5, generations) !=
                     board.words(expected);
          }
        } catch (const std::invalid_argument&) {
          if (!is_compiled) throw;
        }
      }
    }
  });
  std::printf("%zu boards, %zu wrong\n", num_boards, wrong);
  return wrong != 0;
}
