/* What a bare Cortex-M needs before and behind main(): vectors, memory, and a way to the outside.
 *
 * The way out is semihosting, which QEMU and debuggers have: breakpoint 0xAB with an operation in r0
 * and its argument in r1. On a board of your own, put its UART there.
 */
#include "startup.h"

#include <stddef.h>
#include <stdint.h>

#define SYS_WRITE0 0x04U
#define SYS_EXIT 0x18U
#define STOPPED_WELL 0x20026U
#define STOPPED_ILL 0x20023U
#define PAINT 0xa5a5a5a5U

/* From memory.ld. */
extern uint32_t data_begin[], data_end[], data_in_flash[], bss_begin[], bss_end[], stack_top[];

int main(void);
void reset(void);
void *memcpy(void *to, const void *from, size_t num);
void *memset(void *to, int value, size_t num);

static void semihosting(uint32_t operation, uintptr_t argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register uintptr_t r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void print(const char *text) { semihosting(SYS_WRITE0, (uintptr_t)text); }

void print_number(uint32_t number) {
  char text[11];
  size_t at = sizeof(text) - 1U;
  text[at] = '\0';
  do {
    --at;
    text[at] = (char)('0' + (char)(number % 10U));
    number /= 10U;
  } while (number != 0U);
  print(&text[at]);
}

uint32_t stack_used(void) {
  const uint32_t *lowest = bss_end;
  while (*lowest == PAINT) {
    ++lowest;
  }
  return (uint32_t)((uintptr_t)stack_top - (uintptr_t)lowest);
}

/* All between the variables and this function's own frame is painted, so that what is used later
 * can be seen. */
void reset(void) {
  for (size_t i = 0; &data_begin[i] != data_end; ++i) {
    data_begin[i] = data_in_flash[i];
  }
  for (uint32_t *at = bss_begin; at != bss_end; ++at) {
    *at = 0U;
  }
  uint32_t *frame = __builtin_frame_address(0);
  for (uint32_t *at = bss_end; at < frame - 16; ++at) {
    *at = PAINT;
  }
  semihosting(SYS_EXIT, (main() == 0) ? STOPPED_WELL : STOPPED_ILL);
  for (;;) {
  }
}

static void fault(void) {
  print("fault\n");
  semihosting(SYS_EXIT, STOPPED_ILL);
  for (;;) {
  }
}

/* The first stack pointer, then handlers: reset, non-maskable interrupt, and faults. */
__attribute__((section(".vectors"), used)) static const uintptr_t vectors[] = {
    (uintptr_t)stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,     (uintptr_t)fault, (uintptr_t)fault,
};

/* Compilers call these two, with or without a library. */
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memcpy(void *to,
                                                                          const void *from,
                                                                          size_t num) {
  unsigned char *target = to;
  const unsigned char *source = from;
  for (size_t i = 0; i != num; ++i) {
    target[i] = source[i];
  }
  return to;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memset(void *to, int value,
                                                                          size_t num) {
  unsigned char *target = to;
  for (size_t i = 0; i != num; ++i) {
    target[i] = (unsigned char)value;
  }
  return to;
}
