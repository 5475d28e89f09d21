/* test_store.c: what was acknowledged is there after a reopen, in order; a second writer is
 * refused. */
#include "tests/unit/store_fixture.h"

#include <pwd.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* The folders on the way to the store are not there. */
static int setup(void **state)
{
	struct fixture *f;

	fixture_setup(state);
	f = *state;
	snprintf(f->path, sizeof(f->path), "%s/deep/er/fleet.db", f->folder);
	return 0;
}

static void event_cb(void *ctx, int64_t seq, const struct gf_err *err)
{
	struct fixture *f = ctx;

	assert_true(seq > f->last_seq);
	f->last_seq = seq;
	acknowledged_cb(ctx, seq, err);
}

static void append(struct fixture *f, struct store *store, const char *run, const char *host, int n)
{
	json_t *event = json_pack("{s:s, s:i}", "type", "test", "n", n);
	assert_int_equal(store_event_append(store, run, host, event, event_cb, f, NULL), 0);
	json_decref(event);
}

static int count_each(void *ctx, const struct store_event *event)
{
	int *n = ctx;
	assert_int_equal(json_integer_value(json_object_get(event->event, "n")), *n);
	(*n)++;
	return 0;
}

static void test_events_survive_in_order(void **state)
{
	struct fixture *f = *state;
	struct gf_err err = {0};
	struct store *store = store_open(f->path, &f->loop, &err);
	assert_non_null(store);
	for (int i = 0; i < 500; i++)
		append(f, store, "run-1", i % 2 ? "gpu01" : "", i);
	fixture_wait(f, 500);
	store_close(store);

	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store = store_open(f->path, NULL, &err);
	assert_non_null(store);
	int n = 0;
	assert_int_equal(store_events_each(store, "run-1", count_each, &n, &err), 0);
	assert_int_equal(n, 500);
	n = 0;
	assert_int_equal(store_events_each(store, "other", count_each, &n, &err), 0);
	assert_int_equal(n, 0);
	char *run = store_run_last(store, &err);
	assert_string_equal(run, "run-1");
	free(run);
	store_close(store);
}

static void test_close_flushes_what_is_queued(void **state)
{
	struct fixture *f = *state;
	struct store *store = store_open(f->path, &f->loop, NULL);
	for (int i = 0; i < 50; i++)
		append(f, store, "run-2", "h", i);
	store_close(store);
	store = store_open(f->path, NULL, NULL);
	int n = 0;
	assert_int_equal(store_events_each(store, NULL, count_each, &n, NULL), 0);
	assert_int_equal(n, 50);
	store_close(store);
}

/* A lazy store waits for more before a commit, and not once somebody asks for it. */
static void test_lazy_hurries(void **state)
{
	struct fixture *f = *state;
	struct store *store = store_open(f->path, &f->loop, NULL);

	assert_int_equal(store_changes_no_host(store, NULL), 0);
	for (int i = 0; i < 20; i++) {
		append(f, store, "run-1", "h", i);
		store_hurry(store);
		fixture_wait(f, 1);
		store_hurry(store); /* nothing is waiting */
	}
	store_close(store);
}

static void test_facts_are_replaced(void **state)
{
	struct fixture *f = *state;
	struct store *store = store_open(f->path, &f->loop, NULL);
	bool found = true;
	assert_null(store_facts_get(store, "gpu01", &found, NULL));
	assert_false(found);
	for (int i = 0; i < 3; i++)
		fixture_facts_put(f, store, "run-1", "gpu01", json_pack("{s:i}", "facts", i));
	json_t *facts = store_facts_get(store, "gpu01", &found, NULL);
	assert_true(found);
	assert_int_equal(json_integer_value(json_object_get(facts, "facts")), 2);
	json_decref(facts);
	assert_null(store_expected_get(store, "gpu01", &found, NULL));
	assert_false(found);
	store_close(store);
}

/* Who holds the lock, where, and since when: another operator wants to know whom to ask. */
static void holder_is_named(const char *message)
{
	const struct passwd *user = getpwuid(getuid());
	char node[256] = "", expected[512];
	const char *since;
	int year, second;
	assert_non_null(user);
	assert_int_equal(gethostname(node, sizeof(node) - 1), 0);
	snprintf(expected, sizeof(expected), "(process %ld of %s on %s, since ", (long)getpid(),
	         user->pw_name, node);
	since = strstr(message, expected);
	assert_non_null(since);
	assert_int_equal(
	    sscanf(since + strlen(expected), "%4d-%*2d-%*2dT%*2d:%*2d:%2dZ", &year, &second), 2);
	assert_in_range(year, 2024, 9999);
}

/* The lock of a version that wrote its pid alone, and of one that has not written all yet. */
static void test_lock_says_little(void **state)
{
	static const char *const cases[][2] = {
	    {"4711\n", "(process 4711) is"},
	    {"", "(process unknown) is"},
	    {"7\nroot", "(process 7 of root) is"},
	    {"7\n\n\nnow\n", "(process 7, since now) is"},
	};
	struct fixture *f = *state;
	char lock[160];
	snprintf(lock, sizeof(lock), "%s.lock", f->path);
	struct store *store = store_open(f->path, &f->loop, NULL);
	assert_non_null(store);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gf_err err = {0};
		FILE *file = fopen(lock, "w");
		assert_non_null(file);
		fputs(cases[i][0], file);
		fclose(file);
		assert_null(store_open(f->path, &f->loop, &err));
		assert_non_null(strstr(err.msg, cases[i][1]));
	}
	store_close(store);
}

static void test_second_writer_is_refused(void **state)
{
	struct fixture *f = *state;
	struct gf_err err = {0};
	struct store *store = store_open(f->path, &f->loop, NULL);
	assert_null(store_open(f->path, &f->loop, &err));
	assert_int_equal(err.code, GF_E_STORE);
	assert_non_null(strstr(err.msg, "another gpufleet"));
	holder_is_named(err.msg);
	struct store *reader = store_open(f->path, NULL, &err);
	assert_non_null(reader);
	store_close(reader);
	store_close(store);
}

static void test_missing_and_foreign_files(void **state)
{
	struct fixture *f = *state;
	struct gf_err err = {0};
	assert_null(store_open(f->path, NULL, &err));
	assert_non_null(strstr(err.msg, "gpufleet scan"));

	char other[128];
	snprintf(other, sizeof(other), "%s/not-a-store.db", f->folder);
	FILE *file = fopen(other, "w");
	for (int i = 0; i < 1000; i++)
		fputs("this is no database\n", file);
	fclose(file);
	assert_null(store_open(other, &f->loop, &err));
	assert_int_equal(err.code, GF_E_STORE);
	assert_null(store_open(other, NULL, &err));
}

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
	char command[512];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

/* By a link it is the same store. */
static void test_link_is_the_same_store(void **state)
{
	struct fixture *f = *state;
	struct gf_err err = {0};
	char link[128];
	struct store *store = store_open(f->path, &f->loop, NULL);
	assert_non_null(store);
	snprintf(link, sizeof(link), "%s/link.db", f->folder);
	assert_int_equal(symlink(f->path, link), 0);
	assert_null(store_open(link, &f->loop, &err));
	assert_non_null(strstr(err.msg, "another gpufleet"));
	store_close(store);
}

static void sql(const char *path, const char *text)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Not one byte of what is not ours, or is too new for us, is changed. */
static void test_other_databases_are_left_alone(void **state)
{
	struct fixture *f = *state;
	struct gf_err err = {0};
	char other[128], copy[128];
	snprintf(other, sizeof(other), "%s/other.db", f->folder);
	snprintf(copy, sizeof(copy), "%s/copy.db", f->folder);
	sql(other, "CREATE TABLE songs (name TEXT)");
	shell("cp %s %s", other, copy);
	assert_null(store_open(other, &f->loop, &err));
	assert_non_null(strstr(err.msg, "another program"));
	shell("cmp -s %s %s", other, copy);
	sql(other, "PRAGMA user_version = 99");
	shell("cp %s %s", other, copy);
	assert_null(store_open(other, &f->loop, &err));
	assert_non_null(strstr(err.msg, "newer gpufleet"));
	assert_null(store_open(other, NULL, &err));
	assert_non_null(strstr(err.msg, "newer gpufleet"));
	shell("cmp -s %s %s", other, copy);
}

static void full_cb(void *ctx, int64_t seq, const struct gf_err *err)
{
	struct gf_err *kept = ctx;
	(void)seq;
	if (err)
		*kept = *err;
	else
		kept->code = GF_OK;
}

static void append_wait(struct fixture *f, struct store *store, const json_t *event,
                        struct gf_err *told)
{
	told->code = GF_E_INTERNAL;
	assert_int_equal(store_event_append(store, "r", "h", event, full_cb, told, NULL), 0);
	while (told->code == GF_E_INTERNAL)
		uv_run(&f->loop, UV_RUN_ONCE);
}

/* The disk is full in the middle of a run: it is said, what was acknowledged stays, and it goes on.
 */
static void test_full_disk(void **state)
{
	struct fixture *f = *state;
	struct gf_err told = {0}, after = {0};
	char mnt[128], path[160];
	static char big[400 << 10];
	snprintf(mnt, sizeof(mnt), "%s/mnt", f->folder);
	snprintf(path, sizeof(path), "%s/fleet.db", mnt);
	mkdir(mnt, 0700);
	if (geteuid() != 0 || mount("gpufleet-test", mnt, "tmpfs", 0, "size=300k") != 0)
		skip();
	memset(big, 'x', sizeof(big) - 1);
	json_t *small = json_pack("{s:s}", "type", "small"),
	       *large = json_pack("{s:s}", "type", big);
	struct store *store = store_open(path, &f->loop, &told);
	if (store) {
		append_wait(f, store, large, &told);
		append_wait(f, store, small, &after);
		store_close(store);
	}
	umount(mnt);
	json_decref(small);
	json_decref(large);
	assert_non_null(store);
	assert_int_equal(told.code, GF_E_STORE);
	assert_non_null(strstr(told.msg, "/mnt/fleet.db could not be written: "));
	assert_non_null(strstr(told.msg, "the same command goes on"));
	assert_int_equal(after.code, GF_OK);
}

static void test_modes(void **state)
{
	struct fixture *f = *state;
	struct stat info;
	char folder[128];
	mode_t before = umask(0);
	struct store *store = store_open(f->path, &f->loop, NULL);
	assert_non_null(store);
	append(f, store, "r", "h", 1);
	fixture_wait(f, 1);
	umask(before);
	snprintf(folder, sizeof(folder), "%s/deep", f->folder);
	assert_int_equal(stat(folder, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	for (const char *const *end = (const char *const[]){"", "-wal", "-shm", ".lock", NULL};
	     *end; end++) {
		char path[192];
		snprintf(path, sizeof(path), "%s%s", f->path, *end);
		assert_int_equal(stat(path, &info), 0);
		assert_int_equal(info.st_mode & 0777, 0600);
	}
	store_close(store);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_events_survive_in_order),
	    T(test_close_flushes_what_is_queued),
	    T(test_lazy_hurries),
	    T(test_facts_are_replaced),
	    T(test_second_writer_is_refused),
	    T(test_lock_says_little),
	    T(test_missing_and_foreign_files),
	    T(test_link_is_the_same_store),
	    T(test_other_databases_are_left_alone),
	    T(test_full_disk),
	    T(test_modes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
