/* task_host.h: a small simulated host for the tests of tasks; see task_host.sh. */
#ifndef TESTS_TASK_HOST_H
#define TESTS_TASK_HOST_H

#include <jansson.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "node-agent/root.h"
#include "node-agent/tasks/task.h"

#define UNUSED __attribute__((unused))

struct task_host {
	char dir[200];
	char operation[256]; /* the operation that host_apply works in */
	struct root root;
	struct task_context ctx;
	json_t *context, *facts;
	json_t *events; /* what was emitted */
};

static void host_emit(void *ctx, const json_t *event)
{
	json_array_append_new(ctx, json_deep_copy(event));
}

UNUSED static json_t *host_device(const char *address, const char *device, const char *class_code,
                                  const char *driver)
{
	return json_pack("{ss ss ss ss ss ss ss s[s] si ss}", "address", address, "vendor",
	                 strcmp(device, "a348") == 0 ? "8086" : "10de", "device", device,
	                 "subsystem_vendor", "1462", "subsystem_device", "3609", "class",
	                 class_code, "driver", driver, "modules", driver, "iommu_group", 1,
	                 "header", "endpoint");
}

/* WANTED: a space-separated list of addresses. */
UNUSED static void host_want(struct task_host *host, const char *wanted)
{
	size_t i;
	json_t *device, *list = json_array();

	json_array_foreach(json_object_get(host->facts, "pci"), i, device)
	{
		if (strstr(wanted, json_string_value(json_object_get(device, "address"))))
			json_array_append(list, device);
	}
	json_object_set_new(host->context, "wanted", list);
}

UNUSED __attribute__((format(printf, 2, 3))) static void host_shell(const struct task_host *host,
                                                                    const char *format, ...)
{
	char command[4096];
	int n = snprintf(command, sizeof(command), "set -e; cd '%s/root'; ", host->dir);
	va_list args;

	va_start(args, format);
	vsnprintf(command + n, sizeof(command) - (size_t)n, format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

/* The output's first 4 KiB, in a static buffer. */
UNUSED static const char *host_output(const struct task_host *host, const char *command)
{
	static char text[4096];
	char line[2048];

	snprintf(line, sizeof(line), "cd '%s/root'; %s", host->dir, command);
	FILE *in = popen(line, "r");
	assert_non_null(in);
	size_t n = fread(text, 1, sizeof(text) - 1, in);
	text[n] = '\0';
	pclose(in);
	return text;
}

/* SCRIPT is what makes the root, with its arguments before the directory's. */
UNUSED static int host_setup_by(void **state, const char *script)
{
	struct task_host *host = calloc(1, sizeof(*host));
	const char *tmp = getenv("TMPDIR");
	char command[1024];

	snprintf(host->dir, sizeof(host->dir), "%s/gpufleet-tasks-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(host->dir));
	snprintf(command, sizeof(command), "cd '%s/tests' && sh %s '%s'", TEST_SOURCE_DIR, script,
	         host->dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s/root", host->dir);
	assert_int_equal(root_open(&host->root, command, NULL), 0);
	host->facts = json_pack("{s{ss ss ss sb s{s[s]} s{s[s]} s[]} s[ooooo]}", "host",
	                        "cpu_vendor", "intel", "boot_loader", "grub", "initramfs",
	                        "initramfs-tools", "cpu_virtualization", 1, "iommu", "tables",
	                        "DMAR", "modules", "builtin", "vfio", "guests", "pci",
	                        host_device("0000:01:00.0", "1b06", "0300", "nouveau"),
	                        host_device("0000:01:00.1", "10ef", "0403", "snd_hda_intel"),
	                        host_device("0000:02:00.0", "1b06", "0300", "nouveau"),
	                        host_device("0000:02:00.1", "10ef", "0403", "snd_hda_intel"),
	                        host_device("0000:00:1f.3", "a348", "0403", "snd_hda_intel"));
	host->context =
	    json_pack("{ss s[] s{s[] s[]}}", "run", "R", "wanted", "kernel_args", "add", "remove");
	host->events = json_array();
	host->ctx = (struct task_context){.root = &host->root,
	                                  .context = host->context,
	                                  .facts = host->facts,
	                                  .emit = host_emit,
	                                  .emit_ctx = host->events};
	*state = host;
	return 0;
}

UNUSED static int host_setup(void **state)
{
	return host_setup_by(state, "unit/task_host.sh sim/rootfs");
}

UNUSED static int host_teardown(void **state)
{
	struct task_host *host = *state;
	char command[512];

	snprintf(command, sizeof(command), "chmod -R u+w '%s'; rm -rf '%s'", host->dir, host->dir);
	assert_int_equal(system(command), 0);
	json_decref(host->facts);
	json_decref(host->context);
	json_decref(host->events);
	free(host);
	return 0;
}

/* Applies STAGE (JSON text) in an operation of its own name. */
UNUSED static int host_apply(struct task_host *host, const char *operation, const char *stage,
                             bool *changed, bool *reboot, struct gf_err *err)
{
	json_t *json = json_loads(stage, 0, NULL);

	assert_non_null(json);
	snprintf(host->operation, sizeof(host->operation), "%s/operations/%s", host->dir,
	         operation);
	mkdir(host->operation, 0700);
	host->ctx.operation_dir = host->operation;
	memset(err, 0, sizeof(*err));
	int result = stage_apply(&host->ctx, json, changed, reboot, err);
	json_decref(json);
	return result;
}

UNUSED static int host_undo(struct task_host *host, const char *operation, bool force,
                            bool *changed, bool *reboot, struct gf_err *err)
{
	char dir[256];

	snprintf(dir, sizeof(dir), "%s/operations/%s", host->dir, operation);
	host->ctx.operation_dir = NULL;
	memset(err, 0, sizeof(*err));
	return stage_undo(&host->ctx, dir, force, changed, reboot, err);
}

UNUSED static json_t *host_plan(struct task_host *host, const char *stage)
{
	json_t *json = json_loads(stage, 0, NULL);
	struct gf_err err;

	assert_non_null(json);
	host->ctx.operation_dir = NULL;
	json_t *plan = stage_plan(&host->ctx, json, &err);
	assert_non_null(plan);
	json_decref(json);
	return plan;
}

UNUSED static bool plan_changes(struct task_host *host, const char *stage)
{
	json_t *plan = host_plan(host, stage);
	bool changed = json_is_true(json_object_get(plan, "changed"));

	json_decref(plan);
	return changed;
}

/* A fingerprint of everything that rollback must give back byte for byte. */
UNUSED static char *host_tree(const struct task_host *host)
{
	return strdup(host_output(
	    host, "{ find etc -printf '%p %M %U %G\\n' | sort; find etc boot/grub -type f "
	          "-print0 | sort -z | xargs -0 sha256sum; cat ../control/units/*; } "
	          "| sha256sum"));
}

UNUSED static char *shipped_stage(const char *name)
{
	char path[512];
	size_t i;
	json_t *stage;
	char *text = NULL;

	snprintf(path, sizeof(path), "%s/playbooks/gpu-passthrough.json", TEST_SOURCE_DIR);
	json_t *playbook = json_load_file(path, 0, NULL);
	assert_non_null(playbook);
	json_array_foreach(json_object_get(playbook, "stages"), i, stage)
	{
		if (strcmp(json_string_value(json_object_get(stage, "name")), name) == 0)
			text = json_dumps(stage, 0);
	}
	json_decref(playbook);
	assert_non_null(text);
	return text;
}

#endif
