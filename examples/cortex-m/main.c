/* Prints the class of each row of rows.h, and how much stack that took. */
#include "digits_model.h"
#include "rows.h"
#include "startup.h"

int main(void) {
  uint8_t labels[NUM_ROWS];
  for (size_t r = 0; r != NUM_ROWS; ++r) {
    labels[r] = digits_predict(&rows[r * DIGITS_NUM_FEATURES]);
    print_number(labels[r]);
    print("\n");
  }
  /* Or many at once: the circuit runs once for as many rows as a word has bits. */
  uint8_t batch[NUM_ROWS];
  digits_predict_batch(rows, NUM_ROWS, batch);
  for (size_t r = 0; r != NUM_ROWS; ++r) {
    if (batch[r] != labels[r]) {
      return 1;
    }
  }
  print("stack: ");
  print_number(stack_used());
  print(" bytes\n");
  return 0;
}
