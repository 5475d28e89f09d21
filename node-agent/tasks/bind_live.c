/* bind_live.c: see bind_live.h. Writing to `unbind` can hang for ever inside the kernel, so a child
 * does it; one that misses its deadline is left behind. */
#include "node-agent/tasks/bind_live.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/root.h"
#include "node-agent/tasks/backup.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/wire/json_text.h"

#define LOAD_TIMEOUT  60
#define PROBE_TIMEOUT 2 /* seconds */
#define BIND_TIMEOUT  30

/* Everything that the child touches is made before the fork. */
struct rebind {
	struct root_name override, unbind, probe;
	const char *address, *driver;
	bool held;
};

static int write_line(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	int saved = errno;
	close(fd);
	errno = saved;
	return n < 0 ? -1 : 0;
}

static void child_run(const struct rebind *job) __attribute__((noreturn));
static void child_run(const struct rebind *job)
{
	setsid();
	for (int fd = 0; fd < 1024;
	     fd++) /* a child left behind must not hold the operation's files */
		close(fd);
	if (write_line(job->override.text, job->driver) != 0)
		_exit(2);
	if (job->held && write_line(job->unbind.text, job->address) != 0)
		_exit(3);
	write_line(job->probe.text, job->address);
	_exit(0);
}

/* 0, or -1 when the deadline passed and the child was left behind. */
static int child_wait(pid_t pid, unsigned seconds)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};

	for (unsigned i = 0; i < seconds * 20; i++) {
		int status;
		if (waitpid(pid, &status, WNOHANG) != 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	nanosleep(&pause, NULL);
	waitpid(pid, NULL, WNOHANG);
	return -1;
}

/* Is it on DRIVER? NOW says what it is on. A kernel may probe in the background
 * (driver_async_probe=). */
static bool driver_came(const struct task_context *ctx, const char *address, const char *driver,
                        char *now, size_t size)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};

	for (unsigned i = 0; i < PROBE_TIMEOUT * 20; i++) {
		wanted_driver(ctx, address, now, size);
		if (strcmp(now, driver) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

int bind_live_device(struct task_run *run, const char *address, const char *from,
                     const char *driver, unsigned timeout, struct gf_err *err)
{
	const struct root *root = run->ctx->root;
	struct rebind job = {
	    .override = root_pathf(root, "/sys/bus/pci/devices/%s/driver_override", address),
	    .unbind = root_pathf(root, "/sys/bus/pci/devices/%s/driver/unbind", address),
	    .probe = root_path(root, "/sys/bus/pci/drivers_probe"),
	    .address = address,
	    .driver = driver,
	    .held = *from != '\0'};
	json_t *record =
	    json_pack("{ss ss ss}", "kind", "driver", "address", address, "driver", from);
	char now[64];

	if (backup_record(run->ctx->operation_dir, record, err) != 0)
		return -1;
	pid_t pid = fork();
	if (pid < 0)
		return gf_err_errno(err, GF_E_TASK, "cannot start a process to unbind %s", address);
	if (pid == 0)
		child_run(&job);
	if (child_wait(pid, timeout) != 0)
		return gf_err_set(
		    err, GF_E_TASK,
		    "taking %s from %s hung for %u s and was left behind: something uses the "
		    "device; reboot the host by hand, by power if it does not go down",
		    address, *from ? from : "(no driver)", timeout);
	if (!driver_came(run->ctx, address, driver, now, sizeof(now)))
		return gf_err_set(
		    err, GF_E_TASK,
		    "%s is on %s after it was given to %s: look at \"dmesg | grep %s\"", address,
		    *now ? now : "no driver", driver, address);
	return 0;
}

void bind_live_load(const struct root *root, const char *driver)
{
	const char *const argv[] = {"modprobe", driver, NULL};
	struct root_output output;

	root_run(root, argv, LOAD_TIMEOUT, &output, NULL);
	root_output_free(&output);
}

static const json_t *device_find(const struct task_context *ctx, const char *address)
{
	const json_t *device;
	size_t i;

	json_array_foreach(fact_devices(ctx), i, device)
	{
		if (strcmp(json_text(device, "address"), address) == 0)
			return device;
	}
	return NULL;
}

/* No driver has it, the console is not on it, and a guest could be given it as the host runs now.
 */
static bool is_free(const struct task_context *ctx, const struct wanted_device *wanted,
                    const char *driver)
{
	const json_t *device = device_find(ctx, wanted->address);
	char now[64];

	wanted_driver(ctx, wanted->address, now, sizeof(now));
	if (strcmp(now, driver) == 0)
		return true;
	return !*now && json_is_integer(json_object_get(device, "iommu_group")) &&
	       !json_is_true(json_object_get(device, "boot_vga"));
}

bool bind_live_possible(const struct task_context *ctx, const char *driver)
{
	size_t count = wanted_count(ctx);

	for (size_t i = 0; i < count; i++) {
		struct wanted_device device;

		if (wanted_get(ctx, i, &device, NULL) != 0 || !is_free(ctx, &device, driver))
			return false;
	}
	return count > 0;
}

int bind_live_all(struct task_run *run, const char *driver, struct gf_err *err)
{
	bool loaded = false;

	for (size_t i = 0; i < wanted_count(run->ctx); i++) {
		struct wanted_device device;
		char now[64];

		if (wanted_get(run->ctx, i, &device, err) != 0)
			return -1;
		wanted_driver(run->ctx, device.address, now, sizeof(now));
		if (strcmp(now, driver) == 0)
			continue;
		if (!loaded)
			bind_live_load(run->ctx->root, driver);
		loaded = true;
		if (bind_live_device(run, device.address, now, driver, BIND_TIMEOUT, err) != 0)
			return -1;
	}
	return 0;
}
