/* nova_unit.c: the units of Nova's services; see nova.h. */
#include "node-agent/facts/nova.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/facts/facts.h"
#include "node-agent/wire/frame.h"

#define TEXT_LIMIT        ((size_t)256 << 10)
#define SITES_MAX         64
#define SYSTEMCTL_TIMEOUT 20

static const struct {
	const char *service, *name, *family;
} known_units[] = {
    {"nova-compute", "nova-compute.service", "debian"},
    {"nova-compute", "openstack-nova-compute.service", "rdo"},
    {"nova-compute", "kolla-nova_compute-container.service", "kolla"},
    {"nova-compute", "edpm_nova_compute.service", "other"},
    {"nova-compute", "tripleo_nova_compute.service", "other"},
    {"nova-compute", "devstack@n-cpu.service", "other"},
    {"nova-api", "nova-api.service", "debian"},
    {"nova-api", "nova-api-os-compute.service", "debian"},
    {"nova-api", "openstack-nova-api.service", "rdo"},
    {"nova-api", "openstack-nova-os-compute-api.service", "rdo"},
    {"nova-api", "kolla-nova_api-container.service", "kolla"},
    {"nova-api", "devstack@n-api.service", "other"},
    {"nova-api", "apache2.service", "apache"},
    {"nova-api", "httpd.service", "apache"},
    {"nova-scheduler", "nova-scheduler.service", "debian"},
    {"nova-scheduler", "openstack-nova-scheduler.service", "rdo"},
    {"nova-scheduler", "kolla-nova_scheduler-container.service", "kolla"},
    {"nova-scheduler", "devstack@n-sch.service", "other"},
    {"nova-conductor", "nova-conductor.service", "debian"},
    {"nova-conductor", "openstack-nova-conductor.service", "rdo"},
    {"nova-conductor", "kolla-nova_conductor-container.service", "kolla"},
    {"nova-conductor", "devstack@n-super-cond.service", "other"},
};

#define KNOWN (sizeof(known_units) / sizeof(known_units[0]))
_Static_assert(KNOWN <= NOVA_UNITS_MAX, "room for every unit");

/* The unit's file, or NULL; "devstack@n-cpu.service" is one of its own, too. */
static char *unit_file(const struct root *root, const char *unit)
{
	static const char *const dirs[] = {"/etc/systemd/system", "/run/systemd/system",
	                                   "/usr/lib/systemd/system", "/lib/systemd/system"};
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char path[256];
		snprintf(path, sizeof(path), "%s/%s", dirs[i], unit);
		char *text = root_read_file(root, path, TEXT_LIMIT, NULL, NULL);
		if (text)
			return text;
	}
	return NULL;
}

/* ---- Apache ---- */

struct site_scan {
	const struct root *root;
	const char *dir;
	size_t count;
	bool found;
};

static bool site_line(const char *line)
{
	line += strspn(line, " \t");
	return strncasecmp(line, "WSGIScriptAlias", 15) == 0 && strstr(line, "nova-api") &&
	       !strstr(line, "metadata");
}

static void site_each(void *ctx, const char *name)
{
	struct site_scan *scan = ctx;
	size_t length = strlen(name);
	char path[PATH_MAX], *save = NULL;
	if (scan->found || scan->count++ >= SITES_MAX || length < 5 ||
	    strcmp(name + length - 5, ".conf") != 0)
		return;
	snprintf(path, sizeof(path), "%s/%.255s", scan->dir, name);
	char *text = root_read_file(scan->root, path, TEXT_LIMIT, NULL, NULL);
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		scan->found |= site_line(line);
	free(text);
}

/* Does Apache serve Nova's API here? */
static bool apache_serves(const struct root *root)
{
	static const char *const dirs[] = {"/etc/apache2/sites-enabled",
	                                   "/etc/apache2/conf-enabled", "/etc/httpd/conf.d"};
	struct site_scan scan = {.root = root};
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		scan.dir = dirs[i];
		facts_each_entry(root, dirs[i], site_each, &scan);
	}
	return scan.found;
}

/* ---- systemctl ---- */

/* "{ path=/x ; argv[]=/x a b ; ignore_errors=no ; …" */
static void exec_take(struct nova_unit *unit, const char *value)
{
	const char *start = strstr(value, "argv[]=");
	if (!start)
		return;
	start += strlen("argv[]=");
	const char *end = strstr(start, " ;");
	size_t length = end ? (size_t)(end - start) : strlen(start);
	snprintf(unit->exec, sizeof(unit->exec), "%.*s", (int)(length < 1000 ? length : 1000),
	         start);
}

static void property_take(struct nova_unit *unit, const char *key, const char *value)
{
	if (strcmp(key, "ActiveState") == 0)
		snprintf(unit->active, sizeof(unit->active), "%s", value);
	else if (strcmp(key, "SubState") == 0)
		snprintf(unit->sub, sizeof(unit->sub), "%s", value);
	else if (strcmp(key, "UnitFileState") == 0)
		snprintf(unit->enabled, sizeof(unit->enabled), "%s", value);
	else if (strcmp(key, "NRestarts") == 0 && *value)
		unit->restarts = strtol(value, NULL, 10);
	else if (strcmp(key, "MainPID") == 0 && *value)
		unit->pid = strtol(value, NULL, 10);
	else if (strcmp(key, "ExecStart") == 0)
		exec_take(unit, value);
	unit->known |= strcmp(key, "ActiveState") == 0;
}

static struct nova_unit *unit_named(struct nova_unit *units, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	return NULL;
}

/* Blocks of KEY=value lines, a blank line between units; each names its unit first (Id). */
static void units_show(const struct root *root, struct nova_unit *units, size_t count)
{
	const char *argv[NOVA_UNITS_MAX + 4] = {
	    "systemctl", "show",
	    "--property=Id,ActiveState,SubState,UnitFileState,NRestarts,MainPID,ExecStart"};
	struct root_output output;
	struct nova_unit *unit = NULL;
	char *save = NULL;
	if (count == 0 || !root_program_exists(root, "systemctl"))
		return;
	for (size_t i = 0; i < count; i++)
		argv[3 + i] = units[i].name;
	if (root_run(root, argv, SYSTEMCTL_TIMEOUT, &output, NULL) == 0 && output.status == 0) {
		for (char *line = strtok_r(output.text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			char *value = strchr(line, '=');
			if (!value)
				continue;
			*value++ = '\0';
			if (strcmp(line, "Id") == 0)
				unit = unit_named(units, count, value);
			else if (unit)
				property_take(unit, line, value);
		}
	}
	root_output_free(&output);
}

size_t nova_units_find(const struct root *root, struct nova_unit units[NOVA_UNITS_MAX])
{
	size_t count = 0;
	int apache = -1;
	for (size_t i = 0; i < KNOWN; i++) {
		char *text = unit_file(root, known_units[i].name);
		bool there = text != NULL;
		if (there && strcmp(known_units[i].family, "apache") == 0) {
			apache = apache < 0 ? apache_serves(root) : apache;
			there = apache > 0;
		}
		if (there) {
			struct nova_unit *unit = &units[count++];
			*unit = (struct nova_unit){.service = known_units[i].service,
			                           .name = known_units[i].name,
			                           .family = known_units[i].family,
			                           .installed = true,
			                           .restarts = -1,
			                           .pid = -1};
			const char *exec = strstr(text, "\nExecStart=");
			exec += exec ? strlen("\nExecStart=") : 0;
			if (exec)
				snprintf(unit->exec, sizeof(unit->exec), "%.*s",
				         (int)strcspn(exec, "\n"), exec);
		}
		free(text);
	}
	units_show(root, units, count);
	return count;
}

static bool kolla_launch(const struct root *root, const struct nova_unit *unit,
                         struct nova_launch *launch)
{
	char path[128];
	json_t *argv = json_array();
	snprintf(path, sizeof(path), "/etc/kolla/%s/config.json", unit->service);
	char *text = root_read_file(root, path, TEXT_LIMIT, NULL, NULL);
	json_t *config = text ? json_loads(text, 0, NULL) : NULL;
	const char *command = json_string_value(json_object_get(config, "command"));
	for (const char *word = command ? command : ""; *word;) {
		size_t length = strcspn(word, " ");
		if (length > 0)
			json_array_append_new(argv, json_stringn(word, length));
		word += length + (word[length] == ' ');
	}
	bool read = nova_launch_read(root, argv, launch);
	if (read)
		launch->kolla = json_incref(config);
	json_decref(config);
	json_decref(argv);
	free(text);
	return read;
}

static bool exec_launch(const struct root *root, const char *exec, struct nova_launch *launch)
{
	json_t *argv = json_array();
	exec += strspn(exec, "@-:+!|");
	for (const char *word = exec; *word;) {
		size_t length = strcspn(word, " \t");
		if (length > 0)
			json_array_append_new(argv, frame_text(word, length));
		word += length + strspn(word + length, " \t");
	}
	bool read = nova_launch_read(root, argv, launch);
	json_decref(argv);
	return read;
}

bool nova_unit_launch(const struct root *root, const struct nova_unit *unit,
                      struct nova_launch *launch)
{
	char name[128];
	memset(launch, 0, sizeof(*launch));
	if (strcmp(unit->family, "kolla") == 0)
		return kolla_launch(root, unit, launch);
	if (strcmp(unit->family, "apache") == 0) {
		launch->service = "nova-api";
		launch->wsgi = true;
		launch->args = json_array();
		snprintf(launch->prog, sizeof(launch->prog), "mod_wsgi");
		return true;
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(unit->name, "."), unit->name);
	if (strncmp(unit->exec, "/etc/init.d/", 12) == 0 &&
	    nova_launch_init_script(root, name, launch))
		return true;
	return exec_launch(root, unit->exec, launch);
}
