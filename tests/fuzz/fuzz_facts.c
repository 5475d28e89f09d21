/* fuzz_facts.c: a facts document from a hostile host, through selection, readiness, the report and
 * what its Nova is to be told. Whatever it says, what is written for a terminal holds nothing that
 * a terminal obeys.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/history/history_diff.h"
#include "controller/nova/nova_wanted.h"
#include "controller/readiness/host_facts.h"
#include "controller/readiness/readiness.h"
#include "controller/report/pci_names.h"
#include "controller/report/report.h"

/* What changed on a host that had one device more, or has. */
static void differ(const struct inventory_host *host, const json_t *facts)
{
	json_t *other = json_deep_copy(facts), *there, *back;
	struct history_sight with = {true, true, facts, NULL}, without = {true, true, other, NULL};

	json_array_remove(json_object_get(other, "pci"), 0);
	there = history_diff_host(host, &with, &without);
	back = history_diff_host(host, &without, &with);
	if (!there || !back)
		abort();
	json_decref(there);
	json_decref(back);
	json_decref(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
struct pci_names *__real_pci_names_open(const char *path);
struct pci_names *__wrap_pci_names_open(const char *path);
void __wrap_pci_names_close(struct pci_names *names);

/* Reading the list takes longer than all the rest: once for all inputs. */
struct pci_names *__wrap_pci_names_open(const char *path)
{
	static struct pci_names *names;

	if (!names)
		names = __real_pci_names_open(path);
	return names;
}

void __wrap_pci_names_close(struct pci_names *names)
{
	(void)names;
}

/* Takes the report's text as a terminal would. */
static ssize_t terminal_write(void *cookie, const char *text, size_t size)
{
	static unsigned char last;

	(void)cookie;
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && c != '\n') || c == 0x7f)
			abort();
		/* U+0080 to U+009F. */
		if (last == 0xc2 && c >= 0x80 && c < 0xa0)
			abort();
		last = c;
	}
	return (ssize_t)size;
}

static FILE *terminal_open(void)
{
	static FILE *terminal;
	static char buffer[BUFSIZ];

	if (!terminal) {
		terminal = fopencookie(NULL, "w", (cookie_io_functions_t){.write = terminal_write});
		if (!terminal)
			abort();
		setvbuf(terminal, buffer, _IOFBF, sizeof(buffer));
	}
	return terminal;
}

static void preconditions(const struct inventory_host *host, const json_t *facts)
{
	json_t *wanted = NULL;
	struct gf_err err = {0};

	if (readiness_preconditions(host, facts, &wanted, &err) == 0)
		json_decref(wanted);
	else if (!err.msg[0])
		abort();
}

/* Is the document of the right shape? */
static bool readable(const json_t *facts)
{
	struct host_facts read;
	struct gf_err err = {0};

	if (host_facts_parse(facts, &read, &err) == 0) {
		host_facts_free(&read);
		return true;
	}
	if (!err.msg[0] || strchr(err.msg, '\n'))
		abort();
	return false;
}

static void tell_nova(const struct inventory *inventory, const json_t *facts)
{
	struct nova_fleet *fleet = nova_fleet_new(inventory, NULL);
	struct nova_wanted wanted;

	if (!fleet || nova_fleet_put(fleet, &inventory->hosts[0], facts, NULL) < 0)
		abort();
	if (nova_wanted_compute(fleet, &inventory->hosts[0], facts, NULL, &wanted, NULL) == 0)
		nova_wanted_free(&wanted);
	nova_fleet_free(fleet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[] = "gpu01", fleet[] = "fuzz", alias[] = "gpu", vendor[] = "10de",
	            model[] = "1b06", size_name[] = "gpu.1", policy[] = "required";
	struct inventory_gpu gpu = {.alias = alias,
	                            .vendor = vendor,
	                            .device = model,
	                            .managed = -1,
	                            .live_migratable = -1,
	                            .one_time_use = -1};
	struct inventory_host host = {.name = name,
	                              .gpus = {.items = &gpu, .count = 1, .given = true}};
	struct inventory_flavor_gpu one = {alias, 1};
	struct inventory_flavor flavor = {size_name, 4, 8192, 0, &one, 1};
	struct inventory inventory = {.fleet = fleet,
	                              .hosts = &host,
	                              .host_count = 1,
	                              .gpus = host.gpus,
	                              .flavors = &flavor,
	                              .flavor_count = 1};
	json_t *facts = json_loadb((const char *)data, size, 0, NULL);
	struct report_host entry = {.host = &host, .facts = facts, .reachable = true};
	json_t *report;

	if (!facts)
		return 0;
	/* The report of a document that cannot be read is the same but for one message: a few
	 * will do. Of the others each goes one of the ways that facts go; so does what is one byte
	 * longer, the other way. */
	host.gpus.given = size & 2;
	gpu.numa_policy = size & 4 ? policy : NULL;
	if (!readable(facts) ? size % 16 == 0 : size & 1) {
		report = report_build(&inventory, &entry, 1, "2026-01-01T00:00:00Z", NULL);
		if (!report || report_text(report, NULL, terminal_open(), false, NULL) < 0)
			abort();
		json_decref(report);
	} else {
		preconditions(&host, facts);
		differ(&host, facts);
		inventory.report_in_placement = size % 3 ? -1 : 1;
		host.role = size % 5 ? ROLE_COMPUTE : ROLE_CONTROL;
		tell_nova(&inventory, facts);
		host.role = ROLE_COMPUTE;
		if (report_gpus_block(&inventory, &entry, 1, terminal_open(), NULL) < 0)
			abort();
	}
	json_decref(facts);
	return 0;
}
