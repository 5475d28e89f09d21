/* capacity_room.c: what Nova may still give of a host's processors and memory: what there is, less
 * what is reserved, times the ratio, less what running guests have; the same for each NUMA cell, to
 * which only guests count that are bound to it.
 */
#include "controller/capacity/capacity_host.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "controller/capacity/capacity_nova.h"

#define CELLS_MAX  64
#define GUESTS_MAX 4096
#define KB_MAX     ((json_int_t)1 << 50)

/* A cell as the host tells it. */
struct node {
	int number, socket;
	bool cpus_known;
	struct capacity_cpus cpus;
	double memory_kb, pool_kb; /* huge pages; memory_kb below 0: unknown */
};

struct used {
	bool vcpus_known, ram_known;
	double vcpus, ram_mb;
};

/* A whole number of OBJECT from 0 to MOST; -1 where it has none. */
static json_int_t number_of(const json_t *object, const char *key, json_int_t most)
{
	const json_t *value = json_object_get(object, key);
	json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;

	return number >= 0 && number <= most ? number : -1;
}

static struct capacity_amount amount_of(double most, double capacity, double used)
{
	double left = floor(capacity) - used;

	return (struct capacity_amount){most > 0 ? (long long)most : 0,
	                                left > 0 ? (long long)left : 0};
}

static const struct capacity_amount amount_unknown = {CAPACITY_UNKNOWN, CAPACITY_UNKNOWN};

/* ---- what there is ---- */

static double pool_of(const json_t *node)
{
	const json_t *pages;
	double sum = 0;
	size_t i;

	json_array_foreach(json_object_get(node, "huge_pages"), i, pages)
	{
		json_int_t size = number_of(pages, "size_kb", KB_MAX);
		json_int_t total = number_of(pages, "total", KB_MAX);

		if (size > 0 && total > 0)
			sum += (double)size * (double)total;
	}
	return sum;
}

/* The host's nodes, allocated; NULL with *count 0: they are not known. *failed: out of memory. */
static struct node *nodes_read(const json_t *host, size_t *count, bool *failed)
{
	const json_t *numa = json_object_get(host, "numa"), *item;
	size_t size = json_array_size(numa), i;
	struct node *nodes;

	*count = 0;
	if (size == 0 || size > CELLS_MAX)
		return NULL;
	nodes = calloc(size, sizeof(*nodes));
	*failed = !nodes;
	if (!nodes)
		return NULL;
	json_array_foreach(numa, i, item)
	{
		struct node *node = &nodes[i];
		const char *cpus = json_string_value(json_object_get(item, "cpus"));

		node->number = (int)number_of(item, "node", 9999);
		node->socket = (int)number_of(item, "socket", 65535);
		node->cpus_known = cpus && capacity_cpus_parse(cpus, &node->cpus) == 0;
		node->memory_kb = (double)number_of(item, "memory_kb", KB_MAX);
		node->pool_kb = pool_of(item);
		for (size_t k = 0; k < i; k++)
			node->number = nodes[k].number == node->number ? -1 : node->number;
		if (node->number < 0) {
			free(nodes);
			return NULL;
		}
	}
	*count = size;
	return nodes;
}

/* ---- what guests have ---- */

/* What GUEST adds to USED; what it does not tell leaves it unknown. */
static void use_add(const json_t *guest, struct used *used)
{
	json_int_t vcpus = number_of(guest, "vcpus", 65536);
	json_int_t ram = number_of(guest, "memory_mb", KB_MAX);

	used->vcpus_known &= vcpus >= 0;
	used->ram_known &= ram >= 0;
	used->vcpus += vcpus > 0 ? (double)vcpus : 0;
	used->ram_mb += ram > 0 ? (double)ram : 0;
}

/* Is it a guest? Other programs hold vfio groups, too. */
static bool is_guest(const json_t *guest)
{
	const char *source = json_string_value(json_object_get(guest, "source"));

	return !source || strcmp(source, "vfio") != 0;
}

/* Also when the guest does not tell: it may be. */
static bool bound_to(const json_t *guest, int node)
{
	const json_t *nodes = json_object_get(guest, "numa_nodes"), *item;
	size_t i;

	if (!json_is_array(nodes))
		return true;
	json_array_foreach(nodes, i, item)
	{
		if (json_is_integer(item) && json_integer_value(item) == node)
			return true;
	}
	return false;
}

/* What guests have of the host; with a NODE (-1: none) of that cell: what is bound to several is
 * not known by cell. */
static struct used use_of(const json_t *host, int node)
{
	const json_t *guests = json_object_get(host, "guests"), *guest;
	bool known = json_is_array(guests) && json_array_size(guests) <= GUESTS_MAX;
	struct used used = {.vcpus_known = known, .ram_known = known};
	size_t i;

	for (i = 0; known && i < json_array_size(guests); i++) {
		guest = json_array_get(guests, i);
		if (!is_guest(guest) || (node >= 0 && !bound_to(guest, node)))
			continue;
		use_add(guest, &used);
		if (node >= 0 && json_array_size(json_object_get(guest, "numa_nodes")) != 1)
			used.vcpus_known = used.ram_known = false;
	}
	return used;
}

static bool has_guests(const json_t *host)
{
	const json_t *guest;
	size_t i;

	json_array_foreach(json_object_get(host, "guests"), i, guest)
	{
		if (is_guest(guest))
			return true;
	}
	return false;
}

/* ---- what is left ---- */

/* Nova refuses a set with processors that are not online, and does not start. */
static bool set_is_online(const struct capacity_nova *nova, const struct node *nodes, size_t count)
{
	struct capacity_cpus online = {0};

	for (size_t i = 0; i < count; i++) {
		if (!nodes[i].cpus_known)
			return true;
		capacity_cpus_add(&online, &nodes[i].cpus);
	}
	return count == 0 ||
	       capacity_cpus_common(&nova->set, &online) == capacity_cpus_count(&nova->set);
}

static struct capacity_amount host_vcpus(const json_t *host, const struct capacity_nova *nova,
                                         const struct node *nodes, size_t count)
{
	struct used used = use_of(host, -1);
	double total = (double)number_of(host, "cpus", CAPACITY_CPUS_MAX);

	if (!nova->cpu_known || !used.vcpus_known)
		return amount_unknown;
	/* Whether a running guest has pinned processors can't be seen. */
	if (nova->pinned && has_guests(host))
		return amount_unknown;
	if (nova->shared == SHARED_NONE)
		return amount_of(0, 0, 0);
	if (nova->shared == SHARED_SET) {
		if (!set_is_online(nova, nodes, count))
			return amount_unknown;
		total = capacity_cpus_count(&nova->set);
	}
	/* A host without processors did not tell. */
	if (total < 1)
		return amount_unknown;
	return amount_of(total, (total - nova->reserved_cpus) * nova->cpu_ratio, used.vcpus);
}

static double pages_mb(const struct capacity_nova *nova, int node)
{
	double sum = 0;

	for (size_t i = 0; i < nova->page_count; i++)
		sum += node < 0 || nova->pages[i].node == node ? nova->pages[i].mb : 0;
	return sum;
}

static struct capacity_amount host_ram(const json_t *host, const struct capacity_nova *nova)
{
	struct used used = use_of(host, -1);
	double total = floor((double)number_of(host, "memory_kb", KB_MAX) / 1024);

	if (!nova->ram_known || !used.ram_known || total < 1)
		return amount_unknown;
	return amount_of(total, (total - nova->reserved_mb - pages_mb(nova, -1)) * nova->ram_ratio,
	                 used.ram_mb);
}

/* _numa_fit_instance_cell in nova/virt/hardware.py: one guest must fit into the cell without
 * overcommitting, all of them together with it. Nothing else is reserved by cell. */
static void cell_fill(const json_t *host, const struct capacity_nova *nova, const struct node *node,
                      struct capacity_cell *out)
{
	struct used used = use_of(host, node->number);
	double total = floor(node->memory_kb / 1024), cpus;

	out->node = node->number;
	out->socket = node->socket;
	out->vcpus = out->ram_mb = amount_unknown;
	if (nova->cpu_known && used.vcpus_known && node->cpus_known &&
	    !(nova->pinned && has_guests(host))) {
		cpus = nova->shared == SHARED_ALL   ? capacity_cpus_count(&node->cpus)
		       : nova->shared == SHARED_SET ? capacity_cpus_common(&nova->set, &node->cpus)
		                                    : 0;
		out->vcpus = amount_of(cpus, cpus * nova->cpu_ratio, used.vcpus);
	}
	if (nova->ram_known && used.ram_known && node->memory_kb >= 0)
		/* Guests of small pages can't have what is in the pools of huge ones. */
		out->ram_mb = amount_of(floor((node->memory_kb - node->pool_kb) / 1024),
		                        (total - pages_mb(nova, node->number)) * nova->ram_ratio,
		                        used.ram_mb);
}

int capacity_room_fill(const json_t *facts, int release, struct capacity_host *out)
{
	const json_t *host = json_object_get(facts, "host");
	struct capacity_nova nova;
	struct node *nodes;
	bool failed = false;
	size_t count;

	out->vcpus = out->ram_mb = amount_unknown;
	if (!json_is_object(host))
		return 0;
	if (capacity_nova_read(facts, release, &nova) < 0)
		return -1;
	nodes = nodes_read(host, &count, &failed);
	if (failed)
		return -1;
	out->ratio_assumed = nova.ratio_assumed;
	out->vcpus = host_vcpus(host, &nova, nodes, count);
	out->ram_mb = host_ram(host, &nova);
	if (count > 0) {
		out->cells = calloc(count, sizeof(*out->cells));
		if (out->cells) {
			for (size_t i = 0; i < count; i++)
				cell_fill(host, &nova, &nodes[i], &out->cells[i]);
			out->cell_count = count;
			out->cells_known = true;
		} else {
			failed = true;
		}
	}
	free(nodes);
	return failed ? -1 : 0;
}
