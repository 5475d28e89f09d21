/* nova_edit.h: what the files of a Nova service have to become so that the wanted options count.
 * Texts in, texts out. docs/design/nova-host.md says why it is done so.
 */
#ifndef GPUFLEET_TASKS_NOVA_EDIT_H
#define GPUFLEET_TASKS_NOVA_EDIT_H

#include <jansson.h>

#include "node-agent/facts/nova_options.h"
#include "node-agent/wire/error.h"

/* TEXTS: all files that the service reads, in order. OPTIONS: those of context.nova (docs/design/
 * contracts.md) that are this service's; RELEASE 0: unknown. EDITED (room for texts->count) gets
 * text and size of those files that change, NULL for the others: nova_edited_free. TOLD: an array;
 * gets a sentence about each entry of others that stays though it is not wanted. -1:
 * GF_E_BLOCKED: the options cannot be brought about here, and why; GF_E_INPUT: a file or an option
 * that makes no sense; GF_E_MEMORY. */
int nova_edit(const struct nova_texts *texts, int release, const json_t *options,
              struct nova_text *edited, json_t *told, struct gf_err *err);

void nova_edited_free(struct nova_text *edited, size_t count);

#endif
