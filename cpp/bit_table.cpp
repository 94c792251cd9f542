#include "bit_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace gatewright {
namespace {

constexpr std::uint8_t kOver = 0, kEqual = 1, kMissing = 2;

// Bits of a feature from which taking them one by one costs less than plane by plane.
constexpr std::size_t kManyPlanes = 8;

// The greatest T that is not over `limit`.
template <typename T>
T rounded_down(double limit) {
  if (std::isinf(limit)) return static_cast<T>(limit);
  constexpr T kMost = std::numeric_limits<T>::max();
  if (limit > static_cast<double>(kMost)) return kMost;
  if (limit < -static_cast<double>(kMost)) return -std::numeric_limits<T>::infinity();
  const T near = static_cast<T>(limit);
  if (static_cast<double>(near) <= limit) return near;
  return std::nextafter(near, -std::numeric_limits<T>::infinity());
}

template <typename T>
void set_test(std::uint8_t kind, double limit, Test* test, T* as) {
  *as = 0;
  *test = Test::never;
  if constexpr (std::is_integral_v<T>) {
    constexpr double kMost = std::numeric_limits<T>::max();
    if (kind == kMissing || std::isnan(limit)) return;
    if (kind == kOver && limit < 0) {
      *test = Test::always;
    } else if (kind == kOver && limit < kMost) {
      *test = Test::over;
      *as = static_cast<T>(limit);
    } else if (kind == kEqual && limit >= 0 && limit <= kMost && limit == std::floor(limit)) {
      *test = Test::equal;
      *as = static_cast<T>(limit);
    }
  } else {
    if (kind == kMissing) {
      *test = Test::missing;
    } else if (!std::isnan(limit)) {
      *as = rounded_down<T>(limit);
      if (kind == kOver) *test = Test::over;
      if (kind == kEqual && static_cast<double>(*as) == limit) *test = Test::equal;
    }
  }
}

// Bits a feature, where all have so many, one feature's after the other's, and all are of kOver; or
// 0.
std::size_t bits_a_feature(const BitTable& table) {
  const std::size_t size = table.column.size();
  if (size == 0 || size % table.num_features != 0) return 0;
  const std::size_t bits = size / table.num_features;
  for (std::size_t i = 0; i < size; ++i) {
    const bool fits = static_cast<std::size_t>(table.column[i]) == i / bits;
    if (!fits || table.kind[i] != kOver) return 0;
  }
  return bits;
}

// Where parts of kLanes features begin that cover those of which a bit is read.
std::vector<std::size_t> parts_that_are_read(const std::vector<bool>& is_read, std::size_t bits) {
  std::vector<std::size_t> begins;
  for (std::size_t i = 0; i < is_read.size(); ++i) {
    const std::size_t feature = i / bits;
    const bool is_covered = !begins.empty() && feature < begins.back() + kLanes;
    if (is_read[i] && !is_covered) begins.push_back(feature);
  }
  return begins;
}

}  // namespace

void validate(const BitTable& table, std::size_t num_inputs) {
  const std::size_t size = table.column.size();
  if (size != num_inputs || table.kind.size() != size || table.limit.size() != size) {
    throw std::invalid_argument(
        "the columns, kinds and limits of " + std::to_string(size) + ", " +
        std::to_string(table.kind.size()) + " and " + std::to_string(table.limit.size()) +
        " bits are given; the circuit has " + std::to_string(num_inputs) + " inputs");
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (table.column[i] < 0 || static_cast<std::size_t>(table.column[i]) >= table.num_features) {
      throw std::invalid_argument("bit " + std::to_string(i) + " is of column " +
                                  std::to_string(table.column[i]) + "; a row has " +
                                  std::to_string(table.num_features));
    }
    if (table.kind[i] > kMissing) {
      throw std::invalid_argument("bit " + std::to_string(i) + " is of kind " +
                                  std::to_string(table.kind[i]) + "; there are 0, 1 and 2");
    }
  }
}

template <typename T>
BitTests<T>::BitTests(const BitTable& table, const std::vector<bool>& is_read)
    : num_features_(table.num_features) {
  const std::size_t a_feature = bits_a_feature(table);
  if (a_feature == 0 || a_feature >= kManyPlanes) {
    for (std::size_t i = 0; i < table.column.size(); ++i) {
      if (!is_read[i]) continue;
      Bit<T> bit{};
      bit.column = static_cast<std::uint32_t>(table.column[i]);
      bit.input = static_cast<std::uint32_t>(i);
      set_test(table.kind[i], table.limit[i], &bit.test, &bit.limit);
      bits_.push_back(bit);
    }
    std::stable_sort(bits_.begin(), bits_.end(),
                     [](const Bit<T>& a, const Bit<T>& b) { return a.column < b.column; });
    return;
  }
  num_planes_ = a_feature;
  const std::vector<std::size_t> begins = parts_that_are_read(is_read, num_planes_);
  num_parts_ = begins.size();
  for (std::size_t plane = 0; plane < num_planes_; ++plane) {
    std::size_t next = 0;  // the first feature that no earlier part has
    for (const std::size_t begin : begins) {
      Part<T>& made = planes_.emplace_back();
      // The last part begins earlier, so as to be whole.
      made.first = std::min(begin, num_features_ - std::min(num_features_, kLanes));
      const std::size_t end = std::min(made.first + kLanes, num_features_);
      for (std::size_t feature = std::max(next, made.first); feature < end; ++feature) {
        const std::size_t bit = feature * num_planes_ + plane, f = feature - made.first;
        if (!is_read[bit]) continue;
        Test test;
        set_test(table.kind[bit], table.limit[bit], &test, made.limit + f);
        made.is_read |= std::uint64_t{1} << f;
        if (test != Test::over) made.is_fixed |= std::uint64_t{1} << f;
        if (test == Test::always) made.fixed |= std::uint64_t{1} << f;
      }
      next = end;
    }
  }
}

template <typename T>
std::vector<std::uint32_t> BitTests<T>::places(std::size_t num_inputs) const {
  std::vector<std::uint32_t> found(num_inputs);
  for (std::size_t i = 0; i < bits_.size(); ++i) {
    found[bits_[i].input] = static_cast<std::uint32_t>(i);
  }
  for (std::size_t i = 0; i < planes_.size(); ++i) {
    const std::size_t plane = i / num_parts_;
    for (std::size_t f = 0; f < kLanes; ++f) {
      if (~planes_[i].is_read >> f & 1) continue;
      found[(planes_[i].first + f) * num_planes_ + plane] =
          static_cast<std::uint32_t>(i * kLanes + f);
    }
  }
  return found;
}

template <typename T>
std::size_t BitTests<T>::num_places() const {
  return planes_.size() * kLanes + (bits_.size() + 63) / 64 * 64;
}

template class BitTests<std::uint8_t>;
template class BitTests<float>;
template class BitTests<double>;

}  // namespace gatewright
