/* The host's table: every state has a name, is reachable, and is terminal or has a deadline (or
 * waits for its fleet). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "controller/host/host_machine.h"

static void every_state_is_reachable(void **state)
{
	uint32_t reached = 1u << HOST_IDLE, before = 0;

	(void)state;
	while (reached != before) {
		before = reached;
		for (int i = 0; i < HOST_STATE_COUNT; i++) {
			if (reached & (1u << i))
				reached |= host_state_row((enum host_state)i)->next;
		}
	}
	assert_int_equal(reached, (1u << HOST_STATE_COUNT) - 1);
}

static void every_state_ends(void **state)
{
	(void)state;
	for (int i = 0; i < HOST_STATE_COUNT; i++) {
		const struct host_state_row *row = host_state_row((enum host_state)i);

		assert_non_null(row->name);
		if (host_state_terminal((enum host_state)i)) {
			assert_int_equal(row->next, 0);
			continue;
		}
		assert_non_null(row->input);
		assert_true(row->deadline_s || i == HOST_IDLE || i == HOST_WAITING);
		/* Whatever happens, there is a way to an end. */
		assert_true(i == HOST_FINISHING || (row->next & (1u << HOST_FINISHING)));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(row->name, host_state_name((enum host_state)j));
	}
}

/* docs/design/host-machine.md: a row for every state that waits, with its deadline. */
static void documented(void **state)
{
	FILE *file = fopen(TEST_SOURCE_DIR "/docs/design/host-machine.md", "re");
	char line[1024], name[64], deadline[64];
	unsigned seen = 0, expected = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		for (int i = 0; i < HOST_STATE_COUNT; i++) {
			const struct host_state_row *row = host_state_row((enum host_state)i);

			snprintf(name, sizeof(name), "| %s |", row->name);
			if (host_state_terminal((enum host_state)i) ||
			    strncmp(line, name, strlen(name)) != 0)
				continue;
			seen++;
			snprintf(deadline, sizeof(deadline), row->deadline_s ? "| %u s" : "| none",
			         row->deadline_s);
			if (!strstr(line, deadline))
				fail_msg("%s: its deadline is not \"%s\"", row->name, deadline);
		}
	}
	fclose(file);
	for (int i = 0; i < HOST_STATE_COUNT; i++)
		expected += !host_state_terminal((enum host_state)i);
	assert_int_equal(seen, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(documented),
	    cmocka_unit_test(every_state_is_reachable),
	    cmocka_unit_test(every_state_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
