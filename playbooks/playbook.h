/* playbook.h: stages of typed tasks, read and checked from JSON. The controller sends each stage to
 * the agent as it stands; docs/design/contracts.md lists the task types.
 */
#ifndef GPUFLEET_PLAYBOOK_H
#define GPUFLEET_PLAYBOOK_H

#include <jansson.h>

#include "inventory/inventory.h"

enum playbook_reboot { PLAYBOOK_REBOOT_NEVER, PLAYBOOK_REBOOT_IF_CHANGED, PLAYBOOK_REBOOT_ALWAYS };

struct playbook_stage {
	char *name;
	enum playbook_reboot reboot;
	enum inventory_role role; /* of the hosts that it is for: the playbook's, unless given */
	bool barrier; /* it begins when the hosts of the open wave have all come to it */
	json_t *json; /* the stage as it is sent; borrowed from the playbook */
};

struct playbook {
	char *path; /* the file it was read from */
	char *name;
	char *sha256; /* of the file's bytes, lower-case hex */
	enum inventory_role role;
	struct playbook_stage *stages;
	size_t stage_count;
	json_t *json; /* the array of all stages */
};

/* Reads a playbook: a path when NAME_OR_PATH holds a '/', else SHIPPED_DIR/NAME.json. NULL and
 * "FILE:LINE:COL: message" of the first mistake on failure. The caller owns the result. */
struct playbook *playbook_read(const char *name_or_path, const char *shipped_dir,
                               struct gf_err *err);

/* The same from memory; PATH is used in messages. */
struct playbook *playbook_parse(const char *path, const char *text, size_t length,
                                struct gf_err *err);

void playbook_free(struct playbook *playbook);

/* Do all conditions of TASK's `when` hold on the host of FACTS (docs/design/contracts.md)? What the
 * facts do not tell does not hold. */
bool playbook_task_holds(const json_t *task, const json_t *facts);

/* The stages of ROLES (bits: 1 << role) with only the tasks that hold on that host, a new
 * reference; a stage stays, with no tasks, when none does or it is for other hosts, so that indexes
 * agree with playbook->stages. NULL with *err when out of memory. */
json_t *playbook_for_host(const struct playbook *playbook, unsigned roles, const json_t *facts,
                          struct gf_err *err);

/* Has the playbook a stage for hosts of that role? A task of that type? */
bool playbook_has_role(const struct playbook *playbook, enum inventory_role role);
bool playbook_has_task(const struct playbook *playbook, const char *type);

#endif
