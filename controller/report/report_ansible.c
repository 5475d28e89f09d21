/* report_ansible.c: see report_ansible.h. */
#include "controller/report/report_ansible.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "controller/report/json_out.h"
#include "node-agent/wire/json_text.h"

/* A group's members, by name, in the order of the report: the groups' own order is that of their
 * first hosts. KIND and VALUE: "verdict", "ready". */
static int join(json_t *groups, const char *kind, const char *value, const char *host)
{
	char *key = NULL;
	json_t *members;
	int rc = -1;

	if (asprintf(&key, "%s_%s", kind, value) < 0)
		return -1;
	members = json_object_get(groups, key);
	if (!members) {
		members = json_array();
		if (json_object_set_new(groups, key, members) < 0)
			goto out;
	}
	rc = 0;
	if (host && strcmp(host, json_array_size(members)
	                             ? json_string_value(
	                                   json_array_get(members, json_array_size(members) - 1))
	                             : "") != 0)
		rc = json_array_append_new(members, json_string(host));
out:
	free(key);
	return rc;
}

static int join_all(json_t *groups, const json_t *entry, const struct report_host *host)
{
	const char *name = host->host->name;
	const json_t *device, *check;
	size_t i;
	int rc =
	    join(groups, "role", host->host->role == ROLE_CONTROL ? "control" : "compute", name);

	rc |= join(groups, "verdict", json_text(entry, "verdict"), name);
	if (host->host->domain)
		rc |= join(groups, "domain", host->host->domain, name);
	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		if (json_is_true(json_object_get(device, "primary")) && *json_text(device, "alias"))
			rc |= join(groups, "alias", json_text(device, "alias"), name);
	}
	json_array_foreach(json_object_get(entry, "checks"), i, check)
	{
		if (strcmp(json_text(check, "status"), "fail") == 0)
			rc |= join(groups, "check", json_text(check, "id"), name);
	}
	return rc;
}

/* Group → members. NULL when out of memory. */
static json_t *collect(const json_t *entries, const struct report_host *hosts, size_t count)
{
	static const char *const verdicts[] = {"ready",  "pending", "blocked",
	                                       "in_use", "ignored", "unknown"};
	json_t *groups = json_object();
	int rc = groups ? 0 : -1;

	rc |= join(groups, "role", "compute", NULL) | join(groups, "role", "control", NULL);
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		rc |= join(groups, "verdict", verdicts[i], NULL);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = join_all(groups, json_array_get(entries, i), &hosts[i]);
	if (rc != 0) {
		json_decref(groups);
		return NULL;
	}
	return groups;
}

/* NAME as Ansible takes it, and as no group before it is called. The caller frees it. */
static char *group_name(const char *name, json_t *taken)
{
	char *text = NULL;
	size_t length = strlen(name);

	for (unsigned number = 1; !text; number++) {
		if (number == 1 ? asprintf(&text, "%s", name) < 0
		                : asprintf(&text, "%s_%u", name, number) < 0)
			return NULL;
		for (char *at = text; at < text + length; at++) {
			if (!isalnum((unsigned char)*at) || (unsigned char)*at > 0x7f)
				*at = '_';
		}
		if (json_object_get(taken, text)) {
			free(text);
			text = NULL;
		}
	}
	json_object_set_new(taken, text, json_true());
	return text;
}

/* A text that Ansible evaluates to itself. */
static void put_text(struct json_out *json, const char *text)
{
	char *copy = strdup(text);

	for (char *at = copy; at && *at; at++)
		*at = *at == '{' ? '(' : *at == '}' ? ')' : *at;
	json_out_string(json, copy ? copy : "");
	free(copy);
}

static void put_pair(struct json_out *json, bool *first, const char *key, const char *text)
{
	json_out_raw(json, *first ? "" : ", ");
	*first = false;
	json_out_string(json, key);
	json_out_raw(json, ": ");
	if (text)
		put_text(json, text);
	else
		json_out_raw(json, "null");
}

static void put_gpus(struct json_out *json, const json_t *entry)
{
	static const char *const keys[] = {"address", "vendor", "device", "name",
	                                   "alias",   "driver", "verdict"};
	const json_t *device, *reason;
	bool first = true;
	size_t i, k;

	json_out_raw(json, ", \"gpufleet_gpus\": [");
	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		bool first_key = true;

		if (!json_is_true(json_object_get(device, "primary")) ||
		    strcmp(json_text(device, "verdict"), "ignored") == 0)
			continue;
		json_out_raw(json, first ? "{" : ", {");
		first = false;
		for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			put_pair(json, &first_key, keys[k],
			         json_string_value(json_object_get(device, keys[k])));
		json_out_raw(json, ", \"reasons\": [");
		json_array_foreach(json_object_get(device, "reasons"), k, reason)
		{
			json_out_raw(json, k ? ", " : "");
			put_text(json, json_string_value(reason));
		}
		json_out_raw(json, "]}");
	}
	json_out_raw(json, "]");
}

static void put_host(struct json_out *json, const json_t *entry, const struct inventory_host *host)
{
	char port[16];
	bool first = true;

	put_text(json, host->name);
	json_out_raw(json, ": {");
	if (host->address_given)
		put_pair(json, &first, "ansible_host", host->address);
	if (host->port) {
		snprintf(port, sizeof(port), "%u", host->port);
		json_out_raw(json, first ? "\"ansible_port\": " : ", \"ansible_port\": ");
		json_out_raw(json, port);
		first = false;
	}
	if (host->user)
		put_pair(json, &first, "ansible_user", host->user);
	if (host->become == BECOME_SUDO) {
		json_out_raw(json,
		             first ? "\"ansible_become\": true" : ", \"ansible_become\": true");
		first = false;
	}
	put_pair(json, &first, "gpufleet_verdict", json_text(entry, "verdict"));
	put_pair(json, &first, "gpufleet_domain", host->domain);
	put_pair(json, &first, "gpufleet_role", host->role == ROLE_CONTROL ? "control" : "compute");
	put_pair(json, &first, "gpufleet_observed",
	         json_string_value(json_object_get(entry, "observed")));
	json_out_raw(json, json_is_true(json_object_get(entry, "reachable"))
	                       ? ", \"gpufleet_reachable\": true"
	                       : ", \"gpufleet_reachable\": false");
	put_gpus(json, entry);
	json_out_raw(json, "}");
}

static int put_groups(struct json_out *json, json_t *groups)
{
	json_t *taken = json_object(), *members;
	const json_t *member;
	const char *key;
	bool first = true;
	size_t i;

	json_object_foreach(groups, key, members)
	{
		char *name = group_name(key, taken);

		if (!name) {
			json_decref(taken);
			return -1;
		}
		json_out_raw(json, first ? "\n      " : ",\n      ");
		first = false;
		json_out_string(json, name);
		json_out_raw(json, ": {\"hosts\": {");
		free(name);
		json_array_foreach(members, i, member)
		{
			json_out_raw(json, i ? ", " : "");
			put_text(json, json_string_value(member));
			json_out_raw(json, ": {}");
		}
		json_out_raw(json, "}}");
	}
	json_decref(taken);
	return 0;
}

int report_ansible(const json_t *report, const struct report_host *hosts, size_t count, FILE *out,
                   struct gf_err *err)
{
	const json_t *entries = json_object_get(report, "hosts");
	json_t *groups = collect(entries, hosts, count);
	struct json_out *json = json_out_new(out);
	int rc = groups && json ? 0 : -1;

	if (rc == 0) {
		json_out_raw(json, "{\n  \"all\": {\n    \"hosts\": {");
		for (size_t i = 0; i < count; i++) {
			json_out_raw(json, i ? ",\n      " : "\n      ");
			put_host(json, json_array_get(entries, i), hosts[i].host);
		}
		json_out_raw(json, "\n    },\n    \"children\": {");
		rc = put_groups(json, groups);
		json_out_raw(json, "\n    }\n  }\n}\n");
	}
	json_out_free(json);
	json_decref(groups);
	if (rc < 0)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (fflush(out) == EOF || ferror(out))
		return gf_err_errno(err, GF_E_IO, "cannot write the report");
	return 0;
}
