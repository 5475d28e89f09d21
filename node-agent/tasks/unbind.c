/* unbind.c: wanted devices that another driver still holds are taken from it. */
#include <stdio.h>
#include <string.h>

#include "node-agent/tasks/bind_live.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"

static bool guest_has(const struct task_context *ctx, const char *address)
{
	size_t i, j;
	const json_t *guest, *item;

	json_array_foreach(json_object_get(json_object_get(ctx->facts, "host"), "guests"), i, guest)
	{
		json_array_foreach(json_object_get(guest, "devices"), j, item)
		{
			if (json_is_string(item) && strcmp(json_string_value(item), address) == 0)
				return true;
		}
	}
	return false;
}

static int device_settle(struct task_run *run, size_t index, const char *driver, struct gf_err *err)
{
	struct wanted_device device;
	char now[64], why[400], diff[160];
	unsigned timeout = task_seconds(run, "timeout", 30);

	if (wanted_get(run->ctx, index, &device, err) != 0)
		return -1;
	wanted_driver(run->ctx, device.address, now, sizeof(now));
	if (strcmp(now, driver) == 0)
		return 0;
	if (!wanted_present(run->ctx, &device, why, sizeof(why)))
		return gf_err_set(err, GF_E_BLOCKED, "%s", why);
	if (guest_has(run->ctx, device.address))
		return gf_err_set(err, GF_E_BLOCKED,
		                  "%s belongs to a running guest: stop the guest first",
		                  device.address);
	snprintf(diff, sizeof(diff), "%s → %s", *now ? now : "(none)", driver);
	if (run->mode == TASK_APPLY &&
	    bind_live_device(run, device.address, now, driver, timeout, err) != 0)
		return -1;
	task_change(run, "driver", device.address, diff);
	return 0;
}

int unbind_task(struct task_run *run, struct gf_err *err)
{
	const char *driver = task_text(run, "driver", "vfio-pci");
	bool loaded = false;

	if (!bind_driver_is_valid(driver))
		return gf_err_set(err, GF_E_TASK, "\"%s\" is not the name of a driver", driver);
	if (run->mode == TASK_PLAN && run->ctx->reboot_planned)
		return task_say(run, TASK_OK, "what another driver still holds after the reboot");
	for (size_t i = 0; i < wanted_count(run->ctx); i++) {
		char now[64];
		struct wanted_device device;
		if (run->mode == TASK_APPLY && !loaded &&
		    wanted_get(run->ctx, i, &device, NULL) == 0) {
			wanted_driver(run->ctx, device.address, now, sizeof(now));
			if (strcmp(now, driver) != 0) {
				bind_live_load(run->ctx->root, driver);
				loaded = true;
			}
		}
		if (device_settle(run, i, driver, err) != 0)
			return -1;
	}
	return 0;
}
