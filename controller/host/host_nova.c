/* host_nova.c: what the host's Nova is to be told, for the agent's context, where its stages
 * configure Nova at all. */
#include <string.h>

#include "controller/host/host_states.h"
#include "controller/nova/nova_wanted.h"

bool host_nova_configured(const json_t *stages)
{
	const json_t *stage, *task;
	size_t i, j;

	json_array_foreach(stages, i, stage)
	{
		json_array_foreach(json_object_get(stage, "tasks"), j, task)
		{
			const char *type = json_string_value(json_object_get(task, "type"));

			if (type && strncmp(type, "nova_", 5) == 0)
				return true;
		}
	}
	return false;
}

static json_t *remarks_json(const struct nova_wanted *wanted)
{
	static const char *const kinds[] = {
	    [NOVA_REFUSED] = "refused",
	    [NOVA_UNKNOWN] = "unknown",
	    [NOVA_WAITS] = "waits",
	    [NOVA_TOLD] = "told",
	};
	json_t *array = json_array();

	for (size_t i = 0; array && i < wanted->count; i++)
		json_array_append_new(array, json_pack("{s:s, s:s}", "kind",
		                                       kinds[wanted->remarks[i].kind], "text",
		                                       wanted->remarks[i].text));
	return array;
}

int host_nova_keep(struct host *host, struct gf_err *err)
{
	return host->shared->nova
	           ? nova_fleet_put(host->shared->nova, host->inventory, host->facts, err)
	           : 0;
}

int host_nova_plan(struct host *host, struct gf_err *err)
{
	struct nova_wanted wanted;
	const char *refused;

	json_decref(host->nova);
	json_decref(host->nova_remarks);
	host->nova = host->nova_remarks = NULL;
	if (!host->shared->nova || !host_nova_configured(host->stages))
		return 0;
	if (nova_wanted_compute(host->shared->nova, host->inventory, host->facts, host->wanted,
	                        &wanted, err) < 0)
		return -1;
	host->nova = json_incref(wanted.context);
	host->nova_remarks = remarks_json(&wanted);
	refused = nova_wanted_remark(&wanted, NOVA_REFUSED);
	if (refused)
		gf_err_set(err, GF_E_BLOCKED, "Nova: %s", refused);
	nova_wanted_free(&wanted);
	return refused ? -1 : 0;
}
