/* nova_rules.h: which Nova knows which option and key, from when to when, as one table with its
 * sources. Everything that is written for a Nova, or judged, asks here. Pure.
 */
#ifndef GPUFLEET_NOVA_RULES_H
#define GPUFLEET_NOVA_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "inventory/nova_release.h"

enum nova_rule_id {
	NOVA_RULE_ALIAS,
	NOVA_RULE_DEVICE_SPEC,
	NOVA_RULE_PASSTHROUGH_WHITELIST,
	NOVA_RULE_REPORT_IN_PLACEMENT,
	NOVA_RULE_ENABLED_FILTERS,
	NOVA_RULE_AVAILABLE_FILTERS,
	NOVA_RULE_DEFAULT_FILTERS,
	NOVA_RULE_PCI_IN_PLACEMENT,
	NOVA_RULE_ALIAS_NUMA_POLICY,
	NOVA_RULE_ALIAS_NUMA_SOCKET,
	NOVA_RULE_ALIAS_RESOURCE_CLASS,
	NOVA_RULE_ALIAS_TRAITS,
	NOVA_RULE_ALIAS_LIVE_MIGRATABLE,
	NOVA_RULE_ALIAS_IDS_REQUIRED,
	NOVA_RULE_SPEC_REMOTE_MANAGED,
	NOVA_RULE_SPEC_RESOURCE_CLASS,
	NOVA_RULE_SPEC_TRAITS,
	NOVA_RULE_SPEC_MANAGED,
	NOVA_RULE_SPEC_LIVE_MIGRATABLE,
	NOVA_RULE_SPEC_ONE_TIME_USE,
	NOVA_RULE_HIDE_IMAGE_PROPERTY,
	NOVA_RULE_HIDE_FLAVOR_OLD,
	NOVA_RULE_HIDE_FLAVOR,
	NOVA_RULE_FLAVOR_NUMA_POLICY,
	NOVA_RULE_FLAVOR_NUMA_SOCKET,
	NOVA_RULE_MAXPHYSADDR,
	NOVA_RULE_COUNT
};

struct nova_rule {
	enum nova_rule_id id;
	const char *where; /* the section of nova.conf, or "image", "flavor" */
	const char *name;  /* the option, property or extra spec */
	/* In the option's JSON, or NULL; "KEY=VALUE" for one value of it, "=VALUE" for one of an
	 * extra spec. */
	const char *key;
	int first, last; /* the releases that take it; NOVA_RELEASE_LAST: still taken */
	/* "SECTION.NAME" of older spellings that are taken, too; NULL-terminated. */
	const char *deprecated[3];
	const char *source; /* where Nova says so: a file in its repository */
};

const struct nova_rule *nova_rule(enum nova_rule_id id);

/* Does Nova RELEASE take it? */
bool nova_rule_holds(enum nova_rule_id id, int release);

/* 0 when Nova RELEASE takes it; else -1, GF_E_BLOCKED: "WHAT needs Nova 23 (Wallaby); SAID 22
 * (Victoria)". SAID is who told the release: "the inventory says". */
int nova_rule_require(enum nova_rule_id id, int release, const char *what, const char *said,
                      struct gf_err *err);

/* What RELEASE calls the option with the devices: device_spec, or passthrough_whitelist (both in
 * [pci]). */
const char *nova_rule_device_spec_name(int release);

/* A key of device_spec (tags included) or of an alias that RELEASE knows. Nova takes any other tag
 * in a device_spec, too, and ignores it, but refuses an alias for it. */
bool nova_rule_knows_spec_key(const char *key, int release);
bool nova_rule_knows_alias_key(const char *key, int release);
bool nova_rule_knows_numa_policy(const char *policy, int release);

/* Does the flavor's hw:pci_numa_affinity_policy take POLICY? It came later than the alias's. */
bool nova_rule_knows_flavor_numa_policy(const char *policy, int release);

/* The filters that nova-scheduler of RELEASE uses when none are configured, NULL-terminated.
 * PciPassthroughFilter never is among them. */
const char *const *nova_rule_filters_default(int release);

/* The first release without the filter NAME when RELEASE has it no more, else 0. A listed filter
 * that is missing keeps nova-scheduler from starting: SchedulerHostFilterNotFound. */
int nova_rule_filter_gone(const char *name, int release);

#endif
