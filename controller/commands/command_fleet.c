/* command_fleet.c: the inventory and the selection, as every command needs them. */
#include <stdlib.h>
#include <string.h>

#include "controller/commands/command.h"
#include "controller/store/store.h"

int command_fleet_load(const struct command_context *context, struct command_fleet *fleet,
                       struct gf_err *err)
{
	memset(fleet, 0, sizeof(*fleet));
	fleet->inventory = inventory_read(context->inventory_path, err);
	if (!fleet->inventory)
		return STATUS_INPUT;
	if (inventory_select(fleet->inventory, context->limit, &fleet->selected, &fleet->count,
	                     err))
		return STATUS_INPUT;
	fleet->state_path = context->state_path ? strdup(context->state_path)
	                                        : store_default_path(fleet->inventory->fleet);
	if (!fleet->state_path) {
		gf_err_set(
		    err, GF_E_USAGE,
		    "there is no place for the store: set HOME or XDG_STATE_HOME, or give --state");
		return STATUS_INPUT;
	}
	return 0;
}

void command_fleet_free(struct command_fleet *fleet)
{
	ssh_jumps_free(&fleet->jumps);
	inventory_free(fleet->inventory);
	free(fleet->selected);
	free(fleet->state_path);
	memset(fleet, 0, sizeof(*fleet));
}
