/* test_requests.c: how often a host is looked at in one session. */
#include "tests/unit/agent_root.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/serve.h"

static void asked(struct serve *serve, const char *request, bool answered)
{
	json_t *json = json_loads(request, 0, NULL);
	struct gf_err err;
	assert_non_null(json);
	json_t *answer = request_answer(serve, json, &err);
	assert_int_equal(answer != NULL, answered);
	json_decref(answer);
	json_decref(json);
}

/* How often facts were collected: each time systemctl is asked once whether libvirtd is up. */
static size_t looks(const struct serve *serve)
{
	char *calls = root_read_file(&serve->agent->root, "/calls", 1000, NULL, NULL);
	size_t count = calls ? strlen(calls) : 0;
	free(calls);
	return count;
}

static void test_facts_are_collected_once(void **state)
{
	struct serve serve = {.agent = *state, .out = -1};
	const struct root *root = &serve.agent->root;
	static const char facts[] = "{\"request\":\"facts\"}",
	                  plan[] = "{\"request\":\"plan\",\"context\":{},\"stages\":[]}",
	                  verify[] = "{\"request\":\"verify\",\"context\":{},\"stages\":[]}";

	agent_root_dirs(root, "/sys/bus/pci/devices");
	agent_root_dirs(root, "/run/systemd/system");
	agent_root_file(root, "/etc/systemd/system/libvirtd.service", "");
	agent_root_script(root, "/usr/bin/systemctl",
	                  "#!/bin/sh\nprintf . >>$GPUFLEET_SYSROOT/calls\necho active\n");
	asked(&serve, facts, true);
	assert_int_equal(looks(&serve), 1);
	asked(&serve, plan, true);
	asked(&serve, "{\"request\":\"lease\",\"run\":\"r\"}", true);
	asked(&serve, verify, true);
	assert_int_equal(looks(&serve), 1);
	/* Who asks for facts gets new ones. */
	asked(&serve, facts, true);
	assert_int_equal(looks(&serve), 2);
	/* What may have changed the host. */
	asked(&serve, "{\"request\":\"attach\",\"operation\":\"none\"}", false);
	asked(&serve, verify, true);
	assert_int_equal(looks(&serve), 3);
	/* They hold for a moment. */
	serve.facts_seen.tv_sec -= 60;
	asked(&serve, plan, true);
	assert_int_equal(looks(&serve), 4);
	serve_forget(&serve);
}

static void *serve_thread(void *data)
{
	struct serve *serve = data;
	int failed = serve_loop(serve);
	close(serve->out);
	return failed ? NULL : serve;
}

/* However many answers there are, and however much their reader would take at once, they come in
 * small parts. */
static void test_packets_are_small(void **state)
{
	struct serve serve = {.agent = *state};
	static char part[65536];
	size_t all = 0;
	int in[2], out[2];
	pthread_t thread;
	ssize_t got;
	void *ended;

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	serve.in = in[0];
	serve.out = out[1];
	for (int id = 0; id < 100; id++)
		dprintf(in[1], "{\"id\":%d,\"request\":\"what?\"}\n", id);
	close(in[1]);
	assert_int_equal(pthread_create(&thread, NULL, serve_thread, &serve), 0);
	while ((got = read(out[0], part, sizeof(part))) > 0) {
		assert_in_range(got, 1, 4000);
		all += (size_t)got;
		usleep(10000); /* what comes meanwhile would come with the next */
	}
	assert_int_equal(got, 0);
	assert_int_equal(pthread_join(thread, &ended), 0);
	assert_ptr_equal(ended, &serve);
	assert_in_range(all, 4001, SIZE_MAX);
	close(in[0]);
	close(out[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_facts_are_collected_once, agent_root_setup,
	                                    agent_root_teardown),
	    cmocka_unit_test_setup_teardown(test_packets_are_small, agent_root_setup,
	                                    agent_root_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
