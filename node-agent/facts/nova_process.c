/* nova_process.c: the processes of Nova's services; see nova.h. */
#include "node-agent/facts/nova.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/facts/facts.h"
#include "node-agent/wire/frame.h"

#define CMDLINE_LIMIT ((size_t)64 << 10)
#define ENVIRON_LIMIT ((size_t)256 << 10)
#define ARGS_MAX      256

struct process_scan {
	const struct root *root;
	struct nova_processes *found;
};

/* Arguments as /proc shows them; a process that named itself ("nova-scheduler: master process
 * [/usr/bin/nova-scheduler --config-file …]", cotyledon) has them in its title. */
static json_t *arguments_split(char *text, size_t size)
{
	json_t *argv = json_array();
	char *title = strstr(text, ": master process [");
	if (title && strlen(text) + 1 >= size) {
		char *save = NULL;
		title += strlen(": master process [");
		title[strcspn(title, "]")] = '\0';
		for (char *word = strtok_r(title, " ", &save); word;
		     word = strtok_r(NULL, " ", &save))
			json_array_append_new(argv, frame_text(word, strlen(word)));
		return argv;
	}
	for (const char *arg = text; arg < text + size && json_array_size(argv) < ARGS_MAX;
	     arg += strlen(arg) + 1)
		json_array_append_new(argv, frame_text(arg, strlen(arg)));
	return argv;
}

/* Field FIELD (from 1) of /proc/PID/stat, whose second may hold blanks and brackets. */
static long long stat_field(const struct root *root, long pid, int field)
{
	char path[64], line[1024];
	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	root_read_line(root, path, line, sizeof(line));
	const char *at = strrchr(line, ')');
	for (int i = 2; at && i < field; i++) {
		at = strchr(at, ' ');
		at += at ? 1 : 0;
	}
	return at ? strtoll(at, NULL, 10) : 0;
}

double nova_process_started(const struct root *root, long pid)
{
	struct timespec boot, now;
	long hertz = sysconf(_SC_CLK_TCK);
	long long ticks = pid > 0 ? stat_field(root, pid, 22) : 0;
	if (ticks <= 0 || hertz <= 0 || clock_gettime(CLOCK_BOOTTIME, &boot) != 0 ||
	    clock_gettime(CLOCK_REALTIME, &now) != 0)
		return 0;
	double age =
	    (double)boot.tv_sec + (double)boot.tv_nsec / 1e9 - (double)ticks / (double)hertz;
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9 - age;
}

/* systemd's own hierarchy: "0::/system.slice/nova-compute.service" or "1:name=systemd:/…". */
static void cgroup_read(const struct root *root, struct nova_process *process)
{
	static const struct {
		const char *mark, *engine;
	} engines[] = {{"libpod", "podman"},        {"docker", "docker"},
	               {"containerd", "container"}, {"kubepods", "container"},
	               {"crio-", "container"},      {"lxc.payload", "container"}};
	char path[64], *save = NULL;
	snprintf(path, sizeof(path), "/proc/%ld/cgroup", process->pid);
	char *text = root_read_file(root, path, CMDLINE_LIMIT, NULL, NULL);
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *group = strchr(line, ':');
		group = group ? strchr(group + 1, ':') : NULL;
		if (!group || (strncmp(line, "0::", 3) != 0 && !strstr(line, ":name=systemd:")))
			continue;
		for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]) && !process->engine;
		     i++)
			if (strstr(group, engines[i].mark))
				process->engine = engines[i].engine;
		for (const char *part = strchr(group, '/'); part; part = strchr(part, '/')) {
			size_t length = strcspn(++part, "/");
			if (length > 8 && length < sizeof(process->unit) &&
			    strncmp(part + length - 8, ".service", 8) == 0)
				snprintf(process->unit, sizeof(process->unit), "%.*s", (int)length,
				         part);
		}
		if (*process->unit || process->engine)
			break;
	}
	free(text);
}

static void environment_read(const struct root *root, struct nova_process *process)
{
	char path[64];
	size_t size = 0;
	process->overrides = json_array();
	snprintf(path, sizeof(path), "/proc/%ld/environ", process->pid);
	char *text = root_read_file(root, path, ENVIRON_LIMIT, &size, NULL);
	if (text)
		nova_launch_environment(&process->launch, text, size, process->overrides);
	free(text);
}

static void kolla_read(const struct root *root, struct nova_process *process)
{
	char path[128];
	if (!process->engine)
		return;
	snprintf(path, sizeof(path), "/etc/kolla/%s/config.json", process->launch.service);
	char *text = root_read_file(root, path, CMDLINE_LIMIT, NULL, NULL);
	process->launch.kolla = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	/* The container's user and its home are not the host's. */
	if (process->launch.kolla)
		snprintf(process->launch.home, sizeof(process->launch.home), "/var/lib/nova");
}

static void process_each(void *ctx, const char *entry)
{
	struct process_scan *scan = ctx;
	struct nova_processes *found = scan->found;
	char path[64], *end;
	long pid = strtol(entry, &end, 10);
	if (!isdigit((unsigned char)*entry) || *end || pid <= 0)
		return;
	if (found->count == NOVA_PROCESSES_MAX) {
		found->truncated = true;
		return;
	}
	size_t size = 0;
	snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
	char *text = root_read_file(scan->root, path, CMDLINE_LIMIT, &size, NULL);
	/* Most processes are let go here, without a word of them kept. */
	if (!text || size == 0 || !memmem(text, size, "nova", 4)) {
		free(text);
		return;
	}
	json_t *argv = arguments_split(text, size);
	struct nova_process *process = &found->items[found->count];
	memset(process, 0, sizeof(*process));
	if (nova_launch_read(scan->root, argv, &process->launch)) {
		process->pid = pid;
		process->parent = (long)stat_field(scan->root, pid, 4);
		snprintf(process->program, sizeof(process->program), "%s",
		         json_string_value(json_array_get(argv, 0)));
		cgroup_read(scan->root, process);
		environment_read(scan->root, process);
		kolla_read(scan->root, process);
		found->count++;
	}
	json_decref(argv);
	free(text);
}

static void process_free(struct nova_process *process)
{
	nova_launch_free(&process->launch);
	json_decref(process->overrides);
}

/* Workers are children with the same arguments: only their parent counts. */
static void workers_drop(struct nova_processes *found)
{
	bool worker[NOVA_PROCESSES_MAX] = {false};
	size_t kept = 0;
	for (size_t i = 0; i < found->count; i++)
		for (size_t j = 0; j < found->count; j++)
			worker[i] |= i != j && found->items[i].parent == found->items[j].pid &&
			             strcmp(found->items[i].launch.service,
			                    found->items[j].launch.service) == 0;
	for (size_t i = 0; i < found->count; i++) {
		if (worker[i])
			process_free(&found->items[i]);
		else
			found->items[kept++] = found->items[i];
	}
	found->count = kept;
}

void nova_processes_find(const struct root *root, struct nova_processes *processes)
{
	struct process_scan scan = {.root = root, .found = processes};
	processes->count = 0;
	processes->truncated = false;
	facts_each_entry(root, "/proc", process_each, &scan);
	workers_drop(processes);
}

void nova_processes_free(struct nova_processes *processes)
{
	for (size_t i = 0; i < processes->count; i++)
		process_free(&processes->items[i]);
	processes->count = 0;
}
