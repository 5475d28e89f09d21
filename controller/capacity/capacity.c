/* capacity.c: what the fleet has of each alias, and how many guests of each flavor it can take. */
#include "controller/capacity/capacity.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void increment(json_t *object, const char *key)
{
	json_t *number = json_object_get(object, key);

	if (json_is_integer(number))
		json_integer_set(number, json_integer_value(number) + 1);
}

static json_t *alias_find(json_t *aliases, const char *alias)
{
	json_t *entry;
	size_t i;

	json_array_foreach(aliases, i, entry)
	{
		if (strcmp(text_of(entry, "alias"), alias) == 0)
			return entry;
	}
	return NULL;
}

static void alias_add(json_t *aliases, const struct inventory_gpu_list *gpus)
{
	static const char *const counts[] = {"total", "ready", "in_use", "pending", "blocked"};

	for (size_t i = 0; i < gpus->count; i++) {
		json_t *entry;

		if (!gpus->items[i].alias || alias_find(aliases, gpus->items[i].alias))
			continue;
		entry = json_object();
		json_object_set_new(entry, "alias", json_string(gpus->items[i].alias));
		for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++)
			json_object_set_new(entry, counts[k], json_integer(0));
		json_array_append_new(aliases, entry);
	}
}

static json_t *build_aliases(const struct inventory *inventory, const json_t *hosts)
{
	json_t *aliases = json_array(), *alias;
	const json_t *host, *device;
	size_t i, k;

	alias_add(aliases, &inventory->gpus);
	for (i = 0; i < inventory->host_count; i++)
		alias_add(aliases, &inventory->hosts[i].gpus);
	json_array_foreach(hosts, i, host)
	{
		json_array_foreach(json_object_get(host, "devices"), k, device)
		{
			if (!json_is_true(json_object_get(device, "primary")))
				continue;
			alias = alias_find(aliases, text_of(device, "alias"));
			if (!alias)
				continue;
			increment(alias, "total");
			increment(alias, text_of(device, "verdict"));
		}
	}
	return aliases;
}

/* How many GPUs of ALIAS the host could give out: the ready ones and, with PENDING, those that
 * apply can make ready. */
static unsigned host_offers(const json_t *host, const char *alias, bool pending)
{
	const json_t *device;
	unsigned count = 0;
	size_t i;

	json_array_foreach(json_object_get(host, "devices"), i, device)
	{
		const char *verdict = text_of(device, "verdict");

		if (!json_is_true(json_object_get(device, "primary")) ||
		    strcmp(text_of(device, "alias"), alias) != 0)
			continue;
		count +=
		    strcmp(verdict, "ready") == 0 || (pending && strcmp(verdict, "pending") == 0);
	}
	return count;
}

static json_int_t flavor_fits(const struct inventory_flavor *flavor, const json_t *hosts,
                              bool pending)
{
	const json_t *host;
	json_int_t sum = 0;
	size_t i;

	json_array_foreach(hosts, i, host)
	{
		unsigned fits = UINT_MAX;

		for (size_t k = 0; k < flavor->gpu_count; k++) {
			unsigned offers = host_offers(host, flavor->gpus[k].alias, pending);
			unsigned count = flavor->gpus[k].count;

			if (count && offers / count < fits)
				fits = offers / count;
		}
		if (fits != UINT_MAX)
			sum += fits;
	}
	return sum;
}

static json_t *build_flavors(const struct inventory *inventory, const json_t *hosts)
{
	json_t *flavors = json_array();

	for (size_t i = 0; i < inventory->flavor_count; i++) {
		const struct inventory_flavor *flavor = &inventory->flavors[i];
		json_t *entry = json_object();

		json_object_set_new(entry, "flavor", json_string(flavor->name));
		json_object_set_new(entry, "fits_now",
		                    json_integer(flavor_fits(flavor, hosts, false)));
		json_object_set_new(entry, "fits_when_ready",
		                    json_integer(flavor_fits(flavor, hosts, true)));
		json_array_append_new(flavors, entry);
	}
	return flavors;
}

json_t *capacity_build(const struct inventory *inventory, const json_t *hosts)
{
	json_t *capacity = json_object();

	json_object_set_new(capacity, "aliases", build_aliases(inventory, hosts));
	json_object_set_new(capacity, "flavors", build_flavors(inventory, hosts));
	return capacity;
}
