/* trial_unit.c: see trial_unit.h. */
#include "node-agent/trial/trial_unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node-agent/file_place.h"

#define UNITS "/etc/systemd/system"

struct unit {
	const char *name, *target, *argument, *text, *service;
};

/* Whatever becomes of it, the boot goes on. */
#define ONESHOT "Type=oneshot\nTimeoutStartSec=120\n"

/* Only what the early unit itself needs is waited for, the root file system being writable: udev is
 * not there yet, so no other device's file system is. */
static const struct unit units[] = {
    {"gpufleet-restore.service", "sysinit.target", "restore",
     "[Unit]\n"
     "Description=Put back what gpufleet staged when its trial boot did not come up\n"
     "DefaultDependencies=no\n"
     "Conflicts=shutdown.target\n"
     "After=systemd-remount-fs.service\n"
     "Before=systemd-modules-load.service systemd-udevd.service systemd-udev-trigger.service "
     "sysinit.target shutdown.target\n",
     ONESHOT},
    {"gpufleet-confirm.service", "sysinit.target", "confirm-wait",
     "[Unit]\n"
     "Description=Go back to the former boot entry when nobody confirms gpufleet's trial boot\n"
     "DefaultDependencies=no\n"
     "Conflicts=shutdown.target\n"
     "After=gpufleet-restore.service\n"
     "Before=shutdown.target\n",
     "Type=simple\nRestart=on-failure\nRestartSec=10\n"},
    {"gpufleet-restore-late.service", "multi-user.target", "restore-late",
     "[Unit]\n"
     "Description=Clear away what is left of gpufleet's trial boot\n"
     "After=gpufleet-restore.service local-fs.target\n",
     ONESHOT},
};

#define COUNT (sizeof(units) / sizeof(units[0]))

json_t *trial_units_directories(const struct root *root)
{
	json_t *list = json_array();
	char path[256];

	if (!root_exists(root, UNITS))
		json_array_append_new(list, json_string(UNITS));
	for (size_t i = 0; i < COUNT; i++) {
		snprintf(path, sizeof(path), UNITS "/%s.wants", units[i].target);
		if (!root_exists(root, path))
			json_array_append_new(list, json_string(path));
	}
	return list;
}

/* PATH as the host itself names it. */
static const char *host_path(const struct root *root, const char *path)
{
	size_t length = strlen(root->path);

	return strncmp(path, root->path, length) == 0 ? path + length : path;
}

static char *unit_text(const struct agent *agent, const struct unit *unit)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	const char *directory = host_path(&agent->root, agent->directory);
	const char *program = host_path(&agent->root, agent->program);

	if (!out)
		return NULL;
	fputs("# Written by gpufleet while a boot change is tried, and removed after that.\n", out);
	fputs(unit->text, out);
	fprintf(out, "ConditionPathExists=%s/trial.json\n\n[Service]\n%sUMask=0022\n", agent->state,
	        unit->service);
	if (*directory) {
		fprintf(out, "Environment=GPUFLEET_AGENT_DIR=%s\n", directory);
		fprintf(out, "ExecStart=%s/ld.so --library-path %s %s", directory, directory,
		        program);
	} else {
		fprintf(out, "ExecStart=%s", program);
	}
	fprintf(out, " --state-dir %s %s\n\n[Install]\nWantedBy=%s\n", agent->state, unit->argument,
	        unit->target);
	fclose(out);
	return text;
}

static int directory_make(const struct root *root, const char *path, struct gf_err *err)
{
	if (mkdir(root_path(root, path).text, 0755) != 0 && errno != EEXIST)
		return gf_err_errno(err, GF_E_IO, "cannot make the directory %s", path);
	return 0;
}

static int unit_write(const struct agent *agent, const struct unit *unit, struct gf_err *err)
{
	const struct root *root = &agent->root;
	struct file_place_meta meta = {.mode = 0644, .uid = geteuid(), .gid = getegid()};
	char path[256], wants[256], target[256];
	const char *name;
	int dir;

	snprintf(path, sizeof(path), UNITS "/%s", unit->name);
	snprintf(wants, sizeof(wants), UNITS "/%s.wants", unit->target);
	snprintf(target, sizeof(target), UNITS "/%s.wants/%s", unit->target, unit->name);
	if (directory_make(root, UNITS, err) != 0 || directory_make(root, wants, err) != 0)
		return -1;
	char *text = unit_text(agent, unit);
	if (!text)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	dir = file_place_parent(root, path, &name, err);
	int failed =
	    dir < 0 ? -1 : file_place_write(dir, name, path, text, strlen(text), &meta, err);
	free(text);
	if (!failed && symlink(path, root_path(root, target).text) != 0 && errno != EEXIST)
		failed = gf_err_errno(err, GF_E_IO, "cannot enable %s", unit->name);
	if (!failed && syncfs(dir) != 0)
		failed = gf_err_errno(err, GF_E_IO, "cannot sync " UNITS);
	if (dir >= 0)
		close(dir);
	return failed;
}

int trial_units_write(const struct agent *agent, struct gf_err *err)
{
	for (size_t i = 0; i < COUNT; i++)
		if (unit_write(agent, &units[i], err) != 0)
			return -1;
	return 0;
}

void trial_units_remove(const struct root *root, const json_t *directories)
{
	for (size_t i = 0; i < COUNT; i++) {
		unlink(root_pathf(root, UNITS "/%s.wants/%s", units[i].target, units[i].name).text);
		unlink(root_pathf(root, UNITS "/%s", units[i].name).text);
	}
	for (size_t i = json_array_size(directories); i-- > 0;) {
		const char *path = json_string_value(json_array_get(directories, i));
		if (path && strncmp(path, UNITS, strlen(UNITS)) == 0)
			rmdir(root_path(root, path).text);
	}
}
