/* Saved plans: what is written is read back, what differs is refused and named, malformed files get
 * their exact message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "bad_inputs.h"
#include "controller/plan/plan_facts.h"
#include "controller/plan/plan_groups.h"
#include "controller/plan/saved_plan.h"

#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct saved_plan_heading heading = {"test", DIGEST_A, DIGEST_A};

#define FACTS(kernel, driver, more)                                                                \
	"{\"host\":{\"kernel\":\"" kernel "\",\"boot_id\":\"b\",\"taint\":0,\"guests\":[]},"       \
	"\"pci\":[{\"address\":\"0000:01:00.0\",\"vendor\":\"10de\",\"device\":\"1b06\","          \
	"\"driver\":\"" driver "\",\"power_state\":\"D0\"}" more "]}"
#define STOCK_FACTS FACTS("6.1", "nouveau", "")
#define PLAN(message, before)                                                                      \
	"{\"stages\":[{\"name\":\"host\",\"changed\":true,\"reboot\":true,\"tasks\":[{\"task\":"   \
	"\"args\",\"type\":\"kernel_args\",\"status\":\"change\",\"message\":\"" message           \
	"\",\"changes\":[{\"action\":\"modify\",\"target\":\"/etc/x\",\"diff\":\"d\",\"before\":"  \
	"\"" before "\"}]}]}]}"
#define DONE_PLAN                                                                                  \
	"{\"stages\":[{\"name\":\"host\",\"changed\":false,\"reboot\":false,\"tasks\":[]}]}"

static json_t *parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	return json;
}

/* Writes HOSTS and reads them back. */
static struct saved_plan *round_trip(const struct saved_plan_host *hosts, size_t count)
{
	char path[] = "/tmp/test_saved_plan.XXXXXX";
	int fd = mkstemp(path);
	FILE *out = fdopen(fd, "w");
	struct gf_err err = {0};
	struct saved_plan *plan;

	assert_non_null(out);
	assert_int_equal(saved_plan_print(&heading, hosts, count, out, &err), 0);
	fclose(out);
	plan = saved_plan_read(path, &err);
	unlink(path);
	if (!plan)
		print_error("%s\n", err.msg);
	assert_non_null(plan);
	return plan;
}

static struct saved_plan *stock_plan(void)
{
	json_t *document = parse(STOCK_FACTS), *plan = parse(PLAN("adds", "1234"));
	json_t *facts = plan_facts(document, NULL);
	struct saved_plan_host hosts[] = {
	    {.name = "gpu01", .facts = facts, .plan = plan},
	    {.name = "gpu02", .facts = facts, .plan = plan},
	    {.name = "gpu03", .why = "connection refused"},
	};
	struct saved_plan *saved = round_trip(hosts, 3);

	json_decref(document);
	json_decref(facts);
	json_decref(plan);
	return saved;
}

static void read_back(void **state)
{
	struct saved_plan *saved = stock_plan();
	struct gf_err err = {0};
	const struct saved_plan_heading fleet = {"prod", DIGEST_A, DIGEST_A},
	                                inventory = {"test", DIGEST_B, DIGEST_A},
	                                playbook = {"test", DIGEST_A, DIGEST_B};

	(void)state;
	assert_true(saved_plan_has(saved, "gpu01") && saved_plan_has(saved, "gpu02"));
	assert_false(saved_plan_has(saved, "gpu03"));
	assert_string_equal(json_string_value(json_object_get(saved_plan_left_out(saved), "gpu03")),
	                    "connection refused");
	assert_int_equal(saved_plan_belongs(saved, &heading, &err), 0);
	assert_int_equal(saved_plan_belongs(saved, &fleet, &err), -1);
	assert_non_null(strstr(err.msg, "the fleet \"test\", not of \"prod\""));
	assert_int_equal(saved_plan_belongs(saved, &inventory, &err), -1);
	assert_non_null(strstr(err.msg, "the inventory is another"));
	assert_int_equal(saved_plan_belongs(saved, &playbook, &err), -1);
	assert_non_null(strstr(err.msg, "the playbook is another"));
	saved_plan_free(saved);
}

static void differences(void **state)
{
	static const struct {
		const char *host, *facts, *plan, *message; /* NULL: none */
	} cases[] = {
	    {"gpu01", STOCK_FACTS, PLAN("adds", "1234"), NULL},
	    {"gpu02", STOCK_FACTS, PLAN("words may vary", "1234"), NULL},
	    {"gpu01", FACTS("6.2", "vfio-pci", ""), DONE_PLAN, NULL}, /* nothing is left to do */
	    {"gpu01", FACTS("6.2", "nouveau", ""), PLAN("adds", "1234"),
	     "its kernel was 6.1 and is 6.2"},
	    {"gpu01", FACTS("6.1", "vfio-pci", ""), PLAN("adds", "1234"),
	     "the PCI device 0000:01:00.0, or its driver, is another"},
	    {"gpu01", FACTS("6.1", "nouveau", ",{\"address\":\"0000:02:00.0\"}"),
	     PLAN("adds", "1234"), "the PCI device 0000:02:00.0 is new"},
	    {"gpu01", "{\"host\":{\"kernel\":\"6.1\"},\"pci\":[]}", PLAN("adds", "1234"),
	     "the PCI device 0000:01:00.0 is gone"},
	    {"gpu01", STOCK_FACTS, PLAN("adds", "5678"),
	     "/etc/x is not as it was (stage host, task args)"},
	    {"gpu03", STOCK_FACTS, PLAN("adds", "1234"), "it is not part of the plan"},
	};
	struct saved_plan *saved = stock_plan();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *facts = parse(cases[i].facts), *plan = parse(cases[i].plan);
		struct gf_err err = {0};
		int rc = saved_plan_compare(saved, cases[i].host, facts, plan, &err);

		assert_int_equal(rc, cases[i].message ? -1 : 0);
		if (rc) {
			assert_int_equal(err.code, GF_E_BLOCKED);
			if (!strstr(err.msg, cases[i].message))
				fail_msg("%s lacks %s", err.msg, cases[i].message);
		}
		json_decref(facts);
		json_decref(plan);
	}
	saved_plan_free(saved);
}

/* In whatever order the two sides name the devices. */
static void devices_in_another_order(void **state)
{
	static const char *const devices[] = {"{\"address\":\"0000:01:00.0\"}",
	                                      "{\"address\":\"0000:02:00.0\"}",
	                                      "{\"address\":\"0000:03:00.0\"}"};
	static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {0, 2, 1}};
	json_t *facts[4];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		json_t *document =
		    json_pack("{s:{}, s:[ooo]}", "host", "pci", parse(devices[orders[i][0]]),
		              parse(devices[orders[i][1]]), parse(devices[orders[i][2]]));

		facts[i] = plan_facts(document, NULL);
		json_decref(document);
	}
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(plan_facts_compare(facts[i / 4], facts[i % 4], NULL), 0);
	for (size_t i = 0; i < 4; i++)
		json_decref(facts[i]);
}

static void equal_plans_stand_together(void **state)
{
	json_t *a = parse(PLAN("x", "1")), *b = parse(PLAN("x", "2")),
	       *again = parse(PLAN("x", "1"));
	const struct plan_item items[] = {{"h1", a}, {"h2", b}, {"h3", again}, {"h4", a}};
	struct plan_group *groups;
	struct gf_err err = {0};
	size_t count;

	(void)state;
	assert_int_equal(plan_groups_make(items, 4, &groups, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_int_equal(groups[0].count, 3);
	assert_string_equal(groups[0].hosts[0], "h1");
	assert_string_equal(groups[0].hosts[1], "h3");
	assert_string_equal(groups[0].hosts[2], "h4");
	assert_int_equal(groups[1].count, 1);
	assert_string_equal(groups[1].hosts[0], "h2");
	plan_groups_free(groups, count);
	json_decref(a);
	json_decref(b);
	json_decref(again);
}

static bool read_bad(const char *path, struct gf_err *err)
{
	struct saved_plan *plan = saved_plan_read(path, err);

	saved_plan_free(plan);
	return plan != NULL;
}

static void malformed_files(void **state)
{
	size_t wrong,
	    seen = bad_inputs_walk(TEST_SOURCE_DIR "/tests/unit/bad-inputs/plan", read_bad, &wrong);

	(void)state;
	assert_true(seen >= 20);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(read_back),
	    cmocka_unit_test(differences),
	    cmocka_unit_test(devices_in_another_order),
	    cmocka_unit_test(equal_plans_stand_together),
	    cmocka_unit_test(malformed_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
