/* test_device_pool.c: a device is read once for all documents that share it, and its entry made
 * once for all hosts of which the same is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/readiness/device_pool.h"

static json_t *device_at(int slot)
{
	return json_pack("{s:o, s:s, s:s, s:s}", "address",
	                 json_sprintf("0000:%02x:%02x.0", slot / 32, slot % 32), "vendor", "10de",
	                 "device", "1b06", "class", "0300");
}

/* A document of which DEVICE (borrowed) is the only device. */
static json_t *document_of(json_t *device)
{
	return json_pack("{s:i, s:{}, s:[O]}", "facts", 1, "host", "pci", device);
}

static void test_parsed_once(void **state)
{
	struct device_pool *pool = device_pool_new();
	json_t *device = device_at(1), *one = document_of(device), *two = document_of(device);
	struct host_facts first, second, plain;
	const struct host_facts_device *kept;

	(void)state;
	assert_int_equal(host_facts_parse_pooled(one, pool, &first, NULL), 0);
	kept = device_pool_find(pool, device);
	assert_non_null(kept);
	assert_int_equal(host_facts_parse_pooled(two, pool, &second, NULL), 0);
	assert_int_equal(host_facts_parse(two, &plain, NULL), 0);
	assert_memory_equal(&second.devices[0], &plain.devices[0], sizeof(plain.devices[0]));
	assert_memory_equal(kept, &plain.devices[0], sizeof(plain.devices[0]));
	host_facts_free(&first);
	host_facts_free(&second);
	host_facts_free(&plain);
	json_decref(one);
	json_decref(two);
	json_decref(device);
	/* Its memory can't become another device while the pool takes it for this one. */
	assert_string_equal(kept->address, "0000:00:01.0");
	device_pool_free(pool);
}

static void test_own_is_not_kept(void **state)
{
	struct device_pool *pool = device_pool_new();
	json_t *device = device_at(1), *document = document_of(device);
	struct host_facts facts;

	(void)state;
	json_decref(device);
	assert_int_equal(host_facts_parse_pooled(document, pool, &facts, NULL), 0);
	assert_null(device_pool_find(pool, device));
	host_facts_free(&facts);
	json_decref(document);
	device_pool_free(pool);
}

static void test_wrong_stays_wrong(void **state)
{
	struct device_pool *pool = device_pool_new();
	json_t *device = device_at(1), *document = document_of(device);
	struct host_facts facts;

	(void)state;
	json_object_set_new(device, "driver", json_integer(1));
	for (int i = 0; i < 2; i++)
		assert_int_equal(host_facts_parse_pooled(document, pool, &facts, NULL), -1);
	json_decref(device);
	json_decref(document);
	device_pool_free(pool);
}

static void test_entries(void **state)
{
	struct device_pool *pool = device_pool_new();
	json_t *device = device_at(1), *document = document_of(device), *entry = json_object();
	char alias[] = "a", same_alias[] = "a";
	struct device_said said = {.alias = alias,
	                           .primary = true,
	                           .verdict = 1,
	                           .reason_count = 2,
	                           .reasons = {CHECK_DEVICE_DRIVER, CHECK_DEVICE_EARLY}};
	struct device_said others[] = {said, said, said, said, said, said};
	struct host_facts facts;
	json_t *again;

	(void)state;
	device_pool_keep_entry(pool, device, &said, entry);
	assert_null(device_pool_entry(pool, device, &said)); /* facts that are not kept */
	assert_int_equal(host_facts_parse_pooled(document, pool, &facts, NULL), 0);
	assert_null(device_pool_entry(pool, device, &said));
	device_pool_keep_entry(pool, device, &said, entry);
	others[0].alias = NULL;
	others[1].alias = "b";
	others[2].primary = false;
	others[3].verdict = 2;
	others[4].reason_count = 1;
	others[5].reasons[1] = CHECK_DEVICE_TWIN;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_null(device_pool_entry(pool, device, &others[i]));
	said.alias = same_alias;
	again = device_pool_entry(pool, device, &said);
	assert_ptr_equal(again, entry);
	json_decref(again);
	/* A fleet may say ever more of one device: that must not make each look-up longer. */
	for (unsigned i = 0; i < 256; i++) {
		said.verdict = (unsigned char)i;
		device_pool_keep_entry(pool, device, &said, entry);
	}
	assert_null(device_pool_entry(pool, device, &said));
	host_facts_free(&facts);
	json_decref(document);
	json_decref(device);
	device_pool_free(pool);
	assert_true(json_is_object(entry));
	json_decref(entry);
}

/* More than there are places at first. */
static void test_many(void **state)
{
	struct device_pool *pool = device_pool_new();
	json_t *pci = json_array(), *copy, *document;
	struct host_facts facts;

	(void)state;
	for (int slot = 0; slot < 4096; slot++)
		json_array_append_new(pci, device_at(slot));
	copy = json_copy(pci);
	document = json_pack("{s:i, s:{}, s:o}", "facts", 1, "host", "pci", pci);
	assert_int_equal(host_facts_parse_pooled(document, pool, &facts, NULL), 0);
	for (size_t i = 0; i < facts.device_count; i++)
		assert_memory_equal(device_pool_find(pool, facts.devices[i].json),
		                    &facts.devices[i], sizeof(facts.devices[i]));
	host_facts_free(&facts);
	json_decref(document);
	json_decref(copy);
	device_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parsed_once),
	    cmocka_unit_test(test_own_is_not_kept),
	    cmocka_unit_test(test_wrong_stays_wrong),
	    cmocka_unit_test(test_entries),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
