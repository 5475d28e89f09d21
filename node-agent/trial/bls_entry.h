/* bls_entry.h: the entry that GRUB boots by default where its entries are files (the Boot Loader
 * Specification, as Red Hat's and Fedora's GRUB reads them with its command blscfg). */
#ifndef GPUFLEET_TRIAL_BLS_ENTRY_H
#define GPUFLEET_TRIAL_BLS_ENTRY_H

#include "node-agent/boot/grub_config.h"
#include "node-agent/trial/grub_entry.h"

#define BLS_ENTRIES "/boot/loader/entries"

/* Does this grub.cfg (its text) take its entries from files? */
bool bls_entry_is_used(const char *config);

/* Finds the default entry and writes what blscfg makes of it, as the text of one menu entry:
 * *TEXT, malloc'd, which *ENTRY points into; NULL after a failure. CUSTOM is custom.cfg's path.
 * GF_E_TASK when which entry it is, or what it boots, can't be told. */
int bls_entry_default(const struct root *root, const struct grub_files *files, const char *custom,
                      char **text, struct grub_entry *entry, struct gf_err *err);

/* An entry's arguments can't be without those that GRUB's own variables bring, such as tuned's:
 * GF_E_TASK when TEXT, a copy of the entry, would boot with one of REMOVE all the same. */
int bls_entry_check(const struct root *root, const struct grub_files *files, const char *text,
                    const json_t *remove, struct gf_err *err);

#endif
