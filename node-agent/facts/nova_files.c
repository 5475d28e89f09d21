/* nova_files.c: which files oslo.config reads for a service, and in which order; see nova.h. */
#include "node-agent/facts/nova.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node-agent/facts/facts.h"
#include "node-agent/wire/frame.h"
#include "node-agent/wire/json_text.h"

#define KOLLA_INSIDE "/var/lib/kolla/config_files/"

struct nova_search {
	const struct root *root;
	const struct nova_launch *launch;
	json_t *files, *dirs, *read, *problems;
	const char *dir; /* whose entries are at hand */
};

void nova_problem(json_t *problems, const char *file, unsigned line, const char *format, ...)
{
	char message[256];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	json_t *problem = json_pack("{s:o, s:o, s:o}", "file",
	                            *file ? frame_text(file, strlen(file)) : json_null(), "line",
	                            line ? json_integer(line) : json_null(), "message",
	                            frame_text(message, strlen(message)));
	/* Several services read the same files. */
	bool told = json_array_size(problems) >= NOVA_FILES_MAX;
	for (size_t i = 0; i < json_array_size(problems) && !told; i++)
		told = json_equal(json_array_get(problems, i), problem);
	if (!told)
		json_array_append(problems, problem);
	json_decref(problem);
}

/* Where a path of the service lies on the host: inside a kolla container config.json says from
 * where it was copied. False: nowhere. */
static bool file_place(const struct nova_search *search, const char *path, char place[PATH_MAX])
{
	const struct nova_launch *launch = search->launch;
	size_t i;
	json_t *entry;
	if (!launch->kolla) {
		snprintf(place, PATH_MAX, "%s", path);
		return true;
	}
	json_array_foreach(json_object_get(launch->kolla, "config_files"), i, entry)
	{
		const char *source = json_text(entry, "source");
		if (strcmp(json_text(entry, "dest"), path) == 0 &&
		    strncmp(source, KOLLA_INSIDE, strlen(KOLLA_INSIDE)) == 0 &&
		    !strchr(source, '*')) {
			snprintf(place, PATH_MAX, "/etc/kolla/%s/%.1000s", launch->service,
			         source + strlen(KOLLA_INSIDE));
			return true;
		}
	}
	return false;
}

static bool file_exists(const struct nova_search *search, const char *path)
{
	char place[PATH_MAX];
	return file_place(search, path, place) && root_exists(search->root, place);
}

static void read_add(struct nova_search *search, const char *place)
{
	if (json_array_size(search->read) < NOVA_FILES_MAX)
		json_array_append_new(search->read, frame_text(place, strlen(place)));
	else if (json_array_size(search->read) == NOVA_FILES_MAX)
		nova_problem(search->problems, place, 0,
		             "more than %d configuration files: the rest is not looked at",
		             NOVA_FILES_MAX);
}

static void file_add(struct nova_search *search, const char *path)
{
	char place[PATH_MAX];
	if (!file_place(search, path, place)) {
		nova_problem(search->problems, path, 0,
		             "this file is only inside the container of %s: it is not looked at",
		             search->launch->service);
		return;
	}
	json_array_append_new(search->files, frame_text(place, strlen(place)));
	read_add(search, place);
}

static void dir_each(void *ctx, const char *name)
{
	struct nova_search *search = ctx;
	char path[PATH_MAX];
	size_t length = strlen(name);
	/* glob("*.conf") */
	if (*name == '.' || length < 5 || strcmp(name + length - 5, ".conf") != 0)
		return;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", search->dir, name) < sizeof(path))
		read_add(search, path);
}

static void dir_add(struct nova_search *search, const char *path)
{
	char place[PATH_MAX];
	if (!file_place(search, path, place)) {
		nova_problem(search->problems, path, 0,
		             "this directory is only inside the container of %s: it is not looked "
		             "at",
		             search->launch->service);
		return;
	}
	size_t length = strlen(place);
	while (length > 1 && place[length - 1] == '/')
		place[--length] = '\0';
	json_array_append_new(search->dirs, frame_text(place, length));
	search->dir = place;
	facts_each_entry(search->root, place, dir_each, search);
	search->dir = NULL;
}

/* oslo_config/cfg.py, _search_dirs: the first of ~/.nova, ~, /etc/nova, /etc that has it. */
static bool search_find(struct nova_search *search, const char *base, const char *extension,
                        char path[PATH_MAX])
{
	const char *home = *search->launch->home ? search->launch->home : "/var/lib/nova";
	const char *const dirs[][2] = {
	    {home, "/.nova"}, {home, ""}, {"/etc/nova", ""}, {"/etc", ""}};
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, PATH_MAX, "%s%s/%s%s", dirs[i][0], dirs[i][1], base, extension);
		if (file_exists(search, path))
			return true;
	}
	return false;
}

static void defaults_search(struct nova_search *search, const char *extension,
                            void (*add)(struct nova_search *search, const char *path))
{
	char path[PATH_MAX];
	if (search_find(search, "nova", extension, path))
		add(search, path);
	if (*search->launch->prog && strcmp(search->launch->prog, "nova") != 0 &&
	    search_find(search, search->launch->prog, extension, path))
		add(search, path);
}

/* nova/api/openstack/wsgi_app.py, _get_config_files. */
static void wsgi_files(struct nova_search *search)
{
	const struct nova_launch *launch = search->launch;
	const char *dir = *launch->wsgi_dir ? launch->wsgi_dir : "/etc/nova";
	const char *names = *launch->wsgi_files ? launch->wsgi_files : "api-paste.ini;nova.conf";
	for (const char *name = names; *name;) {
		char path[PATH_MAX];
		size_t length = strcspn(name, ";");
		snprintf(path, sizeof(path), "%s%s%.*s", *name == '/' ? "" : dir,
		         *name == '/' ? "" : "/", (int)length, name);
		if (length > 0 && file_exists(search, path))
			file_add(search, path);
		name += length + (name[length] == ';');
	}
}

static void default_files(struct nova_search *search)
{
	if (search->launch->wsgi) {
		wsgi_files(search);
		return;
	}
	/* RDO's oslo.config reads its own defaults before. */
	if (!search->launch->kolla && root_exists(search->root, "/usr/share/nova/nova-dist.conf"))
		file_add(search, "/usr/share/nova/nova-dist.conf");
	defaults_search(search, ".conf", file_add);
}

/* The value of "--NAME=value", or of "--NAME" and the argument after it; NULL: it is another. */
static const char *argument_value(const json_t *args, size_t index, const char *name)
{
	const char *text = json_string_value(json_array_get(args, index));
	size_t length = strlen(name);
	if (!text || strncmp(text, name, length) != 0)
		return NULL;
	if (text[length] == '=')
		return text + length + 1;
	return text[length] ? NULL : json_string_value(json_array_get(args, index + 1));
}

static bool arguments_have(const json_t *args, const char *name)
{
	for (size_t i = 0; i < json_array_size(args); i++)
		if (argument_value(args, i, name))
			return true;
	return false;
}

static void argument_add(struct nova_search *search, const char *value,
                         void (*add)(struct nova_search *search, const char *path))
{
	char path[PATH_MAX];
	const char *home = *search->launch->home ? search->launch->home : "/var/lib/nova";
	if (strncmp(value, "~/", 2) == 0)
		snprintf(path, sizeof(path), "%s%s", home, value + 1);
	else
		snprintf(path, sizeof(path), "%s", value);
	if (*path == '/')
		add(search, path);
	else
		nova_problem(search->problems, value, 0,
		             "%s was started with a relative path: it is not looked at",
		             search->launch->service);
}

void nova_files_find(const struct root *root, const struct nova_launch *launch, json_t *service,
                     json_t *problems)
{
	struct nova_search search = {.root = root,
	                             .launch = launch,
	                             .files = json_array(),
	                             .dirs = json_array(),
	                             .read = json_array(),
	                             .problems = problems};
	if (!arguments_have(launch->args, "--config-file"))
		default_files(&search);
	if (!arguments_have(launch->args, "--config-dir"))
		defaults_search(&search, ".conf.d", dir_add);
	for (size_t i = 0; i < json_array_size(launch->args); i++) {
		const char *file = argument_value(launch->args, i, "--config-file");
		const char *dir = argument_value(launch->args, i, "--config-dir");
		if (file)
			argument_add(&search, file, file_add);
		else if (dir)
			argument_add(&search, dir, dir_add);
	}
	json_object_set_new(service, "config_files", search.files);
	json_object_set_new(service, "config_dirs", search.dirs);
	json_object_set_new(service, "read", search.read);
}
