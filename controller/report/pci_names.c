/* pci_names.c: libpci's two sources of names, without its bus access, its network look-ups and its
 * way to end the program on a fault. udev's database comes first: it is mapped and searched, and on
 * Debian 12 it is the newer one; pci.ids takes 10 ms and some megabytes to read.
 */
#include "controller/report/pci_names.h"

#include <pci/pci.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct pci_names {
	struct pci_access *udev; /* NULL: a list was named */
	struct pci_access *list;
	bool broken; /* the list cannot be parsed */
};

static _Thread_local jmp_buf list_is_broken;

/* libpci wants a function that does not return: the way out of a broken list. */
static __attribute__((noreturn)) void leave(char *format, ...)
{
	(void)format;
	longjmp(list_is_broken, 1);
}

static void ignore(char *format, ...)
{
	(void)format;
}

/* PATH NULL: libpci's own. */
static struct pci_access *names_access(const char *path)
{
	struct pci_access *access = pci_alloc();
	char *copy = NULL;

	/* A broken list costs names, not the report. */
	access->error = leave;
	access->warning = ignore;
	access->debug = ignore;
	if (path && asprintf(&copy, "%s", path) >= 0)
		pci_set_name_list_path(access, copy, 1);
	return access;
}

struct pci_names *pci_names_open(const char *path)
{
	struct pci_names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->list = names_access(path);
	/* libpci asks udev where its list has no name, and reads that before. */
	if (!path)
		names->udev = names_access("/dev/null");
	return names;
}

void pci_names_close(struct pci_names *names)
{
	if (!names)
		return;
	if (names->udev)
		pci_cleanup(names->udev);
	pci_cleanup(names->list);
	free(names);
}

/* False where ACCESS has no name for it. */
static bool name_find(struct pci_access *access, int more_flags, const char *vendor,
                      const char *device, char *out, size_t size)
{
	const int flags = PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS;
	const char *name =
	    pci_lookup_name(access, out, (int)size, flags | more_flags,
	                    (int)strtoul(vendor, NULL, 16), (int)strtoul(device, NULL, 16));

	/* libpci answers with a text in angle brackets where there is no room at all. */
	return name && name[0] != '<' && name[0] != '\0';
}

const char *pci_names_device(struct pci_names *names, const char *vendor, const char *device,
                             char *out, size_t size)
{
	volatile bool found = false;

	if (setjmp(list_is_broken) != 0)
		names->broken = true;
	else if (names && !names->broken)
		found = (names->udev && name_find(names->udev, 0, vendor, device, out, size)) ||
		        name_find(names->list, PCI_LOOKUP_NO_HWDB, vendor, device, out, size);
	if (!found)
		snprintf(out, size, "%s:%s", vendor, device);
	return out;
}
