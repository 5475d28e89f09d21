/* ssh_hmac.h: HMAC-SHA1, which hashed known_hosts lines (|1|salt|hash) are made with. */
#ifndef GPUFLEET_SSH_HMAC_H
#define GPUFLEET_SSH_HMAC_H

#include <stddef.h>
#include <stdint.h>

#define SSH_HMAC_SIZE 20

/* The HMAC-SHA1 of DATA under a key of SSH_HMAC_SIZE bytes. */
void ssh_hmac_sha1(const uint8_t key[SSH_HMAC_SIZE], const void *data, size_t size,
                   uint8_t result[SSH_HMAC_SIZE]);

#endif
