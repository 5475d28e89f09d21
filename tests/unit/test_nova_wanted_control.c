/* What a control host is told: its aliases, its filters, and when Placement is asked. */
#include "tests/unit/nova_wanted.h"

/* The control host, with two computes: GPU01, GPU02 (stolen; NULL: never scanned). */
static void expect_control(const char *nova, json_t *gpu01, json_t *gpu02, json_t *services,
                           const char *release, const char *wanted)
{
	json_t *facts = nova_document("", nova_part(release, services));
	char text[1024], *got;

	snprintf(text, sizeof(text), HOSTS ", " GPUS "%s", nova);
	got = told(text, "ctl1", gpu01, gpu02, facts);
	assert_string_equal(got, wanted);
	free(got);
	json_decref(facts);
	json_decref(gpu01);
	json_decref(gpu02);
}

static json_t *control(json_t *api, json_t *scheduler)
{
	json_t *services = json_array();

	json_array_append_new(services, nova_service("nova-api", api));
	json_array_append_new(services, nova_service("nova-scheduler", scheduler));
	json_array_append_new(services, nova_service("nova-conductor", json_object()));
	return services;
}

#define FILTER(more)                                                                               \
	"{\"section\":\"filter_scheduler\",\"name\":\"enabled_filters\",\"kind\":\"list-add\","    \
	"\"services\":[\"nova-scheduler\"],\"values\":[\"PciPassthroughFilter\"]" more "}"
#define DEFAULTS                                                                                   \
	",\"default\":[\"ComputeFilter\",\"ComputeCapabilitiesFilter\",\"ImagePropertiesFilter\"," \
	"\"ServerGroupAntiAffinityFilter\",\"ServerGroupAffinityFilter\"]"
#define CONTROL(release, more, services)                                                           \
	"{\"release\":" release ",\"role\":\"control\",\"options\":[" ALIAS_FOR(                   \
	    "nova-api") "," more "],\"services\":[\"nova-api\",\"nova-scheduler\"" services "]}"

static json_t *gpu_host(void)
{
	return compute(CARD, "26.2.1", json_object());
}

static void test_control(void **state)
{
	json_t *scheduler = json_object();

	(void)state;
	expect_control("", gpu_host(), gpu_host(), control(json_object(), json_object()), "26.2.1",
	               CONTROL("26", FILTER(DEFAULTS), ""));
	nova_value(scheduler, "filter_scheduler.enabled_filters",
	           json_pack("[s, s]", "ComputeFilter", "RetryFilter"));
	expect_control(
	    "", gpu_host(), gpu_host(), control(json_object(), scheduler), "21.0.0",
	    CONTROL("21",
	            FILTER(",\"default\":[\"AvailabilityZoneFilter\",\"ComputeFilter\","
	                   "\"ComputeCapabilitiesFilter\",\"ImagePropertiesFilter\","
	                   "\"ServerGroupAntiAffinityFilter\",\"ServerGroupAffinityFilter\"]"),
	            ""));
	scheduler = json_object();
	nova_value(scheduler, "filter_scheduler.enabled_filters",
	           json_pack("[s, s]", "ComputeFilter", "RetryFilter"));
	expect_control(
	    "", gpu_host(), gpu_host(), control(json_object(), scheduler), "26.2.1",
	    "nothing\nrefused: /etc/nova/nova.conf:7 lists RetryFilter, which Nova has no "
	    "more since 22 (Victoria): nova-scheduler would not start "
	    "(SchedulerHostFilterNotFound); take it out");
	/* Our own line, from before an upgrade: written anew. */
	scheduler = json_object();
	json_object_set_new(
	    scheduler, "filter_scheduler.enabled_filters",
	    json_pack("{s:s, s:[s], s:[{s:s, s:s, s:i, s:b}, {s:s, s:s, s:i, s:b, s:b}]}", "kind",
	              "list", "value", "RetryFilter", "entries", "value", "RetryFilter", "file",
	              "/etc/nova/nova.conf", "line", 8, "ours", 1, "value", "CoreFilter", "file",
	              "/etc/nova/nova.conf", "line", 7, "ours", 0, "effective", 0));
	expect_control("", gpu_host(), gpu_host(), control(json_object(), scheduler), "26.2.1",
	               CONTROL("26", FILTER(DEFAULTS), ""));
	scheduler = json_object();
	nova_value(scheduler, "filter_scheduler.available_filters", json_pack("[s]", "my.Filter"));
	expect_control("", gpu_host(), gpu_host(), control(json_object(), scheduler), "26.2.1",
	               CONTROL("26",
	                       FILTER(DEFAULTS) ",{\"section\":\"filter_scheduler\",\"name\":"
	                                        "\"available_filters\",\"kind\":\"multi\","
	                                        "\"services\":[\"nova-scheduler\"],\"values\":["
	                                        "\"nova.scheduler.filters.pci_passthrough_filter."
	                                        "PciPassthroughFilter\"]}",
	                       ""));
	expect_control("", gpu_host(), gpu_host(), json_array(), "26.2.1",
	               "nothing\nunknown: neither nova-api, nova-scheduler nor nova-conductor was "
	               "found on it");
}

static void test_control_unscanned(void **state)
{
	json_t *api = json_object();

	(void)state;
	expect_control("", gpu_host(), NULL, control(json_object(), json_object()), "26.2.1",
	               CONTROL("26", FILTER(DEFAULTS),
	                       "") "\nunknown: never scanned: gpu02: what devices these compute "
	                           "hosts have, and of what type, is not known");
	/* What is known of nobody stays as it was written. */
	nova_entries(api, "pci.alias", "+/etc/nova/nova.conf:4 {\"name\":\"nvidia1080\"}");
	expect_control(
	    "", NULL, NULL, control(api, json_object()), "26.2.1",
	    "{\"release\":26,\"role\":\"control\",\"options\":[{\"section\":\"pci\","
	    "\"name\":\"alias\",\"kind\":\"multi\",\"services\":[\"nova-api\"],\"values\":["
	    "\"{\\\"name\\\":\\\"nvidia1080\\\"}\"],\"identity\":\"name\"}," FILTER(
	        DEFAULTS) "],\"services\":[\"nova-api\",\"nova-scheduler\"]}\n"
	                  "unknown: never scanned: gpu[01-02]: what devices these compute hosts "
	                  "have, and of what type, is not known\n"
	                  "unknown: alias nvidia1080 stays as it is: no scanned host has a device "
	                  "of it, "
	                  "and its device_type comes from the devices");
	expect_control(
	    "", compute(CARD ";", "26.2.1", json_object()),
	    compute("0000:01:00.0 10de:1b06 0300 sriov=4", "26.2.1", json_object()),
	    control(json_object(), json_object()), "26.2.1",
	    "nothing\nrefused: alias nvidia1080 would need type-PF on gpu02 (10de:1b06 has "
	    "SR-IOV there) and type-PCI on gpu01 (10de:1b06): Nova takes one type an alias; "
	    "give one of them an alias of its own, or switch SR-IOV on or off in the "
	    "firmware of all");
}

static json_t *reporting_host(void)
{
	json_t *facts = reporting(CARD, NEW_SPEC);

	json_object_set_new(json_object_get(facts, "nova"), "release", json_string("27.0.0"));
	return facts;
}

static void test_control_placement(void **state)
{
	static const char nova[] =
	    ", \"nova\": {\"report_in_placement\": true, \"pci_in_placement\": true}";
	json_t *scheduler = json_object();

	(void)state;
	expect_control(
	    nova, reporting_host(), reporting_host(), control(json_object(), json_object()),
	    "27.0.0",
	    CONTROL("27",
	            FILTER(DEFAULTS) ",{\"section\":\"filter_scheduler\",\"name\":"
	                             "\"pci_in_placement\",\"kind\":\"set\",\"services\":["
	                             "\"nova-api\",\"nova-scheduler\",\"nova-conductor\"],"
	                             "\"value\":\"true\"}",
	            ",\"nova-conductor\""));
	expect_control(
	    nova, reporting_host(), gpu_host(), control(json_object(), json_object()), "27.0.0",
	    CONTROL("27", FILTER(DEFAULTS), "") "\nwaits: pci_in_placement waits for compute hosts "
	                                        "that don't report to Placement yet: gpu02");
	expect_control(nova, reporting_host(), NULL, control(json_object(), json_object()),
	               "27.0.0",
	               CONTROL("27", FILTER(DEFAULTS),
	                       "") "\nunknown: never scanned: gpu02: what devices these compute "
	                           "hosts have, and of what type, is not known"
	                           "\nwaits: pci_in_placement waits for compute hosts that were "
	                           "never scanned: gpu02");
	/* It may be turned off again, but only by a word. */
	nova_value(scheduler, "filter_scheduler.pci_in_placement", json_string("True"));
	expect_control(
	    ", \"nova\": {\"pci_in_placement\": false}", reporting_host(), reporting_host(),
	    control(json_object(), scheduler), "27.0.0",
	    CONTROL("27",
	            FILTER(DEFAULTS) ",{\"section\":\"filter_scheduler\",\"name\":"
	                             "\"pci_in_placement\",\"kind\":\"set\",\"services\":["
	                             "\"nova-api\",\"nova-scheduler\",\"nova-conductor\"],"
	                             "\"value\":\"false\"}",
	            ",\"nova-conductor\""));
}

#define TWO_MODELS                                                                                 \
	HOSTS ", \"gpus\": [{\"alias\": \"a\", \"vendor\": \"10de\", \"class\": \"0300\", "        \
	      "\"resource_class\": \"X\"}], \"nova\": {\"release\": \"2023.1\", "                  \
	      "\"report_in_placement\": true, \"pci_in_placement\": true}"
#define BY_CLASS                                                                                   \
	"{\\\"name\\\":\\\"a\\\",\\\"device_type\\\":\\\"type-PCI\\\",\\\"resource_class\\\""
#define BY_IDS                                                                                     \
	"{\\\"name\\\":\\\"a\\\",\\\"vendor_id\\\":\\\"10de\\\",\\\"product_id\\\":\\\"1b80\\\","

static void expect_entries(const char *text, const char *host, json_t *gpu01, json_t *gpu02,
                           json_t *facts, const char *with, const char *without)
{
	char *got = told(text, host, gpu01, gpu02, facts);

	if (!strstr(got, with) || strstr(got, without))
		fail_msg("%s: %s", host, got);
	free(got);
}

/* Without the switch Nova refuses an entry that has no ids, and every alias with it. */
static void test_several_models_in_placement(void **state)
{
	json_t *gpu01 = reporting_host(), *gpu02, *gpu03, *ctl1, *scheduler = json_object();

	(void)state;
	gpu02 = reporting("0000:01:00.0 10de:1b80 0300", "");
	json_object_set_new(json_object_get(gpu02, "nova"), "release", json_string("27.0.0"));
	ctl1 = nova_document("", nova_part("27.0.0", control(json_object(), json_object())));
	expect_entries(TWO_MODELS, "gpu02", gpu01, gpu02, gpu02, BY_IDS, BY_CLASS);
	expect_entries(TWO_MODELS, "ctl1", gpu01, gpu02, ctl1, BY_CLASS, BY_IDS);
	/* One was never scanned: the switch waits, and so does the form that needs it. */
	gpu03 = reporting("0000:01:00.0 10de:1b06 0300; 0000:02:00.0 10de:1b80 0300", "");
	expect_entries(TWO_MODELS, "ctl1", gpu03, NULL, ctl1, BY_IDS, BY_CLASS);
	/* It is on already: it stays on, whoever comes to the fleet. */
	nova_value(scheduler, "filter_scheduler.pci_in_placement", json_string("true"));
	json_decref(ctl1);
	ctl1 = nova_document("", nova_part("27.0.0", control(json_object(), scheduler)));
	expect_entries(TWO_MODELS, "ctl1", gpu03, NULL, ctl1, BY_CLASS, BY_IDS);
	json_decref(gpu03);
	json_decref(ctl1);
	json_decref(gpu01);
	json_decref(gpu02);
}

/* Two aliases of one model: only Placement tells them apart, so the API learns of them with it. */
static void test_shared_model_waits(void **state)
{
	static const char text[] = HOSTS
	    ", \"gpus\": [{\"alias\": \"a\", \"vendor\": \"10de\", \"device\": \"1b06\", "
	    "\"except\": [\"0000:02:00.0\"], \"resource_class\": \"X\"}, {\"alias\": \"b\", "
	    "\"vendor\": \"10de\", \"class\": \"0300\", \"resource_class\": \"Y\"}], \"nova\": "
	    "{\"release\": \"2023.1\", \"report_in_placement\": true, \"pci_in_placement\": true}";
	json_t *gpu01 = reporting("0000:01:00.0 10de:1b06 0300; 0000:02:00.0 10de:1b06 0300", "");
	json_t *ctl1 =
	    nova_document("", nova_part("27.0.0", control(json_object(), json_object())));

	(void)state;
	json_object_set_new(json_object_get(gpu01, "nova"), "release", json_string("27.0.0"));
	expect_entries(
	    text, "ctl1", gpu01, NULL, ctl1,
	    "waits: alias a waits for pci_in_placement: only Placement tells its devices "
	    "from those of another alias\nwaits: alias b",
	    "vendor_id");
	expect_entries(text, "ctl1", gpu01, gpu01, ctl1, "vendor_id", "waits");
	expect_entries(text, "gpu01", gpu01, NULL, gpu01, "vendor_id", "waits");
	json_decref(ctl1);
	json_decref(gpu01);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_control),
	    cmocka_unit_test(test_control_unscanned),
	    cmocka_unit_test(test_control_placement),
	    cmocka_unit_test(test_several_models_in_placement),
	    cmocka_unit_test(test_shared_model_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
