/* pci_names.c: libpci's name list, without its bus access, its network look-ups and its way to end
 * the program on a fault.
 */
#include "controller/report/pci_names.h"

#include <pci/pci.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct pci_names {
	struct pci_access *access;
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

struct pci_names *pci_names_open(const char *path)
{
	struct pci_names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	names->access = pci_alloc();
	/* A broken list costs names, not the report. */
	names->access->error = leave;
	names->access->warning = ignore;
	names->access->debug = ignore;
	if (path) {
		char *copy = NULL;

		if (asprintf(&copy, "%s", path) >= 0)
			pci_set_name_list_path(names->access, copy, 1);
	}
	return names;
}

void pci_names_close(struct pci_names *names)
{
	if (!names)
		return;
	pci_cleanup(names->access);
	free(names);
}

const char *pci_names_device(struct pci_names *names, const char *vendor, const char *device,
                             char *out, size_t size)
{
	const int flags =
	    PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;
	char *volatile name = NULL;

	if (setjmp(list_is_broken) != 0)
		names->broken = true;
	else if (names && !names->broken)
		name =
		    pci_lookup_name(names->access, out, (int)size, flags,
		                    (int)strtoul(vendor, NULL, 16), (int)strtoul(device, NULL, 16));
	/* libpci answers with a text in angle brackets where there is no room at all. */
	if (!name || name[0] == '<' || name[0] == '\0')
		snprintf(out, size, "%s:%s", vendor, device);
	return out;
}
