/* inventory_resolve.c: gives every host its settings: its own, its groups' (which must agree), the
 * defaults', the fleet's. */
#include "inventory/inventory_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/nodeset.h"

static const struct json_path groups_path = {.key = "groups"};

/* Host takes setting ROW from the group, unless another group gave it something else. */
static int group_setting(struct build *build, size_t host, size_t g, size_t row)
{
	uint16_t *origin = &build->origins[host * SETTING_COUNT + row];
	const struct layer *layer = &build->groups[g].layer;
	const char *name = settings_set.items[row].name;
	if (build->own[host] & 1u << row)
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

static int groups_apply(struct build *build)
{
	for (size_t g = 0; g < build->group_count; g++) {
		const struct group *group = &build->groups[g];
		for (size_t i = 0; i < group->members.count; i++) {
			size_t host = (size_t)json_integer_value(
			    json_object_get(build->host_index, group->members.items[i]));
			if (string_list_append(&build->groups_of[host], group->layer.name) < 0)
				return field_no_memory(&build->reader);
			if (group->layer.given & 1u << SETTING_ROLE &&
			    group_role(build, host, g) < 0)
				return -1;
			for (size_t row = 0; row < SETTING_COUNT; row++)
				if (group->layer.given & 1u << row &&
				    group_setting(build, host, g, row) < 0)
					return -1;
		}
	}
	return 0;
}

/* Hosts that follow each other are mostly in the same groups. */
static int groups_settle(struct build *build)
{
	struct inventory *inventory = build->inventory;
	for (size_t i = 0; i < inventory->host_count; i++) {
		struct inventory_groups *groups = inventory->groups;
		if (!groups || !string_list_equal(&groups->names, &build->groups_of[i])) {
			groups = malloc(sizeof(*groups));
			if (!groups)
				return field_no_memory(&build->reader);
			*groups = (struct inventory_groups){build->groups_of[i], inventory->groups};
			build->groups_of[i] = (struct string_list){0};
			inventory->groups = groups;
		}
		inventory->hosts[i].groups = &groups->names;
	}
	return 0;
}

int path_resolve(struct build *build, const char *path, char **resolved)
{
	const char *own = build->inventory->path, *slash = strrchr(own, '/');
	*resolved = NULL;
	if (!path || *path == '/' || !slash)
		return 0;
	if (asprintf(resolved, "%.*s/%s", (int)(slash - own), own, path) < 0) {
		*resolved = NULL;
		return field_no_memory(&build->reader);
	}
	return 0;
}

static int host_settle(struct build *build, size_t index)
{
	struct inventory_host *host = &build->inventory->hosts[index];
	int failed = 0;
	for (size_t row = 0; row < SETTING_COUNT; row++) {
		uint16_t origin = build->origins[index * SETTING_COUNT + row];
		const struct layer *from =
		    origin ? &build->groups[origin - 1].layer : &build->defaults;
		if (build->own[index] & 1u << row)
			continue;
		failed |= setting_copy(row, &from->settings, host);
	}
	if (!host->gpus.given)
		gpu_list_share(&build->inventory->gpus, &host->gpus);
	host->address_given = host->address != NULL;
	if (!host->address)
		host->address = strdup(host->name);
	return failed || !host->address ? field_no_memory(&build->reader) : 0;
}

int hosts_resolve(struct build *build)
{
	size_t count = build->inventory->host_count;
	build->origins = calloc(count * SETTING_COUNT, sizeof(*build->origins));
	build->role_origins = calloc(count, sizeof(*build->role_origins));
	build->groups_of = calloc(count, sizeof(*build->groups_of));
	int rc = build->origins && build->role_origins && build->groups_of
	             ? 0
	             : field_no_memory(&build->reader);
	if (rc == 0)
		rc = groups_apply(build);
	if (rc == 0)
		rc = groups_settle(build);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = host_settle(build, i);
	return rc;
}
