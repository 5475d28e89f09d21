/* test_store_history.c: what is kept of earlier scans: once for as long as nothing changes, as it
 * was, in sight once a scan is over; what is old is thinned without what is left saying something
 * else; a store of version 1 is taken over. */
#include "tests/unit/store_fixture.h"

#include <sqlite3.h>

static void store_again(struct fixture *f, bool writing)
{
	struct gf_err err = {0};

	if (f->store)
		store_close(f->store);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	f->store = store_open(f->path, writing ? &f->loop : NULL, &err);
	if (!f->store)
		fail_msg("%s", err.msg);
}

/* With devices enough to be worth packing. */
static json_t *facts_of(const char *host, const char *kernel, const char *observed)
{
	json_t *pci = json_array();

	for (int i = 0; i < 120; i++)
		json_array_append_new(pci, json_pack("{s:o, s:s, s:i, s:s, s:[s]}", "address",
		                                     json_sprintf("0000:%02x:00.0", i), "vendor",
		                                     "10de", "bar", i * 7919, "power_state", "D0",
		                                     "path", "0000:00:01.0"));
	return json_pack("{s:i, s:s, s:{s:s, s:s, s:[{s:i, s:s}]}, s:o}", "facts", 1, "observed",
	                 observed, "host", "hostname", host, "kernel", kernel, "guests", "pid",
	                 4711, "name", "instance-1", "pci", pci);
}

static void scan_end(struct fixture *f, const char *run, const char *unreachable)
{
	json_t *end = json_pack("{s:s, s:i, s:[s*], s:{s:i}}", "command", "scan", "hosts", 1,
	                        "unreachable", unreachable, "summary", "total", 2);

	assert_int_equal(store_scan_end(f->store, run, end, acknowledged_cb, f, NULL), 0);
	json_decref(end);
	fixture_wait(f, 1);
}

static void scan(struct fixture *f, const char *run, const char *kernel, const char *observed)
{
	fixture_facts_put(f, f->store, run, "gpu01", facts_of("gpu01", kernel, observed));
	scan_end(f, run, NULL);
}

static sqlite3_int64 sql_number(struct fixture *f, const char *text)
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	sqlite3_int64 number;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

static int scans_each(void *ctx, const struct store_scan *scan)
{
	struct fixture *f = ctx;

	assert_non_null(scan->time);
	json_array_append_new(f->seen,
	                      json_pack("{s:I, s:s, s:s, s:I, s:O?}", "id", scan->id, "time",
	                                scan->time, "command", scan->command, "unreachable",
	                                scan->unreachable, "summary", scan->summary));
	return 0;
}

static const json_t *scans_list(struct fixture *f)
{
	struct gf_err err = {0};

	json_decref(f->seen);
	f->seen = json_array();
	if (store_scans_each(f->store, scans_each, f, &err))
		fail_msg("%s", err.msg);
	return f->seen;
}

static int64_t scan_id(struct fixture *f, size_t i)
{
	return json_integer_value(json_object_get(json_array_get(scans_list(f), i), "id"));
}

/* The kernel of HOST's facts as of the scan ID; "" where none were known. */
static const char *kernel_at(struct fixture *f, const char *host, int64_t id)
{
	static char kernel[64];
	struct gf_err err = {0};
	struct store_sight sight;
	json_t *facts;

	kernel[0] = '\0';
	assert_int_equal(store_sight_at(f->store, host, id, &sight, &err), 0);
	if (!sight.body)
		return kernel;
	facts = store_body_get(f->store, sight.body, &err);
	if (!facts)
		fail_msg("%s", err.msg);
	snprintf(kernel, sizeof(kernel), "%s",
	         json_string_value(json_object_get(json_object_get(facts, "host"), "kernel")));
	json_decref(facts);
	return kernel;
}

static void test_kept_once_while_nothing_changes(void **state)
{
	struct fixture *f = *state;
	char run[16], observed[32];

	store_again(f, true);
	for (int i = 0; i < 20; i++) {
		snprintf(run, sizeof(run), "run-%02d", i);
		snprintf(observed, sizeof(observed), "2026-01-01T00:00:%02dZ", i);
		scan(f, run, "6.1", observed);
	}
	assert_int_equal(sql_number(f, "select count(*) from scans"), 20);
	assert_int_equal(sql_number(f, "select count(*) from spans"), 1);
	assert_int_equal(sql_number(f, "select seen from spans"), 20);
	assert_int_equal(sql_number(f, "select count(*) from bodies"), 1);
	assert_string_equal(kernel_at(f, "gpu01", scan_id(f, 0)), "6.1");
	assert_string_equal(kernel_at(f, "gpu01", scan_id(f, 19)), "6.1");
}

/* What changes by itself: pids of guests and services, a card that sleeps. Not: one that is off, a
 * guest that came. */
static void test_what_counts_as_a_change(void **state)
{
	struct fixture *f = *state;
	json_t *facts = facts_of("gpu01", "6.1", "2026-01-01T00:00:00Z");
	json_t *guests = json_object_get(json_object_get(facts, "host"), "guests");
	json_t *card = json_array_get(json_object_get(facts, "pci"), 3);

	store_again(f, true);
	json_object_set_new(facts, "nova",
	                    json_pack("{s:[{s:i, s:i}]}", "services", "pid", 1, "n", 7));
	fixture_facts_put(f, f->store, "r1", "gpu01", json_deep_copy(facts));
	json_object_set_new(json_array_get(guests, 0), "pid", json_integer(12));
	json_object_set_new(card, "power_state", json_string("D3hot"));
	json_object_set_new(facts, "nova",
	                    json_pack("{s:[{s:i, s:i}]}", "services", "pid", 2, "n", 7));
	fixture_facts_put(f, f->store, "r2", "gpu01", json_deep_copy(facts));
	assert_int_equal(sql_number(f, "select count(*) from bodies"), 1);
	json_object_set_new(card, "power_state", json_string("D3cold"));
	fixture_facts_put(f, f->store, "r3", "gpu01", json_deep_copy(facts));
	assert_int_equal(sql_number(f, "select count(*) from bodies"), 2);
	json_array_append_new(guests, json_pack("{s:i, s:s}", "pid", 1, "name", "instance-2"));
	fixture_facts_put(f, f->store, "r4", "gpu01", facts);
	assert_int_equal(sql_number(f, "select count(*) from bodies"), 3);
}

static void test_what_changed_costs_little_and_comes_back_whole(void **state)
{
	struct fixture *f = *state;
	static const char *const kernels[] = {"6.1.0-18", "6.1.0-21", "6.1.0-18", "6.1.0-25"};
	struct store_sight sight;
	json_t *facts, *wanted = facts_of("gpu01", "6.1.0-25", "2026-01-01T00:00:00Z");

	store_again(f, true);
	for (size_t i = 0; i < 4; i++) {
		char run[16];

		snprintf(run, sizeof(run), "run-%zu", i);
		scan(f, run, kernels[i], "2026-01-01T00:00:00Z");
	}
	/* It was the same once before: a span more, no body. */
	assert_int_equal(sql_number(f, "select count(*) from spans"), 4);
	assert_int_equal(sql_number(f, "select count(*) from bodies"), 3);
	assert_in_range(
	    sql_number(f, "select max(length(data)) from bodies where base is not null"), 1, 150);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(kernel_at(f, "gpu01", scan_id(f, i)), kernels[i]);
	assert_int_equal(store_sight_at(f->store, "gpu01", scan_id(f, 3), &sight, NULL), 0);
	facts = store_body_get(f->store, sight.body, NULL);
	assert_true(json_equal(facts, wanted));
	json_decref(facts);
	json_decref(wanted);
}

/* A base that can't be read is no reason to keep nothing more; reading it is an error that says so.
 */
static void test_damaged_body(void **state)
{
	struct fixture *f = *state;
	struct gf_err err = {0};
	struct store_sight sight;

	store_again(f, true);
	scan(f, "run-1", "6.1", "2026-01-01T00:00:00Z");
	fixture_sql(f, "update bodies set data = x'00112233'");
	scan(f, "run-2", "6.2", "2026-01-01T00:00:00Z");
	assert_string_equal(kernel_at(f, "gpu01", scan_id(f, 1)), "6.2");
	assert_int_equal(store_sight_at(f->store, "gpu01", scan_id(f, 0), &sight, &err), 0);
	assert_null(store_body_get(f->store, sight.body, &err));
	assert_non_null(strstr(err.msg, "damaged"));
}

static void test_only_whole_scans_are_in_sight(void **state)
{
	struct fixture *f = *state;

	store_again(f, true);
	scan(f, "run-1", "6.1", "2026-01-01T00:00:00Z");
	fixture_facts_put(f, f->store, "run-2", "gpu01",
	                  facts_of("gpu01", "6.2", "2026-01-01T00:05:00Z"));
	assert_int_equal(json_array_size(scans_list(f)), 1);
	assert_string_equal(kernel_at(f, "gpu01", scan_id(f, 0)), "6.1");
	scan_end(f, "run-2", NULL);
	assert_int_equal(json_array_size(scans_list(f)), 2);
	assert_string_equal(kernel_at(f, "gpu01", scan_id(f, 1)), "6.2");
	assert_int_equal(json_integer_value(json_object_get(
	                     json_object_get(json_array_get(f->seen, 1), "summary"), "total")),
	                 2);
}

static void test_unreachable_hosts(void **state)
{
	struct fixture *f = *state;
	struct store_sight sight;

	store_again(f, true);
	scan(f, "run-1", "6.1", "2026-01-01T00:00:00Z");
	scan_end(f, "run-2", "gpu01");
	scan_end(f, "run-3", "gpu01");
	scan(f, "run-4", "6.1", "2026-01-01T00:15:00Z");
	scan_end(f, "run-5", "never");
	assert_int_equal(sql_number(f, "select count(*) from spans where host = 'gpu01'"), 3);
	assert_int_equal(sql_number(f, "select count(*) from bodies"), 1);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(store_sight_at(f->store, "gpu01", scan_id(f, i), &sight, NULL), 0);
		assert_true(sight.known);
		assert_int_equal(sight.reachable, i != 1 && i != 2);
		assert_string_equal(kernel_at(f, "gpu01", scan_id(f, i)), "6.1");
	}
	assert_int_equal(store_sight_at(f->store, "never", scan_id(f, 3), &sight, NULL), 0);
	assert_false(sight.known);
	assert_int_equal(store_sight_at(f->store, "never", scan_id(f, 4), &sight, NULL), 0);
	assert_true(sight.known);
	assert_int_equal(sight.body, 0);
}

static int host_each(void *ctx, const char *host)
{
	json_array_append_new(((struct fixture *)ctx)->seen, json_string(host));
	return 0;
}

/* The names, with commas, of the hosts that the scan or a later one looked at. */
static const char *hosts_since(struct fixture *f, int64_t scan)
{
	static char names[64];
	size_t i, length = 0;
	const json_t *name;

	json_decref(f->seen);
	f->seen = json_array();
	assert_int_equal(store_hosts_each(f->store, scan, host_each, f, NULL), 0);
	names[0] = '\0';
	json_array_foreach(f->seen, i, name) length += (size_t)snprintf(
	    names + length, sizeof(names) - length, "%s%s", i ? "," : "", json_string_value(name));
	return names;
}

static void test_hosts_looked_at_since(void **state)
{
	struct fixture *f = *state;
	int64_t first, second, third;

	store_again(f, true);
	assert_string_equal(hosts_since(f, 0), "");
	fixture_facts_put(f, f->store, "run-1", "gpu02",
	                  facts_of("gpu02", "6.1", "2026-01-01T00:00:00Z"));
	scan(f, "run-1", "6.1", "2026-01-01T00:00:00Z");
	fixture_facts_put(f, f->store, "run-2", "gpu02",
	                  facts_of("gpu02", "6.2", "2026-01-01T00:05:00Z"));
	scan_end(f, "run-2", "gpu03");
	scan(f, "run-3", "6.1", "2026-01-01T00:10:00Z");
	first = scan_id(f, 0);
	second = scan_id(f, 1);
	third = scan_id(f, 2);
	assert_string_equal(hosts_since(f, first), "gpu01,gpu02,gpu03");
	assert_string_equal(hosts_since(f, second), "gpu01,gpu02,gpu03");
	assert_string_equal(hosts_since(f, third), "gpu01");
	assert_string_equal(hosts_since(f, third + 1), "");
}

#define SIGHT(host)                                                                                \
	"(select body from spans where host = '" host                                              \
	"' and first <= s.id order by id desc limit 1) as " host
#define SIGHTS "select s.id as scan, " SIGHT("flaps") ", " SIGHT("daily") " from scans s"

/* 150 days of a scan an hour and, in the last ten, every twelve minutes, up to yesterday. The
 * kernel is another one each day; the host "flaps" changes in every scan. */
static void years_make(struct fixture *f)
{
	fixture_sql(
	    f, "with recursive n(i) as (select 0 union all select i + 1 from n where i < 150*24)"
	       " insert into scans (id, run, began, time, command, log)"
	       " select i*10 + 10, 'old-' || i, t, t, 'scan', 0 from (select i,"
	       " strftime('%Y-%m-%dT%H:00:00Z', 'now', '-' || (150*24 - i) || ' hours') t from n)"
	       " where t < date('now')");
	fixture_sql(f, "insert into scans (id, run, began, time, command, log)"
	               " select s.id + m, 'more-' || s.id || m, t, t, 'scan', 0 from (select *,"
	               " substr(s.time, 1, 14) || (m * 12) || ':00Z' t from scans s,"
	               " (select 1 m union select 2 union select 3 union select 4)"
	               " where s.time > date('now', '-10 days')) s");
	fixture_sql(
	    f, "insert into spans (host, first, last, seen, reachable, body) select 'flaps', id, "
	       "id, 1, 1,"
	       " id from scans order by id");
	fixture_sql(
	    f,
	    "insert into bodies (id, host, digest, data) select id, 'flaps', id, x'' from scans");
	fixture_sql(
	    f,
	    "insert into spans (host, first, last, seen, reachable, body) select 'daily', min(id),"
	    " max(id), count(*), 1, 10000000 + min(id) from scans group by substr(time, 1, 10)"
	    " order by 2");
	fixture_sql(
	    f,
	    "insert into bodies (id, host, digest, data) select body, 'daily', body, x'' from spans"
	    " where host = 'daily'");
	fixture_sql(f, "create table was as " SIGHTS);
}

/* Every scan that is left has the sights that it had. */
static void test_thinning_leaves_the_rest_as_it_was(void **state)
{
	struct fixture *f = *state;
	sqlite3_int64 scans;

	store_again(f, true);
	years_make(f);
	scan(f, "run-now", "6.1", "2026-01-01T00:00:00Z");
	/* One a day, then one an hour, then all. */
	assert_in_range(
	    sql_number(f, "select count(*) from scans where time < date('now', '-91 days')"), 58,
	    60);
	assert_int_equal(
	    sql_number(f, "select count(*) from scans where time > date('now', '-80 days')"
	                  " and time < date('now', '-8 days')"),
	    72 * 24);
	assert_int_equal(sql_number(f,
	                            "select count(*) from scans where time > date('now', '-6 days')"
	                            " and time < date('now')"),
	                 6 * 24 * 5);
	scans = sql_number(f, "select count(*) from scans");
	assert_int_equal(json_array_size(scans_list(f)), scans);
	assert_int_equal(sql_number(f, "select count(*) from was join (" SIGHTS
	                               ") n on n.scan = was.scan where n.flaps is was.flaps"
	                               " and n.daily is was.daily"),
	                 scans - 1);
	/* … and what no scan needs is gone. */
	assert_in_range(sql_number(f, "select count(*) from spans where host = 'flaps'"), scans - 2,
	                scans + 8 * 5);
	assert_int_equal(sql_number(f,
	                            "select count(*) from bodies where id not in (select body from"
	                            " spans where body is not null)"),
	                 0);
	/* Once a day is enough. */
	fixture_sql(f, "update scans set time = '2020-01-01T00:' || (id % 60) || ':00Z' where id in"
	               " (select id from scans order by id desc limit 3 offset 9)");
	scan(f, "run-later", "6.1", "2026-01-01T00:00:00Z");
	assert_int_equal(sql_number(f, "select count(*) from scans where time < '2020-02'"), 3);
}

/* What was packed beside a document outlives the span of that one. */
static void test_thinning_leaves_what_others_rest_on(void **state)
{
	struct fixture *f = *state;

	store_again(f, true);
	scan(f, "run-1", "6.1", "2026-01-01T00:00:00Z");
	scan(f, "run-2", "6.2", "2026-01-01T00:00:00Z");
	assert_int_equal(sql_number(f, "select count(*) from bodies where base is not null"), 1);
	fixture_sql(f,
	            "update scans set time = date('now', '-100 days') || 'T0' || id || ':00:00Z'");
	scan(f, "run-3", "6.2", "2026-01-01T00:00:00Z");
	assert_int_equal(json_array_size(scans_list(f)), 2);
	assert_int_equal(sql_number(f, "select count(*) from spans"), 1);
	assert_string_equal(kernel_at(f, "gpu01", scan_id(f, 0)), "6.2");
}

static void event_put(struct fixture *f, const char *run, const char *host, const char *text)
{
	json_t *event = json_loads(text, 0, NULL);

	assert_int_equal(store_event_append(f->store, run, host, event, acknowledged_cb, f, NULL),
	                 0);
	json_decref(event);
	fixture_wait(f, 1);
}

static void scan_logged(struct fixture *f, const char *run, const char *outcome)
{
	event_put(f, run, "", "{\"type\":\"run.started\"}");
	event_put(f, run, "gpu01", "{\"type\":\"host.state\",\"state\":\"connecting\"}");
	event_put(f, run, "gpu01", outcome);
	event_put(f, run, "gpu02", "{\"type\":\"host.finished\",\"verdict\":\"done\"}");
	event_put(f, run, "", "{\"type\":\"run.finished\"}");
	scan_end(f, run, NULL);
}

#define DONE "{\"type\":\"host.finished\",\"verdict\":\"done\"}"
#define LOST "{\"type\":\"host.finished\",\"verdict\":\"unreachable\"}"

static void test_log_of_scans_does_not_grow(void **state)
{
	static const char *const outcomes[] = {DONE, LOST, LOST, DONE, LOST, LOST};
	struct fixture *f = *state;
	char run[16];

	store_again(f, true);
	event_put(f, "apply-1", "gpu01", DONE);
	for (int i = 0; i < 6; i++) {
		snprintf(run, sizeof(run), "run-%d", i);
		scan_logged(f, run, outcomes[i]);
	}
	/* The last DONE and the last LOST of gpu01, the last of gpu02, and what others did. */
	assert_int_equal(sql_number(f, "select count(*) from events where run = 'apply-1'"), 1);
	assert_int_equal(sql_number(f, "select count(*) from events where run = 'run-5'"), 5);
	assert_int_equal(sql_number(f, "select count(*) from events where run = 'run-3'"), 4);
	assert_int_equal(sql_number(f, "select count(*) from events where host = 'gpu02'"), 1);
	assert_int_equal(sql_number(f, "select count(*) from events"), 10);
	assert_int_equal(sql_number(f, "select count(*) from scans where log"), 2);
}

static const char version_1[] =
    "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL,"
    " host TEXT NOT NULL, time TEXT NOT NULL, event TEXT NOT NULL);"
    "CREATE INDEX events_run ON events (run, seq);"
    "CREATE TABLE facts (host TEXT PRIMARY KEY, time TEXT NOT NULL, body TEXT NOT NULL);"
    "CREATE TABLE expected (host TEXT PRIMARY KEY, time TEXT NOT NULL, body TEXT NOT NULL);"
    "INSERT INTO events (run, host, time, event) VALUES"
    " ('r', 'gpu01', '2025-01-01T00:00:00Z', '{\"type\":\"test\"}');"
    "INSERT INTO facts VALUES"
    " ('gpu01', '2025-01-01T00:00:00Z', '{\"facts\":1,\"host\":{\"kernel\":\"5.10\"}}'),"
    " ('gpu02', '2025-01-02T00:00:00Z', 'nonsense');"
    "INSERT INTO expected VALUES ('gpu01', '2025-01-01T00:00:00Z', '{\"left\":1}');"
    "PRAGMA user_version = 1;";

static int count_each(void *ctx, const struct store_event *event)
{
	(void)event;
	++*(int *)ctx;
	return 0;
}

static void still_there(struct fixture *f)
{
	int events = 0;
	bool found = false;
	json_t *document;

	assert_int_equal(store_events_each(f->store, NULL, count_each, &events, NULL), 0);
	assert_int_equal(events, 1);
	document = store_facts_get(f->store, "gpu01", &found, NULL);
	assert_non_null(document);
	json_decref(document);
	document = store_expected_get(f->store, "gpu01", &found, NULL);
	assert_non_null(document);
	json_decref(document);
}

static void test_version_1_is_read(void **state)
{
	struct fixture *f = *state;
	struct gf_err err = {0};

	fixture_sql(f, version_1);
	store_again(f, false);
	still_there(f);
	assert_int_equal(store_scans_each(f->store, scans_each, f, &err), -1);
	assert_non_null(strstr(err.msg, "run `gpufleet scan`"));
	assert_int_equal(sql_number(f, "pragma user_version"), 1);
}

static void test_version_1_is_taken_over(void **state)
{
	struct fixture *f = *state;

	fixture_sql(f, version_1);
	store_again(f, true);
	assert_int_equal(sql_number(f, "pragma user_version"), 3);
	still_there(f);
	assert_int_equal(json_array_size(scans_list(f)), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(f->seen, 0), "time")),
	                    "2025-01-02T00:00:00Z");
	assert_string_equal(kernel_at(f, "gpu01", 1), "5.10");
	scan(f, "run-1", "6.1", "2026-01-01T00:00:00Z");
	assert_string_equal(kernel_at(f, "gpu01", 1), "5.10");
	assert_string_equal(kernel_at(f, "gpu01", scan_id(f, 1)), "6.1");
	store_again(f, true);
	assert_int_equal(json_array_size(scans_list(f)), 2);
}

/* Whole, or not at all. */
static void test_upgrade_that_fails_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct gf_err err = {0};

	fixture_sql(f, version_1);
	fixture_sql(f, "CREATE TABLE spans (mine TEXT)");
	assert_null(store_open(f->path, &f->loop, &err));
	assert_non_null(strstr(err.msg, "spans"));
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(sql_number(f, "pragma user_version"), 1);
	assert_int_equal(sql_number(f, "select count(*) from sqlite_master where name = 'scans'"),
	                 0);
	store_again(f, false);
	still_there(f);
}

static void test_empty_version_1(void **state)
{
	struct fixture *f = *state;

	fixture_sql(f, version_1);
	fixture_sql(f, "DELETE FROM facts");
	store_again(f, true);
	assert_int_equal(json_array_size(scans_list(f)), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_kept_once_while_nothing_changes),
	    T(test_what_counts_as_a_change),
	    T(test_what_changed_costs_little_and_comes_back_whole),
	    T(test_damaged_body),
	    T(test_only_whole_scans_are_in_sight),
	    T(test_unreachable_hosts),
	    T(test_hosts_looked_at_since),
	    T(test_thinning_leaves_the_rest_as_it_was),
	    T(test_thinning_leaves_what_others_rest_on),
	    T(test_log_of_scans_does_not_grow),
	    T(test_version_1_is_read),
	    T(test_version_1_is_taken_over),
	    T(test_upgrade_that_fails_changes_nothing),
	    T(test_empty_version_1),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
