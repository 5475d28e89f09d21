/* The host's table: every state has a name, is reachable, and is terminal or has a deadline (or
 * waits for its fleet). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_state_is_reachable),
	    cmocka_unit_test(every_state_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
