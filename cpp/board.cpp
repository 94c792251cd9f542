#include "board.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "engine_kernels.hpp"

namespace gatewright {
namespace {

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

}  // namespace

StripedBoard::StripedBoard(BoardSize size, Edge edge, std::size_t planes, std::size_t lanes,
                           std::size_t num_bands)
    : size_(size), edge_(edge), planes_(planes), lanes_(lanes) {
  columns_ = divided(size.width, 64);
  strips_ = divided(size.width, columns_);
  last_columns_ = size.width - (strips_ - 1) * columns_;
  rows_ = divided(size.height, lanes);
  blocks_ = divided(size.height, rows_);
  last_rows_ = size.height - (blocks_ - 1) * rows_;
  for (std::size_t plane = 0; plane < planes; ++plane) {
    outside_.insert(outside_.end(), lanes, edge.outside >> plane & 1 ? ~std::uint64_t{0} : 0);
  }
  num_bands = std::min(num_bands, rows_);
  const std::size_t most = std::numeric_limits<std::size_t>::max() / 16 / row_words();
  for (std::size_t band = 0; band < num_bands; ++band) {
    const std::size_t first = rows_ * band / num_bands, end = rows_ * (band + 1) / num_bands;
    if (end - first + 2 > most / (columns_ + 3)) {
      throw std::length_error("the board has too many cells");
    }
    const std::size_t slot_words = (end - first + 2) * row_words();
    bands_.push_back(
        {first, end - first, slot_words, Buffer<std::uint64_t>((columns_ + 3) * slot_words), {}});
  }
  for (Band& band : bands_) {
    plan_copies(band, 0);
    plan_copies(band, band.num_rows + 1);
    const bool has_end = last_rows_ >= band.first && last_rows_ < band.first + band.num_rows;
    if (has_end) plan_copies(band, last_rows_ - band.first + 1);
  }
}

// How a row, counted from the band's row -1, is filled in each slot: a row beside the band, or that
// after the last block's last.
void StripedBoard::plan_copies(Band& band, std::size_t row) {
  const std::size_t own = band.first + row;  // counted from -1 too
  const bool is_first = own == 0, is_last = own == rows_ + 1, is_end = own == last_rows_ + 1;
  if (!is_first && !is_last && !is_end) {
    const Band& from = band_of(own - 1);
    band.copies.push_back(
        {&from, word(from, 0, own - from.first), word(band, 0, row), row_words()});
    return;
  }
  const bool is_alone = bands_.size() == 1;
  std::size_t lane = 0, end = blocks_;
  if (is_alone && is_end && !is_last) {
    lane = blocks_ - 1;  // others are there
  } else if (is_alone) {
    // Lanes turned by one, and what is wrong with the first or last one is mended below.
    const std::size_t from = is_first ? word(band, 0, rows_) - 1 : word(band, 0, 1) + 1;
    for (std::size_t plane = 0; plane < planes_; ++plane) {
      const std::size_t at = plane * lanes_;
      band.copies.push_back({&band, from + at, word(band, 0, row) + at, lanes_});
    }
    if (is_first) end = 1;
    if (is_last) lane = blocks_ - 1;
  }
  for (; lane < end; ++lane) {
    const std::size_t y = lane * rows_ + own;  // counted from -1
    const bool is_outside = !edge_.is_torus && (y == 0 || y > size_.height);
    const std::size_t turned = (y + size_.height - 1) % size_.height;
    const std::size_t from_row = turned % rows_, from_lane = turned / rows_;
    const Band& from = band_of(from_row);
    for (std::size_t plane = 0; plane < planes_; ++plane) {
      const std::size_t at = plane * lanes_, to = word(band, 0, row) + at + lane;
      const std::size_t source = word(from, 0, from_row - from.first + 1) + at + from_lane;
      if (is_outside) {
        band.copies.push_back({nullptr, at, to, 1});
      } else if (&from != &band || source != to) {  // else it is there
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

void StripedBoard::load(const std::uint64_t* words, std::size_t first, std::size_t end) {
  const auto transpose = engine_kernels().transpose;
  const std::size_t num_words = size_.row_words();
  std::uint64_t turned[64];
  for (std::size_t plane = 0; plane < planes_; ++plane) {
    for (std::size_t y = first; y < end; ++y) {
      const std::uint64_t* const row = words + (plane * size_.height + y) * num_words;
      const std::size_t own = y % rows_;
      Band& band = bands_[static_cast<std::size_t>(&band_of(own) - bands_.data())];
      const std::size_t lane = plane * lanes_ + y / rows_;
      for (std::size_t column = 0; column < columns_; column += 64) {
        for (std::size_t strip = 0; strip < 64; ++strip) {
          turned[strip] =
              strip < strips_ ? bits_from(row, num_words, strip * columns_ + column) : 0;
        }
        transpose(turned);
        const std::size_t count = std::min<std::size_t>(64, columns_ - column);
        for (std::size_t j = 0; j < count; ++j) {
          band.words[word(band, 2 + column + j, own - band.first + 1) + lane] = turned[j];
        }
      }
    }
  }
}

void StripedBoard::store(std::uint64_t* words, std::size_t shift, std::size_t first,
                         std::size_t end) const {
  const auto transpose = engine_kernels().transpose;
  const std::size_t num_words = size_.row_words();
  std::uint64_t turned[64];
  for (std::size_t plane = 0; plane < planes_; ++plane) {
    for (std::size_t y = first; y < end; ++y) {
      std::uint64_t* const row = words + (plane * size_.height + y) * num_words;
      std::memset(row, 0, num_words * sizeof(std::uint64_t));
      const std::size_t own = y % rows_;
      const Band& band = band_of(own);
      const std::size_t lane = plane * lanes_ + y / rows_;
      for (std::size_t column = 0; column < columns_; column += 64) {
        const std::size_t count = std::min<std::size_t>(64, columns_ - column);
        for (std::size_t j = 0; j < 64; ++j) {
          const std::size_t slot = shift + 1 + column + j;
          turned[j] = j < count ? band.words[word(band, slot, own - band.first + 1) + lane] : 0;
        }
        transpose(turned);
        for (std::size_t strip = 0; strip < strips_; ++strip) {
          const std::size_t there = strip + 1 < strips_ ? columns_ : last_columns_;
          const std::size_t own_count = there > column ? std::min(count, there - column) : 0;
          put_bits(row, strip * columns_ + column, own_count, turned[strip]);
        }
      }
    }
  }
}

void StripedBoard::step(const Column& column, std::size_t band, std::size_t shift,
                        std::uint8_t* scratch) {
  Band& own = bands_[band];
  const auto row = [&](std::size_t slot) {
    return reinterpret_cast<std::uint8_t*>(own.words.data() + word(own, slot, 1));
  };
  for (std::size_t i = 0; i < columns_; ++i) {
    const std::size_t j = shift == 1 ? i : columns_ - 1 - i;
    const std::size_t left = shift + j, right = left + 2, out = shift == 1 ? left : right;
    column.step(row(left), row(left + 1), row(right), row(out), own.num_rows, scratch);
    if (bands_.size() == 1) copy(own, out, outside_);  // while it is near
  }
}

void StripedBoard::fill_border(std::size_t band, std::size_t shift, bool is_stepped) {
  Band& own = bands_[band];
  if (!is_stepped || bands_.size() > 1) {
    for (std::size_t j = 0; j < columns_; ++j) copy(own, shift + 1 + j, outside_);
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
    switch (copy.num_words) {  // usual ones, for which the compiler calls nothing; they may overlap
      case 1:
        *to = from[copy.from_word];
        break;
      case 4:
        std::memmove(to, from + copy.from_word, 4 * sizeof(std::uint64_t));
        break;
      case 8:
        std::memmove(to, from + copy.from_word, 8 * sizeof(std::uint64_t));
        break;
      default:
        std::memmove(to, from + copy.from_word, copy.num_words * sizeof(std::uint64_t));
    }
  }
}

// Fills a band's columns -1 and `columns`, and bits of the last strip's first missing one.
void StripedBoard::fill_columns(Band& band, std::size_t shift) {
  const auto column = [&](std::size_t j) {  // counted from -1
    return band.words.data() + word(band, shift + j, 0);
  };
  const bool is_torus = edge_.is_torus;
  engine_kernels().turn_columns({
      .first = column(1),
      .last = column(columns_),
      .after = is_torus ? column(1) : outside_.data(),
      .before = is_torus ? column(last_columns_) : outside_.data(),
      .left = column(0),
      .right = column(columns_ + 1),
      .end = column(last_columns_ + 1),
      .num_words = band.slot_words,
      .period = is_torus ? band.slot_words : row_words(),
      .top = static_cast<unsigned>(strips_ - 1),
  });
}

}  // namespace gatewright
