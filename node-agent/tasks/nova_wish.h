/* nova_wish.h: one wanted option of Nova against what others wrote: which lines are ours to write,
 * and which of theirs have to go. A part of nova_edit.c. */
#ifndef GPUFLEET_TASKS_NOVA_WISH_H
#define GPUFLEET_TASKS_NOVA_WISH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "node-agent/facts/nova_options.h"
#include "node-agent/wire/error.h"

struct nova_wish {
	const json_t *option;
	const struct nova_option *known;
	const char *section, *name, *kind, *identity;
	size_t target; /* index of the file that our lines go to */
	json_t *own;   /* our values */
	json_t *out;   /* others' lines that go: {"file","section","name","raw"} */
};

/* Checks OPTION, an entry of context.nova's options, which must live on. nova_wish_end after
 * either. */
int nova_wish_begin(struct nova_wish *wish, const json_t *option, int release, struct gf_err *err);
void nova_wish_end(struct nova_wish *wish);

bool nova_wish_is(const struct nova_wish *wish, const char *kind);

/* Fills target, own and out: BASE is what TEXTS come to without our lines, NOW with them; MAIN is
 * the index of the file that lines go to by themselves. TOLD: see nova_edit.h. */
int nova_wish_work(struct nova_wish *wish, const struct nova_texts *texts,
                   const struct oslo_config *base, const struct oslo_config *now, size_t main,
                   json_t *told, struct gf_err *err);

/* Does the wish count in CONFIG? GF_E_BLOCKED names what outweighs it. */
int nova_wish_check(const struct nova_wish *wish, const struct oslo_config *config,
                    struct gf_err *err);

/* May lines be written to the file? Not to what a package owns, nor to the paste configuration. */
bool nova_file_editable(const char *path);

#endif
