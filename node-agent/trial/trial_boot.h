/* trial_boot.h: what a trial puts on /boot: an image beside the default's, an entry that is booted
 * once, and the word to GRUB to boot it; and whether a host can do that at all. */
#ifndef GPUFLEET_TRIAL_BOOT_H
#define GPUFLEET_TRIAL_BOOT_H

#include "node-agent/trial/grub_entry.h"
#include "node-agent/trial/trial_marker.h"

#define TRIAL_ENTRY "gpufleet-trial"
#define TRIAL_IMAGE "gpufleet-trial.img"

/* How the host's GRUB is laid out. */
struct trial_grub {
	const char *config, *custom, *environment; /* files, as the host names them */
	const char *reboot, *editenv, *probe;      /* programs */
};

/* Can a stage be tried on this host? Otherwise false, and WHY says in a few words why not. */
bool trial_possible(const struct agent *agent, char *why, size_t size);

/* The layout, by which grub.cfg is there; NULL when there is none. */
const struct trial_grub *trial_grub_find(const struct root *root);

/* The version of the kernel that the default entry boots. */
int trial_kernel(const struct root *root, char version[128], struct gf_err *err);

/* Writes the entry of OPERATION (the default's, with ADD and without REMOVE, and with IMAGE unless
 * that is "") and has GRUB boot it next, once; what is on /boot is synced. */
int trial_boot_arm(const struct root *root, const char *operation, const json_t *add,
                   const json_t *remove, const char *image, struct gf_err *err);

/* Takes entry, image and the one-time choice away; MARKER says what there may be. */
int trial_boot_clear(const struct root *root, const json_t *marker, struct gf_err *err);

#endif
