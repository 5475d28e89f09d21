/* sha256.c: see sha256.h. */
#include "node-agent/wire/sha256.h"

#include <string.h>

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int bits)
{
	return x >> bits | x << (32 - bits);
}

/* One round. The eight words of the state change places from round to round: eight rounds with
 * their names turned leave each where it was, and move none. */
#define ROUND(a, b, c, d, e, f, g, h, k, w)                                                        \
	do {                                                                                       \
		uint32_t t = (h) + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +                \
		             ((g) ^ ((e) & ((f) ^ (g)))) + (k) + (w);                              \
		(d) += t;                                                                          \
		(h) = t + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +                         \
		      (((a) & (b)) | ((c) & ((a) | (b))));                                         \
	} while (0)

static void block_process(struct sha256 *sha, const uint8_t *block)
{
	uint32_t w[64], *s = sha->state;
	uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t p = w[i - 15], q = w[i - 2];
		w[i] = w[i - 16] + (rotate(p, 7) ^ rotate(p, 18) ^ p >> 3) + w[i - 7] +
		       (rotate(q, 17) ^ rotate(q, 19) ^ q >> 10);
	}
	for (int i = 0; i < 64; i += 8) {
		const uint32_t *k = round_constants + i;
		ROUND(a, b, c, d, e, f, g, h, k[0], w[i + 0]);
		ROUND(h, a, b, c, d, e, f, g, k[1], w[i + 1]);
		ROUND(g, h, a, b, c, d, e, f, k[2], w[i + 2]);
		ROUND(f, g, h, a, b, c, d, e, k[3], w[i + 3]);
		ROUND(e, f, g, h, a, b, c, d, k[4], w[i + 4]);
		ROUND(d, e, f, g, h, a, b, c, k[5], w[i + 5]);
		ROUND(c, d, e, f, g, h, a, b, k[6], w[i + 6]);
		ROUND(b, c, d, e, f, g, h, a, k[7], w[i + 7]);
	}
	s[0] += a;
	s[1] += b;
	s[2] += c;
	s[3] += d;
	s[4] += e;
	s[5] += f;
	s[6] += g;
	s[7] += h;
}

void sha256_init(struct sha256 *sha)
{
	static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	memcpy(sha->state, start, sizeof(start));
	sha->length = 0;
}

void sha256_update(struct sha256 *sha, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	size_t used = sha->length % sizeof(sha->block);
	sha->length += length;
	for (; used == 0 && length >= sizeof(sha->block); length -= sizeof(sha->block)) {
		block_process(sha, bytes);
		bytes += sizeof(sha->block);
	}
	while (length > 0) {
		size_t take = sizeof(sha->block) - used;
		if (take > length)
			take = length;
		memcpy(sha->block + used, bytes, take);
		used += take;
		bytes += take;
		length -= take;
		if (used == sizeof(sha->block)) {
			block_process(sha, sha->block);
			used = 0;
		}
	}
}

void sha256_final(struct sha256 *sha, uint8_t digest[SHA256_SIZE])
{
	uint64_t bits = sha->length * 8;
	uint8_t tail[8];
	for (int i = 0; i < 8; i++)
		tail[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha256_update(sha, "\x80", 1);
	while (sha->length % sizeof(sha->block) != 56)
		sha256_update(sha, "", 1);
	sha256_update(sha, tail, sizeof(tail));
	for (int i = 0; i < SHA256_SIZE; i++)
		digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_to_hex(const uint8_t digest[SHA256_SIZE], char hex[SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	for (int i = 0; i < SHA256_SIZE; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[SHA256_HEX_SIZE - 1] = '\0';
}

void sha256_final_hex(struct sha256 *sha, char hex[SHA256_HEX_SIZE])
{
	uint8_t digest[SHA256_SIZE];
	sha256_final(sha, digest);
	sha256_to_hex(digest, hex);
}

void sha256_hex(const void *data, size_t length, char hex[SHA256_HEX_SIZE])
{
	struct sha256 sha;
	sha256_init(&sha);
	sha256_update(&sha, data, length);
	sha256_final_hex(&sha, hex);
}
