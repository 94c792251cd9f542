// What one core can do: multiply-adds a second in registers, and bytes a second to and from memory.
// Prints {"multiply_adds": a second, "bytes": a second}, each the best of several rounds.

#include <cstddef>
#include <cstdio>
#include <ctime>
#include <vector>

#if defined(__AVX512F__)
constexpr std::size_t vector_bytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t vector_bytes = 32;
#else
constexpr std::size_t vector_bytes = 16;
#endif
typedef float Lanes __attribute__((vector_size(vector_bytes)));

constexpr std::size_t lanes = vector_bytes / sizeof(float);
constexpr std::size_t chains = 12;  // enough to hide a multiply-add's latency on two ports

// CPU time: what others do on the machine takes none of it.
double seconds() { return double(std::clock()) / CLOCKS_PER_SEC; }

// The result depends on every multiply-add, so none can be left out.
double multiply_adds_a_second(float* sink) {
  constexpr std::size_t rounds = 20'000'000;
  Lanes sums[chains], factor = Lanes{} + 0.999999f, term = Lanes{} + 1e-6f;
  for (std::size_t i = 0; i < chains; ++i) sums[i] = Lanes{} + float(i);
  const double begin = seconds();
  for (std::size_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (std::size_t i = 0; i < chains; ++i) sums[i] = sums[i] * factor + term;
  }
  const double took = seconds() - begin;
  for (const Lanes& sum : sums) *sink += sum[0];
  return double(rounds * chains * lanes) / took;
}

// Every number is read and written once, as an optimiser does with its state.
double bytes_a_second(std::vector<float>& numbers) {
  const double begin = seconds();
  for (float& number : numbers) number = number * 0.5f + 1.0f;
  return 2.0 * double(numbers.size() * sizeof(float)) / (seconds() - begin);
}

int main() {
  float sink = 0;
  double multiply_adds = 0, bytes = 0;
  std::vector<float> numbers(std::size_t{128} << 20, 1.0f);  // 512 MiB: far beyond any cache
  for (int round = 0; round < 5; ++round) {
    const double one = multiply_adds_a_second(&sink), other = bytes_a_second(numbers);
    if (one > multiply_adds) multiply_adds = one;
    if (other > bytes) bytes = other;
  }
  std::fprintf(stderr, "%g\n", double(sink + numbers[12345]));
  std::printf("{\"multiply_adds\": %.6g, \"bytes\": %.6g}\n", multiply_adds, bytes);
}
