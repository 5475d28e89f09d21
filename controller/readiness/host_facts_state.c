/* host_facts_state.c: what of a facts document's "host" is about its kernel's state, who holds
 * devices, and what binds them at the next boot. */
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/host_facts.h"
#include "controller/readiness/host_facts_read.h"

static int parse_vfio(const json_t *host, struct host_facts *out, struct gf_err *err)
{
	const json_t *vfio;

	out->dma_entry_limit = -1;
	out->disable_idle_d3 = FACT_UNKNOWN;
	if (facts_object(host, "vfio", &vfio, err) < 0)
		return -1;
	if (!vfio)
		return 0;
	if (facts_string(vfio, "pci", &out->vfio_pci, err) < 0 ||
	    facts_string(vfio, "type1", &out->vfio_type1, err) < 0 ||
	    facts_int(vfio, "dma_entry_limit", -1, &out->dma_entry_limit, err) < 0 ||
	    facts_fact(vfio, "disable_idle_d3", &out->disable_idle_d3, err) < 0)
		return -1;
	out->vfio_known = out->vfio_pci && out->vfio_type1;
	return 0;
}

static int parse_taint(const json_t *host, struct host_facts *out, struct gf_err *err)
{
	const json_t *taint = json_object_get(host, "taint");

	out->taint = -1;
	if (!taint || json_is_null(taint))
		return 0;
	if (!json_is_integer(taint) || json_integer_value(taint) < 0)
		return facts_wrong(err, "taint", "a number from 0 on");
	out->taint = json_integer_value(taint);
	return 0;
}

static int parse_holders(const json_t *host, struct host_facts *out, struct gf_err *err)
{
	const json_t *holder, *devices;
	const char *text;
	int pid;
	size_t i;

	if (facts_objects(host, "holders", &out->holders, err) < 0)
		return -1;
	json_array_foreach(out->holders, i, holder)
	{
		if (facts_int(holder, "pid", 0, &pid, err) < 0 ||
		    facts_string(holder, "name", &text, err) < 0 ||
		    facts_string(holder, "node", &text, err) < 0 ||
		    facts_strings(holder, "devices", &devices, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_services(const json_t *host, struct host_facts *out, struct gf_err *err)
{
	const json_t *service;
	const char *text;
	size_t i;

	if (facts_objects(host, "services", &out->services, err) < 0)
		return -1;
	json_array_foreach(out->services, i, service)
	{
		if (facts_string(service, "name", &text, err) < 0 ||
		    facts_string(service, "state", &text, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_lines(const json_t *early, struct host_facts *out, struct gf_err *err)
{
	const json_t *lines, *line;
	size_t i;

	if (facts_objects(early, "lines", &lines, err) < 0)
		return -1;
	out->lines = calloc(json_array_size(lines) + 1, sizeof(*out->lines));
	if (!out->lines)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_array_foreach(lines, i, line)
	{
		struct host_facts_line *item = &out->lines[out->line_count];

		if (facts_string(line, "where", &item->where, err) < 0 ||
		    facts_string(line, "line", &item->text, err) < 0)
			return -1;
		out->line_count += item->where && item->text;
	}
	return 0;
}

static int parse_early(const json_t *host, struct host_facts *out, struct gf_err *err)
{
	const json_t *early;

	if (facts_object(host, "early_binding", &early, err) < 0)
		return -1;
	if (!early)
		return 0;
	if (facts_string(early, "image", &out->image, err) < 0 ||
	    facts_string(early, "state", &out->image_state, err) < 0 ||
	    facts_strings(early, "list", &out->bind_list, err) < 0)
		return -1;
	return parse_lines(early, out, err);
}

int facts_state(const json_t *host, struct host_facts *out, struct gf_err *err)
{
	if (parse_taint(host, out, err) < 0 || parse_vfio(host, out, err) < 0 ||
	    parse_holders(host, out, err) < 0 || parse_services(host, out, err) < 0 ||
	    facts_strings(host, "pending_reboot", &out->reboot, err) < 0)
		return -1;
	return parse_early(host, out, err);
}

bool host_facts_service_runs(const struct host_facts *facts, const char *unit)
{
	const json_t *service;
	size_t i;

	json_array_foreach(facts->services, i, service)
	{
		const char *name = json_string_value(json_object_get(service, "name"));
		const char *state = json_string_value(json_object_get(service, "state"));

		if (name && state && strcmp(name, unit) == 0 && strcmp(state, "active") == 0)
			return true;
	}
	return false;
}
