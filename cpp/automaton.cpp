#include "automaton.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "board.hpp"
#include "buffer.hpp"
#include "engine_kernels.hpp"
#include "machine_code.hpp"
#include "team.hpp"

namespace gatewright {
namespace {

// Operations on vectors of a generation for which it is worth to have another thread.
constexpr double kThreadOperations = 40'000;

// Bytes of a thread's cells that its caches hold. A larger board comes from memory once for so many
// generations.
constexpr std::size_t kCacheBytes = std::size_t{2} << 20, kDepth = 4;

std::unique_ptr<Column> make_column(const Neighbourhood& rule, bool is_compiled) {
  engine_kernels();  // refuses a GATEWRIGHT_ISA that is not there
  if (!is_compiled) return std::make_unique<InterpretedColumn>(rule);
  for (const Isa isa : {Isa::avx512, Isa::avx2}) {
    if (can_run(isa)) return std::make_unique<CompiledColumn>(rule, isa, cost_of_code());
  }
  throw std::invalid_argument(
      "machine code is for x86-64 with AVX2 or AVX-512, on Linux; take the interpreter");
}

}  // namespace

Automaton::Automaton(const Neighbourhood& rule, bool is_compiled)
    : num_planes_(rule.planes), column_(make_column(rule, is_compiled)) {}

void Automaton::step(const std::uint64_t* words, BoardSize size, Edge edge, std::size_t generations,
                     std::size_t num_threads, std::uint64_t* result) const {
  const std::size_t lanes = column_->vector_bytes() / sizeof(std::uint64_t);
  const double operations = column_->operations_a_row() *
                            static_cast<double>((size.width + 63) / 64) *
                            static_cast<double>((size.height + lanes - 1) / lanes);
  const double worth = 1 + operations / kThreadOperations;
  const auto wanted = static_cast<std::size_t>(std::min(worth, static_cast<double>(num_threads)));
  const std::size_t bytes = num_planes_ * size.height * size.row_words() * sizeof(std::uint64_t);
  StripedBoard board(size, edge, num_planes_, lanes, wanted,
                     bytes / wanted > kCacheBytes ? kDepth : 1);
  const std::size_t num_bands = board.num_bands();
  std::vector<Buffer<std::uint8_t>> scratch;
  for (std::size_t band = 0; band < num_bands; ++band) {
    scratch.emplace_back(column_->scratch_bytes());
    column_->prepare(scratch.back().data());
  }
  Team team(num_bands);
  team.run([&](std::size_t band) {
    std::size_t shift = board.depth();
    board.load(band, words);
    team.meet();
    board.fill_border(band, shift, false);
    for (std::size_t left = generations; left > 0;) {
      const std::size_t count = std::min(left, board.depth());
      team.meet();  // all borders are filled
      board.step(*column_, band, shift, count, scratch[band].data());
      team.meet();  // all cells are stepped
      shift = board.shifted(shift, count);
      left -= count;
      if (left > 0) board.fill_border(band, shift, true);
    }
    board.store(band, shift, result);
  });
}

}  // namespace gatewright
