/* What a compute host is told, and what is refused: whole contexts and exact messages. */
#include "tests/unit/nova_wanted.h"

static void expect_compute(const char *nova, json_t *facts, const char *wanted)
{
	char text[1024], *got;

	snprintf(text, sizeof(text), HOSTS ", " GPUS "%s", nova);
	got = told(text, "gpu01", facts, NULL, facts);
	assert_string_equal(got, wanted);
	free(got);
	json_decref(facts);
}

#define SPEC_OF(name)                                                                              \
	"{\"section\":\"pci\",\"name\":\"" name "\",\"kind\":\"multi\",\"services\":["             \
	"\"nova-compute\"],\"values\":[\"{\\\"vendor_id\\\":\\\"10de\\\",\\\"product_id\\\":"      \
	"\\\"1b06\\\"}\"]}"
#define COMPUTE(release, spec, more)                                                               \
	"{\"release\":" release                                                                    \
	",\"role\":\"compute\",\"options\":[" SPEC_OF(spec) "," ALIAS_FOR("nova-compute") more     \
	    "],\"services\":[\"nova-compute\"]}"
#define REPORT                                                                                     \
	",{\"section\":\"pci\",\"name\":\"report_in_placement\",\"kind\":\"set\",\"services\":["   \
	"\"nova-compute\"],\"value\":\"true\"}"

static void test_compute(void **state)
{
	(void)state;
	expect_compute(", \"nova\": {}", compute(CARD, "26.2.1", json_object()),
	               COMPUTE("26", "device_spec", ""));
	expect_compute("", compute(CARD, "25.0.0", json_object()),
	               COMPUTE("25", "passthrough_whitelist", ""));
	expect_compute(", \"nova\": {\"release\": \"pike\"}", compute(CARD, NULL, json_object()),
	               COMPUTE("16", "passthrough_whitelist", ""));
	expect_compute(", \"nova\": {\"report_in_placement\": true}",
	               compute(CARD, "26.2.1", json_object()),
	               COMPUTE("26", "device_spec", REPORT));
	/* Nothing of it is wanted: what was written before goes. */
	expect_compute("", compute("0000:02:00.0 8086:1533 0200", "26.2.1", json_object()),
	               "{\"release\":26,\"role\":\"compute\",\"options\":["
	               "{\"section\":\"pci\",\"name\":\"device_spec\",\"kind\":\"multi\","
	               "\"services\":[\"nova-compute\"],\"values\":[]},"
	               "{\"section\":\"pci\",\"name\":\"alias\",\"kind\":\"multi\",\"services\":["
	               "\"nova-compute\"],\"values\":[],\"identity\":\"name\"}],"
	               "\"services\":[\"nova-compute\"]}");
}

static void test_release(void **state)
{
	(void)state;
	expect_compute(", \"nova\": {\"release\": \"victoria\"}",
	               compute(CARD, "2:26.2.1-1", json_object()),
	               "nothing\nrefused: the inventory's nova.release is 22 (Victoria), and the "
	               "host has Nova 26 (Zed) (2:26.2.1-1): correct the inventory, or leave the "
	               "release out of it");
	expect_compute("", compute(CARD, NULL, json_object()),
	               "nothing\nunknown: the release of its Nova is not known: name it as "
	               "nova.release in the inventory");
	expect_compute(
	    "", compute(CARD, "40.0.0", json_object()),
	    "nothing\nunknown: its Nova is of version 40.0.0, which is none that is known "
	    "(16 to 32): nothing is written");
	expect_compute(", \"nova\": {\"report_in_placement\": true}",
	               compute(CARD, "25.0.0", json_object()),
	               "nothing\nrefused: report_in_placement needs Nova 26 (Zed); the host has 25 "
	               "(Yoga)");
	expect_compute(", \"nova\": {\"release\": \"zed\", \"pci_in_placement\": true}",
	               compute(CARD, NULL, json_object()),
	               "nothing\nrefused: pci_in_placement needs Nova 27 (2023.1 Antelope); the "
	               "inventory says 26 (Zed)");
}

static void test_nothing(void **state)
{
	(void)state;
	expect_compute("", nova_document(CARD, NULL), "nothing");
	expect_compute(", \"nova\": {}", nova_document(CARD, NULL),
	               "nothing\nunknown: no Nova was found on it");
	expect_compute(", \"nova\": {\"deployment\": \"none\"}",
	               compute(CARD, "26.2.1", json_object()), "nothing");
	expect_compute("", nova_document(CARD, nova_part("26.2.1", json_array())),
	               "nothing\nunknown: no nova-compute was found on it");
	expect_compute("", NULL, "nothing\nunknown: it was never scanned: run `gpufleet scan`");
}

static json_t *with_specs(const char *devices, const char *release, const char *specs)
{
	json_t *options = json_object();

	nova_entries(options, "pci.device_spec", specs);
	return compute(devices, release, options);
}

static void test_foreign_specs(void **state)
{
	(void)state;
	expect_compute(
	    "", with_specs(CARD, "26.2.1", "/etc/nova/nova-compute.conf:3 {\"venodr_id\":\"1\"}"),
	    COMPUTE("26", "device_spec",
	            "") "\ntold: /etc/nova/nova-compute.conf:3 offers 3 devices that the inventory "
	                "does not want: 0000:00:01.0, 0000:01:00.1, 0000:02:00.0");
	expect_compute("", with_specs(CARD, "26.2.1", "/etc/nova/nova.conf:9 {'vendor_id':'1'}"),
	               "nothing\nrefused: /etc/nova/nova.conf:9: Nova refuses this entry, and "
	               "nova-compute would not start: it is not JSON; correct or remove it");
	/* A network card for Neutron is meant so. */
	expect_compute("",
	               with_specs(CARD, "26.2.1",
	                          "/etc/nova/nova.conf:9 "
	                          "{\"address\":\"0000:02:00.0\",\"physical_network\":\"p\"}"),
	               COMPUTE("26", "device_spec", ""));
	/* Our own former line is replaced, and not judged. */
	expect_compute("", with_specs(CARD, "26.2.1", "+/etc/nova/nova.conf:9 {}"),
	               COMPUTE("26", "device_spec", ""));
}

static void test_in_use(void **state)
{
	static const char former[] =
	    "+/etc/nova/nova.conf:9 {\"vendor_id\":\"10de\",\"address\":\"0000:04:00.0\"}";
	static const char devices[] = CARD "; 0000:04:00.0 10de:1b80 0300";
	json_t *facts = with_specs(devices, "26.2.1", former);

	(void)state;
	nova_guest(facts, "instance-1", "0000:04:00.0");
	expect_compute(
	    "", facts,
	    "nothing\nrefused: the guest instance-1 holds 0000:04:00.0, which Nova would "
	    "no longer offer: migrate or stop it first, or keep the device in \"gpus\"");
	expect_compute("", with_specs(devices, "26.2.1", former), COMPUTE("26", "device_spec", ""));
	facts = with_specs(devices, "26.2.1", former);
	json_object_del(json_object_get(facts, "host"), "guests");
	expect_compute(
	    "", facts,
	    COMPUTE("26", "device_spec",
	            "") "\nunknown: devices would no longer be offered, and it could not be seen "
	                "whether guests hold them");
}

static void test_placement(void **state)
{
	json_t *facts = reporting(CARD, "+/etc/nova/nova.conf:9 {\"vendor_id\":\"10de\","
	                                "\"product_id\":\"1b06\",\"resource_class\":\"X\"}");

	(void)state;
	expect_compute(", \"nova\": {\"report_in_placement\": false}", reporting(CARD, NEW_SPEC),
	               "nothing\nrefused: report_in_placement is on, and Nova does not let it be "
	               "turned off again (nova-compute would not start): set it to true in the "
	               "inventory, or leave it out");
	expect_compute("", reporting(CARD, NEW_SPEC), COMPUTE("26", "device_spec", ""));
	nova_guest(facts, "instance-1", "0000:01:00.0");
	expect_compute("", facts,
	               "nothing\nrefused: the guest instance-1 holds 0000:01:00.0, whose "
	               "resource_class would change: Placement refuses that (InventoryInUse), and "
	               "nova-compute would not start; migrate or stop it first");
	expect_compute(", \"nova\": {\"report_in_placement\": true}",
	               with_specs(CARD, "26.2.1", "/etc/nova/nova.conf:4 {\"devname\":\"eth0\"}"),
	               "nothing\nrefused: /etc/nova/nova.conf:4 names a device by devname, which "
	               "ends nova-compute with report_in_placement: name it by address");
	/* Without reporting it is nobody's business. */
	expect_compute("",
	               with_specs(CARD, "26.2.1", "/etc/nova/nova.conf:4 {\"devname\":\"eth0\"}"),
	               COMPUTE("26", "device_spec", ""));
	expect_compute(
	    "",
	    reporting(CARD "; 0000:04:00.0 10de:1b80 0300",
	              "+/etc/nova/nova.conf:9 {\"product_id\":\"1b80\"}"),
	    COMPUTE("26", "device_spec",
	            "") "\nunknown: devices would no longer be offered; whether Placement holds an "
	                "allocation of "
	                "them (a stopped or shelved server has one) can't be seen from the host");
}

#define NIC                                                                                        \
	CARD "; 0000:05:00.0 15b3:1017 0200 sriov=8/2; 0000:05:00.1 15b3:1018 0200 "               \
	     "of=0000:05:00.0; 0000:05:00.2 15b3:1018 0200 of=0000:05:00.0"

static void test_placement_children(void **state)
{
	(void)state;
	expect_compute(
	    "",
	    reporting(NIC, "/etc/nova/nova.conf:4 {\"address\":\"0000:05:00.0\","
	                   "\"physical_network\":\"p\"}"),
	    "nothing\nrefused: 0000:05:00.0 and its virtual function 0000:05:00.1 would both be "
	    "offered "
	    "(/etc/nova/nova.conf:4), which ends nova-compute with report_in_placement: write 0 to "
	    "sriov_numvfs, or leave one out\nrefused: 0000:05:00.0 and its virtual function "
	    "0000:05:00.2 would both be offered (/etc/nova/nova.conf:4), which ends nova-compute "
	    "with "
	    "report_in_placement: write 0 to sriov_numvfs, or leave one out");
	expect_compute(
	    "",
	    reporting(NIC, "/etc/nova/nova.conf:4 {\"address\":\"0000:05:00.1\","
	                   "\"physical_network\":\"p\",\"resource_class\":\"X\"}\n"
	                   "/etc/nova/nova.conf:5 {\"address\":\"0000:05:00.2\","
	                   "\"physical_network\":\"p\",\"traits\":\"T\"}"),
	    "nothing\nrefused: the virtual functions 0000:05:00.1 and 0000:05:00.2 of one device "
	    "have "
	    "different resource_class, which ends nova-compute with report_in_placement\nrefused: "
	    "the "
	    "virtual functions 0000:05:00.1 and 0000:05:00.2 of one device have different traits, "
	    "which ends nova-compute with report_in_placement");
	expect_compute("", reporting(CARD "; 0000:05:00.0 15b3:1017 0200 sriov=8/2", NEW_SPEC),
	               COMPUTE("26", "device_spec", "") "\nunknown: virtual functions are in use, "
	                                                "and facts don't say whose they are: run "
	                                                "`gpufleet scan` again");
}

static void test_told(void **state)
{
	json_t *facts = compute(CARD, "26.2.1", json_object()),
	       *nova = json_object_get(facts, "nova");
	char devices[1024] = "";
	char text[1024], *got;

	(void)state;
	json_array_append_new(
	    json_object_get(nova, "files"),
	    json_pack("{s:s, s:s}", "path", "/etc/nova/nova.conf", "managed_by", "puppet"));
	json_object_set_new(nova, "deployment", json_string("kolla"));
	json_array_append_new(json_object_get(nova, "problems"),
	                      json_pack("{s:s, s:i, s:s}", "file", "/etc/nova/x.conf", "line", 3,
	                                "message", "no '=' in it"));
	expect_compute(
	    "", facts,
	    COMPUTE(
	        "26", "device_spec",
	        "") "\nunknown: /etc/nova/x.conf:3: no '=' in it: what Nova makes of it is not "
	            "known"
	            "\ntold: /etc/nova/nova.conf is managed by puppet, which may take the changes "
	            "back: put them there, too\ntold: kolla writes its files anew at the next "
	            "reconfigure: put the same lines into /etc/kolla/config/nova on the deploy "
	            "host");
	for (int i = 0; i < 8; i++)
		snprintf(devices + strlen(devices), sizeof(devices) - strlen(devices),
		         "0000:%02x:00.0 10de:1b06 0300;", i + 1);
	expect_compute(
	    ", \"nova\": {\"report_in_placement\": true}",
	    compute(devices, "26.2.1", json_object()),
	    COMPUTE("26", "device_spec",
	            REPORT) "\ntold: 8 devices 10de:1b06 report to Placement: raise [placement] "
	                    "max_allocation_candidates and set "
	                    "allocation_candidates_generation_strategy = "
	                    "breadth-first there");
	/* A line of others claims the card first: the tags of ours have no effect. */
	facts = with_specs(CARD, "26.2.1", "/etc/nova/nova.conf:4 {\"product_id\":\"1b06\"}");
	snprintf(text, sizeof(text),
	         HOSTS
	         ", \"gpus\": [{\"alias\": \"a\", \"vendor\": \"10de\", \"device\": \"1b06\", "
	         "\"resource_class\": \"X\"}]");
	got = told(text, "gpu01", facts, NULL, facts);
	assert_non_null(strstr(got,
	                       "told: /etc/nova/nova.conf:4 offers 0000:01:00.0 first, so that "
	                       "what the inventory says of it (resource_class, traits, managed) "
	                       "has no effect: remove that line"));
	free(got);
	json_decref(facts);
}

static void test_foreign_aliases(void **state)
{
	json_t *options = json_object();

	(void)state;
	/* The same name: replaced, whatever it says. Another: stays, when Nova takes it. */
	nova_entries(options, "pci.alias",
	             "/etc/nova/nova.conf:4 {\"name\":\"nvidia1080\",\"device_type\":\"wrong\"}\n"
	             "/etc/nova/nova.conf:5 {\"name\":\"other\",\"vendor_id\":\"8086\","
	             "\"product_id\":\"0443\"}");
	expect_compute("", compute(CARD, "26.2.1", options), COMPUTE("26", "device_spec", ""));
	options = json_object();
	nova_entries(options, "pci.alias",
	             "/etc/nova/nova.conf:5 {\"name\":\"other\",\"vendor_id\":\"0x8086\"}");
	expect_compute(
	    "", compute(CARD, "26.2.1", options),
	    "nothing\nrefused: /etc/nova/nova.conf:5: Nova refuses this alias, and every "
	    "alias with it: vendor_id '0x8086' is not four hex digits (without 0x); correct "
	    "or remove it");
}
/* A host has one role: what else runs on it is told nothing, and that is said. */
static void test_other_role(void **state)
{
	json_t *services = json_array();

	(void)state;
	json_array_append_new(services, nova_service("nova-compute", json_object()));
	json_array_append_new(services, nova_service("nova-conductor", json_object()));
	expect_compute(
	    "", nova_document(CARD, nova_part("26.2.1", services)),
	    COMPUTE("26", "device_spec",
	            "") "\nunknown: it also runs nova-conductor, which is told nothing, "
	                "because its role in the inventory is compute: give nova-api the "
	                "alias and nova-scheduler PciPassthroughFilter by hand, and "
	                "restart them");
}

/* Cards that are blocked are in `gpus`, and not in the wire's `wanted`: they are not offered. */
static void test_left_out(void **state)
{
	struct inventory *inventory = nova_inventory(HOSTS ", " GPUS);
	json_t *facts = compute(CARD "; 0000:03:00.0 10de:1b06 0300", "26.2.1", json_object());
	json_t *left = json_pack("[{s:s}]", "address", "0000:03:00.0");
	struct nova_fleet *fleet = fleet_of(inventory, facts, NULL);
	struct nova_wanted wanted;

	(void)state;
	assert_int_equal(nova_wanted_compute(fleet, inventory_host_find(inventory, "gpu01"), facts,
	                                     left, &wanted, NULL),
	                 0);
	assert_string_equal(
	    json_string_value(json_array_get(
	        json_object_get(json_array_get(json_object_get(wanted.context, "options"), 0),
	                        "values"),
	        0)),
	    "{\"vendor_id\":\"10de\",\"product_id\":\"1b06\",\"address\":\"0000:03:00.0\"}");
	assert_null(nova_wanted_remark(&wanted, NOVA_REFUSED));
	nova_wanted_free(&wanted);
	nova_fleet_free(fleet);
	inventory_free(inventory);
	json_decref(facts);
	json_decref(left);
}

static void test_malformed(void **state)
{
	struct inventory *inventory = nova_inventory(HOSTS ", " GPUS);
	json_t *facts = nova_document(CARD, json_pack("[]"));
	struct nova_fleet *fleet = fleet_of(inventory, facts, NULL);
	struct nova_wanted wanted;
	struct gf_err err = {0};

	(void)state;
	assert_int_equal(nova_wanted_compute(fleet, inventory_host_find(inventory, "gpu01"), facts,
	                                     NULL, &wanted, &err),
	                 -1);
	assert_int_equal(err.code, GF_E_PROTOCOL);
	nova_fleet_free(fleet);
	inventory_free(inventory);
	json_decref(facts);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_compute),
	    cmocka_unit_test(test_release),
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_foreign_specs),
	    cmocka_unit_test(test_in_use),
	    cmocka_unit_test(test_placement),
	    cmocka_unit_test(test_placement_children),
	    cmocka_unit_test(test_told),
	    cmocka_unit_test(test_foreign_aliases),
	    cmocka_unit_test(test_other_role),
	    cmocka_unit_test(test_left_out),
	    cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
