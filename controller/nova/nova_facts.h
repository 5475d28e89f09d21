/* nova_facts.h: the part of a facts document that is about Nova, checked once and laid out: what
 * Nova's services on the host read, and from which line of which file. It comes from an untrusted
 * host. docs/design/contracts.md has its shape.
 */
#ifndef GPUFLEET_NOVA_FACTS_H
#define GPUFLEET_NOVA_FACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "controller/readiness/host_facts.h"

/* One line that sets an option. Strings are borrowed from the document. */
struct nova_facts_entry {
	const char *value, *file, *section, *name; /* section and name: as written there */
	int line;
	bool ours; /* gpufleet wrote it */
};

struct nova_facts_option {
	const char *key;     /* "pci.device_spec": the current spelling */
	const json_t *value; /* the effective one: a string, an array of strings, or NULL */
	/* Those that count, in the order in which Nova reads them: all of a multi-valued option,
	 * the last of another. */
	struct nova_facts_entry *entries;
	size_t count;
};

struct nova_facts_service {
	const char *name;             /* "nova-compute" */
	const char *state, *substate; /* systemd's, or NULL */
	int restarts;                 /* by systemd, since it was started by hand; -1: unknown */
	double started;               /* its process, seconds since 1970; 0: unknown */
	bool unproven;                /* restarted, and not seen healthy since */
	struct nova_facts_option *options;
	size_t option_count;
};

struct nova_facts_file {
	const char *path, *managed_by; /* managed_by: "puppet", "ansible", …, or NULL */
};

struct nova_facts_problem {
	const char *file, *message;
	int line;
};

struct nova_facts {
	bool present;                     /* a Nova was found on the host */
	const char *deployment, *release; /* or NULL */
	struct nova_facts_service *services;
	size_t service_count;
	struct nova_facts_file *files;
	size_t file_count;
	struct nova_facts_problem *problems;
	size_t problem_count;
};

/* Fills *out from the whole facts DOCUMENT (borrowed as long as *out lives). A wrong shape: -1,
 * GF_E_PROTOCOL. */
int nova_facts_parse(const json_t *document, struct nova_facts *out, struct gf_err *err);
void nova_facts_free(struct nova_facts *facts);

/* NULL when there is none. */
const struct nova_facts_service *nova_facts_service(const struct nova_facts *facts,
                                                    const char *name);
const struct nova_facts_option *nova_facts_option(const struct nova_facts_service *service,
                                                  const char *key);

/* The effective value of a switch, as oslo.config reads it: FACT_NO where nothing sets it (the
 * default of all that are asked for), FACT_UNKNOWN for a service that was not found (NULL). */
enum fact nova_facts_switch(const struct nova_facts_service *service, const char *key);

/* The services of the other role that run on a host whose role is control (CONTROL) or compute, as
 * "nova-api, nova-scheduler" in NAMES. How many. */
#define NOVA_OTHERS_SIZE 100
size_t nova_facts_others(const struct nova_facts *facts, bool control,
                         char names[NOVA_OTHERS_SIZE]);

/* "FILE:LINE" of ENTRY, printable, into BUFFER, which is returned. */
#define NOVA_PLACE_SIZE 200
const char *nova_facts_place(const struct nova_facts_entry *entry, char buffer[NOVA_PLACE_SIZE]);

#endif
