/* probe.c: see probe.h. The happy path: container, group, viable, joined, IOMMU, each device;
 * closed in reverse. What can go wrong is what is asked for: any step's error ends the probe of the
 * group. A step that never comes back ends with the child being left behind.
 */
#include "node-agent/facts/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/wire/json_text.h"

static int real_open(const char *path)
{
	return open(path, O_RDWR | O_CLOEXEC);
}

static int real_control(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument);
}

/* One page is enough to be told: the whole BAR is taken for it. */
static int real_map(int fd, uint64_t offset)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	return page == MAP_FAILED ? -1 : munmap(page, size);
}

static const struct probe_kernel real_kernel = {real_open, real_control, real_map, close};

static struct probe_answer failed(enum probe_step step)
{
	return (struct probe_answer){.step = step, .error = errno ? errno : EIO};
}

/* Maps the device's memory as QEMU does, without touching it: only then vfio takes a BAR for
 * itself, and is told that it is taken (by a framebuffer of the firmware's). Other errors are of
 * what cannot be mapped, such as MSI-X tables before Linux 4.16. */
static bool bars_are_taken(const struct probe_kernel *kernel, int device)
{
	for (unsigned i = VFIO_PCI_BAR0_REGION_INDEX; i <= VFIO_PCI_BAR5_REGION_INDEX; i++) {
		struct vfio_region_info region = {.argsz = sizeof(region), .index = i};
		if (kernel->control(device, VFIO_DEVICE_GET_REGION_INFO, &region) == 0 &&
		    region.size > 0 && (region.flags & VFIO_REGION_INFO_FLAG_MMAP) &&
		    kernel->map(device, region.offset) < 0 && errno == EBUSY)
			return true;
	}
	return false;
}

/* The devices, one at a time: to close one lets vfio reset it, as after a guest. */
static struct probe_answer ask_devices(const struct probe_kernel *kernel, int fd,
                                       const struct probe_group *group, int version)
{
	for (size_t i = 0; i < group->device_count; i++) {
		char address[32];
		snprintf(address, sizeof(address), "%s", group->devices[i]);
		int device = kernel->control(fd, VFIO_GROUP_GET_DEVICE_FD, address);
		if (device < 0)
			return failed(PROBE_DEVICE_FD);
		bool taken = bars_are_taken(kernel, device);
		kernel->close(device);
		if (taken)
			return (struct probe_answer){.step = PROBE_MAP, .error = EBUSY};
	}
	return (struct probe_answer){.step = PROBE_DONE, .version = version};
}

static struct probe_answer ask_group(const struct probe_kernel *kernel, int container, int fd,
                                     const struct probe_group *group)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	if (kernel->control(fd, VFIO_GROUP_GET_STATUS, &status) < 0)
		return failed(PROBE_STATUS);
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return (struct probe_answer){.step = PROBE_STATUS};
	if (kernel->control(fd, VFIO_GROUP_SET_CONTAINER, &container) < 0)
		return failed(PROBE_SET_CONTAINER);
	/* As QEMU: the second version where there is one. */
	bool second = kernel->control(container, VFIO_CHECK_EXTENSION,
	                              (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU) > 0;
	unsigned long type = second ? VFIO_TYPE1v2_IOMMU : VFIO_TYPE1_IOMMU;
	struct probe_answer answer;
	if (kernel->control(container, VFIO_SET_IOMMU, (void *)(uintptr_t)type) < 0)
		answer = failed(PROBE_SET_IOMMU);
	else
		answer = ask_devices(kernel, fd, group, second ? 2 : 1);
	kernel->control(fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
	return answer;
}

struct probe_answer probe_ask(const struct probe_kernel *kernel, const struct probe_group *group)
{
	errno = 0;
	int container = kernel->open("/dev/vfio/vfio");
	if (container < 0)
		return failed(PROBE_OPEN_CONTAINER);
	struct probe_answer answer;
	int fd = -1;
	if (kernel->control(container, VFIO_GET_API_VERSION, NULL) != VFIO_API_VERSION)
		answer = failed(PROBE_API_VERSION);
	else if ((fd = kernel->open(group->path)) < 0)
		answer = failed(PROBE_OPEN_GROUP);
	else
		answer = ask_group(kernel, container, fd, group);
	if (fd >= 0)
		kernel->close(fd);
	kernel->close(container);
	return answer;
}

static void child_run(const struct probe_kernel *kernel, const struct probe_group *group, int out)
    __attribute__((noreturn));
static void child_run(const struct probe_kernel *kernel, const struct probe_group *group, int out)
{
	setsid();
	/* A child that is left behind must not hold the agent's files: its end is waited for there.
	 */
	for (int fd = 0; fd < 1024; fd++)
		if (fd != out)
			close(fd);
	struct probe_answer answer = probe_ask(kernel, group);
	ssize_t n = write(out, &answer, sizeof(answer));
	_exit(n == (ssize_t)sizeof(answer) ? 0 : 1);
}

bool probe_ask_apart(const struct probe_kernel *kernel, const struct probe_group *group,
                     unsigned timeout, struct probe_answer *answer)
{
	int ends[2];
	*answer = (struct probe_answer){.step = PROBE_OPEN_CONTAINER, .error = EAGAIN};
	if (pipe2(ends, O_CLOEXEC) != 0)
		return true;
	pid_t pid = fork();
	if (pid == 0)
		child_run(kernel, group, ends[1]);
	close(ends[1]);
	struct pollfd wait = {.fd = ends[0], .events = POLLIN};
	bool ended = pid < 0 || poll(&wait, 1, (int)timeout * 1000) > 0;
	if (pid >= 0 && ended && read(ends[0], answer, sizeof(*answer)) != sizeof(*answer))
		*answer = (struct probe_answer){.step = PROBE_OPEN_CONTAINER, .error = EIO};
	close(ends[0]);
	if (pid < 0)
		return true;
	/* One that hangs in the kernel does not even obey this: it is not waited for. */
	kill(pid, SIGKILL);
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	for (int i = 0; i < 100 && waitpid(pid, NULL, WNOHANG) == 0; i++)
		nanosleep(&pause, NULL);
	return ended;
}

/* What is done with one device of the facts. */
struct probe_scan {
	const struct root *root;
	const struct probe_kernel *kernel;
	const json_t *facts;
};

static bool on_vfio(const json_t *device)
{
	return strstr(json_text(device, "driver"), "vfio") != NULL;
}

static bool list_has(const json_t *list, const char *text)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item)
	{
		if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
			return true;
	}
	return false;
}

/* The guest, or another program, that has the device; NULL: nobody. */
static const char *user_of(const json_t *guests, const char *address)
{
	size_t i;
	const json_t *guest;
	json_array_foreach(guests, i, guest)
	{
		if (list_has(json_object_get(guest, "devices"), address))
			return json_text(guest, "name");
	}
	return NULL;
}

/* Why the device's group must not be asked for, in WHY; "": it may be, and GROUP is filled in. */
static void group_look(const struct probe_scan *scan, json_int_t number, struct probe_group *group,
                       char *why, size_t size)
{
	const json_t *guests = json_object_get(json_object_get(scan->facts, "host"), "guests");
	const json_t *other;
	bool whole = true;
	size_t i;
	*why = '\0';
	snprintf(group->path, sizeof(group->path), "/dev/vfio/%lld", (long long)number);
	group->device_count = 0;
	if (!json_is_array(guests))
		snprintf(why, size, "it could not be seen who uses devices here");
	json_array_foreach(json_object_get(scan->facts, "pci"), i, other)
	{
		const char *address = json_text(other, "address");
		const json_t *own = json_object_get(other, "iommu_group");
		if (!json_is_integer(own) || json_integer_value(own) != number ||
		    strcmp(json_text(other, "header"), "endpoint") != 0)
			continue;
		const char *user = user_of(guests, address);
		if (user)
			snprintf(why, size, "%.80s uses %s", user, address);
		else if (!on_vfio(other))
			snprintf(why, size, "%s in its group is not on vfio-pci", address);
		else if (group->device_count < PROBE_DEVICES_MAX)
			group->devices[group->device_count++] = address;
		else
			whole = false;
	}
	if (!whole)
		group->device_count = 0;
}

static const char *step_name(enum probe_step step)
{
	static const char *const names[] = {"open /dev/vfio/vfio",
	                                    "VFIO_GET_API_VERSION",
	                                    "open /dev/vfio/GROUP",
	                                    "VFIO_GROUP_GET_STATUS",
	                                    "VFIO_GROUP_SET_CONTAINER",
	                                    "VFIO_SET_IOMMU",
	                                    "VFIO_GROUP_GET_DEVICE_FD",
	                                    "mmap of a BAR",
	                                    ""};
	return names[step <= PROBE_DONE ? step : PROBE_DONE];
}

static json_t *answer_json(const struct probe_group *group, bool ended,
                           const struct probe_answer *answer)
{
	char message[160];
	const char *result = ended ? "failed" : "hung";
	if (!ended)
		snprintf(message, sizeof(message), "no answer within %d s", PROBE_TIMEOUT);
	else if (answer->step == PROBE_DONE) {
		snprintf(message, sizeof(message), "%s, type 1 version %d, %zu devices",
		         group->path, answer->version, group->device_count);
		result = "ok";
	} else if (answer->error == 0)
		snprintf(message, sizeof(message), "%s: the group is not viable", group->path);
	else
		snprintf(message, sizeof(message), "%s: %s", group->path, strerror(answer->error));
	return json_pack("{s:s,s:s,s:s}", "result", result, "step",
	                 step_name(ended ? answer->step : PROBE_DONE), "message", message);
}

static json_t *device_probe(const struct probe_scan *scan, const json_t *device)
{
	const json_t *number = json_object_get(device, "iommu_group");
	struct probe_group group = {.device_count = 0};
	struct probe_answer answer;
	char why[160] = "";
	if (!scan->kernel)
		snprintf(why, sizeof(why), "a simulated host has no kernel to ask");
	else if (!json_is_integer(number))
		snprintf(why, sizeof(why), "it is in no IOMMU group");
	else
		group_look(scan, json_integer_value(number), &group, why, sizeof(why));
	if (*why)
		return json_pack("{s:s,s:s,s:s}", "result", "skipped", "step", "", "message", why);
	bool ended = probe_ask_apart(scan->kernel, &group, PROBE_TIMEOUT, &answer);
	return answer_json(&group, ended, &answer);
}

/* The answer of another device of the same group, which was asked for before. */
static json_t *asked_before(const json_t *devices, size_t count, const json_t *device)
{
	const json_t *number = json_object_get(device, "iommu_group");
	for (size_t i = 0; i < count && json_is_integer(number); i++) {
		const json_t *other = json_array_get(devices, i);
		json_t *probe = json_object_get(other, "probe");
		if (probe && json_equal(json_object_get(other, "iommu_group"), number))
			return json_deep_copy(probe);
	}
	return NULL;
}

void probe_facts(const struct root *root, const struct probe_kernel *kernel, json_t *facts)
{
	struct probe_scan scan = {.root = root, .kernel = kernel, .facts = facts};
	json_t *devices = json_object_get(facts, "pci"), *device;
	size_t i;
	if (!kernel && !root_is_sysroot(root))
		scan.kernel = &real_kernel;
	json_array_foreach(devices, i, device)
	{
		if (!on_vfio(device))
			continue;
		json_t *probe = asked_before(devices, i, device);
		json_object_set_new(device, "probe", probe ? probe : device_probe(&scan, device));
	}
}
