/* Inventories: what each section gives a host, selection, the JSON form, and every malformed file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "inventory/inventory_fields.h"
#include "inventory/inventory_json.h"
#include "inventory/nodeset.h"
#include "tests/unit/bad_inputs.h"

#define HEAD "{\"version\": 1, \"fleet\": \"lab\", "

static struct inventory *parsed(const char *text)
{
	struct gf_err err = {0};
	struct inventory *inventory = inventory_parse("dir/f.json", text, strlen(text), &err);
	if (!inventory)
		fail_msg("%s", err.msg);
	return inventory;
}

static const struct inventory_host *host(const struct inventory *inventory, const char *name)
{
	const struct inventory_host *found = inventory_host_find(inventory, name);
	assert_non_null(found);
	return found;
}

static bool inventory_taken(const char *path, struct gf_err *err)
{
	struct inventory *inventory = inventory_read(path, err);
	inventory_free(inventory);
	return inventory;
}

static void bad_inputs(void **state)
{
	size_t wrong;
	(void)state;
	size_t seen = bad_inputs_walk(TEST_SOURCE_DIR "/tests/unit/bad-inputs/inventory",
	                              inventory_taken, &wrong);
	assert_int_equal(wrong, 0);
	assert_true(seen >= 100);
}

static void defaults(void **state)
{
	(void)state;
	struct inventory *inventory =
	    parsed(HEAD "\"groups\": {\"a\": {\"hosts\": [\"gpu[1-12]\"]}}}");
	assert_int_equal(inventory->host_count, 12);
	assert_string_equal(inventory->hosts[9].name, "gpu10"); /* natural order */
	assert_string_equal(inventory->playbook, "gpu-passthrough");
	const struct inventory_host *gpu2 = host(inventory, "gpu2");
	assert_string_equal(gpu2->address, "gpu2");
	assert_null(gpu2->user);
	assert_int_equal(gpu2->port, 0);
	assert_int_equal(gpu2->host_keys, HOST_KEYS_STRICT);
	assert_int_equal(gpu2->become, BECOME_NONE);
	assert_int_equal(gpu2->role, ROLE_COMPUTE);
	assert_false(gpu2->gpus.given);
	assert_null(inventory_host_find(inventory, "gpu02"));
	const struct inventory_rollout *rollout = &inventory->rollout;
	assert_int_equal(rollout->wave_count, 3);
	assert_true(rollout->waves[1].percent && rollout->waves[1].value == 10);
	assert_int_equal(rollout->max_unavailable, 1);
	assert_int_equal(rollout->max_failures, 0);
	assert_int_equal(rollout->boot_timeout_s, 1800);
	assert_int_equal(rollout->confirm_timeout_s, 600);
	inventory_free(inventory);
}

static void precedence(void **state)
{
	(void)state;
	struct inventory *inventory = parsed(
	    HEAD
	    "\"defaults\": {\"user\": \"d\", \"port\": 1, \"become\": \"sudo\", \"jump\": \"gate\","
	    " \"kernel_args\": {\"add\": [\"a=1\"]}},"
	    "\"groups\": {\"a\": {\"hosts\": [\"h[1-2]\"], \"user\": \"g\", \"port\": 2,"
	    "   \"kernel_args\": {\"add\": [\"b=1\"], \"remove\": [\"quiet\"]}},"
	    "  \"b\": {\"hosts\": [\"@a\", \"h3\", \"c1\"], \"port\": 2, \"domain\": \"r\"},"
	    "  \"c\": {\"hosts\": [\"c1\"], \"role\": \"control\", \"user\": \"c\"}},"
	    "\"hosts\": {\"h1\": {\"user\": \"h\", \"address\": \"192.0.2.1\", \"become\": "
	    "\"none\"}}}");
	const struct inventory_host *h1 = host(inventory, "h1"), *h2 = host(inventory, "h2"),
	                            *h3 = host(inventory, "h3"), *c1 = host(inventory, "c1");
	assert_string_equal(h1->user, "h");
	assert_string_equal(h2->user, "g");
	assert_string_equal(h3->user, "d");
	assert_string_equal(c1->user, "c");
	assert_int_equal(h1->port, 2);
	assert_int_equal(h3->port, 2);
	assert_int_equal(h1->become, BECOME_NONE);
	assert_int_equal(h2->become, BECOME_SUDO);
	assert_string_equal(h1->address, "192.0.2.1");
	assert_string_equal(h1->jump, "gate");
	assert_string_equal(h1->domain, "r");
	assert_int_equal(c1->role, ROLE_CONTROL);
	assert_int_equal(h1->role, ROLE_COMPUTE);
	assert_int_equal(h1->groups->count, 2);
	assert_string_equal(h1->groups->items[1], "b");
	/* kernel_args is one setting: the nearest one counts as a whole. */
	assert_string_equal(h1->kernel_args_add.items[0], "b=1");
	assert_int_equal(h1->kernel_args_remove.count, 1);
	assert_string_equal(h3->kernel_args_add.items[0], "a=1");
	inventory_free(inventory);
}

/* What a host says itself settles a disagreement between its groups. */
static void host_settles_groups(void **state)
{
	(void)state;
	struct inventory *inventory =
	    parsed(HEAD "\"groups\": {\"a\": {\"hosts\": [\"h1\"], \"user\": \"x\"},"
	                "\"b\": {\"hosts\": [\"h1\"], \"user\": \"y\"}}, \"hosts\": {\"h1\": "
	                "{\"user\": \"z\"}}}");
	assert_string_equal(host(inventory, "h1")->user, "z");
	inventory_free(inventory);
}

static void gpus(void **state)
{
	(void)state;
	struct inventory *inventory = parsed(
	    HEAD
	    "\"gpus\": [{\"alias\": \"f\", \"vendor\": \"10DE\", \"device\": \"1B06\","
	    " \"except\": [\"01:00.0\"], \"managed\": false}],"
	    "\"groups\": {\"a\": {\"hosts\": [\"h[1-3]\"]},"
	    " \"b\": {\"hosts\": [\"h3\"], \"gpus\": [{\"alias\": \"g\", \"class\": \"0300\"}]}},"
	    "\"hosts\": {\"h1\": {\"gpus\": [{\"alias\": \"o\", \"address\": \"0A:00.0\"}]},"
	    " \"h2\": {\"gpus\": []}}}");
	const struct inventory_host *h1 = host(inventory, "h1"), *h2 = host(inventory, "h2"),
	                            *h3 = host(inventory, "h3");
	assert_int_equal(h1->gpus.count, 1); /* its own list replaces the inherited one */
	assert_string_equal(h1->gpus.items[0].address, "0000:0a:00.0");
	assert_true(h2->gpus.given);
	assert_int_equal(h2->gpus.count, 0);
	assert_string_equal(h3->gpus.items[0].class_code, "0300");
	assert_int_equal(h3->gpus.items[0].managed, -1);
	assert_string_equal(inventory->gpus.items[0].vendor, "10de");
	assert_string_equal(inventory->gpus.items[0].device, "1b06");
	assert_string_equal(inventory->gpus.items[0].except.items[0], "0000:01:00.0");
	assert_int_equal(inventory->gpus.items[0].managed, 0);
	inventory_free(inventory);
}

static void paths(void **state)
{
	(void)state;
	setenv("HOME", "/home/me", 1);
	struct inventory *inventory = parsed(
	    HEAD "\"playbook\": \"./own.json\", \"defaults\": {\"identity_file\": \"~/.ssh/id\","
	         "\"known_hosts\": \"/etc/k\"}, \"groups\": {\"a\": {\"hosts\": [\"h\"]}}}");
	assert_string_equal(inventory->playbook, "dir/./own.json");
	assert_string_equal(inventory->hosts[0].identity_file, "/home/me/.ssh/id");
	assert_string_equal(inventory->hosts[0].known_hosts, "/etc/k");
	inventory_free(inventory);
	/* gpufleet may be started anywhere. */
	inventory =
	    parsed(HEAD "\"defaults\": {\"identity_file\": \"keys/id\", \"known_hosts\": \"k\"},"
	                "\"groups\": {\"a\": {\"hosts\": [\"h\"]}}}");
	assert_string_equal(inventory->hosts[0].identity_file, "dir/keys/id");
	assert_string_equal(inventory->hosts[0].known_hosts, "dir/k");
	inventory_free(inventory);
}

/* What thousands of hosts have in common is in memory once, also what they came to one by one. */
static void common_texts(void **state)
{
	(void)state;
	struct inventory *inventory =
	    parsed(HEAD "\"defaults\": {\"known_hosts\": \"k\", \"jump\": \"j\"}, \"groups\": {"
	                "\"a\": {\"hosts\": [\"h[1-2]\"], \"user\": \"u\"}},"
	                "\"hosts\": {\"h1\": {\"domain\": \"d\"}, \"h2\": {\"domain\": \"d\", "
	                "\"jump\": \"other\"}}}");
	struct inventory_host *first = &inventory->hosts[0], *second = &inventory->hosts[1];
	assert_string_equal(second->known_hosts, "dir/k");
	assert_ptr_equal(first->known_hosts, second->known_hosts);
	assert_ptr_equal(first->user, second->user);
	assert_ptr_equal(first->groups, second->groups);
	assert_string_equal(first->groups->items[0], "a");
	assert_ptr_not_equal(first->domain, second->domain);
	setting_texts_share(first, second);
	assert_ptr_equal(first->domain, second->domain);
	assert_string_equal(first->jump, "j");
	assert_string_equal(second->jump, "other");
	assert_null(second->identity_file);
	host_clear(first); /* the other one's stay */
	assert_string_equal(second->domain, "d");
	assert_string_equal(second->user, "u");
	inventory_free(inventory);
}

static void rollout(void **state)
{
	(void)state;
	struct inventory *inventory = parsed(
	    HEAD "\"groups\": {\"a\": {\"hosts\": [\"h\"]}}, \"rollout\": {\"waves\": [2, \"50%\"],"
	         "\"max_unavailable\": \"25%\", \"max_failures\": 3, \"per_domain\": 1,"
	         "\"drain\": [\"/bin/drain\", \"--now\"], \"boot_timeout\": \"90s\","
	         "\"confirm_timeout\": \"2h\","
	         "\"windows\": [{\"days\": [\"sat\"], \"from\": \"22:00\", \"to\": \"04:00\"}]}}");
	const struct inventory_rollout *r = &inventory->rollout;
	assert_int_equal(r->wave_count, 2);
	assert_false(r->waves[0].percent);
	assert_true(r->max_unavailable_percent && r->max_unavailable == 25);
	assert_int_equal(r->max_failures, 3);
	assert_int_equal(r->drain.count, 2);
	assert_int_equal(r->boot_timeout_s, 90);
	assert_int_equal(r->confirm_timeout_s, 7200);
	assert_int_equal(r->window_count, 1);
	assert_int_equal(r->windows[0].days, 1 << 5);
	assert_int_equal(r->windows[0].from, 22 * 60);
	assert_int_equal(r->windows[0].to, 4 * 60);
	assert_null(r->windows[0].tz);
	inventory_free(inventory);
}

static void assert_selects(const struct inventory *inventory, const char *limit,
                           const char *expected)
{
	size_t *indexes, count;
	struct gf_err err = {0};
	if (inventory_select(inventory, limit, &indexes, &count, &err) < 0) {
		assert_string_equal(err.msg, expected);
		assert_int_equal(err.code, GF_E_USAGE);
		return;
	}
	const char **names = calloc(count, sizeof(*names));
	for (size_t i = 0; i < count; i++)
		names[i] = inventory->hosts[indexes[i]].name;
	char *folded = nodeset_fold(names, count);
	assert_string_equal(folded, expected);
	free(folded);
	free(names);
	free(indexes);
}

static void selects(void **state)
{
	(void)state;
	struct inventory *inventory =
	    parsed(HEAD "\"groups\": {\"rack1\": {\"hosts\": [\"gpu[01-04]\"]},"
	                "\"ctl\": {\"role\": \"control\", \"hosts\": [\"ctl1\"]}}}");
	assert_selects(inventory, NULL, "ctl1,gpu[01-04]");
	assert_selects(inventory, "gpu03,gpu01", "gpu[01,03]");
	assert_selects(inventory, "@rack1,!gpu02", "gpu[01,03-04]");
	assert_selects(inventory, "!@rack1", "ctl1");
	assert_selects(inventory, "!gpu[01,02] !ctl1", "gpu[03-04]");
	assert_selects(inventory, "!gpu01,gpu[01-02]", "gpu02");
	assert_selects(inventory, "@*", "ctl1,gpu[01-04]");
	assert_selects(inventory, "gpu5",
	               "--limit: dir/f.json has no host \"gpu5\"; did you mean \"gpu01\"?");
	assert_selects(inventory, "database", "--limit: dir/f.json has no host \"database\"");
	assert_selects(
	    inventory, "@rack2",
	    "--limit, character 1: dir/f.json has no group \"rack2\"; did you mean \"@rack1\"?");
	assert_selects(inventory, "gpu01,!gpu01",
	               "--limit selects no host; see `gpufleet check dir/f.json --json`");
	assert_selects(inventory, "",
	               "--limit selects no host; see `gpufleet check dir/f.json --json`");
	assert_selects(inventory, "gpu[",
	               "--limit, character 5: a number is missing here; write ranges "
	               "as [01-16,20]");
	inventory_free(inventory);
}

static void json(void **state)
{
	(void)state;
	struct gf_err err = {0};
	struct inventory *inventory =
	    inventory_read(TEST_SOURCE_DIR "/inventory/examples/racks.json", &err);
	if (!inventory) {
		fail_msg("%s", err.msg);
		return;
	}
	json_t *gpu02 = inventory_host_json(host(inventory, "gpu02"));
	assert_string_equal(json_string_value(json_object_get(gpu02, "address")), "2001:db8::2");
	assert_string_equal(json_string_value(json_object_get(gpu02, "become")), "sudo");
	assert_int_equal(json_array_size(json_object_get(gpu02, "gpus")), 1);
	assert_int_equal(json_array_size(json_object_get(gpu02, "groups")), 2);
	json_decref(gpu02);
	for (size_t i = 0; i < inventory->host_count; i++) {
		json_t *object = inventory_host_json(&inventory->hosts[i]);
		assert_true(json_is_object(object));
		json_decref(object);
	}
	inventory_free(inventory);
}

/* The largest fleet that is taken, and one whose groups name hosts again and again: seconds, not
 * minutes. */
static void large(void **state)
{
	struct timespec start, end;
	struct gf_err err = {0};
	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &start);
	struct inventory *inventory =
	    parsed(HEAD "\"groups\": {\"a\": {\"hosts\": [\"gpu[1-100000]\"], \"user\": \"x\"}}}");
	assert_int_equal(inventory->host_count, NODESET_MAX);
	inventory_free(inventory);

	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	fputs(HEAD "\"groups\": {\"a\": {\"hosts\": [\"gpu[1-100000]\"]}", out);
	for (int i = 0; i < 1000; i++)
		fprintf(out, ", \"g%d\": {\"hosts\": [\"@a\"]}", i);
	fputs("}}", out);
	fclose(out);
	assert_null(inventory_parse("f.json", text, size, &err));
	assert_non_null(strstr(err.msg, "all groups together name more than 500000 hosts"));
	free(text);

	out = open_memstream(&text, &size);
	fputs(HEAD "\"groups\": {\"a\": {\"hosts\": [\"x\"", out);
	for (int i = 0; i < 1000; i++)
		fputs(", \"gpu[1-50000]\"", out);
	fputs("]}}}", out);
	fclose(out);
	assert_null(inventory_parse("f.json", text, size, &err));
	assert_non_null(strstr(err.msg, "the node set stands for more than 100000 hosts"));
	free(text);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - start.tv_sec < 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bad_inputs),   cmocka_unit_test(defaults),
	    cmocka_unit_test(precedence),   cmocka_unit_test(host_settles_groups),
	    cmocka_unit_test(gpus),         cmocka_unit_test(paths),
	    cmocka_unit_test(rollout),      cmocka_unit_test(selects),
	    cmocka_unit_test(json),         cmocka_unit_test(large),
	    cmocka_unit_test(common_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
