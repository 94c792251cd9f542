#include "single.hpp"

#include <utility>

namespace gatewright {

Single::Single(const Program& program, const std::vector<std::uint32_t>& sources,
               std::size_t num_sources)
    : front_(program, sources, num_sources,
             [this](const Program& rest) { return tried_.emplace_back(rest).cycles(); }),
      blocks_(std::move(tried_[front_.choice()])),
      num_source_words_((num_sources + 63) / 64) {
  tried_ = {};
  const std::vector<bool>& inverted = blocks_.inverted_inputs();
  inverted_.resize((inverted.size() + 63) / 64);
  for (std::size_t i = 0; i < inverted.size(); ++i) {
    inverted_[i / 64] |= std::uint64_t{inverted[i]} << i % 64;
  }
}

void Single::run(std::uint64_t* bits, std::uint8_t* bytes) const {
  front_.run(bits);
  for (std::size_t i = 0; i < inverted_.size(); ++i) bits[i] ^= inverted_[i];
  const std::size_t num = front_.num_left();
  engine_kernels().spread_bits(bits, num, bytes);
  bytes[num] = 0;
  blocks_.run(bytes);
}

void Single::add_outputs(const std::uint8_t* bytes, std::size_t sample, const std::uint64_t* others,
                         std::uint64_t mask, std::uint64_t* result) const {
  for (const std::uint32_t literal : blocks_.outputs()) {
    const std::uint64_t output = bytes[literal >> 1] ^ (literal & 1);
    *result++ = (*others++ & mask) | output << sample;
  }
}

std::int64_t Single::label(const std::uint8_t* bytes) const {
  std::uint64_t label = 0;
  std::size_t bit = 0;
  for (const std::uint32_t literal : blocks_.outputs()) {
    label |= std::uint64_t{bytes[literal >> 1] ^ (literal & 1)} << bit++;
  }
  return static_cast<std::int64_t>(label);
}

}  // namespace gatewright
