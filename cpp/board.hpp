// A board in the order that makes neighbours whole words.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "automaton.hpp"
#include "buffer.hpp"

namespace gatewright {

// The width is cut into strips of `columns` columns and the height into blocks of `rows` rows; the
// last ones may be shorter. Bit s of lane l of the vector at row r and column j is the cell in
// column s * columns + j and row l * rows + r: so all neighbours of a vector's cells are the same
// bits of the vectors around it. Around them lies a border of copies, rows -1 and `rows`, columns
// -1 and `columns`, in which blocks and strips are turned by one.
//
// Where the last strip is shorter, its first missing column holds what lies to the right of the
// strip, and the same with the last block; what is in others that are missing is of no use, and in
// lanes and bits beyond them.
//
// Rows are cut into bands, one for a thread, each with a border of its own. A band's columns are in
// slots of memory: column j is in slot `shift` + 1 + j. A generation goes along the columns, and
// what comes next takes the place of a column that has been read: of the left one where the shift
// is 1, which it makes 0, and of the right one on the way back.
class StripedBoard {
 public:
  // Throws std::bad_alloc, and std::length_error where so many bytes cannot be counted.
  StripedBoard(BoardSize size, Edge edge, std::size_t planes, std::size_t lanes,
               std::size_t num_bands);

  std::size_t num_bands() const { return bands_.size(); }
  std::size_t num_vectors() const { return columns_ * rows_ * planes_; }

  // Rows of the board y, first <= y < end, of all planes; not the border. The shift is 1 then.
  void load(const std::uint64_t* words, std::size_t first, std::size_t end);
  void store(std::uint64_t* words, std::size_t shift, std::size_t first, std::size_t end) const;

  // Steps a band, whose border is filled, and turns the shift, which is 0 or 1.
  void step(const Column& column, std::size_t band, std::size_t shift, std::uint8_t* scratch);

  // Fills a band's border, once all bands have been loaded or stepped.
  void fill_border(std::size_t band, std::size_t shift, bool is_stepped);

 private:
  struct Band;
  // Words of a slot that are copies of others in the same slot of a band, or of what is outside.
  struct Copy {
    const Band* from;  // null: outside
    std::size_t from_word, to_word, num_words;
  };
  struct Band {
    std::size_t first, num_rows;
    std::size_t slot_words;
    Buffer<std::uint64_t> words;
    std::vector<Copy> copies;
  };

  std::size_t row_words() const { return planes_ * lanes_; }
  // The words of a row, which is counted from a band's row -1, in a slot.
  std::size_t word(const Band& band, std::size_t slot, std::size_t row) const {
    return slot * band.slot_words + row * row_words();
  }
  const Band& band_of(std::size_t row) const;
  void plan_copies(Band& band, std::size_t row);
  static void copy(Band& band, std::size_t slot, const std::vector<std::uint64_t>& outside);
  void fill_columns(Band& band, std::size_t shift);

  BoardSize size_;
  Edge edge_;
  std::size_t planes_, lanes_;
  std::size_t strips_, columns_, last_columns_;  // the last strip's
  std::size_t blocks_, rows_, last_rows_;        // the last block's
  std::vector<std::uint64_t> outside_;           // a row of it
  std::vector<Band> bands_;
};

}  // namespace gatewright
