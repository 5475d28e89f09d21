/* crowd_files.c: see crowd.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crowd.h"

/* 127.1.0.1 and on; the last byte from 1 to 250. */
void crowd_address(const struct crowd_host *host, char *text, size_t size)
{
	snprintf(text, size, "127.%zu.%zu.%zu", 1 + host->index / 250 / 250,
	         host->index / 250 % 250, 1 + host->index % 250);
}

size_t crowd_index(uint32_t address)
{
	size_t second = address >> 16 & 255, third = address >> 8 & 255, last = address & 255;

	if (second < 1 || third >= 250 || last < 1 || last > 250)
		return SIZE_MAX;
	return ((second - 1) * 250 + third) * 250 + last - 1;
}

static ssh_key key_generate(void)
{
	ssh_key key;

	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
		crowd_die("cannot generate a key");
	return key;
}

static void known_hosts_write(const struct crowd *crowd, const char *path, ssh_key key)
{
	FILE *file = fopen(path, "we");
	char *text, address[32];

	if (!file || ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
		crowd_die("cannot write %s", path);
	for (size_t i = 0; i < crowd->count; i++) {
		crowd_address(&crowd->hosts[i], address, sizeof(address));
		fprintf(file, "[%s]:%u ssh-ed25519 %s\n", address, crowd->port, text);
	}
	ssh_string_free_char(text);
	fclose(file);
}

static void inventory_write(const struct crowd *crowd, const char *more, const char *directory)
{
	json_t *inventory = more ? json_load_file(more, 0, NULL) : json_object(), *hosts, *names;
	char path[4096], address[32];

	if (!inventory)
		crowd_die("cannot read %s", more);
	hosts = json_object();
	names = json_array();
	for (size_t i = 0; i < crowd->count; i++) {
		crowd_address(&crowd->hosts[i], address, sizeof(address));
		json_object_set_new(hosts, crowd->hosts[i].name,
		                    json_pack("{s:s}", "address", address));
		json_array_append_new(names, json_string(crowd->hosts[i].name));
	}
	json_object_set_new(inventory, "version", json_integer(1));
	json_object_set_new(inventory, "fleet", json_string("crowd"));
	json_object_set_new(inventory, "defaults",
	                    json_pack("{s:s, s:i, s:s+, s:s+}", "user", "root", "port",
	                              (int)crowd->port, "identity_file", directory, "/id_ed25519",
	                              "known_hosts", directory, "/known_hosts"));
	json_object_set_new(
	    inventory, "groups",
	    json_pack("{s:{s:s, s:o}}", "computes", "role", "compute", "hosts", names));
	json_object_set_new(inventory, "hosts", hosts);
	snprintf(path, sizeof(path), "%s/inventory.json", directory);
	if (json_dump_file(inventory, path, JSON_INDENT(1)))
		crowd_die("cannot write %s", path);
	json_decref(inventory);
}

void crowd_files_write(struct crowd *crowd, const char *inventory)
{
	char path[4096], *directory = realpath(crowd->directory, NULL);
	ssh_key key = key_generate();
	bool off = false;

	if (!directory)
		crowd_die("%s is no directory", crowd->directory);
	crowd->client_key = key_generate();
	snprintf(path, sizeof(path), "%s/id_ed25519", directory);
	if (ssh_pki_export_privkey_file(crowd->client_key, NULL, NULL, NULL, path) != SSH_OK ||
	    chmod(path, 0600))
		crowd_die("cannot write %s", path);
	snprintf(path, sizeof(path), "%s/known_hosts", directory);
	known_hosts_write(crowd, path, key);
	crowd->bind = ssh_bind_new();
	ssh_bind_options_set(crowd->bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &off);
	if (ssh_bind_options_set(crowd->bind, SSH_BIND_OPTIONS_IMPORT_KEY, key))
		crowd_die("cannot use the host key");
	inventory_write(crowd, inventory, directory);
	free(directory);
}
