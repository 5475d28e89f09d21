/* nova_tool.c: what controller/nova computes, for tests/nova/test_judge.py: a question as JSON on
 * each line of standard input, its answer on a line of standard output.
 *
 * {"do": "offers", "facts": …, "release": 26, "values": […]}
 *     → {"wrong": [REASON or null …], "offered": {ADDRESS: ENTRY or "unknown"}}
 * {"do": "alias", "release": 26, "placement": false, "values": […]} → {"wrong": […]}
 * {"do": "wanted", "inventory": TEXT, "facts": {HOST: …}, "host": HOST}
 *     → {"context": …, "remarks": [[KIND, TEXT] …]}
 * {"do": "defaults", "release": 26} → {"filters": […]}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_alias.h"
#include "controller/nova/nova_rules.h"
#include "controller/nova/nova_spec.h"
#include "controller/nova/nova_wanted.h"

/* The questions are well-formed: none of them may fail. */
static void die(const struct gf_err *err) __attribute__((noreturn));

static void die(const struct gf_err *err)
{
	fprintf(stderr, "nova_tool: %s\n", err->msg);
	exit(1);
}

static const char **texts_of(const json_t *array, size_t *count)
{
	const char **texts = calloc(json_array_size(array) + 1, sizeof(*texts));

	*count = texts ? json_array_size(array) : 0;
	for (size_t i = 0; i < *count; i++)
		texts[i] = json_string_value(json_array_get(array, i));
	return texts;
}

static int number_of(const json_t *object, const char *key)
{
	return (int)json_integer_value(json_object_get(object, key));
}

static json_t *reason(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *offers(const json_t *question)
{
	struct host_facts facts;
	struct nova_offers result;
	struct gf_err err;
	size_t count;
	const char **values = texts_of(json_object_get(question, "values"), &count);
	json_t *wrong = json_array(), *offered = json_object();

	if (host_facts_parse(json_object_get(question, "facts"), &facts, &err) < 0 ||
	    nova_offers_compute(values, count, number_of(question, "release"), &facts, &result,
	                        &err) < 0)
		die(&err);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(wrong, reason(result.wrong[i]));
	for (size_t i = 0; i < facts.device_count; i++) {
		if (result.items[i].offered != FACT_NO)
			json_object_set_new(offered, facts.devices[i].address,
			                    result.items[i].offered == FACT_YES
			                        ? json_integer((json_int_t)result.items[i].entry)
			                        : json_string("unknown"));
	}
	nova_offers_free(&result);
	host_facts_free(&facts);
	free(values);
	return json_pack("{s:o, s:o}", "wrong", wrong, "offered", offered);
}

static json_t *aliases(const json_t *question)
{
	struct nova_alias_list list;
	struct gf_err err;
	size_t count;
	const char **values = texts_of(json_object_get(question, "values"), &count);
	json_t *wrong = json_array();

	if (nova_alias_judge(values, count, number_of(question, "release"),
	                     json_is_true(json_object_get(question, "placement")), &list, &err) < 0)
		die(&err);
	for (size_t i = 0; i < list.count; i++)
		json_array_append_new(wrong, reason(list.items[i].wrong));
	nova_alias_list_free(&list);
	free(values);
	return json_pack("{s:o}", "wrong", wrong);
}

static json_t *wanted(const json_t *question)
{
	static const char *const kinds[] = {"refused", "unknown", "waits", "told"};
	const char *text = json_string_value(json_object_get(question, "inventory"));
	const char *name = json_string_value(json_object_get(question, "host"));
	const json_t *facts = json_object_get(question, "facts");
	struct gf_err err;
	struct inventory *inventory = inventory_parse("-", text, strlen(text), &err);
	struct nova_fleet *fleet = inventory ? nova_fleet_new(inventory, &err) : NULL;
	struct nova_wanted result;
	json_t *remarks = json_array(), *answer;

	if (!fleet)
		die(&err);
	for (size_t i = 0; i < inventory->host_count; i++) {
		const struct inventory_host *host = &inventory->hosts[i];

		if (nova_fleet_put(fleet, host, json_object_get(facts, host->name), &err) < 0)
			die(&err);
	}
	if (nova_wanted_compute(fleet, inventory_host_find(inventory, name),
	                        json_object_get(facts, name), NULL, &result, &err) < 0)
		die(&err);
	for (size_t i = 0; i < result.count; i++)
		json_array_append_new(remarks, json_pack("[s, s]", kinds[result.remarks[i].kind],
		                                         result.remarks[i].text));
	answer = json_pack("{s:O?, s:o}", "context", result.context, "remarks", remarks);
	nova_wanted_free(&result);
	nova_fleet_free(fleet);
	inventory_free(inventory);
	return answer;
}

static json_t *defaults(const json_t *question)
{
	const char *const *filter = nova_rule_filters_default(number_of(question, "release"));
	json_t *filters = json_array();

	for (; *filter; filter++)
		json_array_append_new(filters, json_string(*filter));
	return json_pack("{s:o}", "filters", filters);
}

static json_t *answer(const json_t *question)
{
	static const struct {
		const char *name;
		json_t *(*run)(const json_t *question);
	} verbs[] = {
	    {"offers", offers}, {"alias", aliases}, {"wanted", wanted}, {"defaults", defaults}};
	const char *verb = json_string_value(json_object_get(question, "do"));

	for (size_t i = 0; verb && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verb, verbs[i].name) == 0)
			return verbs[i].run(question);
	}
	return json_pack("{s:s}", "error", "no such question");
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		json_t *question = json_loads(line, 0, NULL), *reply = answer(question);

		json_dumpf(reply, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(reply);
		json_decref(question);
	}
	free(line);
	return 0;
}
