/* Conway's Life by hand, as a yardstick for generated code: the layout of the automaton target
 * (name_board.c), 19 operations a word, 64-byte vectors. C99 with GCC's or Clang's vector_size.
 *
 * The torus has a width that 64 divides and a height that 8 divides. Column j of the layout holds
 * the cells of columns j, J + j, 2 J + j, ... of the board (J = width / 64): bit s of a word is the
 * cell in column s J + j. Lane l of a vector is row l R + r of the board (R = height / 8) in row r
 * of the layout. So a cell's neighbours are bits of the same place in neighbouring vectors. Around
 * the layout lies a border of copies: rows -1 and R, columns -1 and J.
 *
 * A generation goes column by column. A column's next state takes the place of the column before
 * it, which has been read by then; so the board wanders through a ring of J + 3 columns.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 8

typedef uint64_t vec __attribute__((vector_size(8 * LANES), may_alias));

/* Clang would rather not use the widest registers. */
#ifdef __clang__
#define WIDE __attribute__((__min_vector_width__(64 * LANES)))
#else
#define WIDE
#endif

typedef struct {
  size_t columns, rows; /* J and R */
  size_t first;         /* slot of column -1 */
  size_t unused[5];
} head;

/* Bytes of memory, aligned to 64, that a board takes; 0 where it does not fit the layout. */
size_t life_hand_bytes(size_t width, size_t height) {
  if (!width || !height || width % 64 || height % LANES) return 0;
  return sizeof(head) + (width / 64 + 3) * (height / LANES + 2) * sizeof(vec);
}

static vec* column(head* h, size_t index) {
  const size_t ring = h->columns + 3, slot = h->first + index;
  return (vec*)(h + 1) + (slot < ring ? slot : slot - ring) * (h->rows + 2) + 1;
}

static void border_rows(vec* words, size_t rows) {
  uint64_t *up = (uint64_t*)(words - 1), *down = (uint64_t*)(words + rows);
  const uint64_t *top = (uint64_t*)words, *bottom = (uint64_t*)(words + rows - 1);
  for (size_t l = 0; l < LANES; ++l) {
    up[l] = bottom[(l + LANES - 1) % LANES];
    down[l] = top[(l + 1) % LANES];
  }
}

WIDE static void border_columns(head* h) {
  const vec* restrict first = column(h, 1) - 1, * restrict last = column(h, h->columns) - 1;
  vec* restrict left = column(h, 0) - 1, * restrict right = column(h, h->columns + 1) - 1;
  for (size_t r = 0; r < h->rows + 2; ++r) {
    left[r] = last[r] << 1 | last[r] >> 63;
    right[r] = first[r] >> 1 | first[r] << 63;
  }
}

/* What the cells of a row add to their neighbours' counts: the sum of three cells, two bits, to the
 * rows above and below; the sum without the cell itself to its own row. */
typedef struct {
  vec ones3, twos3, ones2, twos2, cell;
} row_sums;

WIDE static inline void sum_row(const vec* left, const vec* centre, const vec* right,
                                row_sums* sums) {
  const vec l = *left, c = *centre, r = *right;
  sums->ones2 = l ^ r;
  sums->twos2 = l & r;
  sums->ones3 = sums->ones2 ^ c;
  sums->twos3 = sums->twos2 | (sums->ones2 & c);
  sums->cell = c;
}

/* Alive: the count is 3, or it is 2 and the cell lives. Exactly one of the four twos is set, and
 * the ones or the cell. */
WIDE static inline void next(const row_sums* up, const row_sums* own, const row_sums* down,
                             vec* out) {
  const vec outer = up->ones3 ^ down->ones3;
  const vec ones = outer ^ own->ones2;
  const vec carry = (up->ones3 & down->ones3) | (outer & own->ones2);
  const vec either = up->twos3 ^ down->twos3, other = own->twos2 ^ carry;
  const vec both = (up->twos3 & down->twos3) | (own->twos2 & carry);
  *out = (either ^ other) & ~both & (ones | own->cell);
}

WIDE static void step_column(const vec* left, const vec* centre, const vec* right, vec* out,
                             size_t rows) {
  row_sums a, b, c;
  size_t r = 0;
  sum_row(left - 1, centre - 1, right - 1, &a);
  sum_row(left, centre, right, &b);
  for (; r + 3 <= rows; r += 3) {
    sum_row(left + r + 1, centre + r + 1, right + r + 1, &c);
    next(&a, &b, &c, out + r);
    sum_row(left + r + 2, centre + r + 2, right + r + 2, &a);
    next(&b, &c, &a, out + r + 1);
    sum_row(left + r + 3, centre + r + 3, right + r + 3, &b);
    next(&c, &a, &b, out + r + 2);
  }
  for (; r < rows; ++r) {
    sum_row(left + r + 1, centre + r + 1, right + r + 1, &c);
    next(&a, &b, &c, out + r);
    a = b;
    b = c;
  }
}

void life_hand_step(void* board, size_t generations) {
  head* h = board;
  for (size_t g = 0; g < generations; ++g) {
    for (size_t j = 0; j < h->columns; ++j) {
      vec* out = column(h, j);
      step_column(out, column(h, j + 1), column(h, j + 2), out, h->rows);
      border_rows(out, h->rows);
    }
    h->first = (h->first + h->columns + 2) % (h->columns + 3);
    border_columns(h);
  }
}

/* rows: the board row by row, width / 64 words each; column x is bit x % 64 of word x / 64. */
void life_hand_load(void* board, size_t width, size_t height, const uint64_t* rows) {
  head* h = board;
  memset(board, 0, life_hand_bytes(width, height));
  h->columns = width / 64;
  h->rows = height / LANES;
  for (size_t y = 0; y < height; ++y) {
    for (size_t x = 0; x < width; ++x) {
      uint64_t* words = (uint64_t*)column(h, 1 + x % h->columns);
      const uint64_t bit = rows[y * h->columns + x / 64] >> x % 64 & 1;
      words[y % h->rows * LANES + y / h->rows] |= bit << x / h->columns;
    }
  }
  for (size_t j = 1; j <= h->columns; ++j) border_rows(column(h, j), h->rows);
  border_columns(h);
}

void life_hand_store(const void* board, uint64_t* rows) {
  head copy = *(const head*)board, *h = &copy;
  const size_t width = h->columns * 64, height = h->rows * LANES;
  memset(rows, 0, width / 8 * height);
  for (size_t y = 0; y < height; ++y) {
    for (size_t x = 0; x < width; ++x) {
      const uint64_t* words = (uint64_t*)column((head*)board, 1 + x % h->columns);
      const uint64_t bit = words[y % h->rows * LANES + y / h->rows] >> x / h->columns & 1;
      rows[y * h->columns + x / 64] |= bit << x % 64;
    }
  }
}
