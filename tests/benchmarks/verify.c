/*
 * The limit of verifying a ledger: the same loop in C, over the same entries.
 *
 *     verify ENTRIES HEADS
 *
 * ENTRIES holds each entry as its length (4 bytes, little-endian) and its bytes. HEADS holds, for each checkpoint, the
 * size (8 bytes, little-endian) and the root (32 bytes). Checked are, for each entry, its number and that it names the
 * leaf hash of the one before; for each checkpoint, the RFC 6962 root. Not checked: signatures, and that the bytes are
 * well-formed beyond the members that are looked at.
 *
 * Prints: entries, CPU seconds, and what computed SHA-256 (the processor's own instructions, or plain C).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

enum { LONGEST = 65535, HASH = 32 };

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static void fail(const char *what)
{
    fprintf(stderr, "verify: %s\n", what);
    exit(1);
}

/* --- SHA-256 (FIPS 180-4) ---------------------------------------------------------------------------------------- */

static uint32_t rotated(uint32_t word, int by) { return word >> by | word << (32 - by); }

static uint32_t big_endian(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void compress_plainly(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    for (; blocks; blocks--, data += 64) {
        uint32_t w[64], s[8];
        for (int i = 0; i < 16; i++)
            w[i] = big_endian(data + 4 * i);
        for (int i = 16; i < 64; i++)
            w[i] = w[i - 16] + w[i - 7] + (rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ w[i - 15] >> 3)
                   + (rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ w[i - 2] >> 10);
        memcpy(s, state, sizeof s);
        for (int i = 0; i < 64; i++) {
            uint32_t one = s[7] + (rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25))
                           + ((s[4] & s[5]) ^ (~s[4] & s[6])) + K[i] + w[i];
            uint32_t two = (rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22))
                           + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            memmove(s + 1, s, 7 * sizeof *s);
            s[4] += one;
            s[0] = one + two;
        }
        for (int i = 0; i < 8; i++)
            state[i] += s[i];
    }
}

#if defined(__x86_64__)
/* The instructions keep the state as (a, b, e, f) and (c, d, g, h), each from the high word down. */
__attribute__((target("sha,sse4.1,ssse3"))) static void
compress_by_instructions(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (; blocks; blocks--, data += 64) {
        __m128i w[4], abef_before = abef, cdgh_before = cdgh;
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data + i), swap);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            __m128i now = w[i & 3], last = w[(i + 3) & 3];
            __m128i sum = _mm_add_epi32(now, _mm_loadu_si128((const __m128i *)K + i));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
            __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(now, w[(i + 1) & 3]),
                                         _mm_alignr_epi8(last, w[(i + 2) & 3], 4));
            w[i & 3] = _mm_sha256msg2_epu32(next, last);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    uint32_t high[4], low[4];
    _mm_storeu_si128((__m128i *)high, abef);
    _mm_storeu_si128((__m128i *)low, cdgh);
    state[0] = high[3], state[1] = high[2], state[4] = high[1], state[5] = high[0];
    state[2] = low[3], state[3] = low[2], state[6] = low[1], state[7] = low[0];
}

static int has_instructions(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) && __get_cpuid(1, &a, &b, &c, &d) && (c >> 19 & 1);
}
#else
#define compress_by_instructions compress_plainly
static int has_instructions(void) { return 0; }
#endif

static void (*compress)(uint32_t state[8], const uint8_t *data, size_t blocks);

/* The buffer has room for the padding behind its data. */
static void sha256(uint8_t *buffer, size_t size, uint8_t out[HASH])
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    size_t blocks = (size + 9 + 63) / 64;
    uint64_t bits = (uint64_t)size * 8;
    buffer[size] = 0x80;
    memset(buffer + size + 1, 0, blocks * 64 - size - 1);
    for (int i = 0; i < 8; i++)
        buffer[blocks * 64 - 1 - i] = (uint8_t)(bits >> 8 * i);
    compress(state, buffer, blocks);
    for (int i = 0; i < HASH; i++)
        out[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* --- the tree (RFC 6962, section 2.1) ---------------------------------------------------------------------------- */

static uint8_t peaks[64][HASH]; /* perfect subtrees at the right edge, by level; which ones, the bits of the size say */

static void join(const uint8_t left[HASH], const uint8_t right[HASH], uint8_t out[HASH])
{
    uint8_t buffer[128] = {0x01};
    memcpy(buffer + 1, left, HASH);
    memcpy(buffer + 1 + HASH, right, HASH);
    sha256(buffer, 1 + 2 * HASH, out);
}

static void add(uint64_t size, const uint8_t leaf[HASH])
{
    uint8_t here[HASH];
    int level = 0;
    memcpy(here, leaf, HASH);
    for (; size >> level & 1; level++)
        join(peaks[level], here, here);
    memcpy(peaks[level], here, HASH);
}

static void root(uint64_t size, uint8_t out[HASH])
{
    int level = __builtin_ctzll(size);
    memcpy(out, peaks[level], HASH);
    while (++level < 64)
        if (size >> level & 1)
            join(peaks[level], out, out);
}

/* --- the entries ------------------------------------------------------------------------------------------------- */

static const char HEX[] = "0123456789abcdef";

/* The members that stand last in an entry without statement, sorted by name; the times have one length. */
static void check_end(const uint8_t *raw, size_t size, uint64_t seq, const uint8_t prev[HASH])
{
    static const char format[] = "\"recorded_at\":\"YYYY-MM-DDThh:mm:ss.ffffffZ\",\"seq\":";
    char said[64], hex[2 * HASH];
    size_t length = (size_t)snprintf(said, sizeof said, "%llu,\"subject\":[],\"v\":1}", (unsigned long long)seq);
    size_t before = length + sizeof format - 1 + 2 * HASH + 10;
    if (size < before || memcmp(raw + size - length, said, length))
        fail("an entry is out of its place");
    for (int i = 0; i < HASH; i++) {
        hex[2 * i] = HEX[prev[i] >> 4];
        hex[2 * i + 1] = HEX[prev[i] & 15];
    }
    const uint8_t *here = raw + size - before;
    if (memcmp(here, "\"prev\":\"", 8) || memcmp(here + 8, hex, sizeof hex) || memcmp(here + 8 + sizeof hex, "\",", 2))
        fail("an entry does not follow the one before");
}

int main(int argc, char **argv)
{
    static uint8_t buffer[LONGEST + 1 + 128], leaf[HASH], expected[HASH], found[HASH];
    uint64_t seq = 0, head = 0, heads_met = 0;
    uint32_t size;
    FILE *entries = argc == 3 ? fopen(argv[1], "rb") : NULL, *heads = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (!entries || !heads)
        fail("cannot read the files");
    compress = has_instructions() ? compress_by_instructions : compress_plainly;
    setvbuf(entries, NULL, _IOFBF, 1 << 20);
    buffer[0] = 0x00;
    while (fread(&size, sizeof size, 1, entries) == 1) {
        if (size > LONGEST || fread(buffer + 1, 1, size, entries) != size)
            fail("an entry is cut off");
        check_end(buffer + 1, size, seq, leaf);
        sha256(buffer, 1 + (size_t)size, leaf);
        add(seq, leaf);
        seq++;
        if (head < seq && (fread(&head, sizeof head, 1, heads) != 1 || fread(expected, HASH, 1, heads) != 1))
            fail("the last entries are under no checkpoint");
        if (head == seq) {
            root(seq, found);
            if (memcmp(found, expected, HASH))
                fail("a checkpoint was signed for another tree");
            heads_met++;
        }
    }
    if (head != seq || !heads_met)
        fail("the last checkpoint is not of all entries");
    printf("%llu %.6f %s\n", (unsigned long long)seq, (double)clock() / CLOCKS_PER_SEC,
           has_instructions() ? "SHA instructions" : "plain C");
    return 0;
}
