/* test_iommu_predict.c: predicted groups of a table of topologies, and of what only a hostile host
 * would say. */
#include "tests/unit/topology.h"

/* "00:01.0+01:00.0 00:02.0?": groups by their first member; "?": not certain. */
static char *partition(const struct iommu_prediction *prediction)
{
	const struct host_facts *facts = prediction->facts;
	char *text = NULL;
	size_t size, count;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < facts->device_count; i++) {
		const size_t *members =
		    iommu_prediction_group(prediction, &facts->devices[i], &count);

		if (members[0] != i)
			continue;
		for (size_t k = 0; k < count; k++) {
			const char *address = facts->devices[members[k]].address;

			fprintf(out, "%s%s",
			        k   ? "+"
			        : i ? " "
			            : "",
			        strncmp(address, "0000:", 5) == 0 ? address + 5 : address);
		}
		if (!iommu_prediction_certain(prediction, &facts->devices[i]))
			fputc('?', out);
	}
	fclose(out);
	return text;
}

static char *predicted(const json_t *document_)
{
	struct host_facts facts;
	struct iommu_prediction prediction;
	char *text;

	predict(document_, &facts, &prediction);
	text = partition(&prediction);
	iommu_prediction_free(&prediction);
	host_facts_free(&facts);
	return text;
}

static void test_topologies(void **state)
{
	static const struct {
		const char *name, *devices, *groups;
	} cases[] = {
	    {"a root port with ACS", "00:01.0 root_port acs; 01:00.0 endpoint mf in=00:01.0",
	     "00:01.0 01:00.0"},
	    {"a root port without", "00:01.0 root_port; 01:00.0 endpoint in=00:01.0",
	     "00:01.0+01:00.0"},
	    {"functions of one endpoint",
	     "00:01.0 root_port acs; 01:00.0 endpoint mf in=00:01.0; 01:00.1 endpoint in=00:01.0",
	     "00:01.0 01:00.0+01:00.1"},
	    {"functions with ACS",
	     "00:01.0 root_port acs; 01:00.0 endpoint mf acs in=00:01.0; 01:00.1 endpoint acs "
	     "in=00:01.0",
	     "00:01.0 01:00.0 01:00.1"},
	    {"one of three functions with ACS",
	     "00:01.0 endpoint mf; 00:01.1 endpoint acs; 00:01.2 endpoint",
	     "00:01.0+00:01.2 00:01.1"},
	    /* The kernel takes any function but the first for one of several, whatever it says. */
	    {"a first function that says it is alone", "00:01.0 endpoint; 00:01.1 endpoint",
	     "00:01.0 00:01.1"},
	    {"a conventional one that does", "00:01.0 pci; 00:01.1 pci", "00:01.0+00:01.1"},
	    {"two ports of one slot without ACS",
	     "00:1c.0 root_port mf; 00:1c.4 root_port; 01:00.0 endpoint in=00:1c.0; 02:00.0 "
	     "endpoint in=00:1c.4",
	     "00:1c.0+00:1c.4+01:00.0+02:00.0"},
	    {"one of the two with ACS",
	     "00:1c.0 root_port mf acs; 00:1c.4 root_port; 01:00.0 endpoint in=00:1c.0; 02:00.0 "
	     "endpoint in=00:1c.4",
	     "00:1c.0 00:1c.4+02:00.0 01:00.0"},
	    {"a PCIe-to-PCI bridge",
	     "00:01.0 root_port acs; 01:00.0 pcie_to_pci in=00:01.0; 02:01.0 pci in=01:00.0; "
	     "02:02.0 pci in=01:00.0",
	     "00:01.0 01:00.0+02:01.0+02:02.0"},
	    {"a conventional bridge behind it",
	     "00:01.0 root_port acs; 01:00.0 pcie_to_pci in=00:01.0; 02:01.0 pci in=01:00.0; "
	     "03:01.0 endpoint in=02:01.0",
	     "00:01.0 01:00.0+02:01.0+03:01.0"},
	    {"a bridge back to PCI Express",
	     "00:01.0 pci_to_pcie; 01:00.0 root_port acs in=00:01.0; 02:00.0 endpoint in=01:00.0",
	     "00:01.0+01:00.0+02:00.0"},
	    {"a switch with ACS",
	     "00:01.0 root_port acs; 01:00.0 upstream in=00:01.0; 02:00.0 downstream acs "
	     "in=01:00.0; 02:01.0 downstream acs in=01:00.0; 03:00.0 endpoint in=02:00.0; 04:00.0 "
	     "endpoint in=02:01.0",
	     "00:01.0 01:00.0 02:00.0 02:01.0 03:00.0 04:00.0"},
	    /* Each port with what is behind it: the kernel does not look from port to port. */
	    {"a switch without",
	     "00:01.0 root_port acs; 01:00.0 upstream in=00:01.0; 02:00.0 downstream in=01:00.0; "
	     "02:01.0 downstream in=01:00.0; 03:00.0 endpoint in=02:00.0; 04:00.0 endpoint "
	     "in=02:01.0",
	     "00:01.0 01:00.0 02:00.0+03:00.0 02:01.0+04:00.0"},
	    {"a switch with ACS below a port without",
	     "00:01.0 root_port; 01:00.0 upstream in=00:01.0; 02:00.0 downstream acs in=01:00.0; "
	     "03:00.0 endpoint in=02:00.0",
	     "00:01.0+01:00.0+02:00.0+03:00.0"},
	    {"an upstream port that is one of several functions",
	     "00:01.0 root_port acs; 01:00.0 endpoint mf in=00:01.0; 01:00.1 upstream in=00:01.0; "
	     "02:00.0 downstream acs in=01:00.1; 03:00.0 endpoint in=02:00.0",
	     "00:01.0 01:00.0+01:00.1+02:00.0+03:00.0"},
	    {"an upstream port that says it is a downstream one",
	     "00:01.0 root_port acs; 01:00.0 downstream in=00:01.0; 02:00.0 downstream acs "
	     "in=01:00.0; 03:00.0 endpoint in=02:00.0",
	     "00:01.0 01:00.0 02:00.0 03:00.0"},
	    {"a downstream port that says it is an upstream one",
	     "00:01.0 root_port acs; 01:00.0 upstream in=00:01.0; 02:00.0 upstream in=01:00.0; "
	     "03:00.0 endpoint in=02:00.0",
	     "00:01.0 01:00.0 02:00.0+03:00.0"},
	    {"conventional devices on the root bus", "00:01.0 pci; 00:02.0 pci; 00:02.1 pci",
	     "00:01.0 00:02.0+00:02.1"},
	    {"virtual functions, where a port's bus is one device",
	     "00:01.0 root_port acs; 01:00.0 endpoint in=00:01.0; 01:00.1 endpoint vf=01:00.0 "
	     "in=00:01.0; 01:00.2 endpoint vf=01:00.0 in=00:01.0",
	     "00:01.0 01:00.0 01:00.1 01:00.2"},
	    {"virtual functions below a port without ACS",
	     "00:01.0 root_port; 01:00.0 endpoint mf acs in=00:01.0; 02:10.0 endpoint vf=01:00.0 "
	     "in=00:01.0",
	     "00:01.0+01:00.0+02:10.0"},
	    {"a VMD's domain",
	     "00:0e.0 rc_endpoint class=0104; 10000:e0:01.0 root_port acs in=00:0e.0; "
	     "10000:e1:00.0 endpoint in=10000:e0:01.0; 00:0f.0 rc_endpoint",
	     "00:0e.0+10000:e0:01.0+10000:e1:00.0 00:0f.0"},
	    {"integrated endpoints of Intel's", "00:02.0 rc_endpoint mf; 00:02.1 rc_endpoint",
	     "00:02.0 00:02.1"},
	    {"of another maker",
	     "00:02.0 rc_endpoint mf id=1022:ffff; 00:02.1 rc_endpoint id=1022:ffff",
	     "00:02.0+00:02.1"},
	    {"an event collector", "00:02.0 rc_endpoint mf; 00:02.4 rc_event_collector acs",
	     "00:02.0 00:02.4"},
	    {"functions that Intel vouches for",
	     "00:01.0 endpoint mf id=8086:1521; 00:01.1 endpoint id=8086:1521", "00:01.0 00:01.1"},
	    {"a PCH's root ports",
	     "00:1c.0 root_port mf id=8086:8d10; 00:1c.4 root_port id=8086:8d18; 01:00.0 endpoint "
	     "in=00:1c.0",
	     "00:1c.0 00:1c.4 01:00.0"},
	    {"ids of a PCH on something else",
	     "00:1c.0 endpoint mf id=8086:8d10; 00:1c.4 endpoint id=8086:8d18", "00:1c.0+00:1c.4"},
	    {"a newer PCH's, whose ACS needs the capability",
	     "00:1c.0 root_port mf acs id=8086:a110; 00:1c.4 root_port id=8086:a114; 00:1c.5 "
	     "root_port id=8086:a115",
	     "00:1c.0 00:1c.4+00:1c.5"},
	    {"an AMD southbridge",
	     "00:14.0 pci mf id=1002:4385; 00:14.2 pci id=1002:4383; 00:14.3 pci id=1002:ffff",
	     "00:14.0 00:14.2 00:14.3"},
	    {"its ids behind a bridge",
	     "00:01.0 root_port acs; 01:14.0 endpoint mf id=1002:4385 in=00:01.0; 01:14.2 "
	     "endpoint id=1002:4383 in=00:01.0",
	     "00:01.0 01:14.0+01:14.2"},
	    /* Behind a bridge that mixes requests up it does not help that the bridge is vouched
	       for. */
	    {"its bridge",
	     "00:14.0 pci mf id=1002:4385; 00:14.4 pci id=1002:4384; 01:05.0 pci in=00:14.4",
	     "00:14.0 00:14.4+01:05.0"},
	    {"other such bridges",
	     "00:01.0 pcie_to_pci id=8086:15b7; 00:02.0 pci_to_pcie id=8086:15b7; 01:01.0 pci "
	     "in=00:01.0; 02:00.0 endpoint in=00:02.0",
	     "00:01.0+01:01.0 00:02.0+02:00.0"},
	    {"virtual functions that say they are conventional",
	     "00:01.0 endpoint mf acs; 00:01.1 pci vf=00:01.0; 00:01.2 pci; 00:02.0 pci; 00:02.1 "
	     "pci "
	     "vf=00:02.0",
	     "00:01.0 00:01.1 00:01.2 00:02.0 00:02.1"},
	    {"a coprocessor that answers to other slots",
	     "00:12.0 endpoint mf; 00:12.1 endpoint acs id=8086:2260; 00:12.3 endpoint",
	     "00:12.0+00:12.1+00:12.3"},
	    {"one that answers to five functions of each",
	     "00:01.0 endpoint; 00:02.5 endpoint; 00:03.0 endpoint id=8086:2954",
	     "00:01.0+00:03.0 00:02.5"},
	    {"Zhaoxin ports, known and not",
	     "00:01.0 root_port mf id=1d17:0710; 00:01.1 root_port acs id=1d17:0722; 00:01.2 "
	     "root_port acs id=1d17:0722",
	     "00:01.0 00:01.1+00:01.2"},
	    {"a Marvell disk controller",
	     "00:01.0 endpoint mf acs id=1b4b:9230; 00:01.1 endpoint acs", "00:01.0+00:01.1"},
	    {"one that uses its first function's id",
	     "00:01.0 endpoint mf acs; 00:01.1 endpoint acs id=1180:e832", "00:01.0+00:01.1"},
	    {"an Adaptec with a hidden function",
	     "00:01.0 endpoint acs; 00:0e.0 endpoint id=9005:0285 sub=9005:02bb; 00:0f.0 endpoint "
	     "id=9005:0285 sub=9005:ffff",
	     "00:01.0+00:0e.0 00:0f.0"},
	    {"a bridge to another host",
	     "00:01.0 endpoint; 00:02.0 endpoint; 00:03.0 endpoint id=10b5:87b0; 00:04.0 endpoint",
	     "00:01.0+00:02.0+00:03.0+00:04.0"},
	    {"one that keeps its ids to itself",
	     "00:01.0 root_port acs; 01:00.0 upstream mf in=00:01.0; 01:00.1 endpoint "
	     "id=11f8:8536 class=0680 in=00:01.0",
	     "00:01.0 01:00.0+01:00.1?"},
	    {"its management function, which is none",
	     "00:01.0 endpoint; 00:02.0 endpoint id=11f8:8536 class=0580", "00:01.0 00:02.0"},
	    {"a device that could not be read",
	     "00:01.0 root_port acs; 01:00.0 endpoint unread in=00:01.0; 00:02.0 endpoint",
	     "00:01.0 00:02.0 01:00.0?"},
	    {"a bridge that could not be read",
	     "00:01.0 endpoint unread acs; 01:00.0 endpoint in=00:01.0; 00:02.0 endpoint",
	     "00:01.0+01:00.0? 00:02.0"},
	    {"a type that is not known",
	     "00:01.0 endpoint mf; 00:01.1 future; 00:01.2 endpoint acs",
	     "00:01.0+00:01.1? 00:01.2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *facts = topology(cases[i].devices);
		char *found = predicted(facts);

		if (strcmp(found, cases[i].groups) != 0)
			fail_msg("%s: %s, not %s", cases[i].name, found, cases[i].groups);
		free(found);
		json_decref(facts);
	}
}

static void test_command_line(void **state)
{
	static const char *const lines[] = {"quiet pcie_acs_override=downstream",
	                                    "pci=noaer,disable_acs_redir=00:01.0",
	                                    "pci=config_acs=xx1@pci:0:0", "pci=noats"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		json_t *facts = topology("00:01.0 root_port acs");
		char *found;

		json_object_set_new(json_object_get(facts, "host"), "cmdline",
		                    json_string(lines[i]));
		found = predicted(facts);
		assert_string_equal(found, i < 3 ? "00:01.0?" : "00:01.0");
		free(found);
		json_decref(facts);
	}
}

/* The AMD southbridge is vouched for where there is an AMD IOMMU; where that can't be told, nothing
 * can. */
static void test_tables(void **state)
{
	json_t *facts = topology("00:14.0 pci mf id=1002:4385; 00:14.2 pci id=1002:4383");
	json_t *iommu = json_object_get(json_object_get(facts, "host"), "iommu");
	char *found;

	(void)state;
	json_object_set_new(iommu, "tables", json_pack("[s]", "DMAR"));
	found = predicted(facts);
	assert_string_equal(found, "00:14.0+00:14.2");
	free(found);
	json_object_del(iommu, "tables");
	found = predicted(facts);
	assert_string_equal(found, "00:14.0+00:14.2?");
	free(found);
	json_decref(facts);
}

/* Paths that no kernel gives. */
static void test_hostile_paths(void **state)
{
	static const struct {
		const char *paths[3]; /* of 00:01.0, 00:02.0, 00:03.0; NULL: no such key */
		const char *groups;
	} cases[] = {
	    {{"['0000:00:01.0']", "[]", "[]"}, "00:01.0? 00:02.0 00:03.0"},
	    {{"['0000:00:02.0']", "['0000:00:01.0']", "[]"}, "00:01.0? 00:02.0? 00:03.0"},
	    {{"['0000:00:02.0']", "['0000:00:03.0']", "['0000:00:01.0']"},
	     "00:01.0? 00:02.0? 00:03.0?"},
	    {{"['', 'x']", "['0000:00:09.0']", "[]"}, "00:01.0? 00:02.0? 00:03.0"},
	    {{NULL, "['0000:00:01.0']", "[]"}, "00:01.0+00:02.0? 00:03.0"},
	    {{"[]", "['0000:00:01.0','0000:00:01.0']", "[]"}, "00:01.0 00:02.0? 00:03.0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *facts =
		    topology("00:01.0 root_port acs; 00:02.0 root_port acs; 00:03.0 endpoint");
		char *found;

		for (size_t k = 0; k < 3; k++) {
			json_t *device = json_array_get(json_object_get(facts, "pci"), k);
			const char *path = cases[i].paths[k];
			char text[128] = "";

			for (size_t n = 0; path && path[n]; n++)
				text[n] = (char)(path[n] == '\'' ? '"' : path[n]);
			json_object_del(device, "path");
			if (path)
				json_object_set_new(device, "path", json_loads(text, 0, NULL));
		}
		found = predicted(facts);
		assert_string_equal(found, cases[i].groups);
		free(found);
		json_decref(facts);
	}
}

/* As many devices as facts may have: a chain of ports without ACS and one of conventional bridges,
 * as long as a path may be; buses on which each device answers to every id; functions. */
static void test_hostile_sizes(void **state)
{
	static const struct {
		const char *type, *id;
		bool chain;
		size_t groups;
	} cases[] = {{"root_port", "ffff", true, 1},
	             {"pcie_to_pci", "ffff", true, 1},
	             {"endpoint", "87b0", false, HOST_FACTS_DEVICES_MAX / 256},
	             {"endpoint", "ffff", false, HOST_FACTS_DEVICES_MAX / 8}};

	(void)state;
	for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		json_t *pci = json_array(), *path = json_array(), *facts;
		struct host_facts parsed;
		struct iommu_prediction prediction;

		for (unsigned i = 0; i < HOST_FACTS_DEVICES_MAX; i++) {
			char address[32];

			snprintf(address, sizeof(address), "0000:%02x:%02x.%x", i >> 8,
			         i >> 3 & 0x1f, i & 7);
			json_array_append_new(
			    pci, json_pack("{s:s, s:s, s:s, s:s, s:b, s:{s:s}, s:o}", "address",
			                   address, "vendor", "10b5", "device", cases[n].id,
			                   "class", "0604", "multifunction", 1, "pcie", "type",
			                   cases[n].type, "path", json_copy(path)));
			if (cases[n].chain && json_array_size(path) < HOST_FACTS_LIST_MAX)
				json_array_append_new(path, json_string(address));
		}
		facts = document(pci, "");
		predict(facts, &parsed, &prediction);
		assert_int_equal(prediction.group_count, cases[n].groups);
		iommu_prediction_free(&prediction);
		host_facts_free(&parsed);
		json_decref(path);
		json_decref(facts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_topologies),    cmocka_unit_test(test_command_line),
	    cmocka_unit_test(test_tables),        cmocka_unit_test(test_hostile_paths),
	    cmocka_unit_test(test_hostile_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
