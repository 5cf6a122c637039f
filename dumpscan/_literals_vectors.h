/* The search for keys with AVX2, and with AVX-512. A part of _literals.c; what comes out is what search_each there gives. */

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi,bmi2,popcnt")))

/* ------------------------------------------------------------------ 32 bytes */

/* Bit i: whether the four bytes from place i on pass the filter. */
INLINE AVX2 uint32_t filtered_32(const Table *table, const uint8_t *octets) {
    __m256i one = _mm256_set1_epi32(1), low = _mm256_set1_epi32(31), found = _mm256_setzero_si256();
    __m128i to_word = _mm_cvtsi32_si128(32 - table->filter_bits), to_first = _mm_cvtsi32_si128(27 - table->filter_bits),
            to_second = _mm_cvtsi32_si128(22 - table->filter_bits);
    for (int step = 0; step < 4; step++) {
        __m256i keys = _mm256_loadu_si256((const __m256i *)(octets + step));
        __m256i hash = _mm256_mullo_epi32(keys, _mm256_set1_epi32((int)HASHING));
        __m256i words = _mm256_i32gather_epi32((const int *)table->filter, _mm256_srl_epi32(hash, to_word), 4);
        __m256i first = _mm256_sllv_epi32(one, _mm256_and_si256(_mm256_srl_epi32(hash, to_first), low));
        __m256i second = _mm256_sllv_epi32(one, _mm256_and_si256(_mm256_srl_epi32(hash, to_second), low));
        __m256i marks = _mm256_or_si256(first, second);
        __m256i passing = _mm256_cmpeq_epi32(_mm256_and_si256(words, marks), marks);
        found = _mm256_or_si256(found, _mm256_and_si256(passing, _mm256_set1_epi32((int)(0xFFu << 8 * step))));
    }
    return (uint32_t)_mm256_movemask_epi8(found);
}

AVX2 static void search_32(Search *s, Place size) {
    for (Place base = 0; base < size && !is_full(s); base += 32) {
        const uint8_t *from = s->octets + base;
        __m256i empty = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)from), _mm256_setzero_si256());
        uint64_t zeros = (uint32_t)_mm256_movemask_epi8(empty) | (uint64_t)zeros_of(eight(from + 32)) << 32;
        uint32_t spaced = (uint32_t)(~zeros & zeros >> 1 & zeros >> 3 & zeros >> 5);
        for (uint32_t set = filtered_32(s->table, from) | spaced; set; set &= set - 1)
            judge(s, base + __builtin_ctz(set));
    }
}

/* ------------------------------------------------------------------ 64 bytes */

enum {
    BLOCK = 4096, /* bytes whose places are kept before they are looked at again */
    FEW = 20,     /* of 64 places: so many are looked up one by one, more all at once */
    ALIKE = 7,    /* times 64 bytes after those with more, which are not expected to have few */
};

/* Which of sixteen keys pass the filter. */
INLINE AVX512 __mmask16 filtered_16(const Table *table, __m512i keys) {
    __m512i one = _mm512_set1_epi32(1), hash = _mm512_mullo_epi32(keys, _mm512_set1_epi32((int)HASHING));
    __m512i places = _mm512_srl_epi32(hash, _mm_cvtsi32_si128(32 - table->filter_bits));
    __m512i first = _mm512_rolv_epi32(one, _mm512_srl_epi32(hash, _mm_cvtsi32_si128(27 - table->filter_bits)));
    __m512i second = _mm512_rolv_epi32(one, _mm512_srl_epi32(hash, _mm_cvtsi32_si128(22 - table->filter_bits)));
    __m512i words = _mm512_i32gather_epi32(places, table->filter, 4), marks = _mm512_or_si512(first, second);
    return _mm512_cmpeq_epi32_mask(_mm512_and_si512(words, marks), marks);
}

/* And which the sieve. */
INLINE AVX512 __mmask16 sieved_16(const Table *table, __m512i keys) {
    __m512i hash = _mm512_mullo_epi32(keys, _mm512_set1_epi32((int)SIEVING));
    __m512i places = _mm512_srl_epi32(hash, _mm_cvtsi32_si128(27 - SIEVE_BITS - table->filter_bits));
    __m512i words = _mm512_i32gather_epi32(_mm512_srli_epi32(places, 5), table->sieve, 4);
    return _mm512_test_epi32_mask(words, _mm512_rolv_epi32(_mm512_set1_epi32(1), places));
}

/* The elements of a table of 256 that the bytes of `some` tell. */
INLINE AVX512 __m512i looked_up(const uint8_t *table, __m512i some) {
    __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(table), some, _mm512_loadu_si512(table + 64));
    __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), some, _mm512_loadu_si512(table + 192));
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(some), low, high);
}

/* Bit i: whether the four bytes from place i on are each such as keys of one group have there. */
INLINE AVX512 uint64_t grouped_64(const Table *table, const uint8_t *octets) {
    __m512i groups = _mm512_set1_epi8(-1);
    for (int part = 0; part < 4; part++)
        groups = _mm512_and_si512(groups, looked_up(table->groups[part], _mm512_loadu_si512(octets + part)));
    return _mm512_test_epi8_mask(groups, groups);
}

/* Bit i: whether from place i on there may be a key of four bytes. `alike` is how often there are expected to be many. */
INLINE AVX512 uint64_t keys_64(const Table *table, const uint8_t *octets, int *alike) {
    uint64_t found = *alike ? ~(uint64_t)0 : grouped_64(table, octets);
    if (__builtin_popcountll(found) <= FEW)
        return found;
    *alike = *alike ? *alike - 1 : ALIKE;
    found = 0;
    for (int step = 0; step < 4; step++)
        found |= _pdep_u64(filtered_16(table, _mm512_loadu_si512(octets + step)), 0x1111111111111111u << step);
    return found;
}

/* Bit i: whether from place i on there may be a key of seven bytes. */
INLINE AVX512 uint64_t spaced_64(const Table *table, const uint8_t *octets) {
    __m512i all = _mm512_loadu_si512(octets);
    uint64_t low = _mm512_testn_epi8_mask(all, all), next = zeros_of(eight(octets + 64)), zeros[7] = {low};
    for (int i = 1; i < 7; i++)
        zeros[i] = low >> i | next << (64 - i);
    uint64_t some = ~low & zeros[1] & zeros[3] & zeros[5];
    if (!some)
        return 0;
    __m512i kinds = looked_up(table->spaced, all);
    uint64_t utf16 = _mm512_test_epi8_mask(kinds, _mm512_set1_epi8(UTF16)) & ~(zeros[2] | zeros[4] | zeros[6]);
    uint64_t utf32 = _mm512_test_epi8_mask(kinds, _mm512_set1_epi8(UTF32)) & zeros[2] & ~zeros[4] & zeros[6];
    uint64_t number = _mm512_test_epi8_mask(kinds, _mm512_set1_epi8(NUMBER)) & zeros[2] & zeros[4] & zeros[6];
    return some & (utf16 | utf32 | number);
}

/* Places in one block of the data, in order. */
typedef struct {
    uint32_t places[BLOCK + 16];
    int count;
} Queue;

/* Add those of 64 places from `first` on whose bit is set. */
INLINE AVX512 void add(Queue *queue, uint64_t bits, uint32_t first) {
    __m512i numbers = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    for (uint32_t part = 0; part < 64 && bits; part += 16, bits >>= 16) {
        __mmask16 some = (__mmask16)bits;
        __m512i places = _mm512_add_epi32(numbers, _mm512_set1_epi32((int)(first + part)));
        _mm512_storeu_si512(queue->places + queue->count, _mm512_maskz_compress_epi32(some, places));
        queue->count += __builtin_popcount(some);
    }
}

/* Compare at those places of a queue whose keys pass. */
INLINE AVX512 void compare_queued(Search *s, const Queue *queue, Place base, uint32_t spaced) {
    const uint8_t *octets = s->octets + base;
    for (int i = 0; i < queue->count && !is_full(s); i += 16) {
        int left = queue->count - i;
        __mmask16 some = (__mmask16)(left < 16 ? (1u << left) - 1 : 0xFFFFu);
        __m512i places = _mm512_maskz_loadu_epi32(some, queue->places + i);
        __m512i keys = _mm512_i32gather_epi32(places, octets, 1);
        if (spaced) {
            __m512i upper = _mm512_i32gather_epi32(_mm512_add_epi32(places, _mm512_set1_epi32(4)), octets, 1);
            upper = _mm512_and_si512(upper, _mm512_set1_epi32(0xFFFFFF));
            keys = _mm512_add_epi32(_mm512_mullo_epi32(keys, _mm512_set1_epi32((int)FOLDING)), upper);
        }
        some &= filtered_16(s->table, keys);
        if (some)
            some &= sieved_16(s->table, keys);
        if (!some)
            continue;
        uint32_t each[16];
        _mm512_storeu_si512(each, keys);
        for (uint32_t set = some; set; set &= set - 1) {
            int lane = __builtin_ctz(set);
            compare(s, base + queue->places[i + lane], each[lane], spaced);
        }
    }
}

AVX512 static void search_64(Search *s, Place size) {
    Queue plain, spaced;
    int alike = 0;
    for (Place base = 0; base < size && !is_full(s); base += BLOCK) {
        plain.count = spaced.count = 0;
        for (uint32_t first = 0; first < BLOCK && base + first < size; first += 64) {
            const uint8_t *from = s->octets + base + first;
            add(&plain, keys_64(s->table, from, &alike), first);
            add(&spaced, spaced_64(s->table, from), first);
        }
        compare_queued(s, &plain, base, 0);
        compare_queued(s, &spaced, base, 1);
    }
}

/* ------------------------------------------------------------------ which of them */

static int widest(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") &&
        __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"))
        return 64;
    return __builtin_cpu_supports("avx2") ? 32 : 0;
}

/* The places before `size`, a multiple of 64; behind it there are BEYOND bytes more. */
static void search_vectors(Search *s, Place size, int width) {
    if (width == 64)
        search_64(s, size);
    else
        search_32(s, size);
}
