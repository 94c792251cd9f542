// One body, compiled for several instruction sets; the loader picks. GCC and x86-64 with the GNU C
// library only (ifunc): elsewhere the same body is compiled once, for the baseline. Sanitizers run
// too late for ifunc resolvers.
#pragma once

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GATEWRIGHT_MULTIVERSION __attribute__((target_clones("avx512f", "avx2", "default")))
#define GATEWRIGHT_IS_MULTIVERSION 1
#else
#define GATEWRIGHT_MULTIVERSION
#define GATEWRIGHT_IS_MULTIVERSION 0
#endif
