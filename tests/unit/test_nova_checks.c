/* The report's checks about Nova: status, evidence and what to do, for whole hosts. */
#include "tests/unit/nova.h"

#include <time.h>

#include "controller/nova/nova_checks.h"
#include "controller/readiness/readiness.h"

#define GPUS "\"gpus\": [{\"alias\": \"nvidia1080\", \"vendor\": \"10de\", \"device\": \"1b06\"}]"
#define HOSTS                                                                                      \
	"\"groups\": {\"c\": {\"hosts\": [\"gpu01\"]}, \"x\": {\"role\": \"control\", "            \
	"\"hosts\": [\"ctl1\"]}}"
#define CARDS                                                                                      \
	"0000:01:00.0 10de:1b06 0300; 0000:01:00.1 10de:10ef 0403; 0000:02:00.0 10de:1b06 0300;"   \
	"0000:06:00.0 8086:1533 0200"
#define BOTH "{\"vendor_id\":\"10de\",\"product_id\":\"1b06\"}"
#define ALIAS                                                                                      \
	"{\"name\":\"nvidia1080\",\"vendor_id\":\"10DE\",\"product_id\":\"1b06\",\"device_type\":" \
	"\"type-PCI\"}"

/* The entry of a host that was found with these verdicts: "ADDRESS=VERDICT …"; a sibling's address
 * ends in 1. */
static json_t *entry_of(const char *verdicts)
{
	json_t *devices = json_array();
	char *copy = strdup(verdicts), *rest = copy, *word;

	while ((word = strsep(&rest, " "))) {
		char *verdict = strchr(word, '=');

		if (!verdict)
			continue;
		*verdict++ = '\0';
		json_array_append_new(devices, json_pack("{s:s, s:s, s:s, s:b}", "address", word,
		                                         "verdict", verdict, "alias", "nvidia1080",
		                                         "primary", word[strlen(word) - 1] == '0'));
	}
	free(copy);
	return json_pack("{s:[], s:o}", "checks", "devices", devices);
}

static char last_fix[400]; /* of the last result that expect() saw */

/* The results of ID: "status: evidence", one a line. FACTS are stolen. */
static void expect(const char *nova, const char *host, json_t *facts, const char *gpu_devices,
                   const char *verdicts, const char *id, const char *wanted)
{
	char text[1024], got[2048] = "";
	json_t *entry = entry_of(verdicts), *check;
	json_t *gpu01 = gpu_devices ? nova_document(gpu_devices, NULL) : json_incref(facts);
	struct inventory *inventory;
	struct nova_fleet *fleet;
	struct gf_err err = {0};
	size_t i;

	snprintf(text, sizeof(text), HOSTS ", " GPUS "%s", nova);
	inventory = nova_inventory(text);
	fleet = nova_fleet_new(inventory, NULL);
	nova_fleet_put(fleet, inventory_host_find(inventory, "gpu01"), gpu01, NULL);
	if (nova_checks_add(fleet, inventory_host_find(inventory, host), facts, entry, &err) < 0)
		fail_msg("%s", err.msg);
	json_array_foreach(json_object_get(entry, "checks"), i, check)
	{
		const char *status = json_string_value(json_object_get(check, "status"));

		if (strcmp(json_string_value(json_object_get(check, "id")), id) != 0)
			continue;
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s: %s", *got ? "\n" : "",
		         status, json_string_value(json_object_get(check, "evidence")));
		snprintf(last_fix, sizeof(last_fix), "%s",
		         json_string_value(json_object_get(check, "fix")));
		/* Whoever is told of a fault is told what to do. */
		if (strcmp(status, "pass") != 0) {
			assert_string_not_equal(json_string_value(json_object_get(check, "cause")),
			                        "");
			assert_string_not_equal(json_string_value(json_object_get(check, "fix")),
			                        "");
		}
	}
	assert_string_equal(got, wanted);
	nova_fleet_free(fleet);
	inventory_free(inventory);
	json_decref(entry);
	json_decref(gpu01);
	json_decref(facts);
}

static json_t *compute(const char *specs, const char *aliases)
{
	json_t *options = json_object(), *services = json_array();

	nova_entries(options, "pci.device_spec", specs);
	nova_entries(options, "pci.alias", aliases);
	json_array_append_new(services, nova_service("nova-compute", options));
	return nova_document(CARDS, nova_part("26.2.1", services));
}

#define READY "0000:01:00.0=ready 0000:01:00.1=ready 0000:02:00.0=ready"
#define CONF  "/etc/nova/nova.conf:4 "

static void config(const char *specs, const char *verdicts, const char *wanted)
{
	expect("", "gpu01", compute(specs, CONF ALIAS), NULL, verdicts, "nova.config", wanted);
}

static void test_config(void **state)
{
	(void)state;
	config(CONF BOTH, READY, "pass: Nova offers exactly the 2 wanted devices");
	config("", READY, "fail: missing: 0000:01:00.0, 0000:02:00.0");
	/* Offered before it is ready is no harm; blocked is. */
	config(CONF BOTH, "0000:01:00.0=ready 0000:02:00.0=pending",
	       "pass: Nova offers exactly the 2 wanted devices");
	config(CONF BOTH, "0000:01:00.0=in_use 0000:02:00.0=blocked",
	       "fail: offered: 0000:02:00.0 (/etc/nova/nova.conf:4)");
	config("", "0000:01:00.0=pending", "pass: Nova offers exactly the 0 wanted devices");
	config("/etc/nova/nova-compute.conf:3 {\"venodr_id\":\"10de\"}", READY,
	       "fail: offered: 0000:01:00.1 (/etc/nova/nova-compute.conf:3), 0000:06:00.0 "
	       "(/etc/nova/nova-compute.conf:3)\nwarn: /etc/nova/nova-compute.conf:3: "
	       "\"venodr_id\"");
	config("/etc/x:3 {\"vendor_id\":\"8086\"}", READY,
	       "fail: offered: 0000:06:00.0 (/etc/x:3); missing: 0000:01:00.0, 0000:02:00.0");
	config(CONF BOTH "\n/etc/x:3 {\"address\":\"0000:06:00.0\",\"physical_network\":\"p\"}",
	       READY, "pass: Nova offers exactly the 2 wanted devices");
	config(CONF "{'a'}\n/etc/x:9 []", READY, "fail: /etc/nova/nova.conf:4: it is not JSON");
	config(CONF BOTH "\n/etc/x:3 {\"devname\":\"eth0\"}", READY,
	       "unknown: perhaps offered: 0000:06:00.0 (/etc/x:3)");
}

static void alias(const char *aliases, const char *gpu_devices, const char *wanted)
{
	expect("", "gpu01", compute(CONF BOTH, aliases), gpu_devices, READY, "nova.alias", wanted);
}

static void test_alias(void **state)
{
	(void)state;
	alias(CONF ALIAS, NULL, "pass: 1 model named by alias and type");
	alias("", NULL, "fail: alias nvidia1080: no entry for 10de:1b06 type-PCI");
	alias(CONF "{\"name\":\"nvidia1080\",\"vendor_id\":\"10de\",\"product_id\":\"1b80\"}", NULL,
	      "fail: alias nvidia1080: no entry for 10de:1b06 type-PCI");
	/* What everybody's pages of 2018 say, on a card with SR-IOV. */
	alias(
	    CONF ALIAS, "0000:01:00.0 10de:1b06 0300 sriov=8",
	    "fail: /etc/nova/nova.conf:4: alias nvidia1080: 10de:1b06 is type-PF (SR-IOV capable)");
	alias(
	    CONF "{\"name\":\"nvidia1080\",\"vendor_id\":\"10de\",\"product_id\":\"1b06\"}",
	    "0000:01:00.0 10de:1b06 0300 sriov=8",
	    "fail: /etc/nova/nova.conf:4: alias nvidia1080: 10de:1b06 is type-PF (SR-IOV capable)");
	alias(CONF "{\"name\":\"nvidia1080\",\"vendor_id\":\"10de\",\"product_id\":\"1b06\"}", NULL,
	      "pass: 1 model named by alias and type");
	alias(CONF ALIAS "\n/etc/x:7 {\"name\":\"b\",\"live_migratable\":\"yes\"}", NULL,
	      "fail: /etc/x:7: the key 'live_migratable' is not one that Nova 26 (Zed) knows");
	alias(CONF ALIAS "\n/etc/x:7 {\"name\":\"a b\"}", NULL,
	      "pass: 1 model named by alias and type\nwarn: /etc/x:7: \"a b\"");
}

static json_t *control(json_t *enabled, const char *aliases)
{
	json_t *services = json_array(), *api = json_object(), *scheduler = json_object();

	nova_entries(api, "pci.alias", aliases);
	if (enabled)
		nova_value(scheduler, "filter_scheduler.enabled_filters", enabled);
	json_array_append_new(services, nova_service("nova-api", api));
	json_array_append_new(services, nova_service("nova-scheduler", scheduler));
	return nova_document("", nova_part("26.2.1", services));
}

static void test_control(void **state)
{
	(void)state;
	expect("", "ctl1", control(NULL, ""), CARDS, "", "nova.filter",
	       "fail: Nova's default list lacks PciPassthroughFilter");
	expect("", "ctl1", control(json_pack("[s]", "PciPassthroughFilter"), ""), CARDS, "",
	       "nova.filter", "pass: /etc/nova/nova.conf:7 has PciPassthroughFilter");
	expect("", "ctl1", control(json_pack("[s, s]", "RetryFilter", "PciPassthroughFilter"), ""),
	       CARDS, "", "nova.filter",
	       "fail: /etc/nova/nova.conf:7: RetryFilter, gone since Nova 22 (Victoria)\npass: "
	       "/etc/nova/nova.conf:7 has PciPassthroughFilter");
	expect("", "ctl1", control(NULL, ""), CARDS, "", "nova.alias",
	       "fail: alias nvidia1080: no entry for 10de:1b06 type-PCI");
	expect("", "ctl1", control(NULL, CONF ALIAS), CARDS, "", "nova.alias",
	       "pass: 1 model named by alias and type");
	expect("", "ctl1", control(NULL, ""), CARDS, "", "nova.service",
	       "pass: nova-api: active, running\npass: nova-scheduler: active, running");
	expect("", "ctl1", control(NULL, ""), CARDS, "", "nova.config", "");
}

static json_t *compute_state(const char *state, const char *substate)
{
	json_t *facts = compute(CONF BOTH, CONF ALIAS);
	json_t *service =
	    json_array_get(json_object_get(json_object_get(facts, "nova"), "services"), 0);

	json_object_set_new(service, "state", state ? json_string(state) : json_null());
	json_object_set_new(service, "substate", json_string(substate));
	json_object_set_new(service, "restarts", json_integer(5));
	return facts;
}

static void test_service(void **state)
{
	(void)state;
	expect("", "gpu01", compute_state("active", "running"), NULL, READY, "nova.service",
	       "pass: nova-compute: active, running");
	expect("", "gpu01", compute_state("failed", "failed"), NULL, READY, "nova.service",
	       "fail: nova-compute: failed, failed, 5 restarts");
	expect("", "gpu01", compute_state("activating", "auto-restart"), NULL, READY,
	       "nova.service", "fail: nova-compute: activating, auto-restart, 5 restarts");
	expect("", "gpu01", compute_state(NULL, "x"), NULL, READY, "nova.service",
	       "unknown: nova-compute: no state in the facts");
	expect("", "gpu01", nova_document(CARDS, nova_part("26", json_array())), NULL, READY,
	       "nova.service", "unknown: 0 services of Nova");
}

static json_t *started_before(double seconds, int restarts, bool unproven)
{
	json_t *facts = compute_state("active", "running"), *service;
	struct tm tm = {0};
	double observed;

	service = json_array_get(json_object_get(json_object_get(facts, "nova"), "services"), 0);
	assert_non_null(strptime(json_string_value(json_object_get(facts, "observed")),
	                         "%Y-%m-%dT%H:%M:%SZ", &tm));
	observed = (double)timegm(&tm);
	json_object_set_new(service, "started", json_real(observed - seconds));
	json_object_set_new(service, "restarts", json_integer(restarts));
	if (unproven)
		json_object_set_new(service, "unproven", json_true());
	return facts;
}

static void test_service_flaps(void **state)
{
	(void)state;
	expect("", "gpu01", started_before(4, 3, false), NULL, READY, "nova.service",
	       "fail: nova-compute: up for 4 s, after 3 restarts");
	/* The observation is cut to seconds. */
	expect("", "gpu01", started_before(-0.5, 7, true), NULL, READY, "nova.service",
	       "fail: nova-compute: up for 0 s, after 7 restarts");
	expect("", "gpu01", started_before(4, 2, false), NULL, READY, "nova.service",
	       "pass: nova-compute: active, running");
	expect("", "gpu01", started_before(61, 900, false), NULL, READY, "nova.service",
	       "pass: nova-compute: active, running");
	expect("", "gpu01", started_before(900, 0, true), NULL, READY, "nova.service",
	       "fail: nova-compute: its last restart is not proven");
	assert_non_null(strstr(last_fix, "`gpufleet apply` restarts it again"));
}

/* A host has one role; what else runs there is not left out silently. */
static void test_service_of_other_role(void **state)
{
	json_t *facts = compute(CONF BOTH, CONF ALIAS), *idle;

	(void)state;
	/* Installed, and not in use. */
	idle = nova_service("nova-conductor", json_object());
	json_object_set_new(idle, "state", json_string("inactive"));
	json_array_append_new(json_object_get(json_object_get(facts, "nova"), "services"), idle);
	json_array_append_new(json_object_get(json_object_get(facts, "nova"), "services"),
	                      nova_service("nova-scheduler", json_object()));
	json_array_append_new(json_object_get(json_object_get(facts, "nova"), "services"),
	                      nova_service("nova-api", json_object()));
	expect(
	    "", "gpu01", facts, NULL, READY, "nova.service",
	    "pass: nova-compute: active, running\nwarn: nova-api, nova-scheduler on a host whose "
	    "role is compute");
	facts = control(NULL, "");
	json_array_append_new(json_object_get(json_object_get(facts, "nova"), "services"),
	                      nova_service("nova-compute", json_object()));
	expect("", "ctl1", facts, CARDS, "", "nova.service",
	       "pass: nova-api: active, running\npass: nova-scheduler: active, running\nwarn: "
	       "nova-compute on a host whose role is control");
}

/* Without a card apply leaves the host alone: what it wrote goes by rollback. */
static void test_config_left(void **state)
{
	(void)state;
	expect("", "gpu01", compute("+" CONF BOTH, CONF ALIAS), NULL,
	       "0000:01:00.0=ready 0000:02:00.0=blocked", "nova.config",
	       "fail: offered: 0000:02:00.0 (/etc/nova/nova.conf:4)");
	assert_string_equal(last_fix, "`gpufleet apply` writes the entries anew.");
	expect("", "gpu01", compute("+" CONF BOTH, CONF ALIAS), NULL,
	       "0000:01:00.0=blocked 0000:02:00.0=ignored", "nova.config",
	       "fail: offered: 0000:01:00.0 (/etc/nova/nova.conf:4), 0000:02:00.0 "
	       "(/etc/nova/nova.conf:4)");
	assert_non_null(strstr(last_fix, "`gpufleet rollback --limit HOST`"));
}

static void test_release_and_files(void **state)
{
	json_t *facts = compute(CONF BOTH, CONF ALIAS), *nova = json_object_get(facts, "nova");

	(void)state;
	json_array_append_new(
	    json_object_get(nova, "files"),
	    json_pack("{s:s, s:s}", "path", "/etc/nova/nova.conf", "managed_by", "juju"));
	json_array_append_new(json_object_get(nova, "files"),
	                      json_pack("{s:s, s:n}", "path", "/etc/nova/x.conf", "managed_by"));
	expect("", "gpu01", json_incref(facts), NULL, READY, "nova.files",
	       "warn: /etc/nova/nova.conf is managed by juju");
	json_array_append_new(json_object_get(nova, "problems"),
	                      json_pack("{s:s, s:i, s:s}", "file", "/etc/nova/x.conf", "line", 3,
	                                "message", "no '=' in it"));
	expect("", "gpu01", facts, NULL, READY, "nova.files",
	       "warn: /etc/nova/x.conf:3: no '=' in it\nwarn: /etc/nova/nova.conf is managed by "
	       "juju");
	expect("", "gpu01", compute("", ""), NULL, READY, "nova.files",
	       "pass: 0 files, none of them managed by another program");
	expect("", "gpu01", compute("", ""), NULL, READY, "nova.release", "pass: Nova 26 (Zed)");
	expect(", \"nova\": {\"release\": \"yoga\"}", "gpu01", compute("", ""), NULL, READY,
	       "nova.release",
	       "fail: the inventory's nova.release is 25 (Yoga), and the host has Nova 26 (Zed) "
	       "(26.2.1): correct the inventory, or leave the release out of it");
	/* Without a release nothing else is judged. */
	expect(", \"nova\": {\"release\": \"yoga\"}", "gpu01", compute("", ""), NULL, READY,
	       "nova.config", "");
	expect("", "gpu01", nova_document(CARDS, nova_part(NULL, json_array())), NULL, READY,
	       "nova.release", "unknown: version unknown");
}

/* No Nova, no noise. */
static void test_quiet(void **state)
{
	(void)state;
	expect("", "gpu01", nova_document(CARDS, NULL), NULL, READY, "nova.service", "");
	expect("", "gpu01", NULL, CARDS, READY, "nova.service", "");
	expect(", \"nova\": {\"deployment\": \"none\"}", "gpu01", compute("", ""), NULL, READY,
	       "nova.config", "");
	expect(", \"nova\": {}", "gpu01", nova_document(CARDS, NULL), NULL, READY, "nova.service",
	       "unknown: no part about Nova in the facts");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_config),        cmocka_unit_test(test_alias),
	    cmocka_unit_test(test_control),       cmocka_unit_test(test_service),
	    cmocka_unit_test(test_service_flaps), cmocka_unit_test(test_service_of_other_role),
	    cmocka_unit_test(test_config_left),   cmocka_unit_test(test_release_and_files),
	    cmocka_unit_test(test_quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
