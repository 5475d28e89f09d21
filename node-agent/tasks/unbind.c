/* unbind.c: wanted devices that another driver still holds are taken from it. Writing to `unbind`
 * can hang for ever inside the kernel, so a child does it; one that misses its deadline is left
 * behind. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/tasks/backup.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"

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

static bool guest_has(const struct task_context *ctx, const char *address)
{
	size_t i, j;
	const json_t *guest, *item;

	json_array_foreach(json_object_get(json_object_get(ctx->facts, "host"), "guests"), i, guest)
	{
		json_array_foreach(json_object_get(guest, "devices"), j, item)
		{
			if (json_is_string(item) && strcmp(json_string_value(item), address) == 0)
				return true;
		}
	}
	return false;
}

static int device_rebind(struct task_run *run, const char *address, const char *from,
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
	wanted_driver(run->ctx, address, now, sizeof(now));
	if (strcmp(now, driver) != 0)
		return gf_err_set(
		    err, GF_E_TASK,
		    "%s is on %s after it was given to %s: look at \"dmesg | grep %s\"", address,
		    *now ? now : "no driver", driver, address);
	return 0;
}

static int device_settle(struct task_run *run, size_t index, const char *driver, struct gf_err *err)
{
	struct wanted_device device;
	char now[64], why[400], diff[160];
	unsigned timeout = task_seconds(run, "timeout", 30);

	if (wanted_get(run->ctx, index, &device, err) != 0)
		return -1;
	wanted_driver(run->ctx, device.address, now, sizeof(now));
	if (strcmp(now, driver) == 0)
		return 0;
	if (!wanted_present(run->ctx, &device, why, sizeof(why)))
		return gf_err_set(err, GF_E_BLOCKED, "%s", why);
	if (guest_has(run->ctx, device.address))
		return gf_err_set(err, GF_E_BLOCKED,
		                  "%s belongs to a running guest: stop the guest first",
		                  device.address);
	snprintf(diff, sizeof(diff), "%s → %s", *now ? now : "(none)", driver);
	if (run->mode == TASK_APPLY &&
	    device_rebind(run, device.address, now, driver, timeout, err) != 0)
		return -1;
	task_change(run, "driver", device.address, diff);
	return 0;
}

int unbind_task(struct task_run *run, struct gf_err *err)
{
	const char *driver = task_text(run, "driver", "vfio-pci");
	bool loaded = false;

	if (!bind_driver_is_valid(driver))
		return gf_err_set(err, GF_E_TASK, "\"%s\" is not the name of a driver", driver);
	if (run->mode == TASK_PLAN && run->ctx->reboot_planned)
		return task_say(run, TASK_OK, "what another driver still holds after the reboot");
	for (size_t i = 0; i < wanted_count(run->ctx); i++) {
		char now[64];
		struct wanted_device device;
		if (run->mode == TASK_APPLY && !loaded &&
		    wanted_get(run->ctx, i, &device, NULL) == 0) {
			wanted_driver(run->ctx, device.address, now, sizeof(now));
			if (strcmp(now, driver) != 0) {
				const char *const argv[] = {"modprobe", driver, NULL};
				struct root_output output;
				root_run(run->ctx->root, argv, 60, &output, NULL);
				root_output_free(&output);
				loaded = true;
			}
		}
		if (device_settle(run, i, driver, err) != 0)
			return -1;
	}
	return 0;
}
