/* ssh_hmac.c: see ssh_hmac.h. SHA-1 as FIPS 180-4 has it; nothing here guards a secret. */
#include "controller/ssh/ssh_hmac.h"

#include <string.h>

#define BLOCK 64

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return (value << bits) | (value >> (32 - bits));
}

struct registers {
	uint32_t a, b, c, d, e;
};

static inline void sha1_round(struct registers *r, uint32_t f, uint32_t added)
{
	uint32_t next = rotate(r->a, 5) + f + r->e + added;
	r->e = r->d;
	r->d = r->c;
	r->c = rotate(r->b, 30);
	r->b = r->a;
	r->a = next;
}

static void sha1_block(uint32_t h[5], const uint8_t block[BLOCK])
{
	uint32_t w[80];
	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (size_t i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	struct registers r = {h[0], h[1], h[2], h[3], h[4]};
	for (size_t i = 0; i < 20; i++)
		sha1_round(&r, (r.b & r.c) | (~r.b & r.d), 0x5a827999 + w[i]);
	for (size_t i = 20; i < 40; i++)
		sha1_round(&r, r.b ^ r.c ^ r.d, 0x6ed9eba1 + w[i]);
	for (size_t i = 40; i < 60; i++)
		sha1_round(&r, (r.b & r.c) | (r.b & r.d) | (r.c & r.d), 0x8f1bbcdc + w[i]);
	for (size_t i = 60; i < 80; i++)
		sha1_round(&r, r.b ^ r.c ^ r.d, 0xca62c1d6 + w[i]);
	h[0] += r.a;
	h[1] += r.b;
	h[2] += r.c;
	h[3] += r.d;
	h[4] += r.e;
}

/* Ends a hash whose first block was the key: DATA, padding, length, into RESULT. */
static void sha1_finish(const uint32_t begun[5], const uint8_t *data, size_t size,
                        uint8_t result[SSH_HMAC_SIZE])
{
	uint32_t h[5];
	uint8_t block[BLOCK] = {0};
	uint64_t bits = (BLOCK + (uint64_t)size) * 8;
	memcpy(h, begun, sizeof(h));
	for (; size >= BLOCK; size -= BLOCK, data += BLOCK)
		sha1_block(h, data);
	memcpy(block, data, size);
	block[size] = 0x80;
	if (size >= BLOCK - 8) {
		sha1_block(h, block);
		memset(block, 0, sizeof(block));
	}
	for (size_t i = 0; i < 8; i++)
		block[BLOCK - 8 + i] = (uint8_t)(bits >> (56 - 8 * i));
	sha1_block(h, block);
	for (size_t i = 0; i < SSH_HMAC_SIZE; i++)
		result[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void key_begin(uint32_t h[5], const uint8_t key[SSH_HMAC_SIZE], uint8_t pad)
{
	static const uint32_t start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
	                                  0xc3d2e1f0};
	uint8_t block[BLOCK];
	memset(block, pad, sizeof(block));
	for (size_t i = 0; i < SSH_HMAC_SIZE; i++)
		block[i] ^= key[i];
	memcpy(h, start, sizeof(start));
	sha1_block(h, block);
}

void ssh_hmac_key(struct ssh_hmac_key *prepared, const uint8_t key[SSH_HMAC_SIZE])
{
	key_begin(prepared->inner, key, 0x36);
	key_begin(prepared->outer, key, 0x5c);
}

void ssh_hmac_sha1(const struct ssh_hmac_key *key, const void *data, size_t size,
                   uint8_t result[SSH_HMAC_SIZE])
{
	sha1_finish(key->inner, data, size, result);
	sha1_finish(key->outer, result, SSH_HMAC_SIZE, result);
}
