// A board in the order that makes neighbours whole words.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "automaton.hpp"
#include "buffer.hpp"
#include "engine_kernels.hpp"

namespace gatewright {

// The width is cut into strips of `columns` columns and the height into blocks of `rows` rows; the
// last ones may be shorter. Bit s of lane l of the vector at row r and column j is the cell in
// column s * columns + j and row l * rows + r: so all neighbours of a vector's cells are the same
// bits of the vectors around it. Around them lies a border of copies, `depth` rows and columns on
// each side, in which blocks and strips are turned by one.
//
// Where the last strip is shorter, its first missing columns hold what lies to the right of the
// strip, as many as the border, and the same with the last block; what is in others that are
// missing is of no use, and in lanes and bits beyond them.
//
// Rows are cut into bands, one for a thread, each with a border of its own. A band's columns are in
// slots of memory: column j is in slot `shift` + `depth` + j. A generation goes along the columns,
// and what comes next takes the place of a column that has been read: the left one, which makes the
// shift one less, or the right one.
//
// A pass takes up to `depth` generations at once, which run along the columns one behind the other,
// so that a large board comes from memory once for all of them. Each generation steps one cell less
// of the border than the one before. A pass begins with a shift of `depth` or of 0, and goes to the
// left or right by as many as it has generations.
class StripedBoard {
 public:
  // The depth is at most 8 and what the last strip and block have, and 1 of a bounded board, whose
  // outside never changes. Throws std::bad_alloc, and std::length_error where so many bytes cannot
  // be counted.
  StripedBoard(BoardSize size, Edge edge, std::size_t planes, std::size_t lanes,
               std::size_t num_bands, std::size_t depth);

  std::size_t num_bands() const { return bands_.size(); }
  std::size_t depth() const { return depth_; }

  // Takes a band's cells from the words of a board; not the border. The shift is `depth` then.
  void load(std::size_t band, const std::uint64_t* words);
  // Writes them into those of a board.
  void store(std::size_t band, std::size_t shift, std::uint64_t* words) const;

  // Steps a band, whose border is filled, by up to `depth` generations. All bands' shift is
  // `shifted` then.
  void step(const Column& column, std::size_t band, std::size_t shift, std::size_t generations,
            std::uint8_t* scratch);
  std::size_t shifted(std::size_t shift, std::size_t generations) const {
    return shift == depth_ ? shift - generations : shift + generations;
  }

  // Fills a band's border, once all bands have been loaded or stepped.
  void fill_border(std::size_t band, std::size_t shift, bool is_stepped);

 private:
  struct Band;
  // Words of a slot that are copies of others in the same slot of a band, or of what is outside; or
  // a plane's lanes of a row that are another row's, turned by one: what was in lane l is in lane
  // l + 1 then (up) or l - 1 (down).
  enum class Turn : std::uint8_t { none, up, down };
  struct Copy {
    const Band* from;  // null: outside
    std::size_t from_word, to_word, num_words;
    Turn turn = Turn::none;
  };
  struct Band {
    std::size_t first, num_rows;
    std::size_t slot_words;
    Buffer<std::uint64_t> words;
    std::vector<Copy> copies;
  };

  std::size_t row_words() const { return planes_ * lanes_; }
  // The words of a row, which is counted from a band's first one of the border, in a slot.
  std::size_t word(const Band& band, std::size_t slot, std::size_t row) const {
    return slot * band.slot_words + row * row_words();
  }
  // Words of a row of the board in a plane; of the row that is in this lane of a row of the layout.
  std::size_t board_word(std::size_t plane, std::size_t row, std::size_t lane) const {
    return (plane * size_.height + lane * rows_ + row) * size_.row_words();
  }
  // Blocks that have this row of the layout.
  std::size_t blocks_of(std::size_t row) const { return row < last_rows_ ? blocks_ : blocks_ - 1; }
  const Band& band_of(std::size_t row) const;
  void plan_copies(Band& band, std::size_t row);
  static void copy(Band& band, std::size_t slot, const std::vector<std::uint64_t>& outside);
  void fill_columns(Band& band, std::size_t shift);

  const EngineKernels& kernels_;
  BoardSize size_;
  Edge edge_;
  std::size_t planes_, lanes_, depth_;
  std::size_t strips_, columns_, last_columns_;  // the last strip's
  std::size_t blocks_, rows_, last_rows_;        // the last block's
  std::vector<std::uint64_t> outside_;           // a row of it
  std::vector<Band> bands_;
};

}  // namespace gatewright
