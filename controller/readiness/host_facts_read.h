/* host_facts_read.h: values of a facts document, each with its type looked at. An absent key and a
 * null are "unknown" (NULL, FACT_UNKNOWN, or what is said); another type than the wanted one is an
 * error: -1, GF_E_PROTOCOL, with the key's name.
 */
#ifndef GPUFLEET_HOST_FACTS_READ_H
#define GPUFLEET_HOST_FACTS_READ_H

#include "controller/readiness/host_facts.h"

/* Always -1: WHERE is not EXPECTED ("a string"). */
int facts_wrong(struct gf_err *err, const char *where, const char *expected);

int facts_string(const json_t *object, const char *key, const char **out, struct gf_err *err);
int facts_fact(const json_t *object, const char *key, enum fact *out, struct gf_err *err);
/* From -1 to INT_MAX; UNKNOWN where there is none. */
int facts_int(const json_t *object, const char *key, int unknown, int *out, struct gf_err *err);
/* At most HOST_FACTS_LIST_MAX strings. */
int facts_strings(const json_t *object, const char *key, const json_t **out, struct gf_err *err);
int facts_object(const json_t *object, const char *key, const json_t **out, struct gf_err *err);
/* At most HOST_FACTS_LIST_MAX objects. */
int facts_objects(const json_t *object, const char *key, const json_t **out, struct gf_err *err);
int facts_hex4(const json_t *object, const char *key, bool needed, const char **out,
               struct gf_err *err);

/* DOMAIN:BUS:SLOT.FUNCTION in lower case. */
bool facts_is_address(const char *text);

/* For qsort and bsearch of devices. */
int facts_by_address(const void *a, const void *b);

/* host_facts_device.c: fills out->devices, and what follows from all of them. */
int facts_devices(const json_t *document, struct device_pool *pool, struct host_facts *out,
                  struct gf_err *err);

/* host_facts_state.c: how the host is set up and what runs on it, beside the IOMMU. */
int facts_state(const json_t *host, struct host_facts *out, struct gf_err *err);

#endif
