/* The package manager's lock: taken, waited for, and said who has it. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "node-agent/tasks/package_lock.h"

/* A process that holds FILE for MS milliseconds; returns once it does. */
static pid_t hold(const char *file, long ms)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
		int fd = open(file, O_RDWR);
		if (fcntl(fd, F_SETLK, &lock) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		nanosleep(&wait, NULL);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void lock_at(const char *path)
{
	char dir[] = "/tmp/gpufleet-lock-XXXXXX", file[256], command[300], pid_text[32];
	struct root root;
	struct gf_err err = {0};

	assert_non_null(mkdtemp(dir));
	assert_int_equal(root_open(&root, dir, NULL), 0);
	assert_int_equal(package_lock_take(&root, 0, &err), -2);
	snprintf(command, sizeof(command), "mkdir -p $(dirname %s%s) && : >%s%s", dir, path, dir,
	         path);
	assert_int_equal(system(command), 0);
	int fd = package_lock_take(&root, 0, &err);
	assert_true(fd >= 0);
	package_lock_drop(fd);

	snprintf(file, sizeof(file), "%s%s", dir, path);
	pid_t pid = hold(file, 60000);
	assert_int_equal(package_lock_take(&root, 0, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	snprintf(pid_text, sizeof(pid_text), "process %d ", (int)pid);
	assert_non_null(strstr(err.msg, pid_text));
	assert_non_null(strstr(err.msg, path));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);

	pid = hold(file, 700);
	fd = package_lock_take(&root, 20, &err);
	assert_true(fd >= 0);
	package_lock_drop(fd);
	waitpid(pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void dpkg(void **state)
{
	(void)state;
	lock_at("/var/lib/dpkg/lock-frontend");
}

static void rpm(void **state)
{
	(void)state;
	lock_at("/usr/lib/sysimage/rpm/.rpm.lock");
	lock_at("/var/lib/rpm/.rpm.lock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(dpkg), cmocka_unit_test(rpm)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
