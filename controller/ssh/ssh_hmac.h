/* ssh_hmac.h: HMAC-SHA1, which hashed known_hosts lines (|1|salt|hash) are made with. */
#ifndef GPUFLEET_SSH_HMAC_H
#define GPUFLEET_SSH_HMAC_H

#include <stddef.h>
#include <stdint.h>

#define SSH_HMAC_SIZE 20

/* A key of which the half that is the same for all data was computed. */
struct ssh_hmac_key {
	uint32_t inner[5], outer[5];
};

void ssh_hmac_key(struct ssh_hmac_key *prepared, const uint8_t key[SSH_HMAC_SIZE]);

/* The HMAC-SHA1 of DATA under KEY. */
void ssh_hmac_sha1(const struct ssh_hmac_key *key, const void *data, size_t size,
                   uint8_t result[SSH_HMAC_SIZE]);

#endif
