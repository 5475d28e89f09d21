/* test_check_trees.c: from /sys and /proc to a verdict: a host's root directory in which a card is
 * ready, and for every published check that the agent's facts decide one change of it (trees.json)
 * after which it fails and the card is no more ready.
 */
#include <ftw.h>

#include "tests/unit/agent_root.h"
#include "tests/unit/check_cases.h"

#include "node-agent/facts/facts.h"
#include "node-agent/wire/json_text.h"

#define CARD "0000:01:00.0"

static json_t *published, *trees;

/* A file whose first bytes are NUL-terminated text would end early: sizes count. */
static void write_text(const struct root *root, const char *path, const json_t *text)
{
	agent_root_bytes(root, path, json_string_value(text), json_string_length(text));
	if (strncmp(json_string_value(text), "#!", 2) == 0)
		assert_int_equal(chmod(root_path(root, path).text, 0755), 0);
}

/* {"size": 4096, "bytes": {"256": "0d000100"}}: a configuration space. */
static void write_bytes(const struct root *root, const char *path, const json_t *value)
{
	size_t size = (size_t)json_integer_value(json_object_get(value, "size"));
	unsigned char *data = calloc(size, 1);
	const char *at;
	json_t *hex;
	json_object_foreach(json_object_get(value, "bytes"), at, hex)
	{
		const char *text = json_string_value(hex);
		size_t offset = (size_t)atoi(at);
		for (; text[0] && text[1]; text += 2) {
			unsigned byte;
			assert_int_equal(sscanf(text, "%2x", &byte), 1);
			assert_true(offset < size);
			data[offset++] = (unsigned char)byte;
		}
	}
	agent_root_bytes(root, path, data, size);
	free(data);
}

static void make_link(const struct root *root, const char *path, const char *target)
{
	unlink(root_path(root, path).text);
	agent_root_link(root, path, target);
}

static void make_tree(const struct root *root, const json_t *tree)
{
	const char *path;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)tree, path, value)
	{
		const char *link = json_string_value(json_object_get(value, "link"));
		if (json_is_string(value))
			write_text(root, path, value);
		else if (link)
			make_link(root, path, link);
		else
			write_bytes(root, path, value);
	}
}

static int remove_each(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void make_change(const struct root *root, const json_t *change)
{
	const char *path;
	json_t *value;
	size_t i;
	json_array_foreach(json_object_get(change, "remove"), i, value)
	    assert_int_equal(nftw(root_path(root, json_string_value(value)).text, remove_each, 16,
	                          FTW_DEPTH | FTW_PHYS),
	                     0);
	make_tree(root, json_object_get(change, "tree"));
	make_tree(root, json_object_get(change, "write"));
	json_object_foreach(json_object_get(change, "link"), path, value)
	    make_link(root, path, json_string_value(value));
	/* With the groups every device's link to one goes. */
	if (!root_exists(root, "/sys/kernel/iommu_groups")) {
		static const char *const devices[] = {"0000:00:01.0", "0000:01:00.0",
		                                      "0000:01:00.1", "0000:00:1f.6"};
		for (i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
			unlink(root_pathf(root, "/sys/bus/pci/devices/%s/iommu_group", devices[i])
			           .text);
	}
}

/* The verdict of the card, and the worst status of check ID. */
static void judge(const struct root *root, const json_t *change, const char *id, char verdict[16],
                  char status[16])
{
	static const char *const order[] = {"", "pass", "warn", "unknown", "fail"};
	struct gf_err err = {.code = GF_OK};
	struct check_case c;
	const json_t *item;
	size_t i, worst = 0;
	json_t *facts = facts_collect(root, &err);
	if (!facts)
		fail_msg("%s", err.msg);
	case_open(&c, facts, CARD);
	case_gpu(&c, json_object_get(change, "gpu"));
	if (json_object_get(change, "except"))
		case_except(&c, json_text(change, "except"));
	json_t *entry = readiness_evaluate(&c.host, c.facts, true, &err);
	if (!entry)
		fail_msg("%s", err.msg);
	snprintf(verdict, 16, "%s", json_text(facts_device(entry, "devices", CARD), "verdict"));
	json_array_foreach(json_object_get(entry, "checks"), i, item)
	{
		const char *about = json_string_value(json_object_get(item, "device"));
		if (strcmp(json_text(item, "id"), id) != 0 || (about && strcmp(about, CARD) != 0))
			continue;
		for (size_t k = worst; k < 5; k++)
			if (strcmp(json_text(item, "status"), order[k]) == 0)
				worst = k;
	}
	snprintf(status, 16, "%s", order[worst]);
	json_decref(entry);
	case_close(&c);
	json_decref(facts);
}

static void expect_base(const struct root *root, const json_t *rule)
{
	char verdict[16], status[16];
	const char *id = json_text(rule, "id");
	judge(root, NULL, id, verdict, status);
	if (strcmp(verdict, "ready") != 0)
		fail_msg("the tree's card is \"%s\"", verdict);
	if (strcmp(status, "pass") != 0)
		fail_msg("%s does not pass on the tree: \"%s\"", id, status);
}

static void expect_changed(const struct root *root, const json_t *rule, const json_t *change)
{
	char verdict[16], status[16];
	const char *id = json_text(rule, "id");
	bool advice = strcmp(json_text(rule, "effect"), "advice") == 0;
	make_change(root, change);
	judge(root, change, id, verdict, status);
	if (strcmp(status, advice ? "warn" : "fail") != 0)
		fail_msg("%s without its precondition: \"%s\", the card \"%s\"", id, status,
		         verdict);
	if ((strcmp(verdict, "ready") == 0) != advice)
		fail_msg("%s without its precondition: the card is \"%s\"", id, verdict);
}

/* Every published check, each on a fresh root. */
static void test_every_check(void **state)
{
	const json_t *rule;
	size_t i;
	(void)state;
	json_array_foreach(published, i, rule)
	{
		const char *id = json_text(rule, "id");
		const json_t *change = json_object_get(json_object_get(trees, "cases"), id);
		void *own = NULL;
		if (strcmp(json_text(rule, "effect"), "nova") == 0 ||
		    json_object_get(json_object_get(trees, "without"), id))
			continue;
		if (!change)
			fail_msg("%s has no tree in tests/unit/checks/trees.json", id);
		agent_root_setup(&own);
		const struct root *root = &((struct agent *)own)->root;
		make_tree(root, json_object_get(trees, "base"));
		expect_base(root, rule);
		expect_changed(root, rule, change);
		agent_root_teardown(&own);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_check)};
	int failed;
	trees = cases_load("tests/unit/checks/trees.json");
	published = cases_load("docs/checks.json");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(trees);
	json_decref(published);
	return failed;
}
