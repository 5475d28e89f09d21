/* report_openstack_flavors.c: a flavor is a call that makes it where it is missing, then one that
 * sets its properties.
 */
#include <string.h>

#include "controller/report/report_openstack.h"
#include "controller/report/report_openstack_script.h"
#include "node-agent/wire/json_text.h"

#define NVIDIA "10de"

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static const json_t *entry_of(const json_t *report, const char *list, const char *key,
                              const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(report, "capacity"), list), i, entry)
	{
		if (strcmp(json_text(entry, key), name) == 0)
			return entry;
	}
	return NULL;
}

/* ---- what the hosts have ---- */

/* How many cards of ALIAS the host offers: the ready ones and those that guests have now. */
static unsigned host_offers(const json_t *host, const char *alias)
{
	const json_t *device;
	unsigned count = 0;
	size_t i;

	json_array_foreach(json_object_get(host, "devices"), i, device)
	{
		const char *verdict = json_text(device, "verdict");

		count += json_is_true(json_object_get(device, "primary")) &&
		         strcmp(json_text(device, "alias"), alias) == 0 &&
		         (strcmp(verdict, "ready") == 0 || strcmp(verdict, "in_use") == 0);
	}
	return count;
}

/* Does one host have all cards of the flavor, free or not? */
static bool flavor_has_host(const struct openstack_script *s, const struct inventory_flavor *flavor)
{
	const json_t *host;
	size_t i, k;

	json_array_foreach(json_object_get(s->report, "hosts"), i, host)
	{
		for (k = 0; k < flavor->gpu_count &&
		            host_offers(host, flavor->gpus[k].alias) >= flavor->gpus[k].count;
		     k++)
			;
		if (k == flavor->gpu_count)
			return true;
	}
	return false;
}

static bool list_says_nvidia(const struct inventory_gpu_list *list, const char *alias)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct inventory_gpu *gpu = &list->items[i];

		if (gpu->alias && strcmp(gpu->alias, alias) == 0 && gpu->vendor &&
		    strcmp(gpu->vendor, NVIDIA) == 0)
			return true;
	}
	return false;
}

bool report_openstack_is_nvidia(const struct openstack_script *s, const char *alias)
{
	const json_t *host, *device;
	size_t i, k;

	if (list_says_nvidia(&s->inventory->gpus, alias))
		return true;
	for (i = 0; i < s->inventory->host_count; i++) {
		if (list_says_nvidia(&s->inventory->hosts[i].gpus, alias))
			return true;
	}
	json_array_foreach(json_object_get(s->report, "hosts"), i, host)
	{
		json_array_foreach(json_object_get(host, "devices"), k, device)
		{
			if (json_is_true(json_object_get(device, "primary")) &&
			    strcmp(json_text(device, "alias"), alias) == 0 &&
			    strcmp(json_text(device, "vendor"), NVIDIA) == 0)
				return true;
		}
	}
	return false;
}

/* ---- NUMA ---- */

static bool list_has_policy(const struct inventory_gpu_list *list, const char *alias, int release)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct inventory_gpu *gpu = &list->items[i];

		if (gpu->alias && strcmp(gpu->alias, alias) == 0 && gpu->numa_policy &&
		    nova_rule_knows_numa_policy(gpu->numa_policy, release))
			return true;
	}
	return false;
}

bool report_openstack_has_policy(const struct openstack_script *s, const char *alias)
{
	if (list_has_policy(&s->inventory->gpus, alias, s->release))
		return true;
	for (size_t i = 0; i < s->inventory->host_count; i++) {
		if (list_has_policy(&s->inventory->hosts[i].gpus, alias, s->release))
			return true;
	}
	return false;
}

/* Notes the policies that LIST gives ALIAS; NULL is one, too. */
static void note_policy(const struct inventory_gpu_list *list, const char *alias,
                        const char **policy, bool *seen, bool *differ)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *own = list->items[i].numa_policy;

		if (!list->items[i].alias || strcmp(list->items[i].alias, alias) != 0)
			continue;
		if (*seen && (own ? !*policy || strcmp(own, *policy) != 0 : *policy != NULL))
			*differ = true;
		*policy = own ? own : *policy;
		*seen = true;
	}
}

/* The one policy of all the flavor's cards, or NULL. It holds for the whole guest, so that cards
 * with several policies can't have it: *DIFFER. */
static const char *flavor_policy(const struct openstack_script *s,
                                 const struct inventory_flavor *flavor, bool *differ)
{
	const char *policy = NULL;
	bool seen = false;

	*differ = false;
	for (size_t i = 0; i < flavor->gpu_count; i++) {
		note_policy(&s->inventory->gpus, flavor->gpus[i].alias, &policy, &seen, differ);
		for (size_t k = 0; k < s->inventory->host_count; k++)
			note_policy(&s->inventory->hosts[k].gpus, flavor->gpus[i].alias, &policy,
			            &seen, differ);
	}
	return *differ ? NULL : policy;
}

/* ---- flavors ---- */

static bool flavor_has(const struct openstack_script *s, const struct inventory_flavor *flavor,
                       bool (*holds)(const struct openstack_script *s, const char *alias))
{
	for (size_t i = 0; i < flavor->gpu_count; i++) {
		if (holds(s, flavor->gpus[i].alias))
			return true;
	}
	return false;
}

/* Nova takes ALIAS:COUNT, several with commas between them (nova/pci/request.py). */
static void put_alias_property(const struct openstack_script *s,
                               const struct inventory_flavor *flavor)
{
	fprintf(s->out, "%sopenstack flavor set --property pci_passthrough:alias='", s->prefix);
	for (size_t i = 0; i < flavor->gpu_count; i++) {
		report_openstack_inside(flavor->gpus[i].alias, s->out);
		fprintf(s->out, ":%u%s", flavor->gpus[i].count,
		        i + 1 < flavor->gpu_count ? "," : "'");
	}
}

static void put_flavor(const struct openstack_script *s, const struct inventory_flavor *flavor)
{
	bool differ;
	const char *policy = flavor_policy(s, flavor, &differ);
	bool has_policy = policy && nova_rule_knows_flavor_numa_policy(policy, s->release);

	fprintf(s->out, "%sflavor ", s->prefix);
	report_openstack_quote(flavor->name, s->out);
	fprintf(s->out, " %u %u %u\n", flavor->vcpus, flavor->ram_mb, flavor->disk_gb);
	if (flavor->gpu_count == 0)
		return;
	if (differ)
		fprintf(s->out, "# Its cards have several numa_policies in the inventory, and a "
		                "flavor can have one: left to the aliases.\n");
	else if (policy && !has_policy)
		fprintf(s->out, "# numa_policy \"%s\" is left %s.\n", policy,
		        nova_rule_knows_numa_policy(policy, s->release)
		            ? "to the alias: this release has no such flavor property"
		            : "out: this release has it neither for flavors nor for aliases");
	if (flavor_has(s, flavor, report_openstack_has_policy)) {
		fprintf(s->out, "%snuma_topology ", s->prefix);
		report_openstack_quote(flavor->name, s->out);
		fputc('\n', s->out);
	}
	put_alias_property(s, flavor);
	if (has_policy)
		fprintf(s->out, " \\\n%s\t--property %s=%s", s->prefix,
		        nova_rule(NOVA_RULE_FLAVOR_NUMA_POLICY)->name, policy);
	if (s->hide != NOVA_RULE_HIDE_IMAGE_PROPERTY &&
	    flavor_has(s, flavor, report_openstack_is_nvidia))
		fprintf(s->out, " \\\n%s\t--property %s=true", s->prefix, nova_rule(s->hide)->name);
	fputc(' ', s->out);
	report_openstack_quote(flavor->name, s->out);
	fputc('\n', s->out);
}

/* Says how many guests of the flavor there is room for; where there is none on any host, the script
 * says so, too, when it is run. */
static void put_flavor_fit(const struct openstack_script *s, const struct inventory_flavor *flavor)
{
	const json_t *entry = entry_of(s->report, "flavors", "flavor", flavor->name);

	fputc('\n', s->out);
	if (flavor->gpu_count == 0)
		return;
	fprintf(s->out, "# %s fits %lld times now, %lld times when all that is pending is ready.\n",
	        number_of(entry, "unknown_hosts") ? "Counted in GPUs, it" : "It",
	        number_of(entry, "fits_now"), number_of(entry, "fits_when_ready"));
	if (flavor_has_host(s, flavor))
		return;
	fprintf(s->out,
	        "warn \"no host offers these GPUs yet: its guests will find no valid host\" ");
	report_openstack_quote(flavor->name, s->out);
	fputc('\n', s->out);
}

static void put_flavors(const struct openstack_script *s)
{
	for (size_t i = 0; i < s->inventory->flavor_count; i++) {
		put_flavor_fit(s, &s->inventory->flavors[i]);
		put_flavor(s, &s->inventory->flavors[i]);
	}
}

/* A flavor for each alias; what the guests need is for the operator to say. */
static void put_proposals(const struct openstack_script *s)
{
	const json_t *aliases = json_object_get(json_object_get(s->report, "capacity"), "aliases");
	json_t *alias;
	size_t i;

	if (json_array_size(aliases) == 0)
		return;
	fprintf(s->out,
	        "\n# The inventory has no \"flavors\". One for each alias could be as "
	        "below: put what you want into\n# the inventory (\"flavors\": [{\"name\": "
	        "\"NAME\", \"vcpus\": 4, \"ram\": 16384, \"disk\": 50,\n# \"gpus\": "
	        "{\"ALIAS\": 1}}]) and write this script again, or take the \"# \" away.\n");
	json_array_foreach(aliases, i, alias)
	{
		char name[80], wanted[80];
		struct inventory_flavor_gpu gpu = {.alias = wanted, .count = 1};
		struct inventory_flavor flavor = {.name = name,
		                                  .vcpus = 4,
		                                  .ram_mb = 16384,
		                                  .disk_gb = 50,
		                                  .gpus = &gpu,
		                                  .gpu_count = 1};

		/* An alias has 63 characters at most, and so has a flavor's name. */
		snprintf(wanted, sizeof(wanted), "%s", json_text(alias, "alias"));
		snprintf(name, sizeof(name), "gpu.%.59s", wanted);
		fputc('\n', s->out);
		put_flavor(s, &flavor);
	}
}

void report_openstack_flavors(const struct openstack_script *s)
{
	if (s->inventory->flavor_count > 0)
		put_flavors(s);
	else
		put_proposals(s);
}
