/* saved_plan_print.c: a plan to a file; see saved_plan.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/plan/plan_groups.h"
#include "controller/plan/saved_plan.h"
#include "inventory/nodeset.h"

static int no_memory(struct gf_err *err)
{
	return gf_err_set(err, GF_E_MEMORY, "out of memory");
}

/* {"hosts": the group's names folded, "stages"} */
static json_t *group_json(const struct plan_group *group)
{
	char *hosts = nodeset_fold(group->hosts, group->count);
	json_t *json = hosts ? json_pack("{s:s, s:O}", "hosts", hosts, "stages",
	                                 json_object_get(group->plan, "stages"))
	                     : NULL;

	free(hosts);
	return json;
}

static int left_out_add(json_t *document, const struct saved_plan_host *host, struct gf_err *err)
{
	json_t *why = json_string(host->why ? host->why : "");

	return json_object_set_new(json_object_get(document, "left_out"), host->name, why)
	           ? no_memory(err)
	           : 0;
}

static int host_add(json_t *document, const struct saved_plan_host *host, struct gf_err *err)
{
	if (!host->plan)
		return left_out_add(document, host, err);
	return json_object_set_new(json_object_get(document, "hosts"), host->name,
	                           json_copy(host->facts))
	           ? no_memory(err)
	           : 0;
}

/* Appends the group's plan, and tells its hosts which one theirs is. */
static int group_add(json_t *document, const struct plan_group *group, struct gf_err *err)
{
	json_t *plans = json_object_get(document, "plans");
	json_t *hosts = json_object_get(document, "hosts");
	json_int_t index = (json_int_t)json_array_size(plans);
	int rc = json_array_append_new(plans, group_json(group));

	for (size_t i = 0; rc == 0 && i < group->count; i++)
		rc = json_object_set_new(json_object_get(hosts, group->hosts[i]), "plan",
		                         json_integer(index));
	return rc ? no_memory(err) : 0;
}

static json_t *document_new(const struct saved_plan_heading *heading)
{
	time_t now = time(NULL);
	struct tm utc;
	char created[32];

	strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:[], s:{}, s:{}}", "gpufleet_plan", 1,
	                 "fleet", heading->fleet, "created", created, "gpufleet", GPUFLEET_VERSION,
	                 "inventory_sha256", heading->inventory_sha256, "playbook_sha256",
	                 heading->playbook_sha256, "plans", "hosts", "left_out");
}

static int hosts_add(json_t *document, const struct saved_plan_host *hosts, size_t count,
                     struct plan_item *items, size_t *item_count, struct gf_err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (host_add(document, &hosts[i], err) < 0)
			return -1;
		if (hosts[i].plan)
			items[(*item_count)++] = (struct plan_item){hosts[i].name, hosts[i].plan};
	}
	return 0;
}

int saved_plan_print(const struct saved_plan_heading *heading, const struct saved_plan_host *hosts,
                     size_t count, FILE *out, struct gf_err *err)
{
	json_t *document = document_new(heading);
	struct plan_item *items = calloc(count + 1, sizeof(*items));
	struct plan_group *groups = NULL;
	size_t item_count = 0, group_count = 0;
	int rc = document && items ? 0 : no_memory(err);

	if (rc == 0)
		rc = hosts_add(document, hosts, count, items, &item_count, err);
	if (rc == 0)
		rc = plan_groups_make(items, item_count, &groups, &group_count, err);
	for (size_t i = 0; rc == 0 && i < group_count; i++)
		rc = group_add(document, &groups[i], err);
	if (rc == 0 && (json_dumpf(document, out, JSON_INDENT(1)) || fputc('\n', out) == EOF))
		rc = gf_err_errno(err, GF_E_IO, "the plan cannot be written");
	plan_groups_free(groups, group_count);
	json_decref(document);
	free(items);
	return rc;
}
