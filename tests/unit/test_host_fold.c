/* The fold of a host's journal: what a run that was cut short leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "controller/host/host_fold.h"

static void fold(struct host_record *record, const char *text)
{
	json_t *event = json_loads(text, 0, NULL);

	assert_non_null(event);
	assert_int_equal(host_fold(record, event), 0);
	json_decref(event);
}

static struct host_record record_new(void)
{
	struct host_record record;

	host_record_init(&record);
	return record;
}

#define RECORD(name)                                                                               \
	__attribute__((cleanup(host_record_release))) struct host_record name = record_new()

#define INTENT                                                                                     \
	"{\"type\":\"stage.intent\",\"stage\":\"host\",\"operation\":\"r-1\",\"boot_id\":\"old\"}"
#define RESULT                                                                                     \
	"{\"type\":\"stage.result\",\"operation\":\"r-1\",\"state\":\"done\",\"changed\":true,"    \
	"\"reboot\":true}"

static void whole_run(void **state)
{
	RECORD(record);

	(void)state;
	fold(&record, INTENT);
	assert_true(record.operation_open);
	fold(&record, RESULT);
	assert_false(record.operation_open);
	assert_true(record.reboot_owed && record.changed);
	assert_string_equal(record.reboot_boot_id, "old");
	fold(&record, "{\"type\":\"reboot.intent\",\"operation\":\"r-2\",\"boot_id\":\"old\"}");
	assert_true(record.reboot_open && record.down);
	fold(&record, "{\"type\":\"reboot.done\",\"boot_id\":\"new\"}");
	assert_false(record.reboot_open || record.reboot_owed || record.down);
	assert_true(record.rebooted);
	fold(
	    &record,
	    "{\"type\":\"host.finished\",\"verdict\":\"done\",\"changed\":true,\"rebooted\":true}");
	assert_string_equal(record.verdict, "done");
	fold(&record, "{\"type\":\"host.state\",\"state\":\"connecting\"}");
	assert_string_equal(record.verdict, "");
	assert_false(record.changed || record.rebooted);
}

/* Compared once after each reboot of ours; what came of it stands until somebody was told. */
static void cards_are_compared_once(void **state)
{
	RECORD(record);

	(void)state;
	fold(&record, "{\"type\":\"reboot.intent\",\"operation\":\"r-2\",\"boot_id\":\"old\"}");
	fold(&record, "{\"type\":\"host.facts\",\"boot_id\":\"old\"}");
	assert_string_equal(record.cards_boot_id, "old");
	fold(&record, "{\"type\":\"reboot.done\",\"boot_id\":\"new\"}");
	assert_string_equal(record.cards_boot_id, "old");
	fold(&record, "{\"type\":\"cards.changed\",\"boot_id\":\"new\",\"message\":\"gone\"}");
	fold(&record, "{\"type\":\"host.facts\",\"boot_id\":\"new\"}");
	assert_string_equal(record.cards_boot_id, "");
	fold(&record, "{\"type\":\"host.finished\",\"verdict\":\"done\",\"message\":\"\"}");
	assert_string_equal(record.cards_changed, "gone");
	fold(&record, "{\"type\":\"host.finished\",\"verdict\":\"failed\",\"message\":\"gone\"}");
	assert_string_equal(record.cards_changed, "");
}

#define PLANNED(operation)                                                                         \
	"{\"type\":\"stage.intent\",\"stage\":\"host\",\"operation\":\"" operation                 \
	"\",\"plan\":\"f00d\"}"
#define ENDED(operation, state, changed)                                                           \
	"{\"type\":\"stage.result\",\"operation\":\"" operation "\",\"state\":\"" state            \
	"\",\"changed\":" changed "}"

/* Only what changed the host counts as begun: else it must be as the plan found it. */
static void saved_plan_is_begun_by_a_change(void **state)
{
	RECORD(record);

	(void)state;
	fold(&record, PLANNED("r-1"));
	assert_string_equal(record.plan, "f00d");
	fold(&record, ENDED("r-1", "refused", "false"));
	assert_string_equal(record.plan, "");
	fold(&record, PLANNED("r-2"));
	fold(&record, ENDED("r-2", "failed", "true"));
	assert_string_equal(record.plan, "f00d");
	/* Refused later on: its first stage has changed the host all the same. */
	fold(&record, PLANNED("r-3"));
	fold(&record, ENDED("r-3", "refused", "false"));
	assert_string_equal(record.plan, "f00d");
}

/* Until a reboot of ours, or a run that ended well. */
static void restarted_by_itself(void **state)
{
	static const char *const ends[] = {
	    "{\"type\":\"reboot.done\",\"boot_id\":\"b\",\"seconds\":9}",
	    "{\"type\":\"host.finished\",\"verdict\":\"done\",\"message\":\"\"}"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		RECORD(record);

		fold(&record, PLANNED("r-1"));
		fold(&record,
		     "{\"type\":\"stage.result\",\"operation\":\"r-1\",\"state\":\"unknown\","
		     "\"changed\":true,\"restarted\":true}");
		fold(&record, PLANNED("r-2"));
		fold(&record, ENDED("r-2", "done", "false"));
		assert_true(record.restarted);
		fold(&record, ends[i]);
		assert_false(record.restarted);
	}
}

static void another_result_closes_nothing(void **state)
{
	RECORD(record);

	(void)state;
	fold(&record, INTENT);
	fold(&record, "{\"type\":\"stage.result\",\"operation\":\"other\",\"state\":\"done\"}");
	assert_true(record.operation_open);
}

static void refused_reboot_is_not_down(void **state)
{
	RECORD(record);

	(void)state;
	fold(&record, "{\"type\":\"reboot.intent\",\"boot_id\":\"old\"}");
	fold(&record, "{\"type\":\"reboot.refused\",\"message\":\"guests\"}");
	assert_false(record.reboot_open || record.down);
}

#define FINISHED(verdict, code)                                                                    \
	"{\"type\":\"host.finished\",\"verdict\":\"" verdict "\",\"code\":\"" code "\"}"
#define STATE(name) "{\"type\":\"host.state\",\"state\":\"" name "\"}"

/* A host that was given up is down for later runs, too, until it is heard of again. */
static void lost_host_is_down(void **state)
{
	static const char *const codes[] = {
	    FINISHED("failed", "lost"), FINISHED("failed", "timeout"),
	    FINISHED("failed", "connect"), FINISHED("failed", "resolve"),
	    FINISHED("unreachable", "connect")};

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		RECORD(record);

		fold(&record, STATE("applying"));
		fold(&record, codes[i]);
		assert_true(record.down);
		/* Nobody has looked. */
		fold(&record, FINISHED("skipped", "cancelled"));
		assert_true(record.down);
		fold(&record, STATE("connecting"));
		fold(&record, STATE("reconnecting"));
		assert_true(record.down);
		fold(&record, STATE("starting"));
		assert_false(record.down);
		fold(&record, FINISHED("failed", "task"));
		assert_false(record.down);
	}
}

/* One that is waited for after a reboot is not up because somebody could log in. */
static void rebooting_host_is_down(void **state)
{
	RECORD(record);

	(void)state;
	fold(&record, "{\"type\":\"reboot.intent\",\"boot_id\":\"old\"}");
	fold(&record, FINISHED("failed", "reboot"));
	assert_true(record.down);
	fold(&record, STATE("starting"));
	fold(&record, FINISHED("failed", "protocol"));
	assert_true(record.down);
	fold(&record, STATE("starting"));
	fold(&record, "{\"type\":\"reboot.done\",\"boot_id\":\"new\"}");
	assert_false(record.down);
}

/* A host's machine has a copy of what the journal said. */
static void a_copy_is_its_own(void **state)
{
	RECORD(record);
	RECORD(copy);

	(void)state;
	fold(&record, INTENT);
	fold(&copy, FINISHED("failed", "task"));
	assert_int_equal(host_record_copy(&copy, &record), 0);
	fold(&record, RESULT);
	fold(&record, FINISHED("done", "ok"));
	assert_string_equal(copy.operation, "r-1");
	assert_string_equal(copy.boot_id, "old");
	assert_string_equal(copy.reboot_boot_id, "");
	assert_true(copy.operation_open);
	assert_string_equal(copy.verdict, "");
}

/* Those of the newest stages. */
static void tokens_are_of_the_newest(void **state)
{
	RECORD(record);
	char event[200], token[32];

	(void)state;
	for (int i = 0; i < HOST_TOKENS + 2; i++) {
		snprintf(event, sizeof(event),
		         "{\"type\":\"stage.intent\",\"operation\":\"r-%d\",\"token\":\"t-%d\"}", i,
		         i);
		fold(&record, event);
	}
	assert_null(host_record_token(&record, "r-1"));
	assert_null(host_record_token(&record, ""));
	for (int i = 2; i < HOST_TOKENS + 2; i++) {
		snprintf(event, sizeof(event), "r-%d", i);
		snprintf(token, sizeof(token), "t-%d", i);
		assert_string_equal(host_record_token(&record, event), token);
	}
}

static void wrong_shapes_change_nothing(void **state)
{
	static const char *const events[] = {"{}", "[]", "{\"type\":7}", "{\"type\":\"no.such\"}"};
	RECORD(record);
	RECORD(before);

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		fold(&record, events[i]);
		assert_memory_equal(&record, &before, sizeof(record));
	}
	fold(&record, "{\"type\":\"stage.intent\",\"operation\":[]}");
	assert_false(record.operation_open);
}

/* Numbers that a host may give its events. */
static void event_numbers(void **state)
{
	json_int_t last = 0;

	(void)state;
	assert_int_equal(host_event_take(&last, 1), 1);
	assert_int_equal(host_event_take(&last, 1), 0);
	assert_int_equal(host_event_take(&last, 2), 1);
	assert_int_equal(last, 2);
	assert_int_equal(host_event_take(&last, INT64_MAX), -1);
	assert_int_equal(host_event_take(&last, HOST_EVENTS_MAX + 1), -1);
	assert_int_equal(host_event_take(&last, -5), 0);
	assert_int_equal(last, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_run),
	    cmocka_unit_test(cards_are_compared_once),
	    cmocka_unit_test(event_numbers),
	    cmocka_unit_test(saved_plan_is_begun_by_a_change),
	    cmocka_unit_test(restarted_by_itself),
	    cmocka_unit_test(another_result_closes_nothing),
	    cmocka_unit_test(refused_reboot_is_not_down),
	    cmocka_unit_test(lost_host_is_down),
	    cmocka_unit_test(rebooting_host_is_down),
	    cmocka_unit_test(a_copy_is_its_own),
	    cmocka_unit_test(tokens_are_of_the_newest),
	    cmocka_unit_test(wrong_shapes_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
