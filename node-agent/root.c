/* root.c: paths and bounded reads under the root; see run.c for programs. */
#include "node-agent/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int root_open(struct root *root, const char *sysroot, struct gf_err *err)
{
	root->path[0] = '\0';
	if (!sysroot || !*sysroot)
		return 0;
	char resolved[PATH_MAX];
	if (!realpath(sysroot, resolved))
		return gf_err_errno(err, GF_E_USAGE, "cannot use the root directory %s", sysroot);
	struct stat st;
	if (stat(resolved, &st) != 0 || !S_ISDIR(st.st_mode))
		return gf_err_set(err, GF_E_USAGE, "the root %s is not a directory", sysroot);
	if (strcmp(resolved, "/") != 0)
		snprintf(root->path, sizeof(root->path), "%s", resolved);
	return 0;
}

bool root_is_sysroot(const struct root *root)
{
	return root->path[0] != '\0';
}

/* ".." as a component would lead out of the root. */
static bool path_climbs(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2)
		if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
			return true;
	return false;
}

struct root_name root_path(const struct root *root, const char *path)
{
	struct root_name name;
	int n = snprintf(name.text, sizeof(name.text), "%s%s%s", root->path,
	                 *path == '/' ? "" : "/", path);
	if (n < 0 || (size_t)n >= sizeof(name.text) || path_climbs(path))
		name.text[0] = '\0';
	return name;
}

struct root_name root_pathf(const struct root *root, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		struct root_name none = {.text = ""};
		return none;
	}
	return root_path(root, path);
}

bool root_exists(const struct root *root, const char *path)
{
	return access(root_path(root, path).text, F_OK) == 0;
}

char *root_read_file(const struct root *root, const char *path, size_t limit, size_t *size,
                     struct gf_err *err)
{
	struct root_name name = root_path(root, path);
	int fd = open(name.text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		gf_err_errno(err, GF_E_IO, "cannot read %s", path);
		return NULL;
	}
	/* Files of /proc and /sys say size 0: read to the end, and never past the limit. */
	size_t capacity = 4096, used = 0;
	char *data = malloc(capacity);
	for (;;) {
		if (!data) {
			gf_err_set(err, GF_E_MEMORY, "no memory to read %s", path);
			errno = ENOMEM;
			break;
		}
		ssize_t n = read(fd, data + used, capacity - used - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			gf_err_errno(err, GF_E_IO, "cannot read %s", path);
			break;
		}
		if (n == 0) {
			data[used] = '\0';
			if (size)
				*size = used;
			close(fd);
			return data;
		}
		used += (size_t)n;
		if (used > limit) {
			gf_err_set(err, GF_E_IO, "%s is larger than %zu bytes", path, limit);
			errno = EFBIG;
			break;
		}
		if (used + 1 == capacity) {
			capacity *= 2;
			char *larger = realloc(data, capacity);
			if (!larger)
				free(data);
			data = larger;
		}
	}
	int saved = errno;
	free(data);
	close(fd);
	errno = saved;
	return NULL;
}

int root_read_line(const struct root *root, const char *path, char *buffer, size_t size)
{
	buffer[0] = '\0';
	int fd = open(root_path(root, path).text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	ssize_t n;
	do
		n = read(fd, buffer, size - 1);
	while (n < 0 && errno == EINTR);
	close(fd);
	if (n < 0) {
		buffer[0] = '\0';
		return -1;
	}
	buffer[n] = '\0';
	buffer[strcspn(buffer, "\n")] = '\0';
	return 0;
}
