/* test_history_diff.c: each thing that can change on a host between two scans, one row each: what
 * is done to a copy of its facts, and all that is told of it. */
#include "tests/unit/facts.h"

#include "controller/history/history_diff.h"
#include "controller/history/history_text.h"
#include "controller/readiness/readiness.h"

static json_t *device(json_t *facts, const char *address)
{
	return facts_device(facts, "pci", address);
}

static void set(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_string(text));
}

static void nothing(json_t *facts)
{
	set(facts, "observed", "2027-01-01T00:00:00Z");
}

static void kernel(json_t *facts)
{
	set(json_object_get(facts, "host"), "kernel", "6.1.0-99-amd64");
}

static void kernel_unknown(json_t *facts)
{
	json_object_set_new(json_object_get(facts, "host"), "kernel", json_null());
}

static void cmdline(json_t *facts)
{
	set(json_object_get(facts, "host"), "cmdline",
	    "BOOT_IMAGE=/vmlinuz-2 root=/dev/sda1 quiet");
}

static void cmdline_image(json_t *facts)
{
	set(json_object_get(facts, "host"), "cmdline", "BOOT_IMAGE=/vmlinuz-9 root=/dev/sda1 ro");
}

static void driver(json_t *facts)
{
	set(device(facts, "0000:01:00.0"), "driver", "nouveau");
}

static void driver_of_audio(json_t *facts)
{
	json_object_set_new(device(facts, "0000:01:00.1"), "driver", json_null());
}

/* Every number is another one, and the members are the same. */
static void groups_renumbered(json_t *facts)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(facts, "pci"), i, item)
	{
		json_t *group = json_object_get(item, "iommu_group");

		if (json_is_integer(group))
			json_integer_set(group, json_integer_value(group) + 1);
	}
}

static void group_joined(json_t *facts)
{
	json_object_set(device(facts, "0000:06:00.0"), "iommu_group",
	                json_object_get(device(facts, "0000:01:00.0"), "iommu_group"));
}

static void group_of_audio(json_t *facts)
{
	json_object_set_new(device(facts, "0000:01:00.1"), "iommu_group", json_integer(99));
}

static void groups_gone(json_t *facts)
{
	json_object_set_new(device(facts, "0000:01:00.0"), "iommu_group", json_null());
	json_object_set_new(device(facts, "0000:01:00.1"), "iommu_group", json_null());
}

static void card_gone(json_t *facts)
{
	json_t *pci = json_object_get(facts, "pci");

	for (size_t i = json_array_size(pci); i > 0; i--) {
		const char *address =
		    json_string_value(json_object_get(json_array_get(pci, i - 1), "address"));

		if (strncmp(address, "0000:01:00.", 11) == 0)
			json_array_remove(pci, i - 1);
	}
}

/* Bus 1 becomes bus 7, for what is on it and for those who name it. */
static void bus_shifted(json_t *facts)
{
	json_t *item, *sibling;
	size_t i, k;

	json_array_foreach(json_object_get(facts, "pci"), i, item)
	{
		char address[32];
		json_t *of = json_object_get(item, "address");

		json_array_foreach(json_object_get(item, "siblings"), k, sibling)
		{
			snprintf(address, sizeof(address), "%s", json_string_value(sibling));
			if (strncmp(address, "0000:01:", 8) == 0) {
				address[6] = '7';
				json_string_set(sibling, address);
			}
		}
		snprintf(address, sizeof(address), "%s", json_string_value(of));
		if (strncmp(address, "0000:01:", 8) == 0) {
			address[6] = '7';
			json_string_set(of, address);
		}
	}
}

static void card_moved(json_t *facts)
{
	bus_shifted(facts);
	json_array_set_new(json_object_get(device(facts, "0000:07:00.0"), "path"), 0,
	                   json_string("0000:00:1c.0"));
	json_array_set_new(json_object_get(device(facts, "0000:07:00.1"), "path"), 0,
	                   json_string("0000:00:1c.0"));
}

static void card_replaced(json_t *facts)
{
	set(device(facts, "0000:01:00.0"), "subsystem_device", "0815");
}

static void malformed(json_t *facts)
{
	set(facts, "pci", "none");
}

/* Each line: what|device|before|after; "*" at a line's end: whatever follows. */
static const struct {
	const char *name;
	void (*change)(json_t *facts);
	const char *told[8];
} rows[] = {
    {"nothing", nothing, {0}},
    {"kernel", kernel, {"kernel||6.1.0-18-amd64|6.1.0-99-amd64"}},
    {"a kernel that is not told", kernel_unknown, {0}},
    {"command line", cmdline, {"cmdline||BOOT_IMAGE*"}},
    {"the kernel's file", cmdline_image, {0}},
    {"driver",
     driver,
     {"verdict||ready|pending", "verdict|0000:01:00.0|ready|pending",
      "driver|0000:01:00.0|vfio-pci|nouveau"}},
    {"driver of a sibling",
     driver_of_audio,
     {"verdict||*", "verdict|0000:01:00.0|*", "driver|0000:01:00.1|vfio-pci|none"}},
    {"groups renumbered",
     groups_renumbered,
     {"iommu_group.number|0000:01:00.0|*", "iommu_group.number|0000:01:00.1|*",
      "iommu_group.number|0000:05:00.0|*"}},
    {"group joined",
     group_joined,
     {"verdict||ready|blocked", "verdict|0000:01:00.0|ready|blocked",
      "iommu_group|0000:01:00.0|its card alone|with 0000:06:00.0 [*",
      "iommu_group|0000:01:00.1|its card alone|with 0000:06:00.0 [*"}},
    {"audio in a group of its own",
     group_of_audio,
     {"iommu_group|0000:01:00.0|its card alone|the function alone",
      "iommu_group|0000:01:00.1|its card alone|the function alone"}},
    {"groups gone",
     groups_gone,
     {"verdict||*", "verdict|0000:01:00.0|*", "iommu_group|0000:01:00.0|its card alone|none",
      "iommu_group|0000:01:00.1|its card alone|none"}},
    {"card gone", card_gone, {"verdict||*", "card.gone|0000:01:00.0|10de:1b06|"}},
    /* The initramfs binds by address: it has to be made again. */
    {"bus shifted",
     bus_shifted,
     {"verdict||ready|pending", "card.renumbered|0000:07:00.0|0000:01:00.0|0000:07:00.0",
      "verdict|0000:07:00.0|ready|pending"}},
    {"card moved",
     card_moved,
     {"verdict||ready|pending",
      "card.moved|0000:07:00.0|0000:01:00.0 behind 0000:00:01.0|0000:07:00.0 behind 0000:00:1c.0",
      "verdict|0000:07:00.0|ready|pending"}},
    {"card replaced", card_replaced, {"card.replaced|0000:01:00.0|10de:1b06|10de:1b06"}},
    {"malformed", malformed, {"verdict||ready|unknown"}},
};

static struct inventory_gpu gpu = FACTS_GPU;

/* Only with the card that all fixtures have; cmdline as the rows have it. */
static json_t *base(void)
{
	json_t *facts = facts_load("done");

	set(json_object_get(facts, "host"), "cmdline", "BOOT_IMAGE=/vmlinuz-1 root=/dev/sda1 ro");
	return facts;
}

static json_t *entry_of(const struct inventory_host *host, const json_t *facts)
{
	json_t *entry = readiness_evaluate(host, facts, true, NULL);

	return entry ? entry : json_pack("{s:s}", "verdict", "unknown");
}

static const char *text(const json_t *change, const char *key)
{
	const json_t *value = json_object_get(change, key);

	assert_true(json_is_string(value) || json_is_null(value));
	return json_is_string(value) ? json_string_value(value) : "";
}

static bool told(const char *line, const char *wanted)
{
	size_t length = strcspn(wanted, "*");

	return wanted[length] ? strncmp(line, wanted, length) == 0 : strcmp(line, wanted) == 0;
}

static void expect_told(const char *name, const json_t *changes, const char *const *wanted)
{
	json_t *change;
	size_t i;

	json_array_foreach(changes, i, change)
	{
		char line[1024];

		snprintf(line, sizeof(line), "%s|%s|%s|%s", text(change, "what"),
		         text(change, "device"), text(change, "before"), text(change, "after"));
		if (!wanted[i] || !told(line, wanted[i]))
			fail_msg("%s: \"%s\" instead of \"%s\"", name, line,
			         wanted[i] ? wanted[i] : "nothing more");
	}
	if (wanted[i])
		fail_msg("%s: \"%s\" is not told", name, wanted[i]);
}

static void test_each_change(void **state)
{
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *before = base(), *after = base();
		json_t *was, *is, *changes;

		rows[i].change(after);
		was = entry_of(&host, before);
		is = entry_of(&host, after);
		changes = history_diff_host(&host, &(struct history_sight){true, true, before, was},
		                            &(struct history_sight){true, true, after, is});
		expect_told(rows[i].name, changes, rows[i].told);
		json_decref(changes);
		json_decref(was);
		json_decref(is);
		json_decref(before);
		json_decref(after);
	}
}

/* What is new on the way there is gone on the way back. */
static void test_new_card(void **state)
{
	static const char *const wanted[] = {"card.new|0000:01:00.0||10de:1b06", NULL};
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *before = base(), *after = base(), *changes;

	(void)state;
	card_gone(before);
	changes = history_diff_host(&host, &(struct history_sight){true, true, before, NULL},
	                            &(struct history_sight){true, true, after, NULL});
	expect_told("new", changes, wanted);
	json_decref(changes);
	json_decref(before);
	json_decref(after);
}

/* Who shares the group is the same, at another bus number. */
static void test_renumbered_member(void **state)
{
	static const char *const none[] = {NULL};
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *before = base(), *after = base(), *changes;

	(void)state;
	group_joined(before);
	group_joined(after);
	assert_true(json_array_size(json_object_get(device(after, "0000:06:00.0"), "path")) > 0);
	set(device(after, "0000:06:00.0"), "address", "0000:09:00.0");
	changes = history_diff_host(&host, &(struct history_sight){true, true, before, NULL},
	                            &(struct history_sight){true, true, after, NULL});
	expect_told("renumbered member", changes, none);
	json_decref(changes);
	json_decref(before);
	json_decref(after);
}

static void test_hosts_come_and_go(void **state)
{
	json_t *facts = base(), *other = base();
	const struct history_sight unseen = {0}, never = {true, false, NULL, NULL},
	                           up = {true, true, facts, NULL},
	                           down = {true, false, facts, NULL},
	                           changed = {true, true, other, NULL};
	const struct {
		const struct history_sight *before, *after;
		const char *told[3];
	} table[] = {
	    {&up, &up, {0}},
	    {&down, &down, {0}},
	    {&never, &never, {0}},
	    {&unseen, &unseen, {0}},
	    {&unseen, &up, {"host.new|||"}},
	    {&never, &up, {"host.new|||"}},
	    {&unseen, &never, {"host.unreachable|||"}},
	    {&up, &down, {"host.unreachable|||"}},
	    {&down, &up, {"host.reachable|||"}},
	    {&down, &changed, {"host.reachable|||", "kernel||*"}},
	};
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	kernel(other);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		json_t *changes = history_diff_host(&host, table[i].before, table[i].after);
		char name[16];

		snprintf(name, sizeof(name), "row %zu", i);
		expect_told(name, changes, table[i].told);
		json_decref(changes);
	}
	json_decref(facts);
	json_decref(other);
}

static void test_command_lines(void **state)
{
	static const struct {
		const char *before, *after, *difference; /* NULL: the same */
	} table[] = {
	    {"a b", "a  b\n", NULL},
	    {"", "", NULL},
	    {"BOOT_IMAGE=x a initrd=1", "BOOT_IMAGE=y a initrd=2", NULL},
	    {"a quiet", "a intel_iommu=on iommu=pt", "-quiet +intel_iommu=on +iommu=pt"},
	    {"a", "a b", "+b"},
	    {"a b", "a", "-b"},
	    {"a b", "b a", "the order of its words"},
	    {"iommu=on", "iommu=o", "-iommu=on +iommu=o"},
	};
	char difference[64];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(history_cmdline_same(table[i].before, table[i].after),
		                 !table[i].difference);
		if (!table[i].difference)
			continue;
		history_cmdline_difference(table[i].before, table[i].after, difference,
		                           sizeof(difference));
		assert_string_equal(difference, table[i].difference);
	}
	history_cmdline_difference("", "aaaaaaaa bbbbbbbb cccccccc", difference, 12);
	assert_string_equal(difference, "+aaaaaaaa +");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_change),       cmocka_unit_test(test_new_card),
	    cmocka_unit_test(test_renumbered_member), cmocka_unit_test(test_hosts_come_and_go),
	    cmocka_unit_test(test_command_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
