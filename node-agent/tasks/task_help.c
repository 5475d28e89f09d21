/* task_help.c: see task_help.h. */
#include "node-agent/tasks/task_help.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node-agent/boot/initramfs_tool.h"
#include "node-agent/tasks/diff.h"
#include "node-agent/wire/json_text.h"
#include "node-agent/wire/sha256.h"

int task_say(struct task_run *run, enum task_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(run->result->message, sizeof(run->result->message), format, args);
	va_end(args);
	run->result->status = status;
	return 0;
}

void task_change(struct task_run *run, const char *action, const char *target, const char *diff)
{
	json_array_append_new(run->result->changes, json_pack("{ss ss ss*}", "action", action,
	                                                      "target", target, "diff", diff));
	run->result->status = TASK_CHANGE;
}

int task_file(struct task_run *run, const struct file_want *want, struct gf_err *err)
{
	const struct root *root = run->ctx->root;
	struct file_state now;
	char before[SHA256_HEX_SIZE] = "absent";
	int differs = file_edit_differs(root, want, err);

	if (differs <= 0)
		return differs;
	if (file_edit_read(root, want->path, &now, err) != 0)
		return -1;
	char *diff = diff_unified(want->path, now.data, now.size, want->data, want->size);
	if (!now.absent)
		sha256_hex(now.data, now.size, before);
	const char *action = now.absent ? "create" : want->data ? "modify" : "delete";
	file_state_free(&now);
	bool changed = true;
	int result = 0;
	if (run->mode == TASK_APPLY) {
		changed = false;
		result = file_edit_apply(root, run->ctx->operation_dir, want, &changed, err);
	}
	if (changed) {
		task_change(run, action, want->path, diff && *diff ? diff : "mode or owner");
		json_object_set_new(
		    json_array_get(run->result->changes, json_array_size(run->result->changes) - 1),
		    "before", json_string(before));
		run->stage->initramfs_dirty |= initramfs_tool_takes(want->path);
	}
	free(diff);
	return result;
}

const char *task_text(const struct task_run *run, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(run->task, key));
	return text ? text : fallback;
}

unsigned task_seconds(const struct task_run *run, const char *key, unsigned fallback)
{
	const json_t *value = json_object_get(run->task, key);
	json_int_t seconds = json_integer_value(value);

	if (json_is_string(value)) { /* "30s", "5m", "1h" */
		char *end;
		seconds = strtol(json_string_value(value), &end, 10);
		if (seconds > 0 && seconds <= 86400 && *end == 'm')
			seconds *= 60;
		else if (seconds > 0 && seconds <= 86400 && *end == 'h')
			seconds *= 3600;
	}
	return seconds >= 1 && seconds <= 86400 ? (unsigned)seconds : fallback;
}

void task_slug(const char *name, char slug[64])
{
	size_t n = 0;

	for (; *name && n < 40; name++) {
		unsigned char c = (unsigned char)*name;
		if (isalnum(c) && c < 128)
			slug[n++] = (char)tolower(c);
		else if (n > 0 && slug[n - 1] != '-')
			slug[n++] = '-';
	}
	while (n > 0 && slug[n - 1] == '-')
		n--;
	slug[n] = '\0';
	if (n == 0)
		snprintf(slug, 64, "task");
}

size_t wanted_count(const struct task_context *ctx)
{
	return json_array_size(json_object_get(ctx->context, "wanted"));
}

static bool is_hex4(const char *text)
{
	return strlen(text) == 4 && strspn(text, "0123456789abcdef") == 4;
}

/* "0000:01:00.0" */
static bool is_address(const char *text)
{
	static const char form[] = "hhhh:hh:hh.o";

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++) {
		bool good = form[i] == 'h'   ? strchr("0123456789abcdef", text[i]) != NULL
		            : form[i] == 'o' ? text[i] >= '0' && text[i] <= '7'
		                             : text[i] == form[i];
		if (!good)
			return false;
	}
	return true;
}

int wanted_get(const struct task_context *ctx, size_t index, struct wanted_device *device,
               struct gf_err *err)
{
	const json_t *entry = json_array_get(json_object_get(ctx->context, "wanted"), index);

	device->address = json_text(entry, "address");
	device->vendor = json_text(entry, "vendor");
	device->device = json_text(entry, "device");
	device->subsystem_vendor = json_text(entry, "subsystem_vendor");
	device->subsystem_device = json_text(entry, "subsystem_device");
	/* Bridges have no subsystem; neither have some emulated cards. */
	if (!*device->subsystem_vendor)
		device->subsystem_vendor = "0000";
	if (!*device->subsystem_device)
		device->subsystem_device = "0000";
	if (!is_address(device->address) || !is_hex4(device->vendor) || !is_hex4(device->device) ||
	    !is_hex4(device->subsystem_vendor) || !is_hex4(device->subsystem_device))
		return gf_err_set(err, GF_E_PROTOCOL,
		                  "entry %zu of `wanted` does not describe a PCI device", index);
	return 0;
}

bool wanted_has(const struct task_context *ctx, const char *address)
{
	size_t i;
	const json_t *entry;

	json_array_foreach(json_object_get(ctx->context, "wanted"), i, entry)
	{
		if (strcmp(json_text(entry, "address"), address) == 0)
			return true;
	}
	return false;
}

bool wanted_present(const struct task_context *ctx, const struct wanted_device *device, char *why,
                    size_t size)
{
	const struct {
		const char *file, *expected;
	} ids[] = {{"vendor", device->vendor},
	           {"device", device->device},
	           {"subsystem_vendor", device->subsystem_vendor},
	           {"subsystem_device", device->subsystem_device}};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		char path[128], line[32];
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", device->address,
		         ids[i].file);
		if (root_read_line(ctx->root, path, line, sizeof(line)) != 0) {
			snprintf(why, size, "there is no PCI device at %s: scan the host again",
			         device->address);
			return false;
		}
		if (strcmp(strncmp(line, "0x", 2) == 0 ? line + 2 : line, ids[i].expected) != 0) {
			snprintf(why, size,
			         "%s has %s %s where %s was expected: the host's cards were "
			         "renumbered or exchanged; scan it again",
			         device->address, ids[i].file, line, ids[i].expected);
			return false;
		}
	}
	return true;
}

void wanted_driver(const struct task_context *ctx, const char *address, char *driver, size_t size)
{
	char target[PATH_MAX];
	struct root_name link = root_pathf(ctx->root, "/sys/bus/pci/devices/%s/driver", address);
	ssize_t n = readlink(link.text, target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	const char *slash = strrchr(target, '/');
	snprintf(driver, size, "%s", slash ? slash + 1 : target);
}

const char *fact_host(const struct task_context *ctx, const char *key)
{
	return json_text(json_object_get(ctx->facts, "host"), key);
}

const json_t *fact_devices(const struct task_context *ctx)
{
	return json_object_get(ctx->facts, "pci");
}
