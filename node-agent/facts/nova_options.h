/* nova_options.h: the options of Nova that gpufleet looks at, and what a service's files give them.
 * Nothing else of those files leaves the host.
 */
#ifndef GPUFLEET_FACTS_NOVA_OPTIONS_H
#define GPUFLEET_FACTS_NOVA_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "node-agent/ini/oslo_config.h"
#include "node-agent/root.h"

struct nova_option {
	const char *key;  /* "pci.device_spec": its present name, whatever the release calls it */
	const char *kind; /* "multi", "list", "set" */
	int from, until;  /* releases that have it so; 0: no bound */
	struct oslo_option as; /* nova/conf/pci.py, nova/conf/scheduler.py, nova/conf/compute.py */
};

/* "26.2.1" → 26; 0 for NULL and what is no release. */
int nova_release_number(const char *release);

/* The options as RELEASE has them (0: unknown, as the newest has them, former names included), one
 * after the other: INDEX from 0, NULL at the end. */
const struct nova_option *nova_option_at(int release, size_t index);

/* The option that RELEASE calls SECTION.NAME, now or formerly; NULL: none of them. */
const struct nova_option *nova_option_named(int release, const char *section, const char *name);

/* The texts of the files that a service reads, in order. */
struct nova_text {
	char *path, *text;
	size_t size;
};

struct nova_texts {
	struct nova_text *items;
	size_t count;
	char **environment; /* NAME=VALUE of variables that outweigh files; ends with NULL */
};

/* Reads the files of SERVICE (an entry of facts.nova.services): its `read`. What cannot be read
 * goes to PROBLEMS (may be NULL) and is left out. -1 only without memory; nova_texts_free after
 * either. */
int nova_texts_read(const struct root *root, const json_t *service, struct nova_texts *texts,
                    json_t *problems, struct gf_err *err);
void nova_texts_free(struct nova_texts *texts);

/* What oslo.config makes of TEXTS. Files that it would refuse go to PROBLEMS. NULL with *err when
 * out of memory. */
struct oslo_config *nova_texts_config(const struct nova_texts *texts, int release, json_t *problems,
                                      struct gf_err *err);

/* `options` of facts.nova: every option with its value and its entries. ENVIRONMENT: variables of
 * the service ("NAME=VALUE" strings) that count before files. NULL when out of memory. */
json_t *nova_options_facts(const struct root *root, const json_t *service, int release,
                           const json_t *environment, json_t *problems);

#endif
