/* playbook_host.c: which tasks of a playbook hold on a host. */
#include <string.h>

#include "playbooks/playbook.h"

static const char *fact_text(const json_t *facts, const char *key)
{
	const json_t *value = json_object_get(json_object_get(facts, "host"), key);
	if (!strcmp(key, "distribution"))
		value = json_object_get(value, "id");
	return json_string_value(value);
}

static bool condition_holds(const json_t *condition, const char *fact)
{
	size_t i;
	const json_t *item;
	if (json_is_string(condition))
		return !strcmp(json_string_value(condition), fact);
	json_array_foreach(condition, i,
	                   item) if (json_is_string(item) &&
	                             !strcmp(json_string_value(item), fact)) return true;
	return false;
}

bool playbook_task_holds(const json_t *task, const json_t *facts)
{
	const char *key;
	json_t *condition;
	json_object_foreach(json_object_get(task, "when"), key, condition)
	{
		const char *fact = fact_text(facts, key);
		if (!fact || !condition_holds(condition, fact))
			return false;
	}
	return true;
}

/* A copy of the stage with only the tasks that hold; none, where the stage is for others. */
static json_t *stage_for_host(const struct playbook_stage *stage, unsigned roles,
                              const json_t *facts)
{
	json_t *copy = json_copy(stage->json), *tasks = json_array(), *task;
	size_t i;
	int rc = copy && tasks ? 0 : -1;
	json_array_foreach(json_object_get(stage->json, "tasks"), i, task)
	{
		if (rc == 0 && (roles & 1U << stage->role) && playbook_task_holds(task, facts))
			rc = json_array_append(tasks, task);
	}
	if (rc == 0)
		rc = json_object_set(copy, "tasks", tasks);
	json_decref(tasks);
	if (rc == 0)
		return copy;
	json_decref(copy);
	return NULL;
}

json_t *playbook_for_host(const struct playbook *playbook, unsigned roles, const json_t *facts,
                          struct gf_err *err)
{
	json_t *stages = json_array();
	int rc = stages ? 0 : -1;
	for (size_t i = 0; rc == 0 && i < playbook->stage_count; i++)
		rc = json_array_append_new(stages,
		                           stage_for_host(&playbook->stages[i], roles, facts));
	if (rc == 0)
		return stages;
	json_decref(stages);
	gf_err_set(err, GF_E_MEMORY, "out of memory while choosing tasks");
	return NULL;
}

bool playbook_has_role(const struct playbook *playbook, enum inventory_role role)
{
	for (size_t i = 0; i < playbook->stage_count; i++)
		if (playbook->stages[i].role == role)
			return true;
	return false;
}

static bool stage_has_task(const json_t *stage, const char *type)
{
	const json_t *task;
	size_t i;
	json_array_foreach(json_object_get(stage, "tasks"), i, task)
	{
		if (!strcmp(json_string_value(json_object_get(task, "type")), type))
			return true;
	}
	return false;
}

bool playbook_has_task(const struct playbook *playbook, const char *type)
{
	for (size_t i = 0; i < playbook->stage_count; i++)
		if (stage_has_task(playbook->stages[i].json, type))
			return true;
	return false;
}
