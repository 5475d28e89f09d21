/* trial_hold.c: see trial_hold.h. */
#include "node-agent/trial/trial_hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node-agent/facts/nova.h"
#include "node-agent/file_place.h"

#define UNITS         "/etc/systemd/system"
#define DROP_IN       "gpufleet-trial.conf"
#define HELD          "/run/gpufleet/unconfirmed"
#define START_TIMEOUT 60

static const char drop_in[] =
    "# Written by gpufleet while a boot change is tried, and removed after that.\n"
    "[Unit]\nConditionPathExists=!" HELD "\n";

json_t *trial_hold_units(const struct root *root)
{
	struct nova_unit units[NOVA_UNITS_MAX];
	size_t count = nova_units_find(root, units);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct nova_unit *unit = &units[i];

		if (strcmp(unit->service, "nova-compute") == 0 && unit->installed && unit->known &&
		    strncmp(unit->enabled, "enabled", 7) == 0)
			json_array_append_new(list, json_string(unit->name));
	}
	return list;
}

static struct root_name unit_directory(const struct root *root, const json_t *unit)
{
	return root_pathf(root, UNITS "/%s.d", json_string_value(unit));
}

void trial_hold_directories(const struct root *root, const json_t *units, json_t *directories)
{
	const json_t *unit;
	char path[256];
	size_t i;

	json_array_foreach(units, i, unit)
	{
		snprintf(path, sizeof(path), UNITS "/%s.d", json_string_value(unit));
		if (!root_exists(root, path))
			json_array_append_new(directories, json_string(path));
	}
}

static int drop_in_write(const struct root *root, const json_t *unit, struct gf_err *err)
{
	struct file_place_meta meta = {.mode = 0644, .uid = geteuid(), .gid = getegid()};
	char path[300];
	const char *name;
	int dir, failed;

	snprintf(path, sizeof(path), UNITS "/%s.d/" DROP_IN, json_string_value(unit));
	if (mkdir(unit_directory(root, unit).text, 0755) != 0 && errno != EEXIST)
		return gf_err_errno(err, GF_E_IO, "cannot make the directory of %s", path);
	dir = file_place_parent(root, path, &name, err);
	if (dir < 0)
		return -1;
	failed = file_place_write(dir, name, path, drop_in, strlen(drop_in), &meta, err);
	if (!failed && syncfs(dir) != 0)
		failed = gf_err_errno(err, GF_E_IO, "cannot sync " UNITS);
	close(dir);
	return failed;
}

int trial_hold_write(const struct root *root, const json_t *units, struct gf_err *err)
{
	const json_t *unit;
	size_t i;

	json_array_foreach(units, i, unit)
	{
		if (drop_in_write(root, unit, err) != 0)
			return -1;
	}
	return 0;
}

void trial_hold_begin(const struct root *root)
{
	int fd;

	mkdir(root_path(root, "/run/gpufleet").text, 0755);
	fd = open(root_path(root, HELD).text, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0)
		close(fd);
	else
		fprintf(stderr,
		        "gpufleet-agent: " HELD " can't be made (%s): nova-compute is not "
		        "held back on this trial boot\n",
		        strerror(errno));
}

void trial_hold_end(const struct root *root, const json_t *units)
{
	const json_t *unit;
	size_t i;

	if (unlink(root_path(root, HELD).text) != 0)
		return;
	json_array_foreach(units, i, unit)
	{
		const char *const argv[] = {"systemctl", "start", json_string_value(unit), NULL};
		struct root_output output;

		root_run_ok(root, argv, START_TIMEOUT, &output, NULL);
		root_output_free(&output);
	}
}

void trial_hold_remove(const struct root *root, const json_t *units)
{
	const json_t *unit;
	size_t i;

	json_array_foreach(units, i, unit)
	{
		if (!strchr(json_string_value(unit), '/'))
			unlink(
			    root_pathf(root, UNITS "/%s.d/" DROP_IN, json_string_value(unit)).text);
	}
}
