// Memory aligned to cache lines, in huge pages where it is large: rows are read at random.

#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gatewright {

// Whole lines, or huge pages where it is that much; `std::free` frees them.
inline void* allocate_lines(std::size_t size) {
  constexpr std::size_t kHuge = std::size_t{1} << 21;
  const std::size_t alignment = size >= kHuge ? kHuge : 64;
  const std::size_t whole = (size + (size == 0) + alignment - 1) / alignment * alignment;
  void* const held = std::aligned_alloc(alignment, whole);
  if (held == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  if (alignment == kHuge) madvise(held, whole, MADV_HUGEPAGE);  // it is no error if there are none
#endif
  return held;
}

template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    const std::size_t bytes = size * sizeof(T);
    data_.reset(static_cast<T*>(allocate_lines(bytes)));
    std::memset(static_cast<void*>(data_.get()), 0, bytes);
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace gatewright
