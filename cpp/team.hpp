// A team of threads that run one function together and meet at barriers in it.

#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace gatewright {

// The number of processors that this process may use.
std::size_t usable_threads();

class Team {
 public:
  explicit Team(std::size_t num_threads);
  ~Team();  // also behind a fork, where nothing else may be called
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  std::size_t size() const { return num_threads_; }

  // Calls work(member) for members 0 to size() - 1 at once, the caller being member 0.
  void run(const std::function<void(std::size_t)>& work);

  // All members wait until all are here. Spins briefly, then sleeps: cores may be shared.
  void meet();

 private:
  void serve(std::size_t member);

  long process_;
  std::size_t num_threads_;
  const std::function<void(std::size_t)>* work_ = nullptr;
  std::atomic<unsigned> job_{0};
  std::atomic<bool> is_over_{false};
  std::atomic<std::size_t> num_waiting_{0};
  std::atomic<unsigned> meeting_{0};
  std::vector<std::thread> threads_;
};

}  // namespace gatewright
