/* hot_paths.h: what the controller does once for each host, line, name or device, over made-up
 * input of a chosen size: the same size gives the same input, byte for byte. budget.py counts the
 * instructions.
 */
#ifndef TESTS_HOT_PATHS_H
#define TESTS_HOT_PATHS_H

#include <jansson.h>
#include <stddef.h>

#include "inventory/inventory.h"

/* One path. What `prepare` makes for a size, and what `done` says of it, is not counted. */
struct hot_path {
	const char *name;
	size_t size; /* the budget is for it; a quarter of it is counted, too */
	const char *unit;
	void *(*prepare)(size_t size);
	void (*run)(void *state);
	size_t (*done)(
	    void *state); /* how many units came out right: SIZE, or the path is broken */
};

/* Each file's paths, ended by one without a name. */
extern const struct hot_path hot_wire[], hot_facts[], hot_plan[], hot_names[];

/* PATH's run, in a function that valgrind knows by its name. */
void hot_path_run(const struct hot_path *path, void *state) __attribute__((noinline));

/* Says why on stderr, and ends the program with 1. */
void hot_fail(const char *why, const char *what) __attribute__((noreturn));

/* hot_input.c: all of it is there, or the program ends. */
void *hot_allocate(size_t count, size_t size);
char *hot_file(const char *name, size_t *length); /* tests/budget/host/NAME */
json_t *hot_json(const char *name);

/* The facts of a host with TREES times the PCI devices of host/NAME, each time in a domain of their
 * own. */
json_t *hot_facts_of(const char *name, size_t trees);

/* A fleet of HOSTS hosts in racks of 40, each with an address of its own; its text if LENGTH is not
 * NULL. */
char *hot_inventory_text(size_t hosts, size_t *length);
struct inventory *hot_inventory(size_t hosts);

#endif
