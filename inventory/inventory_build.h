/* inventory_build.h: an inventory while it is read, between inventory_read.c, inventory_groups.c
 * and inventory_resolve.c. */
#ifndef GPUFLEET_INVENTORY_BUILD_H
#define GPUFLEET_INVENTORY_BUILD_H

#include "inventory/inventory_fields.h"

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
	json_t *host_index; /* name → index into inventory->hosts */
	unsigned *own; /* each host's: a bit for each row of settings_set that its section gives */
	size_t memberships;
	struct string_list *groups_of; /* each host's */
	uint16_t *origins;             /* host × setting: 1 + the group that gave it, or 0 */
	uint16_t *role_origins;
};

/* Expands every group into build->inventory->hosts, sorted, and fills host_index. */
int hosts_collect(struct build *build);

/* PATH counts from the inventory's folder, unless it is absolute: *RESOLVED is what it comes to, or
 * NULL when that is PATH (may be NULL) itself. */
int path_resolve(struct build *build, const char *path, char **resolved);

/* Gives every host its settings. */
int hosts_resolve(struct build *build);

#endif
