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

std::unique_ptr<Column> make_column(const Neighbourhood& rule, bool is_compiled) {
  engine_kernels();  // refuses a GATEWRIGHT_ISA that is not there
  if (!is_compiled) return std::make_unique<InterpretedColumn>(rule);
  for (const Isa isa : {Isa::avx512, Isa::avx2}) {
    if (can_run(isa)) return std::make_unique<CompiledColumn>(rule, isa);
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
  StripedBoard board(size, edge, num_planes_, lanes, wanted);
  const std::size_t num_bands = board.num_bands();
  std::vector<Buffer<std::uint8_t>> scratch;
  for (std::size_t band = 0; band < num_bands; ++band) {
    scratch.emplace_back(column_->scratch_bytes());
    column_->prepare(scratch.back().data());
  }
  Team team(num_bands);
  team.run([&](std::size_t band) {
    const std::size_t first = size.height * band / num_bands;
    const std::size_t end = size.height * (band + 1) / num_bands;
    std::size_t shift = 1;
    board.load(words, first, end);
    team.meet();
    board.fill_border(band, shift, false);
    for (std::size_t generation = 0; generation < generations; ++generation) {
      team.meet();  // all borders are filled
      board.step(*column_, band, shift, scratch[band].data());
      team.meet();  // all cells are stepped
      shift = 1 - shift;
      board.fill_border(band, shift, true);
    }
    board.store(result, shift, first, end);
  });
}

}  // namespace gatewright
