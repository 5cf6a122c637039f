/* Every occurrence of thousands of literals, in one pass: dumpscan/literals.py.

   Each literal has a key: its four rarest bytes in a row or, where zeros stand between characters, seven. Hashes of the
   bytes at each place are looked up in a filter, and in a sieve; where both let them pass, the literals with such a key
   are compared. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

typedef int64_t Place;

enum { SHORTEST = 4, LEAST_BITS = 10, MOST_FILTER_BITS = 19, MOST_SLOT_BITS = 22, SIEVE_BITS = 4 };

/* A literal with its key: `spaced` if that is of seven bytes. Four more of its bytes, if there are so many, stand `beside`
   the key, and are `check`. */
typedef struct {
    uint32_t literal, spaced;
    int32_t at, beside;
    uint32_t check;
} Entry;

typedef struct {
    uint8_t *octets; /* of all literals, one after the other */
    Place *starts;   /* where each begins there, and the last ends */
    Place count;
    uint32_t *filter;       /* small: two bits of a word are set for each key */
    uint32_t *sieve;        /* large: one bit */
    uint8_t groups[4][256]; /* for each byte of a key of four the groups of keys that have it there, a bit for each */
    uint8_t spaced[256];    /* for each first byte of a key of seven how it is spaced */
    uint32_t *firsts;       /* for each slot its first entry, and last how many there are */
    Entry *entries;
    int filter_bits, slot_bits; /* exponents: words of the filter, of which the sieve has 2^SIEVE_BITS times as many; slots */
} Table;

INLINE uint32_t four(const uint8_t *octets) {
    uint32_t word;
    memcpy(&word, octets, 4);
    return word;
}

INLINE uint64_t eight(const uint8_t *octets) {
    uint64_t word;
    memcpy(&word, octets, 8);
    return word;
}

/* Odd numbers without a pattern: what is multiplied by them has its upper bits mixed. */
#define HASHING 0x9E3779B1u
#define SIEVING 0x85EBCA6Bu
#define FOLDING 0xC2B2AE35u

/* A key of seven bytes as one of four. */
INLINE uint32_t folded(uint64_t word) { return (uint32_t)word * FOLDING + (uint32_t)(word >> 32 & 0xFFFFFF); }

/* The word of the filter is told by the upper bits of the hash, the two bits in it by the next five and five. */
INLINE uint32_t *filter_word(const Table *table, uint32_t hash) { return table->filter + (hash >> (32 - table->filter_bits)); }

INLINE uint32_t filter_marks(const Table *table, uint32_t hash) {
    return (uint32_t)1 << (hash >> (27 - table->filter_bits) & 31) | (uint32_t)1 << (hash >> (22 - table->filter_bits) & 31);
}

INLINE uint32_t sieve_place(const Table *table, uint32_t key) {
    return key * SIEVING >> (27 - SIEVE_BITS - table->filter_bits);
}

INLINE uint32_t slot_of(const Table *table, uint32_t key) { return key * HASHING >> (32 - table->slot_bits); }

/* Whether some literal may have that key. */
INLINE int passes(const Table *table, uint32_t key) {
    uint32_t hash = key * HASHING, marks = filter_marks(table, hash);
    if ((*filter_word(table, hash) & marks) != marks)
        return 0;
    uint32_t place = sieve_place(table, key);
    return (int)(table->sieve[place / 32] >> (place & 31) & 1);
}

/* Which bytes of a word are zero: bit i for byte i. */
INLINE unsigned zeros_of(uint64_t word) {
    uint64_t low = 0x7F7F7F7F7F7F7F7Fu, zeros = ~(((word & low) + low) | word | low);
    return (unsigned)((zeros >> 7) * 0x0102040810204080u >> 56);
}

enum { UTF16 = 1, UTF32 = 2, NUMBER = 4 };

/* How seven bytes are spaced by zeros: as characters are, as a small number of 64 bits, or not (0). */
INLINE int spacing(uint64_t word) {
    unsigned zeros = zeros_of(word) & 0x7F;
    return zeros == 0x2A ? UTF16 : zeros == 0x6E ? UTF32 : zeros == 0x7E ? NUMBER : 0;
}

/* ------------------------------------------------------------------ making the table */

/* About how rare a byte is in memory, in bits. */
static int rarity(uint8_t byte) {
    if (byte == 0)
        return 0;
    if (byte == 0xFF || byte == ' ' || (byte >= 'a' && byte <= 'z'))
        return 5;
    return byte < 0x20 || (byte >= '0' && byte <= '9') || byte == '/' || byte == '.' ? 7 : 8;
}

static int rarity_of(const uint8_t *octets, int size) {
    int total = 0;
    for (int i = 0; i < size; i++)
        total += !memchr(octets, octets[i], (size_t)i) ? rarity(octets[i]) : octets[i] != 0;
    return total;
}

static Entry entry_of(const uint8_t *octets, Place length) {
    Entry entry = {0, 0, 0, 0, 0};
    int most = -1, size = length < INT32_MAX ? (int)length : INT32_MAX;
    for (int at = 0; at <= size - 4; at++) {
        int bits = rarity_of(octets + at, 4);
        if (bits > most) {
            most = bits;
            entry.at = at;
        }
    }
    int zeros = 0;
    for (int i = 0; i < 4; i++)
        zeros += !octets[entry.at + i];
    most = -1; /* four bytes of which two are zero are not rare */
    for (int at = 0; at <= size - 7 && zeros >= 2; at++) {
        uint8_t word[8] = {0};
        memcpy(word, octets + at, 7);
        int bits = spacing(eight(word)) ? rarity_of(word, 7) : -1;
        if (bits > most) {
            most = bits;
            entry.at = at;
            entry.spaced = 1;
        }
    }
    int after = entry.spaced ? 7 : 4;
    if (entry.at <= size - after - 4)
        entry.beside = after;
    else if (entry.at >= 4)
        entry.beside = -4;
    if (entry.beside)
        entry.check = four(octets + entry.at + entry.beside);
    return entry;
}

static uint64_t spaced_key(const Table *table, const Entry *entry) {
    uint8_t word[8] = {0};
    memcpy(word, table->octets + table->starts[entry->literal] + entry->at, 7);
    return eight(word);
}

static uint32_t key_of(const Table *table, const Entry *entry) {
    return entry->spaced ? folded(spaced_key(table, entry))
                         : four(table->octets + table->starts[entry->literal] + entry->at);
}

/* One of eight groups of keys, told apart so that few other bytes fit all four of a group, and zeros fit none. */
static int group_of(uint32_t key) {
    int is_text = 1;
    for (int shift = 0; shift < 32; shift += 8)
        is_text &= (key >> shift & 0xFF) >= 0x20 && (key >> shift & 0xFF) < 0x7F;
    if (is_text)
        return (int)(key >> 5 & 3);
    if (zeros_of(key) & 0xF)
        return key & 0xFF ? 0 : 4;
    return 5 + (int)(key >> 7 & 1);
}

static void fill(Table *table, Entry *unsorted) {
    for (Place i = 0; i < table->count; i++) {
        Entry *entry = unsorted + i;
        *entry = entry_of(table->octets + table->starts[i], table->starts[i + 1] - table->starts[i]);
        entry->literal = (uint32_t)i;
        uint32_t key = key_of(table, entry), hash = key * HASHING, place = sieve_place(table, key);
        *filter_word(table, hash) |= filter_marks(table, hash);
        table->sieve[place / 32] |= (uint32_t)1 << (place & 31);
        table->firsts[slot_of(table, key)]++;
        if (entry->spaced)
            table->spaced[table->octets[table->starts[i] + entry->at]] |= (uint8_t)spacing(spaced_key(table, entry));
        for (int part = 0; part < 4 && !entry->spaced; part++)
            table->groups[part][key >> 8 * part & 0xFF] |= (uint8_t)(1 << group_of(key));
    }
    for (uint32_t slot = 1; slot <= (uint32_t)1 << table->slot_bits; slot++)
        table->firsts[slot] += table->firsts[slot - 1];
    for (Place i = table->count; i--;) /* where a slot ends moves to where it begins */
        table->entries[--table->firsts[slot_of(table, key_of(table, unsorted + i))]] = unsorted[i];
}

/* ------------------------------------------------------------------ searching */

typedef struct {
    const Table *table;
    const uint8_t *octets;
    Place size, *found, count, most;
} Search;

/* Whether there are more occurrences than room. */
INLINE int is_full(const Search *s) { return s->count > s->most; }

/* Note the literals whose key stands at a place. */
static void compare(Search *s, Place at, uint32_t key, uint32_t spaced) {
    const Table *table = s->table;
    uint32_t slot = slot_of(table, key);
    const Entry *entry = table->entries + table->firsts[slot], *end = table->entries + table->firsts[slot + 1];
    for (; entry < end; entry++) {
        Place start = at - entry->at, from = table->starts[entry->literal];
        Place length = table->starts[entry->literal + 1] - from;
        if (entry->spaced != spaced || start < 0 || start + length > s->size ||
            (entry->beside && four(s->octets + at + entry->beside) != entry->check) ||
            memcmp(s->octets + start, table->octets + from, (size_t)length) != 0)
            continue;
        if (s->count < s->most) {
            s->found[2 * s->count] = start;
            s->found[2 * s->count + 1] = entry->literal;
        }
        s->count++;
    }
}

static void judge(Search *s, Place at) {
    uint32_t key = four(s->octets + at);
    if (passes(s->table, key))
        compare(s, at, key, 0);
    if (s->octets[at + 1] || !s->table->spaced[s->octets[at]] || at + 7 > s->size)
        return;
    uint64_t word = 0;
    memcpy(&word, s->octets + at, at + 8 > s->size ? 7 : 8);
    if ((spacing(word) & s->table->spaced[s->octets[at]]) && passes(s->table, folded(word)))
        compare(s, at, folded(word), 1);
}

static void search_each(Search *s, Place first, Place last) {
    for (Place at = first; at < last && !is_full(s); at++)
        judge(s, at);
}

/* GCC does not align vectors on the stack of Windows: https://gcc.gnu.org/bugzilla/show_bug.cgi?id=54412 */
#if defined(__GNUC__) && defined(__x86_64__) && !defined(_WIN32) && !defined(__CYGWIN__)
#include "_literals_vectors.h"
#else
static int widest(void) { return 0; }

static void search_vectors(Search *s, Place size, int width) {}
#endif

static int width; /* bytes that are looked at together: 0, 32 or 64 */

enum { BEYOND = 72 }; /* bytes that vectors may read behind the last place that they look at */

static void search(Search *s) {
    Place size = width && s->size > BEYOND ? (s->size - BEYOND) / 64 * 64 : 0;
    if (size)
        search_vectors(s, size, width);
    search_each(s, size, s->size - SHORTEST + 1);
}

/* ------------------------------------------------------------------ Python's side */

#define NAME "dumpscan._literals.table"

static void release(Table *table) {
    if (!table)
        return;
    PyMem_Free(table->octets);
    PyMem_Free(table->starts);
    PyMem_Free(table->filter);
    PyMem_Free(table->sieve);
    PyMem_Free(table->firsts);
    PyMem_Free(table->entries);
    PyMem_Free(table);
}

static void destroy(PyObject *capsule) { release(PyCapsule_GetPointer(capsule, NAME)); }

/* The exponent of a number of words or slots that are not fewer than `count`. */
static int bits_for(Place count, int least, int most) {
    int bits = least;
    while (bits < most && (Place)1 << bits < count)
        bits++;
    return bits;
}

static Table *allocated(Place size, Place count) {
    Table *table = PyMem_Calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->count = count;
    table->filter_bits = bits_for(count / 8, LEAST_BITS, MOST_FILTER_BITS);
    table->slot_bits = bits_for(count, LEAST_BITS, MOST_SLOT_BITS);
    table->octets = PyMem_Malloc((size_t)size + 1);
    table->starts = PyMem_Calloc((size_t)count + 1, sizeof *table->starts);
    table->filter = PyMem_Calloc((size_t)1 << table->filter_bits, sizeof *table->filter);
    table->sieve = PyMem_Calloc((size_t)1 << (table->filter_bits + SIEVE_BITS), sizeof *table->sieve);
    table->firsts = PyMem_Calloc(((size_t)1 << table->slot_bits) + 1, sizeof *table->firsts);
    table->entries = PyMem_Calloc((size_t)count + 1, sizeof *table->entries);
    if (table->octets && table->starts && table->filter && table->sieve && table->firsts && table->entries)
        return table;
    release(table);
    return NULL;
}

/* The table of literals that follow one another; NULL where there is no memory. */
static Table *made(const uint8_t *octets, const uint32_t *lengths, Place size, Place count) {
    Table *table = allocated(size, count);
    Entry *unsorted = PyMem_Calloc((size_t)count + 1, sizeof *unsorted);
    if (table && unsorted) {
        memcpy(table->octets, octets, (size_t)size);
        for (Place i = 0; i < count; i++)
            table->starts[i + 1] = table->starts[i] + lengths[i];
        fill(table, unsorted);
    } else {
        release(table);
        table = NULL;
    }
    PyMem_Free(unsorted);
    return table;
}

static PyObject *compile(PyObject *self, PyObject *args) {
    Py_buffer octets, lengths;
    if (!PyArg_ParseTuple(args, "y*y*", &octets, &lengths))
        return NULL;
    Place count = lengths.len / 4, total = 0;
    const uint32_t *sizes = lengths.buf;
    int fits = lengths.len % 4 == 0 && count < INT32_MAX;
    for (Place i = 0; i < count && fits; total += sizes[i++])
        fits = sizes[i] >= SHORTEST;
    Table *table = NULL;
    if (!fits || total != octets.len)
        PyErr_SetString(PyExc_ValueError, "literals too short, or lengths that do not fit");
    else if (!(table = made(octets.buf, sizes, total, count)))
        PyErr_NoMemory();
    PyBuffer_Release(&octets);
    PyBuffer_Release(&lengths);
    PyObject *capsule = table ? PyCapsule_New(table, NAME, destroy) : NULL;
    if (!capsule)
        release(table);
    return capsule;
}

static PyObject *find(PyObject *self, PyObject *args) {
    PyObject *capsule;
    Py_buffer octets, found;
    if (!PyArg_ParseTuple(args, "Oy*w*", &capsule, &octets, &found))
        return NULL;
    Search s = {PyCapsule_GetPointer(capsule, NAME), octets.buf, octets.len, found.buf, 0, found.len / 16};
    if (s.table) {
        Py_BEGIN_ALLOW_THREADS
        search(&s);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&octets);
    PyBuffer_Release(&found);
    return s.table ? PyLong_FromLongLong(is_full(&s) ? s.most + 1 : s.count) : NULL;
}

/* How many different bytes there are among `size`, up to `enough`, without zeros. */
static int different(const uint8_t *octets, Place size, int enough) {
    uint64_t seen[4] = {1};
    int count = 0;
    for (Place i = 0; i < size && count < enough; i++) {
        uint64_t *part = seen + octets[i] / 64, bit = (uint64_t)1 << octets[i] % 64;
        count += !(*part & bit);
        *part |= bit;
    }
    return count;
}

static PyObject *varied(PyObject *self, PyObject *args) {
    Py_buffer octets;
    Py_ssize_t size, stride;
    int least;
    if (!PyArg_ParseTuple(args, "y*nni", &octets, &size, &stride, &least))
        return NULL;
    PyObject *starts = size < 1 || stride < 1 ? NULL : PyList_New(0);
    if (!starts && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "sizes and strides are 1 or more");
    for (Py_ssize_t start = 0; starts && start <= octets.len - size; start += stride) {
        if (different((const uint8_t *)octets.buf + start, size, least) < least)
            continue;
        PyObject *number = PyLong_FromSsize_t(start);
        if (!number || PyList_Append(starts, number) < 0)
            Py_CLEAR(starts);
        Py_XDECREF(number);
    }
    PyBuffer_Release(&octets);
    return starts;
}

static PyObject *use_vectors(PyObject *self, PyObject *args) {
    int most;
    if (!PyArg_ParseTuple(args, "i", &most))
        return NULL;
    width = widest();
    while (width > most)
        width = width > 32 ? 32 : 0;
    return PyLong_FromLong(width);
}

static PyObject *vectors(PyObject *self, PyObject *args) { return PyLong_FromLong(width); }

static PyMethodDef methods[] = {
    {"compile", compile, METH_VARARGS,
     "compile(octets, lengths) -> table of the literals, of 4 bytes or more, that follow one another in octets; lengths are "
     "uint32"},
    {"find", find, METH_VARARGS,
     "find(table, octets, found) -> number of occurrences, or one more than there is room for. found is int64: for each "
     "where it begins, and the number of its literal; they are in no order"},
    {"varied", varied, METH_VARARGS,
     "varied(octets, size, stride, least) -> those of every stride-th place from which size bytes have at least so many "
     "different ones, zeros apart"},
    {"use_vectors", use_vectors, METH_VARARGS,
     "use_vectors(most) -> bytes that are looked at together from now on: 0, 32 or 64, as the processor can, and most allows"},
    {"vectors", vectors, METH_NOARGS, "vectors() -> bytes that are looked at together"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_literals", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__literals(void) {
    width = widest();
    return PyModule_Create(&module);
}
