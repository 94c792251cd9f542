#include "connection.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace gatewright {
namespace {

constexpr std::uint32_t kNothing = std::numeric_limits<std::uint32_t>::max();

// Cycles as measured on Zen 3: of a connection, of a vector's stages but for one more of each
// doubling, those that copies take less than a permutation, and of a patch.
constexpr double kStart = 100, kStages = 40, kCopyLess = 10, kPatch = 6;

// Where masks are: of stages between vectors one after the other, each for the vectors that have
// the lower places; of stages within vectors those of one vector side by side.
class Masks {
 public:
  // `copies`: two masks a switch where it is not between words of a vector.
  Masks(unsigned log_size, bool copies, std::vector<std::uint64_t>* words)
      : log_size_(log_size),
        copies_(copies),
        words_(words),
        begin_(words->size()),
        outer_words_((std::size_t{1} << log_size) / kConnected / 2 * kConnectedWords *
                     (copies ? 2 : 1)) {
    const std::size_t vectors = (std::size_t{1} << log_size) / kConnected;
    const std::size_t outer = log_size - kInner, inner = copies ? kCopyMasks : kPermuteMasks;
    words->resize(begin_ + outer_words_ * outer * (copies ? 1 : 2) +
                  vectors * inner * kConnectedWords);
  }

  // Sets the switch between this place, whose bit number `bit` is 0, and its partner: on the way
  // down, or up again. Of copies: `which` 0 has the lower place take the upper one's bit, 1 the
  // upper one the lower one's.
  void set(unsigned bit, bool is_up, std::size_t place, unsigned which = 0) {
    const std::size_t vectors = (std::size_t{1} << log_size_) / kConnected;
    const std::size_t vector = place / kConnected;
    if (bit >= kInner) {
      const std::size_t apart = std::size_t{1} << (bit - kInner);
      const std::size_t rank = vector / (2 * apart) * apart + vector % apart;
      const std::size_t down = log_size_ - 1 - bit;  // stages before it
      std::size_t first = begin_ + down * outer_words_;
      if (is_up) {
        first = begin_ + (log_size_ - kInner + bit - kInner) * outer_words_ +
                vectors * kPermuteMasks * kConnectedWords;
      }
      put(first + rank * kConnectedWords * (copies_ ? 2 : 1) + which * kConnectedWords, place);
      return;
    }
    const std::size_t stage = is_up ? kInner - 1 + bit : kInner - 1 - bit;
    const std::size_t first = begin_ + (log_size_ - kInner) * outer_words_ +
                              vector * (copies_ ? kCopyMasks : kPermuteMasks) * kConnectedWords;
    const std::size_t partner = place + (std::size_t{1} << bit);
    if (bit >= 6) {  // one mask for both
      if (!copies_ || which == 0) put(first + stage * kConnectedWords, place);
      if (!copies_ || which == 1) put(first + stage * kConnectedWords, partner);
    } else if (copies_) {
      put(first + (2 + 2 * (stage - 2) + which) * kConnectedWords, place);
    } else {
      put(first + stage * kConnectedWords, place);
    }
  }

 private:
  void put(std::size_t first, std::size_t place) {
    (*words_)[first + place % kConnected / 64] |= std::uint64_t{1} << place % 64;
  }

  unsigned log_size_;
  bool copies_;
  std::vector<std::uint64_t>* words_;
  std::size_t begin_, outer_words_;
};

// Source s fills places first[s] to first[s + 1] - 1, at least one.
void set_copies(const std::vector<std::uint32_t>& first, unsigned log_size, Masks* masks) {
  struct Interval {
    std::uint32_t low, high;
  };
  const std::size_t size = std::size_t{1} << log_size;
  std::vector<Interval> held(size, {kNothing, 0}), next(size);
  for (std::size_t s = 0; s + 1 < first.size(); ++s) held[s] = {first[s], first[s + 1] - 1};
  for (unsigned bit = log_size; bit-- > 0;) {
    const std::uint32_t mask = std::uint32_t{1} << bit;
    std::fill(next.begin(), next.end(), Interval{kNothing, 0});
    for (std::size_t place = 0; place < size; ++place) {
      const auto [low, high] = held[place];
      if (low == kNothing) continue;
      const std::size_t lower = place & ~std::size_t{mask}, upper = lower | mask;
      if (!(low & mask)) {
        next[lower] = {low, high & mask ? low | (mask - 1) : high};
        if (place == upper) masks->set(bit, false, lower, 0);
      }
      if (high & mask) {
        next[upper] = {low & mask ? low : high & ~(mask - 1), high};
        if (place == lower) masks->set(bit, false, lower, 1);
      }
    }
    held.swap(next);
  }
}

// Place p takes the bit of place from[p], a permutation.
void set_permutation(std::vector<std::uint32_t> from, unsigned log_size, Masks* masks) {
  const std::size_t size = from.size();
  std::vector<std::uint32_t> to(size), inner(size);
  std::vector<bool> is_set(size);
  for (unsigned bit = log_size; bit-- > 1;) {
    const std::uint32_t half = std::uint32_t{1} << bit;
    for (std::uint32_t p = 0; p < size; ++p) to[from[p]] = p;
    std::fill(is_set.begin(), is_set.end(), false);
    for (std::uint32_t start = 0; start < size; ++start) {
      if (start & half || is_set[start]) continue;
      // Along a loop, this place's bit goes through the lower half, its partner's through the
      // upper one.
      for (std::uint32_t place = start; !is_set[place & ~half];) {
        const std::uint32_t lower = place & ~half, source = from[place];
        is_set[lower] = true;
        if (place & half) masks->set(bit, true, lower);
        if (source & half) masks->set(bit, false, source & ~half);
        inner[lower] = source & ~half;
        const std::uint32_t other = to[source ^ half];
        inner[other | half] = source | half;
        place = other ^ half;
      }
    }
    from.swap(inner);
  }
  for (std::uint32_t p = 0; p < size; p += 2) {
    if (from[p] != p) masks->set(0, false, p);
  }
}

}  // namespace

Connection plan_connection(const std::vector<std::uint32_t>& from, std::size_t num_sources) {
  std::vector<bool> is_read(num_sources);
  std::size_t num_read = 0;
  for (const std::uint32_t source : from) {
    num_read += !is_read[source];
    is_read[source] = true;
  }
  const auto plan = [](std::size_t num_places, bool has_copies, std::size_t num_patches) {
    const unsigned width =
        static_cast<unsigned>(std::bit_width(std::max(num_places, kConnected) - 1));
    const double vectors = static_cast<double>(std::size_t{1} << (width - kInner));
    const double stages = kStages + (width - kInner);
    double cycles = kStart + vectors * stages + kPatch * static_cast<double>(num_patches);
    if (has_copies) cycles += vectors * (stages - kCopyLess);
    return Connection{width, has_copies, cycles};
  };
  // Copies need a place for each source, read or not.
  const std::size_t num_copies = from.size() - num_read;
  const Connection patched = plan(std::max(from.size(), num_sources), false, num_copies);
  const Connection copied = plan(num_sources + num_copies, num_copies > 0, 0);
  return copied.cycles < patched.cycles ? copied : patched;
}

void connect(const Connection& plan, const std::vector<std::uint32_t>& from,
             std::size_t num_sources, std::vector<std::uint64_t>* masks,
             std::vector<Patch>* patches) {
  std::vector<std::uint32_t> first(num_sources + 1);
  for (const std::uint32_t source : from) ++first[source + 1];
  for (std::size_t s = 0; s < num_sources; ++s) {
    const std::uint32_t copies = plan.has_copies ? first[s + 1] : 1;
    first[s + 1] = first[s] + std::max(copies, std::uint32_t{1});
  }
  if (plan.has_copies) {
    Masks copies(plan.log_size, true, masks);
    set_copies(first, plan.log_size, &copies);
  }
  // The permutation: a copy of its source for each place that is read, what is left for the others.
  const std::size_t size = std::size_t{1} << plan.log_size;
  std::vector<std::uint32_t> permuted(size, kNothing), reader(num_sources, kNothing);
  std::vector<bool> is_taken(size);
  for (std::uint32_t p = 0; p < from.size(); ++p) {
    const std::uint32_t source = from[p];
    if (!plan.has_copies && reader[source] != kNothing) {
      patches->push_back({p, reader[source]});
      continue;
    }
    reader[source] = p;
    permuted[p] = first[source]++;
    is_taken[permuted[p]] = true;
  }
  std::uint32_t free = 0;
  for (std::uint32_t& source : permuted) {
    if (source != kNothing) continue;
    while (is_taken[free]) ++free;
    source = free++;
  }
  Masks permutation(plan.log_size, false, masks);
  set_permutation(std::move(permuted), plan.log_size, &permutation);
}

}  // namespace gatewright
