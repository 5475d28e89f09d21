/* capacity_nova.c: options of nova/conf/compute.py as numbers. What can't be read, or what Nova
 * would not take, leaves open what depends on it.
 */
#include "controller/capacity/capacity_nova.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_facts.h"
#include "inventory/nova_release.h"

#define STEIN 19 /* the first with initial_*_allocation_ratio */
#define TRAIN 20 /* the first whose cpu_shared_set and cpu_dedicated_set are for all of a guest */
#define ZED   26 /* the last with 16.0 and 1.5 */

enum option { OPTION_UNSET, OPTION_SET, OPTION_UNKNOWN };

struct reader {
	const struct nova_facts_service *service;
	int release; /* 0: unknown */
};

/* The option KEY, which Nova has since FIRST. One that the facts don't have, though the release
 * does, was not looked at: an older agent. */
static enum option option_get(const struct reader *reader, const char *key, int first,
                              const json_t **value)
{
	const struct nova_facts_option *option = nova_facts_option(reader->service, key);

	*value = NULL;
	if (!option)
		return reader->release && reader->release < first ? OPTION_UNSET : OPTION_UNKNOWN;
	if (!option->value)
		return option->count ? OPTION_UNKNOWN : OPTION_UNSET;
	*value = option->value;
	return OPTION_SET;
}

/* As Python's int() and float(): blanks around a number are no part of it. False: it is none, or
 * not one from 0 to MOST. */
static bool number_read(const char *text, double most, double *number)
{
	char *end;
	double value;

	while (isspace((unsigned char)*text))
		text++;
	if (!isdigit((unsigned char)*text) && *text != '.')
		return false;
	value = strtod(text, &end);
	while (isspace((unsigned char)*end))
		end++;
	if (*end || !isfinite(value) || value < 0 || value > most)
		return false;
	*number = value;
	return true;
}

/* A number, or FALLBACK where the option is not set. False: it is not known. */
static bool number_option(const struct reader *reader, const char *key, int first, double most,
                          double fallback, double *number)
{
	const json_t *value;
	enum option state = option_get(reader, key, first, &value);

	*number = fallback;
	if (state == OPTION_UNSET)
		return true;
	return state == OPTION_SET && json_is_string(value) &&
	       number_read(json_string_value(value), most, number);
}

/* _get_allocation_ratios in nova/virt/driver.py: what is set counts (0.0 is as good as unset), else
 * what Placement has, which at first was the initial ratio; before Stein, what ComputeNode makes of
 * 0.0 (nova/objects/compute_node.py). */
static bool ratio_read(const struct reader *reader, const char *key, const char *initial_key,
                       double before, double since, double *ratio, bool *assumed)
{
	double initial;

	if (!number_option(reader, key, 0, 1e6, 0, ratio))
		return false;
	if (*ratio > 0)
		return true;
	if (!number_option(reader, initial_key, STEIN, 1e6, 0, &initial))
		return false;
	if (initial > 0)
		*ratio = initial;
	else if (reader->release)
		*ratio = reader->release <= ZED ? before : since;
	else
		return false;
	*assumed |= reader->release == 0 || reader->release >= STEIN;
	return true;
}

/* ---- processors ---- */

/* The option as a set of processors. */
static enum option set_read(const struct reader *reader, const char *key, int first,
                            struct capacity_cpus *set)
{
	const json_t *value;
	enum option state = option_get(reader, key, first, &value);
	const char *text = json_string_value(value);

	if (state != OPTION_SET)
		return state;
	if (!text)
		return OPTION_UNKNOWN;
	if (!*text)
		return OPTION_UNSET;
	return capacity_cpus_parse(text, set) == 0 && capacity_cpus_count(set) > 0 ? OPTION_SET
	                                                                           : OPTION_UNKNOWN;
}

/* _get_vcpu_available in nova/virt/libvirt/driver.py */
static bool shared_read(const struct reader *reader, struct capacity_nova *out)
{
	struct capacity_cpus pins, shared, dedicated;
	enum option pin = set_read(reader, "DEFAULT.vcpu_pin_set", 0, &pins);
	enum option own = set_read(reader, "compute.cpu_shared_set", TRAIN, &shared);
	enum option pinned = set_read(reader, "compute.cpu_dedicated_set", TRAIN, &dedicated);

	if (pin == OPTION_UNKNOWN || own == OPTION_UNKNOWN || pinned == OPTION_UNKNOWN)
		return false;
	out->pinned = pinned == OPTION_SET;
	out->shared = SHARED_SET;
	if (pin == OPTION_SET)
		out->set = pins;
	else if (own == OPTION_SET)
		out->set = shared;
	else
		out->shared = out->pinned ? SHARED_NONE : SHARED_ALL;
	return true;
}

/* ---- huge pages ---- */

/* The value of KEY in "node:0,size:2048,count:64"; its length in *length. NULL: it has none. */
static const char *part_of(const char *text, const char *key, size_t *length)
{
	size_t size = strlen(key);

	while (text) {
		while (isspace((unsigned char)*text))
			text++;
		if (strncmp(text, key, size) == 0 && text[size] == ':') {
			*length = strcspn(text + size + 1, ",");
			return text + size + 1;
		}
		text = strchr(text, ',');
		text += text != NULL;
	}
	return NULL;
}

static bool part_number(const char *text, const char *key, double most, double *number)
{
	char buffer[32];
	size_t length;
	const char *part = part_of(text, key, &length);

	if (!part || length >= sizeof(buffer))
		return false;
	memcpy(buffer, part, length);
	buffer[length] = '\0';
	return number_read(buffer, most, number);
}

/* In KiB, or with a unit of oslo.utils' IEC system, in which GB is 1024 MB. */
static bool page_size(const char *text, double *kb)
{
	static const char units[] = "KMGT";
	size_t length;
	const char *part = part_of(text, "size", &length), *unit;
	char *end;

	if (part_number(text, "size", 1e12, kb))
		return true;
	if (!part || !isdigit((unsigned char)*part))
		return false;
	*kb = strtod(part, &end);
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (!unit || *kb > 1e12)
		return false;
	for (const char *at = units; at < unit; at++)
		*kb *= 1024;
	end += 1 + (end[1] == 'i');
	return *end == 'B' && (end[1] == ',' || end[1] == '\0');
}

/* numa_get_reserved_huge_pages in nova/virt/hardware.py */
static bool pages_read(const struct reader *reader, struct capacity_nova *out)
{
	const json_t *value, *item;
	enum option state = option_get(reader, "DEFAULT.reserved_huge_pages", 0, &value);
	size_t i;

	if (state == OPTION_UNKNOWN)
		return false;
	json_array_foreach(value, i, item)
	{
		const char *text = json_string_value(item);
		double node, kb, count;

		if (!text || out->page_count == CAPACITY_PAGES_MAX ||
		    !part_number(text, "node", 9999, &node) || !page_size(text, &kb) ||
		    !part_number(text, "count", 1e9, &count))
			return false;
		out->pages[out->page_count++] = (struct capacity_pages){
		    .node = (int)node,
		    .mb = kb * count / 1024,
		};
	}
	return true;
}

int capacity_nova_read(const json_t *facts, int release, struct capacity_nova *out)
{
	struct nova_facts nova;
	struct gf_err err = {.code = GF_OK};
	struct reader reader = {0};

	memset(out, 0, sizeof(*out));
	if (nova_facts_parse(facts, &nova, &err) < 0)
		return err.code == GF_E_MEMORY ? -1 : 0;
	reader.service = nova_facts_service(&nova, "nova-compute");
	if (reader.service) {
		reader.release = nova.release ? nova_release_from_version(nova.release) : 0;
		if (reader.release <= 0)
			reader.release = release;
		out->cpu_known = shared_read(&reader, out) &&
		                 number_option(&reader, "DEFAULT.reserved_host_cpus", 0, 1e6, 0,
		                               &out->reserved_cpus) &&
		                 ratio_read(&reader, "DEFAULT.cpu_allocation_ratio",
		                            "DEFAULT.initial_cpu_allocation_ratio", 16.0, 4.0,
		                            &out->cpu_ratio, &out->ratio_assumed);
		out->ram_known = pages_read(&reader, out) &&
		                 number_option(&reader, "DEFAULT.reserved_host_memory_mb", 0, 1e9,
		                               512, &out->reserved_mb) &&
		                 ratio_read(&reader, "DEFAULT.ram_allocation_ratio",
		                            "DEFAULT.initial_ram_allocation_ratio", 1.5, 1.0,
		                            &out->ram_ratio, &out->ratio_assumed);
	}
	nova_facts_free(&nova);
	return 0;
}
