/* Arithmetic modulo primes of up to 576 bits, for the proofs of curve keys: many multiples of a generator at once, and
   both sides of a curve's equation.

   Numbers are rows of 64-bit limbs, lowest first, as many as the prime has. Nothing here is constant-time: what is
   multiplied stands in a dump. dumpscan/prove/multiples.py says what each function is for, and tests/test_curves.py
   compares it with OpenSSL and with Python's integers. Nothing reads or writes outside the arrays it is given. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if !defined(__SIZEOF_INT128__) || !defined(__GNUC__)
#error "no 128-bit integers"
#endif

#define INLINE static inline __attribute__((always_inline))

typedef uint64_t Limb;
typedef unsigned __int128 Double;

enum { MOST = 9, LANES = 1024, DIGITS = 255 };

/* A prime p; `inverse` is -1/p modulo 2^64, `one` and `square` are R and R^2 modulo p, with R = 2^(64 * size). */
typedef struct {
    int size;
    Limb p[MOST], inverse, one[MOST], square[MOST];
} Field;

typedef Limb Number[MOST];

INLINE int less(const Limb *a, const Limb *b, int size) {
    for (int i = size - 1; i >= 0; i--)
        if (a[i] != b[i])
            return a[i] < b[i];
    return 0;
}

INLINE int is_zero(const Limb *a, int size) {
    Limb any = 0;
    for (int i = 0; i < size; i++)
        any |= a[i];
    return !any;
}

INLINE Limb subtract(Limb *out, const Limb *a, const Limb *b, int size) {
    Limb borrow = 0;
    for (int i = 0; i < size; i++) {
        Double difference = (Double)a[i] - b[i] - borrow;
        out[i] = (Limb)difference;
        borrow = (Limb)(difference >> 64) & 1;
    }
    return borrow;
}

/* a + b as it overflows. Returns the carry. */
INLINE Limb add(Limb *out, const Limb *a, const Limb *b, int size) {
    Limb carry = 0;
    for (int i = 0; i < size; i++) {
        Double sum = (Double)a[i] + b[i] + carry;
        out[i] = (Limb)sum;
        carry = (Limb)(sum >> 64);
    }
    return carry;
}

INLINE void add_in(const Field *f, Limb *out, const Limb *a, const Limb *b, int size) {
    if (add(out, a, b, size) || !less(out, f->p, size))
        subtract(out, out, f->p, size);
}

INLINE void subtract_in(const Field *f, Limb *out, const Limb *a, const Limb *b, int size) {
    if (subtract(out, a, b, size))
        add(out, out, f->p, size);
}

/* a * b / R modulo p (Montgomery, CIOS); one factor is below p, the other may be any number below R. */
INLINE void multiply_sized(const Field *f, Limb *out, const Limb *a, const Limb *b, const int size) {
    Limb total[MOST + 2] = {0};
    for (int i = 0; i < size; i++) {
        Limb carry = 0;
        for (int j = 0; j < size; j++) {
            Double sum = (Double)a[j] * b[i] + total[j] + carry;
            total[j] = (Limb)sum;
            carry = (Limb)(sum >> 64);
        }
        Double top = (Double)total[size] + carry;
        total[size] = (Limb)top;
        total[size + 1] = (Limb)(top >> 64);
        Limb factor = total[0] * f->inverse;
        Double sum = (Double)factor * f->p[0] + total[0];
        carry = (Limb)(sum >> 64);
        for (int j = 1; j < size; j++) {
            sum = (Double)factor * f->p[j] + total[j] + carry;
            total[j - 1] = (Limb)sum;
            carry = (Limb)(sum >> 64);
        }
        top = (Double)total[size] + carry;
        total[size - 1] = (Limb)top;
        total[size] = total[size + 1] + (Limb)(top >> 64);
    }
    if (total[size] || !less(total, f->p, size))
        subtract(out, total, f->p, size);
    else
        for (int i = 0; i < size; i++)
            out[i] = total[i];
}

static void multiply(const Field *f, Limb *out, const Limb *a, const Limb *b) {
    switch (f->size) {
    case 4:
        multiply_sized(f, out, a, b, 4);
        return;
    case 6:
        multiply_sized(f, out, a, b, 6);
        return;
    case 7:
        multiply_sized(f, out, a, b, 7);
        return;
    case 8:
        multiply_sized(f, out, a, b, 8);
        return;
    case 9:
        multiply_sized(f, out, a, b, 9);
        return;
    default:
        multiply_sized(f, out, a, b, f->size);
    }
}

/* Returns 0 if `p` is no odd number of 2 to MOST limbs whose highest limb is not zero. */
static int set_field(Field *f, const Limb *p, Py_ssize_t size) {
    if (size < 2 || size > MOST || !(p[0] & 1) || !p[size - 1])
        return 0;
    f->size = (int)size;
    memcpy(f->p, p, (size_t)size * sizeof(Limb));
    Limb inverse = 1;
    for (int i = 0; i < 6; i++)
        inverse *= 2 - p[0] * inverse;
    f->inverse = (Limb)0 - inverse;
    Number power = {1};
    for (int i = 0; i < 128 * f->size; i++) {
        if (i == 64 * f->size)
            memcpy(f->one, power, sizeof power);
        add_in(f, power, power, power, f->size);
    }
    memcpy(f->square, power, sizeof power);
    return 1;
}

/* 1 / a, by Fermat's theorem. */
static void invert(const Field *f, Limb *out, const Limb *a) {
    Number exponent, two = {2}, result;
    subtract(exponent, f->p, two, f->size);
    memcpy(result, f->one, sizeof result);
    for (int bit = 64 * f->size - 1; bit >= 0; bit--) {
        multiply(f, result, result, result);
        if (exponent[bit / 64] >> (bit % 64) & 1)
            multiply(f, result, result, a);
    }
    memcpy(out, result, sizeof result);
}

/* ------------------------------------------------------------------ points, coordinates in Montgomery form */

typedef struct {
    Number x, y;
} Point;

/* One addition: `sum` becomes itself + `term`. */
typedef struct {
    Point *sum;
    const Limb *term;
    Number difference, before;
} Addition;

/* Add pairs of different, not opposite points, with one inversion for all (Montgomery's trick). A pair that is equal or
   opposite spoils no other; its own sum is then wrong. */
static void add_points(const Field *f, Addition *additions, Py_ssize_t count) {
    const int size = f->size;
    Number product, inverse;
    memcpy(product, f->one, sizeof product);
    for (Py_ssize_t i = 0; i < count; i++) {
        Addition *a = &additions[i];
        subtract_in(f, a->difference, a->term, a->sum->x, size);
        if (is_zero(a->difference, size))
            memcpy(a->difference, f->one, sizeof a->difference);
        memcpy(a->before, product, sizeof product);
        multiply(f, product, product, a->difference);
    }
    invert(f, inverse, product);
    while (count--) {
        Addition *a = &additions[count];
        Point *sum = a->sum;
        Number slope, x, y;
        multiply(f, slope, inverse, a->before);
        multiply(f, inverse, inverse, a->difference);
        subtract_in(f, y, a->term + size, sum->y, size);
        multiply(f, slope, slope, y);
        multiply(f, x, slope, slope);
        subtract_in(f, x, x, sum->x, size);
        subtract_in(f, x, x, a->term, size);
        subtract_in(f, y, sum->x, x, size);
        multiply(f, y, y, slope);
        subtract_in(f, sum->y, y, sum->y, size);
        memcpy(sum->x, x, sizeof x);
    }
}

/* x / z^2 and y / z^3. */
typedef struct {
    Number x, y, z, before;
} Projective;

/* The multiples 1, 2, 4, ... of the first point, whose z is 1, on y^2 = x^3 + a * x + b. */
static void double_repeatedly(const Field *f, Projective *points, Py_ssize_t count, const Limb *a) {
    const int size = f->size;
    for (Projective *from = points, *to = points + 1; to < points + count; from++, to++) {
        Number square, middle, slope, fourth;
        multiply(f, square, from->y, from->y);
        multiply(f, middle, from->x, square);
        add_in(f, middle, middle, middle, size);
        add_in(f, middle, middle, middle, size); /* 4 * x * y^2 */
        multiply(f, fourth, from->z, from->z);
        multiply(f, fourth, fourth, fourth);
        multiply(f, fourth, fourth, a);
        multiply(f, to->x, from->x, from->x);
        add_in(f, slope, to->x, to->x, size);
        add_in(f, slope, slope, to->x, size);
        add_in(f, slope, slope, fourth, size); /* 3 * x^2 + a * z^4 */
        multiply(f, to->x, slope, slope);
        subtract_in(f, to->x, to->x, middle, size);
        subtract_in(f, to->x, to->x, middle, size);
        multiply(f, square, square, square);
        for (int times = 0; times < 3; times++)
            add_in(f, square, square, square, size); /* 8 * y^4 */
        subtract_in(f, middle, middle, to->x, size);
        multiply(f, to->y, slope, middle);
        subtract_in(f, to->y, to->y, square, size);
        multiply(f, to->z, from->y, from->z);
        add_in(f, to->z, to->z, to->z, size);
    }
}

/* Make each z 1, with one inversion for all. */
static void make_affine(const Field *f, Projective *points, Py_ssize_t count) {
    Number product, inverse, power;
    memcpy(product, f->one, sizeof product);
    for (Py_ssize_t i = 0; i < count; i++) {
        memcpy(points[i].before, product, sizeof product);
        multiply(f, product, product, points[i].z);
    }
    invert(f, inverse, product);
    while (count--) {
        Projective *point = &points[count];
        multiply(f, product, inverse, point->before);
        multiply(f, inverse, inverse, point->z);
        multiply(f, power, product, product);
        multiply(f, point->x, point->x, power);
        multiply(f, power, power, product);
        multiply(f, point->y, point->y, power);
        memcpy(point->z, f->one, sizeof point->z);
    }
}

/* The entry of `digit` (1 to 255) in a row of a table. */
INLINE Limb *entry(Limb *row, int digit, int size) { return row + (Py_ssize_t)(digit - 1) * 2 * size; }

static void put(Limb *to, const Limb *x, const Limb *y, int size) {
    memcpy(to, x, (size_t)size * sizeof(Limb));
    memcpy(to + size, y, (size_t)size * sizeof(Limb));
}

enum { EMPTY, BEGUN, OUTSIDE };

typedef struct {
    Point sums[LANES];
    Addition additions[LANES];
    Limb *targets[LANES];
    uint8_t state[LANES];
} Lanes;

/* Add in the first `count` lanes, and put the sums where they belong. */
static void fill_targets(const Field *f, Lanes *lanes, Py_ssize_t count) {
    add_points(f, lanes->additions, count);
    for (Py_ssize_t i = 0; i < count; i++)
        put(lanes->targets[i], lanes->sums[i].x, lanes->sums[i].y, f->size);
}

/* A comb's table: in each row the multiples 1 to 255 of 256 times the point before. `powers` are 8 a row: 1, 2, 4, ...
   times the first point. */
static void fill_table(const Field *f, Limb *rows, Py_ssize_t row_count, const Projective *powers, Lanes *lanes) {
    const int size = f->size;
    for (Py_ssize_t i = 0; i < 8 * row_count; i++)
        put(entry(rows + i / 8 * DIGITS * 2 * size, 1 << i % 8, size), powers[i].x, powers[i].y, size);
    for (int known = 2; known < DIGITS; known *= 2) {
        Py_ssize_t some = 0;
        for (Py_ssize_t row = 0; row < row_count; row++)
            for (int digit = 1; digit < known; digit++) {
                Limb *first = rows + row * DIGITS * 2 * size;
                memcpy(lanes->sums[some].x, entry(first, digit, size), (size_t)size * sizeof(Limb));
                memcpy(lanes->sums[some].y, entry(first, digit, size) + size, (size_t)size * sizeof(Limb));
                lanes->additions[some].sum = &lanes->sums[some];
                lanes->additions[some].term = entry(first, known, size);
                lanes->targets[some++] = entry(first, known + digit, size);
                if (some == LANES) {
                    fill_targets(f, lanes, some);
                    some = 0;
                }
            }
        if (some)
            fill_targets(f, lanes, some);
    }
}

/* x of each scalar's multiple; all ones for a scalar that is 0 or not below the order. */
static void multiply_lanes(const Field *f, const Limb *rows, Py_ssize_t row_count, const Limb *order,
                           const Limb *scalars, Limb *xs, Py_ssize_t count, Lanes *lanes) {
    const int size = f->size;
    for (Py_ssize_t i = 0; i < count; i++)
        lanes->state[i] = less(scalars + i * size, order, size) ? EMPTY : OUTSIDE;
    for (Py_ssize_t row = 0; row < row_count; row++) {
        Py_ssize_t some = 0;
        for (Py_ssize_t i = 0; i < count; i++) {
            const Limb *scalar = scalars + i * size;
            int digit = (int)(scalar[row / 8] >> (row % 8 * 8) & 255);
            if (!digit || lanes->state[i] == OUTSIDE)
                continue;
            const Limb *term = entry((Limb *)rows + row * DIGITS * 2 * size, digit, size);
            if (lanes->state[i] == BEGUN) {
                lanes->additions[some].sum = &lanes->sums[i];
                lanes->additions[some++].term = term;
            } else {
                memcpy(lanes->sums[i].x, term, (size_t)size * sizeof(Limb));
                memcpy(lanes->sums[i].y, term + size, (size_t)size * sizeof(Limb));
                lanes->state[i] = BEGUN;
            }
        }
        if (some)
            add_points(f, lanes->additions, some);
    }
    const Number unit = {1};
    for (Py_ssize_t i = 0; i < count; i++)
        if (lanes->state[i] == BEGUN)
            multiply(f, xs + i * size, lanes->sums[i].x, unit);
        else
            memset(xs + i * size, 255, (size_t)size * sizeof(Limb));
}

/* The same of any number of scalars. */
static void multiply_each(const Field *f, const Limb *rows, Py_ssize_t row_count, const Limb *order,
                          const Limb *scalars, Limb *xs, Py_ssize_t count, Lanes *lanes) {
    for (Py_ssize_t first = 0; first < count; first += LANES)
        multiply_lanes(f, rows, row_count, order, scalars + first * f->size, xs + first * f->size,
                       count - first < LANES ? count - first : LANES, lanes);
}

#include "_curves_ifma.h"

/* ------------------------------------------------------------------ what Python calls */

static int take(PyObject **objects, Py_buffer *views, int count, int read_only) {
    for (int i = 0; i < count; i++)
        if (PyObject_GetBuffer(objects[i], &views[i], i < read_only ? PyBUF_CONTIG_RO : PyBUF_CONTIG) < 0) {
            while (i--)
                PyBuffer_Release(&views[i]);
            return 0;
        }
    return 1;
}

static PyObject *give_back(Py_buffer *views, int count, int fits) {
    while (count--)
        PyBuffer_Release(&views[count]);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit, or no odd modulus of 2 to 9 limbs");
    Py_RETURN_NONE;
}

static PyObject *table(PyObject *self, PyObject *args) {
    PyObject *o[5];
    Py_buffer v[5];
    Field f;
    if (!PyArg_ParseTuple(args, "OOOOO", &o[0], &o[1], &o[2], &o[3], &o[4]) || !take(o, v, 5, 4))
        return NULL;
    Py_ssize_t length = v[0].len;
    int fits = length % 8 == 0 && set_field(&f, v[0].buf, length / 8) && v[1].len == length && v[2].len == length &&
               v[3].len == length && v[4].len % (DIGITS * 2 * length) == 0;
    Py_ssize_t rows = fits ? v[4].len / (DIGITS * 2 * length) : 0;
    Projective *powers = rows && rows <= length ? PyMem_Malloc((size_t)(8 * rows) * sizeof *powers) : NULL;
    Lanes *lanes = powers ? PyMem_Malloc(sizeof *lanes) : NULL;
    if (lanes) {
        Py_BEGIN_ALLOW_THREADS
        Number a;
        multiply(&f, a, v[1].buf, f.square);
        multiply(&f, powers->x, v[2].buf, f.square);
        multiply(&f, powers->y, v[3].buf, f.square);
        memcpy(powers->z, f.one, sizeof powers->z);
        double_repeatedly(&f, powers, 8 * rows, a);
        make_affine(&f, powers, 8 * rows);
        fill_table(&f, v[4].buf, rows, powers, lanes);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(lanes);
    PyMem_Free(powers);
    return give_back(v, 5, lanes != NULL);
}

static int uses_ifma; /* whether `multiples` takes eight scalars at a time where it can */

static PyObject *use_ifma(PyObject *self, PyObject *args) {
    int wanted;
    if (!PyArg_ParseTuple(args, "p", &wanted))
        return NULL;
    uses_ifma = wanted && has_ifma();
    return PyBool_FromLong(uses_ifma);
}

static PyObject *multiples(PyObject *self, PyObject *args) {
    PyObject *o[5];
    Py_buffer v[5];
    Field f;
    if (!PyArg_ParseTuple(args, "OOOOO", &o[0], &o[1], &o[2], &o[3], &o[4]) || !take(o, v, 5, 4))
        return NULL;
    Py_ssize_t length = v[0].len, rows = 0;
    int fits = length % 8 == 0 && set_field(&f, v[0].buf, length / 8) && v[2].len == length &&
               v[1].len % (DIGITS * 2 * length) == 0 && v[3].len % length == 0 && v[4].len == v[3].len;
    if (fits)
        rows = v[1].len / (DIGITS * 2 * length);
    fits = fits && rows <= length;
    Py_ssize_t count = fits ? v[3].len / length : 0;
    int wide = fits && uses_ifma && fits_wide(&f);
    void *memory = fits ? PyMem_Malloc(wide ? wide_memory(count) : sizeof(Lanes)) : NULL;
    if (memory) {
        Py_BEGIN_ALLOW_THREADS
        if (wide)
            multiply_eights(&f, v[1].buf, rows, v[2].buf, v[3].buf, v[4].buf, count, memory);
        else
            multiply_each(&f, v[1].buf, rows, v[2].buf, v[3].buf, v[4].buf, count, memory);
        Py_END_ALLOW_THREADS
        PyMem_Free(memory);
    }
    return give_back(v, 5, memory != NULL);
}

static PyObject *sides(PyObject *self, PyObject *args) {
    PyObject *o[6];
    Py_buffer v[6];
    Field f;
    int divided;
    if (!PyArg_ParseTuple(args, "OOOOOOp", &o[0], &o[1], &o[2], &o[3], &o[4], &o[5], &divided) || !take(o, v, 6, 4))
        return NULL;
    Py_ssize_t length = v[0].len;
    int fits = length % 8 == 0 && set_field(&f, v[0].buf, length / 8) && v[1].len == length && v[2].len == length &&
               v[3].len % length == 0 && v[4].len == v[3].len / length * 8 && v[5].len == v[4].len;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        Number a, b, x, square, cubic;
        const Number unit = {1};
        multiply(&f, a, v[1].buf, f.square);
        multiply(&f, b, v[2].buf, f.square);
        for (Py_ssize_t i = 0; i < v[3].len / length; i++) {
            /* v * R, or (v / R) * R */
            multiply(&f, x, (const Limb *)v[3].buf + i * f.size, divided ? f.one : f.square);
            multiply(&f, square, x, x);
            add_in(&f, cubic, square, a, f.size);
            multiply(&f, cubic, cubic, x);
            add_in(&f, cubic, cubic, b, f.size);
            multiply(&f, square, square, unit);
            multiply(&f, cubic, cubic, unit);
            ((Limb *)v[4].buf)[i] = square[0];
            ((Limb *)v[5].buf)[i] = cubic[0];
        }
        Py_END_ALLOW_THREADS
    }
    return give_back(v, 6, fits);
}

enum { MONTGOMERY, EDWARDS, ISOGENOUS };

typedef struct {
    Number above, below, before;
    int none;
} Fraction;

/* u of the Montgomery form, as a fraction, of what `value` is: u itself; y of the Edwards form, (1 + y) / (1 - y); y of a
   form that an isogeny leads from, y^2 * (1 - d * y^2) / (1 - y^2). */
static void set_fraction(const Field *f, Fraction *u, const Limb *value, const Limb *d, int form) {
    Number square;
    multiply(f, u->above, value, f->square);
    memcpy(u->below, f->one, sizeof u->below);
    if (form == EDWARDS) {
        subtract_in(f, u->below, f->one, u->above, f->size);
        add_in(f, u->above, f->one, u->above, f->size);
    } else if (form == ISOGENOUS) {
        multiply(f, square, u->above, u->above);
        subtract_in(f, u->below, f->one, square, f->size);
        multiply(f, u->above, square, d);
        subtract_in(f, u->above, f->one, u->above, f->size);
        multiply(f, u->above, u->above, square);
    }
    u->none = is_zero(u->below, f->size);
    if (u->none)
        memcpy(u->below, f->one, sizeof u->below);
}

static void put_lows(const Field *f, const Limb *values, Limb *lows, Py_ssize_t count, const Limb *d, const Limb *third,
                     int form, Fraction *us) {
    const Number unit = {1};
    Number product, inverse, x;
    memcpy(product, f->one, sizeof product);
    for (Py_ssize_t i = 0; i < count; i++) {
        set_fraction(f, &us[i], values + i * f->size, d, form);
        memcpy(us[i].before, product, sizeof product);
        multiply(f, product, product, us[i].below);
    }
    invert(f, inverse, product);
    while (count--) {
        multiply(f, x, us[count].above, us[count].before);
        multiply(f, x, x, inverse);
        multiply(f, inverse, inverse, us[count].below);
        add_in(f, x, x, third, f->size);
        multiply(f, x, x, unit);
        lows[count] = us[count].none ? ~(Limb)0 : x[0];
    }
}

static PyObject *public_x(PyObject *self, PyObject *args) {
    PyObject *o[5];
    Py_buffer v[5];
    Field f;
    int form;
    if (!PyArg_ParseTuple(args, "OOOOOi", &o[0], &o[1], &o[2], &o[3], &o[4], &form) || !take(o, v, 5, 4))
        return NULL;
    Py_ssize_t length = v[0].len;
    int fits = length % 8 == 0 && set_field(&f, v[0].buf, length / 8) && v[1].len == length && v[2].len == length &&
               v[3].len % length == 0 && v[4].len == v[3].len / length * 8 && form >= MONTGOMERY && form <= ISOGENOUS;
    Fraction *us = fits ? PyMem_Malloc(LANES * sizeof *us) : NULL;
    if (us) {
        Py_BEGIN_ALLOW_THREADS
        Number third, d;
        Py_ssize_t count = v[3].len / length;
        multiply(&f, third, v[1].buf, f.square);
        multiply(&f, d, v[2].buf, f.square);
        for (Py_ssize_t first = 0; first < count; first += LANES)
            put_lows(&f, (const Limb *)v[3].buf + first * f.size, (Limb *)v[4].buf + first,
                     count - first < LANES ? count - first : LANES, d, third, form, us);
        Py_END_ALLOW_THREADS
        PyMem_Free(us);
    }
    return give_back(v, 5, us != NULL);
}

static PyMethodDef methods[] = {
    {"table", table, METH_VARARGS, "table(p, a, x, y, rows): a comb of the point (x, y), 255 points a row"},
    {"multiples", multiples, METH_VARARGS, "multiples(p, rows, order, scalars, xs)"},
    {"use_ifma", use_ifma, METH_VARARGS,
     "use_ifma(wanted): whether multiples uses AVX-512 IFMA from now on: where it is wanted, and there"},
    {"public_x", public_x, METH_VARARGS,
     "public_x(p, third, d, values, lows, form): x of the Weierstrass form; all ones where there is none"},
    {"sides", sides, METH_VARARGS, "sides(p, a, b, values, squares, cubics, divided)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_curves", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__curves(void) {
    uses_ifma = has_ifma();
    return PyModule_Create(&module);
}
