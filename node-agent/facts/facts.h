/* facts.h: what the agent observes on a host, as the facts document of docs/design/contracts.md.
 *
 * Reads only; never the VPD of a device (that can stall it). What cannot be read is null, not a
 * guess.
 */
#ifndef GPUFLEET_FACTS_H
#define GPUFLEET_FACTS_H

#include <jansson.h>
#include <stdbool.h>

#include "node-agent/root.h"

/* The whole document: a new reference. Fails only without memory or when PCI cannot be listed at
 * all. */
json_t *facts_collect(const struct root *root, struct gf_err *err);

/* host.c: the "host" object. */
json_t *host_facts(const struct root *root);

/* The id of this boot ("" when it cannot be read). */
#define HOST_BOOT_ID_SIZE 64
void host_boot_id(const struct root *root, char boot_id[HOST_BOOT_ID_SIZE]);

/* platform.c: the "iommu" object; Secure Boot as true, false or null; the boot loader, the way its
 * arguments are set (the name of a back end of node-agent/boot), and the initramfs tool. */
json_t *platform_iommu(const struct root *root);
json_t *platform_secure_boot(const struct root *root);
const char *platform_boot_loader(const struct root *root); /* or NULL */
const char *platform_boot_tool(const struct root *root);   /* or NULL */
const char *platform_initramfs(const struct root *root);   /* or NULL */

/* guests.c: the "guests" array: QEMU processes, libvirt domains, other holders of /dev/vfio groups.
 * Every open file of every process goes to HOLDERS, too (may be NULL). */
struct holders;
json_t *guest_facts(const struct root *root, struct holders *holders);

/* holders.c: the "holders" array: programs that have a device open through its driver. */
struct holders *holders_open(const struct root *root);
void holders_see(struct holders *holders, long pid, const char *target);
json_t *holders_close(struct holders *holders); /* the array, or null */
int holders_nvidia_minor(const struct root *root, const char *address);

/* vfio_state.c: the "vfio" object. */
json_t *vfio_facts(const struct root *root, const char *kernel);

/* reboot_state.c: the "pending_reboot" array, or null. */
json_t *reboot_facts(const struct root *root, const char *kernel);

/* early_binding.c: the "early_binding" object: what binds devices at the next boot. */
json_t *early_facts(const struct root *root, const char *kernel);

/* numa.c: the "numa" array: NUMA nodes in the order of their numbers; null where the kernel shows
 * none. */
json_t *numa_facts(const struct root *root);

/* guest_size.c: what a guest takes of the host, beside its devices. */
struct guest_size {
	json_int_t vcpus, memory_mb; /* -1: unknown */
	json_t *numa_nodes;          /* of the host, that its memory is bound to; NULL: to none */
};

/* Looks at one option of QEMU's arguments and its value; SIZE is -1, -1, NULL before the first. */
void guest_size_option(struct guest_size *size, const char *option, const char *value);
/* The same from libvirt's XML of a running domain. */
void guest_size_domain(struct guest_size *size, const char *xml);
/* Puts vcpus, memory_mb and numa_nodes into GUEST, and lets go of what SIZE owns. */
void guest_size_take(struct guest_size *size, json_t *guest);

/* services.c: the "services" array: units of this host that hold GPUs or run instances. */
json_t *service_facts(const struct root *root);

/* nova.c: the "nova" object: services, the files that they read, their PCI options; null where
 * there is no Nova. */
json_t *nova_facts(const struct root *root);

/* The file that stands while a restart of this unit or container of Nova's has not been seen to end
 * well (node-agent/tasks/nova_unproven.h), in PATH, which is returned. */
#define NOVA_UNPROVEN_DIR  "/var/lib/gpufleet/nova-unproven"
#define NOVA_UNPROVEN_SIZE 320
const char *nova_unproven_path(const char *name, char path[NOVA_UNPROVEN_SIZE]);
bool nova_unproven(const struct root *root, const char *name); /* does it stand? */

/* modules.c: which kernel modules claim a device. */
struct module_index;
struct module_index *module_index_open(const struct root *root, const char *kernel);
/* The module of vfio's that fits MODALIAS best, in NAME: a variant driver, else "vfio_pci", else
 * "". */
void module_index_vfio(const struct module_index *index, const char *modalias, char *name,
                       size_t size);
/* Appends the names of all modules that match MODALIAS to the array NAMES, each once. */
void module_index_match(const struct module_index *index, const char *modalias, json_t *names);
void module_index_free(struct module_index *index);
json_t *module_list_loaded(const struct root *root);
json_t *module_list_builtin(const struct root *root, const char *kernel);

/* pci.c: the "pci" array. */
json_t *pci_facts(const struct root *root, const struct module_index *modules, struct gf_err *err);

/* Adds TEXT under KEY, or null for NULL and "". */
void facts_set_text(json_t *object, const char *key, const char *text);

/* Calls EACH for the entries of a directory, sorted by name, without "." and "..". -1: it cannot be
 * read. */
int facts_each_entry(const struct root *root, const char *path,
                     void (*each)(void *ctx, const char *name), void *ctx);

#endif
