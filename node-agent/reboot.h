/* reboot.h: taking the host down, once, and only as the boot that was meant. */
#ifndef GPUFLEET_REBOOT_H
#define GPUFLEET_REBOOT_H

#include <jansson.h>

#include "node-agent/agent.h"

/* -1 with GF_E_BLOCKED where guests run on the host, or where it can't be seen whether any do: it
 * must not go down by itself. */
int reboot_guests_forbid(const struct root *root, struct gf_err *err);

/* Was a reboot of this boot asked for so lately that it is on its way? */
bool reboot_on_its_way(const struct agent *agent);

/* Schedules a reboot a second from now, if this is still the boot BOOT_ID (else *scheduled is
 * false: it has happened). Asked again in the same boot, by a controller that goes on for one that
 * died, it is the same reboot; one that has not come by then is begun anew. GF_E_BLOCKED while
 * guests run (unless ALLOW_GUESTS) or an operation is going on. */
int reboot_schedule(const struct agent *agent, const char *boot_id, bool allow_guests,
                    bool *scheduled, struct gf_err *err);

#endif
