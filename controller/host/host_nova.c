/* host_nova.c: what this host's Nova is to be told, asked of controller/nova with the newest facts
 * of the fleet. What that refuses blocks the host before anything changes; the rest of what it says
 * goes with the plan, as notes.
 */
#include <stdio.h>
#include <string.h>

#include "controller/host/host_states.h"
#include "controller/nova/nova_wanted.h"
#include "controller/plan/plan_groups.h"

int host_nova_put(const struct host *host, struct gf_err *err)
{
	if (!host->shared->nova)
		return 0;
	return nova_fleet_put(host->shared->nova, host->inventory, host->facts, err);
}

/* An entry of device_spec may name a model: what it comes to on this host are these. */
static int note_offered(const struct host *host, json_t *notes)
{
	const json_t *device;
	char list[400] = "";
	size_t i, used = 0, count = 0;

	json_array_foreach(host->wanted, i, device)
	{
		const char *address = json_string_value(json_object_get(device, "address"));

		if (!address || !json_is_true(json_object_get(device, "primary")))
			continue;
		if (used + strlen(address) + 3 < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
			                         used ? ", " : "", address);
		count++;
	}
	if (count == 0)
		return 0;
	return json_array_append_new(notes,
	                             json_pack("{s:o, s:b}", "text",
	                                       json_sprintf("Nova is to offer %s (%zu device%s)",
	                                                    list, count, count == 1 ? "" : "s"),
	                                       "always", 0));
}

static json_t *notes_make(const struct host *host, const struct nova_wanted *said)
{
	json_t *notes = json_array();

	if (notes && said->context && host->inventory->role == ROLE_COMPUTE &&
	    note_offered(host, notes)) {
		json_decref(notes);
		return NULL;
	}
	for (size_t i = 0; notes && i < said->count; i++) {
		/* What is told only matters beside a change. */
		json_t *note = json_pack("{s:s, s:b}", "text", said->remarks[i].text, "always",
		                         said->remarks[i].kind != NOVA_TOLD);

		if (!note || json_array_append_new(notes, note)) {
			json_decref(notes);
			return NULL;
		}
	}
	return notes;
}

static bool stages_tell_nova(const json_t *stages)
{
	const json_t *stage;
	size_t i;

	json_array_foreach(stages, i, stage)
	{
		if (host_nova_stage(stage))
			return true;
	}
	return false;
}

bool host_nova_told(const struct host *host)
{
	return host->shared->nova && !nova_wanted_never(host->shared->nova->inventory) &&
	       stages_tell_nova(host->stages);
}

int host_nova_look(struct host *host, struct gf_err *err)
{
	struct nova_wanted said;
	const char *refused;
	int rc = 0;

	if (!host->facts || !host_nova_told(host))
		return 0;
	if (nova_wanted_compute(host->shared->nova, host->inventory, host->facts, host->wanted,
	                        &said, err))
		return -1;
	refused = nova_wanted_remark(&said, NOVA_REFUSED);
	json_decref(host->nova);
	json_decref(host->nova_notes);
	host->nova = json_incref(said.context);
	host->nova_notes = notes_make(host, &said);
	if (refused)
		rc = gf_err_set(err, GF_E_BLOCKED, "Nova: %s", refused);
	else if (!host->nova_notes)
		rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	nova_wanted_free(&said);
	return rc;
}

void host_nova_blocked(const struct host *host, struct gf_err *err)
{
	const struct nova_facts_option *option;
	struct nova_facts nova;
	char place[NOVA_PLACE_SIZE], why[sizeof(err->msg)];

	if (err->code != GF_E_BLOCKED || nova_facts_parse(host->facts, &nova, NULL))
		return;
	option = nova_facts_option(nova_facts_service(&nova, "nova-compute"), "pci.device_spec");
	for (size_t i = 0; option && i < option->count; i++) {
		if (!option->entries[i].ours)
			continue;
		snprintf(why, sizeof(why), "%s", err->msg);
		gf_err_set(err, GF_E_BLOCKED,
		           "%s; Nova still offers what %s says: `gpufleet rollback --limit %s` "
		           "takes that back",
		           why, nova_facts_place(&option->entries[i], place),
		           host->inventory->name);
		break;
	}
	nova_facts_free(&nova);
}

void host_nova_note(struct host *host)
{
	bool pending = plan_pending(host->plan);
	json_t *notes = json_array();
	const json_t *note;
	size_t i;

	json_object_del(host->plan, "notes"); /* they are ours, not the agent's */
	json_array_foreach(host->nova_notes, i, note)
	{
		if (pending || json_is_true(json_object_get(note, "always")))
			json_array_append(notes, json_object_get(note, "text"));
	}
	if (json_array_size(notes) > 0)
		json_object_set(host->plan, "notes", notes);
	json_decref(notes);
}

bool host_nova_up(const json_t *facts)
{
	const json_t *service;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(facts, "nova"), "services"), i, service)
	{
		const char *name = json_string_value(json_object_get(service, "name"));
		const char *state = json_string_value(json_object_get(service, "state"));

		if (name && strcmp(name, "nova-compute") == 0 && state &&
		    strcmp(state, "active") == 0)
			return true;
	}
	return false;
}

bool host_nova_stage(const json_t *stage)
{
	const json_t *task;
	size_t i;

	json_array_foreach(json_object_get(stage, "tasks"), i, task)
	{
		const char *type = json_string_value(json_object_get(task, "type"));

		if (type && strncmp(type, "nova_", 5) == 0)
			return true;
	}
	return false;
}
