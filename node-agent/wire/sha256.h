/* sha256.h: SHA-256 (FIPS 180-4) without a library, so that the agent stays self-contained. */
#ifndef GPUFLEET_WIRE_SHA256_H
#define GPUFLEET_WIRE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE     32
#define SHA256_HEX_SIZE 65 /* with the final NUL */

struct sha256 {
	uint32_t state[8];
	uint64_t length; /* bytes so far */
	uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_update(struct sha256 *sha, const void *data, size_t length);
void sha256_final(struct sha256 *sha, uint8_t digest[SHA256_SIZE]);

/* DIGEST as 64 lower-case hex digits. */
void sha256_to_hex(const uint8_t digest[SHA256_SIZE], char hex[SHA256_HEX_SIZE]);

/* The digest of DATA as 64 lower-case hex digits. */
void sha256_hex(const void *data, size_t length, char hex[SHA256_HEX_SIZE]);

/* Ends SHA and writes its digest as hex. */
void sha256_final_hex(struct sha256 *sha, char hex[SHA256_HEX_SIZE]);

#endif
