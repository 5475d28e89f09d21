/* inventory.c: looks hosts up, selects them and frees an inventory; reading is inventory_read.c. */
#include "inventory/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "inventory/inventory_fields.h"
#include "inventory/nodeset.h"
#include "inventory/suggest.h"

void inventory_free(struct inventory *inventory)
{
	if (!inventory)
		return;
	for (size_t i = 0; i < inventory->host_count; i++)
		host_clear(&inventory->hosts[i]);
	free(inventory->hosts);
	while (inventory->groups) {
		struct inventory_groups *groups = inventory->groups;
		inventory->groups = groups->next;
		string_list_free(&groups->names);
		free(groups);
	}
	for (size_t i = 0; i < inventory->flavor_count; i++) {
		struct inventory_flavor *flavor = &inventory->flavors[i];
		for (size_t j = 0; j < flavor->gpu_count; j++)
			free(flavor->gpus[j].alias);
		free(flavor->gpus);
		free(flavor->name);
	}
	free(inventory->flavors);
	gpu_list_free(&inventory->gpus);
	free(inventory->rollout.waves);
	for (size_t i = 0; i < inventory->rollout.window_count; i++)
		free(inventory->rollout.windows[i].tz);
	free(inventory->rollout.windows);
	string_list_free(&inventory->rollout.drain);
	string_list_free(&inventory->rollout.undrain);
	string_list_free(&inventory->rollout.health);
	string_list_free(&inventory->rollout.power_cycle);
	free(inventory->path);
	free(inventory->fleet);
	free(inventory->playbook);
	free(inventory->sha256);
	free(inventory->nova_release);
	free(inventory->nova_deployment);
	free(inventory);
}

static int name_host_order(const void *name, const void *host)
{
	return nodeset_compare(name, ((const struct inventory_host *)host)->name);
}

const struct inventory_host *inventory_host_find(const struct inventory *inventory,
                                                 const char *name)
{
	if (!inventory->host_count)
		return NULL;
	return bsearch(name, inventory->hosts, inventory->host_count, sizeof(*inventory->hosts),
	               name_host_order);
}

/* ---- selection ---- */

struct selection_groups {
	const struct inventory *inventory;
	struct string_list members; /* of the group asked for last */
};

static bool host_in_group(const struct inventory_host *host, const char *group)
{
	for (size_t i = 0; i < host->groups->count; i++)
		if (!strcmp(host->groups->items[i], group))
			return true;
	return false;
}

static int group_unknown(const struct inventory *inventory, const char *name, struct gf_err *err)
{
	const char *near = NULL;
	for (size_t i = 0; !near && i < inventory->host_count; i++) {
		const struct string_list *groups = inventory->hosts[i].groups;
		near = suggest_nearest(name, (const char *const *)groups->items, groups->count);
	}
	if (near)
		return gf_err_set(err, GF_E_USAGE, "%s has no group \"%s\"; did you mean \"@%s\"?",
		                  inventory->path, name, near);
	return gf_err_set(err, GF_E_USAGE, "%s has no group \"%s\"", inventory->path, name);
}

static int selection_group(void *ctx, const char *name, const struct string_list **names,
                           struct gf_err *err)
{
	struct selection_groups *groups = ctx;
	const struct inventory *inventory = groups->inventory;
	bool all = !strcmp(name, "*");
	string_list_free(&groups->members);
	for (size_t i = 0; i < inventory->host_count; i++)
		if ((all || host_in_group(&inventory->hosts[i], name)) &&
		    string_list_append(&groups->members, inventory->hosts[i].name) < 0)
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (groups->members.count == 0)
		return group_unknown(inventory, name, err);
	*names = &groups->members;
	return 0;
}

static int host_unknown(const struct inventory *inventory, const char *name, struct gf_err *err)
{
	const char **names = calloc(inventory->host_count + 1, sizeof(*names));
	for (size_t i = 0; names && i < inventory->host_count; i++)
		names[i] = inventory->hosts[i].name;
	const char *near = names ? suggest_nearest(name, names, inventory->host_count) : NULL;
	if (near)
		gf_err_set(err, GF_E_USAGE, "--limit: %s has no host \"%s\"; did you mean \"%s\"?",
		           inventory->path, name, near);
	else
		gf_err_set(err, GF_E_USAGE, "--limit: %s has no host \"%s\"", inventory->path,
		           name);
	free(names);
	return -1;
}

/* Does every term take something out? */
static bool only_excludes(const char *limit)
{
	bool bracket = false, inside = false;
	for (; *limit; limit++) {
		bool separator = !bracket && strchr(", \t\r\n", *limit);
		if (!separator && !inside && *limit != '!')
			return false;
		inside = !separator;
		bracket = *limit == '[' || (bracket && *limit != ']');
	}
	return true;
}

static int limit_expand(const struct inventory *inventory, const char *limit,
                        struct string_list *names, struct gf_err *err)
{
	struct selection_groups groups = {.inventory = inventory};
	size_t column;
	struct gf_err why;
	/* "!gpu07" alone means every host but gpu07. */
	char *whole = NULL;
	if (strchr(limit, '!') && only_excludes(limit) && asprintf(&whole, "%s,@*", limit) < 0)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	int rc = nodeset_expand_at(whole ? whole : limit, selection_group, &groups, names, &column,
	                           &why);
	if (rc < 0)
		gf_err_set(err, why.code == GF_E_INPUT ? GF_E_USAGE : why.code,
		           "--limit, character %zu: %.450s", column, why.msg);
	free(whole);
	string_list_free(&groups.members);
	return rc;
}

int inventory_select(const struct inventory *inventory, const char *limit, size_t **indexes,
                     size_t *count, struct gf_err *err)
{
	struct string_list names = {0};
	bool *chosen = calloc(inventory->host_count + 1, sizeof(*chosen));
	size_t *list = calloc(inventory->host_count + 1, sizeof(*list)), used = 0;
	int rc = chosen && list ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (rc == 0 && limit)
		rc = limit_expand(inventory, limit, &names, err);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		const struct inventory_host *host = inventory_host_find(inventory, names.items[i]);
		if (host)
			chosen[host - inventory->hosts] = true;
		else
			rc = host_unknown(inventory, names.items[i], err);
	}
	for (size_t i = 0; rc == 0 && i < inventory->host_count; i++)
		if (!limit || chosen[i])
			list[used++] = i;
	if (rc == 0 && used == 0)
		rc = gf_err_set(err, GF_E_USAGE,
		                "--limit selects no host; see `gpufleet check %s --json`",
		                inventory->path);
	string_list_free(&names);
	free(chosen);
	if (rc < 0) {
		free(list);
		return -1;
	}
	*indexes = list;
	*count = used;
	return 0;
}
