/* probe.h: asks the kernel for a device as QEMU would, without a guest, and says what it answered
 * (Documentation/driver-api/vfio.rst: the group, its status, a container, an IOMMU of type 1, the
 * device, its memory). Everything is closed again.
 */
#ifndef GPUFLEET_FACTS_PROBE_H
#define GPUFLEET_FACTS_PROBE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node-agent/root.h"

#define PROBE_TIMEOUT     10 /* seconds for a group: the kernel can hang */
#define PROBE_DEVICES_MAX 16 /* of a group */

enum probe_step {
	PROBE_OPEN_CONTAINER,
	PROBE_API_VERSION,
	PROBE_OPEN_GROUP,
	PROBE_STATUS,
	PROBE_SET_CONTAINER,
	PROBE_SET_IOMMU,
	PROBE_DEVICE_FD,
	PROBE_MAP,
	PROBE_DONE,
};

/* The system calls, so that a test can be the kernel. As open, ioctl (the last argument a number or
 * a pointer), mmap of the page at an offset (and munmap: 0 or -1), and close. */
struct probe_kernel {
	int (*open)(const char *path);
	int (*control)(int fd, unsigned long request, void *argument);
	int (*map)(int fd, uint64_t offset);
	int (*close)(int fd);
};

/* One group: what is asked for. */
struct probe_group {
	char path[64]; /* /dev/vfio/N */
	size_t device_count;
	const char *devices[PROBE_DEVICES_MAX]; /* addresses; none: stop before the devices */
};

struct probe_answer {
	enum probe_step step; /* the last one that was tried; PROBE_DONE: all went well */
	int error;            /* errno; 0 with PROBE_STATUS: the group is not viable */
	int version;          /* of the type 1 IOMMU: 1 or 2 */
};

/* Asks in this process. */
struct probe_answer probe_ask(const struct probe_kernel *kernel, const struct probe_group *group);

/* The same in a child, which is left behind when it has not ended after TIMEOUT seconds: false
 * then. */
bool probe_ask_apart(const struct probe_kernel *kernel, const struct probe_group *group,
                     unsigned timeout, struct probe_answer *answer);

/* Adds `probe` to every device of FACTS (a facts document) that is on vfio: asked for when nobody
 * uses its group and all of that is on vfio, else "skipped". KERNEL NULL: the real one, and under a
 * sysroot nobody is asked. */
void probe_facts(const struct root *root, const struct probe_kernel *kernel, json_t *facts);

#endif
