/* nova_checks_alias.c: can each alias be asked for, and does it name the fleet's devices by the
 * type that Nova gives them? */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "controller/nova/nova_alias.h"
#include "controller/nova/nova_checks_internal.h"

static bool same(const json_t *json, const char *key, const char *wanted)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text && strcasecmp(text, wanted) == 0;
}

static bool is_named(const struct nova_alias *alias, const char *name)
{
	const char *text = json_string_value(json_object_get(alias->json, "name"));
	size_t length = strlen(name);

	if (!text)
		return false;
	text += strspn(text, " \t");
	return strncmp(text, name, length) == 0 &&
	       text[length + strspn(text + length, " \t")] == '\0';
}

enum finding { ALIAS_RIGHT, ALIAS_ABSENT, ALIAS_TYPE, ALIAS_MODEL };

/* What is wrong with the entries of ALIAS for MODEL; *entry: the one with another type. */
static enum finding find_model(const struct nova_alias_list *list,
                               const struct nova_fleet_alias *alias,
                               const struct nova_fleet_model *model, size_t *entry)
{
	enum finding worst = ALIAS_ABSENT;

	for (size_t i = 0; i < list->count; i++) {
		const json_t *json = list->items[i].json;
		const char *type = json_string_value(json_object_get(json, "device_type"));
		bool ids;

		if (!is_named(&list->items[i], alias->name))
			continue;
		ids = (!json_object_get(json, "vendor_id") ||
		       same(json, "vendor_id", model->vendor)) &&
		      (!json_object_get(json, "product_id") ||
		       same(json, "product_id", model->device));
		if (!ids) {
			worst = worst == ALIAS_ABSENT ? ALIAS_MODEL : worst;
			continue;
		}
		/* Without a type Nova leaves physical functions out (nova/pci/stats.py). */
		if (type ? strcmp(type, model->type) == 0 : strcmp(model->type, "type-PF") != 0)
			return ALIAS_RIGHT;
		worst = ALIAS_TYPE;
		*entry = i;
	}
	return worst;
}

static void tell(const struct nova_subject *subject, const struct nova_fleet_alias *alias,
                 const struct nova_fleet_model *model, enum finding finding,
                 const struct nova_facts_entry *entry)
{
	char place[NOVA_PLACE_SIZE];

	if (finding == ALIAS_TYPE)
		check_add(subject->list, CHECK_NOVA_ALIAS, NULL, CHECK_PENDING,
		          "The alias has another device_type than Nova gives the device: servers "
		          "end with \"No valid host\".",
		          "`gpufleet apply` replaces the entry.",
		          "%s: alias %.60s: %s:%s is %s (SR-IOV %s)",
		          nova_facts_place(entry, place), alias->name, model->vendor, model->device,
		          model->type, strcmp(model->type, "type-PF") == 0 ? "capable" : "absent");
	else
		check_add(subject->list, CHECK_NOVA_ALIAS, NULL, CHECK_PENDING,
		          finding == ALIAS_ABSENT
		              ? "Nova does not know the alias: a flavor that names it is refused."
		              : "The alias does not name all models that it stands for.",
		          "`gpufleet apply` writes it.", "alias %.60s: no entry for %s:%s %s",
		          alias->name, model->vendor, model->device, model->type);
}

static bool host_has(const struct nova_subject *subject, const char *alias)
{
	const json_t *device;
	size_t i;

	json_array_foreach(subject->devices, i, device)
	{
		const char *name = json_string_value(json_object_get(device, "alias"));
		const char *verdict = json_string_value(json_object_get(device, "verdict"));

		if (name && verdict && json_is_true(json_object_get(device, "primary")) &&
		    strcmp(name, alias) == 0 && strcmp(verdict, "ignored") != 0)
			return true;
	}
	return false;
}

static void judge(const struct nova_subject *subject, const struct nova_alias_list *list,
                  const struct nova_facts_option *option, bool own_only)
{
	size_t right = 0, before = subject->list->count;

	for (size_t i = 0; i < subject->fleet->alias_count; i++) {
		const struct nova_fleet_alias *alias = &subject->fleet->aliases[i];
		json_t *values;
		struct gf_err fault;

		if (alias->count == 0 || (own_only && !host_has(subject, alias->name)))
			continue;
		values = json_array();
		if (nova_make_alias(subject->fleet, alias, &subject->target, values, &fault) < 0)
			check_add(subject->list, CHECK_NOVA_ALIAS, NULL, CHECK_BLOCKED,
			          "The inventory's alias can't be given to Nova as it is.",
			          "Change the inventory's \"gpus\" as the evidence says.", "%s",
			          fault.msg);
		json_decref(values);
		for (size_t k = 0; subject->list->count == before && k < alias->count; k++) {
			size_t entry = 0;
			enum finding finding = find_model(list, alias, &alias->models[k], &entry);

			if (finding == ALIAS_RIGHT)
				right++;
			else
				tell(subject, alias, &alias->models[k], finding,
				     finding == ALIAS_TYPE ? &option->entries[entry] : NULL);
		}
	}
	if (subject->list->count == before)
		check_add(subject->list, CHECK_NOVA_ALIAS, NULL, CHECK_PASS, NULL, NULL,
		          "%zu model%s named by alias and type", right, right == 1 ? "" : "s");
}

int nova_checks_alias(struct nova_subject *subject, const struct nova_facts_service *service,
                      bool own_only, struct gf_err *err)
{
	const struct nova_facts_option *option = nova_facts_option(service, "pci.alias");
	size_t count = option ? option->count : 0;
	const char **values = calloc(count + 1, sizeof(*values));
	struct nova_alias_list list;
	char place[NOVA_PLACE_SIZE];

	if (!values)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++)
		values[i] = option->entries[i].value;
	subject->target.placement =
	    nova_facts_switch(service, "filter_scheduler.pci_in_placement") == FACT_YES;
	if (nova_alias_judge(values, count, subject->target.release, subject->target.placement,
	                     &list, err) < 0) {
		free(values);
		return -1;
	}
	for (size_t i = 0; list.refused && i < count; i++) {
		if (*list.items[i].wrong)
			check_add(subject->list, CHECK_NOVA_ALIAS, NULL, CHECK_BLOCKED,
			          "Nova refuses an alias, and with it every one "
			          "(PciInvalidAlias).",
			          "Correct or remove the entry at that line.", "%s: %s",
			          nova_facts_place(&option->entries[i], place),
			          list.items[i].wrong);
	}
	if (!list.refused)
		judge(subject, &list, option, own_only);
	for (size_t i = 0; !list.refused && i < count; i++) {
		char name[NOVA_ALIAS_NAME_SIZE];

		if (nova_alias_requestable(nova_alias_name(values[i], name)))
			continue;
		check_add(subject->list, CHECK_NOVA_ALIAS, NULL, CHECK_WARN,
		          "No flavor can ask for an alias with a blank, ':' or ',' in its name.",
		          "Give it another name.", "%s: \"%.60s\"",
		          nova_facts_place(&option->entries[i], place), name);
	}
	nova_alias_list_free(&list);
	free(values);
	return 0;
}
