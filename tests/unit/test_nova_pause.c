/* nova-compute is stopped while a reboot is decided, and runs again whatever comes of it. */
#include "node-agent/reboot.h"
#include "node-agent/tasks/nova_pause.h"
#include "tests/unit/nova_host.h"

static struct agent agent;

static void boot_id_set(const struct task_host *host, const char *boot_id)
{
	host_shell(host, "mkdir -p proc/sys/kernel/random; echo %s >proc/sys/kernel/random/boot_id",
	           boot_id);
}

#define FIRST  "11111111-1111-4111-8111-111111111111"
#define SECOND "22222222-2222-4222-8222-222222222222"

static int pause_setup(void **state)
{
	nova_setup(state);
	struct task_host *host = *state;
	memset(&agent, 0, sizeof(agent));
	agent.root = host->root;
	snprintf(agent.state, sizeof(agent.state), "/var/lib/gpufleet");
	boot_id_set(host, FIRST);
	return 0;
}

#define PAUSE_CASE(test) cmocka_unit_test_setup_teardown(test, pause_setup, host_teardown)

static void unit_is(const struct task_host *host, const char *state)
{
	assert_string_equal(host_output(host, "cat ../control/units/nova-compute.service"), state);
}

static bool noted(void)
{
	return root_exists(&agent.root, "/var/lib/gpufleet/nova-paused.json");
}

static void agent_begins(void)
{
	nova_pause_mend(&agent, reboot_on_its_way);
}

/* The instance that comes at the last moment. */
static void guest_comes_at_stop(const struct task_host *host)
{
	host_shell(host, "mv usr/bin/systemctl usr/bin/systemctl.real; "
	                 "cat >usr/bin/systemctl <<'E'\n#!/bin/sh\n"
	                 "if [ \"$1\" = stop ]; then mkdir -p $GPUFLEET_SYSROOT/proc/4711/fd; "
	                 "printf '/usr/bin/qemu-system-x86_64\\0-name\\0guest=one\\0' "
	                 ">$GPUFLEET_SYSROOT/proc/4711/cmdline; "
	                 "echo qemu-system-x86 >$GPUFLEET_SYSROOT/proc/4711/comm; fi\n"
	                 "exec $GPUFLEET_SYSROOT/usr/bin/systemctl.real \"$@\"\nE\n"
	                 "chmod 755 usr/bin/systemctl");
}

static void test_guest_at_the_last_moment(void **state)
{
	struct task_host *host = *state;
	bool scheduled = true;
	struct gf_err err = {0};
	guest_comes_at_stop(host);
	assert_int_equal(reboot_schedule(&agent, FIRST, false, &scheduled, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	assert_non_null(strstr(err.msg, "guest"));
	assert_false(scheduled);
	unit_is(host, "enabled active\n");
	assert_false(noted());
	assert_string_equal(host_output(host, "grep -E '^(stop|start)' ../control/programs.log"),
	                    "stop nova-compute.service\nstart nova-compute.service\n");
}

/* A guest that is there from the start: Nova is left alone. */
static void test_guest_from_the_start(void **state)
{
	struct task_host *host = *state;
	bool scheduled;
	guest_comes_at_stop(host);
	host_shell(host, "GPUFLEET_SYSROOT=$PWD usr/bin/systemctl stop none || :; "
	                 ": >../control/programs.log");
	assert_int_equal(reboot_schedule(&agent, FIRST, false, &scheduled, NULL), -1);
	assert_string_equal(host_output(host, "grep -E '^(stop|start)' ../control/programs.log"),
	                    "");
	unit_is(host, "enabled active\n");
}

static void test_no_reboot_program(void **state)
{
	struct task_host *host = *state;
	bool scheduled;
	struct gf_err err = {0};
	host_shell(host, "rm -f usr/sbin/reboot");
	assert_int_equal(reboot_schedule(&agent, FIRST, true, &scheduled, &err), -1);
	assert_non_null(strstr(err.msg, "cannot reboot"));
	unit_is(host, "enabled active\n");
	assert_false(noted());
}

static void test_reboot_on_its_way(void **state)
{
	struct task_host *host = *state;
	bool scheduled = false;
	host_shell(host, "printf '#!/bin/sh\\n:\\n' >usr/sbin/reboot; chmod 755 usr/sbin/reboot");
	assert_int_equal(reboot_schedule(&agent, FIRST, false, &scheduled, NULL), 0);
	assert_true(scheduled);
	unit_is(host, "enabled inactive\n");
	/* An agent that comes before the host goes down leaves it so … */
	agent_begins();
	unit_is(host, "enabled inactive\n");
	assert_true(noted());
	/* … asked for again, it is the same reboot … */
	host_shell(host, "rm usr/sbin/reboot");
	scheduled = false;
	assert_int_equal(reboot_schedule(&agent, FIRST, false, &scheduled, NULL), 0);
	assert_true(scheduled);
	/* … until it should have come: then it is begun anew, knowing what to start again. */
	host_shell(host, "sed -i 's/\"seconds\": *[0-9]*/\"seconds\":-1000/' "
	                 "var/lib/gpufleet/reboot-asked.json");
	assert_int_equal(reboot_schedule(&agent, FIRST, false, &scheduled, NULL), -1);
	unit_is(host, "enabled active\n");
	assert_false(noted());
}

static void test_reboot_that_never_came(void **state)
{
	struct task_host *host = *state;
	bool scheduled = false;
	host_shell(host, "printf '#!/bin/sh\\n:\\n' >usr/sbin/reboot; chmod 755 usr/sbin/reboot");
	assert_int_equal(reboot_schedule(&agent, FIRST, false, &scheduled, NULL), 0);
	host_shell(host, "sed -i 's/\"seconds\": *[0-9]*/\"seconds\":-1000/' "
	                 "var/lib/gpufleet/reboot-asked.json");
	agent_begins();
	unit_is(host, "enabled active\n");
	assert_false(noted());
}

static void test_agent_dies(void **state)
{
	struct task_host *host = *state;
	struct nova_pause pause;
	assert_int_equal(nova_pause_begin(&agent, &pause, NULL), 0);
	unit_is(host, "enabled inactive\n");
	/* Another agent begins while this one is at it. */
	agent_begins();
	unit_is(host, "enabled inactive\n");
	nova_pause_release(&pause); /* as its end does */
	agent_begins();
	unit_is(host, "enabled active\n");
	assert_false(noted());
}

/* The boot has started what is to be up; what somebody stopped since stays down. */
static void test_another_boot(void **state)
{
	struct task_host *host = *state;
	struct nova_pause pause;
	assert_int_equal(nova_pause_begin(&agent, &pause, NULL), 0);
	nova_pause_release(&pause);
	boot_id_set(host, SECOND);
	agent_begins();
	unit_is(host, "enabled inactive\n");
	assert_false(noted());
}

static void test_stopped_by_others(void **state)
{
	struct task_host *host = *state;
	struct nova_pause pause;
	host_shell(host, "GPUFLEET_SYSROOT=$PWD usr/bin/systemctl stop nova-compute; "
	                 ": >../control/programs.log");
	assert_int_equal(nova_pause_begin(&agent, &pause, NULL), 0);
	assert_null(pause.note);
	assert_false(noted());
	nova_pause_end(&agent, &pause);
	unit_is(host, "enabled inactive\n");
}

/* What does not stop may still take an instance in. */
static void test_cannot_be_stopped(void **state)
{
	struct task_host *host = *state;
	bool scheduled;
	struct gf_err err = {0};
	host_shell(host, "mv usr/bin/systemctl usr/bin/systemctl.real; "
	                 "printf '#!/bin/sh\\n[ \"$1\" != stop ] || exit 1\\n"
	                 "exec $GPUFLEET_SYSROOT/usr/bin/systemctl.real \"$@\"\\n' "
	                 ">usr/bin/systemctl; chmod 755 usr/bin/systemctl");
	assert_int_equal(reboot_schedule(&agent, FIRST, false, &scheduled, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	assert_non_null(strstr(err.msg, "nova-compute.service could not be stopped"));
	assert_false(noted());
}

/* A container that was stopped by hand would stay so over the boot: it is frozen. */
static void test_container(void **state)
{
	struct task_host *host = *state;
	struct nova_pause pause;
	host_shell(
	    host,
	    "rm lib/systemd/system/nova-compute.service ../control/units/nova-compute.service; "
	    "for p in proc/5*; do echo 0::/system.slice/docker-0123456789abcdef.scope "
	    ">$p/cgroup; done; mkdir -p etc/kolla/nova-compute; "
	    "echo '{\"command\": \"nova-compute\", \"config_files\": []}' "
	    ">etc/kolla/nova-compute/config.json; echo running >../control/docker; "
	    "cat >usr/bin/docker <<'E'\n#!/bin/sh\nc=$GPUFLEET_SYSROOT/../control\n"
	    "case $1 in inspect) echo \"$(cat $c/docker) 7 0\" ;;\n"
	    "pause) echo paused >$c/docker ;; unpause) echo running >$c/docker ;; esac\n"
	    "echo \"$1\" >>$c/docker.log\nE\nchmod 755 usr/bin/docker");
	assert_int_equal(nova_pause_begin(&agent, &pause, NULL), 0);
	assert_string_equal(host_output(host, "cat ../control/docker"), "paused\n");
	nova_pause_release(&pause);
	agent_begins();
	assert_string_equal(host_output(host, "cat ../control/docker"), "running\n");
	assert_string_equal(host_output(host, "grep -v inspect ../control/docker.log"),
	                    "pause\nunpause\n");
	assert_false(noted());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    PAUSE_CASE(test_guest_at_the_last_moment),
	    PAUSE_CASE(test_guest_from_the_start),
	    PAUSE_CASE(test_no_reboot_program),
	    PAUSE_CASE(test_reboot_on_its_way),
	    PAUSE_CASE(test_reboot_that_never_came),
	    PAUSE_CASE(test_agent_dies),
	    PAUSE_CASE(test_another_boot),
	    PAUSE_CASE(test_stopped_by_others),
	    PAUSE_CASE(test_cannot_be_stopped),
	    PAUSE_CASE(test_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
