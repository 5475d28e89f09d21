/* host_prove.c: is the host as it should be: after an apply (its stages, and every wanted device on
 * the driver that the playbook binds it to), and for `verify` and `reboot` (what the last apply
 * left).
 */
#include <stdio.h>
#include <string.h>

#include "controller/host/host_states.h"

bool host_applied(const struct host *host)
{
	return json_is_object(host->expected);
}

int host_expected_load(struct host *host, struct gf_err *err)
{
	struct gf_err fault = {0};

	json_decref(host->expected);
	host->expected = host->shared->journal->expected_get(host->shared->journal,
	                                                     host->inventory->name, &fault);
	if (!fault.code)
		return 0;
	*err = fault;
	return -1;
}

void host_drift_add(struct host *host, const char *what, const char *message)
{
	if (!host->drift)
		host->drift = json_array();
	json_array_append_new(host->drift,
	                      json_pack("{s:s, s:s}", "what", what, "message", message));
}

/* Was nova-compute up before this run took the host down, and is it to be up again by now? On a
 * trial boot it is not: the host itself holds it back. */
static bool nova_up_due(const struct host *host)
{
	return host->shared->job >= JOB_APPLY && host->record.nova_up && !host_trial_open(host);
}

/* The stages and the context that the agent is to verify: the last apply's own where there was one.
 */
static json_t *prove_request(struct host *host)
{
	const json_t *context = json_object_get(host->expected, "context");
	const json_t *stages = json_object_get(host->expected, "stages");
	bool nova_up = nova_up_due(host);

	if (host->shared->job == JOB_APPLY)
		return json_pack("{s:s, s:o, s:O, s:b}", "request", "verify", "context",
		                 host_context(host), "stages", host->stages, "nova_up", nova_up);
	if (!host_applied(host))
		return json_pack("{s:s, s:{}, s:[], s:b}", "request", "verify", "context", "stages",
		                 "nova_up", nova_up);
	return json_pack("{s:s, s:O, s:O, s:b}", "request", "verify", "context", context, "stages",
	                 stages, "nova_up", nova_up);
}

enum host_state host_proving_enter(struct host *host)
{
	struct gf_err err = {0};

	json_decref(host->drift);
	host->drift = NULL;
	if (host->shared->job != JOB_APPLY) {
		if (host_expected_load(host, &err))
			return host_finish(host, HOST_FAILED, &err);
		if (!host_applied(host)) {
			if (nova_up_due(host))
				return host_request(host, prove_request(host));
			if (host->shared->job == JOB_REBOOT)
				return host_finish(host, HOST_DONE, NULL);
			gf_err_set(
			    &err, GF_E_BLOCKED,
			    "nothing was applied to it, and the inventory names no GPUs: there is "
			    "nothing to compare with");
			return host_finish(host, HOST_SKIPPED, &err);
		}
	}
	return host_request(host, prove_request(host));
}

static const json_t *device_find(const json_t *facts, const char *address)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(facts, "pci"), i, device)
	{
		const char *found = json_string_value(json_object_get(device, "address"));

		if (found && strcmp(found, address) == 0)
			return device;
	}
	return NULL;
}

static const char *stages_driver(const json_t *stages)
{
	const json_t *stage, *task;
	size_t i, j;

	json_array_foreach(stages, i, stage)
	{
		json_array_foreach(json_object_get(stage, "tasks"), j, task)
		{
			const char *type = json_string_value(json_object_get(task, "type"));

			if (type && strcmp(type, "bind") == 0) {
				const char *driver =
				    json_string_value(json_object_get(task, "driver"));

				return driver ? driver : "vfio-pci";
			}
		}
	}
	return NULL;
}

/* Facts against what is wanted: independent of the agent's own judgement of its tasks. */
static void prove_devices(struct host *host, const json_t *wanted, const char *driver)
{
	const json_t *device;
	char message[160];
	size_t i;

	if (!driver)
		return;
	json_array_foreach(wanted, i, device)
	{
		const char *address = json_string_value(json_object_get(device, "address"));
		const json_t *seen = device_find(host->facts, address ? address : "");
		const char *bound = json_string_value(json_object_get(seen, "driver"));

		if (bound && strcmp(bound, driver) == 0)
			continue;
		snprintf(message, sizeof(message), "%s: %s, expected %s", address ? address : "?",
		         !seen   ? "is gone"
		         : bound ? bound
		                 : "no driver",
		         driver);
		host_drift_add(host, "device", message);
	}
}

static void prove_tasks(struct host *host, const json_t *result)
{
	const json_t *stage, *task;
	size_t i, j;

	json_array_foreach(json_object_get(result, "stages"), i, stage)
	{
		json_array_foreach(json_object_get(stage, "tasks"), j, task)
		{
			const char *status = json_string_value(json_object_get(task, "status"));
			const char *name = json_string_value(json_object_get(task, "task"));
			const char *message = json_string_value(json_object_get(task, "message"));
			char text[400];

			if (!status || strcmp(status, "ok") == 0)
				continue;
			snprintf(text, sizeof(text), "%s: %s", name ? name : "a task",
			         message && *message ? message : status);
			host_drift_add(host, "task", text);
		}
	}
}

static void prove_nova(struct host *host, const json_t *result)
{
	const json_t *down;
	char text[200];
	size_t i;

	json_array_foreach(json_object_get(result, "nova_down"), i, down)
	{
		const char *what = json_string_value(down);

		snprintf(text, sizeof(text), "%.150s, and was up before: see its log",
		         what ? what : "?");
		host_drift_add(host, "nova", text);
	}
}

static int expected_keep(struct host *host, struct gf_err *err)
{
	json_t *expected = json_pack("{s:o, s:O, s:s}", "context", host_context(host), "stages",
	                             host->stages, "boot_id", host->boot_id);
	int rc = expected ? host->shared->journal->expected_put(
	                        host->shared->journal, host->inventory->name, expected, err)
	                  : gf_err_set(err, GF_E_MEMORY, "out of memory");

	json_decref(expected);
	return rc;
}

enum host_state host_proving_input(struct host *host, const struct host_input *input)
{
	const json_t *context;
	struct gf_err err = {0};
	bool applied = host->shared->job == JOB_APPLY;
	const char *first;

	switch (input->kind) {
	case INPUT_LOST:
		return host_lost(host, input->err);
	case INPUT_ERROR:
		return host_end(host, input->err);
	case INPUT_RESULT:
		break;
	default:
		return HOST_STAY;
	}
	context = json_object_get(host->expected, "context");
	prove_tasks(host, input->data);
	prove_nova(host, input->data);
	prove_devices(
	    host, applied ? host->wanted : json_object_get(context, "wanted"),
	    stages_driver(applied ? host->stages : json_object_get(host->expected, "stages")));
	if (!applied && host_trial_open(host))
		host_drift_add(
		    host, "trial",
		    "it runs a trial boot that is not the default yet: apply proves it and "
		    "makes it so");
	if (!host->drift) {
		if (applied && host_trial_open(host))
			return HOST_COMMIT_INTENT;
		if (applied && expected_keep(host, &err))
			return host_finish(host, HOST_FAILED, &err);
		return host_finish(host, HOST_DONE, NULL);
	}
	if (host->shared->job == JOB_VERIFY)
		return host_finish(host, HOST_DONE, NULL);
	first = json_string_value(json_object_get(json_array_get(host->drift, 0), "message"));
	return host_fail(host, GF_E_REBOOT, "it is not as it should be after the %s: %s%s",
	                 host->record.rebooted ? "reboot" : "apply", first ? first : "?",
	                 json_array_size(host->drift) > 1 ? " (and more)" : "");
}
