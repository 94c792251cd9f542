#include "board.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "engine_kernels.hpp"

namespace gatewright {
namespace {

std::size_t divided(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// Bit j of word s goes to bit s of word j (Warren, "Hacker's Delight", 7-3).
void transpose(std::uint64_t (&words)[64]) {
  std::uint64_t mask = 0xFFFF'FFFF;
  for (std::size_t half = 32; half > 0; half /= 2, mask ^= mask << half) {
    for (std::size_t i = 0; i < 64; i = (i + half + 1) & ~half) {
      const std::uint64_t differ = (words[i] >> half ^ words[i + half]) & mask;
      words[i] ^= differ << half;
      words[i + half] ^= differ;
    }
  }
}

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
  // From row -1 on, so all is one more.
  std::vector<std::size_t> rows = {0, rows_ + 1};
  if (last_rows_ < rows_) rows.push_back(last_rows_ + 1);
  for (const std::size_t row : rows) {
    turned_.push_back({row, {}});
    for (std::size_t lane = 0; lane < blocks_; ++lane) {
      const std::size_t y = lane * rows_ + row;
      const std::size_t turned = (y + size.height - 1) % size.height;
      const bool is_outside = !edge.is_torus && (y == 0 || y > size.height);
      turned_.back().lanes.push_back({lane, turned / rows_, turned % rows_, is_outside});
    }
  }
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
        {first, end - first, slot_words, Buffer<std::uint64_t>((columns_ + 3) * slot_words)});
  }
}

// Of a band's row, counted from -1, which is 0 here.
std::uint64_t* StripedBoard::at(const Band& band, std::size_t slot, std::size_t row) const {
  return const_cast<std::uint64_t*>(band.words.data()) + slot * band.slot_words + row * row_words();
}

// The band that a row of the layout is in.
const StripedBoard::Band& StripedBoard::band_of(std::size_t row) const {
  const auto after =
      std::upper_bound(bands_.begin(), bands_.end(), row,
                       [](std::size_t wanted, const Band& band) { return wanted < band.first; });
  return *(after - 1);
}

void StripedBoard::load(const std::uint64_t* words, std::size_t first, std::size_t end) {
  const std::size_t num_words = size_.row_words();
  std::uint64_t turned[64];
  for (std::size_t plane = 0; plane < planes_; ++plane) {
    for (std::size_t y = first; y < end; ++y) {
      const std::uint64_t* const row = words + (plane * size_.height + y) * num_words;
      const std::size_t own = y % rows_;
      const Band& band = band_of(own);
      for (std::size_t column = 0; column < columns_; column += 64) {
        for (std::size_t strip = 0; strip < 64; ++strip) {
          turned[strip] =
              strip < strips_ ? bits_from(row, num_words, strip * columns_ + column) : 0;
        }
        transpose(turned);
        const std::size_t count = std::min<std::size_t>(64, columns_ - column);
        for (std::size_t j = 0; j < count; ++j) {
          at(band, 2 + column + j, own - band.first + 1)[plane * lanes_ + y / rows_] = turned[j];
        }
      }
    }
  }
}

void StripedBoard::store(std::uint64_t* words, std::size_t shift, std::size_t first,
                         std::size_t end) const {
  const std::size_t num_words = size_.row_words();
  std::uint64_t turned[64];
  for (std::size_t plane = 0; plane < planes_; ++plane) {
    for (std::size_t y = first; y < end; ++y) {
      std::uint64_t* const row = words + (plane * size_.height + y) * num_words;
      std::memset(row, 0, num_words * sizeof(std::uint64_t));
      const std::size_t own = y % rows_;
      const Band& band = band_of(own);
      for (std::size_t column = 0; column < columns_; column += 64) {
        const std::size_t count = std::min<std::size_t>(64, columns_ - column);
        for (std::size_t j = 0; j < 64; ++j) {
          turned[j] = j < count ? at(band, shift + 1 + column + j,
                                     own - band.first + 1)[plane * lanes_ + y / rows_]
                                : 0;
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
  const Band& own = bands_[band];
  const auto row = [&](std::size_t slot) {
    return reinterpret_cast<std::uint8_t*>(at(own, slot, 1));
  };
  for (std::size_t i = 0; i < columns_; ++i) {
    const std::size_t j = shift == 1 ? i : columns_ - 1 - i;
    const std::size_t left = shift + j, right = left + 2;
    column.step(row(left), row(left + 1), row(right), row(shift == 1 ? left : right), own.num_rows,
                scratch);
  }
}

void StripedBoard::fill_border(std::size_t band, std::size_t shift) {
  const Band& own = bands_[band];
  fill_row(own, shift, 0);
  fill_row(own, shift, own.num_rows + 1);
  if (last_rows_ < rows_ && last_rows_ >= own.first && last_rows_ < own.first + own.num_rows) {
    fill_row(own, shift, last_rows_ - own.first + 1);
  }
  fill_columns(own, shift);
}

// Fills a band's row, counted from -1, from wherever its cells are.
void StripedBoard::fill_row(const Band& band, std::size_t shift, std::size_t row) {
  const auto turned = std::find_if(turned_.begin(), turned_.end(), [&](const Row& candidate) {
    return candidate.row == band.first + row;
  });
  if (turned == turned_.end()) {
    const std::size_t wanted = band.first + row - 1;
    const Band& from = band_of(wanted);
    for (std::size_t slot = shift + 1; slot <= shift + columns_; ++slot) {
      std::memcpy(at(band, slot, row), at(from, slot, wanted - from.first + 1),
                  row_words() * sizeof(std::uint64_t));
    }
    return;
  }
  for (const Lane& lane : turned->lanes) {
    const Band& from = band_of(lane.from_row);
    const std::uint64_t* source = at(from, shift + 1, lane.from_row - from.first + 1);
    std::uint64_t* to = at(band, shift + 1, row);
    if (source + lane.from_lane == to + lane.lane && !lane.is_outside) continue;  // it is there
    std::size_t step = from.slot_words, from_lane = lane.from_lane;
    if (lane.is_outside) {
      source = outside_.data();
      step = from_lane = 0;
    }
    for (std::size_t j = 0; j < columns_; ++j, source += step, to += band.slot_words) {
      for (std::size_t plane = 0; plane < planes_; ++plane) {
        to[plane * lanes_ + lane.lane] = source[plane * lanes_ + from_lane];
      }
    }
  }
}

// Fills a band's columns -1 and `columns`, and bits of the last strip's first missing one.
void StripedBoard::fill_columns(const Band& band, std::size_t shift) {
  const auto column = [&](std::size_t j) { return at(band, shift + j, 0); };  // counted from -1
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
