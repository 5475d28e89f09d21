/* inventory_read.c: reads an inventory and resolves every host's settings.
 *
 * Each section (defaults, each group, each host's own) is first read into a layer by the tables of
 * inventory_fields.c. Then groups are expanded into hosts, and each host takes every setting from
 * the first that gives it: its own section, its groups (which must agree), defaults, the fleet.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/inventory_build.h"
#include "inventory/nodeset.h"
#include "inventory/shared_text.h"
#include "inventory/suggest.h"
#include "inventory/text_rules.h"

#define GROUPS_MAX 10000

static const struct json_path groups_path = {.key = "groups"};
static const struct json_path hosts_path = {.key = "hosts"};

/* ---- layers ---- */

static int setting_path_resolve(struct build *build, char **path)
{
	char *resolved;
	if (path_resolve(build, *path, &resolved) < 0)
		return -1;
	if (!resolved)
		return 0;
	shared_text_drop(path);
	*path = shared_text_new(resolved);
	free(resolved);
	return *path ? 0 : field_no_memory(&build->reader);
}

static int settings_read(struct build *build, const struct json_path *at, const json_t *value,
                         unsigned where, struct inventory_host *settings, unsigned *given)
{
	if (fields_read(&build->reader, at, value, &settings_set, where, settings, given) < 0)
		return -1;
	return setting_path_resolve(build, &settings->identity_file) < 0
	           ? -1
	           : setting_path_resolve(build, &settings->known_hosts);
}

static int layer_read(struct build *build, const struct json_path *at, const json_t *value,
                      unsigned where, struct layer *layer)
{
	layer->name = at->key;
	layer->json = value;
	return settings_read(build, at, value, where, &layer->settings, &layer->given);
}

static int groups_read(struct build *build)
{
	json_t *groups = json_object_get(build->root, "groups");
	if (!json_is_object(groups))
		return field_mismatch(&build->reader, &groups_path, groups, "an object");
	size_t count = json_object_size(groups);
	if (count == 0)
		return field_error(&build->reader, &groups_path, JSON_VALUE,
		                   "there is no group, and so no host; add one such as "
		                   "\"rack1\": {\"hosts\": [\"gpu[01-16]\"]}");
	if (count > GROUPS_MAX)
		return field_error(&build->reader, &groups_path, JSON_VALUE, "more than %d groups",
		                   GROUPS_MAX);
	build->groups = calloc(count, sizeof(*build->groups));
	if (!build->groups)
		return field_no_memory(&build->reader);
	const char *name;
	json_t *value;
	json_object_foreach(groups, name, value)
	{
		struct json_path at = {.parent = &groups_path, .key = name};
		char shown[JSON_SHOW_SIZE];
		if (!rule_name.valid(name))
			return field_error(&build->reader, &at, JSON_KEY,
			                   "a group needs %s, not \"%s\"", rule_name.what,
			                   json_show(name, shown));
		struct group *group = &build->groups[build->group_count++];
		if (layer_read(build, &at, value, IN_GROUP, &group->layer) < 0)
			return -1;
	}
	return 0;
}

/* An entry of "hosts" that no group has would silently do nothing. */
static int own_unknown(struct build *build, const struct json_path *at)
{
	const struct inventory *inventory = build->inventory;
	char shown[JSON_SHOW_SIZE], hint[320] = "add it to a group's \"hosts\"";
	const char **names = calloc(inventory->host_count, sizeof(*names));
	for (size_t i = 0; names && i < inventory->host_count; i++)
		names[i] = inventory->hosts[i].name;
	const char *near = names ? suggest_nearest(at->key, names, inventory->host_count) : NULL;
	if (near)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", near);
	free(names);
	return field_error(&build->reader, at, JSON_KEY, "host \"%s\" is in no group; %s",
	                   json_show(at->key, shown), hint);
}

/* A host's own section goes right to where its settings are kept: there may be thousands. */
static int own_read(struct build *build)
{
	json_t *hosts = json_object_get(build->root, "hosts");
	if (!hosts)
		return 0;
	if (!json_is_object(hosts))
		return field_mismatch(&build->reader, &hosts_path, hosts, "an object");
	const char *name;
	json_t *value;
	json_object_foreach(hosts, name, value)
	{
		struct json_path at = {.parent = &hosts_path, .key = name};
		const json_t *index = json_object_get(build->host_index, name);
		size_t i = (size_t)json_integer_value(index);
		if (!index)
			return own_unknown(build, &at);
		if (settings_read(build, &at, value, IN_HOST, &build->inventory->hosts[i],
		                  &build->own[i]) < 0)
			return -1;
	}
	return 0;
}

/* ---- what spans sections ---- */

static void aliases_add(const struct inventory_gpu_list *list, json_t *aliases)
{
	for (size_t i = 0; i < list->count; i++)
		json_object_set_new(aliases, list->items[i].alias, json_true());
}

static int alias_unknown(struct build *build, size_t flavor, const char *alias, json_t *aliases)
{
	const struct json_path flavors = {.key = "flavors"};
	struct json_path entry = {.parent = &flavors, .index = flavor};
	struct json_path gpus = {.parent = &entry, .key = "gpus"};
	struct json_path at = {.parent = &gpus, .key = alias};
	const char **names = calloc(json_object_size(aliases) + 1, sizeof(*names)), *name;
	size_t count = 0;
	json_t *value;
	char shown[JSON_SHOW_SIZE];
	if (names)
		json_object_foreach(aliases, name, value) names[count++] = name;
	const char *near = suggest_nearest(alias, names, count);
	json_show(alias, shown);
	if (near)
		field_error(&build->reader, &at, JSON_KEY,
		            "no entry of \"gpus\" has alias \"%s\"; did you mean \"%s\"?", shown,
		            near);
	else
		field_error(&build->reader, &at, JSON_KEY,
		            "no entry of \"gpus\" has alias \"%s\"; add one", shown);
	free(names);
	return -1;
}

static int flavors_check(struct build *build)
{
	const struct inventory *inventory = build->inventory;
	json_t *aliases = json_object();
	int rc = aliases ? 0 : field_no_memory(&build->reader);
	if (rc == 0) {
		aliases_add(&inventory->gpus, aliases);
		aliases_add(&build->defaults.settings.gpus, aliases);
		for (size_t i = 0; i < build->group_count; i++)
			aliases_add(&build->groups[i].layer.settings.gpus, aliases);
		for (size_t i = 0; i < inventory->host_count; i++)
			if (build->own[i] & 1u << SETTING_GPUS)
				aliases_add(&inventory->hosts[i].gpus, aliases);
	}
	for (size_t i = 0; rc == 0 && i < inventory->flavor_count; i++)
		for (size_t j = 0; rc == 0 && j < inventory->flavors[i].gpu_count; j++)
			if (!json_object_get(aliases, inventory->flavors[i].gpus[j].alias))
				rc = alias_unknown(build, i, inventory->flavors[i].gpus[j].alias,
				                   aliases);
	json_decref(aliases);
	return rc;
}

static int playbook_resolve(struct build *build)
{
	struct inventory *inventory = build->inventory;
	if (!inventory->playbook) {
		inventory->playbook = strdup("gpu-passthrough");
		return inventory->playbook ? 0 : field_no_memory(&build->reader);
	}
	if (!strchr(inventory->playbook, '/'))
		return 0;
	char *path = NULL;
	if (*inventory->playbook != '~') {
		if (path_resolve(build, inventory->playbook, &path) < 0)
			return -1;
		if (!path)
			return 0;
	} else if (!(path = path_expand(inventory->playbook))) {
		return field_no_memory(&build->reader);
	}
	free(inventory->playbook);
	inventory->playbook = path;
	return 0;
}

static int defaults_set(struct build *build)
{
	struct inventory_rollout *rollout = &build->inventory->rollout;
	build->inventory->report_in_placement = build->inventory->pci_in_placement = -1;
	rollout->max_unavailable = 1;
	rollout->boot_timeout_s = 30 * 60;
	rollout->confirm_timeout_s = 10 * 60;
	rollout->waves = calloc(3, sizeof(*rollout->waves));
	if (!rollout->waves)
		return field_no_memory(&build->reader);
	rollout->wave_count = 3;
	rollout->waves[0] = (struct inventory_wave){false, 1};
	rollout->waves[1] = (struct inventory_wave){true, 10};
	rollout->waves[2] = (struct inventory_wave){true, 100};
	return 0;
}

static int sections_read(struct build *build)
{
	const struct json_path defaults = {.key = "defaults"};
	const json_t *value = json_object_get(build->root, "defaults");
	if (defaults_set(build) < 0 || fields_read(&build->reader, NULL, build->root, &fleet_set, 0,
	                                           build->inventory, NULL) < 0)
		return -1;
	if (value && layer_read(build, &defaults, value, IN_DEFAULTS, &build->defaults) < 0)
		return -1;
	if (groups_read(build) < 0 || hosts_collect(build) < 0 || own_read(build) < 0 ||
	    hosts_resolve(build) < 0)
		return -1;
	return flavors_check(build) < 0 ? -1 : playbook_resolve(build);
}

static struct inventory *inventory_build(const char *path, const struct json_source *source,
                                         struct gf_err *err)
{
	struct build build = {.reader = {.source = source, .err = err}};
	build.root = json_source_root(source);
	build.inventory = calloc(1, sizeof(*build.inventory));
	build.host_index = json_object();
	int rc = -1;
	if (!build.inventory || !build.host_index || !(build.inventory->path = strdup(path)) ||
	    !(build.inventory->sha256 = strdup(json_source_sha256(source))))
		field_no_memory(&build.reader);
	else
		rc = sections_read(&build);
	for (size_t i = 0; i < build.group_count; i++) {
		host_clear(&build.groups[i].layer.settings);
		string_list_free(&build.groups[i].members);
	}
	host_clear(&build.defaults.settings);
	free(build.groups);
	free(build.own);
	for (size_t i = 0; build.groups_of && i < build.inventory->host_count; i++)
		string_list_free(&build.groups_of[i]);
	free(build.groups_of);
	free(build.origins);
	free(build.role_origins);
	json_decref(build.host_index);
	if (rc < 0) {
		inventory_free(build.inventory);
		return NULL;
	}
	return build.inventory;
}

struct inventory *inventory_parse(const char *path, const char *text, size_t length,
                                  struct gf_err *err)
{
	struct json_source *source = json_source_parse(path, text, length, err);
	struct inventory *inventory = source ? inventory_build(path, source, err) : NULL;
	json_source_free(source);
	return inventory;
}

struct inventory *inventory_read(const char *path, struct gf_err *err)
{
	struct json_source *source = json_source_read(path, err);
	struct inventory *inventory = source ? inventory_build(path, source, err) : NULL;
	json_source_free(source);
	return inventory;
}
