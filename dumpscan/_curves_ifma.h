/* Multiples of a generator, eight scalars at a time, with AVX-512 IFMA. A part of _curves.c; what comes out is what
   multiply_each there gives.

   A vector holds one limb, of 52 bits, of each of eight numbers. R is 2^(52 * size) here, and more than 16 * p, so that
   numbers need not be below p: Montgomery's reduction leaves less than 2 * p of a product below 16 * p^2. */

/* On Windows GCC does not align vectors on the stack: https://gcc.gnu.org/bugzilla/show_bug.cgi?id=54412 */
#if defined(__x86_64__) && !defined(_WIN32) && !defined(__CYGWIN__)

#include <immintrin.h>

#define IFMA __attribute__((target("avx512f,avx512ifma")))
#define MASK ((1ULL << 52) - 1)

enum { WIDEST = 11, GROUPS = 512, TILES = 2 * (DIGITS + 1) / 8 };

typedef uint64_t Vector __attribute__((vector_size(64)));
typedef int64_t Signed __attribute__((vector_size(64)));
typedef Vector Wide[WIDEST];

/* `times` are 0 to 5 times p, `inverse` is -1/p modulo 2^52, `one` is R modulo p; times `entry` a number becomes R * v
   that was 2^(64 * limbs) * v, as in tables. `exponent` is p - 2. */
typedef struct {
    int size;
    Limb exponent[MOST];
    Vector inverse;
    Wide times[6], one, entry;
} WideField;

/* Eight scalars and the sums of their points: x < 4 * p, y < 3 * p, difference < 5 * p, before < 2 * p. `at` is where
   among the tiles x of the points begins that are to be added now, in those that are `adding`. */
typedef struct {
    Wide x, y, difference, before;
    Vector at;
    __mmask8 inside, begun, adding;
} Group;

/* The tiles are one row of the table: x, y, x, y, ... of its points, below p, eight numbers each. */
typedef struct {
    WideField field;
    Wide tiles[TILES];
    Group groups[];
} WideLanes;

INLINE IFMA Vector all(uint64_t value) { return (Vector)_mm512_set1_epi64((long long)value); }

/* sum + the low, or the high 52 bits of a * b. */
INLINE IFMA Vector low(Vector sum, Vector a, Vector b) {
    return (Vector)_mm512_madd52lo_epu64((__m512i)sum, (__m512i)a, (__m512i)b);
}

INLINE IFMA Vector high(Vector sum, Vector a, Vector b) {
    return (Vector)_mm512_madd52hi_epu64((__m512i)sum, (__m512i)a, (__m512i)b);
}

/* a * b / R, below 2 * p. */
INLINE IFMA void multiply_wide_sized(const WideField *f, Vector *out, const Vector *a, const Vector *b,
                                     const int size) {
    const Vector *p = f->times[1];
    Vector lows[2 * WIDEST], highs[2 * WIDEST], carry = all(0);
#pragma GCC unroll 22
    for (int i = 0; i < 2 * size; i++)
        lows[i] = highs[i] = all(0);
#pragma GCC unroll 11
    for (int i = 0; i < size; i++)
#pragma GCC unroll 11
        for (int j = 0; j < size; j++) {
            lows[i + j] = low(lows[i + j], a[j], b[i]);
            highs[i + j + 1] = high(highs[i + j + 1], a[j], b[i]);
        }
#pragma GCC unroll 11
    for (int i = 0; i < size; i++) {
        Vector sum = lows[i] + highs[i] + carry;
        Vector factor = low(all(0), sum, f->inverse);
        carry = (sum + all(MASK)) >> 52; /* of sum + factor * p, whose low 52 bits are 0 */
        highs[i + 1] = high(highs[i + 1], factor, p[0]);
#pragma GCC unroll 11
        for (int j = 1; j < size; j++) {
            lows[i + j] = low(lows[i + j], factor, p[j]);
            highs[i + j + 1] = high(highs[i + j + 1], factor, p[j]);
        }
    }
#pragma GCC unroll 11
    for (int i = 0; i < size; i++) {
        Vector sum = lows[size + i] + highs[size + i] + carry;
        out[i] = sum & all(MASK);
        carry = sum >> 52;
    }
}

IFMA static void multiply_wide(const WideField *f, Vector *out, const Vector *a, const Vector *b) {
    switch (f->size) {
    case 5:
        multiply_wide_sized(f, out, a, b, 5);
        return;
    case 8:
        multiply_wide_sized(f, out, a, b, 8);
        return;
    case 9:
        multiply_wide_sized(f, out, a, b, 9);
        return;
    case 10:
        multiply_wide_sized(f, out, a, b, 10);
        return;
    default:
        multiply_wide_sized(f, out, a, b, 11);
    }
}

/* a - b + `times` * p, which must not be negative; limbs of b may be of more than 52 bits. */
INLINE IFMA void subtract_wide(const WideField *f, Vector *out, const Vector *a, const Vector *b, int times,
                               const int size) {
    Vector carry = all(0);
#pragma GCC unroll 11
    for (int i = 0; i < size; i++) {
        Vector limb = a[i] - b[i] + f->times[times][i] + carry;
        out[i] = limb & all(MASK);
        carry = (Vector)((Signed)limb >> 52);
    }
}

/* Less b, which must not be more than the number. */
INLINE IFMA void subtract_where(__mmask8 where, Vector *out, const Vector *b, const int size) {
    Vector carry = all(0);
#pragma GCC unroll 11
    for (int i = 0; i < size; i++) {
        Vector limb = (Vector)_mm512_mask_sub_epi64((__m512i)out[i], where, (__m512i)out[i], (__m512i)b[i]) + carry;
        out[i] = limb & all(MASK);
        carry = (Vector)((Signed)limb >> 52);
    }
}

/* Less `times` * p where the highest limb alone says that the number is more. What was not reduced is then below
   (times + 1) * p, as p reaches into the highest limb. */
INLINE IFMA void reduce_roughly(const WideField *f, Vector *number, int times, const int size) {
    const Vector *p = f->times[times];
    subtract_where(_mm512_cmpgt_epu64_mask((__m512i)number[size - 1], (__m512i)p[size - 1]), number, p, size);
}

/* Below p, of what is below 2 * p. */
INLINE IFMA void reduce_wide(const WideField *f, Vector *number, const int size) {
    const Vector *p = f->times[1];
    Vector carry = all(0);
#pragma GCC unroll 11
    for (int i = 0; i < size; i++)
        carry = (Vector)((Signed)(number[i] - p[i] + carry) >> 52);
    subtract_where(_mm512_cmpeq_epi64_mask((__m512i)carry, (__m512i)all(0)), number, p, size);
}

/* Which of `where` are 1 to 4 times p. */
INLINE IFMA __mmask8 multiples_of_p(const WideField *f, const Vector *number, __mmask8 where, const int size) {
    Vector factor = low(all(0), number[0], f->inverse); /* -k modulo 2^52 of k * p */
    __mmask8 found = 0, maybe = _mm512_mask_cmpgt_epu64_mask(where, (__m512i)factor, (__m512i)all(MASK - 4));
    if (__builtin_expect(maybe, 0))
        for (int times = 1; times < 5; times++) {
            __mmask8 equal = maybe;
            for (int i = 0; i < size; i++)
                equal &= _mm512_cmpeq_epi64_mask((__m512i)number[i], (__m512i)f->times[times][i]);
            found |= equal;
        }
    return found;
}

/* 1 / a, by Fermat's theorem, in digits of 4 bits. */
INLINE IFMA void invert_wide(const WideField *f, Vector *out, const Vector *a, int limbs) {
    Wide powers[16], result;
    memcpy(powers[0], f->one, sizeof f->one);
    for (int i = 1; i < 16; i++)
        multiply_wide(f, powers[i], powers[i - 1], a);
    memcpy(result, f->one, sizeof result);
    for (int bit = 64 * limbs - 4; bit >= 0; bit -= 4) {
        for (int times = 0; times < 4; times++)
            multiply_wide(f, result, result, result);
        multiply_wide(f, result, result, powers[f->exponent[bit / 64] >> (bit % 64) & 15]);
    }
    memcpy(out, result, sizeof result);
}

/* Limbs of 52 bits from those of 64. */
INLINE IFMA void split(Vector *out, const Vector *words, int limbs, int size) {
#pragma GCC unroll 11
    for (int i = 0; i < size; i++) {
        int word = 52 * i / 64, shift = 52 * i % 64;
        Vector limb = words[word] >> shift;
        if (shift > 12 && word + 1 < limbs)
            limb |= words[word + 1] << (64 - shift);
        out[i] = limb & all(MASK);
    }
}

INLINE IFMA void join(Vector *words, const Vector *number, int limbs, int size) {
#pragma GCC unroll 9
    for (int word = 0; word < limbs; word++) {
        words[word] = all(0);
#pragma GCC unroll 11
        for (int i = 0; i < size; i++) {
            int shift = 52 * i - 64 * word;
            if (shift >= 0 && shift < 64)
                words[word] |= number[i] << shift;
            else if (shift < 0 && shift > -52)
                words[word] |= number[i] >> -shift;
        }
    }
}

INLINE IFMA void broadcast(Vector *out, const Limb *number, int limbs, int size) {
    Vector words[MOST];
    for (int i = 0; i < limbs; i++)
        words[i] = all(number[i]);
    split(out, words, limbs, size);
}

INLINE IFMA void set_wide_field(WideField *f, const Field *from, int limbs, int size) {
    Number p = {0}, two = {2}, power = {1}, product = {0};
    memcpy(p, from->p, (size_t)limbs * sizeof(Limb));
    f->size = size;
    f->inverse = all(from->inverse & MASK);
    memset(f->exponent, 0, sizeof f->exponent);
    subtract(f->exponent, p, two, limbs);
    for (int i = 0; i < 6; i++) {
        broadcast(f->times[i], product, MOST, size);
        add(product, product, p, MOST);
    }
    for (int i = 0; i <= 52 * size || i <= 104 * size - 64 * limbs; i++) {
        if (i == 52 * size)
            broadcast(f->one, power, limbs, size);
        if (i == 104 * size - 64 * limbs)
            broadcast(f->entry, power, limbs, size);
        add_in(from, power, power, power, limbs);
    }
}

/* Eight words, `stride` words apart; 0 for those that are not to be read. */
INLINE IFMA Vector gather(const Limb *words, int stride, __mmask8 where) {
    __m512i at = _mm512_mul_epu32(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi64(stride));
    return (Vector)_mm512_mask_i64gather_epi64((__m512i)all(0), where, at, words, 8);
}

/* The tiles of a row of the table. */
INLINE IFMA void fill_tiles(WideLanes *w, const Limb *row, const int limbs, const int size) {
    for (int tile = 0; tile < TILES; tile++) {
        Vector words[MOST];
        for (int i = 0; i < limbs; i++)
            words[i] = gather(row + tile * 8 * limbs + i, limbs, tile < TILES - 1 ? 0xFF : 0x3F);
        Vector *out = w->tiles[tile];
        split(out, words, limbs, size);
        multiply_wide(&w->field, out, out, w->field.entry);
        reduce_wide(&w->field, out, size);
    }
}

/* x, or y, of the group's points to be added; elsewhere `number` stays. */
INLINE IFMA void take_terms(const WideLanes *w, const Group *group, Vector *number, int is_y, __mmask8 where,
                            const int size) {
#pragma GCC unroll 11
    for (int i = 0; i < size; i++)
        number[i] = (Vector)_mm512_mask_i64gather_epi64((__m512i)number[i], where, (__m512i)group->at,
                                                        (const Limb *)&w->tiles[0][i] + is_y, 8);
}

/* Say by the digits of a row what is to be added. */
INLINE IFMA void set_digits(Group *group, const Limb *scalars, Py_ssize_t row, const int limbs) {
    Vector digit = gather(scalars + row / 8, limbs, group->inside) >> (row % 8 * 8) & all(255);
    Vector place = (digit - 1) << 1;
    group->at = (Vector)_mm512_mul_epu32((__m512i)(place >> 3), (__m512i)all(8 * WIDEST)) + (place & all(7));
    group->adding = _mm512_test_epi64_mask((__m512i)digit, (__m512i)digit);
}

INLINE IFMA void replace(Vector *number, __mmask8 where, const Vector *other, const int size) {
#pragma GCC unroll 11
    for (int i = 0; i < size; i++)
        number[i] = (Vector)_mm512_mask_mov_epi64((__m512i)number[i], where, (__m512i)other[i]);
}

/* As in add_points: `inverse` is that of this group's and all earlier differences of its chain. */
INLINE IFMA void add_terms(const WideLanes *w, Group *group, Vector *inverse, const int size) {
    const WideField *f = &w->field;
    Wide slope, term, x, y, square;
    multiply_wide(f, slope, inverse, group->before);
    multiply_wide(f, inverse, inverse, group->difference);
    memset(term, 0, sizeof term);
    take_terms(w, group, term, 1, group->adding, size);
    subtract_wide(f, y, term, group->y, 3, size);
    multiply_wide(f, slope, slope, y);
    multiply_wide(f, square, slope, slope);
    take_terms(w, group, term, 0, group->adding, size);
#pragma GCC unroll 11
    for (int i = 0; i < size; i++)
        term[i] += group->x[i];
    subtract_wide(f, x, square, term, 5, size);
    reduce_roughly(f, x, 3, size);
    subtract_wide(f, y, group->x, x, 4, size);
    multiply_wide(f, y, y, slope);
    subtract_wide(f, y, y, group->y, 3, size);
    reduce_roughly(f, y, 2, size);
    replace(group->x, group->adding, x, size);
    replace(group->y, group->adding, y, size);
}

/* As multiply_lanes. Differences are multiplied in two chains, of which the processor does one while it waits for the
   other; inverted are the products of all lanes at once. */
INLINE IFMA void multiply_groups(WideLanes *w, const Limb *rows, Py_ssize_t row_count, const Limb *order,
                                 const Limb *scalars, Limb *xs, Py_ssize_t count, const int limbs, const int size) {
    const WideField *f = &w->field;
    Py_ssize_t groups = (count + 7) / 8;
    memset(w->groups, 0, (size_t)groups * sizeof *w->groups);
    for (Py_ssize_t i = 0; i < count; i++)
        w->groups[i / 8].inside |= (__mmask8)(less(scalars + i * limbs, order, limbs) << i % 8);
    for (Py_ssize_t row = 0; row < row_count; row++) {
        Wide products[2], inverses[2];
        memcpy(products[0], f->one, sizeof f->one);
        memcpy(products[1], f->one, sizeof f->one);
        int any = 0;
        fill_tiles(w, rows + row * DIGITS * 2 * limbs, limbs, size);
        for (Py_ssize_t i = 0; i < groups; i++) {
            Group *group = &w->groups[i];
            set_digits(group, scalars + i * 8 * limbs, row, limbs);
            __mmask8 first = group->adding & (__mmask8)~group->begun;
            if (first) {
                take_terms(w, group, group->x, 0, first, size);
                take_terms(w, group, group->y, 1, first, size);
            }
            group->adding &= group->begun;
            group->begun |= first;
            if (!group->adding)
                continue;
            any = 1;
            Wide term;
            memset(term, 0, sizeof term);
            take_terms(w, group, term, 0, group->adding, size);
            subtract_wide(f, group->difference, term, group->x, 4, size);
            __mmask8 sound = group->adding & ~multiples_of_p(f, group->difference, group->adding, size);
            replace(group->difference, (__mmask8)~sound, f->one, size);
            memcpy(group->before, products[i % 2], sizeof group->before);
            multiply_wide(f, products[i % 2], products[i % 2], group->difference);
        }
        if (!any)
            continue;
        Wide inverse;
        multiply_wide(f, inverse, products[0], products[1]);
        invert_wide(f, inverse, inverse, limbs);
        multiply_wide(f, inverses[0], inverse, products[1]);
        multiply_wide(f, inverses[1], inverse, products[0]);
        for (Py_ssize_t i = groups; i--;)
            if (w->groups[i].adding)
                add_terms(w, &w->groups[i], inverses[i % 2], size);
    }
    Wide unit = {all(1)};
    for (Py_ssize_t i = 0; i < groups; i++) {
        Vector words[MOST];
        Group *group = &w->groups[i];
        multiply_wide(f, group->x, group->x, unit);
        reduce_wide(f, group->x, size);
        join(words, group->x, limbs, size);
        for (Py_ssize_t lane = 0; lane < 8 && 8 * i + lane < count; lane++)
            for (int j = 0; j < limbs; j++)
                xs[(8 * i + lane) * limbs + j] = group->begun >> lane & 1 ? words[j][lane] : ~(Limb)0;
    }
}

INLINE IFMA void multiply_blocks(const Field *from, const Limb *rows, Py_ssize_t row_count, const Limb *order,
                                 const Limb *scalars, Limb *xs, Py_ssize_t count, WideLanes *w, const int limbs,
                                 const int size) {
    set_wide_field(&w->field, from, limbs, size);
    for (Py_ssize_t first = 0; first < count; first += 8 * GROUPS) {
        Py_ssize_t some = count - first < 8 * GROUPS ? count - first : 8 * GROUPS;
        multiply_groups(w, rows, row_count, order, scalars + first * limbs, xs + first * limbs, some, limbs, size);
    }
}

/* As multiply_each, in `memory` of wide_memory() octets, for what fits_wide(). */
IFMA static void multiply_eights(const Field *f, const Limb *rows, Py_ssize_t row_count, const Limb *order,
                                 const Limb *scalars, Limb *xs, Py_ssize_t count, void *memory) {
    WideLanes *w = (WideLanes *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
    switch (f->size) {
    case 4:
        multiply_blocks(f, rows, row_count, order, scalars, xs, count, w, 4, 5);
        return;
    case 6:
        multiply_blocks(f, rows, row_count, order, scalars, xs, count, w, 6, 8);
        return;
    case 7:
        multiply_blocks(f, rows, row_count, order, scalars, xs, count, w, 7, 9);
        return;
    case 8:
        multiply_blocks(f, rows, row_count, order, scalars, xs, count, w, 8, 10);
        return;
    default:
        multiply_blocks(f, rows, row_count, order, scalars, xs, count, w, 9, 11);
    }
}

static size_t wide_memory(Py_ssize_t count) {
    size_t groups = count < 8 * GROUPS ? (size_t)(count + 7) / 8 : GROUPS;
    return 63 + sizeof(WideLanes) + groups * sizeof(Group);
}

static int has_ifma(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma");
}

/* Whether p has a size that multiply_eights knows, R is more than 16 * p, and the highest limb of 52 bits is not 0. */
static int fits_wide(const Field *f) {
    static const int sizes[MOST + 1] = {[4] = 5, [6] = 8, [7] = 9, [8] = 10, [9] = 11};
    int size = sizes[f->size], bits = 64 * f->size - __builtin_clzll(f->p[f->size - 1]);
    return size && bits > 52 * (size - 1) && bits <= 52 * size - 4;
}

#else

static int has_ifma(void) { return 0; }

static int fits_wide(const Field *f) { return 0; }

static size_t wide_memory(Py_ssize_t count) { return 0; }

static void multiply_eights(const Field *f, const Limb *rows, Py_ssize_t row_count, const Limb *order,
                            const Limb *scalars, Limb *xs, Py_ssize_t count, void *memory) {}

#endif
