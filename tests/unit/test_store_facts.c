/* test_store_facts.c: a host's newest facts in the store: packed, written again only where they
 * changed, and always given as they came last. */
#include <sqlite3.h>

#include "tests/unit/store_fixture.h"

static void store_again(struct fixture *f, bool writing)
{
	struct gf_err err = {0};

	store_close(f->store);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	f->store = store_open(f->path, writing ? &f->loop : NULL, &err);
	if (!f->store)
		fail_msg("%s", err.msg);
}

/* The first column of the first row, as text; "" where it is null. */
static const char *sql_text(struct fixture *f, const char *text)
{
	static char answer[256];
	sqlite3_stmt *statement;
	const char *column;
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	column = (const char *)sqlite3_column_text(statement, 0);
	snprintf(answer, sizeof(answer), "%s", column ? column : "");
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return answer;
}

static json_t *facts_of(const char *observed, int pid)
{
	json_t *pci = json_array();

	for (int i = 0; i < 120; i++)
		json_array_append_new(pci, json_pack("{s:o, s:s, s:i}", "address",
		                                     json_sprintf("0000:%02x:00.0", i), "vendor",
		                                     "10de", "bar", i * 7919));
	return json_pack("{s:i, s:s*, s:{s:[{s:i, s:s}]}, s:o}", "facts", 1, "observed", observed,
	                 "host", "guests", "pid", pid, "name", "instance-1", "pci", pci);
}

/* Puts the facts, and looks whether they come back as they are. */
static void facts_put(struct fixture *f, const char *run, json_t *facts)
{
	struct gf_err err = {0};
	bool found = false;
	json_t *back;

	fixture_facts_put(f, f->store, run, "gpu01", json_incref(facts));
	back = store_facts_get(f->store, "gpu01", &found, &err);
	if (!back)
		fail_msg("%s", err.msg);
	assert_true(json_equal(back, facts));
	json_decref(back);
	json_decref(facts);
}

static void test_packed(void **state)
{
	struct fixture *f = *state;

	store_again(f, true);
	facts_put(f, "run-1", facts_of("2026-01-01T00:00:00Z", 1));
	assert_string_equal(sql_text(f, "select typeof(body) from facts"), "blob");
	assert_string_equal(sql_text(f, "select length(body) < 1500 from facts"), "1");
	store_again(f, false);
	assert_string_equal(sql_text(f, "select count(*) from sightings where observed is null"),
	                    "1");
}

/* The body is made to be another's, which would go if it were written again. */
static void test_unchanged_is_not_written(void **state)
{
	struct fixture *f = *state;

	store_again(f, true);
	facts_put(f, "run-1", facts_of("2026-01-01T00:00:00Z", 1));
	fixture_sql(f, "UPDATE facts SET time = 'mark'");
	facts_put(f, "run-2", facts_of("2026-01-01T00:00:02Z", 1));
	facts_put(f, "run-3", facts_of("2026-01-01T00:00:03Z", 1));
	assert_string_equal(sql_text(f, "select time from facts"), "mark");
	assert_string_equal(sql_text(f, "select observed from sightings"), "2026-01-01T00:00:03Z");
	/* A change that the history takes for none is one here. */
	facts_put(f, "run-4", facts_of("2026-01-01T00:00:04Z", 2));
	assert_string_equal(sql_text(f, "select count(*) from facts where time = 'mark'"), "0");
	assert_string_equal(sql_text(f, "select count(*) from spans"), "1");
	facts_put(f, "run-5", facts_of(NULL, 2));
	facts_put(f, "run-6", facts_of(NULL, 2));
	facts_put(f, "run-7", facts_of("2026-01-01T00:00:07Z", 2));
}

/* Between two runs that reached the host. */
static void test_unreachable_between(void **state)
{
	struct fixture *f = *state;
	json_t *end = json_pack("{s:s, s:i, s:[s], s:n}", "command", "scan", "hosts", 1,
	                        "unreachable", "gpu01", "summary");

	store_again(f, true);
	facts_put(f, "run-1", facts_of("2026-01-01T00:00:00Z", 1));
	assert_int_equal(store_scan_end(f->store, "run-2", end, acknowledged_cb, f, NULL), 0);
	fixture_wait(f, 1);
	facts_put(f, "run-3", facts_of("2026-01-01T00:00:03Z", 1));
	json_decref(end);
}

static void test_text_of_version_2(void **state)
{
	struct fixture *f = *state;
	struct gf_err err = {0};
	json_t *facts = facts_of("2026-01-01T00:00:00Z", 1), *back;
	char *text = json_dumps(facts, JSON_COMPACT), *update;
	bool found;

	store_again(f, true);
	facts_put(f, "run-1", json_incref(facts));
	update = sqlite3_mprintf("UPDATE facts SET body = %Q; DROP TABLE sightings;"
	                         " PRAGMA user_version = 2",
	                         text);
	fixture_sql(f, update);
	store_again(f, false);
	back = store_facts_get(f->store, "gpu01", &found, &err);
	assert_true(json_equal(back, facts));
	json_decref(back);
	assert_string_equal(sql_text(f, "pragma user_version"), "2");
	store_again(f, true);
	assert_string_equal(sql_text(f, "pragma user_version"), "3");
	assert_string_equal(sql_text(f, "select typeof(body) from facts"), "text");
	facts_put(f, "run-2", facts_of("2026-01-01T00:00:02Z", 1));
	assert_string_equal(sql_text(f, "select typeof(body) from facts"), "blob");
	sqlite3_free(update);
	free(text);
	json_decref(facts);
}

static void test_damaged(void **state)
{
	struct fixture *f = *state;

	store_again(f, true);
	facts_put(f, "run-1", facts_of("2026-01-01T00:00:00Z", 1));
	for (int i = 0; i < 2; i++) {
		struct gf_err err = {0};
		bool found = false;

		fixture_sql(
		    f,
		    i ? "UPDATE facts SET body = x''"
		      : "UPDATE facts SET body = CAST(substr(body, 1, length(body) - 20) AS BLOB)");
		assert_null(store_facts_get(f->store, "gpu01", &found, &err));
		assert_true(found);
		assert_non_null(strstr(err.msg, "the record of gpu01 is damaged"));
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_packed),
	    T(test_unchanged_is_not_written),
	    T(test_unreachable_between),
	    T(test_text_of_version_2),
	    T(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
