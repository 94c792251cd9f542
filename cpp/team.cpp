#include "team.hpp"

#include <algorithm>
#include <utility>

#if defined(__linux__)
#include <sched.h>
#endif
#if __has_include(<unistd.h>)
#include <unistd.h>
#endif

namespace gatewright {
namespace {

constexpr int kSpins = 200;  // some ten microseconds

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void wait_while(const std::atomic<unsigned>& value, unsigned old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause_briefly();
  }
  value.wait(old, std::memory_order_acquire);
}

long this_process() {
#if __has_include(<unistd.h>)
  return getpid();
#else
  return 0;  // no forks
#endif
}

}  // namespace

std::size_t usable_threads() {
#if defined(__linux__)
  cpu_set_t usable;
  if (sched_getaffinity(0, sizeof usable, &usable) == 0) {
    return static_cast<std::size_t>(std::max(1, CPU_COUNT(&usable)));
  }
#endif
  return std::max(1U, std::thread::hardware_concurrency());
}

Team::Team(std::size_t num_threads) : process_(this_process()), num_threads_(num_threads) {
  for (std::size_t member = 1; member < num_threads; ++member) {
    threads_.emplace_back([this, member] { serve(member); });
  }
}

Team::~Team() {
  if (this_process() != process_) {
    // No thread crossed the fork, and a new one may have the place of one that is waited for.
    static_cast<void>(new std::vector<std::thread>(std::move(threads_)));
    return;
  }
  is_over_ = true;
  ++job_;
  job_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Team::run(const std::function<void(std::size_t)>& work) {
  if (num_threads_ == 1) {
    work(0);
    return;
  }
  work_ = &work;
  job_.fetch_add(1, std::memory_order_release);
  job_.notify_all();
  work(0);
  meet();
}

void Team::serve(std::size_t member) {
  for (unsigned done = 0;; ++done) {
    wait_while(job_, done);
    if (is_over_) return;
    (*work_)(member);
    meet();
  }
}

void Team::meet() {
  if (num_threads_ == 1) return;
  const unsigned meeting = meeting_.load(std::memory_order_acquire);
  if (num_waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 == num_threads_) {
    num_waiting_.store(0, std::memory_order_relaxed);
    meeting_.fetch_add(1, std::memory_order_release);
    meeting_.notify_all();
    return;
  }
  wait_while(meeting_, meeting);
}

}  // namespace gatewright
