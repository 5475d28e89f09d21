/* ssh_keys.h: private keys from files, each read once for all links. */
#ifndef GPUFLEET_SSH_KEYS_H
#define GPUFLEET_SSH_KEYS_H

#include <libssh/libssh.h>

#include "node-agent/wire/error.h"

struct ssh_identity {
	char *path;
	ssh_key private_key; /* NULL: see err */
	ssh_key public_key;  /* of the private key, or of PATH.pub; NULL when there is none */
	struct gf_err err;   /* why there is no private key */
	bool missing;        /* there is no such file */
	bool encrypted;      /* … and not unlocked so far */
	struct ssh_identity *next;
};

struct ssh_keys {
	struct ssh_identity *identities;
};

/* The key in file PATH, read at the first call. NULL only when out of memory. */
const struct ssh_identity *ssh_keys_get(struct ssh_keys *keys, const char *path);
/* The file PATH was decrypted by its passphrase: takes KEY. */
void ssh_keys_unlocked(struct ssh_keys *keys, const char *path, ssh_key key);
void ssh_keys_free(struct ssh_keys *keys);

#endif
