/* Playbooks: the shipped ones, `when`, and every malformed file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "playbooks/playbook.h"
#include "tests/unit/bad_inputs.h"

static bool playbook_taken(const char *path, struct gf_err *err)
{
	struct playbook *playbook = playbook_read(path, "/nonexistent", err);
	playbook_free(playbook);
	return playbook;
}

static void bad_inputs(void **state)
{
	size_t wrong;
	(void)state;
	size_t seen = bad_inputs_walk(TEST_SOURCE_DIR "/tests/unit/bad-inputs/playbook",
	                              playbook_taken, &wrong);
	assert_int_equal(wrong, 0);
	assert_true(seen >= 40);
}

#define SHIPPED TEST_SOURCE_DIR "/playbooks"

static void shipped(void **state)
{
	struct gf_err err = {0};
	(void)state;
	struct playbook *playbook = playbook_read("gpu-passthrough", SHIPPED, &err);
	if (!playbook) {
		fail_msg("%s", err.msg);
		return;
	}
	assert_string_equal(playbook->name, "gpu-passthrough");
	assert_int_equal(playbook->role, ROLE_COMPUTE);
	assert_true(playbook->stage_count > 0);
	assert_int_equal(json_array_size(playbook->json), playbook->stage_count);
	assert_int_equal(strlen(playbook->sha256), 64);
	playbook_free(playbook);

	assert_null(playbook_read("gpu-pasthrough", SHIPPED, &err));
	assert_non_null(strstr(err.msg, "did you mean \"gpu-passthrough\"?"));
	assert_null(playbook_read("../inventory/examples", SHIPPED, &err));
	assert_null(playbook_read("..", SHIPPED, &err));
}

static const char text[] =
    "{\"version\": 1, \"name\": \"p\", \"stages\": [{\"name\": \"a\", \"reboot\": \"always\", "
    "\"tasks\": ["
    "{\"type\": \"kernel_args\", \"name\": \"i\", \"add\": [\"intel_iommu=on\"],"
    " \"when\": {\"cpu_vendor\": \"intel\"}},"
    "{\"type\": \"command\", \"name\": \"d\", \"argv\": [\"true\"], \"timeout\": \"2m\","
    " \"when\": {\"distribution\": [\"debian\", \"ubuntu\"], \"boot_loader\": \"grub\"}},"
    "{\"type\": \"bind\", \"name\": \"b\"}]},"
    "{\"name\": \"b\", \"tasks\": [{\"type\": \"initramfs\", \"name\": \"x\","
    " \"when\": {\"initramfs\": \"dracut\", \"boot_tool\": [\"grubby\", "
    "\"kernel-install\"]}}]}]}";

static size_t tasks_of(const struct playbook *playbook, unsigned roles, size_t stage,
                       const char *facts)
{
	struct gf_err err = {0};
	json_t *document = json_loads(facts, 0, NULL);
	json_t *stages = playbook_for_host(playbook, roles, document, &err);
	assert_non_null(stages);
	assert_int_equal(json_array_size(stages), playbook->stage_count);
	size_t count = json_array_size(json_object_get(json_array_get(stages, stage), "tasks"));
	json_decref(stages);
	json_decref(document);
	return count;
}

static size_t tasks_for(const struct playbook *playbook, size_t stage, const char *facts)
{
	return tasks_of(playbook, 1U << ROLE_COMPUTE, stage, facts);
}

static void when(void **state)
{
	struct gf_err err = {0};
	(void)state;
	struct playbook *playbook = playbook_parse("p.json", text, strlen(text), &err);
	if (!playbook) {
		fail_msg("%s", err.msg);
		return;
	}
	assert_int_equal(playbook->stages[0].reboot, PLAYBOOK_REBOOT_ALWAYS);
	assert_int_equal(playbook->stages[1].reboot, PLAYBOOK_REBOOT_NEVER);
	assert_int_equal(
	    tasks_for(playbook, 0,
	              "{\"host\": {\"cpu_vendor\": \"intel\", \"boot_loader\": \"grub\","
	              "\"distribution\": {\"id\": \"ubuntu\"}}}"),
	    3);
	assert_int_equal(
	    tasks_for(playbook, 0,
	              "{\"host\": {\"cpu_vendor\": \"amd\", \"boot_loader\": \"systemd-boot\","
	              "\"distribution\": {\"id\": \"ubuntu\"}}}"),
	    1);
	assert_int_equal(tasks_for(playbook, 1,
	                           "{\"host\": {\"initramfs\": \"dracut\","
	                           "\"boot_tool\": \"grubby\"}}"),
	                 1);
	assert_int_equal(tasks_for(playbook, 1, "{\"host\": {\"initramfs\": \"dracut\"}}"), 0);
	/* Facts come from a host: whatever their shape, nothing breaks and nothing unknown holds.
	 */
	assert_int_equal(tasks_for(playbook, 0, "{}"), 1);
	assert_int_equal(tasks_for(playbook, 0, "[]"), 1);
	assert_int_equal(tasks_for(playbook, 0, "{\"host\": [1]}"), 1);
	assert_int_equal(
	    tasks_for(playbook, 0, "{\"host\": {\"cpu_vendor\": {}, \"distribution\": 7}}"), 1);
	/* The playbook itself is untouched. */
	assert_int_equal(json_array_size(json_object_get(playbook->stages[0].json, "tasks")), 3);
	playbook_free(playbook);
}

/* A stage is for the playbook's hosts, unless it says otherwise. */
static void roles(void **state)
{
	static const char of_roles[] =
	    "{\"version\": 1, \"name\": \"p\", \"role\": \"compute\", \"stages\": ["
	    "{\"name\": \"a\", \"tasks\": [{\"type\": \"bind\", \"name\": \"x\"}]},"
	    "{\"name\": \"b\", \"role\": \"control\", \"tasks\": [{\"type\": \"command\", "
	    "\"name\": \"y\", \"argv\": [\"true\"]}]}]}";
	struct gf_err err = {0};
	(void)state;
	struct playbook *playbook = playbook_parse("p.json", of_roles, strlen(of_roles), &err);
	if (!playbook) {
		fail_msg("%s", err.msg);
		return;
	}
	assert_int_equal(playbook->stages[0].role, ROLE_COMPUTE);
	assert_int_equal(playbook->stages[1].role, ROLE_CONTROL);
	assert_true(playbook_has_role(playbook, ROLE_CONTROL));
	assert_int_equal(tasks_of(playbook, 1U << ROLE_COMPUTE, 0, "{}"), 1);
	assert_int_equal(tasks_of(playbook, 1U << ROLE_COMPUTE, 1, "{}"), 0);
	assert_int_equal(tasks_of(playbook, 1U << ROLE_CONTROL, 0, "{}"), 0);
	assert_int_equal(tasks_of(playbook, 1U << ROLE_CONTROL, 1, "{}"), 1);
	assert_int_equal(tasks_of(playbook, 1U << ROLE_COMPUTE | 1U << ROLE_CONTROL, 0, "{}"), 1);
	playbook_free(playbook);
}

static const char roles_text[] =
    "{\"version\": 1, \"name\": \"p\", \"stages\": ["
    "{\"name\": \"a\", \"tasks\": [{\"type\": \"nova_config\", \"name\": \"c\","
    " \"service\": \"nova-compute\"}]},"
    "{\"name\": \"b\", \"role\": \"control\", \"tasks\": [{\"type\": \"nova_service\","
    " \"name\": \"s\", \"service\": \"nova-scheduler\", \"timeout\": 180, \"settle\": \"5s\"}]}],"
    "\"role\": \"%s\"}";

static void stage_roles(void **state)
{
	char document[1024];
	struct gf_err err = {0};
	(void)state;
	for (int role = ROLE_COMPUTE; role <= ROLE_CONTROL; role++) {
		snprintf(document, sizeof(document), roles_text,
		         role == ROLE_COMPUTE ? "compute" : "control");
		struct playbook *playbook =
		    playbook_parse("p.json", document, strlen(document), &err);
		if (!playbook) {
			fail_msg("%s", err.msg);
			return;
		}
		assert_int_equal(playbook->stages[0].role, role);
		assert_int_equal(playbook->stages[1].role, ROLE_CONTROL);
		playbook_free(playbook);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bad_inputs), cmocka_unit_test(shipped),     cmocka_unit_test(when),
	    cmocka_unit_test(roles),      cmocka_unit_test(stage_roles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
