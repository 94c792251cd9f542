// What steps a column of cells, down from one row to the next.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "assembler.hpp"
#include "code_pages.hpp"
#include "interpreter.hpp"
#include "mapping.hpp"
#include "neighbourhood.hpp"

namespace gatewright {

// A row is a vector for each plane, side by side; a column is rows one after the other, aligned to
// vectors of up to 64 bytes.
class Column {
 public:
  virtual ~Column() = default;

  // Pointers are to the columns' rows 0; rows -1 and num_rows are read too. `out` may be left or
  // right. `scratch` is scratch_bytes() aligned to 64, prepared once by `prepare`.
  virtual void step(const std::uint8_t* left, const std::uint8_t* centre, const std::uint8_t* right,
                    std::uint8_t* out, std::size_t num_rows, std::uint8_t* scratch) const = 0;
  virtual void prepare(std::uint8_t* scratch) const = 0;

  virtual std::size_t vector_bytes() const = 0;
  virtual std::size_t scratch_bytes() const = 0;

  // Operations on vectors for each row.
  double operations_a_row() const { return operations_a_row_; }

 protected:
  double operations_a_row_ = 0;
};

// As machine code: what the rows share is carried from one turn of a loop to the next.
class CompiledColumn : public Column {
 public:
  // Throws std::length_error where the rule is too large, std::invalid_argument where the system
  // lets no memory be executed, std::bad_alloc.
  CompiledColumn(const Neighbourhood& rule, Isa isa, Cost cost);

  void step(const std::uint8_t* left, const std::uint8_t* centre, const std::uint8_t* right,
            std::uint8_t* out, std::size_t num_rows, std::uint8_t* scratch) const override;
  void prepare(std::uint8_t* scratch) const override;
  std::size_t vector_bytes() const override { return vector_bytes_; }
  std::size_t scratch_bytes() const override { return num_slots_ * vector_bytes_; }

  const std::vector<std::uint8_t>& code() const { return code_; }

 private:
  std::size_t vector_bytes_, row_bytes_, num_slots_ = 0, ones_;
  std::vector<std::uint8_t> code_;
  CodePages pages_;
};

// As steps that a loop follows, several rows at a time.
class InterpretedColumn : public Column {
 public:
  // Throws std::length_error where the rule is too large.
  explicit InterpretedColumn(const Neighbourhood& rule);

  void step(const std::uint8_t* left, const std::uint8_t* centre, const std::uint8_t* right,
            std::uint8_t* out, std::size_t num_rows, std::uint8_t* scratch) const override;
  void prepare(std::uint8_t* scratch) const override;
  std::size_t vector_bytes() const override { return kSlotBytes; }
  std::size_t scratch_bytes() const override;

 private:
  std::size_t planes_, num_rows_;
  std::vector<std::int32_t> outputs_;  // literals of the program
  std::unique_ptr<Interpreter> interpreter_;
};

}  // namespace gatewright
