/* pci_names.h: what people call a PCI device, by the databases of the controller's machine: udev's,
 * and where that has no name, or is not there, pci.ids.
 */
#ifndef GPUFLEET_PCI_NAMES_H
#define GPUFLEET_PCI_NAMES_H

#include <stddef.h>

struct pci_names;

/* PATH NULL: the system's databases; else that list (in pci.ids' form) alone. Works without any,
 * too: names are then ids. NULL only when out of memory. */
struct pci_names *pci_names_open(const char *path);
void pci_names_close(struct pci_names *names);

/* "NVIDIA Corporation GP102 [GeForce GTX 1080 Ti]", or "10de:1b06" for a device that is in none.
 * VENDOR and DEVICE are four hex digits. Returns OUT. */
const char *pci_names_device(struct pci_names *names, const char *vendor, const char *device,
                             char *out, size_t size);

#endif
