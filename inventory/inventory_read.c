/* inventory_read.c: reads an inventory and resolves every host's settings.
 *
 * Each section (defaults, each group, each host's own) is first read into a layer by the tables of
 * inventory_fields.c. Then groups are expanded into hosts, and each host takes every setting from
 * the first that gives it: its own section, its groups (which must agree), defaults, the fleet.
 */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/inventory_fields.h"
#include "inventory/nodeset.h"
#include "inventory/suggest.h"
#include "inventory/text_rules.h"

#define MEMBERSHIPS_MAX                                                                            \
	(5u * NODESET_MAX) /* hosts named by all groups together: bounds the time                  \
	                    */
#define GROUPS_MAX 10000

struct layer {
	const char *name; /* borrowed from the document */
	const json_t *json;
	struct inventory_host settings;
	unsigned given; /* a bit for each row of settings_set */
};

struct group {
	struct layer layer;
	struct string_list members;
	enum { GROUP_NEW, GROUP_OPEN, GROUP_DONE } state;
};

struct build {
	struct field_reader reader;
	const json_t *root;
	struct inventory *inventory;
	struct layer defaults;
	struct group *groups;
	size_t group_count;
	struct layer *own; /* the entries of "hosts" */
	size_t own_count;
	json_t *host_index; /* name → index into inventory->hosts */
	size_t memberships;
	uint16_t *origins; /* host × setting: 1 + the group that gave it, or 0 */
	uint16_t *role_origins;
};

static const struct json_path groups_path = {.key = "groups"};
static const struct json_path hosts_path = {.key = "hosts"};

static int group_expand(struct build *build, struct group *group);

/* ---- layers ---- */

static int layer_read(struct build *build, const struct json_path *at, const json_t *value,
                      unsigned where, struct layer *layer)
{
	layer->name = at->key;
	layer->json = value;
	return fields_read(&build->reader, at, value, &settings_set, where, &layer->settings,
	                   &layer->given);
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

static int own_read(struct build *build)
{
	json_t *hosts = json_object_get(build->root, "hosts");
	if (!hosts)
		return 0;
	if (!json_is_object(hosts))
		return field_mismatch(&build->reader, &hosts_path, hosts, "an object");
	build->own = calloc(json_object_size(hosts) + 1, sizeof(*build->own));
	if (!build->own)
		return field_no_memory(&build->reader);
	const char *name;
	json_t *value;
	json_object_foreach(hosts, name, value)
	{
		struct json_path at = {.parent = &hosts_path, .key = name};
		if (layer_read(build, &at, value, IN_HOST, &build->own[build->own_count++]) < 0)
			return -1;
	}
	return 0;
}

/* ---- groups → hosts ---- */

static const char *const *group_names(const struct build *build)
{
	const char **names = calloc(build->group_count + 1, sizeof(*names));
	for (size_t i = 0; names && i < build->group_count; i++)
		names[i] = build->groups[i].layer.name;
	return names;
}

static int group_members(void *ctx, const char *name, const struct string_list **names,
                         struct gf_err *err)
{
	struct build *build = ctx;
	for (size_t i = 0; i < build->group_count; i++) {
		struct group *group = &build->groups[i];
		if (strcmp(group->layer.name, name))
			continue;
		if (group->state == GROUP_OPEN)
			return gf_err_set(err, GF_E_INPUT, "group \"%s\" contains itself", name);
		if (group_expand(build, group) < 0)
			return gf_err_set(err, GF_E_CANCELLED, "said already");
		*names = &group->members;
		return 0;
	}
	const char *const *known = group_names(build);
	const char *near = known ? suggest_nearest(name, known, build->group_count) : NULL;
	gf_err_set(err, GF_E_INPUT,
	           near ? "there is no group \"%s\"; did you mean \"@%s\"?"
	                : "there is no group \"%s\"",
	           name, near);
	free((void *)(uintptr_t)known);
	return -1;
}

/* The list's entries as one expression, so that "!gpu07" takes out of all of them. */
static char *hosts_join(struct build *build, const struct json_path *at, const json_t *hosts)
{
	char *text = NULL;
	size_t size = 0, i;
	const json_t *item;
	if (!json_is_array(hosts)) {
		field_mismatch(&build->reader, at, hosts, "a list such as [\"gpu[01-16]\"]");
		return NULL;
	}
	if (json_array_size(hosts) == 0) {
		field_error(&build->reader, at, JSON_VALUE,
		            "\"hosts\" is empty: the group names no host");
		return NULL;
	}
	FILE *out = open_memstream(&text, &size);
	if (!out) {
		field_no_memory(&build->reader);
		return NULL;
	}
	json_array_foreach(hosts, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		const char *entry = json_string_value(item);
		if (!entry || !entry[strspn(entry, ", \t\r\n")]) {
			field_mismatch(&build->reader, &here, item,
			               "a node set such as \"gpu[01-16]\"");
			fclose(out);
			free(text);
			return NULL;
		}
		fprintf(out, "%s%s", i ? "," : "", entry);
	}
	if (fclose(out) != 0) {
		free(text);
		field_no_memory(&build->reader);
		return NULL;
	}
	return text;
}

/* Puts the problem at the entry of the list in which it lies. */
static int hosts_error(struct build *build, const struct json_path *at, const json_t *hosts,
                       size_t column, const char *message)
{
	size_t index, entry = 0;
	json_t *item;
	json_array_foreach(hosts, index, item)
	{
		size_t length = json_string_length(item) + 1;
		entry = index;
		if (column <= length)
			break;
		column -= length;
	}
	struct json_path here = {.parent = at, .index = entry};
	char shown[JSON_SHOW_SIZE];
	return field_error(&build->reader, &here, JSON_VALUE, "node set \"%s\", character %zu: %s",
	                   json_show(json_string_value(json_array_get(hosts, entry)), shown),
	                   column, message);
}

static int group_expand(struct build *build, struct group *group)
{
	if (group->state == GROUP_DONE)
		return 0;
	struct json_path at = {.parent = &groups_path, .key = group->layer.name};
	struct json_path hosts_at = {.parent = &at, .key = "hosts"};
	const json_t *hosts = json_object_get(group->layer.json, "hosts");
	char *text = hosts_join(build, &hosts_at, hosts);
	if (!text)
		return -1;
	group->state = GROUP_OPEN;
	struct gf_err why;
	size_t column;
	int rc = nodeset_expand_at(text, group_members, build, &group->members, &column, &why);
	free(text);
	if (rc < 0)
		return why.code == GF_E_CANCELLED
		           ? -1
		           : hosts_error(build, &hosts_at, hosts, column, why.msg);
	if (group->members.count == 0)
		return field_error(&build->reader, &hosts_at, JSON_VALUE,
		                   "\"hosts\" is an empty selection: '!' takes out every host");
	build->memberships += group->members.count;
	if (build->memberships > MEMBERSHIPS_MAX)
		return field_error(&build->reader, &hosts_at, JSON_VALUE,
		                   "all groups together name more than %u hosts", MEMBERSHIPS_MAX);
	group->state = GROUP_DONE;
	return 0;
}

static int host_add(struct build *build, const char *name, size_t *room)
{
	struct inventory *inventory = build->inventory;
	if (inventory->host_count == *room) {
		*room = *room ? 2 * *room : 64;
		struct inventory_host *hosts =
		    realloc(inventory->hosts, *room * sizeof(*inventory->hosts));
		if (!hosts)
			return field_no_memory(&build->reader);
		inventory->hosts = hosts;
	}
	struct inventory_host *host = &inventory->hosts[inventory->host_count++];
	*host = (struct inventory_host){.name = strdup(name)};
	if (!host->name || json_object_set_new(build->host_index, name, json_true()) < 0)
		return field_no_memory(&build->reader);
	return 0;
}

static int host_order(const void *a, const void *b)
{
	return nodeset_compare(((const struct inventory_host *)a)->name,
	                       ((const struct inventory_host *)b)->name);
}

static int hosts_collect(struct build *build)
{
	struct inventory *inventory = build->inventory;
	size_t room = 0;
	for (size_t i = 0; i < build->group_count; i++) {
		struct group *group = &build->groups[i];
		if (group_expand(build, group) < 0)
			return -1;
		for (size_t j = 0; j < group->members.count; j++)
			if (!json_object_get(build->host_index, group->members.items[j]) &&
			    host_add(build, group->members.items[j], &room) < 0)
				return -1;
		if (inventory->host_count > NODESET_MAX)
			return field_error(&build->reader, &groups_path, JSON_VALUE,
			                   "the groups name more than %d hosts", NODESET_MAX);
	}
	qsort(inventory->hosts, inventory->host_count, sizeof(*inventory->hosts), host_order);
	for (size_t i = 0; i < inventory->host_count; i++)
		if (json_object_set_new(build->host_index, inventory->hosts[i].name,
		                        json_integer((json_int_t)i)) < 0)
			return field_no_memory(&build->reader);
	return 0;
}

static struct layer *own_find(struct build *build, size_t host, json_t *own_index)
{
	json_t *index = json_object_get(own_index, build->inventory->hosts[host].name);
	return index ? &build->own[json_integer_value(index)] : NULL;
}

/* ---- settings ---- */

/* Host takes setting ROW from the group, unless another group gave it something else. */
static int group_setting(struct build *build, size_t host, size_t g, size_t row,
                         const struct layer *own)
{
	uint16_t *origin = &build->origins[host * SETTING_COUNT + row];
	const struct layer *layer = &build->groups[g].layer;
	const char *name = settings_set.items[row].name;
	if (own && own->given & 1u << row)
		return 0;
	if (*origin == 0) {
		*origin = (uint16_t)(g + 1);
		return 0;
	}
	const struct layer *other = &build->groups[*origin - 1].layer;
	if (json_equal(json_object_get(layer->json, name), json_object_get(other->json, name)))
		return 0;
	struct json_path at = {.parent = &groups_path, .key = layer->name};
	struct json_path key = {.parent = &at, .key = name};
	return field_error(
	    &build->reader, &key, JSON_KEY,
	    "host \"%s\" is in groups \"%s\" and \"%s\", which disagree about \"%s\"; say it "
	    "in hosts.%s",
	    build->inventory->hosts[host].name, other->name, layer->name, name,
	    build->inventory->hosts[host].name);
}

static int group_role(struct build *build, size_t host, size_t g)
{
	const struct layer *layer = &build->groups[g].layer;
	uint16_t *origin = &build->role_origins[host];
	if (*origin == 0) {
		*origin = (uint16_t)(g + 1);
		build->inventory->hosts[host].role = layer->settings.role;
		return 0;
	}
	const struct layer *other = &build->groups[*origin - 1].layer;
	if (other->settings.role == layer->settings.role)
		return 0;
	struct json_path at = {.parent = &groups_path, .key = layer->name};
	struct json_path key = {.parent = &at, .key = "role"};
	return field_error(
	    &build->reader, &key, JSON_KEY,
	    "host \"%s\" is in groups \"%s\" and \"%s\", which disagree about \"role\"",
	    build->inventory->hosts[host].name, other->name, layer->name);
}

static int groups_apply(struct build *build, json_t *own_index)
{
	for (size_t g = 0; g < build->group_count; g++) {
		const struct group *group = &build->groups[g];
		for (size_t i = 0; i < group->members.count; i++) {
			size_t host = (size_t)json_integer_value(
			    json_object_get(build->host_index, group->members.items[i]));
			const struct layer *own = own_find(build, host, own_index);
			if (string_list_append(&build->inventory->hosts[host].groups,
			                       group->layer.name) < 0)
				return field_no_memory(&build->reader);
			if (group->layer.given & 1u << SETTING_ROLE &&
			    group_role(build, host, g) < 0)
				return -1;
			for (size_t row = 0; row < SETTING_COUNT; row++)
				if (group->layer.given & 1u << row &&
				    group_setting(build, host, g, row, own) < 0)
					return -1;
		}
	}
	return 0;
}

static int host_settle(struct build *build, size_t index, const struct layer *own)
{
	struct inventory_host *host = &build->inventory->hosts[index];
	int failed = 0;
	for (size_t row = 0; row < SETTING_COUNT; row++) {
		uint16_t origin = build->origins[index * SETTING_COUNT + row];
		const struct layer *from = &build->defaults;
		if (own && own->given & 1u << row)
			from = own;
		else if (origin)
			from = &build->groups[origin - 1].layer;
		failed |= setting_copy(row, &from->settings, host);
	}
	if (!host->gpus.given)
		failed |= gpu_list_copy(&build->inventory->gpus, &host->gpus);
	host->address = strdup(own && own->settings.address ? own->settings.address : host->name);
	if (own && own->settings.host_key)
		failed |= !(host->host_key = strdup(own->settings.host_key));
	return failed || !host->address ? field_no_memory(&build->reader) : 0;
}

/* An entry of "hosts" that no group has would silently do nothing. */
static int own_check(struct build *build, const struct layer *own)
{
	if (json_object_get(build->host_index, own->name))
		return 0;
	struct json_path at = {.parent = &hosts_path, .key = own->name};
	char shown[JSON_SHOW_SIZE], hint[320] = "add it to a group's \"hosts\"";
	const char **names = calloc(build->inventory->host_count, sizeof(*names));
	for (size_t i = 0; names && i < build->inventory->host_count; i++)
		names[i] = build->inventory->hosts[i].name;
	const char *near =
	    names ? suggest_nearest(own->name, names, build->inventory->host_count) : NULL;
	if (near)
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", near);
	free(names);
	return field_error(&build->reader, &at, JSON_KEY, "host \"%s\" is in no group; %s",
	                   json_show(own->name, shown), hint);
}

static int hosts_resolve(struct build *build)
{
	size_t count = build->inventory->host_count;
	json_t *own_index = json_object();
	build->origins = calloc(count * SETTING_COUNT, sizeof(*build->origins));
	build->role_origins = calloc(count, sizeof(*build->role_origins));
	int rc = own_index && build->origins && build->role_origins
	             ? 0
	             : field_no_memory(&build->reader);
	for (size_t i = 0; rc == 0 && i < build->own_count; i++) {
		rc = own_check(build, &build->own[i]);
		if (rc == 0 && json_object_set_new(own_index, build->own[i].name,
		                                   json_integer((json_int_t)i)) < 0)
			rc = field_no_memory(&build->reader);
	}
	if (rc == 0)
		rc = groups_apply(build, own_index);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = host_settle(build, i, own_find(build, i, own_index));
	json_decref(own_index);
	return rc;
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
		for (size_t i = 0; i < build->own_count; i++)
			aliases_add(&build->own[i].settings.gpus, aliases);
	}
	for (size_t i = 0; rc == 0 && i < inventory->flavor_count; i++)
		for (size_t j = 0; rc == 0 && j < inventory->flavors[i].gpu_count; j++)
			if (!json_object_get(aliases, inventory->flavors[i].gpus[j].alias))
				rc = alias_unknown(build, i, inventory->flavors[i].gpus[j].alias,
				                   aliases);
	json_decref(aliases);
	return rc;
}

/* A playbook's path is relative to the inventory. */
static int playbook_resolve(struct build *build)
{
	struct inventory *inventory = build->inventory;
	if (!inventory->playbook) {
		inventory->playbook = strdup("gpu-passthrough");
		return inventory->playbook ? 0 : field_no_memory(&build->reader);
	}
	if (!strchr(inventory->playbook, '/'))
		return 0;
	char *resolved = NULL;
	if (*inventory->playbook == '~') {
		resolved = path_expand(inventory->playbook);
	} else if (*inventory->playbook != '/') {
		char *copy = strdup(inventory->path);
		if (!copy || asprintf(&resolved, "%s/%s", dirname(copy), inventory->playbook) < 0)
			resolved = NULL;
		free(copy);
	} else {
		return 0;
	}
	if (!resolved)
		return field_no_memory(&build->reader);
	free(inventory->playbook);
	inventory->playbook = resolved;
	return 0;
}

static int rollout_default(struct build *build)
{
	struct inventory_rollout *rollout = &build->inventory->rollout;
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
	if (rollout_default(build) < 0 || fields_read(&build->reader, NULL, build->root, &fleet_set,
	                                              0, build->inventory, NULL) < 0)
		return -1;
	if (value && layer_read(build, &defaults, value, IN_DEFAULTS, &build->defaults) < 0)
		return -1;
	if (groups_read(build) < 0 || own_read(build) < 0 || hosts_collect(build) < 0 ||
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
	for (size_t i = 0; i < build.own_count; i++)
		host_clear(&build.own[i].settings);
	host_clear(&build.defaults.settings);
	free(build.groups);
	free(build.own);
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
