/* test_cards.c: what becomes of a host's cards over a reboot. Two cards behind two root ports, and
 * a switch with a third one behind it. */
#include "tests/unit/facts.h"

#include "controller/readiness/cards.h"

struct spec {
	const char *address, *bridge, *second, *device, *serial;
};

#define LEFT                                                                                       \
	{                                                                                          \
		"0000:01:00.0", "0000:00:01.0", NULL, "1b06", NULL                                 \
	}
#define RIGHT                                                                                      \
	{                                                                                          \
		"0000:02:00.0", "0000:00:02.0", NULL, "1b06", NULL                                 \
	}
#define SWITCHED                                                                                   \
	{                                                                                          \
		"0000:05:00.0", "0000:00:03.0", "0000:03:01.0", "1b06", NULL                       \
	}

static json_t *document(const struct spec *cards, size_t count)
{
	json_t *pci = json_array();

	for (size_t i = 0; i < count && cards[i].address; i++) {
		json_t *path = json_pack("[s*, s*]", cards[i].bridge, cards[i].second);

		json_array_append_new(
		    pci, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s?}", "address",
		                   cards[i].address, "vendor", "10de", "device", cards[i].device,
		                   "class", "0300", "subsystem_vendor", "1462", "subsystem_device",
		                   "3609", "header", "endpoint", "path", path, "serial",
		                   cards[i].serial));
	}
	return json_pack("{s:i, s:{s:s}, s:o}", "facts", 1, "host", "boot_id", "x", "pci", pci);
}

static const struct {
	struct spec before[3], after[3];
	const char *told; /* NULL: no change */
} table[] = {
    {{LEFT, RIGHT}, {LEFT, RIGHT}, NULL},
    {{LEFT, RIGHT}, {RIGHT, LEFT}, NULL},
    {{LEFT, RIGHT}, {LEFT}, "the card 0000:02:00.0 (10de:1b06) is gone since the reboot, and"},
    {{LEFT, RIGHT, SWITCHED},
     {LEFT},
     "0000:02:00.0 (10de:1b06) is gone since the reboot (and 1 more"},
    {{LEFT}, {LEFT, RIGHT}, "the card 0000:02:00.0 (10de:1b06) is new since"},
    {{{0}}, {LEFT}, "the card 0000:01:00.0 (10de:1b06) is new since"},
    /* The bus numbers have shifted: the switch is at bus 4 now, what is behind it at 6. */
    {{LEFT, SWITCHED},
     {LEFT, {"0000:06:00.0", "0000:00:03.0", "0000:04:01.0", "1b06", NULL}},
     "the card 0000:05:00.0 (10de:1b06) is at 0000:06:00.0 since"},
    /* … so that another card has the address of the one that is gone. */
    {{LEFT, RIGHT},
     {{"0000:01:00.0", "0000:00:02.0", NULL, "1b06", NULL}},
     "the card 0000:01:00.0 (10de:1b06) is gone since the reboot (and 1 more"},
    {{LEFT},
     {{"0000:01:00.0", "0000:00:07.0", NULL, "1b06", NULL}},
     "0000:01:00.0 (10de:1b06) is behind another bridge"},
    {{LEFT}, {RIGHT}, "the card 0000:01:00.0 (10de:1b06) is at 0000:02:00.0 since"},
    /* Serial numbers. */
    {{{"0000:01:00.0", "0000:00:01.0", NULL, "1b06", "11"},
      {"0000:02:00.0", "0000:00:02.0", NULL, "1b06", "22"}},
     {{"0000:01:00.0", "0000:00:01.0", NULL, "1b06", "22"},
      {"0000:02:00.0", "0000:00:02.0", NULL, "1b06", "11"}},
     "the card 0000:01:00.0 (10de:1b06) is at 0000:02:00.0 since the reboot (and 1 more"},
    {{{"0000:01:00.0", "0000:00:01.0", NULL, "1b06", "11"}},
     {{"0000:01:00.0", "0000:00:01.0", NULL, "1b06", "33"}},
     "the card 0000:01:00.0 (10de:1b06) is another one since the reboot, and"},
    {{{"0000:01:00.0", "0000:00:01.0", NULL, "1b06", "11"}}, {LEFT}, NULL},
    /* Another model. */
    {{LEFT},
     {{"0000:01:00.0", "0000:00:01.0", NULL, "1b80", NULL}},
     "the card 0000:01:00.0 (10de:1b06) is another one since"},
};

static void test_table(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		json_t *before = document(table[i].before, 3), *after = document(table[i].after, 3);
		struct gf_err err = {0};
		int rc = cards_compare(before, after, &host, &err);

		if (rc != (table[i].told ? -1 : 0) ||
		    !strstr(err.msg, table[i].told ? table[i].told : ""))
			fail_msg("row %zu: %d: %s", i, rc, err.msg);
		if (table[i].told) {
			assert_int_equal(err.code, GF_E_REBOOT);
			/* None of it was cut off. */
			assert_non_null(
			    strstr(err.msg, "the next run goes by the cards that are there"));
		}
		json_decref(before);
		json_decref(after);
	}
}

/* They go with the driver of the card that they are parts of. */
static void test_virtual_functions_may_go(void **state)
{
	const struct spec cards[] = {LEFT, RIGHT};
	struct inventory_host host = facts_host(NULL, 0);
	json_t *before = document(cards, 2), *after = document(cards, 1);

	(void)state;
	json_object_set_new(facts_device(before, "pci", "0000:02:00.0"), "physical_function",
	                    json_string("0000:01:00.0"));
	assert_int_equal(cards_compare(before, after, &host, NULL), 0);
	json_decref(before);
	json_decref(after);
}

static void test_other_devices_do_not_matter(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *before = facts_load("nvidia"), *after = facts_load("nvidia");

	(void)state;
	json_array_remove(json_object_get(after, "pci"),
	                  json_array_size(json_object_get(after, "pci")) - 1);
	assert_int_equal(cards_compare(before, after, &host, NULL), 0);
	json_decref(before);
	json_decref(after);
}

static void test_wrong_shapes(void **state)
{
	const struct spec cards[] = {LEFT};
	struct inventory_host host = facts_host(NULL, 0);
	json_t *good = document(cards, 1), *bad = json_object();
	struct gf_err err = {0};

	(void)state;
	assert_int_equal(cards_compare(bad, good, &host, &err), 0);
	assert_int_equal(cards_compare(good, bad, &host, &err), -1);
	assert_int_equal(err.code, GF_E_PROTOCOL);
	json_decref(good);
	json_decref(bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_virtual_functions_may_go),
	    cmocka_unit_test(test_other_devices_do_not_matter),
	    cmocka_unit_test(test_wrong_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
