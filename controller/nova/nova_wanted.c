/* nova_wanted.c: see nova_wanted.h. Happy path: facts are read, the release is found, and the
 * options of the host's role are added one by one; each that can't be written leaves a remark, and
 * a refused one takes the whole context back. */
#include "controller/nova/nova_wanted.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_wanted_internal.h"

void nova_remark(struct nova_work *work, enum nova_remark_kind kind, const char *format, ...)
{
	struct nova_wanted *out = work->out;
	struct nova_remark *grown = realloc(out->remarks, (out->count + 1) * sizeof(*grown));
	va_list args;

	if (!grown) {
		out->failed = true;
		return;
	}
	out->remarks = grown;
	grown += out->count++;
	grown->kind = kind;
	out->refused = out->refused || kind == NOVA_REFUSED;
	va_start(args, format);
	vsnprintf(grown->text, sizeof(grown->text), format, args);
	va_end(args);
	/* A host's words reach terminals and logs, and may have been cut in a character. */
	for (char *at = grown->text; *at; at++) {
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	}
}

static void add_once(json_t *array, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		if (strcmp(json_string_value(item), text) == 0)
			return;
	}
	json_array_append_new(array, json_string(text));
}

static json_t *option_find(const struct nova_work *work, const struct nova_rule *rule)
{
	json_t *option;
	size_t i;

	json_array_foreach(work->options, i, option)
	{
		if (strcmp(json_string_value(json_object_get(option, "section")), rule->where) ==
		        0 &&
		    strcmp(json_string_value(json_object_get(option, "name")), rule->name) == 0)
			return option;
	}
	return NULL;
}

json_t *nova_option_add(struct nova_work *work, enum nova_rule_id rule, const char *kind,
                        json_t *values, const char *service)
{
	json_t *option = option_find(work, nova_rule(rule));

	add_once(work->services, service);
	if (option) {
		json_decref(values);
		add_once(json_object_get(option, "services"), service);
		return option;
	}
	option = json_object();
	json_object_set_new(option, "section", json_string(nova_rule(rule)->where));
	json_object_set_new(option, "name", json_string(nova_rule(rule)->name));
	json_object_set_new(option, "kind", json_string(kind));
	json_object_set_new(option, "services", json_pack("[s]", service));
	if (json_object_set_new(option, strcmp(kind, "set") == 0 ? "value" : "values", values) <
	        0 ||
	    json_array_append_new(work->options, option) < 0)
		return NULL;
	return option;
}

int nova_wanted_release(const struct inventory *inventory, const struct nova_facts *nova,
                        const char **said, struct gf_err *err)
{
	int found = nova_release_from_version(nova->release);
	char wanted[NOVA_RELEASE_SHOW_SIZE], is[NOVA_RELEASE_SHOW_SIZE];

	*said = inventory->nova_number ? "the inventory says" : "the host has";
	if (!inventory->nova_number)
		return found > 0 ? found : 0;
	if (found > 0 && found != inventory->nova_number)
		return gf_err_set(err, GF_E_BLOCKED,
		                  "the inventory's nova.release is %s, and the host has Nova %s "
		                  "(%.60s): correct the inventory, or leave the release out of it",
		                  nova_release_show(inventory->nova_number, wanted),
		                  nova_release_show(found, is), nova->release);
	return inventory->nova_number;
}

static bool find_release(struct nova_work *work)
{
	struct gf_err fault = {0};
	int release =
	    nova_wanted_release(work->fleet->inventory, work->nova, &work->target.said, &fault);

	if (release < 0) {
		nova_remark(work, NOVA_REFUSED, "%s", fault.msg);
		return false;
	}
	if (release == 0) {
		if (work->nova->release)
			nova_remark(work, NOVA_UNKNOWN,
			            "its Nova is of version %.60s, which is none that is known "
			            "(%d to %d): nothing is written",
			            work->nova->release, NOVA_RELEASE_FIRST, NOVA_RELEASE_LAST);
		else
			nova_remark(work, NOVA_UNKNOWN,
			            "the release of its Nova is not known: name it as "
			            "nova.release in the inventory");
		return false;
	}
	work->target.release = work->out->release = release;
	return true;
}

/* What holds for the whole fleet, asked for by the inventory. */
static void find_target(struct nova_work *work)
{
	const struct inventory *inventory = work->fleet->inventory;
	struct nova_target *target = &work->target;
	struct gf_err fault = {0};

	if (inventory->report_in_placement == 1 &&
	    nova_rule_require(NOVA_RULE_REPORT_IN_PLACEMENT, target->release, "report_in_placement",
	                      target->said, &fault) < 0)
		nova_remark(work, NOVA_REFUSED, "%s", fault.msg);
	if (inventory->pci_in_placement == 1 &&
	    nova_rule_require(NOVA_RULE_PCI_IN_PLACEMENT, target->release, "pci_in_placement",
	                      target->said, &fault) < 0)
		nova_remark(work, NOVA_REFUSED, "%s", fault.msg);
	target->report = inventory->report_in_placement == 1;
	target->placement_wanted = inventory->pci_in_placement == 1 &&
	                           nova_rule_holds(NOVA_RULE_PCI_IN_PLACEMENT, target->release);
}

static void tell_of_files(struct nova_work *work)
{
	for (size_t i = 0; i < work->nova->problem_count; i++) {
		const struct nova_facts_problem *problem = &work->nova->problems[i];
		const struct nova_facts_entry at = {.file = problem->file, .line = problem->line};
		char place[NOVA_PLACE_SIZE];

		nova_remark(work, NOVA_UNKNOWN, "%s: %.200s: what Nova makes of it is not known",
		            nova_facts_place(&at, place), problem->message);
	}
	for (size_t i = 0; i < work->nova->file_count; i++) {
		const struct nova_facts_file *file = &work->nova->files[i];

		if (file->managed_by && strcmp(file->managed_by, "kolla") != 0)
			nova_remark(work, NOVA_TOLD,
			            "%.160s is managed by %.20s, which may take the changes back: "
			            "put them there, too",
			            file->path, file->managed_by);
	}
	if (work->nova->deployment && strcmp(work->nova->deployment, "kolla") == 0)
		nova_remark(work, NOVA_TOLD,
		            "kolla writes its files anew at the next reconfigure: put the same "
		            "lines into /etc/kolla/config/nova on the deploy host");
}

/* A host has one role. */
static void tell_of_others(struct nova_work *work, bool control)
{
	char names[NOVA_OTHERS_SIZE];

	if (nova_facts_others(work->nova, control, names) == 0)
		return;
	if (control)
		nova_remark(
		    work, NOVA_UNKNOWN,
		    "it also runs %s, which is not told of its cards, because its role in the "
		    "inventory is control: for a host that offers cards it is compute",
		    names);
	else
		nova_remark(work, NOVA_UNKNOWN,
		            "it also runs %s, which is told nothing, because its role in the "
		            "inventory is compute: give nova-api the alias and nova-scheduler "
		            "PciPassthroughFilter by hand, and restart them",
		            names);
}

static int compute_context(struct nova_work *work, struct gf_err *err)
{
	bool control = work->host->role == ROLE_CONTROL;

	if (!work->nova->present) {
		if (work->fleet->inventory->nova_given)
			nova_remark(work, NOVA_UNKNOWN, "no Nova was found on it");
		return 0;
	}
	if (!find_release(work))
		return 0;
	find_target(work);
	work->options = json_array();
	work->services = json_array();
	if (!work->options || !work->services)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	tell_of_files(work);
	tell_of_others(work, control);
	if ((control ? nova_control_options(work, err) : nova_compute_options(work, err)) < 0)
		return -1;
	if (work->out->refused || json_array_size(work->options) == 0)
		return 0;
	work->out->context = json_pack("{s:i, s:s, s:O, s:O}", "release", work->target.release,
	                               "role", control ? "control" : "compute", "options",
	                               work->options, "services", work->services);
	return work->out->context ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");
}

bool nova_wanted_never(const struct inventory *inventory)
{
	return inventory->nova_deployment && strcmp(inventory->nova_deployment, "none") == 0;
}

int nova_wanted_compute(const struct nova_fleet *fleet, const struct inventory_host *host,
                        const json_t *facts, const json_t *wanted, struct nova_wanted *out,
                        struct gf_err *err)
{
	struct host_facts parsed = {0};
	struct nova_facts nova = {0};
	struct selection selection = {0};
	struct nova_work work = {fleet, host, &parsed, &nova, &selection, wanted, .out = out};
	int rc = -1;

	memset(out, 0, sizeof(*out));
	if (nova_wanted_never(fleet->inventory))
		return 0;
	if (!facts) {
		nova_remark(&work, NOVA_UNKNOWN, "it was never scanned: run `gpufleet scan`");
		return 0;
	}
	if (host_facts_parse(facts, &parsed, err) == 0 &&
	    nova_facts_parse(facts, &nova, err) == 0 &&
	    selection_from_facts(&parsed, host, &selection, err) == 0)
		rc = compute_context(&work, err);
	if (rc == 0 && out->failed)
		rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_decref(work.options);
	json_decref(work.services);
	selection_free(&selection);
	nova_facts_free(&nova);
	host_facts_free(&parsed);
	if (rc < 0)
		nova_wanted_free(out);
	return rc;
}

void nova_wanted_free(struct nova_wanted *wanted)
{
	json_decref(wanted->context);
	free(wanted->remarks);
	memset(wanted, 0, sizeof(*wanted));
}

const char *nova_wanted_remark(const struct nova_wanted *wanted, enum nova_remark_kind kind)
{
	for (size_t i = 0; i < wanted->count; i++) {
		if (wanted->remarks[i].kind == kind)
			return wanted->remarks[i].text;
	}
	return NULL;
}
