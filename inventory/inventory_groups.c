/* inventory_groups.c: expands the groups' node sets into the hosts of the fleet. */
#include "inventory/inventory_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/nodeset.h"
#include "inventory/suggest.h"

#define MEMBERSHIPS_MAX                                                                            \
	(5u * NODESET_MAX) /* hosts named by all groups together: bounds the time                  \
	                    */

static const struct json_path groups_path = {.key = "groups"};

static int group_expand(struct build *build, struct group *group);

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

int hosts_collect(struct build *build)
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
	if (!inventory->host_count)
		return 0;
	struct inventory_host *fitted =
	    realloc(inventory->hosts, inventory->host_count * sizeof(*inventory->hosts));
	if (fitted)
		inventory->hosts = fitted;
	qsort(inventory->hosts, inventory->host_count, sizeof(*inventory->hosts), host_order);
	for (size_t i = 0; i < inventory->host_count; i++)
		if (json_object_set_new(build->host_index, inventory->hosts[i].name,
		                        json_integer((json_int_t)i)) < 0)
			return field_no_memory(&build->reader);
	build->own = calloc(inventory->host_count, sizeof(*build->own));
	return build->own ? 0 : field_no_memory(&build->reader);
}
