/* ssh_hmac.c: see ssh_hmac.h. SHA-1 as FIPS 180-4 has it; nothing here guards a secret. */
#include "controller/ssh/ssh_hmac.h"

#include <string.h>

struct sha1 {
	uint32_t h[5];
	uint8_t block[64];
	size_t fill;
	uint64_t length;
};

static uint32_t rotate(uint32_t value, unsigned bits)
{
	return (value << bits) | (value >> (32 - bits));
}

static void sha1_block(struct sha1 *sha, const uint8_t *block)
{
	uint32_t w[80];
	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (size_t i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	uint32_t a = sha->h[0], b = sha->h[1], c = sha->h[2], d = sha->h[3], e = sha->h[4];
	for (size_t i = 0; i < 80; i++) {
		uint32_t f, k;
		if (i < 20) {
			f = (b & c) | (~b & d);
			k = 0x5a827999;
		} else if (i < 40) {
			f = b ^ c ^ d;
			k = 0x6ed9eba1;
		} else if (i < 60) {
			f = (b & c) | (b & d) | (c & d);
			k = 0x8f1bbcdc;
		} else {
			f = b ^ c ^ d;
			k = 0xca62c1d6;
		}
		uint32_t next = rotate(a, 5) + f + e + k + w[i];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	sha->h[0] += a;
	sha->h[1] += b;
	sha->h[2] += c;
	sha->h[3] += d;
	sha->h[4] += e;
}

static void sha1_start(struct sha1 *sha)
{
	static const uint32_t start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
	                                  0xc3d2e1f0};
	memcpy(sha->h, start, sizeof(start));
	sha->fill = 0;
	sha->length = 0;
}

static void sha1_update(struct sha1 *sha, const uint8_t *data, size_t size)
{
	sha->length += size;
	while (size > 0) {
		size_t part = sizeof(sha->block) - sha->fill;
		if (part > size)
			part = size;
		memcpy(sha->block + sha->fill, data, part);
		sha->fill += part;
		data += part;
		size -= part;
		if (sha->fill == sizeof(sha->block)) {
			sha1_block(sha, sha->block);
			sha->fill = 0;
		}
	}
}

static void sha1_end(struct sha1 *sha, uint8_t result[SSH_HMAC_SIZE])
{
	uint64_t bits = sha->length * 8;
	static const uint8_t mark = 0x80, zero = 0;
	sha1_update(sha, &mark, 1);
	while (sha->fill != 56)
		sha1_update(sha, &zero, 1);
	uint8_t length[8];
	for (size_t i = 0; i < 8; i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha1_update(sha, length, sizeof(length));
	for (size_t i = 0; i < SSH_HMAC_SIZE; i++)
		result[i] = (uint8_t)(sha->h[i / 4] >> (24 - 8 * (i % 4)));
}

void ssh_hmac_sha1(const uint8_t key[SSH_HMAC_SIZE], const void *data, size_t size,
                   uint8_t result[SSH_HMAC_SIZE])
{
	uint8_t inner[64], outer[64];
	memset(inner, 0x36, sizeof(inner));
	memset(outer, 0x5c, sizeof(outer));
	for (size_t i = 0; i < SSH_HMAC_SIZE; i++) {
		inner[i] ^= key[i];
		outer[i] ^= key[i];
	}
	struct sha1 sha;
	sha1_start(&sha);
	sha1_update(&sha, inner, sizeof(inner));
	sha1_update(&sha, data, size);
	sha1_end(&sha, result);
	sha1_start(&sha);
	sha1_update(&sha, outer, sizeof(outer));
	sha1_update(&sha, result, SSH_HMAC_SIZE);
	sha1_end(&sha, result);
}
