/* keys.c: the client's key, each host's key, known_hosts, and the inventory that leads to the
 * hosts. */
#include "sim.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static ssh_key key_generate(const char *path)
{
	ssh_key key;

	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
		sim_die("cannot generate a key");
	if (path && ssh_pki_export_privkey_file(key, NULL, NULL, NULL, path) != SSH_OK)
		sim_die("cannot write %s", path);
	if (path)
		chmod(path, 0600);
	return key;
}

void keys_create(struct sim *sim)
{
	char path[SIM_PATH];

	sim_path(path, "%.900s/id_ed25519", sim->directory);
	sim->client_key = key_generate(path);
	for (size_t i = 0; i < sim->host_count; i++)
		keys_host_load(&sim->hosts[i], false);
}

void keys_host_load(struct sim_host *host, bool other)
{
	bool off = false;
	char path[SIM_PATH], *text;
	ssh_bind bind = ssh_bind_new();
	ssh_key key;

	sim_path(path, "%.900s/host_key", host->directory);
	key = key_generate(other ? NULL : path);
	if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
		sim_die("cannot export a key");
	sim_path(path, "%.900s/host_key.pub", host->directory);
	sim_write(path, "ssh-ed25519 %s", text);
	ssh_string_free_char(text);
	if (!other && host->faults.change_host_key) {
		ssh_key_free(key);
		key = key_generate(NULL);
	}
	ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &off);
	if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key))
		sim_die("cannot use a host key");
	if (host->bind)
		ssh_bind_free(host->bind);
	host->bind = bind;
}

static void known_hosts_write(const struct sim *sim, const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		sim_die("cannot write %s", path);
	for (size_t i = 0; i < sim->host_count; i++) {
		const struct sim_host *host = &sim->hosts[i];
		char key[SIM_PATH], *text;

		sim_path(key, "%.900s/host_key.pub", host->directory);
		text = sim_read(key);
		if (host->port == 22)
			fprintf(file, "%s %s\n", host->address, text ? text : "");
		else
			fprintf(file, "[%s]:%d %s\n", host->address, host->port, text ? text : "");
		free(text);
	}
	fclose(file);
}

/* The scenario's own `inventory`, with the addresses and keys of this run put in. */
void keys_write_inventory(const struct sim *sim)
{
	json_t *inventory = json_deep_copy(json_object_get(sim->scenario, "inventory"));
	json_t *defaults, *hosts;
	char path[SIM_PATH], known[SIM_PATH];

	sim_path(known, "%.900s/known_hosts", sim->directory);
	known_hosts_write(sim, known);
	if (!inventory)
		inventory = json_pack("{s:i, s:s, s:{}}", "version", 1, "fleet", "sim", "groups");
	defaults = json_object_get(inventory, "defaults");
	if (!defaults)
		json_object_set_new(inventory, "defaults", defaults = json_object());
	if (!json_object_get(defaults, "user"))
		json_object_set_new(defaults, "user", json_string("root"));
	sim_path(path, "%.900s/id_ed25519", sim->directory);
	json_object_set_new(defaults, "identity_file", json_string(path));
	json_object_set_new(defaults, "known_hosts", json_string(known));
	hosts = json_object_get(inventory, "hosts");
	if (!hosts)
		json_object_set_new(inventory, "hosts", hosts = json_object());
	for (size_t i = 0; i < sim->host_count; i++) {
		const struct sim_host *host = &sim->hosts[i];
		json_t *entry = json_object_get(hosts, host->name);

		if (!entry)
			json_object_set_new(hosts, host->name, entry = json_object());
		json_object_set_new(entry, "address", json_string(host->address));
		json_object_set_new(entry, "port", json_integer(host->port));
	}
	if (json_object_size(json_object_get(inventory, "groups")) == 0) {
		json_t *names = json_array();

		for (size_t i = 0; i < sim->host_count; i++)
			json_array_append_new(names, json_string(sim->hosts[i].name));
		json_object_set_new(
		    inventory, "groups",
		    json_pack("{s:{s:s, s:o}}", "computes", "role", "compute", "hosts", names));
	}
	sim_path(path, "%.900s/inventory.json", sim->directory);
	if (json_dump_file(inventory, path, JSON_INDENT(2)))
		sim_die("cannot write %s", path);
	json_decref(inventory);
}
