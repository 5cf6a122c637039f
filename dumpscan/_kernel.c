/* The passes over every word of a window, which NumPy can only do in many small steps.

   Each function does what the Python function beside its call does (the headings name its file; where they name no
   folder, it is in dumpscan/matchers, or dumpscan itself); tests/test_kernel.py holds the two equal. Arrays are NumPy's,
   contiguous, little-endian; results go into arrays of the caller. Nothing here allocates, and nothing reads or writes
   outside the arrays it is given. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define GCC_X86
#include <immintrin.h>
#define VECTORS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VECTORS
#endif

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* Words as they lie in a window: at any address, so the compiler must not take them for aligned. */
#if defined(__GNUC__)
typedef uint64_t Word __attribute__((aligned(1), may_alias));
typedef uint32_t Half __attribute__((aligned(1), may_alias));
#else
typedef uint64_t Word;
typedef uint32_t Half;
#endif
typedef int64_t Place; /* of NumPy's own arrays, which are aligned */

/* The number of the lowest bit of `word` that is set. */
static int lowest_bit(uint64_t word) {
#if defined(__GNUC__)
    return __builtin_ctzll(word);
#else
    int number = 0;
    while (!(word >> number & 1))
        number++;
    return number;
#endif
}

typedef struct {
    Py_buffer view;
    Py_ssize_t count;
} Array;

/* Take the buffer of `object`, of `width` bytes an element. Returns 0, or -1 with an exception set. */
static int take(PyObject *object, Array *array, Py_ssize_t width, int writable) {
    if (PyObject_GetBuffer(object, &array->view, writable ? PyBUF_CONTIG : PyBUF_CONTIG_RO) < 0)
        return -1;
    if (array->view.len % width) {
        PyErr_SetString(PyExc_ValueError, "array of another type");
        PyBuffer_Release(&array->view);
        return -1;
    }
    array->count = array->view.len / width;
    return 0;
}

static void give_back(Array *arrays, int count) {
    while (count--)
        PyBuffer_Release(&arrays[count].view);
}

/* Take `count` arrays; `shape` has for each its bytes an element, capital letters for arrays that are written to. */
static int take_all(PyObject **objects, Array *arrays, const char *shape) {
    for (int i = 0; shape[i]; i++) {
        Py_ssize_t width = shape[i] == 'o' || shape[i] == 'O' ? 1 : shape[i] == 'w' ? 4 : 8;
        if (take(objects[i], &arrays[i], width, shape[i] == 'O' || shape[i] == 'I') < 0) {
            give_back(arrays, i);
            return -1;
        }
    }
    return 0;
}

/* Give back one bit of each of `count` words, up to 64: whether `condition` holds of `word`. The bit of the first word is the
   lowest. GCC makes vectors of this. */
#define RETURN_FLAGS(words, count, condition)                                                                          \
    uint64_t bits = 0;                                                                                                 \
    for (uint64_t i = 0; i < (count); i++) {                                                                           \
        uint64_t word = (words)[i];                                                                                    \
        bits |= (uint64_t)(condition) << i;                                                                            \
    }                                                                                                                  \
    return bits

#define AROUND 72 /* words: 64, and one to eight before */

/* The words from `lead` before word `base` on; where some are not there, a copy with others that have all bits set. */
static const Word *around(const Word *words, Place base, Place count, Place lead, Word *room) {
    Place first = base - lead, missing = first < 0 ? -first : 0;
    if (!missing && first + AROUND <= count)
        return words + first;
    Place there = count - first < AROUND ? count - first : AROUND;
    memset(room, 0xFF, AROUND * sizeof *room);
    memcpy(room + missing, words + first + missing, (size_t)(there - missing) * sizeof *room);
    return room;
}

/* Flags of the words of a window in bits, WordMap.random_bits: that of word i is bit i % 64 of element i / 64 + 1. Before
   the first and behind the last word there are elements of zeros, so that one may look beyond. */
static int are_bits(const Array *array, Py_ssize_t count) {
    const Place *bits = array->view.buf;
    return array->count >= count / 64 + 3 && !bits[0] && !((uint64_t)bits[count / 64 + 1] >> count % 64) &&
           !bits[count / 64 + 2];
}

/* The flags of the words that are `by` words behind those of element `bits`: 0 < by < 64. */
static uint64_t behind(const Word *bits, int by) { return bits[0] >> by | bits[1] << (64 - by); }

/* And of those before. */
static uint64_t before(const Word *bits, int by) { return bits[0] << by | bits[-1] >> (64 - by); }

static int is_set(const Word *bits, Place word) { return (int)(bits[word / 64 + 1] >> word % 64 & 1); }

/* The first word from `word` on that is not flagged. */
static Place run_end(const Word *bits, Place word) {
    Place element = word / 64 + 1;
    uint64_t clear = ~bits[element] >> word % 64;
    if (clear)
        return word + lowest_bit(clear);
    while (!~bits[++element])
        ;
    return 64 * (element - 1) + lowest_bit(~bits[element]);
}

/* Bit i: whether of the flags i to i + 3 at least so many are set. */
typedef struct {
    uint64_t one, two, three, four;
} AtLeast;

static AtLeast of_four(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    return (AtLeast){a | b | c | d, (a & b) | (c & d) | ((a | b) & (c | d)), (a & b & (c | d)) | (c & d & (a | b)),
                     a & b & c & d};
}

static AtLeast first_four(const Word *bits) {
    return of_four(bits[0], behind(bits, 1), behind(bits, 2), behind(bits, 3));
}

static AtLeast next_four(const Word *bits) {
    return of_four(behind(bits, 4), behind(bits, 5), behind(bits, 6), behind(bits, 7));
}

/* Bit i: whether of the flags i to i + 7 at least four are set, or six. */
static uint64_t four_of_eight(AtLeast low, AtLeast high) {
    return low.four | high.four | (low.three & high.one) | (low.two & high.two) | (low.one & high.three);
}

static uint64_t six_of_eight(AtLeast low, AtLeast high) {
    return (low.two & high.four) | (low.three & high.three) | (low.four & high.two);
}

/* ------------------------------------------------------------------ windows.py */

#define PAGE 4096

VECTORS static uint8_t any_bit(const Word *page) {
    uint64_t any = 0;
    for (const Word *end = page + PAGE / 8; page < end && !any; page += 64)
        for (int i = 0; i < 64; i++)
            any |= page[i];
    return any != 0;
}

static PyObject *live_pages(PyObject *self, PyObject *args) {
    PyObject *objects[2];
    Array a[2];
    if (!PyArg_ParseTuple(args, "OO", &objects[0], &objects[1]) || take_all(objects, a, "oO") < 0)
        return NULL;
    uint8_t *out = a[1].view.buf;
    const uint8_t *octets = a[0].view.buf;
    int fits = a[0].count == a[1].count * PAGE;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; fits && i < a[1].count; i++)
        out[i] = any_bit((const Word *)(octets + i * PAGE));
    Py_END_ALLOW_THREADS
    give_back(a, 2);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    Py_RETURN_NONE;
}

/* Copy the pages of `source` that are not all zero to `octets`, and clear those others of `octets` that `live` flags;
   then it flags the pages that were copied. */
VECTORS static void copy_pages(const uint8_t *source, Py_ssize_t count, uint8_t *octets, uint8_t *live) {
    for (Py_ssize_t i = 0; i < count; i++, source += PAGE, octets += PAGE) {
        int any = any_bit((const Word *)source);
        if (any)
            memcpy(octets, source, PAGE);
        else if (live[i])
            memset(octets, 0, PAGE);
        live[i] = (uint8_t)any;
    }
}

#if defined(_WIN32)
static int copy_mapped(const uint8_t *source, Py_ssize_t count, uint8_t *octets, uint8_t *live) {
    copy_pages(source, count, octets, live);
    return 0;
}
#else
static sigjmp_buf out_of_the_file;

static void on_bus_error(int number) {
    (void)number;
    siglongjmp(out_of_the_file, 1);
}

/* copy_pages from a mapped file. Returns -1 if part of it cannot be read: it has shrunk, or the disk fails. Who calls
   keeps the interpreter's lock, so that there is one such handler at a time. */
static int copy_mapped(const uint8_t *source, Py_ssize_t count, uint8_t *octets, uint8_t *live) {
    struct sigaction ours, before;
    memset(&ours, 0, sizeof ours);
    ours.sa_handler = on_bus_error;
    sigemptyset(&ours.sa_mask);
    if (sigaction(SIGBUS, &ours, &before) < 0)
        return -1;
    int failed = sigsetjmp(out_of_the_file, 1);
    if (!failed)
        copy_pages(source, count, octets, live);
    sigaction(SIGBUS, &before, NULL);
    return -failed;
}
#endif

static PyObject *copy_live(PyObject *self, PyObject *args) {
    PyObject *objects[3];
    Array a[3];
    if (!PyArg_ParseTuple(args, "OOO", &objects[0], &objects[1], &objects[2]) || take_all(objects, a, "oOO") < 0)
        return NULL;
    int fits = a[0].count == a[2].count * PAGE && a[1].count == a[0].count;
    int failed = fits && copy_mapped(a[0].view.buf, a[2].count, a[1].view.buf, a[2].view.buf) < 0;
    give_back(a, 3);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    if (failed)
        return PyErr_Format(PyExc_OSError, "a mapped file cannot be read");
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ randomness.py */

VECTORS static uint64_t random_of(const Word *words) {
    RETURN_FLAGS(words, 64, (word + ((uint64_t)1 << 48) >= (uint64_t)1 << 49) & ((word & HIGHS) != 0));
}

/* One byte for each of 64 bits, as far as there is room for them. */
static void unpack(uint64_t bits, uint8_t *bytes, Py_ssize_t room) {
    uint64_t eights[8];
    for (int i = 0; i < 8; i++, bits >>= 8) /* bit n of seven goes to bit 8 n, and the eighth to bit 56 */
        eights[i] = ((bits & 0x7F) * 0x02040810204081u & ONES) | (bits & 0x80) << 49;
    memcpy(bytes, eights, room < 64 ? (size_t)room : 64);
}

/* The bits of the words from `first` to `last` among 64 from `base` on. */
static uint64_t within(Place first, Place last, Place base) {
    uint64_t from = first > base ? ~(uint64_t)0 << (first - base) : ~(uint64_t)0;
    return last - base < 64 ? from & (((uint64_t)1 << (last - base)) - 1) : from;
}

/* Flag the words between `firsts` and `lasts` that look random, in bytes and in bits, and likewise those from which six of
   eight do. All flags are clear before. See randomness.word_map. */
static PyObject *map_words(PyObject *self, PyObject *args) {
    PyObject *objects[7];
    Array a[7];
    if (!PyArg_ParseTuple(args, "OOOOOOO", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4], &objects[5],
                          &objects[6]) ||
        take_all(objects, a, "lllOOII") < 0)
        return NULL;
    const Word *words = a[0].view.buf;
    const Place *firsts = a[1].view.buf, *lasts = a[2].view.buf;
    uint8_t *random = a[3].view.buf, *dense = a[4].view.buf;
    Word *random_bits = a[5].view.buf, *dense_bits = a[6].view.buf;
    Py_ssize_t count = a[0].count, spans = a[1].count;
    int fits = a[2].count == spans && a[3].count == count && a[4].count == count && are_bits(&a[5], count) &&
               are_bits(&a[6], count);
    for (Py_ssize_t i = 0; i < spans && fits; i++)
        fits = firsts[i] >= 0 && firsts[i] < lasts[i] && lasts[i] <= count && (!i || firsts[i] >= lasts[i - 1]);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < spans && fits; i++) {
        for (Place base = firsts[i] / 64 * 64; base < lasts[i]; base += 64) {
            Word room[AROUND];
            random_bits[base / 64 + 1] |= random_of(around(words, base, count, 0, room)) & within(firsts[i], lasts[i], base);
        }
    }
    for (Py_ssize_t i = 0; i < spans && fits; i++) {
        for (Place base = firsts[i] / 64 * 64; base < lasts[i]; base += 64) {
            const Word *r = random_bits + base / 64 + 1;
            uint64_t six = six_of_eight(first_four(r), next_four(r));
            dense_bits[base / 64 + 1] |= six & within(firsts[i], lasts[i], base);
            if (r[0])
                unpack(r[0], random + base, count - base);
            if (dense_bits[base / 64 + 1])
                unpack(dense_bits[base / 64 + 1], dense + base, count - base);
        }
    }
    Py_END_ALLOW_THREADS
    give_back(a, 7);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    Py_RETURN_NONE;
}

static int has_zero(uint64_t word) { return ((word - ONES) & ~word & HIGHS) != 0; }

/* How many of eight words have a byte 00, ff or 48, each of which counts. */
VECTORS static int common_of_eight(const Word *words) {
    int total = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t word = words[i];
        total += has_zero(word) + has_zero(~word) + has_zero(word ^ 0x4848484848484848u);
    }
    return total;
}

/* Whether `count` words are not full of the commonest bytes of machine code; past the last word that one counts. */
static int is_pure(const Word *words, Py_ssize_t start, Py_ssize_t count, Py_ssize_t last) {
    if (count == 8 && start + 8 <= last + 1)
        return common_of_eight(words + start) <= 6;
    Py_ssize_t total = 0, most = count < 6 ? 5 : count < 8 ? 6 : count * 3 / 4;
    for (Py_ssize_t step = 0; step < count && total <= most; step++) {
        uint64_t word = words[start + step < last ? start + step : last];
        total += has_zero(word) + has_zero(~word) + has_zero(word ^ 0x4848484848484848u);
    }
    return total <= most;
}

/* How many of `size` bytes, `stride` apart, are different; less than `least` if they are fewer than that. */
static int distinct_bytes(const uint8_t *from, Py_ssize_t size, Py_ssize_t stride, Py_ssize_t least) {
    uint8_t seen[256] = {0};
    Py_ssize_t again = 0;
    for (Py_ssize_t step = 0; step < size && again <= size - least; step++) {
        uint8_t byte = from[step * stride];
        again += seen[byte];
        seen[byte] = 1;
    }
    return (int)(size - again);
}

/* Whether a row may be random by its bytes; see randomness.various. */
static int is_various(const uint8_t *row, Py_ssize_t size, int least, int uneven) {
    if (distinct_bytes(row, size, 1, least) < least)
        return 0;
    int64_t even[16] = {0}, odd[16] = {0}, squares = 0; /* two, for one would wait for itself */
    for (Py_ssize_t i = 0; i + 1 < size; i += 2) {
        even[row[i] >> 4]++;
        odd[row[i + 1] >> 4]++;
    }
    if (size % 2)
        even[row[size - 1] >> 4]++;
    for (int half = 0; half < 16; half++)
        squares += (even[half] + odd[half]) * (even[half] + odd[half]);
    return 16 * squares <= size * (size + uneven);
}

static PyObject *pure(PyObject *self, PyObject *args) {
    PyObject *objects[3];
    Array a[3];
    Py_ssize_t count;
    if (!PyArg_ParseTuple(args, "OOOn", &objects[0], &objects[1], &objects[2], &count) ||
        take_all(objects, a, "llO") < 0)
        return NULL;
    const Word *words = a[0].view.buf;
    const Place *starts = a[1].view.buf;
    uint8_t *out = a[2].view.buf;
    Py_ssize_t last = a[0].count - 1, some = a[1].count, bad = a[2].count < some;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < some && !bad; i++) {
        if (starts[i] < 0 || last < 0) {
            bad = 1;
            break;
        }
        out[i] = (uint8_t)is_pure(words, starts[i], count, last);
    }
    Py_END_ALLOW_THREADS
    give_back(a, 3);
    if (bad)
        return PyErr_Format(PyExc_ValueError, "positions outside the words");
    Py_RETURN_NONE;
}

static PyObject *distinct(PyObject *self, PyObject *args) {
    PyObject *objects[3];
    Array a[3];
    Py_ssize_t size, stride;
    if (!PyArg_ParseTuple(args, "OOOnn", &objects[0], &objects[1], &objects[2], &size, &stride) ||
        take_all(objects, a, "olI") < 0)
        return NULL;
    const uint8_t *octets = a[0].view.buf;
    const Place *starts = a[1].view.buf;
    Place *out = a[2].view.buf;
    Py_ssize_t some = a[1].count, bad = a[2].count < some || size < 1 || stride < 1;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < some && !bad; i++) {
        if (starts[i] < 0 || starts[i] + (size - 1) * stride >= a[0].count) {
            bad = 1;
            break;
        }
        out[i] = distinct_bytes(octets + starts[i], size, stride, 0);
    }
    Py_END_ALLOW_THREADS
    give_back(a, 3);
    if (bad)
        return PyErr_Format(PyExc_ValueError, "positions outside the octets");
    Py_RETURN_NONE;
}

static PyObject *various(PyObject *self, PyObject *args) {
    PyObject *objects[3];
    Array a[3];
    Py_ssize_t size;
    int least, uneven;
    if (!PyArg_ParseTuple(args, "OOOnii", &objects[0], &objects[1], &objects[2], &size, &least, &uneven) ||
        take_all(objects, a, "olO") < 0)
        return NULL;
    const uint8_t *octets = a[0].view.buf;
    const Place *starts = a[1].view.buf;
    uint8_t *out = a[2].view.buf;
    Py_ssize_t some = a[1].count, bad = a[2].count < some || size < 1;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < some && !bad; i++) {
        if (starts[i] < 0 || starts[i] + size > a[0].count) {
            bad = 1;
            break;
        }
        out[i] = (uint8_t)is_various(octets + starts[i], size, least, uneven);
    }
    Py_END_ALLOW_THREADS
    give_back(a, 3);
    if (bad)
        return PyErr_Format(PyExc_ValueError, "positions outside the octets");
    Py_RETURN_NONE;
}

static int is_small(uint64_t word) { return word + ((uint64_t)1 << 48) < (uint64_t)1 << 49; }

static Place *put_once(Place *out, const Place *first, Place place) {
    if (out == first || out[-1] != place)
        *out++ = place;
    return out;
}

/* Where numbers may begin and end, next to runs of random words; see randomness.borders. */
static PyObject *borders(PyObject *self, PyObject *args) {
    PyObject *objects[5];
    Array a[5];
    int least, uneven;
    if (!PyArg_ParseTuple(args, "OOOOOii", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4], &least,
                          &uneven) ||
        take_all(objects, a, "lllII") < 0)
        return NULL;
    const Word *words = a[0].view.buf, *random = a[1].view.buf, *dense = a[2].view.buf;
    const uint8_t *octets = a[0].view.buf;
    Place *first = a[3].view.buf, *after = a[4].view.buf, *first_out = first, *after_out = after;
    Py_ssize_t count = a[0].count;
    if (!are_bits(&a[1], count) || !are_bits(&a[2], count) || a[3].count < count + 2 || a[4].count < count + 2) {
        give_back(a, 5);
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    }
#define JUDGED(start) (is_pure(words, start, 8, count - 1) && is_various(octets + 8 * (start), 64, least, uneven))
    Py_BEGIN_ALLOW_THREADS
    for (Place base = 0; base <= count; base += 64) {
        const Word *r = random + base / 64 + 1, *d = dense + base / 64 + 1;
        for (uint64_t set = r[0] & ~before(r, 1) & d[0]; set; set &= set - 1) {
            Place begin = base + lowest_bit(set);
            if (begin + 8 > count || !(begin < 2 || !is_set(random, begin - 2) || is_small(words[begin - 1])) ||
                !JUDGED(begin))
                continue;
            if (begin > 0 && !is_small(words[begin - 1]))
                first_out = put_once(first_out, first, begin - 1);
            first_out = put_once(first_out, first, begin);
        }
        for (uint64_t set = ~r[0] & before(r, 1) & before(d, 8); set; set &= set - 1) {
            Place end = base + lowest_bit(set);
            if (!(end >= count - 1 || !is_set(random, end + 1) || is_small(words[end])) || !JUDGED(end - 8))
                continue;
            after_out = put_once(after_out, after, end);
            if (end < count && !is_small(words[end]))
                after_out = put_once(after_out, after, end + 1);
        }
    }
    Py_END_ALLOW_THREADS
#undef JUDGED
    give_back(a, 5);
    return Py_BuildValue("nn", (Py_ssize_t)(first_out - first), (Py_ssize_t)(after_out - after));
}

/* ------------------------------------------------------------------ integers.py */

/* How an array of digits is told: its words have none of the bits `unused`, its digits are of `width` bytes, it has
   `least` words, and so many different bytes; see integers._digit_starts. */
typedef struct {
    uint64_t unused, width, least, tops, different, half_tops;
} Digits;

#define SIZE_BEFORE ((uint64_t)1 << 16)
#define TOP ((uint64_t)3 << 62) /* bits that no kind of digits uses */

/* Whether an array of digits may begin at word `start`, of words that are random enough and have no unused bits. */
static int is_digits(const Word *words, Place start, Place last, const Digits *d) {
    const uint8_t *octets = (const uint8_t *)(words + start);
    Py_ssize_t least = (Py_ssize_t)d->least, width = (Py_ssize_t)d->width;
    int behind_size = words[start - 1] < SIZE_BEFORE, tops = (int)d->tops, half_tops = (int)d->half_tops;
    if (!behind_size && !is_pure(words, start, least, last))
        return 0;
    int different = distinct_bytes(octets, 8 * least, 1, 5 * least);
    if (different < 5 * least)
        return 0;
    if (behind_size && least <= 4)
        return 1;
    if (distinct_bytes(octets + width - 1, 8 * least / width, width, tops) < tops)
        return 0;
    if (least > 4)
        return 1;
    return different >= (int)d->different && distinct_bytes(octets + 3, least, 8, half_tops) >= half_tops &&
           distinct_bytes(octets + 7, least, 8, half_tops) >= half_tops;
}

/* The words without a bit of `mask`. */
VECTORS static uint64_t without(const Word *words, uint64_t count, uint64_t mask) {
    RETURN_FLAGS(words, count, (word & mask) == 0);
}

/* The words of 64 below `limit`. */
VECTORS static uint64_t below(const Word *words, uint64_t limit) { RETURN_FLAGS(words, 64, word < limit); }

/* Which words of 64 are the first of four, and the first of eight, without a bit of `mask`; and whether the word before is
   without. `words` begin with that before the first. */
typedef struct {
    uint64_t four, eight, previous;
} Clear;

static Clear clear_of(const Word *words, uint64_t mask) {
    const Word c[2] = {without(words, 64, mask), without(words + 64, 8, mask)};
    uint64_t four = behind(c, 1) & behind(c, 2) & behind(c, 3) & behind(c, 4);
    return (Clear){four, four & behind(c, 5) & behind(c, 6) & behind(c, 7) & behind(c, 8), c[0]};
}

#define MOST_DIGITS 8 /* kinds of digits */

/* For each of the rows of `digits` where arrays of them begin: as many as its part of `places` has room for. */
static PyObject *digit_starts(PyObject *self, PyObject *args) {
    PyObject *objects[5];
    Array a[5];
    if (!PyArg_ParseTuple(args, "OOOOO", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4]) ||
        take_all(objects, a, "lllII") < 0)
        return NULL;
    const Word *words = a[0].view.buf, *random = a[1].view.buf;
    const Digits *digits = a[2].view.buf;
    Place *out = a[3].view.buf, *totals = a[4].view.buf;
    Py_ssize_t count = a[0].count, kinds = a[2].view.len / (Py_ssize_t)sizeof(Digits);
    int fits = are_bits(&a[1], count) && kinds > 0 && kinds <= MOST_DIGITS && a[4].count >= kinds;
    for (Py_ssize_t kind = 0; kind < kinds && fits; kind++)
        fits = (digits[kind].unused & TOP) == TOP && (digits[kind].width == 4 || digits[kind].width == 8) &&
               (digits[kind].least == 4 || digits[kind].least == 8);
    if (!fits) {
        give_back(a, 5);
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    }
    Py_ssize_t room = a[3].count / kinds;
    Py_BEGIN_ALLOW_THREADS
    memset(totals, 0, (size_t)kinds * sizeof *totals);
    for (Place base = 0; base < count; base += 64) {
        const Word *r = random + base / 64 + 1;
        AtLeast low = first_four(r), high = next_four(r);
        uint64_t half = four_of_eight(low, high);
        uint64_t likely = (r[0] | behind(r, 1)) & (low.two | half) & (base ? ~(uint64_t)0 : ~(uint64_t)1);
        if (!likely)
            continue;
        Word room_around[AROUND];
        const Word *from = around(words, base, count, 1, room_around);
        if (!(clear_of(from, TOP).four & likely))
            continue;
        uint64_t size_before = below(from, SIZE_BEFORE), of_four_words = low.three | (size_before & low.two);
        uint64_t of_eight_words = six_of_eight(low, high) | (size_before & half);
        Clear clear = {0, 0, 0};
        for (Py_ssize_t kind = 0; kind < kinds; kind++) {
            const Digits *d = digits + kind;
            if (!kind || d->unused != d[-1].unused)
                clear = clear_of(from, d->unused);
            uint64_t set = clear.four & likely & ~(clear.previous & before(r, 1)) & (low.two | (clear.eight & half));
            set &= d->least == 4 ? of_four_words : clear.eight & of_eight_words;
            for (; set && totals[kind] < room; set &= set - 1) {
                Place start = base + lowest_bit(set);
                if (is_digits(words, start, count - 1, d))
                    out[kind * room + totals[kind]++] = start;
            }
        }
    }
    Py_END_ALLOW_THREADS
    give_back(a, 5);
    Py_RETURN_NONE;
}

/* Those of `starts` (bytes) from which `count` digits of `width` bytes stand, the highest from `least` to `most`. */
static PyObject *digit_numbers(PyObject *self, PyObject *args) {
    PyObject *objects[3];
    Array a[3];
    unsigned long long unused, least, most;
    Py_ssize_t width, digits;
    if (!PyArg_ParseTuple(args, "OOOKnnKK", &objects[0], &objects[1], &objects[2], &unused, &width, &digits, &least,
                          &most) ||
        take_all(objects, a, "llI") < 0)
        return NULL;
    const Word *words = a[0].view.buf;
    const Place *starts = a[1].view.buf;
    Place *out = a[2].view.buf;
    Py_ssize_t some = a[1].count, found = 0, bad = a[2].count < some || (width != 4 && width != 8) || digits < 1;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < some && !bad; i++) {
        bad = starts[i] < 0 || starts[i] % 8;
        if (bad || starts[i] + digits * width > 8 * a[0].count)
            continue;
        const uint8_t *number = (const uint8_t *)words + starts[i];
        uint64_t top = 0;
        memcpy(&top, number + (digits - 1) * width, (size_t)width);
        if (top < least || top > most)
            continue;
        Py_ssize_t step = digits * width / 8 - 1;
        while (step > 0 && !(words[starts[i] / 8 + step] & unused))
            step--;
        if (step <= 0)
            out[found++] = starts[i];
    }
    Py_END_ALLOW_THREADS
    give_back(a, 3);
    if (bad)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    return PyLong_FromSsize_t(found);
}

/* ------------------------------------------------------------------ prove/rsa_products.py */

enum { COARSE_BITS = 18, FINE_BITS = 22 };

/* What products may be: by bits of their lowest half words a set that the innermost cache holds, and by the highest bits of
   their lowest words one by which most of the others are dismissed. */
typedef struct {
    uint32_t coarse[1 << (COARSE_BITS - 5)], fine[1 << (FINE_BITS - 5)];
} Known;

static uint64_t coarse_of(uint64_t product) { return (uint32_t)product >> (32 - COARSE_BITS); }

static uint64_t fine_of(uint64_t product) { return product >> (64 - FINE_BITS); }

static void set_bit(uint32_t *bits, uint64_t at) { bits[at >> 5] |= (uint32_t)1 << (at & 31); }

static int has_bit(const uint32_t *bits, uint64_t at) { return (int)(bits[at >> 5] >> (at & 31) & 1); }

#ifdef GCC_X86
/* Which of 64 half words times `by` are in the coarse set. */
__attribute__((target("avx512f"))) static uint64_t likely_vectors(const Half *low, uint32_t by, const Known *known) {
    uint64_t likely = 0;
    for (int i = 0; i < 4; i++) {
        __m512i product = _mm512_mullo_epi32(_mm512_loadu_si512(low + 16 * i), _mm512_set1_epi32((int)by));
        __m512i key = _mm512_srli_epi32(product, 32 - COARSE_BITS);
        __m512i words = _mm512_i32gather_epi32(_mm512_srli_epi32(key, 5), known->coarse, 4);
        __m512i bits = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(key, _mm512_set1_epi32(31)));
        likely |= (uint64_t)_mm512_test_epi32_mask(words, bits) << 16 * i;
    }
    return likely;
}

static int has_vectors(void) { return __builtin_cpu_supports("avx512f"); }
#else
static uint64_t likely_vectors(const Half *low, uint32_t by, const Known *known) { return 0; }

static int has_vectors(void) { return 0; }
#endif

static uint64_t likely_words(const Half *low, uint32_t by, const Known *known) {
    uint64_t likely = 0;
    for (int i = 0; i < 64; i++)
        likely |= (uint64_t)has_bit(known->coarse, coarse_of(low[i] * by)) << i;
    return likely;
}

/* Pairs of `values`, the first of which is from `first` to `end` and the other up to `steps` behind it, whose product
   modulo 2**64 may be one of `moduli`. As index * 2**32 + index of the other; as many as there is room for. `wide` lets it
   use vectors. */
static PyObject *products(PyObject *self, PyObject *args) {
    PyObject *objects[3];
    Array a[3];
    Py_ssize_t first, end, steps;
    int wide;
    if (!PyArg_ParseTuple(args, "OOnnnOp", &objects[0], &objects[1], &first, &end, &steps, &objects[2], &wide) ||
        take_all(objects, a, "llI") < 0)
        return NULL;
    const Word *values = a[0].view.buf, *moduli = a[1].view.buf;
    Place *out = a[2].view.buf;
    Py_ssize_t count = a[0].count, found = 0, room = a[2].count;
    if (count >= INT32_MAX - 64 || first < 0 || end > count || steps < 0 || steps > count) {
        give_back(a, 3);
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    }
    Known *known = calloc(1, sizeof *known);
    Half *low = calloc((size_t)count + 64, sizeof *low); /* zeros behind them */
    if (known && low) {
        Py_BEGIN_ALLOW_THREADS
        uint64_t (*likely)(const Half *, uint32_t, const Known *) = wide && has_vectors() ? likely_vectors : likely_words;
        for (Py_ssize_t i = 0; i < a[1].count; i++) {
            set_bit(known->coarse, coarse_of(moduli[i]));
            set_bit(known->fine, fine_of(moduli[i]));
        }
        for (Py_ssize_t i = 0; i < count; i++)
            low[i] = (uint32_t)values[i];
        for (Py_ssize_t i = first; i < end; i++) {
            Py_ssize_t last = i + steps < count - 1 ? i + steps : count - 1;
            for (Py_ssize_t from = i + 1; from <= last; from += 64) {
                uint64_t set = likely(low + from, low[i], known);
                if (last - from < 63)
                    set &= ((uint64_t)1 << (last - from + 1)) - 1;
                for (; set; set &= set - 1) {
                    Py_ssize_t j = from + lowest_bit(set);
                    if (has_bit(known->fine, fine_of(values[i] * values[j])) && found < room)
                        out[found++] = (Place)i << 32 | j;
                }
            }
        }
        Py_END_ALLOW_THREADS
    }
    give_back(a, 3);
    int failed = !known || !low;
    free(known);
    free(low);
    return failed ? PyErr_NoMemory() : PyLong_FromSsize_t(found);
}

/* Whether a number of `size` bytes stands at byte `start` of `count` that is odd by its byte `low`, has the highest bit of
   byte `high` set (if that is not negative), and looks random from its first whole word to its last. */
static int may_stand(const uint8_t *octets, const uint8_t *dense, Place count, Place start, Place size, Place low,
                     Place high) {
    if (start < 0 || start > count - size || !(octets[start + low] & 1) || (high >= 0 && octets[start + high] < 128))
        return 0;
    Place first = (start + 7) / 8, word = first, end = first + size / 8 - 8;
    while (word < end && dense[word])
        word += 8;
    if (word < end)
        return 0;
    if (high < 0)
        return 1;
    Place tail = (start + size) / 8 - 8; /* the last words too, and the first of a short number */
    if (tail < 0)
        tail = 0;
    return dense[first < tail ? first : tail] && dense[tail];
}

/* ------------------------------------------------------------------ sieve.py */

#define GROUPS 16
#define MOST_SIEVED 512 /* bytes of a number */

#define FIRST 4 /* groups of the smallest primes, which divide three numbers of four */

/* Whether 3, 5, 7, 13 or 17 divides, which are in the groups too: they divide 2**48 - 1, so the sum of the digits of 48
   bits tells. */
static int divided_at_once(const uint8_t *row, Py_ssize_t size) {
    uint64_t sum = 0, digit;
    Py_ssize_t at = 0;
    for (; at + 8 <= size; at += 6) {
        memcpy(&digit, row + at, 8);
        sum += digit & 0xFFFFFFFFFFFF;
    }
    for (; at < size; at += 6) {
        digit = 0;
        memcpy(&digit, row + at, (size_t)(size - at < 6 ? size - at : 6));
        sum += digit;
    }
    return sum % 3 == 0 || sum % 5 == 0 || sum % 7 == 0 || sum % 13 == 0 || sum % 17 == 0;
}

/* Numbers modulo the products of groups, not yet reduced: sums below 2**50. */
VECTORS static void first_sums(const uint8_t *row, Py_ssize_t digits, const uint32_t *weights, uint64_t *sums) {
    uint64_t total[FIRST] = {0};
    for (Py_ssize_t i = 0; i < digits; i++) {
        uint16_t digit;
        memcpy(&digit, row + 2 * i, 2);
        for (int group = 0; group < FIRST; group++)
            total[group] += (uint64_t)(uint32_t)digit * weights[i * GROUPS + group];
    }
    memcpy(sums, total, sizeof total);
}

VECTORS static void other_sums(const uint8_t *row, Py_ssize_t digits, const uint32_t *weights, uint64_t *sums) {
    uint64_t total[GROUPS] = {0};
    for (Py_ssize_t i = 0; i < digits; i++) {
        uint16_t digit;
        memcpy(&digit, row + 2 * i, 2);
        for (int group = 0; group < GROUPS; group++)
            total[group] += (uint64_t)(uint32_t)digit * weights[i * GROUPS + group];
    }
    memcpy(sums, total, sizeof total);
}

/* Whether no prime of the groups divides. A prime divides a number of 32 bits where the product of that with the inverse
   of the prime modulo 2**32 is at most the greatest multiplier of the prime (Granlund and Montgomery, 1994, section 9). */
static int coprime(const uint64_t *sums, const uint32_t *products, const uint32_t *inverses, const uint32_t *greatest,
                   Py_ssize_t width, int from, int to) {
    for (int group = from; group < to; group++) {
        uint32_t rest = (uint32_t)(sums[group] % products[group]), divides = 0;
        for (Py_ssize_t i = group * width; i < (group + 1) * width; i++)
            divides |= rest * inverses[i] <= greatest[i];
        if (divides)
            return 0;
    }
    return 1;
}

/* The primes in groups: `weights` (digits * GROUPS) are the powers of 2**16 modulo the products of the groups; `inverses`
   and `greatest` (GROUPS * width) are of the primes of each group, and 1 and 0 where there is none. */
typedef struct {
    const uint32_t *weights, *products, *inverses, *greatest;
    Py_ssize_t digits, width;
} Sieve;

/* Take a sieve from four arrays. Returns 0 if they do not fit. */
static int set_sieve(Sieve *sieve, const Array *a) {
    *sieve = (Sieve){a[0].view.buf, a[1].view.buf, a[2].view.buf, a[3].view.buf, a[0].count / GROUPS, a[2].count / GROUPS};
    return a[1].count >= GROUPS && a[3].count >= a[2].count;
}

/* Whether no prime of the groups divides a little-endian number of `size` bytes, an even number. */
static int is_sieved(const Sieve *sieve, const uint8_t *row, Py_ssize_t size) {
    uint64_t sums[GROUPS];
    if (divided_at_once(row, size))
        return 0;
    first_sums(row, size / 2, sieve->weights, sums);
    if (!coprime(sums, sieve->products, sieve->inverses, sieve->greatest, sieve->width, 0, FIRST))
        return 0;
    other_sums(row, size / 2, sieve->weights, sums);
    return coprime(sums, sieve->products, sieve->inverses, sieve->greatest, sieve->width, FIRST, GROUPS);
}

/* Flag the numbers of `size` bytes in `table` that no prime of the groups divides. */
static PyObject *sieved(PyObject *self, PyObject *args) {
    PyObject *objects[6];
    Array a[6];
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "OOOOOOn", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4], &objects[5],
                          &size) ||
        take_all(objects, a, "owwwwO") < 0)
        return NULL;
    uint8_t *out = a[5].view.buf;
    Sieve sieve;
    Py_ssize_t some = size > 0 ? a[0].count / size : 0;
    int fits = set_sieve(&sieve, a + 1) && size >= 2 && size <= MOST_SIEVED && size % 2 == 0 &&
               sieve.digits >= size / 2 && a[5].count >= some;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < some && fits; i++)
        out[i] = (uint8_t)is_sieved(&sieve, (const uint8_t *)a[0].view.buf + i * size, size);
    Py_END_ALLOW_THREADS
    give_back(a, 6);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ rsa_limbs.py */

enum { LIMBS, OCTETS, JAVA, ENCODINGS };

typedef struct {
    const uint8_t *octets, *dense;
    Place count, size, low, high; /* bytes of the octets, bytes of a number, which of them hold its ends */
    Place *out;
    Py_ssize_t found, room;
} Numbers;

static void add_number(Numbers *n, Place start) {
    if (may_stand(n->octets, n->dense, n->count, start, n->size, n->low, n->high) && n->found < n->room)
        n->out[n->found++] = start;
}

/* Where a number may begin at a word, or half a word before or behind: that of words of 32 bits may. */
static void add_halves(Numbers *n, Place word) {
    for (Place half = -4; half <= 4; half += 4)
        add_number(n, 8 * word + half);
}

/* The same, but for octets at the word only: their other places are looked at where their length fits. */
static void add_aligned(Numbers *n, Place word, int encoding) {
    if (encoding == OCTETS)
        add_number(n, 8 * word);
    else
        add_halves(n, word);
}

/* All the places of one size and encoding; see rsa_limbs._sieved. */
static void add_places(Numbers *n, const Place *begins, Py_ssize_t begin_count, const Place *ends, Py_ssize_t end_count,
                       int encoding, Place multiples) {
    Place words = n->size / 8;
    Py_ssize_t next = 0;
    for (Py_ssize_t i = 0; i < begin_count; i++) {
        Place begin = begins[i];
        add_aligned(n, begin, encoding);
        if (begin < 3 || !n->dense[begin - 3])
            for (Place times = 1; times < multiples; times++)
                add_aligned(n, begin + times * words, encoding);
        while (next < end_count && ends[next] < begin + 6)
            next++;
        if (encoding != OCTETS || !end_count)
            continue;
        Place end = ends[next < end_count ? next : end_count - 1], length = end > begin ? end - begin : 0;
        if (length - words < -1 || length - words > 1)
            continue;
        for (Place shift = -7; shift < 8; shift++)
            if (shift)
                add_number(n, 8 * begin + shift);
    }
    for (Py_ssize_t i = 0; i < end_count; i++)
        add_aligned(n, ends[i] - words, encoding);
}

/* Whether all of an array's places are from `first` to `last`. */
static int are_words(const Array *array, Place first, Place last) {
    const Place *places = array->view.buf;
    for (Py_ssize_t i = 0; i < array->count; i++)
        if (places[i] < first || places[i] > last)
            return 0;
    return 1;
}

static int by_place(const void *one, const void *other) {
    Place a = *(const Place *)one, b = *(const Place *)other;
    return (a > b) - (a < b);
}

/* Each place once, in order. Returns how many there are. */
static Py_ssize_t sort_once(Place *places, Py_ssize_t count) {
    Place *out = places;
    qsort(places, (size_t)count, sizeof *places, by_place);
    for (Py_ssize_t i = 0; i < count; i++)
        out = put_once(out, places, places[i]);
    return out - places;
}

/* The bytes of a number, lowest first: where they lie, or copied to `row`. */
static const uint8_t *lowest_first(const uint8_t *from, Place size, int encoding, uint8_t *row) {
    if (encoding == LIMBS)
        return from;
    for (Place at = 0; at < size && encoding == OCTETS; at++)
        row[at] = from[size - 1 - at];
    for (Place at = 0; at < size && encoding == JAVA; at += 4)
        memcpy(row + at, from + size - 4 - at, 4);
    return row;
}

/* For each of `sizes` (bytes) and each encoding, the places next to `begins` and `ends` (words) where numbers stand that
   may be primes or moduli, one after the other in `places`. `totals` says how many, and whether there were more to be
   sieved than `most`, or than there is room for. */
static PyObject *rsa_integers(PyObject *self, PyObject *args) {
    PyObject *objects[12];
    Array a[12];
    Py_ssize_t multiples, most;
    int uneven;
    if (!PyArg_ParseTuple(args, "OOOOOOOOOOOOnni", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4],
                          &objects[5], &objects[6], &objects[7], &objects[8], &objects[9], &objects[10], &objects[11],
                          &multiples, &most, &uneven) ||
        take_all(objects, a, "oollllwwwwII") < 0)
        return NULL;
    const Place *begins = a[2].view.buf, *ends = a[3].view.buf, *sizes = a[4].view.buf, *least = a[5].view.buf;
    Place *totals = a[11].view.buf, words = a[0].count / 8;
    Sieve sieve;
    Py_ssize_t kinds = a[4].count, used = 0;
    int fits = set_sieve(&sieve, a + 6) && a[1].count >= words && a[5].count >= kinds && most >= 0 &&
               a[11].count >= 2 * kinds * ENCODINGS;
    for (Py_ssize_t i = 0; i < kinds && fits; i++)
        fits = sizes[i] >= 64 && sizes[i] % 8 == 0 && sizes[i] <= MOST_SIEVED && sizes[i] / 2 <= sieve.digits;
    fits = fits && are_words(&a[2], 0, words - 1) && are_words(&a[3], 0, words);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t part = 0; part < kinds * ENCODINGS && fits; part++) {
        int encoding = (int)(part % ENCODINGS);
        Place size = sizes[part / ENCODINGS], low[] = {0, size - 1, size - 4}, high[] = {size - 1, 0, 3};
        Numbers n = {a[0].view.buf, a[1].view.buf, a[0].count, size, low[encoding], high[encoding],
                     (Place *)a[10].view.buf + used, 0, a[10].count - used};
        add_places(&n, begins, a[2].count, ends, a[3].count, encoding, multiples);
        Py_ssize_t some = sort_once(n.out, n.found), kept = 0;
        totals[2 * part + 1] = n.found == n.room || some > most;
        for (Py_ssize_t i = 0; i < some && i < most; i++) {
            uint8_t row[MOST_SIEVED];
            const uint8_t *from = n.octets + n.out[i];
            if (is_sieved(&sieve, lowest_first(from, size, encoding, row), size) &&
                is_various(from, size, (int)least[part / ENCODINGS], uneven))
                n.out[kept++] = n.out[i];
        }
        totals[2 * part] = kept;
        used += kept;
    }
    Py_END_ALLOW_THREADS
    give_back(a, 12);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ rsa_exponents.py */

/* All the places of one width and encoding, of moduli of `words` words; see rsa_exponents._places. */
static void add_exponents(Numbers *n, const Place *begins, Py_ssize_t begin_count, const Place *ends,
                          Py_ssize_t end_count, int encoding, Place words) {
    Py_ssize_t next = 0;
    for (Py_ssize_t i = 0; i < begin_count; i++) {
        add_halves(n, begins[i]);
        while (next < end_count && ends[next] < begins[i] + words - 2)
            next++;
        if (encoding == OCTETS && next < end_count && ends[next] <= begins[i] + words + 1)
            for (Place shift = -15; shift < 8; shift++)
                add_number(n, 8 * begins[i] + shift);
    }
    for (Py_ssize_t i = 0; i < end_count; i++) {
        add_halves(n, ends[i] - words);
        if (n->size < 8 * words)
            add_number(n, 8 * ends[i] - n->size);
    }
}

/* For each of `sizes` (bytes of a modulus) the places of its exponents, one after the other in `places`: limbs, words of
   Java, octets, and octets of one byte less. `totals` says how many, and the last of them whether there was no room. */
static PyObject *rsa_exponents(PyObject *self, PyObject *args) {
    PyObject *objects[7];
    Array a[7];
    if (!PyArg_ParseTuple(args, "OOOOOOO", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4], &objects[5],
                          &objects[6]) ||
        take_all(objects, a, "oolllII") < 0)
        return NULL;
    static const int READINGS[] = {LIMBS, JAVA, OCTETS, OCTETS};
    const Place *sizes = a[4].view.buf;
    Place *totals = a[6].view.buf, words = a[0].count / 8;
    Py_ssize_t kinds = a[4].count, used = 0;
    int fits = a[1].count >= words && a[6].count >= 4 * kinds + 1;
    for (Py_ssize_t i = 0; i < kinds && fits; i++)
        fits = sizes[i] >= 64 && sizes[i] % 8 == 0;
    fits = fits && are_words(&a[2], -1, words) && are_words(&a[3], 0, words + 1);
    Py_BEGIN_ALLOW_THREADS
    if (fits)
        totals[4 * kinds] = 0;
    for (Py_ssize_t part = 0; part < 4 * kinds && fits; part++) {
        int encoding = READINGS[part % 4];
        Place size = sizes[part / 4] - (part % 4 == 3), low[] = {0, size - 1, size - 4};
        Numbers n = {a[0].view.buf, a[1].view.buf, a[0].count, size, low[encoding], -1,
                     (Place *)a[5].view.buf + used, 0, a[5].count - used};
        add_exponents(&n, a[2].view.buf, a[2].count, a[3].view.buf, a[3].count, encoding, sizes[part / 4] / 8);
        totals[part] = sort_once(n.out, n.found);
        totals[4 * kinds] |= n.found == n.room;
        used += totals[part];
    }
    Py_END_ALLOW_THREADS
    give_back(a, 7);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ aes_schedules.py */

typedef struct {
    int xor_at, plain, pairs, repeats[5], length;
} Relation;

static const Relation RELATIONS[] = {
    {2, 0, 1, {2, 4}, 2},  {4, 0, 1, {3, 6}, 2},           {6, 0, 1, {2, 4}, 2},
    {0, 6, 1, {2, 4}, 2},  {0, 4, 0, {1, 8, 9, 12, 13}, 5}, {0, 10, 1, {2, 4}, 2},
};
#define RELATION_COUNT 6
#define REACH 40 /* 32-bit words beyond a place that a relation looks at */

static int holds(const Half *w, const Relation *r, int at) {
    const Half *x = w + at + r->xor_at + 1, *p = w + at + r->plain;
    if (r->pairs)
        return p[0] && p[1] && (x[0] ^ x[1]) == p[0] && (x[1] ^ x[2]) == p[1];
    return p[0] && w[at + 1] && w[at + 2] && (x[0] ^ x[1]) == p[0];
}

static int repeats(const Half *w, const Relation *r) {
    const Half *p = w + r->plain;
    if (!holds(w, r, 0))
        return 0;
    for (int i = 0; i < r->length; i++)
        if (!holds(w, r, r->repeats[i] * (r->pairs ? 2 : 1)))
            return 0;
    return p[0] >> 16 && p[0] & 0xFFFF && p[1] >> 16 && p[1] & 0xFFFF;
}

/* Whether one of the relations may hold at one of 32 words: the first of those compared equals the XOR, and neither
   half of it is zero. The last place looks at word 31 + 10. */
VECTORS static uint32_t may_hold(const Half *w) {
    uint32_t any = 0;
    for (int i = 0; i < 32; i++) {
        uint32_t first = w[i], reversed = w[i + 1] ^ w[i + 2];
        uint32_t forward = (first == (w[i + 3] ^ w[i + 4])) | (first == (w[i + 5] ^ w[i + 6])) |
                           (first == (w[i + 7] ^ w[i + 8]));
        uint32_t backward = (reversed == w[i + 6]) | (reversed == w[i + 4]) | (reversed == w[i + 10]);
        any |= forward & (first > 0xFFFF) & ((first & 0xFFFF) != 0);
        any |= backward & (reversed > 0xFFFF) & ((reversed & 0xFFFF) != 0);
    }
    return any;
}

/* Where relations hold among `words`, at the first `count` of them, as place * 8 + number of the relation. */
static PyObject *aes_relations(PyObject *self, PyObject *args) {
    PyObject *objects[2];
    Array a[2];
    Py_ssize_t first, end;
    if (!PyArg_ParseTuple(args, "OOnn", &objects[0], &objects[1], &first, &end) || take_all(objects, a, "wI") < 0)
        return NULL;
    const Half *words = a[0].view.buf;
    Place *out = a[1].view.buf;
    Py_ssize_t count = a[0].count, found = 0, room = a[1].count;
    if (first < 0 || first % 2 || end > count) {
        give_back(a, 2);
        return PyErr_Format(PyExc_ValueError, "places outside the words");
    }
    Py_BEGIN_ALLOW_THREADS
    uint32_t tail[32 + REACH];
    for (Py_ssize_t at = first; at < end && found < room; at += 32) {
        const Half *w = words + at;
        if (at + 32 + REACH > count) { /* past the end there are zeros */
            memset(tail, 0, sizeof tail);
            memcpy(tail, w, (size_t)(count - at < 32 + REACH ? count - at : 32 + REACH) * 4);
            w = tail;
        }
        if (!may_hold(w))
            continue;
        Py_ssize_t last = end - at < 32 ? end - at : 32;
        for (Py_ssize_t i = 0; i < last; i++)
            for (int number = 0; number < RELATION_COUNT; number++)
                if (!(RELATIONS[number].pairs && i % 2) && repeats(w + i, &RELATIONS[number]) && found < room)
                    out[found++] = (at + i) * 8 + number;
    }
    Py_END_ALLOW_THREADS
    give_back(a, 2);
    return PyLong_FromSsize_t(found);
}

/* ------------------------------------------------------------------ integer_structures.py */

#define LOWEST_POINTER 0x10000
#define IS_POINTER(word)                                                                                               \
    (((word) - LOWEST_POINTER < ((uint64_t)1 << 47) - LOWEST_POINTER) | ((word) >= (uint64_t)0x1FFFF << 47))

static int is_pointer(uint64_t word) { return IS_POINTER(word); }

#define IS_HALVED(word, most) ((word) - ((uint64_t)1 << 32) < (most) << 32)

static int is_halved(uint64_t word, uint64_t most) { return IS_HALVED(word, most); }

/* The words of 64 that may be counts. */
VECTORS static uint64_t counts_of(const Word *words, uint64_t most) {
    RETURN_FLAGS(words, 64, IS_HALVED(word, most) | (word - 4 < (most + 1) << 16));
}

VECTORS static uint64_t pointers_of(const Word *words) { RETURN_FLAGS(words, 64, IS_POINTER(word)); }

/* The words of 64 that are two counts, of up to `most` limbs, before flags or before any word. */
VECTORS static uint64_t halves_of(const Word *words, uint64_t most) {
    RETURN_FLAGS(words, 64, IS_HALVED(word, most) & ((word & 0xFFFFFFFF) - 1 < 2 * most));
}

VECTORS static uint64_t signs_of(const Word *words) { RETURN_FLAGS(words, 64, (word & 0xFFFFFFF0FFFFFFFE) == 0); }

VECTORS static uint64_t whole_of(const Word *words, uint64_t most, uint64_t last) {
    RETURN_FLAGS(words, 64, (word - 4 < last - 4) | (((word & 0xFFFF) == 1) & (word < (most + 1) << 16)));
}

VECTORS static uint64_t ones_of(const Word *words) { RETURN_FLAGS(words, 64, (word & 0xFFFFFFFF) == 1); }

/* The words of 64 that may be counts, of up to `most` limbs and less than `last` bytes, with a pointer where the shapes below
   have one. */
static uint64_t may_count(const Word *words, uint64_t most, uint64_t last) {
    if (!counts_of(words, most))
        return 0;
    uint64_t left = pointers_of(words - 1), right = pointers_of(words + 1), halves = halves_of(words, most);
    if (halves)
        halves &= right | ((left | pointers_of(words + 2)) & signs_of(words + 1));
    return halves | (whole_of(words, most, last) & (left | (right & ones_of(words - 1))));
}

/* As integer_structures._SHAPES numbers them; each leads to a number through `pointer`. */
enum { ALLOCATED, GMP, GCRYPT, TOMMATH, SIGNED, PACKED, SLICE, ITEM, SEED, POINT };

enum { LIMB_COUNT = 1, OCTET_COUNT = 2, DIGIT_COUNT = 4, SEED_COUNT = 8, CURVE = 16 };

typedef struct {
    const uint8_t *sizes; /* flags of numbers, the last for all beyond */
    uint64_t last, most;
    Place *at, *bytes;
    Word *pointers;
    uint8_t *shapes;
    Py_ssize_t found, room, count;
} Structures;

static void add_structure(Structures *s, int shape, Place at, uint64_t pointer, uint64_t bytes) {
    if (s->found < s->room) {
        s->at[s->found] = at;
        s->shapes[s->found] = (uint8_t)shape;
        s->pointers[s->found] = pointer;
        s->bytes[s->found++] = (Place)bytes;
    }
}

static int size_flags(const Structures *s, uint64_t count) { return s->sizes[count < s->last ? count : s->last]; }

static int is_aligned(uint64_t word) { return is_pointer(word) && word % 8 == 0; }

/* Structures with counts in the halves of a word; see integer_structures._half_shapes. */
static void add_halved(Structures *s, const Word *w, Place at) {
    uint64_t low = w[0] & 0xFFFFFFFF, high = w[0] >> 32, before = w[-1], after = w[1], second = w[2];
    if (!((size_flags(s, low) | size_flags(s, high)) & (LIMB_COUNT | DIGIT_COUNT)))
        return;
    int flags = (after & 0xFFFFFFFF) <= 1 && after >> 32 <= 15, rising = low >= 1 && low <= high;
    int falling = low >= high && low <= 2 * s->most && size_flags(s, high) & LIMB_COUNT;
    if (rising && flags && size_flags(s, low) & LIMB_COUNT && is_aligned(before))
        add_structure(s, ALLOCATED, at, before, 8 * low);
    if (falling && is_aligned(after))
        add_structure(s, GMP, at, after, 8 * high);
    if (falling && flags && is_aligned(second))
        add_structure(s, GCRYPT, at, second, 8 * high);
    if (rising && flags && size_flags(s, low) & DIGIT_COUNT && is_aligned(second))
        add_structure(s, TOMMATH, at, second, 8 * low);
}

/* Structures with a count that is a word, or half of half a word; see integer_structures._small_shapes. */
static void add_small(Structures *s, const Word *w, Place at) {
    uint64_t value = w[0], before = w[-1], after = w[1];
    int flags = size_flags(s, value);
    int room = after >= value && after <= 2 * value + 16;
    if (flags & LIMB_COUNT && (before & 0xFFFFFFFF) == 1 && is_aligned(after))
        add_structure(s, SIGNED, at, after, 8 * value);
    if ((value & 0xFFFF) == 1 && size_flags(s, value >> 16) & LIMB_COUNT && is_aligned(before))
        add_structure(s, PACKED, at, before, 8 * (value >> 16));
    if (flags & LIMB_COUNT && room && is_aligned(before))
        add_structure(s, SLICE, at, before, 8 * value);
    if (flags & OCTET_COUNT && (room || (w[-2] & 0xFFFFFFFF) <= 16) && is_pointer(before))
        add_structure(s, ITEM, at, before, value);
    if (flags & SEED_COUNT && (after & 0xFFFFFFFF) < 4 && ((const uint8_t *)w)[-72] == 1 && is_pointer(before))
        add_structure(s, SEED, at, before, value);
    if (flags & CURVE && at + 4 < s->count && is_aligned(before) && is_aligned(after) && is_aligned(w[2]) &&
        is_aligned(w[3]) && (w[4] & 0xFFFFFFFF) <= 1)
        add_structure(s, POINT, at, after, value);
}

/* What looks like one of the structures of big-number libraries: the places of the words with its count, its number, the
   pointer, and the bytes that it points to. As many as there is room for. */
static PyObject *structures(PyObject *self, PyObject *args) {
    PyObject *objects[6];
    Array a[6];
    unsigned long long most;
    if (!PyArg_ParseTuple(args, "OOOOOOK", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4], &objects[5],
                          &most) ||
        take_all(objects, a, "loOIII") < 0)
        return NULL;
    const Word *words = a[0].view.buf;
    Py_ssize_t count = a[0].count, room = a[2].count;
    Structures s = {a[1].view.buf, (uint64_t)a[1].count - 1, most, a[3].view.buf, a[4].view.buf, a[5].view.buf,
                    a[2].view.buf, 0, room, count};
    int fits = a[1].count >= 1 && a[3].count >= room && a[4].count >= room && a[5].count >= room && most < 1 << 16;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t first = 11; first < count - 2 && fits; first += 64) {
        Word room_around[AROUND];
        const Word *some = around(words, first, count, 1, room_around);
        for (uint64_t set = may_count(some + 1, most, s.last); set; set &= set - 1) {
            Py_ssize_t i = first + lowest_bit(set);
            if (i >= count - 2)
                break;
            if (is_halved(words[i], most))
                add_halved(&s, words + i, i);
            else
                add_small(&s, words + i, i);
        }
    }
    Py_END_ALLOW_THREADS
    give_back(a, 6);
    if (!fits)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    return PyLong_FromSsize_t(s.found);
}

/* ------------------------------------------------------------------ ec_scalars.py */

typedef struct {
    const uint8_t *parts;
    uint64_t most;
    Place *starts, *lengths;
    Py_ssize_t found;
} Closed;

#define SHORTEST 4 /* words of a number */

/* Add the number of `length` words at `start`, and the one behind a canary of two words, where numbers have that many. */
static void add_closed(Closed *numbers, Py_ssize_t start, Py_ssize_t length) {
    for (Py_ssize_t canary = 0; canary <= 2; canary += 2) {
        if (length > canary && (uint64_t)(length - canary) <= numbers->most && numbers->parts[length - canary]) {
            numbers->starts[numbers->found] = start + canary;
            numbers->lengths[numbers->found++] = length - canary;
        }
    }
}

/* Numbers between plain words, from the runs of random words; see ec_scalars._closed. */
static PyObject *closed(PyObject *self, PyObject *args) {
    PyObject *objects[5];
    Array a[5];
    if (!PyArg_ParseTuple(args, "OOOOO", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4]) ||
        take_all(objects, a, "lloII") < 0)
        return NULL;
    const Word *words = a[0].view.buf, *random = a[1].view.buf;
    Closed numbers = {a[2].view.buf, (uint64_t)a[2].count - 1, a[3].view.buf, a[4].view.buf, 0};
    Py_ssize_t count = a[0].count;
    int fits = are_bits(&a[1], count) && a[2].count > SHORTEST && a[3].count >= 4 * count && a[4].count >= 4 * count;
    for (int i = 0; i < SHORTEST && fits; i++)
        fits = !numbers.parts[i];
    if (!fits) {
        give_back(a, 5);
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    }
    Py_BEGIN_ALLOW_THREADS
    for (Place base = 0; base < count; base += 64) {
        const Word *r = random + base / 64 + 1;
        uint64_t one = behind(r, 1), two = behind(r, 2), three = behind(r, 3); /* two of them, for a run and one word */
        for (uint64_t set = r[0] & ~before(r, 1) & ((one & two) | (one & three) | (two & three)); set; set &= set - 1) {
            Place begin = base + lowest_bit(set), end = run_end(random, begin), length = end - begin;
            Place joined = end < count && is_set(random, end + 1) ? run_end(random, end + 1) : 0;
            if ((length + 1 < SHORTEST && joined - begin < SHORTEST) || begin == 0 || end == count ||
                (uint64_t)length > numbers.most + 2)
                continue;
            add_closed(&numbers, begin, length);
            if (joined && joined < count && !is_small(words[end]))
                add_closed(&numbers, begin, joined - begin);
            if (!(begin > 1 && is_set(random, begin - 2)) && !is_small(words[begin - 1]))
                add_closed(&numbers, begin - 1, length + 1);
            if (!joined && !is_small(words[end]))
                add_closed(&numbers, begin, length + 1);
        }
    }
    Py_END_ALLOW_THREADS
    give_back(a, 5);
    return PyLong_FromSsize_t(numbers.found);
}

/* The indices of those numbers, of `lengths` words from `starts` on, that may be random: not full of the commonest bytes
   of code, and various (`least` says for each length how many different bytes). See ec_scalars._random. */
static PyObject *random_numbers(PyObject *self, PyObject *args) {
    PyObject *objects[5];
    Array a[5];
    int uneven;
    if (!PyArg_ParseTuple(args, "OOOOOi", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4], &uneven) ||
        take_all(objects, a, "lllIl") < 0)
        return NULL;
    const Word *words = a[0].view.buf;
    const Place *starts = a[1].view.buf, *lengths = a[2].view.buf, *least = a[4].view.buf;
    Place *kept = a[3].view.buf;
    Py_ssize_t count = a[1].count, found = 0;
    int bad = a[2].count < count || a[3].count < count;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count && !bad; i++) {
        Place start = starts[i], length = lengths[i];
        bad = start < 0 || length < 1 || length >= a[4].count || start + length > a[0].count;
        if (!bad && is_pure(words, start, length, a[0].count - 1) &&
            is_various((const uint8_t *)(words + start), 8 * length, (int)least[length], uneven))
            kept[found++] = i;
    }
    Py_END_ALLOW_THREADS
    give_back(a, 5);
    if (bad)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    return PyLong_FromSsize_t(found);
}

/* Those of 64 words that are the size of a chunk of glibc's heap, from `least` to below `most` bytes. */
VECTORS static uint64_t sizes_of(const Word *words, uint64_t least, uint64_t most) {
    RETURN_FLAGS(words, 64, ((word & 0xA) == 0) & (word - least < most - least));
}

/* The words where runs of random words begin, and those before them, that stand behind the size of a chunk of glibc's heap
   from `least` to below `most` bytes, where two of four words look random; see ec_scalars._heads. */
static PyObject *heads(PyObject *self, PyObject *args) {
    PyObject *objects[3];
    Array a[3];
    unsigned long long least, most;
    if (!PyArg_ParseTuple(args, "OOOKK", &objects[0], &objects[1], &objects[2], &least, &most) ||
        take_all(objects, a, "llI") < 0)
        return NULL;
    const Word *words = a[0].view.buf, *random = a[1].view.buf;
    Place *out = a[2].view.buf;
    Py_ssize_t count = a[0].count, found = 0;
    if (!are_bits(&a[1], count) || a[2].count < count) {
        give_back(a, 3);
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    }
    Py_BEGIN_ALLOW_THREADS
    for (Place base = 0; base < count; base += 64) {
        const Word *r = random + base / 64 + 1;
        uint64_t one = behind(r, 1), begins = r[0] & ~before(r, 1), next = one & ~r[0];
        uint64_t starts = (begins | next) & first_four(r).two;
        if (!starts)
            continue;
        Word room[AROUND];
        uint64_t sizes = sizes_of(around(words, base, count, 1, room), least, most);
        for (uint64_t set = starts & sizes; set; set &= set - 1) {
            Place start = base + lowest_bit(set);
            if (start <= count - 4)
                out[found++] = start;
        }
    }
    Py_END_ALLOW_THREADS
    give_back(a, 3);
    return PyLong_FromSsize_t(found);
}

/* ------------------------------------------------------------------ likeness.py */

enum { SETS = 6, UTF8 = SETS, SAME, LANE, LIKENESS_LIMITS = LANE + 12 };

/* Whether a row may be random; `most` says how often at most it has each property, `sets` which sets each byte is in.
   See likeness.random_like. */
static int is_random_like(const uint8_t *row, Py_ssize_t size, const Place *most, const uint8_t *sets) {
    int64_t counts[LANE] = {0}, same[256] = {0}, doubles[8][8] = {{0}}, floats[4][16] = {{0}};
    for (Py_ssize_t i = 0; i < size; i++) {
        uint8_t byte = row[i];
        for (int set = 0; set < SETS; set++)
            counts[set] += sets[byte] >> set & 1;
        counts[UTF8] += i + 2 < size && byte >> 4 == 0xE && (row[i + 1] & 0xC0) == 0x80 && (row[i + 2] & 0xC0) == 0x80;
        if (++same[byte] > most[SAME] || ++doubles[i & 7][byte >> 4 & 7] > most[LANE + (i & 7)] ||
            ++floats[i & 3][byte >> 4] > most[LANE + 8 + (i & 3)])
            return 0;
    }
    for (int property = 0; property < SAME; property++)
        if (counts[property] > most[property])
            return 0;
    return 1;
}

/* ------------------------------------------------------------------ unaligned_octets.py */

#define HEAD_SIZE ((uint64_t)1 << 16)
#define P521 66 /* half of its scalars begin with a zero byte */

/* Whether a number may begin within a word: behind zeros, or behind a small number of 32 bits. */
#define MAY_LEAD(word) ((((word) & 0xFF) == 0) | (((word) & 0xFFFFFFFF) < HEAD_SIZE))

static int may_lead(uint64_t word) { return MAY_LEAD(word); }

VECTORS static uint64_t leading(const Word *words, uint64_t count) {
    RETURN_FLAGS(words, count, (word != 0) & MAY_LEAD(word));
}

VECTORS static uint64_t zeros_of(const Word *words, uint64_t count) { RETURN_FLAGS(words, count, word == 0); }

/* Which of 64 words, those of element `r`, may follow on one in which a number begins, or be it. The number behind a word of
   zeros has nine words, of which five of six look random here. */
static uint64_t may_follow(const Word *words, const Word *r, Place base, Place count) {
    Word room[AROUND];
    const Word *from = around(words, base, count, 8, room);
    const Word some[2] = {leading(from, 8) << 56, leading(from + 8, 64)};
    const Word zeros[2] = {zeros_of(from, 8) << 56, zeros_of(from + 8, 64)};
    AtLeast four = first_four(r);
    uint64_t five = (four.four & (behind(r, 4) | behind(r, 5))) | (four.three & behind(r, 4) & behind(r, 5));
    return some[1] | before(some + 1, 1) | before(some + 1, 2) | ((before(zeros + 1, 1) | before(zeros + 1, 2)) & five);
}

/* Numbers of each of `sizes` bytes that begin 1 to 7 bytes into a word behind zeros, or behind a small number of 32
   bits, and end where random words do: for each size as many as its part of `starts` has room for. `totals` says how
   many. See unaligned_octets._stretches and below. */
static PyObject *unaligned(PyObject *self, PyObject *args) {
    PyObject *objects[5];
    Array a[5];
    if (!PyArg_ParseTuple(args, "OOOOO", &objects[0], &objects[1], &objects[2], &objects[3], &objects[4]) ||
        take_all(objects, a, "lllII") < 0)
        return NULL;
    const Word *words = a[0].view.buf, *random = a[1].view.buf;
    const Place *sizes = a[2].view.buf;
    Place *out = a[3].view.buf, *totals = a[4].view.buf, least = INT64_MAX, most = 0;
    Py_ssize_t count = a[0].count, kinds = a[2].count;
    int fits = are_bits(&a[1], count) && kinds >= 1 && a[4].count >= kinds;
    for (Py_ssize_t kind = 0; kind < kinds && fits; kind++) {
        fits = sizes[kind] >= 8 * SHORTEST && sizes[kind] <= 4096;
        least = sizes[kind] < least ? sizes[kind] : least;
        most = sizes[kind] > most ? sizes[kind] : most;
    }
    if (!fits) {
        give_back(a, 5);
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    }
    Py_ssize_t room = a[3].count / kinds;
    Py_BEGIN_ALLOW_THREADS
    memset(totals, 0, (size_t)kinds * sizeof *totals);
    for (Place base = 0; base < count; base += 64) {
        const Word *r = random + base / 64 + 1; /* a number of five words has two that look random in the first three */
        uint64_t begins = r[0] & ~before(r, 1) & (behind(r, 1) | behind(r, 2));
        if (!begins)
            continue;
        for (uint64_t set = begins & may_follow(words, r, base, count); set; set &= set - 1) {
            Place begin = base + lowest_bit(set);
            int far = begin > 1 && !is_set(random, begin - 2);
            Place end = run_end(random, begin), joined = end;
            if (end - begin > most / 8 + 2)
                continue;
            int plain = end < count && !is_small(words[end]);
            if (plain && is_set(random, end + 1))
                joined = run_end(random, end + 1);
            far = far && !is_small(words[begin - 1]);
            for (Place first = far ? begin - 2 : begin ? begin - 1 : 0; first <= begin; first++) {
                uint64_t head = words[first];
                if (!may_lead(head))
                    continue;
                Place longer = plain && first + 2 > begin ? end + 1 : end, whole = first + 2 > begin ? joined : end;
                if ((longer > whole ? longer : whole) - first < least / 8)
                    continue;
                Place zeros = head ? lowest_bit(head) / 8 : 7; /* bytes of the word; so many may be before the number */
                for (Place shift = zeros ? 1 : 4; shift <= (zeros > 4 ? zeros : 4); shift++) {
                    if (shift > zeros && (shift != 4 || (head & 0xFFFFFFFF) >= HEAD_SIZE))
                        continue;
                    for (Py_ssize_t kind = 0; kind < kinds; kind++) {
                        Place size = sizes[kind], last = first + (shift + size - 1) / 8, start = 8 * first + shift;
                        if (!head && size != P521)
                            continue;
                        int closes = end == last || end == last + 1 || longer == last || whole == last || whole == last + 1;
                        if (closes && start <= 8 * count - size && totals[kind] < room)
                            out[kind * room + totals[kind]++] = start;
                    }
                }
            }
        }
    }
    Py_END_ALLOW_THREADS
    give_back(a, 5);
    Py_RETURN_NONE;
}

static PyObject *random_like(PyObject *self, PyObject *args) {
    PyObject *objects[4];
    Array a[4];
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "OOOOn", &objects[0], &objects[1], &objects[2], &objects[3], &size) ||
        take_all(objects, a, "oloO") < 0)
        return NULL;
    uint8_t *out = a[3].view.buf;
    Py_ssize_t some = size > 0 ? a[0].count / size : 0;
    int bad = size < 1 || a[1].count < LIKENESS_LIMITS || a[2].count < 256 || a[3].count < some;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < some && !bad; i++)
        out[i] = (uint8_t)is_random_like((const uint8_t *)a[0].view.buf + i * size, size, a[1].view.buf, a[2].view.buf);
    Py_END_ALLOW_THREADS
    give_back(a, 4);
    if (bad)
        return PyErr_Format(PyExc_ValueError, "arrays that do not fit");
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"live_pages", live_pages, METH_VARARGS, "live_pages(octets, flags): which pages of 4096 bytes are not all zero"},
    {"copy_live", copy_live, METH_VARARGS, "copy_live(mapped file, octets, flags): see Reader._copy_mapped"},
    {"map_words", map_words, METH_VARARGS, "map_words(words, firsts, lasts, random, dense, random bits, dense bits)"},
    {"pure", pure, METH_VARARGS, "pure(words, starts, flags, count)"},
    {"distinct", distinct, METH_VARARGS, "distinct(octets, starts, totals, size, stride)"},
    {"various", various, METH_VARARGS, "various(octets, starts, flags, size, least, uneven)"},
    {"digit_numbers", digit_numbers, METH_VARARGS,
     "digit_numbers(words, starts, kept, unused, width, count, least, most) -> number kept"},
    {"products", products, METH_VARARGS, "products(values, moduli, first, end, steps, pairs, wide) -> number of pairs"},
    {"sieved", sieved, METH_VARARGS, "sieved(table, weights, products, inverses, greatest, flags, size)"},
    {"aes_relations", aes_relations, METH_VARARGS, "aes_relations(words, places, first, end) -> number of places"},
    {"structures", structures, METH_VARARGS,
     "structures(words, sizes, shapes, places, lengths, pointers, most) -> number of structures"},
    {"closed", closed, METH_VARARGS, "closed(words, random, parts, starts, lengths) -> numbers"},
    {"random_numbers", random_numbers, METH_VARARGS,
     "random_numbers(words, starts, lengths, kept, least, uneven) -> number kept"},
    {"random_like", random_like, METH_VARARGS, "random_like(table, limits, sets, flags, size)"},
    {"borders", borders, METH_VARARGS,
     "borders(words, random, dense, first, after, least, uneven) -> (number of first, of after)"},
    {"digit_starts", digit_starts, METH_VARARGS,
     "digit_starts(words, random, kinds of digits, places, totals)"},
    {"rsa_exponents", rsa_exponents, METH_VARARGS,
     "rsa_exponents(octets, dense, begins, ends, sizes, places, totals)"},
    {"rsa_integers", rsa_integers, METH_VARARGS,
     "rsa_integers(octets, dense, begins, ends, sizes, least, weights, products, inverses, greatest, places, totals, "
     "multiples, most, uneven)"},
    {"unaligned", unaligned, METH_VARARGS, "unaligned(words, random, sizes, starts, totals)"},
    {"heads", heads, METH_VARARGS, "heads(words, random, places, least, most) -> number of places"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernel", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModule_Create(&module); }
