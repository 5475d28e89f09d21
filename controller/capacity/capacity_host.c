/* capacity_host.c: the GPUs of one host and what ties them together: an IOMMU group, which is
 * opened by one process (vfio_group_fops_open in the kernel), and an NVSwitch baseboard.
 */
#include "controller/capacity/capacity_host.h"

#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/json_text.h"

#define NVIDIA   "10de"
#define NVSWITCH "0680"

/* What ties GPUs together, by GPU. */
struct tie {
	int group; /* IOMMU group, or -1 */
	bool board;
	bool held;      /* a guest holds it, or something else of its group */
	size_t part_of; /* the first GPU that it is tied to */
};

static int number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? (int)json_integer_value(value) : -1;
}

/* ---- boards ---- */

static bool has_switches(const json_t *facts)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(facts, "pci"), i, device)
	{
		if (strcmp(json_text(device, "vendor"), NVIDIA) == 0 &&
		    strcmp(json_text(device, "class"), NVSWITCH) == 0)
			return true;
	}
	return false;
}

static bool is_primary(const json_t *device, const char *vendor, const char *model)
{
	return json_is_true(json_object_get(device, "primary")) &&
	       (!vendor || strcmp(json_text(device, "vendor"), vendor) == 0) &&
	       (!model || strcmp(json_text(device, "device"), model) == 0);
}

/* The model on the baseboard: the one of NVIDIA's that the host has most of (what is plugged in
 * besides, to draw a screen, is of another). NULL: there is no such board. */
static const char *board_model(const json_t *facts, const json_t *devices)
{
	const char *best = NULL;
	size_t most = 0, i, k;
	const json_t *device, *other;

	if (!has_switches(facts))
		return NULL;
	json_array_foreach(devices, i, device)
	{
		const char *model = json_text(device, "device");
		size_t count = 0;

		if (!is_primary(device, NVIDIA, NULL) || (best && strcmp(best, model) == 0))
			continue;
		json_array_foreach(devices, k, other) count += is_primary(other, NVIDIA, model);
		if (count > most) {
			most = count;
			best = model;
		}
	}
	return best;
}

/* ---- who holds what ---- */

/* The addresses that running guests have, as the keys of an object. */
static json_t *held_addresses(const json_t *facts)
{
	json_t *held = json_object();
	const json_t *guest, *address;
	size_t i, k;

	json_array_foreach(json_object_get(json_object_get(facts, "host"), "guests"), i, guest)
	{
		json_array_foreach(json_object_get(guest, "devices"), k, address)
		{
			if (json_is_string(address))
				json_object_set_new(held, json_string_value(address), json_null());
		}
	}
	return held;
}

static void hold_group(struct tie *ties, size_t count, int group)
{
	for (size_t i = 0; i < count; i++)
		ties[i].held |= group >= 0 && ties[i].group == group;
}

/* Who holds what is looked at has its verdict; the rest of a group is only in the facts. */
static int holders_fill(const json_t *facts, const json_t *devices, struct tie *ties, size_t count)
{
	json_t *held = held_addresses(facts);
	const json_t *device;
	size_t i;

	if (!held)
		return -1;
	json_array_foreach(devices, i, device)
	{
		const char *verdict = json_text(device, "verdict");

		if (strcmp(verdict, "in_use") == 0)
			hold_group(ties, count, number_of(device, "iommu_group"));
		if (strcmp(verdict, "ignored") != 0)
			json_object_del(held, json_text(device, "address"));
	}
	if (json_object_size(held) > 0) {
		json_array_foreach(json_object_get(facts, "pci"), i, device)
		{
			if (json_object_get(held, json_text(device, "address")))
				hold_group(ties, count, number_of(device, "iommu_group"));
		}
	}
	json_decref(held);
	return 0;
}

/* ---- sets ---- */

static bool tied(const struct tie *a, const struct tie *b)
{
	return (a->group >= 0 && a->group == b->group) || (a->board && b->board);
}

/* Everything that is tied to something tied to the first is one part. */
static void parts_fill(struct tie *ties, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ties[i].part_of = i;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < i; k++) {
			size_t to = ties[k].part_of, from = ties[i].part_of;

			if (from == to || !tied(&ties[i], &ties[k]))
				continue;
			for (size_t n = 0; n < count; n++) {
				if (ties[n].part_of == (from > to ? from : to))
					ties[n].part_of = from < to ? from : to;
			}
		}
	}
}

static void sets_fill(const struct tie *ties, struct capacity_host *out)
{
	for (size_t first = 0; first < out->gpu_count; first++) {
		struct capacity_set set = {0};
		size_t members = 0;

		for (size_t i = first; i < out->gpu_count; i++) {
			if (ties[i].part_of != first)
				continue;
			members++;
			set.whole |= ties[i].board;
			set.held |= ties[i].held;
		}
		if (members < 2 && !(members == 1 && set.held))
			continue;
		for (size_t i = first; i < out->gpu_count; i++) {
			if (ties[i].part_of == first)
				out->gpus[i].set = (int)out->set_count;
		}
		out->sets[out->set_count++] = set;
	}
}

/* ---- GPUs ---- */

static int cell_of(const struct capacity_host *host, int node)
{
	if (node < 0)
		return CAPACITY_NO_NODE;
	for (size_t c = 0; c < host->cell_count; c++) {
		if (host->cells[c].node == node)
			return (int)c;
	}
	return CAPACITY_OTHER_CELL;
}

static void gpus_fill(const json_t *devices, const char *board, struct tie *ties,
                      struct capacity_host *out)
{
	const json_t *device;
	size_t i;

	json_array_foreach(devices, i, device)
	{
		struct capacity_gpu *gpu = &out->gpus[out->gpu_count];
		const char *verdict = json_text(device, "verdict");

		if (!is_primary(device, NULL, NULL))
			continue;
		gpu->alias = json_string_value(json_object_get(device, "alias"));
		gpu->cell = cell_of(out, number_of(device, "numa_node"));
		gpu->set = -1;
		gpu->now = strcmp(verdict, "ready") == 0;
		gpu->later = gpu->now || strcmp(verdict, "pending") == 0;
		out->pending |= gpu->later && !gpu->now;
		ties[out->gpu_count].group = number_of(device, "iommu_group");
		ties[out->gpu_count].board = board && is_primary(device, NVIDIA, board);
		out->gpu_count++;
	}
}

/* A host whose cells are not known has one on each node that its GPUs name, of unknown size. */
static int cells_guess(const json_t *devices, struct capacity_host *out)
{
	const json_t *device;
	size_t i;

	out->cells = calloc(json_array_size(devices) + 1, sizeof(*out->cells));
	if (!out->cells)
		return -1;
	json_array_foreach(devices, i, device)
	{
		int node = number_of(device, "numa_node");

		if (node >= 0 && cell_of(out, node) < 0)
			out->cells[out->cell_count++].node = node;
	}
	/* Every host has one. */
	if (out->cell_count == 0)
		out->cell_count = 1;
	for (size_t c = 0; c < out->cell_count; c++) {
		struct capacity_amount unknown = {CAPACITY_UNKNOWN, CAPACITY_UNKNOWN};

		out->cells[c].socket = -1;
		out->cells[c].vcpus = out->cells[c].ram_mb = unknown;
	}
	return 0;
}

int capacity_host_fill(const json_t *facts, const json_t *entry, int release, bool split_boards,
                       struct capacity_host *out)
{
	const json_t *devices = json_object_get(entry, "devices");
	size_t size = json_array_size(devices) + 1;
	struct tie *ties;
	int rc = -1;

	memset(out, 0, sizeof(*out));
	if (capacity_room_fill(facts, release, out) < 0 ||
	    (out->cell_count == 0 && cells_guess(devices, out) < 0))
		return -1;
	out->gpus = calloc(size, sizeof(*out->gpus));
	out->sets = calloc(size, sizeof(*out->sets));
	ties = calloc(size, sizeof(*ties));
	if (out->gpus && out->sets && ties) {
		gpus_fill(devices, split_boards ? NULL : board_model(facts, devices), ties, out);
		rc = holders_fill(facts, devices, ties, out->gpu_count);
		parts_fill(ties, out->gpu_count);
		sets_fill(ties, out);
	}
	free(ties);
	return rc;
}

void capacity_host_free(struct capacity_host *host)
{
	free(host->gpus);
	free(host->sets);
	free(host->cells);
	memset(host, 0, sizeof(*host));
}
