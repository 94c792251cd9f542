#include "machine_code.hpp"

#include <limits>
#include <stdexcept>
#include <utility>

#include "allocator.hpp"

namespace gatewright {

MachineCode::MachineCode(const Program& program, Isa isa, std::size_t vector_bytes,
                         std::size_t segment_size)
    : vector_bytes_(vector_bytes) {
  Assembler assembler(isa, vector_bytes);
  std::vector<Memory> inputs;
  for (std::size_t i = 0; i < program.num_inputs; ++i) {
    inputs.push_back({kRdi, static_cast<std::int64_t>(i * vector_bytes)});
  }
  Allocator allocator(program, assembler, std::move(inputs), {}, 0);
  for (std::size_t i = 0; i < program.operations.size(); ++i) {
    if (i % segment_size == 0) {
      if (i > 0) allocator.flush();
      entries_.push_back(assembler.here());
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
  code_ = CodePages(assembler.bytes);
}

void MachineCode::run(std::uint8_t* slots, std::size_t num_blocks) const {
  for (const std::size_t entry : entries_) {
    auto* const segment = code_.function<void(std::uint8_t*)>(entry);
    for (std::size_t block = 0; block < num_blocks; ++block) segment(slots + block * block_bytes());
  }
}

}  // namespace gatewright
