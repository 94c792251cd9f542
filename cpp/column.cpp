#include "column.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

#include "allocator.hpp"

namespace gatewright {
namespace {

// Rows that a turn of the loop steps: so many, or fewer where that makes more operations than
// these, which fill a good part of the cache of decoded instructions.
constexpr std::size_t kRows = 16, kOperations = 1000;

// Rows of a turn for what is left then.
constexpr std::size_t kFewRows = 4;

// Values that are carried from turn to turn in registers, of 32 and of 16; others are in memory.
constexpr std::size_t kCarriedWide = 16, kCarriedNarrow = 8;

// Rows whose operations are mixed.
constexpr std::size_t kMixedRows = 2;

// Operations up to which a program is covered closely: a tenth of a second.
constexpr std::size_t kClosely = 20'000;

// The row, counted from the one that is stepped next, at which the code's addresses are: with it in
// their middle, the others are near enough for short instructions.
constexpr std::int64_t kMiddle = 9;

// Rows that the interpreter steps together.
constexpr std::size_t kInterpretedRows = 6;

using StepColumn = void(std::uint8_t* scratch, const std::uint8_t* left, const std::uint8_t* centre,
                        const std::uint8_t* right, std::uint8_t* out, std::size_t num_rows);

// Constants and inversions as operations on the inputs `ones` and `zeros`, values both.
Program without_inversions(Program program, Value ones, Value zeros) {
  for (std::int32_t& output : program.outputs) {
    const Value value = output >> 1;
    if (value == 0) {
      output = 2 * (output & 1 ? ones : zeros);
    } else if (output & 1) {
      program.operations.push_back({{value, ones, kNone}, kXor});
      output = 2 * program.value(program.operations.size() - 1);
    }
  }
  return program;
}

// Writes the parts of a column's code.
class Writer {
 public:
  Writer(const Neighbourhood& rule, Isa isa, Cost cost)
      : rule_(rule),
        cost_(cost),
        assembler_(isa, isa == Isa::avx512 ? 64 : 32),
        row_bytes_(rule.planes * assembler_.vector_bytes()) {
    const std::size_t in_registers = isa == Isa::avx512 ? kCarriedWide : kCarriedNarrow;
    for (std::size_t k = 0; k < carried(rule).size(); ++k) {
      carried_.push_back(k < in_registers ? vector_register(k) : slot_at(k));
    }
    num_slots_ = carried_.size() + 2;
  }

  // What is carried into the first turn.
  void first_rows() {
    std::vector<Memory> inputs = reserved();
    push_row(inputs, -1);
    push_row(inputs, 0);
    write(first_rows_program(rule_), std::move(inputs), carried_, 1);
  }

  // Steps so many rows a turn while there are as many left.
  void loop(std::size_t num_rows) {
    std::vector<Memory> inputs = reserved(), outputs;
    for (std::size_t row = 0; row < num_rows; ++row) {
      push_row(inputs, static_cast<std::int64_t>(row) + 1);
      for (std::size_t plane = 0; plane < rule_.planes; ++plane) {
        outputs.push_back(bits_at(kR8, static_cast<std::int64_t>(row), plane));
      }
    }
    outputs.insert(outputs.end(), carried_.begin(), carried_.end());
    const auto size = static_cast<Byte>(num_rows);
    assembler_.compare(kR9, size);
    const std::size_t to_end = assembler_.jump_if_below();
    const std::size_t start = assembler_.here();
    write(column_program(rule_, num_rows), std::move(inputs), outputs, num_rows);
    for (const int base : {kRsi, kRdx, kRcx, kR8}) assembler_.add(base, num_rows * row_bytes_);
    assembler_.subtract(kR9, size);
    assembler_.compare(kR9, size);
    assembler_.jump_if_not_below(start);
    assembler_.land(to_end);
  }

  void leave() { assembler_.leave(); }

  std::size_t num_slots() const { return num_slots_; }
  std::size_t num_operations() const { return num_operations_; }  // of what was written last
  std::vector<Byte> code() { return std::move(assembler_.bytes); }

 private:
  // Slots of what is carried, of all ones and of all zeros.
  std::vector<Memory> reserved() const {
    std::vector<Memory> slots = carried_;
    const std::size_t ones = carried_.size();
    slots.push_back(slot_at(ones));
    slots.push_back(slot_at(ones + 1));
    return slots;
  }

  Memory slot_at(std::size_t slot) const {
    return {kRdi, static_cast<std::int64_t>(slot * assembler_.vector_bytes())};
  }
  Memory bits_at(int base, std::int64_t row, std::size_t plane) const {
    return {base, (row - kMiddle) * static_cast<std::int64_t>(row_bytes_) +
                      static_cast<std::int64_t>(plane * assembler_.vector_bytes())};
  }

  void push_row(std::vector<Memory>& inputs, std::int64_t row) const {
    for (const int base : {kRsi, kRdx, kRcx}) {
      for (std::size_t plane = 0; plane < rule_.planes; ++plane) {
        inputs.push_back(bits_at(base, row, plane));
      }
    }
  }

  void write(Program program, std::vector<Memory> inputs, const std::vector<Memory>& outputs,
             std::size_t num_rows) {
    if (assembler_.isa() == Isa::avx512) {
      program =
          program.operations.size() <= kClosely ? cover_closely(program, cost_) : cover(program);
    }
    const auto ones = static_cast<Value>(1 + carried_.size());
    program = demand_order(without_inversions(std::move(program), ones, ones + 1));
    num_operations_ = program.operations.size();
    program = spread(program, std::max<std::size_t>(1, kMixedRows * num_operations_ / num_rows));
    program = overwrite_late(program);
    Allocator allocator(program, assembler_, std::move(inputs), outputs, carried_.size() + 2);
    for (std::size_t i = 0; i < program.operations.size(); ++i) allocator.run(i);
    allocator.finish();
    num_slots_ = std::max(num_slots_, allocator.num_slots());
    if (assembler_.here() > std::numeric_limits<std::int32_t>::max() / 2) {
      throw std::length_error("the rule's code takes more than 1 GB");
    }
  }

  const Neighbourhood& rule_;
  Cost cost_;
  Assembler assembler_;
  std::size_t row_bytes_, num_slots_, num_operations_ = 0;
  std::vector<Memory> carried_;
};

}  // namespace

CompiledColumn::CompiledColumn(const Neighbourhood& rule, Isa isa, Cost cost)
    : vector_bytes_(isa == Isa::avx512 ? 64 : 32),
      row_bytes_(rule.planes * vector_bytes_),
      ones_(carried(rule).size()) {
  const std::size_t one_row = column_program(rule, 1).operations.size();
  const std::size_t num_rows =
      std::clamp<std::size_t>(kOperations / std::max<std::size_t>(1, one_row), 1, kRows);
  Writer writer(rule, isa, cost);
  writer.first_rows();
  writer.loop(num_rows);
  operations_a_row_ = static_cast<double>(writer.num_operations()) / static_cast<double>(num_rows);
  if (num_rows > kFewRows) writer.loop(kFewRows);
  if (num_rows > 1) writer.loop(1);
  writer.leave();
  num_slots_ = writer.num_slots();
  code_ = writer.code();
  pages_ = CodePages(code_);
}

void CompiledColumn::prepare(std::uint8_t* scratch) const {
  std::memset(scratch + ones_ * vector_bytes_, 0xFF, vector_bytes_);
  std::memset(scratch + (ones_ + 1) * vector_bytes_, 0, vector_bytes_);
}

void CompiledColumn::step(const std::uint8_t* left, const std::uint8_t* centre,
                          const std::uint8_t* right, std::uint8_t* out, std::size_t num_rows,
                          std::uint8_t* scratch) const {
  const std::size_t middle = static_cast<std::size_t>(kMiddle) * row_bytes_;
  pages_.function<StepColumn>(0)(scratch, left + middle, centre + middle, right + middle,
                                 out + middle, num_rows);
}

InterpretedColumn::InterpretedColumn(const Neighbourhood& rule)
    : planes_(rule.planes), num_rows_(kInterpretedRows) {
  const Program program = rows_program(rule, num_rows_);
  operations_a_row_ =
      static_cast<double>(program.operations.size()) / static_cast<double>(num_rows_);
  outputs_ = program.outputs;
  interpreter_ = std::make_unique<Interpreter>(program);
}

// The slots, and behind them the last old row of the left and of the right column.
std::size_t InterpretedColumn::scratch_bytes() const {
  return interpreter_->block_bytes() + 2 * planes_ * kSlotBytes;
}

void InterpretedColumn::prepare(std::uint8_t* scratch) const { static_cast<void>(scratch); }

void InterpretedColumn::step(const std::uint8_t* left, const std::uint8_t* centre,
                             const std::uint8_t* right, std::uint8_t* out, std::size_t num_rows,
                             std::uint8_t* scratch) const {
  const std::size_t row_bytes = planes_ * kSlotBytes;
  std::uint8_t* const old_left = scratch + interpreter_->block_bytes();
  std::uint8_t* const old_right = old_left + row_bytes;
  std::memcpy(old_left, left - row_bytes, row_bytes);
  std::memcpy(old_right, right - row_bytes, row_bytes);
  for (std::size_t first = 0; first < num_rows; first += num_rows_) {
    const std::size_t count = std::min(num_rows_, num_rows - first);
    std::uint8_t* slot = scratch;
    for (std::size_t row = first; row < first + count + 2; ++row) {
      // `row` is one more than the row that is read; the first has been written over.
      const std::size_t behind = (row - 1) * row_bytes;
      std::memcpy(slot, row == first ? old_left : left + behind, row_bytes);
      std::memcpy(slot + row_bytes, centre + behind, row_bytes);
      std::memcpy(slot + 2 * row_bytes, row == first ? old_right : right + behind, row_bytes);
      slot += 3 * row_bytes;
    }
    const std::size_t last = (first + count - 1) * row_bytes;
    std::memcpy(old_left, left + last, row_bytes);
    std::memcpy(old_right, right + last, row_bytes);
    interpreter_->run(scratch, 1);
    for (std::size_t k = 0; k < count * planes_; ++k) {
      std::uint8_t* const to = out + first * row_bytes + k * kSlotBytes;
      const std::int32_t from = interpreter_->output_slots()[k];
      if (from < 0) {
        std::memset(to, 0, kSlotBytes);
      } else {
        std::memcpy(to, scratch + static_cast<std::size_t>(from) * kSlotBytes, kSlotBytes);
      }
      if ((outputs_[k] & 1) == 0) continue;
      for (std::size_t byte = 0; byte < kSlotBytes; ++byte) to[byte] ^= 0xFF;
    }
  }
}

}  // namespace gatewright
