/* numa.c: the host's NUMA nodes: their processors, memory, huge pages and socket. */
#include "node-agent/facts/facts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/frame.h"

#define NODES      "/sys/devices/system/node"
#define NODES_MAX  64
#define CPU_LIMIT  8192
#define PAGES_MAX  8
#define MEMORY_MAX ((json_int_t)1 << 50)

struct page_scan {
	const struct root *root;
	const char *node;
	json_t *sizes;
};

/* The digits at TEXT up to END (NULL: to its end) as a number; -1: it is none, or above MOST. */
static json_int_t number_at(const char *text, const char *end, json_int_t most)
{
	char *stop;
	if (!isdigit((unsigned char)*text))
		return -1;
	long long number = strtoll(text, &stop, 10);
	return (end ? stop == end : *stop == '\0') && number <= most ? number : -1;
}

static json_int_t socket_of(const struct root *root, long cpu)
{
	char path[128], line[32];
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/topology/physical_package_id",
	         cpu);
	if (root_read_line(root, path, line, sizeof(line)) != 0)
		return -1;
	return number_at(line, NULL, 65535);
}

/* The one socket of the processors in LIST ("0-15,32"); null where they are of several, or where
 * that cannot be seen: Nova knows no socket of such a node, either (_get_host_numa_topology in
 * nova/virt/libvirt/driver.py). */
static json_t *socket_value(const struct root *root, const char *list)
{
	json_int_t socket = -1;
	while (isdigit((unsigned char)*list)) {
		char *end;
		long first = strtol(list, &end, 10), last = first;
		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		if (first > last || last >= CPU_LIMIT)
			return json_null();
		for (long cpu = first; cpu <= last; cpu++) {
			json_int_t own = socket_of(root, cpu);
			if (own < 0 || (socket >= 0 && own != socket))
				return json_null();
			socket = own;
		}
		list = end + (*end == ',');
	}
	return socket >= 0 ? json_integer(socket) : json_null();
}

/* "Node 0 MemTotal:       65536000 kB" */
static json_t *memory_value(const struct root *root, const char *node)
{
	char path[128];
	snprintf(path, sizeof(path), NODES "/%s/meminfo", node);
	char *text = root_read_file(root, path, 65536, NULL, NULL);
	const char *total = text ? strstr(text, "MemTotal:") : NULL;
	json_int_t memory = total ? strtoll(total + strlen("MemTotal:"), NULL, 10) : -1;
	free(text);
	return memory >= 0 && memory <= MEMORY_MAX ? json_integer(memory) : json_null();
}

/* hugepages-2048kB/nr_hugepages */
static void page_size_each(void *ctx, const char *name)
{
	struct page_scan *scan = ctx;
	char path[512], line[32];
	const char *size_at = name + strlen("hugepages-");
	if (strncmp(name, "hugepages-", strlen("hugepages-")) != 0 || strlen(name) > 40)
		return;
	json_int_t size = number_at(size_at, strstr(size_at, "kB"), (json_int_t)1 << 30);
	snprintf(path, sizeof(path), NODES "/%s/hugepages/%s/nr_hugepages", scan->node, name);
	if (size <= 0 || json_array_size(scan->sizes) >= PAGES_MAX ||
	    root_read_line(scan->root, path, line, sizeof(line)) != 0)
		return;
	json_int_t total = number_at(line, NULL, (json_int_t)1 << 40);
	if (total >= 0)
		json_array_append_new(scan->sizes,
		                      json_pack("{s:I,s:I}", "size_kb", size, "total", total));
}

static json_t *pages_value(const struct root *root, const char *node)
{
	struct page_scan scan = {.root = root, .node = node, .sizes = json_array()};
	char path[128];
	snprintf(path, sizeof(path), NODES "/%s/hugepages", node);
	if (facts_each_entry(root, path, page_size_each, &scan) != 0) {
		json_decref(scan.sizes);
		return json_null();
	}
	return scan.sizes;
}

struct node_scan {
	const struct root *root;
	json_t *nodes;
};

static void node_each(void *ctx, const char *name)
{
	struct node_scan *scan = ctx;
	char path[128], cpus[4096];
	if (strncmp(name, "node", 4) != 0 || strlen(name) > 8)
		return;
	json_int_t number = number_at(name + 4, NULL, 9999);
	if (number < 0 || json_array_size(scan->nodes) >= NODES_MAX)
		return;
	snprintf(path, sizeof(path), NODES "/%s/cpulist", name);
	/* A node without processors has an empty list. */
	bool read = root_read_line(scan->root, path, cpus, sizeof(cpus)) == 0;
	json_array_append_new(scan->nodes,
	                      json_pack("{s:I,s:o,s:o,s:o,s:o}", "node", number, "cpus",
	                                read ? frame_text(cpus, strlen(cpus)) : json_null(),
	                                "memory_kb", memory_value(scan->root, name), "socket",
	                                read ? socket_value(scan->root, cpus) : json_null(),
	                                "huge_pages", pages_value(scan->root, name)));
}

static int number_compare(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "node"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "node"));
	return (x > y) - (x < y);
}

json_t *numa_facts(const struct root *root)
{
	struct node_scan scan = {.root = root, .nodes = json_array()};
	json_t *items[NODES_MAX], *sorted = json_array();
	if (facts_each_entry(root, NODES, node_each, &scan) != 0) {
		json_decref(scan.nodes);
		json_decref(sorted);
		return json_null();
	}
	size_t count = json_array_size(scan.nodes);
	for (size_t i = 0; i < count; i++)
		items[i] = json_array_get(scan.nodes, i);
	qsort(items, count, sizeof(*items), number_compare);
	for (size_t i = 0; i < count; i++)
		json_array_append(sorted, items[i]);
	json_decref(scan.nodes);
	return sorted;
}
