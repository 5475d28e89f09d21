/* files.c: small file helpers of the simulator. */
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void sim_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("gpufleet-sim: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

void sim_path(char out[SIM_PATH], const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(out, SIM_PATH, format, ap);
	va_end(ap);
	if (n < 0 || n >= SIM_PATH)
		sim_die("a path is too long: %s", out);
}

void sim_write_bytes(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		sim_die("cannot write %s: %s", path, strerror(errno));
	close(fd);
}

void sim_write(const char *path, const char *format, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		sim_die("out of memory");
	sim_write_bytes(path, text, (size_t)n);
	free(text);
}

char *sim_read(const char *path)
{
	size_t size = 0, room = 4096;
	char *text = malloc(room);
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || !text) {
		free(text);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	while ((n = read(fd, text + size, room - size - 1)) > 0) {
		size += (size_t)n;
		if (room - size < 2) {
			room *= 2;
			text = realloc(text, room);
			if (!text)
				sim_die("out of memory");
		}
	}
	close(fd);
	text[size] = '\0';
	return text;
}

char *sim_read_or_empty(const char *path)
{
	char *text = sim_read(path);

	text = text ? text : calloc(1, 1);
	if (!text)
		sim_die("out of memory");
	return text;
}

void sim_mkdir(const char *path)
{
	char part[SIM_PATH];

	sim_path(part, "%s", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(part, 0755);
		*p = '/';
	}
	if (mkdir(part, 0755) && errno != EEXIST)
		sim_die("cannot create %s: %s", path, strerror(errno));
}

void sim_link(const char *target, const char *link)
{
	char text[SIM_PATH] = "";
	size_t common = 0, used = 0;

	for (size_t i = 0; target[i] && target[i] == link[i]; i++)
		if (target[i] == '/')
			common = i + 1;
	for (const char *p = link + common; *p; p++)
		if (*p == '/')
			used += (size_t)snprintf(text + used, sizeof(text) - used, "../");
	if (used + strlen(target + common) + 1 > sizeof(text))
		sim_die("a link is too long: %s", link);
	strcpy(text + used, target + common);
	unlink(link);
	if (symlink(text, link))
		sim_die("cannot link %s: %s", link, strerror(errno));
}

int sim_run_status(const char *const *argv, const char *const *env)
{
	posix_spawn_file_actions_t actions;
	char *const *args = (char *const *)(uintptr_t)argv;
	char *const *environment = env ? (char *const *)(uintptr_t)env : environ;
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	status = posix_spawnp(&pid, argv[0], &actions, NULL, args, environment);
	posix_spawn_file_actions_destroy(&actions);
	if (status)
		sim_die("cannot run %s: %s", argv[0], strerror(status));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void sim_run(const char *const *argv, const char *const *env)
{
	int status = sim_run_status(argv, env);

	if (status)
		sim_die("%s ended with status %d", argv[0], status);
}
