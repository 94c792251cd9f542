// Machine code in memory: the pages are written first and made executable then, never both at once.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace gatewright {

class CodePages {
 public:
  CodePages() = default;

  // Throws std::invalid_argument where the system lets no memory be executed, std::bad_alloc.
  explicit CodePages(const std::vector<std::uint8_t>& bytes);

  const std::uint8_t* begin() const { return pages_.get(); }  // null where there is no code
  std::size_t size() const { return size_; }

  // The function that starts at so many bytes.
  template <typename Function>
  Function* function(std::size_t entry) const {
    return reinterpret_cast<Function*>(reinterpret_cast<std::uintptr_t>(begin() + entry));
  }

 private:
  struct Unmap {
    std::size_t size;
    void operator()(std::uint8_t* pages) const;
  };

  std::size_t size_ = 0;
  std::unique_ptr<std::uint8_t, Unmap> pages_{nullptr, Unmap{0}};
};

}  // namespace gatewright
