/* Where a host's stages configure Nova: the part of its context, and what is refused. */
#include "tests/unit/nova.h"

#include "controller/host/host_states.h"

#define INVENTORY                                                                                  \
	"\"groups\": {\"c\": {\"hosts\": [\"gpu01\"]}}, \"gpus\": [{\"alias\": \"a\", "            \
	"\"vendor\": \"10de\", \"device\": \"1b06\"}], \"nova\": {\"release\": \"zed\"}"

static json_t *stages_of(const char *type)
{
	return json_pack("[{s:s, s:[{s:s}]}]", "name", "s", "tasks", "type", type);
}

static json_t *facts_of(const char *release)
{
	json_t *services = json_array();

	json_array_append_new(services, nova_service("nova-compute", json_object()));
	return nova_document("0000:01:00.0 10de:1b06 0300", nova_part(release, services));
}

struct world {
	struct inventory *inventory;
	struct host_shared shared;
	struct host host;
};

static void world_make(struct world *world, const char *type, const char *release)
{
	memset(world, 0, sizeof(*world));
	world->inventory = nova_inventory(INVENTORY);
	world->shared.nova = nova_fleet_new(world->inventory, NULL);
	world->shared.run = "r";
	world->host.shared = &world->shared;
	world->host.inventory = &world->inventory->hosts[0];
	world->host.stages = stages_of(type);
	world->host.facts = facts_of(release);
	world->host.wanted = json_pack("[{s:s, s:b}]", "address", "0000:01:00.0", "primary", 1);
	assert_int_equal(host_nova_put(&world->host, NULL), 0);
}

static void world_end(struct world *world)
{
	json_decref(world->host.stages);
	json_decref(world->host.facts);
	json_decref(world->host.wanted);
	json_decref(world->host.nova);
	json_decref(world->host.nova_notes);
	nova_fleet_free(world->shared.nova);
	inventory_free(world->inventory);
}

static void test_context(void **state)
{
	struct world world;
	json_t *context;

	(void)state;
	world_make(&world, "nova_config", "26.2.1");
	assert_int_equal(host_nova_look(&world.host, NULL), 0);
	context = host_context(&world.host);
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(context, "nova"), "release")), 26);
	assert_int_equal(
	    json_array_size(json_object_get(json_object_get(context, "nova"), "options")), 2);
	assert_int_equal(json_array_size(world.host.nova_notes), 1);
	assert_string_equal(
	    json_string_value(json_object_get(json_array_get(world.host.nova_notes, 0), "text")),
	    "Nova is to offer 0000:01:00.0 (1 device)");
	json_decref(context);
	world_end(&world);
}

static void test_not_asked(void **state)
{
	struct world world;
	json_t *context;

	(void)state;
	world_make(&world, "bind", "26.2.1");
	assert_int_equal(host_nova_look(&world.host, NULL), 0);
	context = host_context(&world.host);
	assert_null(json_object_get(context, "nova"));
	json_decref(context);
	world_end(&world);
}

/* A fleet without Nova: hosts that wait need not keep their facts for it. */
static void test_never(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "nova_config", "26.2.1");
	assert_true(host_nova_told(&world.host));
	free(world.inventory->nova_deployment);
	world.inventory->nova_deployment = strdup("none");
	assert_false(host_nova_told(&world.host));
	assert_int_equal(host_nova_look(&world.host, NULL), 0);
	assert_null(world.host.nova);
	world_end(&world);
}

static void test_refused(void **state)
{
	struct world world;
	struct gf_err err = {0};

	(void)state;
	world_make(&world, "nova_config", "25.0.0");
	assert_int_equal(host_nova_look(&world.host, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	assert_string_equal(err.msg, "Nova: the inventory's nova.release is 26 (Zed), and the host "
	                             "has Nova 25 (Yoga) (25.0.0): correct the inventory, or leave "
	                             "the release out of it");
	assert_null(world.host.nova);
	world_end(&world);
}

/* A host without a card that may be taken is left alone; what stands in its files is told. */
static void test_blocked(void **state)
{
	struct gf_err err = {GF_E_BLOCKED, "no card"}, failed = {GF_E_TASK, "x"};
	struct world world;
	json_t *service;

	(void)state;
	world_make(&world, "nova_config", "26.2.1");
	host_nova_blocked(&world.host, &err);
	assert_string_equal(err.msg, "no card");
	service = json_array_get(
	    json_object_get(json_object_get(world.host.facts, "nova"), "services"), 0);
	nova_entries(json_object_get(service, "options"), "pci.device_spec",
	             "/etc/nova/nova.conf:3 {}\n+/etc/nova/nova.conf:9 {}");
	host_nova_blocked(&world.host, &err);
	assert_string_equal(err.msg, "no card; Nova still offers what /etc/nova/nova.conf:9 says: "
	                             "`gpufleet rollback --limit gpu01` takes that back");
	host_nova_blocked(&world.host, &failed);
	assert_string_equal(failed.msg, "x");
	world_end(&world);
}

static void test_without_fleet(void **state)
{
	struct world world;

	(void)state;
	world_make(&world, "nova_config", "26.2.1");
	nova_fleet_free(world.shared.nova);
	world.shared.nova = NULL;
	assert_int_equal(host_nova_put(&world.host, NULL), 0);
	assert_int_equal(host_nova_look(&world.host, NULL), 0);
	assert_null(world.host.nova);
	world_end(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_context),       cmocka_unit_test(test_not_asked),
	    cmocka_unit_test(test_refused),       cmocka_unit_test(test_blocked),
	    cmocka_unit_test(test_without_fleet), cmocka_unit_test(test_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
