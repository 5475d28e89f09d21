/* test_report_openstack.c: the script that makes the flavors: names by release, words for a shell.
 */
#include "tests/unit/report_fleet.h"

#include <sys/wait.h>
#include <unistd.h>

#include "controller/report/report_openstack.h"
#include "inventory/nova_release.h"

static char *script(const struct fleet *fleet)
{
	json_t *report = fleet_report(fleet);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(
	    report_openstack(report, &fleet->inventory, fleet->entries, FLEET_HOSTS, out, NULL), 0);
	fclose(out);
	json_decref(report);
	return text;
}

/* As the inventory's reader sets it. */
static void give_release(struct fleet *fleet, const char *release)
{
	fleet->inventory.nova_number = nova_release_parse(release, NULL);
	assert_true(fleet->inventory.nova_number > 0);
}

static void test_golden(void **state)
{
	struct fleet *fleet = *state;
	char *text;

	give_release(fleet, "zed");
	text = script(fleet);
	expect_file(text, "openstack-zed.expected");
	free(text);
	give_release(fleet, "queens");
	text = script(fleet);
	expect_file(text, "openstack-queens.expected");
	free(text);
}

static void test_without_flavors(void **state)
{
	struct fleet *fleet = *state;
	char *text;

	fleet->inventory.flavor_count = 0;
	text = script(fleet);
	expect_file(text, "openstack-proposed.expected");
	free(text);
	/* Nothing at all to say. */
	fleet->inventory.gpus.count = 0;
	for (size_t i = 0; i < FLEET_HOSTS; i++)
		fleet->hosts[i].gpus = (struct inventory_gpu_list){0};
	text = script(fleet);
	expect_text(text, "# The inventory names no GPUs: `gpufleet scan` prints a block");
	expect_no_text(text, "flavor set");
	free(text);
}

/* How each release is told to hide the hypervisor (Nova's release notes). */
static void test_hiding_by_release(void **state)
{
	static const struct {
		const char *release, *said, *property;
	} rows[] = {
	    {"pike", "16 (Pike)", " img_hide_hypervisor_id=true"},
	    {"17.0.13", "17 (Queens)", " img_hide_hypervisor_id=true"},
	    {"rocky", "18 (Rocky)", " hide_hypervisor_id=true"},
	    {"stein", "19 (Stein)", " hide_hypervisor_id=true"},
	    {"train", "20 (Train)", " hide_hypervisor_id=true"},
	    {"21", "21 (Ussuri)", " hide_hypervisor_id=true"},
	    {"victoria", "22 (Victoria)", " hw:hide_hypervisor_id=true"},
	    {"26.2.1", "26 (Zed)", " hw:hide_hypervisor_id=true"},
	    {"2023.1", "27 (2023.1 Antelope)", " hw:hide_hypervisor_id=true"},
	    {"2023.2", "28 (2023.2 Bobcat)", " hw:hide_hypervisor_id=true"},
	    {"2025.2", "32 (2025.2 Flamingo)", " hw:hide_hypervisor_id=true"},
	    {NULL, "unknown, and taken for the newest\n# (neither the inventory nor a host",
	     " hw:hide_hypervisor_id=true"},
	};
	static const char *const all[] = {" img_hide_hypervisor_id=true",
	                                  " hide_hypervisor_id=true",
	                                  " hw:hide_hypervisor_id=true"};
	struct fleet *fleet = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char said[96], *text;

		snprintf(said, sizeof(said), "# Nova release: %s", rows[i].said);
		fleet->inventory.nova_number = 0;
		if (rows[i].release)
			give_release(fleet, rows[i].release);
		text = script(fleet);
		expect_text(text, said);
		for (size_t k = 0; k < 3; k++) {
			char set[64];

			snprintf(set, sizeof(set), "--property%s", all[k]);
			if (strcmp(all[k], rows[i].property) == 0)
				expect_text(text, set);
			else
				expect_no_text(text, set);
		}
		free(text);
	}
}

static void release_of(struct fleet *fleet, size_t host, const char *release)
{
	json_object_set_new(fleet->facts[host], "nova",
	                    release ? json_pack("{ss}", "release", release) : json_null());
}

static void test_release_of_hosts(void **state)
{
	struct fleet *fleet = *state;
	char *text;

	release_of(fleet, 0, "3:25.2.1-0ubuntu2.3");
	release_of(fleet, 1, NULL);
	text = script(fleet);
	expect_text(text, "# Nova release: 25 (Yoga)\n# (as the hosts run it");
	free(text);
	release_of(fleet, 1, "21.0.0");
	release_of(fleet, 2, "26.0.0");
	release_of(fleet, 3, NULL);
	text = script(fleet);
	expect_text(text, "# Nova release: 21 (Ussuri)\n# (the oldest of those that hosts run");
	expect_text(text, "--property hide_hypervisor_id=true");
	expect_no_text(text, "doesn't know");
	free(text);
	/* One that is not known is never rounded to one that is. */
	release_of(fleet, 3, "2:33.0.0-1");
	text = script(fleet);
	expect_text(text, "# Nova release: 21 (Ussuri)\n# (the oldest of those that hosts run");
	expect_text(text, "\n# (some hosts run one that gpufleet doesn't know");
	expect_no_text(text, "33.0.0");
	free(text);
	give_release(fleet, "zed");
	text = script(fleet);
	expect_text(text, "# Nova release: 26 (Zed)\n#\n");
	free(text);
	fleet->inventory.nova_number = 0;
	for (size_t i = 0; i < 3; i++)
		release_of(fleet, i, NULL);
	text = script(fleet);
	expect_text(text, "# Nova release: unknown, and taken for the newest\n# (gpufleet doesn't "
	                  "know the one that hosts run: give it");
	expect_text(text, "--property hw:hide_hypervisor_id=true");
	free(text);
}

/* The commands about one flavor: from its first line to the next empty one. */
static char *part_of(const char *text, const char *flavor)
{
	char first[80];
	const char *from, *to;

	snprintf(first, sizeof(first), "\nflavor '%s' ", flavor);
	from = strstr(text, first);
	assert_non_null(from);
	to = strstr(from + 1, "\n\n");
	return strndup(from, to ? (size_t)(to - from) : strlen(from));
}

static void test_hidden_for_nvidia_only(void **state)
{
	struct fleet *fleet = *state;
	char *text = script(fleet), *part = part_of(text, "gpu.2");

	expect_no_text(part, "hide_hypervisor_id");
	free(part);
	part = part_of(text, "gpu.mixed");
	expect_text(part, "hw:hide_hypervisor_id=true");
	free(part);
	free(text);
	/* An entry that says no vendor is what was seen of it. */
	fleet->gpus[0].vendor = NULL;
	text = script(fleet);
	part = part_of(text, "gpu.1");
	expect_text(part, "hw:hide_hypervisor_id=true");
	free(part);
	free(text);
	fleet->inventory.flavors = &fleet->flavors[1];
	fleet->inventory.flavor_count = 1;
	text = script(fleet);
	expect_no_text(text, "NVIDIA");
	free(text);
}

static void expect_policy(const struct fleet *fleet, const char *flavor, const char *present,
                          const char *absent)
{
	char *text = script(fleet), *part = part_of(text, flavor);

	if (present)
		expect_text(part, present);
	if (absent)
		expect_no_text(part, absent);
	free(part);
	free(text);
}

static void test_numa_policy(void **state)
{
	static char preferred[] = "preferred", socket[] = "socket";
	struct fleet *fleet = *state;

	expect_policy(fleet, "gpu.1", NULL, "numa");
	fleet->gpus[0].numa_policy = preferred;
	expect_policy(fleet, "gpu.1", "--property hw:pci_numa_affinity_policy=preferred", NULL);
	give_release(fleet, "pike");
	expect_policy(fleet, "gpu.1", "\"preferred\" is left out", "--property hw:pci_numa");
	give_release(fleet, "train");
	expect_policy(fleet, "gpu.1", "\"preferred\" is left to the alias",
	              "--property hw:pci_numa");
	give_release(fleet, "ussuri");
	expect_policy(fleet, "gpu.1", "--property hw:pci_numa_affinity_policy=preferred", NULL);
	/* A policy is the whole guest's: cards that differ can't have one. */
	expect_policy(fleet, "gpu.mixed", "several numa_policies", "--property hw:pci_numa");
	fleet->gpus[1].numa_policy = preferred;
	expect_policy(fleet, "gpu.mixed", "--property hw:pci_numa_affinity_policy=preferred", NULL);
	fleet->gpus[0].numa_policy = socket;
	give_release(fleet, "victoria");
	expect_policy(fleet, "gpu.1", "\"socket\" is left out: this release has it neither for",
	              "--property hw:pci_numa");
	give_release(fleet, "wallaby");
	expect_policy(fleet, "gpu.1", "--property hw:pci_numa_affinity_policy=socket", NULL);
}

/* A policy is nothing to Nova without a NUMA topology (_filter_pools_for_numa_cells in
 * nova/pci/stats.py), be it the flavor's or the alias's. */
static void test_numa_topology(void **state)
{
	static char required[] = "required";
	struct fleet *fleet = *state;
	char *text = script(fleet);

	expect_no_text(text, "numa");
	free(text);
	fleet->gpus[0].numa_policy = required;
	give_release(fleet, "zed");
	expect_policy(fleet, "gpu.1", "\nnuma_topology 'gpu.1'\n", NULL);
	expect_policy(fleet, "gpu.mixed", "\nnuma_topology 'gpu.mixed'\n", NULL);
	expect_policy(fleet, "gpu.2", NULL, "numa_topology");
	text = script(fleet);
	expect_text(text, "# Nova looks at the NUMA policy of a guest's GPUs only if");
	expect_text(text, "hw:numa_nodes=1 \"$1\"");
	free(text);
	give_release(fleet, "queens"); /* by the alias */
	expect_policy(fleet, "gpu.1", "\nnuma_topology 'gpu.1'\n", NULL);
	give_release(fleet, "pike"); /* knows none */
	text = script(fleet);
	expect_no_text(text, "numa_topology");
	free(text);
	/* Where they are proposed: */
	give_release(fleet, "zed");
	fleet->inventory.flavor_count = 0;
	text = script(fleet);
	expect_text(text, "\n# numa_topology 'gpu.nvidia1080'\n");
	expect_text(text, "\nnuma_topology() {");
	free(text);
}

/* Reads all that COMMAND, a file for sh, says. */
static size_t run_sh(const char *path, char *out, size_t size)
{
	char command[128];
	size_t length;
	FILE *pipe;

	snprintf(command, sizeof(command), "sh %s", path);
	pipe = popen(command, "r"); /* NOLINT(cert-env33-c): a path of this test's own */
	assert_non_null(pipe);
	length = fread(out, 1, size, pipe);
	assert_int_equal(pclose(pipe), 0);
	return length;
}

/* Whatever a word is made of, sh reads it back as it was. */
static void test_quote_property(void **state)
{
	static const char alphabet[] = "'\"$`\\!*?~#&|;<>(){}[] \t\n=%-abz01\xc3\xa9\xff";
	static char words[400][24], said[400 * 24];
	char path[] = "/tmp/test_report_openstack.XXXXXX", *at = said;
	unsigned seed = 1;
	FILE *out = fdopen(mkstemp(path), "w");
	size_t length;

	(void)state;
	for (size_t i = 0; i < 400; i++) {
		size_t letters = i % 23;

		for (size_t k = 0; k < letters; k++) {
			seed = seed * 1103515245u + 12345u;
			words[i][k] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		fputs("printf '%s\\0' ", out);
		report_openstack_quote(words[i], out);
		fputc('\n', out);
	}
	fclose(out);
	length = run_sh(path, said, sizeof(said));
	unlink(path);
	for (size_t i = 0; i < 400; i++) {
		assert_in_range((size_t)(at - said), 0, length - 1);
		assert_string_equal(at, words[i]);
		at += strlen(at) + 1;
	}
	assert_int_equal(at - said, length);
}

/* Names that no inventory may hold: the script is still one that does nothing but what it says. */
static void test_hostile_names(void **state)
{
	static char flavor[] = "it's $(exit 7) `exit 7`; exit 7\n",
	            alias[] = "a'; exit 7 #\nexit 7";
	static char label[] = "fleet\nexit 7", host[] = "gpu01\nexit 7";
	static char said[65536];
	char path[] = "/tmp/test_report_openstack.XXXXXX", *text;
	struct fleet *fleet = *state;
	FILE *out = fdopen(mkstemp(path), "w");

	fleet->inventory.fleet = label;
	fleet->hosts[0].name = host;
	fleet->gpus[0].alias = alias;
	fleet->one.alias = alias;
	fleet->flavors[0].name = flavor;
	text = script(fleet);
	/* The command's stand-in is a function of the same shell. */
	fputs("openstack() { case \"$2\" in show) return 1 ;; esac; printf '[%s]' \"$@\" >&2; }\n"
	      "exec 2>&1\n",
	      out);
	fputs(text, out);
	free(text);
	fclose(out);
	said[run_sh(path, said, sizeof(said) - 1)] = '\0';
	unlink(path);
	expect_text(said, "[flavor][create][--vcpus][4][--ram][16384][--disk][50][it's $(exit 7) "
	                  "`exit 7`; exit 7\n]");
	expect_text(said, "[flavor][set][--property][pci_passthrough:alias=a'; exit 7 #\nexit "
	                  "7:1][--property][hw:hide_hypervisor_id=true][it's $(exit 7)");
}

int main(void)
{
#define FLEET_TEST(name) cmocka_unit_test_setup_teardown(name, fleet_setup, fleet_teardown)
	const struct CMUnitTest tests[] = {
	    FLEET_TEST(test_golden),
	    FLEET_TEST(test_without_flavors),
	    FLEET_TEST(test_hiding_by_release),
	    FLEET_TEST(test_release_of_hosts),
	    FLEET_TEST(test_hidden_for_nvidia_only),
	    FLEET_TEST(test_numa_policy),
	    FLEET_TEST(test_numa_topology),
	    cmocka_unit_test(test_quote_property),
	    FLEET_TEST(test_hostile_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
