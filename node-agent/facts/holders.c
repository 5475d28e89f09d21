/* holders.c: which programs have a device open through the driver that it is on: NVIDIA's
 * /dev/nvidiaN and the display nodes below /dev/dri. Who looks at a process's open files (guests.c)
 * shows each to holders_see, so that they are read once.
 */
#include "node-agent/facts/facts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node-agent/wire/frame.h"

#define HOLDERS_MAX 256
#define MINORS_MAX  64
#define NVIDIA_GPUS "/proc/driver/nvidia/gpus"
#define NVIDIA_NODE "/dev/nvidia"
#define DRI_NODES   "/dev/dri/"

struct holders {
	const struct root *root;
	json_t *list;
	bool minors_read;
	size_t minor_count;
	struct {
		int number;
		char address[32];
	} minors[MINORS_MAX];
};

struct holders *holders_open(const struct root *root)
{
	struct holders *holders = calloc(1, sizeof(*holders));
	if (holders) {
		holders->root = root;
		holders->list = json_array();
	}
	return holders;
}

/* The N of /dev/nvidiaN that NVIDIA's driver gave the device; -1: none. */
int holders_nvidia_minor(const struct root *root, const char *address)
{
	char path[256];
	snprintf(path, sizeof(path), NVIDIA_GPUS "/%.40s/information", address);
	char *text = root_read_file(root, path, 65536, NULL, NULL);
	const char *at = text ? strstr(text, "Device Minor:") : NULL;
	at = at ? at + strlen("Device Minor:") : NULL;
	at = at ? at + strspn(at, " \t") : NULL;
	int minor = at && isdigit((unsigned char)*at) ? (int)(strtoul(at, NULL, 10) & 0xffff) : -1;
	free(text);
	return minor;
}

static void minor_each(void *ctx, const char *address)
{
	struct holders *holders = ctx;
	int minor = holders_nvidia_minor(holders->root, address);
	if (minor < 0 || holders->minor_count == MINORS_MAX)
		return;
	holders->minors[holders->minor_count].number = minor;
	snprintf(holders->minors[holders->minor_count++].address, 32, "%.31s", address);
}

/* The device behind a node of NVIDIA's; "" for one that is none's (nvidiactl, nvidia-uvm). */
static void nvidia_device(struct holders *holders, const char *number, char address[32])
{
	if (!isdigit((unsigned char)*number) || number[strspn(number, "0123456789")])
		return;
	if (!holders->minors_read)
		facts_each_entry(holders->root, NVIDIA_GPUS, minor_each, holders);
	holders->minors_read = true;
	for (size_t i = 0; i < holders->minor_count; i++)
		if (holders->minors[i].number == atoi(number))
			snprintf(address, 32, "%s", holders->minors[i].address);
}

/* /sys/class/drm/card0/device leads to the device. */
static void dri_device(const struct holders *holders, const char *node, char address[32])
{
	char target[PATH_MAX];
	if (strspn(node, "abcdefghijklmnopqrstuvwxyzD0123456789") != strlen(node))
		return;
	ssize_t n = readlink(root_pathf(holders->root, "/sys/class/drm/%s/device", node).text,
	                     target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	const char *base = strrchr(target, '/');
	snprintf(address, 32, "%.31s", base ? base + 1 : target);
}

static bool is_known(const struct holders *holders, long pid, const char *node)
{
	size_t i;
	json_t *holder;
	json_array_foreach(holders->list, i, holder)
	{
		if (json_integer_value(json_object_get(holder, "pid")) == pid &&
		    strcmp(json_string_value(json_object_get(holder, "node")), node) == 0)
			return true;
	}
	return false;
}

void holders_see(struct holders *holders, long pid, const char *target)
{
	char address[32] = "", path[64], name[64];
	if (!holders || strncmp(target, "/dev/", 5) != 0)
		return;
	if (strncmp(target, NVIDIA_NODE, strlen(NVIDIA_NODE)) == 0)
		nvidia_device(holders, target + strlen(NVIDIA_NODE), address);
	else if (strncmp(target, DRI_NODES, strlen(DRI_NODES)) == 0)
		dri_device(holders, target + strlen(DRI_NODES), address);
	if (!*address || json_array_size(holders->list) >= HOLDERS_MAX ||
	    is_known(holders, pid, target))
		return;
	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	root_read_line(holders->root, path, name, sizeof(name));
	json_array_append_new(holders->list,
	                      json_pack("{s:I,s:o,s:o,s:[o]}", "pid", (json_int_t)pid, "name",
	                                frame_text(name, strlen(name)), "node",
	                                frame_text(target, strlen(target)), "devices",
	                                frame_text(address, strlen(address))));
}

json_t *holders_close(struct holders *holders)
{
	json_t *list = holders ? holders->list : NULL;
	free(holders);
	return list ? list : json_null();
}
