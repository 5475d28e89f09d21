/* capacity_flavors.c: how many more guests of each flavor fit, host by host. */
#include <stdlib.h>
#include <string.h>

#include "controller/capacity/capacity_fit.h"
#include "controller/capacity/capacity_parts.h"

static const char *const limit_names[LIMIT_COUNT] = {
    [LIMIT_GPUS] = "gpus", [LIMIT_UNSPLITTABLE] = "unsplittable",
    [LIMIT_NUMA] = "numa", [LIMIT_VCPUS] = "vcpus",
    [LIMIT_RAM] = "ram",
};

struct limit_sum {
	enum capacity_limit limit;
	unsigned hosts;
	unsigned long long guests; /* more, if it alone were gone */
};

struct flavor_sum {
	unsigned long long now, later;
	struct limit_sum limits[LIMIT_COUNT];
	unsigned unknown, assumed; /* hosts that have GPUs of the flavor */
	bool numa, at_least;
};

/* ---- what a flavor means on a host ---- */

static bool policy_read(const char *text, enum capacity_policy *policy)
{
	static const char *const names[] = {
	    [POLICY_LEGACY] = "legacy",
	    [POLICY_PREFERRED] = "preferred",
	    [POLICY_REQUIRED] = "required",
	    [POLICY_SOCKET] = "socket",
	};

	for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], text) != 0)
			continue;
		*policy = (enum capacity_policy)i;
		return true;
	}
	return false;
}

/* The alias's numa_policy on HOST; false: it has none, and Nova takes legacy. */
static bool policy_of(const struct inventory_host *host, const char *alias,
                      enum capacity_policy *policy)
{
	*policy = POLICY_LEGACY;
	for (size_t i = 0; i < host->gpus.count; i++) {
		const struct inventory_gpu *gpu = &host->gpus.items[i];

		if (gpu->alias && strcmp(gpu->alias, alias) == 0 &&
		    policy_read(gpu->numa_policy, policy))
			return true;
	}
	return false;
}

/* WANTED: room for the flavor's GPUs. */
static struct capacity_wish wish_of(const struct capacity_flavor *flavor,
                                    const struct inventory_host *host,
                                    struct capacity_wish_gpu *wanted)
{
	const struct inventory_flavor *f = flavor->flavor;
	struct capacity_wish wish = {
	    .vcpus = f->vcpus, .ram_mb = f->ram_mb, .numa = flavor->numa == 1, .gpus = wanted};

	for (size_t i = 0; i < f->gpu_count; i++) {
		struct capacity_wish_gpu *gpu = &wanted[wish.gpu_count];
		bool given = policy_of(host, f->gpus[i].alias, &gpu->policy);

		if (flavor->numa < 0)
			wish.numa |= given;
		if (f->gpus[i].count == 0)
			continue;
		gpu->alias = f->gpus[i].alias;
		gpu->count = f->gpus[i].count;
		wish.gpu_count++;
	}
	return wish;
}

/* ---- sums ---- */

/* Has the host something of what the flavor asks for, now or later? */
static bool host_matters(const struct capacity_host *host, const struct capacity_wish *wish)
{
	for (size_t i = 0; i < host->gpu_count; i++) {
		for (size_t k = 0; k < wish->gpu_count; k++) {
			if (host->gpus[i].later && host->gpus[i].alias &&
			    strcmp(host->gpus[i].alias, wish->gpus[k].alias) == 0)
				return true;
		}
	}
	return false;
}

static int flavor_add(struct capacity_fitter *fitter, const struct capacity_host *host,
                      const struct capacity_wish *wish, struct flavor_sum *sum)
{
	struct capacity_fit now, later;
	bool plain = wish->gpu_count == 0;

	if (!plain && !host_matters(host, wish))
		return 0;
	if (capacity_fit(fitter, host, wish, false, &now) < 0)
		return -1;
	later = now;
	if (host->pending && capacity_fit(fitter, host, wish, true, &later) < 0)
		return -1;
	sum->now += now.guests;
	sum->later += later.guests;
	sum->numa |= wish->numa;
	sum->at_least |= now.at_least || later.at_least;
	sum->unknown += later.vcpus_unknown || later.ram_unknown;
	sum->assumed += host->ratio_assumed && !(later.vcpus_unknown && later.ram_unknown);
	/* With nothing known of it, nothing limits a guest without GPUs. */
	if (plain && later.vcpus_unknown && later.ram_unknown)
		return 0;
	sum->limits[later.limit].hosts++;
	sum->limits[later.limit].guests += later.more;
	return 0;
}

/* Does the inventory say that a Fabric Manager there sees to single GPUs of a board? */
static bool splits_boards(const struct inventory_host *host)
{
	for (size_t i = 0; i < host->gpus.count; i++) {
		const char *nvswitch = host->gpus.items[i].nvswitch;

		if (nvswitch && strcmp(nvswitch, "split") == 0)
			return true;
	}
	return false;
}

static int host_add(struct capacity_fitter *fitter, const struct capacity_flavor *flavors,
                    size_t flavor_count, bool split_boards, int release,
                    const struct capacity_source *source, struct capacity_wish_gpu *wanted,
                    struct flavor_sum *sums)
{
	struct capacity_host host;
	int rc = capacity_host_fill(source->facts, source->entry, release,
	                            split_boards || splits_boards(source->host), &host);

	for (size_t i = 0; rc == 0 && i < flavor_count; i++) {
		struct capacity_wish wish = wish_of(&flavors[i], source->host, wanted);

		rc = flavor_add(fitter, &host, &wish, &sums[i]);
	}
	capacity_host_free(&host);
	return rc;
}

/* ---- as JSON ---- */

static int by_guests(const void *a, const void *b)
{
	const struct limit_sum *x = a, *y = b;

	if (x->guests != y->guests)
		return x->guests < y->guests ? 1 : -1;
	if (x->hosts != y->hosts)
		return x->hosts < y->hosts ? 1 : -1;
	return (int)x->limit - (int)y->limit;
}

static json_t *limits_json(struct limit_sum *limits)
{
	json_t *list = json_array();

	for (int i = 0; i < LIMIT_COUNT; i++)
		limits[i].limit = (enum capacity_limit)i;
	qsort(limits, LIMIT_COUNT, sizeof(*limits), by_guests);
	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (limits[i].hosts)
			json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "limit",
			                                      limit_names[limits[i].limit], "hosts",
			                                      (json_int_t)limits[i].hosts, "guests",
			                                      (json_int_t)limits[i].guests));
	}
	return list;
}

static json_t *flavor_json(const struct capacity_flavor *flavor, struct flavor_sum *sum)
{
	return json_pack("{s:s, s:I, s:I, s:b, s:b, s:o, s:I, s:I}", "flavor", flavor->flavor->name,
	                 "fits_now", (json_int_t)sum->now, "fits_when_ready",
	                 (json_int_t)sum->later, "at_least", sum->at_least, "numa", sum->numa,
	                 "limits", limits_json(sum->limits), "unknown_hosts",
	                 (json_int_t)sum->unknown, "assumed_hosts", (json_int_t)sum->assumed);
}

static size_t most_gpus(const struct capacity_flavor *flavors, size_t count)
{
	size_t most = 0;

	for (size_t i = 0; i < count; i++)
		most = flavors[i].flavor->gpu_count > most ? flavors[i].flavor->gpu_count : most;
	return most;
}

json_t *capacity_flavors(const struct capacity_flavor *flavors, size_t flavor_count,
                         bool split_boards, int release, const struct capacity_source *sources,
                         size_t count)
{
	struct capacity_fitter *fitter = capacity_fitter_new();
	struct flavor_sum *sums = calloc(flavor_count + 1, sizeof(*sums));
	struct capacity_wish_gpu *wanted =
	    calloc(most_gpus(flavors, flavor_count) + 1, sizeof(*wanted));
	json_t *list = NULL;
	int rc = fitter && sums && wanted ? 0 : -1;

	for (size_t i = 0; rc == 0 && flavor_count && i < count; i++)
		rc = host_add(fitter, flavors, flavor_count, split_boards, release, &sources[i],
		              wanted, sums);
	if (rc == 0)
		list = json_array();
	for (size_t i = 0; list && i < flavor_count; i++)
		json_array_append_new(list, flavor_json(&flavors[i], &sums[i]));
	capacity_fitter_free(fitter);
	free(wanted);
	free(sums);
	return list;
}
