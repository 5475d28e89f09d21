/* saved_plan.c: a plan from a file, and whether a host is still as it says; see saved_plan.h. */
#include "controller/plan/saved_plan.h"

#include <stdlib.h>
#include <string.h>

#include "controller/plan/plan_facts.h"
#include "controller/plan/plan_groups.h"
#include "inventory/fields.h"

#define PLAN_VERSION 1
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct saved_plan {
	struct json_source *source;
	unsigned version;
	char *fleet, *created, *gpufleet, *inventory_sha256, *playbook_sha256;
	json_t *plans, *hosts, *left_out; /* the source's */
};

static const char not_a_plan[] = "this is not a saved plan (`gpufleet plan INVENTORY --out FILE` "
                                 "writes one)";

/* ---- reading ---- */

static int any_text(struct field_reader *reader, const struct json_path *at, const json_t *value,
                    const struct field *field, void *out)
{
	(void)field;
	if (!json_is_string(value))
		return field_mismatch(reader, at, value, "a string");
	if (out && !(*(char **)out = strdup(json_string_value(value))))
		return field_no_memory(reader);
	return 0;
}

static int any_object(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field, void *out)
{
	(void)field, (void)out;
	return json_is_object(value) ? 0 : field_mismatch(reader, at, value, "an object");
}

static int read_digest(struct field_reader *reader, const struct json_path *at, const json_t *value,
                       const struct field *field, void *out)
{
	const char *text = json_string_value(value);

	if (!text || strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64)
		return field_mismatch(reader, at, value, "a SHA-256 digest: 64 hex digits");
	return any_text(reader, at, value, field, out);
}

static int read_stages(struct field_reader *reader, const struct json_path *at, const json_t *value,
                       const struct field *field, void *out)
{
	const json_t *stage;
	size_t i;

	(void)field, (void)out;
	if (!json_is_array(value))
		return field_mismatch(reader, at, value, "a list of stages");
	json_array_foreach(value, i, stage)
	{
		struct json_path here = {.parent = at, .index = i};

		if (!json_is_string(json_object_get(stage, "name")) ||
		    !json_is_array(json_object_get(stage, "tasks")))
			return field_mismatch(reader, &here, stage,
			                      "a stage with \"name\" and \"tasks\"");
	}
	return 0;
}

static int read_plans(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field, void *out)
{
	static const struct field items[] = {
	    {.name = "hosts", .read = any_text, .required = true},
	    {.name = "stages", .read = read_stages, .required = true},
	};
	static const struct field_set set = {items, COUNT(items)};
	const json_t *plan;
	size_t i;

	(void)field, (void)out;
	if (!json_is_array(value))
		return field_mismatch(reader, at, value, "a list of plans");
	json_array_foreach(value, i, plan)
	{
		struct json_path here = {.parent = at, .index = i};

		if (!json_is_object(plan))
			return field_mismatch(reader, &here, plan,
			                      "an object with \"hosts\" and \"stages\"");
		if (fields_read(reader, &here, plan, &set, 0, NULL, NULL) < 0)
			return -1;
	}
	return 0;
}

static int read_hosts(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field, void *out)
{
	static const struct field items[] = {
	    {.name = "plan", .read = field_number, .max = 1000000, .required = true},
	    {.name = "host", .read = any_object, .required = true},
	    {.name = "devices", .read = any_text, .required = true},
	};
	static const struct field_set set = {items, COUNT(items)};
	const char *name;
	json_t *host;

	(void)field, (void)out;
	if (!json_is_object(value))
		return field_mismatch(reader, at, value, "an object: one entry a host");
	json_object_foreach((json_t *)(uintptr_t)value, name, host)
	{
		struct json_path here = {.parent = at, .key = name};

		if (!json_is_object(host))
			return field_mismatch(reader, &here, host,
			                      "an object with \"plan\", \"host\" and \"devices\"");
		if (fields_read(reader, &here, host, &set, 0, NULL, NULL) < 0)
			return -1;
	}
	return 0;
}

/* Each host's plan is one of the list. */
static int check_indexes(struct field_reader *reader, const struct saved_plan *plan)
{
	const struct json_path hosts = {.key = "hosts"};
	const char *name;
	json_t *host;

	json_object_foreach(plan->hosts, name, host)
	{
		struct json_path at = {.parent = &hosts, .key = name};
		struct json_path index_at = {.parent = &at, .key = "plan"};
		json_int_t index = json_integer_value(json_object_get(host, "plan"));

		if (index < 0 || (size_t)index >= json_array_size(plan->plans))
			return field_error(reader, &index_at, JSON_VALUE,
			                   "there is no plan %lld in \"plans\", which holds %zu",
			                   (long long)index, json_array_size(plan->plans));
	}
	return 0;
}

static int read_document(struct saved_plan *plan, struct gf_err *err)
{
	static const struct field items[] = {
	    {.name = "gpufleet_plan",
	     .read = field_number,
	     .offset = offsetof(struct saved_plan, version),
	     .min = PLAN_VERSION,
	     .max = PLAN_VERSION,
	     .required = true},
	    {.name = "fleet",
	     .read = any_text,
	     .offset = offsetof(struct saved_plan, fleet),
	     .required = true},
	    {.name = "created",
	     .read = any_text,
	     .offset = offsetof(struct saved_plan, created),
	     .required = true},
	    {.name = "gpufleet",
	     .read = any_text,
	     .offset = offsetof(struct saved_plan, gpufleet),
	     .required = true},
	    {.name = "inventory_sha256",
	     .read = read_digest,
	     .offset = offsetof(struct saved_plan, inventory_sha256),
	     .required = true},
	    {.name = "playbook_sha256",
	     .read = read_digest,
	     .offset = offsetof(struct saved_plan, playbook_sha256),
	     .required = true},
	    {.name = "plans", .read = read_plans, .required = true},
	    {.name = "hosts", .read = read_hosts, .required = true},
	    {.name = "left_out", .read = any_object},
	};
	static const struct field_set set = {items, COUNT(items)};
	struct field_reader reader = {.source = plan->source, .err = err};
	const struct json_path version_at = {.key = "gpufleet_plan"};
	json_t *root = json_source_root(plan->source);
	const json_t *version = json_object_get(root, "gpufleet_plan");

	if (!json_is_object(root) || !version)
		return field_error(&reader, NULL, JSON_VALUE, "%s", not_a_plan);
	if (json_is_integer(version) && json_integer_value(version) > PLAN_VERSION)
		return field_error(&reader, &version_at, JSON_VALUE,
		                   "a later gpufleet wrote this plan; this one reads version %d",
		                   PLAN_VERSION);
	if (fields_read(&reader, NULL, root, &set, 0, plan, NULL) < 0)
		return -1;
	plan->plans = json_object_get(root, "plans");
	plan->hosts = json_object_get(root, "hosts");
	plan->left_out = json_object_get(root, "left_out");
	return check_indexes(&reader, plan);
}

/* SOURCE is taken over; NULL with *err set already is passed on. */
static struct saved_plan *plan_from(struct json_source *source, struct gf_err *err)
{
	struct saved_plan *plan;

	if (!source)
		return NULL;
	plan = calloc(1, sizeof(*plan));
	if (!plan) {
		json_source_free(source);
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	plan->source = source;
	if (read_document(plan, err) < 0) {
		saved_plan_free(plan);
		return NULL;
	}
	return plan;
}

struct saved_plan *saved_plan_read(const char *file, struct gf_err *err)
{
	return plan_from(json_source_read(file, err), err);
}

struct saved_plan *saved_plan_parse(const char *name, const char *text, size_t length,
                                    struct gf_err *err)
{
	return plan_from(json_source_parse(name, text, length, err), err);
}

void saved_plan_free(struct saved_plan *plan)
{
	if (!plan)
		return;
	json_source_free(plan->source);
	free(plan->fleet);
	free(plan->created);
	free(plan->gpufleet);
	free(plan->inventory_sha256);
	free(plan->playbook_sha256);
	free(plan);
}

/* ---- asking ---- */

const char *saved_plan_sha256(const struct saved_plan *plan)
{
	return json_source_sha256(plan->source);
}

bool saved_plan_has(const struct saved_plan *plan, const char *host)
{
	return json_object_get(plan->hosts, host) != NULL;
}

const json_t *saved_plan_left_out(const struct saved_plan *plan)
{
	return plan->left_out;
}

int saved_plan_belongs(const struct saved_plan *plan, const struct saved_plan_heading *heading,
                       struct gf_err *err)
{
	const char *name = json_source_name(plan->source), *what = NULL;

	if (strcmp(plan->fleet, heading->fleet) != 0)
		return gf_err_set(err, GF_E_INPUT,
		                  "%s: it is a plan of the fleet \"%.60s\", not of \"%.60s\"", name,
		                  plan->fleet, heading->fleet);
	if (strcmp(plan->inventory_sha256, heading->inventory_sha256) != 0)
		what = "inventory";
	else if (strcmp(plan->playbook_sha256, heading->playbook_sha256) != 0)
		what = "playbook";
	if (!what)
		return 0;
	return gf_err_set(
	    err, GF_E_INPUT,
	    "%s: the %s is another than the one this plan was made from (%.40s): make a new plan "
	    "with `gpufleet plan --out`",
	    name, what, plan->created);
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return json_equal(x, y) || (!x && !y);
}

/* The target of the first change that differs, or NULL. */
static const char *target_differing(const json_t *saved, const json_t *fresh)
{
	const json_t *changes = json_object_get(fresh, "changes");
	const json_t *others = json_object_get(saved, "changes"), *change;
	size_t i;

	json_array_foreach(changes, i, change)
	{
		if (!json_equal(change, json_array_get(others, i)))
			return json_string_value(json_object_get(change, "target"));
	}
	change = json_array_get(others, json_array_size(changes));
	return json_string_value(json_object_get(change, "target"));
}

/* What a task says of itself is for people and may vary; what it would do may not. */
static int task_compare(const json_t *stage, const json_t *saved, const json_t *fresh,
                        struct gf_err *err)
{
	const char *target, *name;

	if (same(saved, fresh, "task") && same(saved, fresh, "type") &&
	    same(saved, fresh, "status") && same(saved, fresh, "changes"))
		return 0;
	target = target_differing(saved, fresh);
	name = json_string_value(json_object_get(fresh ? fresh : saved, "task"));
	return gf_err_set(err, GF_E_BLOCKED, "%.160s is not as it was (stage %.60s, task %.80s)",
	                  target ? target : "what the task would change",
	                  json_string_value(json_object_get(stage, "name")), name ? name : "?");
}

static int stages_compare(const json_t *saved, const json_t *fresh, struct gf_err *err)
{
	const json_t *stage;
	size_t i;

	json_array_foreach(saved, i, stage)
	{
		const json_t *now = json_array_get(fresh, i);
		const json_t *tasks = json_object_get(stage, "tasks");
		const json_t *fresh_tasks = json_object_get(now, "tasks");
		size_t most = json_array_size(tasks);

		if (json_array_size(fresh_tasks) > most)
			most = json_array_size(fresh_tasks);
		for (size_t j = 0; j < most; j++) {
			if (task_compare(stage, json_array_get(tasks, j),
			                 json_array_get(fresh_tasks, j), err))
				return -1;
		}
		if (!same(stage, now, "name") || !same(stage, now, "changed") ||
		    !same(stage, now, "reboot"))
			return gf_err_set(err, GF_E_BLOCKED, "stage %.60s would do something else",
			                  json_string_value(json_object_get(stage, "name")));
		/* Whether the change is tried before it becomes the default is what people agreed
		 * to. */
		if (json_object_get(now, "protection") && !same(stage, now, "protection"))
			return gf_err_set(err, GF_E_BLOCKED,
			                  "stage %.60s would be protected otherwise: %.300s",
			                  json_string_value(json_object_get(stage, "name")),
			                  json_string_value(json_object_get(now, "protection")));
	}
	if (json_array_size(fresh) != json_array_size(saved))
		return gf_err_set(err, GF_E_BLOCKED, "its plan has other stages");
	return 0;
}

int saved_plan_compare(const struct saved_plan *saved, const char *host, const json_t *facts,
                       const json_t *plan, struct gf_err *err)
{
	const json_t *entry = json_object_get(saved->hosts, host);
	size_t index = (size_t)json_integer_value(json_object_get(entry, "plan"));
	const json_t *stages = json_object_get(json_array_get(saved->plans, index), "stages");
	json_t *now;
	int rc;

	if (!plan_pending(plan))
		return 0;
	if (!entry)
		return gf_err_set(err, GF_E_BLOCKED, "it is not part of the plan");
	now = plan_facts(facts, err);
	if (!now)
		return -1;
	rc = plan_facts_compare(entry, now, err);
	if (rc == 0)
		rc = stages_compare(stages, json_object_get(plan, "stages"), err);
	json_decref(now);
	return rc ? gf_err_wrap(err,
	                        "since the plan was made (%.40s), the host has changed: make a "
	                        "new one (`gpufleet plan --out`). Now",
	                        saved->created)
	          : 0;
}
