/* test_ssh_command.c: commands over real sshd: output, input, status, and peers that stop or die.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "controller/ssh/ssh_link.h"
#include "tests/integration/sshd/sshd_fixture.h"

static struct sshd sshd;

static int start(void **state)
{
	(void)state;
	sshd_start(&sshd, "");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	sshd_stop(&sshd);
	return 0;
}

static void gives_output_and_status(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "echo out; echo err >&2; cat; exit 3");
	client.input = "given";
	client.input_size = 5;
	bed_exec(&bed, &client, 10000);
	if (client.failed)
		fail_msg("%s", client.err.msg);
	assert_int_equal(client.status, 3);
	assert_string_equal(client.out, "out\ngiven");
	assert_string_equal(client.err_out, "err\n");
	client_free(&client);
	bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_output_and_status),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
