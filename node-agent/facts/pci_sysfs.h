/* pci_sysfs.h: what sysfs says about one PCI device (the larger part of pci.c's facts). */
#ifndef GPUFLEET_PCI_SYSFS_H
#define GPUFLEET_PCI_SYSFS_H

#include "node-agent/facts/facts.h"

/* A device's facts object with every key set: those that only the configuration space can tell are
 * null (header from the class). NULL when the device is gone. */
json_t *pci_sysfs_facts(const struct root *root, const char *address,
                        const struct module_index *modules);

/* pci_sharing.c: {"types","instances","mig"} of a card that is or can be divided, or null. */
json_t *pci_vgpu_facts(const struct root *root, const char *address);

/* pci_sharing.c: where the firmware's framebuffers lie, read once; and the names of those that lie
 * in a device's memory: an array, or null when that cannot be seen. */
struct console_ranges;
struct console_ranges *pci_console_open(const struct root *root);
json_t *pci_console_facts(const struct console_ranges *ranges, const struct root *root,
                          const char *address);
void pci_console_close(struct console_ranges *ranges);

/* Fills in `siblings` of all DEVICES (the array of facts objects). */
void pci_sysfs_siblings(const struct root *root, json_t *devices);

#endif
