/* test_check_cases.c: a wrong "ready" is the worst defect. Every published check has a case in
 * which its precondition is missing, and one in which it could not be seen; on every ready host
 * among the fixtures each of them, alone, ends the verdict, or the published list says why not.
 */
#include "node-agent/wire/json_text.h"
#include "tests/unit/check_cases.h"

#include <dirent.h>

#define BASE "done"
#define CARD "0000:01:00.0"

static json_t *published, *cases, *harmless, *machines;
static const json_t
    *left_to_host; /* what the inventory excepts on the host at hand; NULL: nothing */

static const json_t *device_entry(const json_t *entry, const char *address)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		if (strcmp(json_text(device, "address"), address) == 0)
			return device;
	}
	return NULL;
}

static const char *verdict_of(const json_t *entry, const char *address)
{
	return json_text(device_entry(entry, address), "verdict");
}

static bool has_reason(const json_t *entry, const char *address, const char *id)
{
	const json_t *reason;
	size_t i;

	json_array_foreach(json_object_get(device_entry(entry, address), "reasons"), i, reason)
	{
		if (strcmp(json_string_value(reason), id) == 0)
			return true;
	}
	return false;
}

/* The worst status that the check has for the device, or for the host: "" when it is not there. */
static const char *status_of(const json_t *entry, const char *address, const char *id)
{
	static const char *const order[] = {"", "pass", "warn", "unknown", "fail"};
	const json_t *check;
	size_t i, worst = 0;

	json_array_foreach(json_object_get(entry, "checks"), i, check)
	{
		const char *about = json_string_value(json_object_get(check, "device"));

		if (strcmp(json_text(check, "id"), id) != 0 ||
		    (about && strcmp(about, address) != 0))
			continue;
		for (size_t k = worst; k < 5; k++) {
			if (strcmp(json_text(check, "status"), order[k]) == 0)
				worst = k;
		}
	}
	return order[worst];
}

/* As case_open, for the inventory of the host at hand. */
static void open_case(struct check_case *c, const json_t *facts, const char *address)
{
	const json_t *item;
	size_t i;

	case_open(c, facts, address);
	json_array_foreach(left_to_host, i, item) case_except(c, json_string_value(item));
}

static json_t *judge(const struct check_case *c, bool facts)
{
	struct gf_err err = {.code = GF_OK};
	json_t *entry = readiness_evaluate(&c->host, facts ? c->facts : NULL, true, &err);

	if (!entry)
		fail_msg("%s", err.msg);
	return entry;
}

static bool is_nova(const json_t *rule)
{
	return strcmp(json_text(rule, "effect"), "nova") == 0;
}

/* The precondition is missing: never "ready", and the check is why; advice warns. */
static void expect_gone(const json_t *facts, const char *address, const json_t *rule)
{
	const char *id = json_text(rule, "id"), *status, *verdict;
	const json_t *fail = json_object_get(json_object_get(cases, id), "fail");
	bool advice = strcmp(json_text(rule, "effect"), "advice") == 0;
	bool sent =
	    !json_is_null(json_object_get(fail, "facts")) || !json_object_get(fail, "facts");
	struct check_case c;
	json_t *entry;

	open_case(&c, facts, address);
	if (!case_change(&c, fail)) {
		case_close(&c);
		return; /* no such part on this host */
	}
	entry = judge(&c, sent);
	status = status_of(entry, address, id);
	verdict = verdict_of(entry, address);
	if (advice && (strcmp(status, "warn") != 0 || strcmp(verdict, "ready") != 0))
		fail_msg("%s, advice, on %s: %s, the device %s", id, address, status, verdict);
	if (!advice && (strcmp(status, "fail") != 0) && sent)
		fail_msg("%s on %s passes without its precondition: \"%s\"", id, address, status);
	if (!advice && strcmp(verdict, "ready") == 0)
		fail_msg("%s on %s: ready without the precondition", id, address);
	if (!advice && sent &&
	    !json_is_true(json_object_get(json_object_get(cases, id), "ignored")) &&
	    !has_reason(entry, address, id))
		fail_msg("%s on %s is no reason for \"%s\"", id, address, verdict);
	json_decref(entry);
	case_close(&c);
}

/* The fact is missing: not "ready", unless the list says that it is no matter. */
static void expect_forgotten(const json_t *facts, const char *address, const json_t *rule)
{
	const char *id = json_text(rule, "id");
	const json_t *one = json_object_get(cases, id), *pointer;
	bool gates = strcmp(json_text(rule, "unknown"), "not ready") == 0;
	size_t i;

	json_array_foreach(json_object_get(one, "forget"), i, pointer)
	{
		const char *status, *verdict;
		struct check_case c;
		json_t *holder, *entry;
		char key[64];

		open_case(&c, facts, address);
		holder = case_change(&c, json_object_get(one, "with"))
		             ? case_holder(&c, json_string_value(pointer), key)
		             : NULL;
		if (holder) {
			json_object_del(holder, key);
			entry = judge(&c, true);
			status = status_of(entry, address, id);
			verdict = verdict_of(entry, address);
			if (gates && strcmp(verdict, "ready") == 0)
				fail_msg("%s on %s: ready without %s (%s)", id, address,
				         json_string_value(pointer), status);
			if (!gates && strcmp(status, "fail") == 0)
				fail_msg("%s on %s fails without %s", id, address,
				         json_string_value(pointer));
			json_decref(entry);
		}
		case_close(&c);
	}
	if (gates && i == 0 && strcmp(id, "host.facts") != 0 && strcmp(id, "host.gpus") != 0)
		fail_msg("%s: nothing to forget", id);
}

/* Calls EACH for every primary that is ready. Returns how many there were. */
static size_t each_primary(const json_t *facts,
                           void (*each)(const json_t *facts, const char *address))
{
	struct inventory_host anyone = facts_host(NULL, 0);
	json_t *entry = readiness_evaluate(&anyone, facts, true, NULL), *device;
	size_t count = 0, i;

	assert_non_null(entry);
	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		if (!json_is_true(json_object_get(device, "primary")) ||
		    strcmp(json_text(device, "verdict"), "ready") != 0)
			continue;
		each(facts, json_text(device, "address"));
		count++;
	}
	json_decref(entry);
	return count;
}

/* Of the machines of tests/vm/cases.json those whose card is ready. */
static size_t each_machine(void (*each)(const json_t *facts, const char *address))
{
	const json_t *machine;
	size_t count = 0, i;

	json_array_foreach(json_object_get(machines, "cases"), i, machine)
	{
		char path[128];
		json_t *facts;

		if (strcmp(json_text(machine, "expect"), "ready") != 0)
			continue;
		snprintf(path, sizeof(path), "tests/unit/cases/%s.json",
		         json_text(machine, "name"));
		facts = cases_load(path);
		left_to_host =
		    json_object_get(json_array_get(json_object_get(machine, "gpus"), 0), "except");
		each(facts,
		     json_string_value(json_array_get(json_object_get(machine, "wanted"), 0)));
		left_to_host = NULL;
		json_decref(facts);
		count++;
	}
	return count;
}

/* Every ready card of every fixture. */
static size_t each_ready(void (*each)(const json_t *facts, const char *address))
{
	char path[512];
	size_t count = 0;
	struct dirent *item;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/tests/unit/facts", TEST_SOURCE_DIR);
	dir = opendir(path);
	assert_non_null(dir);
	while ((item = readdir(dir))) {
		char name[128];
		const char *dot = strrchr(item->d_name, '.');
		json_t *facts;

		if (!dot || strcmp(dot, ".json") != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(dot - item->d_name), item->d_name);
		facts = facts_load(name);
		count += each_primary(facts, each);
		json_decref(facts);
	}
	closedir(dir);
	assert_true(count > 0);
	return count + each_machine(each);
}

static void all_gone(const json_t *facts, const char *address)
{
	const json_t *rule;
	size_t i;

	json_array_foreach(published, i, rule)
	{
		if (is_nova(rule))
			continue;
		expect_gone(facts, address, rule);
		expect_forgotten(facts, address, rule);
	}
}

static void test_no_wrong_ready(void **state)
{
	(void)state;
	assert_true(each_ready(all_gone) > 10);
}

/* Every check, from the published list: a case where it passes and one where it fails. */
static void test_every_check_has_cases(void **state)
{
	json_t *facts = facts_load(BASE);
	const json_t *rule;
	size_t i, found = 0;

	(void)state;
	json_array_foreach(published, i, rule)
	{
		const char *id = json_text(rule, "id"), *wanted, *status;
		const json_t *one = json_object_get(cases, id);
		struct check_case c;
		json_t *entry;

		if (is_nova(rule))
			continue;
		if (!one)
			fail_msg("%s has no case in tests/unit/checks/cases.json", id);
		found++;
		case_open(&c, facts, CARD);
		case_change(&c, json_object_get(one, "pass"));
		entry = judge(&c, true);
		if (strcmp(status_of(entry, CARD, id), "pass") != 0)
			fail_msg("%s does not pass: \"%s\"", id, status_of(entry, CARD, id));
		assert_string_equal(verdict_of(entry, CARD), "ready");
		json_decref(entry);
		case_close(&c);

		case_open(&c, facts, CARD);
		assert_true(case_change(&c, json_object_get(one, "fail")));
		entry = judge(&c, json_object_get(json_object_get(one, "fail"), "facts") == NULL);
		wanted = *json_text(one, "status") ? json_text(one, "status")
		         : strcmp(json_text(rule, "effect"), "advice") == 0 ? "warn"
		                                                            : "fail";
		status = status_of(entry, CARD, id);
		if (strcmp(status, wanted) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", id, status, wanted);
		json_decref(entry);
		case_close(&c);
	}
	json_decref(facts);
	assert_int_equal(found, json_object_size(cases));
}

/* Where gpufleet binds nothing, something else does, and its list is no matter. */
static bool binds_nothing(const char *pointer, const json_t *value)
{
	return strcmp(pointer, "/host/early_binding/list") == 0 && json_array_size(value) == 0;
}

/* Not the list of checks but the document is gone through here: every single fact of a ready host
 * that is missing ends the verdict, or stands in the list of those that are harmless. */
static void forget_each(const json_t *facts, const char *address, const char *prefix,
                        const json_t *object, size_t *count)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		char pointer[128], last[64], below[128];
		struct check_case c;
		json_t *holder, *entry;

		snprintf(pointer, sizeof(pointer), "%s/%s", prefix, key);
		snprintf(below, sizeof(below), "%s", pointer);
		if (json_object_get(harmless, pointer) || strcmp(key, "address") == 0 ||
		    binds_nothing(pointer, value))
			continue;
		if (strcmp(prefix, "/host") == 0 && json_is_object(value))
			forget_each(facts, address, below, value, count);
		if (strncmp(pointer, "/sibling/", 9) == 0) {
			char own[128];

			snprintf(own, sizeof(own), "/device/%s", key);
			if (json_object_get(harmless, own))
				continue;
		}
		open_case(&c, facts, address);
		holder = case_holder(&c, pointer, last);
		assert_non_null(holder);
		json_object_del(holder, last);
		(*count)++;
		entry = readiness_evaluate(&c.host, c.facts, true, NULL);
		if (entry && strcmp(verdict_of(entry, address), "ready") == 0)
			fail_msg("%s: ready without %s", address, pointer);
		json_decref(entry); /* without its ids a device makes the facts malformed */
		case_close(&c);
	}
}

static void forget_all(const json_t *facts, const char *address)
{
	size_t count = 0;
	const char *rest;
	struct check_case c;
	json_t *sibling;

	open_case(&c, facts, address);
	forget_each(facts, address, "/host", json_object_get(facts, "host"), &count);
	forget_each(facts, address, "/device", case_find(&c, address), &count);
	sibling = case_base(&c, "/sibling/driver", &rest);
	if (sibling)
		forget_each(facts, address, "/sibling", sibling, &count);
	case_close(&c);
	assert_true(count > 20);
}

static void test_no_fact_is_taken_for_granted(void **state)
{
	(void)state;
	assert_true(each_ready(forget_all) > 10);
}

/* What warns and never gates is a short list, and each says why. */
static void test_advice_is_explained(void **state)
{
	const json_t *rule;
	size_t i, advice = 0;

	(void)state;
	json_array_foreach(published, i, rule)
	{
		bool gates = strcmp(json_text(rule, "effect"), "verdict") == 0 &&
		             strcmp(json_text(rule, "unknown"), "not ready") == 0;

		if (!gates && !*json_text(rule, "why"))
			fail_msg("%s does not gate, and does not say why", json_text(rule, "id"));
		advice += strcmp(json_text(rule, "effect"), "advice") == 0;
	}
	assert_true(advice <= 5);
}

/* docs/checks.json is what the table says. */
static void test_published_list(void **state)
{
	json_t *list = readiness_check_list();

	(void)state;
	if (!json_equal(list, published))
		fail_msg("docs/checks.json is not what controller/readiness/check_table.c says: "
		         "`test_check_cases --list >docs/checks.json`");
	json_decref(list);
}

/* The report's schema knows every id, and no other. */
static void test_schema_ids(void **state)
{
	json_t *schema = cases_load("controller/report/report.schema.json");
	const json_t *ids =
	    json_object_get(json_object_get(json_object_get(schema, "$defs"), "check_id"), "enum");
	const json_t *rule;
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(ids), json_array_size(published));
	json_array_foreach(published, i, rule)
	    assert_string_equal(json_string_value(json_array_get(ids, i)), json_text(rule, "id"));
	json_decref(schema);
}

/* docs/checks.md has a section for every check, and no other. */
static void test_documented_ids(void **state)
{
	char path[512], line[512];
	size_t found = 0;
	FILE *in;

	(void)state;
	snprintf(path, sizeof(path), "%s/docs/checks.md", TEST_SOURCE_DIR);
	in = fopen(path, "r");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in)) {
		bool known = false, marked;
		const json_t *rule;
		char *end;
		size_t i;

		if (strncmp(line, "### `", 5) != 0)
			continue;
		end = strchr(line + 5, '`');
		assert_non_null(end);
		*end = '\0';
		marked = strstr(end + 1, "\u00b0") != NULL;
		json_array_foreach(published, i, rule)
		{
			if (strcmp(json_text(rule, "id"), line + 5) != 0)
				continue;
			known = true;
			if (marked != (strcmp(json_text(rule, "unknown"), "not ready") == 0))
				fail_msg("docs/checks.md and the list differ on what an unknown "
				         "%s means",
				         line + 5);
		}
		if (!known)
			fail_msg("docs/checks.md describes %s, which does not exist", line + 5);
		found++;
	}
	fclose(in);
	assert_int_equal(found, json_array_size(published));
}

static int print_list(void)
{
	const json_t *rule;
	json_t *list = readiness_check_list();
	size_t i;

	json_array_foreach(list, i, rule)
	{
		char *text = json_dumps(rule, JSON_ENSURE_ASCII);

		printf("%s%s", i ? ",\n " : "[\n ", text);
		free(text);
	}
	printf("\n]\n");
	json_decref(list);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_published_list),
	    cmocka_unit_test(test_documented_ids),
	    cmocka_unit_test(test_schema_ids),
	    cmocka_unit_test(test_every_check_has_cases),
	    cmocka_unit_test(test_advice_is_explained),
	    cmocka_unit_test(test_no_wrong_ready),
	    cmocka_unit_test(test_no_fact_is_taken_for_granted),
	};
	json_t *file;
	int failed;

	if (argc > 1 && strcmp(argv[1], "--list") == 0)
		return print_list();
	file = cases_load("tests/unit/checks/cases.json");
	cases = json_object_get(file, "cases");
	harmless = json_object_get(file, "harmless");
	published = cases_load("docs/checks.json");
	machines = cases_load("tests/vm/cases.json");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(machines);
	json_decref(published);
	json_decref(file);
	return failed;
}
