/* report_openstack_script.h: what the two halves of the script's writer (report_openstack.h) share:
 * the head with its explanations, and the flavors.
 */
#ifndef GPUFLEET_REPORT_OPENSTACK_SCRIPT_H
#define GPUFLEET_REPORT_OPENSTACK_SCRIPT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "controller/nova/nova_rules.h"
#include "inventory/inventory.h"

/* Everything is borrowed. */
struct openstack_script {
	const json_t *report;
	const struct inventory *inventory;
	int release;            /* whose names are used; the newest where none is known */
	enum nova_rule_id hide; /* how it is told to hide the hypervisor: a NOVA_RULE_HIDE_* */
	bool nvidia;            /* some flavor (without flavors: some alias) has an NVIDIA card */
	bool numa;              /* ... has GPUs with a NUMA policy */
	const char *prefix;     /* stands before commands: "# " where they are only proposed */
	FILE *out;
};

/* Does a card of ALIAS come from NVIDIA? By the inventory's vendor or, where an entry names none,
 * by the cards that were seen. */
bool report_openstack_is_nvidia(const struct openstack_script *s, const char *alias);

/* Has some entry of the inventory for ALIAS a numa_policy, which Nova's release knows? */
bool report_openstack_has_policy(const struct openstack_script *s, const char *alias);

/* TEXT for between single quotes: the part of report_openstack_quote that is inside. */
void report_openstack_inside(const char *text, FILE *out);

/* The inventory's flavors, or one proposed for each alias: commands, with what to know of each. */
void report_openstack_flavors(const struct openstack_script *s);

#endif
