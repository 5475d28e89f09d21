/* nova_spec.h: what an entry of [pci] device_spec (passthrough_whitelist) offers, by Nova's own
 * rules, which are lax: an unknown key is ignored, so that `{"venodr_id": "10de"}` matches every
 * device of the host, and so do `{}` and `{"address": ""}`. Pure.
 *
 * Sources: nova/pci/whitelist.py, nova/pci/devspec.py, nova/pci/manager.py. tests/nova compares all
 * of it with Nova's code.
 */
#ifndef GPUFLEET_NOVA_SPEC_H
#define GPUFLEET_NOVA_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "controller/readiness/host_facts.h"

struct nova_spec;

/* One value of the option: the dict or the dicts that stand in it. */
struct nova_spec_list {
	struct nova_spec **items;
	size_t count;
};

/* Reads VALUE as Nova RELEASE does. -1: GF_E_INPUT when Nova refuses it (nova-compute does not
 * start then; the message says why), GF_E_MEMORY. The caller frees *out in any case. */
int nova_spec_parse(const char *value, int release, struct nova_spec_list *out, struct gf_err *err);
void nova_spec_list_free(struct nova_spec_list *list);

/* Does SPEC match DEVICE of FACTS? FACT_UNKNOWN: facts don't tell (an interface's name, a regular
 * expression that only Python reads). */
enum fact nova_spec_matches(const struct nova_spec *spec, const struct host_facts *facts,
                            const struct host_facts_device *device);

/* The dict as it was written (borrowed). */
const json_t *nova_spec_json(const struct nova_spec *spec);

/* It names an interface (`devname`): with report_in_placement, nova-compute does not start. */
bool nova_spec_has_devname(const struct nova_spec *spec);

/* The first of its keys that RELEASE does not know and ignores, or NULL. */
const char *nova_spec_odd_key(const struct nova_spec *spec, int release);

/* It hands a network card to Neutron (`physical_network`): nobody's GPU, and meant so. */
bool nova_spec_is_network(const struct nova_spec *spec, const struct host_facts_device *device);

/* How Nova types a device: "type-PCI", "type-PF" (the function has SR-IOV, with or without virtual
 * functions) or "type-VF". Source: nova/virt/libvirt/host.py, libvirt's node_device_conf.c. */
const char *nova_spec_device_type(const struct host_facts_device *device);

/* All entries together: for each device of FACTS which entry offers it. The first spec that matches
 * counts. */
struct nova_offers {
	const struct host_facts *facts; /* borrowed */
	struct nova_spec_list *lists;   /* by entry */
	size_t entry_count;
	struct nova_offer *items; /* by index of the device in facts */
	char (*wrong)[200];       /* by entry: why Nova refuses it, or "" */
	bool refused;             /* an entry is: nova-compute does not start */
};

struct nova_offer {
	enum fact offered;
	size_t entry;                 /* where offered is not FACT_NO */
	const struct nova_spec *spec; /* … and the spec of it */
};

/* VALUES: COUNT values of the option in the order in which Nova reads them. -1 only when out of
 * memory. */
int nova_offers_compute(const char *const *values, size_t count, int release,
                        const struct host_facts *facts, struct nova_offers *out,
                        struct gf_err *err);
void nova_offers_free(struct nova_offers *offers);

#endif
