/* nova_launch.c: how a Nova service is started; see nova.h. */
#include "node-agent/facts/nova.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/frame.h"

#define TEXT_LIMIT ((size_t)256 << 10)

static const struct {
	const char *prog, *service;
} programs[] = {
    {"nova-compute", "nova-compute"},     {"nova-api", "nova-api"},
    {"nova-api-os-compute", "nova-api"},  {"nova-api-wsgi", "nova-api"},
    {"nova-scheduler", "nova-scheduler"}, {"nova-conductor", "nova-conductor"},
};

static const char *service_of(const char *prog)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (strcmp(programs[i].prog, prog) == 0)
			return programs[i].service;
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static const char *argument(const json_t *argv, size_t index)
{
	const char *text = json_string_value(json_array_get(argv, index));
	return text ? text : "";
}

void nova_launch_free(struct nova_launch *launch)
{
	json_decref(launch->args);
	json_decref(launch->kolla);
	launch->args = launch->kolla = NULL;
}

/* The value of NAME in "NAME=value" or of the argument after it; NULL: it is another option. */
static const char *option_value(const json_t *argv, size_t index, const char *name)
{
	const char *text = argument(argv, index);
	size_t length = strlen(name);
	if (strncmp(text, name, length) != 0)
		return NULL;
	if (text[length] == '=')
		return text + length + 1;
	return text[length] == '\0' && index + 1 < json_array_size(argv) ? argument(argv, index + 1)
	                                                                 : NULL;
}

static void log_find(struct nova_launch *launch)
{
	for (size_t i = 0; i < json_array_size(launch->args); i++) {
		const char *value = option_value(launch->args, i, "--log-file");
		if (value && *value == '/')
			snprintf(launch->log, sizeof(launch->log), "%s", value);
	}
}

static void words_append(json_t *args, const char *text)
{
	while (*text) {
		text += strspn(text, " \t\"'");
		size_t length = strcspn(text, " \t\"'");
		if (length > 0)
			json_array_append_new(args, json_stringn(text, length));
		text += length;
	}
}

/* ---- uwsgi ---- */

static void environment_entry(struct nova_launch *launch, const char *entry)
{
	const struct {
		const char *name;
		char *value;
		size_t size;
	} known[] = {
	    {"OS_NOVA_CONFIG_DIR=", launch->wsgi_dir, sizeof(launch->wsgi_dir)},
	    {"OS_NOVA_CONFIG_FILES=", launch->wsgi_files, sizeof(launch->wsgi_files)},
	    {"HOME=", launch->home, sizeof(launch->home)},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t length = strlen(known[i].name);
		if (strncmp(entry, known[i].name, length) == 0)
			snprintf(known[i].value, known[i].size, "%s", entry + length);
	}
}

static bool is_osapi(const char *text)
{
	return strstr(text, "nova-api-wsgi") || strstr(text, "nova.wsgi.osapi_compute");
}

/* One "key = value" of uwsgi's file, or an option of its command line without its dashes. */
static void uwsgi_setting(struct nova_launch *launch, const char *key, const char *value)
{
	static const char *const apps[] = {"wsgi-file", "module", "wsgi", "mount"};
	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++)
		if (strcmp(key, apps[i]) == 0 && is_osapi(value))
			launch->service = "nova-api";
	if (strcmp(key, "env") == 0)
		environment_entry(launch, value);
	else if (strcmp(key, "pyargv") == 0)
		words_append(launch->args, value);
	else if ((strcmp(key, "logto") == 0 || strcmp(key, "logto2") == 0) && *value == '/')
		snprintf(launch->log, sizeof(launch->log), "%s", value);
}

static void uwsgi_file(const struct root *root, const char *path, struct nova_launch *launch)
{
	char *save = NULL, *text = root_read_file(root, path, TEXT_LIMIT, NULL, NULL);
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *equals = strchr(line, '=');
		line += strspn(line, " \t");
		if (*line == '#' || *line == ';' || !equals)
			continue;
		char *value = equals + 1 + strspn(equals + 1, " \t");
		while (equals > line && isspace((unsigned char)equals[-1]))
			equals--;
		*equals = '\0';
		size_t length = strlen(value);
		while (length > 0 && isspace((unsigned char)value[length - 1]))
			value[--length] = '\0';
		uwsgi_setting(launch, line, value);
	}
	free(text);
}

static bool has_ending(const char *text, const char *ending)
{
	size_t length = strlen(text), size = strlen(ending);
	return length >= size && strcmp(text + length - size, ending) == 0;
}

static void uwsgi_read(const struct root *root, const json_t *argv, struct nova_launch *launch)
{
	launch->wsgi = true;
	snprintf(launch->prog, sizeof(launch->prog), "uwsgi");
	for (size_t i = 1; i < json_array_size(argv); i++) {
		const char *text = argument(argv, i);
		if (strncmp(text, "--", 2) != 0) {
			if (*text == '/' && has_ending(text, ".ini"))
				uwsgi_file(root, text, launch);
			continue;
		}
		char key[64];
		snprintf(key, sizeof(key), "%.*s", (int)strcspn(text + 2, "="), text + 2);
		const char *value = strchr(text, '=');
		if (strcmp(key, "ini") == 0 && value)
			uwsgi_file(root, value + 1, launch);
		else if (strcmp(key, "ini") != 0)
			uwsgi_setting(launch, key, value ? value + 1 : argument(argv, i + 1));
	}
	/* Inside a container uwsgi's file is not where its path leads here. */
	if (!launch->service) {
		for (size_t i = 1; i < json_array_size(argv) && !launch->service; i++)
			if (strstr(argument(argv, i), "/nova-api-uwsgi.ini"))
				launch->service = "nova-api";
	}
}

/* ---- command lines ---- */

static bool script_read(const json_t *argv, size_t index, struct nova_launch *launch)
{
	const char *prog = base_name(argument(argv, index));
	launch->service = service_of(prog);
	if (!launch->service)
		return false;
	snprintf(launch->prog, sizeof(launch->prog), "%s", prog);
	launch->wsgi = strcmp(prog, "nova-api-wsgi") == 0;
	for (size_t i = index + 1; i < json_array_size(argv); i++)
		json_array_append(launch->args, json_array_get(argv, i));
	return true;
}

bool nova_launch_read(const struct root *root, const json_t *argv, struct nova_launch *launch)
{
	memset(launch, 0, sizeof(*launch));
	launch->args = json_array();
	const char *base = base_name(argument(argv, 0));
	size_t script = 0;
	if (strncmp(base, "python", 6) == 0) {
		script = 1;
		while (argument(argv, script)[0] == '-')
			script++;
	}
	if (strncmp(base, "uwsgi", 5) == 0)
		uwsgi_read(root, argv, launch);
	else
		script_read(argv, script, launch);
	if (!launch->service) {
		nova_launch_free(launch);
		memset(launch, 0, sizeof(*launch));
		return false;
	}
	if (!*launch->log)
		log_find(launch);
	return true;
}

/* ---- scripts of openstack-pkg-tools ---- */

/* The value of a shell assignment NAME=value at the beginning of a line, "" when there is none. */
static void assignment(const char *text, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);
	*value = '\0';
	for (const char *line = text; line; line = strchr(line, '\n'), line += line ? 1 : 0) {
		if (strncmp(line, name, length) != 0 || line[length] != '=')
			continue;
		const char *start = line + length + 1;
		start += *start == '"' || *start == '\'';
		snprintf(value, size, "%.*s", (int)strcspn(start, "\"'\n"), start);
		return;
	}
}

/* The words --config-file and --config-dir with their values, of lines that set DAEMON_ARGS: of
 * files that are there, for the script looks, too. */
static void daemon_arguments(const struct root *root, const char *text, json_t *args)
{
	for (const char *line = text; line; line = strchr(line, '\n'), line += line ? 1 : 0) {
		size_t size = strcspn(line, "\n"), indent = strspn(line, " \t");
		if (strncmp(line + indent, "DAEMON_ARGS=", 12) != 0)
			continue;
		char words[1024];
		snprintf(words, sizeof(words), "%.*s", (int)(size - indent - 12),
		         line + indent + 12);
		json_t *list = json_array();
		words_append(list, words);
		for (size_t i = 0; i < json_array_size(list); i++) {
			const char *word = argument(list, i);
			const char *value = strchr(word, '=');
			if (strncmp(word, "--config-", 9) != 0 || strchr(word, '$'))
				continue;
			value = value ? value + 1 : argument(list, i + 1);
			if (*value != '/' || !root_exists(root, value))
				continue;
			json_array_append(args, json_array_get(list, i));
			if (!strchr(word, '='))
				json_array_append(args, json_array_get(list, ++i));
		}
		json_decref(list);
	}
}

bool nova_launch_init_script(const struct root *root, const char *name, struct nova_launch *launch)
{
	char path[256], ini[256];
	memset(launch, 0, sizeof(*launch));
	snprintf(path, sizeof(path), "/etc/init.d/%s", name);
	char *text = root_read_file(root, path, TEXT_LIMIT, NULL, NULL);
	snprintf(path, sizeof(path), "/etc/default/%s", name);
	char *settings = text ? root_read_file(root, path, TEXT_LIMIT, NULL, NULL) : NULL;
	if (text && strstr(text, "openstack-pkg-tools")) {
		launch->args = json_array();
		assignment(text, "UWSGI_INI_PATH", ini, sizeof(ini));
		if (*ini) {
			launch->wsgi = true;
			snprintf(launch->prog, sizeof(launch->prog), "uwsgi");
			uwsgi_file(root, ini, launch);
		} else {
			/* DAEMON_ARGS="--config-file=${CONFIG_FILE} ${DAEMON_ARGS}" */
			snprintf(launch->prog, sizeof(launch->prog), "%s", name);
			json_array_append_new(launch->args,
			                      json_string("--config-file=/etc/nova/nova.conf"));
			daemon_arguments(root, text, launch->args);
			daemon_arguments(root, settings, launch->args);
			snprintf(launch->log, sizeof(launch->log), "/var/log/nova/%.200s.log",
			         name);
		}
		launch->service = service_of(name);
	}
	free(settings);
	free(text);
	if (launch->service)
		return true;
	nova_launch_free(launch);
	return false;
}

void nova_launch_environment(struct nova_launch *launch, const char *text, size_t size,
                             json_t *overrides)
{
	for (const char *entry = text; entry < text + size; entry += strlen(entry) + 1) {
		environment_entry(launch, entry);
		if (strncmp(entry, "OS_PCI__", 8) == 0 ||
		    strncmp(entry, "OS_FILTER_SCHEDULER__", 21) == 0)
			json_array_append_new(overrides, json_stringn(entry, strcspn(entry, "=")));
	}
}
