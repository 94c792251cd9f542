/* What startup.c offers to main.c. */
#ifndef STARTUP_H
#define STARTUP_H

#include <stdint.h>

void print(const char *text);

void print_number(uint32_t number);

/* Bytes of stack that have been used since reset, at most. */
uint32_t stack_used(void);

#endif
