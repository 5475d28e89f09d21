/* ini_edit.h: changes gpufleet's own lines in a configuration file's text, and takes them back.
 *
 * Text in, text out; nothing is read or written. Each own line stands under a mark of its own (see
 * ini_text.h), so that own lines are found, and go, whatever others did around them since. What an
 * undo needs is in the text itself:
 * - ini_unedit(ini_edit(X)) is X, byte for byte, for every X that has no marks and that oslo.config
 * reads;
 * - ini_edit(ini_edit(X)) is ini_edit(X);
 * - no byte of another's line changes, but that a line may be taken out behind INI_MARK_OUT.
 */
#ifndef GPUFLEET_INI_INI_EDIT_H
#define GPUFLEET_INI_INI_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "node-agent/wire/error.h"

enum ini_op {
	/* Our lines of the option are these values, in this order; no values: none. Lines that are
	 * so already stay where they are. The values are what the service is to see: they are
	 * written so that oslo.config reads just that ($ and quotes included). New lines come
	 * after the last line of that name, else after the section's last line; a section that is
	 * missing is made at the end. */
	INI_SET,
	/* Others' lines of the option that have one of these values (as they stand, not
	 * interpolated: oslo_entry.raw) become comments, the lines that go on them too. */
	INI_TAKE_OUT,
	/* … and come back; no values: all that were taken out of this option. */
	INI_PUT_BACK,
};

struct ini_change {
	enum ini_op op;
	const char *section; /* in any case: [PCI] is [pci] */
	const char *name;    /* as it is, or is to be, written; each deprecated name is another */
	const char *const *values;
	size_t count;
	bool multi; /* INI_SET: all lines count, not the last one only (which ours has to be) */
};

/* Makes the COUNT changes in the SIZE bytes at TEXT, one after the other: *result (malloc'd,
 * NUL-terminated, for free()) and *result_size. Compare with TEXT to see whether anything changed.
 * -1: with GF_E_INPUT TEXT is not what oslo.config reads (the message has the line), a name or
 * value cannot be written; GF_E_MEMORY. */
int ini_edit(const char *text, size_t size, const struct ini_change *changes, size_t count,
             char **result, size_t *result_size, struct gf_err *err);

/* Takes back all that ini_edit did: own lines and sections go, what was taken out comes back, the
 * last line loses the line end that it was given (unless others went on after it). A line of ours
 * that somebody changed is theirs, and stays without its mark. *result and errors as ini_edit's. */
int ini_unedit(const char *text, size_t size, char **result, size_t *result_size,
               struct gf_err *err);

#endif
