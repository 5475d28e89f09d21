/* nova_alias.h: does Nova take these entries of [pci] alias? Its check is a strict JSON schema, so
 * a key of a newer release breaks an older Nova; with one wrong entry no alias works. Pure.
 *
 * Sources: nova/pci/request.py (_ALIAS_SCHEMA, get_alias_from_config, _validate_aliases).
 */
#ifndef GPUFLEET_NOVA_ALIAS_H
#define GPUFLEET_NOVA_ALIAS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "node-agent/wire/error.h"

struct nova_alias {
	json_t *json;    /* as written; NULL when it is wrong */
	char wrong[240]; /* why Nova refuses it, or "" */
};

struct nova_alias_list {
	struct nova_alias *items; /* one for each value */
	size_t count;
	bool refused; /* one is wrong */
};

/* Judges COUNT values of the option in the order in which Nova RELEASE reads them. PLACEMENT: with
 * [filter_scheduler] pci_in_placement. -1 only when out of memory; the caller frees *out. */
int nova_alias_judge(const char *const *values, size_t count, int release, bool placement,
                     struct nova_alias_list *out, struct gf_err *err);
void nova_alias_list_free(struct nova_alias_list *list);

/* The alias's name as Nova uses it, without blanks around it, into BUFFER; "" when VALUE is no JSON
 * object with a name. */
#define NOVA_ALIAS_NAME_SIZE 260
const char *nova_alias_name(const char *value, char buffer[NOVA_ALIAS_NAME_SIZE]);

/* Can a flavor ask for the alias NAME? pci_passthrough:alias is split at ',' and ':'. */
bool nova_alias_requestable(const char *name);

#endif
