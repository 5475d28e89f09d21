/* test_operation.c: operations by themselves: ids, once only, events, states. */
#include "tests/unit/agent_root.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <time.h>

static json_t *request(const char *name, const char *argv0)
{
	return json_pack("{s:s,s:{s:s,s:[]},s:{s:s,s:s,s:[{s:s,s:s,s:[s]}]}}", "request", name,
	                 "context", "run", "r1", "wanted", "stage", "name", "host", "reboot",
	                 "never", "tasks", "type", "command", "name", "a command", "argv", argv0);
}

static bool count_event(void *ctx, const json_t *event)
{
	int *count = ctx;
	assert_int_equal(json_integer_value(json_object_get(event, "seq")), *count + 1);
	++*count;
	return true;
}

static bool always_alive(void *ctx)
{
	(void)ctx;
	return true;
}

static void test_ids(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "",         ".",
	    "..",       "-x",
	    ".hidden",  "a/b",
	    "a b",      "a\n",
	    "\xc3\xbc", "12345678901234567890123456789012345678901234567890123456789012345"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(operation_id_valid(bad[i]));
	assert_true(operation_id_valid("run-1.host_A..2"));
}

static void test_create_once(void **state)
{
	struct agent *agent = *state;
	bool created;
	json_t *asked = request("apply", "true");
	assert_int_equal(operation_create(agent, "op1", asked, &created, NULL), 0);
	assert_true(created);
	assert_int_equal(operation_create(agent, "op1", asked, &created, NULL), 0);
	assert_false(created);
	struct gf_err err;
	assert_int_equal(operation_create(agent, "../op", asked, &created, &err), -1);
	assert_int_equal(err.code, GF_E_INPUT);
	assert_int_equal(operation_create(agent, "aa", asked, &created, NULL), 0);
	/* By number, not by name. */
	json_t *list = operation_list(agent, NULL);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(list, 0), "operation")), "op1");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "stage")),
	                    "host");
	json_decref(list);
	json_decref(asked);
}

static void test_states(void **state)
{
	struct agent *agent = *state;
	bool created;
	enum operation_state now;
	json_t *asked = request("apply", "true"), *result;
	struct gf_err err;
	assert_int_equal(operation_look(agent, "op1", &now, NULL, &err), -1);
	assert_int_equal(err.code, GF_E_INPUT);
	assert_int_equal(operation_create(agent, "op1", asked, &created, NULL), 0);
	assert_int_equal(operation_look(agent, "op1", &now, &result, NULL), 0);
	assert_int_equal(now, OPERATION_STARTING);
	assert_null(result);
	/* Begun and held. */
	int lock =
	    open(operation_path(agent, "op1", "lock").text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(write(lock, "1\n", 2), 2);
	assert_int_equal(operation_look(agent, "op1", &now, &result, NULL), 0);
	assert_int_equal(now, OPERATION_RUNNING);
	char id[OPERATION_ID_MAX + 1];
	assert_true(operation_running(agent, NULL, id));
	assert_string_equal(id, "op1");
	assert_false(operation_running(agent, "another run", id));
	/* Its holder is gone. */
	close(lock);
	assert_int_equal(operation_look(agent, "op1", &now, &result, NULL), 0);
	assert_int_equal(now, OPERATION_UNKNOWN);
	assert_string_equal(json_string_value(json_object_get(result, "state")), "unknown");
	json_decref(result);
	/* Nobody begins it again. */
	assert_int_equal(operation_work(agent, "op1", -1), 1);
	assert_int_equal(access(operation_path(agent, "op1", "events.jsonl").text, F_OK), -1);
	json_decref(asked);
}

static void test_start_and_follow(void **state)
{
	struct agent *agent = *state;
	bool created;
	int events = 0;
	agent_root_script(&agent->root, "/usr/bin/work",
	                  "#!/bin/sh\necho x >>\"$GPUFLEET_SYSROOT/n\"\n");
	json_t *asked = request("apply", "work");
	assert_int_equal(operation_create(agent, "op1", asked, &created, NULL), 0);
	assert_int_equal(operation_start(agent, "op1", NULL), 0);
	struct operation_follower follower = {count_event, always_alive, &events};
	json_t *result = operation_follow(agent, "op1", 1, &follower, NULL);
	assert_string_equal(json_string_value(json_object_get(result, "state")), "done");
	assert_true(events > 0);
	json_decref(result);
	/* Only from the event that was asked for. */
	int before = events;
	result = operation_follow(agent, "op1", before + 1, &follower, NULL);
	assert_int_equal(events, before);
	json_decref(result);
	json_decref(asked);
}

static void test_bad_requests(void **state)
{
	struct agent *agent = *state;
	bool created;
	enum operation_state now;
	json_t *result,
	    *asked = json_pack("{s:s,s:i,s:s}", "request", "apply", "stage", 1, "context", "x");
	assert_int_equal(operation_create(agent, "op1", asked, &created, NULL), 0);
	assert_int_equal(operation_work(agent, "op1", -1), 1);
	assert_int_equal(operation_look(agent, "op1", &now, &result, NULL), 0);
	assert_int_equal(now, OPERATION_FAILED);
	assert_string_equal(json_string_value(json_object_get(result, "code")), "input");
	json_decref(result);
	json_decref(asked);
}

/* What a crash or a full disk may leave. */
static void test_broken_files(void **state)
{
	struct agent *agent = *state;
	bool created;
	enum operation_state now;
	json_t *asked = request("apply", "true"), *result;
	assert_int_equal(operation_create(agent, "op1", asked, &created, NULL), 0);
	json_decref(asked);
	agent_root_file(&agent->root, "/var/lib/gpufleet/operations/op1/result.json", "{\"sta");
	agent_root_file(&agent->root, "/var/lib/gpufleet/operations/op1/lock", "1\n");
	agent_root_file(&agent->root, "/var/lib/gpufleet/operations/op1/events.jsonl",
	                "{\"seq\":1}\n{\"seq\":2}\n{\"se");
	int events = 0;
	struct operation_follower follower = {count_event, always_alive, &events};
	result = operation_follow(agent, "op1", 1, &follower, NULL);
	assert_string_equal(json_string_value(json_object_get(result, "state")), "unknown");
	assert_int_equal(events, 2);
	json_decref(result);
	agent_root_file(&agent->root, "/var/lib/gpufleet/operations/op1/request.json", "[]");
	struct gf_err err;
	assert_int_equal(operation_look(agent, "op1", &now, NULL, &err), -1);
	assert_int_equal(err.code, GF_E_PROTOCOL);
	assert_json(operation_list(agent, NULL), "[]");
}

/* Its request is old and no worker came: it was given up, and one that comes late must not begin.
 */
static void test_late_worker(void **state)
{
	struct agent *agent = *state;
	bool created;
	enum operation_state now;
	json_t *asked = request("apply", "true"), *result;
	assert_int_equal(operation_create(agent, "op1", asked, &created, NULL), 0);
	json_decref(asked);
	struct timespec old[2] = {{.tv_sec = time(NULL) - 60}, {.tv_sec = time(NULL) - 60}};
	assert_int_equal(
	    utimensat(AT_FDCWD, operation_path(agent, "op1", "request.json").text, old, 0), 0);
	assert_int_equal(operation_look(agent, "op1", &now, &result, NULL), 0);
	assert_int_equal(now, OPERATION_UNKNOWN);
	json_decref(result);
	assert_int_equal(operation_work(agent, "op1", -1), 1);
	assert_int_equal(access(operation_path(agent, "op1", "events.jsonl").text, F_OK), -1);
	assert_int_equal(operation_look(agent, "op1", &now, NULL, NULL), 0);
	assert_int_equal(now, OPERATION_UNKNOWN);
}

/* The disk is full when the work ends: how it ended is told all the same. */
static void test_full_disk(void **state)
{
	struct agent *agent = *state;
	bool created;
	enum operation_state now;
	json_t *asked = request("apply", "fill"), *result;
	struct root_name dir = root_path(&agent->root, "/var/lib/gpufleet");
	agent_root_dirs(&agent->root, "/var/lib/gpufleet");
	if (geteuid() != 0 || mount("gpufleet-test", dir.text, "tmpfs", 0, "size=256k") != 0) {
		json_decref(asked);
		skip();
	}
	agent_root_script(&agent->root, "/usr/bin/fill",
	                  "#!/bin/sh\ncat /dev/zero >$GPUFLEET_SYSROOT/var/lib/gpufleet/fill\n"
	                  "echo no room; exit 3\n");
	int failed = operation_create(agent, "op1", asked, &created, NULL);
	json_decref(asked);
	int status = operation_work(agent, "op1", -1);
	int looked = operation_look(agent, "op1", &now, &result, NULL);
	umount(dir.text);
	assert_int_equal(failed, 0);
	assert_int_equal(status, 1);
	assert_int_equal(looked, 0);
	assert_int_equal(now, OPERATION_FAILED);
	assert_non_null(strstr(json_string_value(json_object_get(result, "message")), "no room"));
	json_decref(result);
}

/* An event that was cut short does not take the next one with it. */
static void test_torn_event(void **state)
{
	struct agent *agent = *state;
	struct operation_journal journal;
	char path[PATH_MAX + 16], text[512] = "";
	static char long_text[300 << 10];
	json_t *small = json_pack("{s:s}", "a", "b"), *large;
	snprintf(path, sizeof(path), "%s/mnt", agent->root.path);
	assert_int_equal(mkdir(path, 0755), 0);
	if (geteuid() != 0 || mount("gpufleet-test", path, "tmpfs", 0, "size=64k") != 0) {
		json_decref(small);
		skip();
	}
	memset(long_text, 'x', sizeof(long_text) - 1);
	large = json_pack("{s:s}", "a", long_text);
	strcat(path, "/events.jsonl");
	int opened = journal_open(&journal, path, NULL);
	int first = journal_append(&journal, small, NULL);
	int second = journal_append(&journal, large, NULL);
	/* Room again. */
	struct stat st;
	int cut = stat(path, &st) == 0 ? truncate(path, 100) : -1;
	int third = journal_append(&journal, small, NULL);
	journal_close(&journal);
	FILE *file = fopen(path, "r");
	bool found = false;
	while (fgets(text, sizeof(text), file))
		found |= strncmp(text, "{\"seq\":2", 8) == 0 && strstr(text, "\"a\":\"b\"") &&
		         !strchr(text + 1, '{');
	fclose(file);
	*strrchr(path, '/') = '\0';
	umount(path);
	json_decref(small);
	json_decref(large);
	assert_int_equal(opened | first | cut | third, 0);
	assert_int_equal(second, -1);
	assert_true(found);
}

static void test_purge(void **state)
{
	struct agent *agent = *state;
	bool created;
	json_t *asked = request("apply", "true");
	assert_int_equal(operation_create(agent, "op1", asked, &created, NULL), 0);
	assert_int_equal(operation_create(agent, "op2", asked, &created, NULL), 0);
	agent_root_file(&agent->root, "/opt/gpufleet/agent/abc/ld.so", "x");
	agent_root_file(&agent->root, "/opt/other", "x");
	operation_purge(agent, "op2");
	assert_false(root_exists(&agent->root, "/opt/gpufleet"));
	assert_false(root_exists(&agent->root, "/var/lib/gpufleet/operations/op1"));
	assert_true(root_exists(&agent->root, "/var/lib/gpufleet/operations/op2"));
	operation_purge(agent, NULL);
	assert_false(root_exists(&agent->root, "/var/lib/gpufleet"));
	assert_true(root_exists(&agent->root, "/opt/other"));
	json_decref(asked);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_root_setup, agent_root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_ids), TEST(test_create_once),
	                                   TEST(test_states),          TEST(test_start_and_follow),
	                                   TEST(test_bad_requests),    TEST(test_broken_files),
	                                   TEST(test_late_worker),     TEST(test_full_disk),
	                                   TEST(test_torn_event),      TEST(test_purge)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
