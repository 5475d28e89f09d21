/* iommu_predict.c: see iommu_predict.h. The kernel gives each device its group as it finds it,
 * bridges first: that of the nearest bridge that its requests are mixed up with, or get past, else
 * that of a function that answers to its id or is not isolated from it, else a new one. So does
 * this.
 */
#include "controller/readiness/iommu_predict.h"

#include <stdlib.h>
#include <string.h>

#include "controller/readiness/iommu_quirks.h"

#define NONE        IOMMU_NODE_NONE
#define BUS_DEVICES 256

struct grouping {
	const struct iommu_topology *topology;
	enum quirk_alias *aliases; /* of each node */
	bool *bus_aliases;         /* by the first node of a bus: has one of its nodes aliases? */
	size_t *groups;            /* NONE: not yet */
	size_t count;
};

static size_t search_aliases(const struct grouping *g, size_t index, bool *seen);

static bool same_slot(const struct iommu_node *a, const struct iommu_node *b)
{
	return a->bus_first == b->bus_first && a->devfn >> 3 == b->devfn >> 3;
}

/* pci_devs_are_dma_aliases in drivers/pci/pci.c */
static bool are_aliases(const struct grouping *g, size_t a, size_t b)
{
	const struct iommu_node *nodes = g->topology->nodes;

	return iommu_quirk_alias_has(&nodes[a], g->aliases[a], nodes[b].devfn) ||
	       iommu_quirk_alias_has(&nodes[b], g->aliases[b], nodes[a].devfn);
}

/* get_pci_function_alias_group: functions of a slot that let requests through to each other. */
static size_t search_functions(const struct grouping *g, size_t index, bool *seen)
{
	const struct iommu_node *nodes = g->topology->nodes, *node = &nodes[index];

	if (!node->multifunction || node->isolated)
		return NONE;
	for (size_t i = node->bus_first; i < node->bus_first + node->bus_count; i++) {
		size_t group;

		if (i == index || !same_slot(&nodes[i], node) || nodes[i].isolated)
			continue;
		group = search_aliases(g, i, seen);
		if (group != NONE)
			return group;
	}
	return NONE;
}

/* get_pci_alias_group: the node's own group, or that of one that shares its requester id. Each of
 * the bus's nodes, 256 at most, is come to once: that bounds the depth. */
static size_t search_aliases(const struct grouping *g, size_t index, bool *seen)
{
	const struct iommu_node *node = &g->topology->nodes[index];

	if (seen[index - node->bus_first])
		return NONE;
	seen[index - node->bus_first] = true;
	if (g->groups[index] != NONE)
		return g->groups[index];
	if (!g->bus_aliases[node->bus_first])
		return NONE;
	for (size_t i = node->bus_first; i < node->bus_first + node->bus_count; i++) {
		size_t group;

		if (i == index || !are_aliases(g, index, i))
			continue;
		group = search_aliases(g, i, seen);
		if (group == NONE)
			group = search_functions(g, i, seen);
		if (group != NONE)
			return group;
	}
	return NONE;
}

/* pci_for_each_dma_alias in drivers/pci/search.c: the nearest bridge above that gives what is
 * behind it an id of its own. */
static size_t mixing_bridge(const struct iommu_topology *topology, size_t index)
{
	for (index = topology->nodes[index].parent; index != NONE;
	     index = topology->nodes[index].parent) {
		enum pcie_type type = topology->nodes[index].type;

		if (type == PCIE_TO_PCI || type == PCI_TO_PCIE || type == PCIE_NONE ||
		    type == PCIE_UNKNOWN)
			return index;
	}
	return NONE;
}

/* pci_device_group. Whatever is above has its group already. */
static size_t find_group(const struct grouping *g, size_t index)
{
	const struct iommu_node *node = &g->topology->nodes[index];
	bool seen[BUS_DEVICES] = {false};
	size_t bridge, group;

	if (node->owner != NONE)
		return g->groups[node->owner];
	bridge = mixing_bridge(g->topology, index);
	if (bridge == NONE && node->parent != NONE &&
	    !g->topology->nodes[node->parent].path_isolated)
		bridge = node->parent;
	if (bridge != NONE)
		return g->groups[bridge];
	group = search_aliases(g, index, seen);
	return group != NONE ? group : search_functions(g, index, seen);
}

static void group_all(struct grouping *g, struct iommu_prediction *out)
{
	for (size_t i = 0; i < g->topology->count; i++) {
		const struct iommu_node *node = &g->topology->nodes[i];

		g->groups[i] = NONE;
		g->aliases[i] = iommu_quirk_alias(node);
		g->bus_aliases[node->bus_first] |= g->aliases[i] != QUIRK_ALIAS_NONE;
	}
	for (size_t i = 0; i < g->topology->count; i++) {
		size_t index = g->topology->order[i], group = find_group(g, index);

		if (group == NONE) {
			group = g->count++;
			out->doubts[group] = g->topology->count;
		}
		g->groups[index] = group;
		if ((!g->topology->nodes[index].certain ||
		     g->aliases[index] == QUIRK_ALIAS_SECRET) &&
		    out->doubts[group] == g->topology->count)
			out->doubts[group] = index;
	}
	out->group_count = g->count;
}

/* Lays the members of each group out one after the other. */
static void members_fill(struct iommu_prediction *out)
{
	size_t count = out->facts->device_count;

	for (size_t i = 0; i < count; i++)
		out->starts[out->groups[i] + 1]++;
	for (size_t group = 1; group <= out->group_count; group++)
		out->starts[group] += out->starts[group - 1];
	/* Filling moves each group's start to its end, which is the next one's start. */
	for (size_t i = 0; i < count; i++)
		out->members[out->starts[out->groups[i]]++] = i;
	memmove(out->starts + 1, out->starts, out->group_count * sizeof(*out->starts));
	out->starts[0] = 0;
}

/* pci_enable_acs and what it heeds; pcie_acs_override is a patch that some kernels carry. */
static const char *changing_token(const char *cmdline)
{
	static const char *const tokens[] = {
	    "pcie_acs_override=", "disable_acs_redir=", "config_acs="};

	for (size_t i = 0; cmdline && i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		if (strstr(cmdline, tokens[i]))
			return tokens[i];
	}
	return NULL;
}

int iommu_predict(const struct host_facts *facts, struct iommu_prediction *out, struct gf_err *err)
{
	struct iommu_topology topology;
	struct grouping g = {.topology = &topology};
	size_t count = facts->device_count;
	int rc = 0;

	*out = (struct iommu_prediction){.facts = facts, .token = changing_token(facts->cmdline)};
	if (iommu_topology_build(facts, &topology, err) < 0)
		return -1;
	out->groups = calloc(count + 1, sizeof(*out->groups));
	out->starts = calloc(count + 2, sizeof(*out->starts));
	out->members = calloc(count + 1, sizeof(*out->members));
	out->doubts = calloc(count + 1, sizeof(*out->doubts));
	g.aliases = calloc(count + 1, sizeof(*g.aliases));
	g.bus_aliases = calloc(count + 1, sizeof(*g.bus_aliases));
	if (out->groups && out->starts && out->members && out->doubts && g.aliases &&
	    g.bus_aliases) {
		g.groups = out->groups;
		group_all(&g, out);
		members_fill(out);
	} else {
		iommu_prediction_free(out);
		rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	free(g.aliases);
	free(g.bus_aliases);
	iommu_topology_free(&topology);
	return rc;
}

void iommu_prediction_free(struct iommu_prediction *prediction)
{
	free(prediction->groups);
	free(prediction->starts);
	free(prediction->members);
	free(prediction->doubts);
	*prediction = (struct iommu_prediction){0};
}

static size_t group_of(const struct iommu_prediction *prediction,
                       const struct host_facts_device *device)
{
	return prediction->groups[device - prediction->facts->devices];
}

const size_t *iommu_prediction_group(const struct iommu_prediction *prediction,
                                     const struct host_facts_device *device, size_t *count)
{
	size_t group = group_of(prediction, device);

	*count = prediction->starts[group + 1] - prediction->starts[group];
	return &prediction->members[prediction->starts[group]];
}

const struct host_facts_device *iommu_prediction_doubt(const struct iommu_prediction *prediction,
                                                       const struct host_facts_device *device)
{
	size_t doubt = prediction->doubts[group_of(prediction, device)];

	return doubt < prediction->facts->device_count ? &prediction->facts->devices[doubt] : NULL;
}

bool iommu_prediction_certain(const struct iommu_prediction *prediction,
                              const struct host_facts_device *device)
{
	return !prediction->token && !iommu_prediction_doubt(prediction, device);
}

const struct host_facts_device *iommu_prediction_differs(const struct iommu_prediction *prediction,
                                                         const struct host_facts_device *device,
                                                         bool *joined)
{
	for (size_t i = 0; i < prediction->facts->device_count; i++) {
		const struct host_facts_device *other = &prediction->facts->devices[i];
		bool now = other->group == device->group;

		if (other->group < 0 ||
		    now == (group_of(prediction, other) == group_of(prediction, device)))
			continue;
		*joined = now;
		return other;
	}
	return NULL;
}
