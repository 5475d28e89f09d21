/* host_facts.h: a facts document, checked once and laid out for the checks. It comes from an
 * untrusted host: every type, length and address is looked at here, so that nothing behind this
 * file has to.
 */
#ifndef GPUFLEET_HOST_FACTS_H
#define GPUFLEET_HOST_FACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node-agent/wire/error.h"

#define HOST_FACTS_DEVICES_MAX 4096
#define HOST_FACTS_LIST_MAX    256

/* What a host could not tell stays unknown: it is never taken for a no. */
enum fact { FACT_UNKNOWN = -1, FACT_NO = 0, FACT_YES = 1 };

/* The device/port type of the PCI Express capability; PCIE_NONE: conventional PCI. */
#define HOST_FACTS_PCIE(X)                                                                         \
	X(PCIE_ENDPOINT, "endpoint")                                                               \
	X(PCIE_LEGACY_ENDPOINT, "legacy_endpoint")                                                 \
	X(PCIE_ROOT_PORT, "root_port")                                                             \
	X(PCIE_UPSTREAM, "upstream")                                                               \
	X(PCIE_DOWNSTREAM, "downstream")                                                           \
	X(PCIE_TO_PCI, "pcie_to_pci")                                                              \
	X(PCI_TO_PCIE, "pci_to_pcie")                                                              \
	X(PCIE_RC_ENDPOINT, "rc_endpoint")                                                         \
	X(PCIE_RC_EVENT_COLLECTOR, "rc_event_collector")

enum pcie_type {
	PCIE_UNKNOWN = -1,
	PCIE_NONE,
#define X(id, name) id,
	HOST_FACTS_PCIE(X)
#undef X
};

/* Strings are borrowed from the document; NULL is unknown (or "none", where said). */
struct host_facts_device {
	const json_t *json;
	const char *address, *vendor, *device, *class_code;
	const char *subsystem_vendor, *subsystem_device;
	const char *driver; /* NULL: none */
	uint32_t ids;       /* vendor and device as a number */
	bool endpoint;
	bool said;     /* the facts say on which driver and in which group it is, if any */
	int group;     /* -1: none */
	int numa_node; /* -1: unknown */
	enum fact boot_vga, acs, multifunction;
	enum pcie_type pcie;
	bool sriov_known, bars_known;
	bool resets_said;              /* the facts say how it can be reset, if at all */
	int sriov_total, sriov_used;   /* 0 without the capability */
	const char *physical_function; /* of a virtual one: the address of its parent; else NULL */
	const char *power_state, *runtime_status;
	enum fact d3cold_allowed;
	const char *vfio_driver; /* the module of vfio's that fits it best; NULL: unknown */
	/* Arrays of strings (items checked), NULL when unknown. */
	const json_t *reset_methods, *reserved_regions, *path, *siblings, *console_memory;
	size_t bars;            /* memory BARs */
	json_int_t bars_size;   /* of all of them, bytes */
	size_t bars_unassigned; /* memory BARs that the firmware gave no place */
	/* Objects with "index", "size" and "largest" (bytes), NULL: no resizable BAR. */
	const json_t *resizable;
	bool vgpu_known;
	int vgpu_types, vgpu_instances, mig_instances; /* 0: none */
	/* What the kernel answered to a probe; NULL: nobody asked. */
	const char *probe_result, *probe_step, *probe_message;
};

struct device_pool;

/* A line of a host's configuration that has to do with vfio. */
struct host_facts_line {
	const char *where, *text;
};

struct host_facts {
	const char *observed, *boot_id, *kernel, *arch, *cmdline, *cpu_vendor, *lockdown;
	enum fact virtualization, secure_boot, interrupt_remapping, unsafe_interrupts;
	int groups;                                  /* IOMMU groups; -1: unknown */
	const json_t *tables, *units, *framebuffers; /* arrays of strings, NULL when unknown */
	const json_t *guests; /* array of objects (checked: name string or null, devices strings),
	                         NULL when unknown */
	struct host_facts_device *devices; /* by address */
	size_t device_count;
	bool borrowed; /* from the facts that host_facts_again was given */

	/* What follows from all devices, so that no check looks at all of them again. */
	const struct host_facts_device **by_group; /* those in a group, by group, then address */
	size_t grouped_count;
	size_t nvswitches; /* NVIDIA's, class 0680 */
	bool names_resets; /* this kernel names reset methods (5.15 and newer) */
	bool groups_said;  /* every endpoint says its driver and its group */

	/* host_facts_state.c */
	json_int_t taint; /* /proc/sys/kernel/tainted; -1: unknown */
	bool vfio_known;
	const char *vfio_pci, *vfio_type1; /* registered, module, builtin, absent */
	int dma_entry_limit;               /* -1: the module is not loaded yet */
	enum fact disable_idle_d3;
	const json_t *holders;  /* objects: pid, name, node, devices; NULL when unknown */
	const json_t *reboot;   /* strings: what waits for a reboot; NULL when unknown */
	const json_t *services; /* objects: name, state; NULL when unknown */
	/* What binds devices at the next boot. */
	const char *image, *image_state; /* looked, unreadable, none; NULL: unknown */
	const json_t *bind_list;         /* gpufleet's in the image: strings */
	struct host_facts_line *lines;   /* of whoever's configuration */
	size_t line_count;
};

/* Fills *out from DOCUMENT (borrowed as long as *out lives). A document of the wrong shape: -1,
 * GF_E_PROTOCOL. */
int host_facts_parse(const json_t *document, struct host_facts *out, struct gf_err *err);
/* The same; devices that were read before are taken from POOL (device_pool.h), which keeps the
 * others. */
int host_facts_parse_pooled(const json_t *document, struct device_pool *pool,
                            struct host_facts *out, struct gf_err *err);
void host_facts_free(struct host_facts *facts);

/* KNOWN once more, for a reader that frees what it is given: it borrows everything. Without KNOWN,
 * host_facts_parse. */
int host_facts_again(const struct host_facts *known, const json_t *document, struct host_facts *out,
                     struct gf_err *err);

/* The device at ADDRESS, or NULL. */
const struct host_facts_device *host_facts_find(const struct host_facts *facts,
                                                const char *address);

/* Is TEXT one of the strings of LIST (NULL: no)? */
bool host_facts_has(const json_t *list, const char *text);

/* The function is in the same slot: "0000:01:00.0" and "0000:01:00.1". */
bool host_facts_same_slot(const char *a, const char *b);

/* The devices of GROUP: the first of *count neighbours, NULL where there are none. */
const struct host_facts_device *const *host_facts_group(const struct host_facts *facts, int group,
                                                        size_t *count);

/* All functions in the slot of DEVICE, itself included: the first of *count neighbours. */
const struct host_facts_device *host_facts_slot(const struct host_facts *facts,
                                                const struct host_facts_device *device,
                                                size_t *count);

/* Is the unit active? */
bool host_facts_service_runs(const struct host_facts *facts, const char *unit);

/* The first running guest that holds ADDRESS: its name; NULL when none does. */
const char *host_facts_guest_of(const struct host_facts *facts, const char *address);

/* Is DRIVER one that hands a device to guests: vfio-pci or a variant of it? */
bool host_facts_is_vfio(const char *driver);

#endif
