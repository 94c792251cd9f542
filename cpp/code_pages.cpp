#include "code_pages.hpp"

#include <cstring>
#include <new>
#include <stdexcept>

#if defined(__x86_64__) && defined(__linux__)
#include <sys/mman.h>
#define GATEWRIGHT_MACHINE_CODE 1
#else
#define GATEWRIGHT_MACHINE_CODE 0
#endif

namespace gatewright {

CodePages::CodePages(const std::vector<std::uint8_t>& bytes) : size_(bytes.size()) {
  if (bytes.empty()) return;
#if GATEWRIGHT_MACHINE_CODE
  void* pages =
      mmap(nullptr, bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  pages_ = {static_cast<std::uint8_t*>(pages), Unmap{bytes.size()}};
  std::memcpy(pages, bytes.data(), bytes.size());
  if (mprotect(pages, bytes.size(), PROT_READ | PROT_EXEC) != 0) {
    throw std::invalid_argument("this system lets no memory be executed; take the interpreter");
  }
#endif
}

void CodePages::Unmap::operator()(std::uint8_t* pages) const {
#if GATEWRIGHT_MACHINE_CODE
  munmap(pages, size);
#else
  static_cast<void>(pages);
#endif
}

}  // namespace gatewright
