/* pci_sysfs.h: what sysfs says about one PCI device (the larger part of pci.c's facts). */
#ifndef GPUFLEET_PCI_SYSFS_H
#define GPUFLEET_PCI_SYSFS_H

#include "node-agent/facts/facts.h"

/* A device's facts object with every key set: those that only the configuration space can tell are
 * null (header from the class). NULL when the device is gone. */
json_t *pci_sysfs_facts(const struct root *root, const char *address,
                        const struct module_index *modules);

/* Fills in `siblings` of all DEVICES (the array of facts objects). */
void pci_sysfs_siblings(const struct root *root, json_t *devices);

#endif
