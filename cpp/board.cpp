#include "board.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "engine_kernels.hpp"

namespace gatewright {
namespace {

// Columns that a generation goes before the next one follows.
constexpr std::size_t kGroup = 8;

constexpr std::size_t kMostDepth = 8;

std::size_t divided(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// 64 bits from the one at `first`; what is past the words is 0.
std::uint64_t bits_from(const std::uint64_t* words, std::size_t num_words, std::size_t first) {
  const std::size_t word = first / 64, shift = first % 64;
  if (word >= num_words) return 0;
  std::uint64_t bits = words[word] >> shift;
  if (shift > 0 && word + 1 < num_words) bits |= words[word + 1] << (64 - shift);
  return bits;
}

void put_bits(std::uint64_t* words, std::size_t first, std::size_t count, std::uint64_t bits) {
  if (count == 0) return;
  if (count < 64) bits &= (std::uint64_t{1} << count) - 1;
  const std::size_t word = first / 64, shift = first % 64;
  words[word] |= bits << shift;
  if (shift + count > 64) words[word + 1] |= bits >> (64 - shift);
}

// What was in lane l is in lane l + 1 then, or l - 1. Word by word: they have just been stored, in
// wholes that parts may be loaded from at once.
[[gnu::always_inline]] inline void turn_lanes(std::uint64_t* __restrict__ to,
                                              const std::uint64_t* __restrict__ from,
                                              std::size_t num_lanes, bool is_up) {
  const std::size_t last = num_lanes - 1;
  if (is_up) {
    to[0] = from[last];
    for (std::size_t lane = 0; lane < last; ++lane) to[lane + 1] = from[lane];
  } else {
    for (std::size_t lane = 0; lane < last; ++lane) to[lane] = from[lane + 1];
    to[last] = from[0];
  }
}

}  // namespace

StripedBoard::StripedBoard(BoardSize size, Edge edge, std::size_t planes, std::size_t lanes,
                           std::size_t num_bands, std::size_t depth)
    : kernels_(engine_kernels()), size_(size), edge_(edge), planes_(planes), lanes_(lanes) {
  columns_ = divided(size.width, 64);
  strips_ = divided(size.width, columns_);
  last_columns_ = size.width - (strips_ - 1) * columns_;
  rows_ = divided(size.height, lanes);
  blocks_ = divided(size.height, rows_);
  last_rows_ = size.height - (blocks_ - 1) * rows_;
  depth_ = edge.is_torus ? std::min({depth, kMostDepth, last_columns_, last_rows_}) : 1;
  for (std::size_t plane = 0; plane < planes; ++plane) {
    outside_.insert(outside_.end(), lanes, edge.outside >> plane & 1 ? ~std::uint64_t{0} : 0);
  }
  num_bands = std::min(num_bands, rows_);
  const std::size_t most = std::numeric_limits<std::size_t>::max() / 16 / row_words();
  for (std::size_t band = 0; band < num_bands; ++band) {
    const std::size_t first = rows_ * band / num_bands, end = rows_ * (band + 1) / num_bands;
    const std::size_t num_slots = columns_ + 3 * depth_, num_rows = end - first + 2 * depth_;
    if (num_rows > most / num_slots) throw std::length_error("the board has too many cells");
    const std::size_t slot_words = num_rows * row_words();
    bands_.push_back(
        {first, end - first, slot_words, Buffer<std::uint64_t>(num_slots * slot_words), {}});
  }
  for (Band& band : bands_) {
    for (std::size_t row = 0; row < band.num_rows + 2 * depth_; ++row) {
      const std::size_t own = band.first + row;  // counted from the first of the border
      const bool is_border = row < depth_ || row >= band.num_rows + depth_;
      const bool is_end = own >= last_rows_ + depth_ && own < last_rows_ + 2 * depth_;
      if (is_border || is_end) plan_copies(band, row);
    }
  }
}

// How a row, counted from the band's first of the border, is filled in each slot: a row of the
// border, or one of those after the last block's last.
void StripedBoard::plan_copies(Band& band, std::size_t row) {
  const std::size_t own = band.first + row;  // counted from the first of the border too
  const bool is_first = own < depth_, is_last = own >= rows_ + depth_;
  const bool is_end = own >= last_rows_ + depth_ && own < last_rows_ + 2 * depth_;
  if (!is_first && !is_last && !is_end) {
    const Band& from = band_of(own - depth_);
    band.copies.push_back(
        {&from, word(from, 0, own - from.first), word(band, 0, row), row_words()});
    return;
  }
  const bool is_alone = bands_.size() == 1;
  const bool is_turned = is_alone && (is_first || is_last);
  // The row whose lanes, turned by so many, are there before any is copied alone.
  const std::size_t there = !is_turned ? row : is_first ? row + rows_ : row - rows_;
  const std::size_t turn = !is_turned ? 0 : is_first ? lanes_ - 1 : 1;
  for (std::size_t at = 0; is_turned && at < row_words(); at += lanes_) {
    band.copies.push_back({&band, word(band, 0, there) + at, word(band, 0, row) + at, lanes_,
                           is_first ? Turn::up : Turn::down});
  }
  for (std::size_t lane = is_alone && is_end && !is_last ? blocks_ - 1 : 0; lane < blocks_;
       ++lane) {
    const std::size_t y = lane * rows_ + own;  // counted from the first of the border
    const bool is_outside = !edge_.is_torus && (y < depth_ || y >= size_.height + depth_);
    const std::size_t turned = (y + size_.height - depth_) % size_.height;
    const std::size_t from_row = turned % rows_, from_lane = turned / rows_;
    const Band& from = band_of(from_row);
    if (!is_outside && &from == &band && from_row - from.first + depth_ == there &&
        from_lane == (lane + turn) % lanes_) {
      continue;
    }
    for (std::size_t at = 0; at < row_words(); at += lanes_) {
      const std::size_t to = word(band, 0, row) + at + lane;
      const std::size_t source = word(from, 0, from_row - from.first + depth_) + at + from_lane;
      if (is_outside) {
        band.copies.push_back({nullptr, at, to, 1});
      } else {
        band.copies.push_back({&from, source, to, 1});
      }
    }
  }
}

// The band that a row of the layout is in.
const StripedBoard::Band& StripedBoard::band_of(std::size_t row) const {
  const auto after =
      std::upper_bound(bands_.begin(), bands_.end(), row,
                       [](std::size_t wanted, const Band& band) { return wanted < band.first; });
  return *(after - 1);
}

// The lanes of a row are taken together, which makes whole vectors.
void StripedBoard::load(std::size_t band, const std::uint64_t* words) {
  Band& own = bands_[band];
  const auto transpose = kernels_.transpose;
  const std::size_t num_words = size_.row_words();
  std::vector<std::uint64_t> turned(64 * lanes_);
  for (std::size_t row = 0; row < own.num_rows; ++row) {
    for (std::size_t plane = 0; plane < planes_; ++plane) {
      for (std::size_t column = 0; column < columns_; column += 64) {
        const std::size_t num_lanes = blocks_of(own.first + row);
        for (std::size_t lane = 0; lane < num_lanes; ++lane) {
          const std::uint64_t* const from = words + board_word(plane, own.first + row, lane);
          std::uint64_t* const strips = turned.data() + 64 * lane;
          for (std::size_t strip = 0; strip < 64; ++strip) {
            strips[strip] =
                strip < strips_ ? bits_from(from, num_words, strip * columns_ + column) : 0;
          }
          transpose(strips);
        }
        const std::size_t count = std::min<std::size_t>(64, columns_ - column);
        for (std::size_t j = 0; j < count; ++j) {
          std::uint64_t* const to =
              own.words.data() + word(own, 2 * depth_ + column + j, row + depth_) + plane * lanes_;
          for (std::size_t lane = 0; lane < num_lanes; ++lane) to[lane] = turned[64 * lane + j];
        }
      }
    }
  }
}

void StripedBoard::store(std::size_t band, std::size_t shift, std::uint64_t* words) const {
  const Band& own = bands_[band];
  const auto transpose = kernels_.transpose;
  const std::size_t num_words = size_.row_words();
  std::vector<std::uint64_t> turned(64 * lanes_);
  for (std::size_t row = 0; row < own.num_rows; ++row) {
    const std::size_t num_lanes = blocks_of(own.first + row);
    for (std::size_t plane = 0; plane < planes_; ++plane) {
      for (std::size_t lane = 0; lane < num_lanes; ++lane) {
        std::fill_n(words + board_word(plane, own.first + row, lane), num_words, 0);
      }
      for (std::size_t column = 0; column < columns_; column += 64) {
        const std::size_t count = std::min<std::size_t>(64, columns_ - column);
        for (std::size_t j = 0; j < count; ++j) {
          const std::uint64_t* const from = own.words.data() +
                                            word(own, shift + depth_ + column + j, row + depth_) +
                                            plane * lanes_;
          for (std::size_t lane = 0; lane < num_lanes; ++lane) turned[64 * lane + j] = from[lane];
        }
        for (std::size_t lane = 0; lane < num_lanes; ++lane) {
          std::uint64_t* const strips = turned.data() + 64 * lane;
          std::uint64_t* const to = words + board_word(plane, own.first + row, lane);
          transpose(strips);
          for (std::size_t strip = 0; strip < strips_; ++strip) {
            const std::size_t there = strip + 1 < strips_ ? columns_ : last_columns_;
            const std::size_t own_count = there > column ? std::min(count, there - column) : 0;
            put_bits(to, strip * columns_ + column, own_count, strips[strip]);
          }
        }
      }
    }
  }
}

void StripedBoard::step(const Column& column, std::size_t band, std::size_t shift,
                        std::size_t generations, std::uint8_t* scratch) {
  Band& own = bands_[band];
  const bool is_left = shift == depth_;
  // Columns that each generation has stepped, those of the border among them.
  std::array<std::size_t, kMostDepth> done{};
  while (done[generations - 1] < columns_) {
    for (std::size_t before = 0; before < generations; ++before) {
      const std::size_t border = generations - 1 - before;  // cells of it that are stepped
      const std::size_t end = before > 0 ? std::max<std::size_t>(done[before - 1], 2) - 2
                                         : std::min(done[0] + kGroup, columns_ + 2 * border);
      for (; done[before] < end; ++done[before]) {
        const std::size_t j = is_left ? done[before] : columns_ + 2 * border - 1 - done[before];
        const std::size_t centre =
            (is_left ? shift - before : shift + before) + depth_ - border + j;
        const auto row = [&](std::size_t slot) {
          return reinterpret_cast<std::uint8_t*>(own.words.data() +
                                                 word(own, slot, depth_ - border));
        };
        const std::size_t out = is_left ? centre - 1 : centre + 1;
        column.step(row(centre - 1), row(centre), row(centre + 1), row(out),
                    own.num_rows + 2 * border, scratch);
        // The border, while it is near.
        if (bands_.size() == 1 && border == 0) copy(own, out, outside_);
      }
    }
  }
}

void StripedBoard::fill_border(std::size_t band, std::size_t shift, bool is_stepped) {
  Band& own = bands_[band];
  if (!is_stepped || bands_.size() > 1) {
    for (std::size_t j = 0; j < columns_; ++j) copy(own, shift + depth_ + j, outside_);
  }
  fill_columns(own, shift);
}

void StripedBoard::copy(Band& band, std::size_t slot, const std::vector<std::uint64_t>& outside) {
  std::uint64_t* const words = band.words.data() + slot * band.slot_words;
  for (const Copy& copy : band.copies) {
    const std::uint64_t* const from = copy.from == nullptr
                                          ? outside.data()
                                          : copy.from->words.data() + slot * copy.from->slot_words;
    std::uint64_t* const to = words + copy.to_word;
    if (copy.turn == Turn::none) {
      std::memcpy(to, from + copy.from_word, copy.num_words * sizeof(std::uint64_t));
    } else if (copy.num_words == 8) {  // a usual number, so that the compiler unrolls it
      turn_lanes(to, from + copy.from_word, 8, copy.turn == Turn::up);
    } else {
      turn_lanes(to, from + copy.from_word, copy.num_words, copy.turn == Turn::up);
    }
  }
}

// Fills a band's columns before and after its own, and bits of the last strip's first missing ones.
void StripedBoard::fill_columns(Band& band, std::size_t shift) {
  const bool is_torus = edge_.is_torus;
  for (std::size_t i = 0; i < depth_; ++i) {
    const auto column = [&](std::size_t j) {  // counted from the first of the border
      return band.words.data() + word(band, shift + j, 0);
    };
    kernels_.turn_columns({
        .first = column(depth_ + i),
        .last = column(depth_ + columns_ - 1 - i),
        .after = is_torus ? column(depth_ + i) : outside_.data(),
        .before = is_torus ? column(depth_ + last_columns_ - 1 - i) : outside_.data(),
        .left = column(depth_ - 1 - i),
        .right = column(depth_ + columns_ + i),
        .end = column(depth_ + last_columns_ + i),
        .num_words = band.slot_words,
        .period = is_torus ? band.slot_words : row_words(),
        .top = static_cast<unsigned>(strips_ - 1),
    });
  }
}

}  // namespace gatewright
