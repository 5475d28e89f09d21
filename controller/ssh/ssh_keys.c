/* ssh_keys.c: see ssh_keys.h. */
#include "controller/ssh/ssh_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Asked for a passphrase: without this, OpenSSL would prompt on the terminal and stop the loop. */
static int passphrase_cb(const char *prompt, char *buffer, size_t size, int echo, int verify,
                         void *userdata)
{
	(void)prompt;
	(void)buffer;
	(void)size;
	(void)echo;
	(void)verify;
	*(bool *)userdata = true;
	return -1;
}

/* As ssh has it: a key that others can read is no secret any more. */
static bool open_to_others(struct ssh_identity *identity, const struct stat *info)
{
	if (info->st_uid != getuid() || (info->st_mode & 077) == 0)
		return false;
	gf_err_set(
	    &identity->err, GF_E_AUTH,
	    "the private key %s can be read or written by others (mode %04o), and is not used: "
	    "chmod 600 %s",
	    identity->path, (unsigned)info->st_mode & 07777, identity->path);
	return true;
}

static void load(struct ssh_identity *identity)
{
	char public_path[4096];
	bool encrypted = false;
	const char *path = identity->path;
	struct stat info;
	if (stat(path, &info) != 0 && errno == ENOENT) {
		identity->missing = true;
		gf_err_set(&identity->err, GF_E_AUTH, "there is no identity file %s", path);
	} else if (access(path, R_OK) != 0) {
		gf_err_errno(&identity->err, GF_E_AUTH, "cannot read the identity file %s", path);
	} else if (ssh_pki_import_privkey_file(path, NULL, passphrase_cb, &encrypted,
	                                       &identity->private_key) == SSH_OK) {
		if (!open_to_others(identity, &info)) {
			if (ssh_pki_export_privkey_to_pubkey(identity->private_key,
			                                     &identity->public_key) == SSH_OK)
				return;
			gf_err_set(&identity->err, GF_E_AUTH, "%s holds no usable key", path);
		}
		ssh_key_free(identity->private_key);
		identity->private_key = NULL;
	} else if (encrypted) {
		identity->encrypted = true;
		gf_err_set(&identity->err, GF_E_AUTH,
		           "the key %s has a passphrase: add it to an ssh-agent first (ssh-add %s)",
		           path, path);
	} else {
		gf_err_set(&identity->err, GF_E_AUTH, "%s is not a private key that can be read",
		           path);
	}
	snprintf(public_path, sizeof(public_path), "%s.pub", path);
	/* A file in OpenSSH's own format has the public key in it, unencrypted. */
	if (ssh_pki_import_pubkey_file(public_path, &identity->public_key) != SSH_OK &&
	    (!encrypted || ssh_pki_import_pubkey_file(path, &identity->public_key) != SSH_OK))
		identity->public_key = NULL;
}

void ssh_keys_unlocked(struct ssh_keys *keys, const char *path, ssh_key key)
{
	for (struct ssh_identity *known = keys->identities; known; known = known->next) {
		if (strcmp(known->path, path) != 0 || known->private_key)
			continue;
		known->private_key = key;
		known->encrypted = false;
		if (!known->public_key)
			ssh_pki_export_privkey_to_pubkey(key, &known->public_key);
		return;
	}
	ssh_key_free(key);
}

const struct ssh_identity *ssh_keys_get(struct ssh_keys *keys, const char *path)
{
	for (struct ssh_identity *known = keys->identities; known; known = known->next)
		if (strcmp(known->path, path) == 0)
			return known;
	struct ssh_identity *identity = calloc(1, sizeof(*identity));
	if (!identity || !(identity->path = strdup(path))) {
		free(identity);
		return NULL;
	}
	load(identity);
	identity->next = keys->identities;
	keys->identities = identity;
	return identity;
}

void ssh_keys_free(struct ssh_keys *keys)
{
	while (keys->identities) {
		struct ssh_identity *identity = keys->identities;
		keys->identities = identity->next;
		ssh_key_free(identity->private_key);
		ssh_key_free(identity->public_key);
		free(identity->path);
		free(identity);
	}
}
