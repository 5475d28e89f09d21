/* nova_rules.c: see nova_rules.h. docs/design/nova-rules.md shows the table. */
#include "controller/nova/nova_rules.h"

#include <assert.h>
#include <string.h>

#define NOW NOVA_RELEASE_LAST

static const struct nova_rule rules[] = {
    {NOVA_RULE_ALIAS, "pci", "alias", NULL, 16, NOW, {"DEFAULT.pci_alias"}, "nova/conf/pci.py"},
    {NOVA_RULE_DEVICE_SPEC,
     "pci",
     "device_spec",
     NULL,
     26,
     NOW,
     {"pci.passthrough_whitelist", "DEFAULT.pci_passthrough_whitelist"},
     "nova/conf/pci.py"},
    {NOVA_RULE_PASSTHROUGH_WHITELIST,
     "pci",
     "passthrough_whitelist",
     NULL,
     16,
     NOW,
     {"DEFAULT.pci_passthrough_whitelist"},
     "nova/conf/pci.py"},
    {NOVA_RULE_REPORT_IN_PLACEMENT,
     "pci",
     "report_in_placement",
     NULL,
     26,
     NOW,
     {NULL},
     "nova/conf/pci.py"},
    {NOVA_RULE_ENABLED_FILTERS,
     "filter_scheduler",
     "enabled_filters",
     NULL,
     16,
     NOW,
     {NULL},
     "nova/conf/scheduler.py"},
    {NOVA_RULE_AVAILABLE_FILTERS,
     "filter_scheduler",
     "available_filters",
     NULL,
     16,
     NOW,
     {NULL},
     "nova/conf/scheduler.py"},
    {NOVA_RULE_DEFAULT_FILTERS,
     "DEFAULT",
     "scheduler_default_filters",
     NULL,
     16,
     23,
     {NULL},
     "nova/conf/scheduler.py"},
    {NOVA_RULE_PCI_IN_PLACEMENT,
     "filter_scheduler",
     "pci_in_placement",
     NULL,
     27,
     NOW,
     {NULL},
     "nova/conf/scheduler.py"},
    {NOVA_RULE_ALIAS_NUMA_POLICY,
     "pci",
     "alias",
     "numa_policy",
     17,
     NOW,
     {NULL},
     "nova/pci/request.py"},
    {NOVA_RULE_ALIAS_NUMA_SOCKET,
     "pci",
     "alias",
     "numa_policy=socket",
     23,
     NOW,
     {NULL},
     "nova/objects/fields.py"},
    {NOVA_RULE_ALIAS_RESOURCE_CLASS,
     "pci",
     "alias",
     "resource_class",
     27,
     NOW,
     {NULL},
     "nova/pci/request.py"},
    {NOVA_RULE_ALIAS_TRAITS, "pci", "alias", "traits", 27, NOW, {NULL}, "nova/pci/request.py"},
    {NOVA_RULE_ALIAS_LIVE_MIGRATABLE,
     "pci",
     "alias",
     "live_migratable",
     31,
     NOW,
     {NULL},
     "nova/pci/request.py"},
    {NOVA_RULE_ALIAS_IDS_REQUIRED,
     "pci",
     "alias",
     "vendor_id, product_id required",
     31,
     NOW,
     {NULL},
     "nova/pci/request.py"},
    {NOVA_RULE_SPEC_REMOTE_MANAGED,
     "pci",
     "device_spec",
     "remote_managed",
     25,
     NOW,
     {NULL},
     "nova/pci/devspec.py"},
    {NOVA_RULE_SPEC_RESOURCE_CLASS,
     "pci",
     "device_spec",
     "resource_class",
     26,
     NOW,
     {NULL},
     "nova/compute/pci_placement_translator.py"},
    {NOVA_RULE_SPEC_TRAITS,
     "pci",
     "device_spec",
     "traits",
     26,
     NOW,
     {NULL},
     "nova/compute/pci_placement_translator.py"},
    {NOVA_RULE_SPEC_MANAGED,
     "pci",
     "device_spec",
     "managed",
     31,
     NOW,
     {NULL},
     "nova/pci/devspec.py"},
    {NOVA_RULE_SPEC_LIVE_MIGRATABLE,
     "pci",
     "device_spec",
     "live_migratable",
     31,
     NOW,
     {NULL},
     "nova/pci/devspec.py"},
    {NOVA_RULE_SPEC_ONE_TIME_USE,
     "pci",
     "device_spec",
     "one_time_use",
     32,
     NOW,
     {NULL},
     "nova/pci/devspec.py"},
    {NOVA_RULE_HIDE_IMAGE_PROPERTY,
     "image",
     "img_hide_hypervisor_id",
     NULL,
     16,
     NOW,
     {NULL},
     "nova/objects/image_meta.py"},
    {NOVA_RULE_HIDE_FLAVOR_OLD,
     "flavor",
     "hide_hypervisor_id",
     NULL,
     18,
     21,
     {NULL},
     "nova/virt/hardware.py"},
    {NOVA_RULE_HIDE_FLAVOR,
     "flavor",
     "hw:hide_hypervisor_id",
     NULL,
     22,
     NOW,
     {NULL},
     "nova/virt/hardware.py"},
    /* Release note sriov-numa-affinity-policy (Ussuri), blueprint pci-socket-affinity (Wallaby). */
    {NOVA_RULE_FLAVOR_NUMA_POLICY,
     "flavor",
     "hw:pci_numa_affinity_policy",
     NULL,
     21,
     NOW,
     {NULL},
     "nova/api/validation/extra_specs/hw.py"},
    {NOVA_RULE_FLAVOR_NUMA_SOCKET,
     "flavor",
     "hw:pci_numa_affinity_policy",
     "=socket",
     23,
     NOW,
     {NULL},
     "nova/api/validation/extra_specs/hw.py"},
    {NOVA_RULE_MAXPHYSADDR,
     "flavor",
     "hw:maxphysaddr_mode",
     NULL,
     29,
     NOW,
     {NULL},
     "nova/virt/hardware.py"},
};
_Static_assert(sizeof(rules) / sizeof(rules[0]) == NOVA_RULE_COUNT, "a row for each rule");

const struct nova_rule *nova_rule(enum nova_rule_id id)
{
	assert(id < NOVA_RULE_COUNT && rules[id].id == id);
	return &rules[id];
}

bool nova_rule_holds(enum nova_rule_id id, int release)
{
	const struct nova_rule *rule = nova_rule(id);

	return release >= rule->first && release <= rule->last;
}

int nova_rule_require(enum nova_rule_id id, int release, const char *what, const char *said,
                      struct gf_err *err)
{
	const struct nova_rule *rule = nova_rule(id);
	char needed[NOVA_RELEASE_SHOW_SIZE], is[NOVA_RELEASE_SHOW_SIZE];

	nova_release_show(release, is);
	if (release < rule->first)
		return gf_err_set(err, GF_E_BLOCKED, "%s needs Nova %s; %s %s", what,
		                  nova_release_show(rule->first, needed), said, is);
	if (release > rule->last)
		return gf_err_set(err, GF_E_BLOCKED, "%s is known up to Nova %s; %s %s", what,
		                  nova_release_show(rule->last, needed), said, is);
	return 0;
}

const char *nova_rule_device_spec_name(int release)
{
	return nova_rule(nova_rule_holds(NOVA_RULE_DEVICE_SPEC, release)
	                     ? NOVA_RULE_DEVICE_SPEC
	                     : NOVA_RULE_PASSTHROUGH_WHITELIST)
	    ->name;
}

static bool is_one_of(const char *const *list, const char *text)
{
	for (; *list; list++) {
		if (strcmp(*list, text) == 0)
			return true;
	}
	return false;
}

static bool knows_key(const char *option, const char *key, int release)
{
	for (size_t i = 0; i < NOVA_RULE_COUNT; i++) {
		if (rules[i].key && strcmp(rules[i].name, option) == 0 &&
		    strcmp(rules[i].key, key) == 0)
			return release >= rules[i].first && release <= rules[i].last;
	}
	return false;
}

bool nova_rule_knows_spec_key(const char *key, int release)
{
	static const char *const always[] = {"vendor_id",        "product_id", "address", "devname",
	                                     "physical_network", "trusted",    NULL};

	return is_one_of(always, key) || knows_key("device_spec", key, release);
}

bool nova_rule_knows_alias_key(const char *key, int release)
{
	static const char *const always[] = {"name",      "capability_type", "product_id",
	                                     "vendor_id", "device_type",     NULL};

	return is_one_of(always, key) || knows_key("alias", key, release);
}

/* "socket" is by a rule of its own, because it came later than the others. */
static bool knows_policy(const char *policy, int release, enum nova_rule_id first,
                         enum nova_rule_id socket)
{
	static const char *const policies[] = {"legacy", "preferred", "required", NULL};

	if (strcmp(policy, "socket") == 0)
		return nova_rule_holds(socket, release);
	return is_one_of(policies, policy) && nova_rule_holds(first, release);
}

bool nova_rule_knows_numa_policy(const char *policy, int release)
{
	return knows_policy(policy, release, NOVA_RULE_ALIAS_NUMA_POLICY,
	                    NOVA_RULE_ALIAS_NUMA_SOCKET);
}

bool nova_rule_knows_flavor_numa_policy(const char *policy, int release)
{
	return knows_policy(policy, release, NOVA_RULE_FLAVOR_NUMA_POLICY,
	                    NOVA_RULE_FLAVOR_NUMA_SOCKET);
}

/* nova/conf/scheduler.py at each release. Pike dropped RamFilter and DiskFilter (release note
 * trim-default-sched-filters), Train RetryFilter (deprecate-retry-filter), Xena
 * AvailabilityZoneFilter (deprecate-AZ-filter). */
const char *const *nova_rule_filters_default(int release)
{
	static const char *const filters[] = {"RetryFilter",
	                                      "AvailabilityZoneFilter",
	                                      "ComputeFilter",
	                                      "ComputeCapabilitiesFilter",
	                                      "ImagePropertiesFilter",
	                                      "ServerGroupAntiAffinityFilter",
	                                      "ServerGroupAffinityFilter",
	                                      NULL};

	if (release < 20)
		return filters;
	return release < 24 ? filters + 1 : filters + 2;
}

int nova_rule_filter_gone(const char *name, int release)
{
	static const struct {
		const char *name;
		int first_without;
	} gone[] = {
	    {"RetryFilter", 22},
	    {"RamFilter", 22},
	    {"CoreFilter", 22},
	    {"DiskFilter", 22},
	    /* Deprecated by Train; Zed's package has none of them. */
	    {"AggregateCoreFilter", 26},
	    {"AggregateRamFilter", 26},
	    {"AggregateDiskFilter", 26},
	    {"AvailabilityZoneFilter", 28},
	};

	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		if (strcmp(gone[i].name, name) == 0 && release >= gone[i].first_without)
			return gone[i].first_without;
	}
	return 0;
}
