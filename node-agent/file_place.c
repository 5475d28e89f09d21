/* file_place.c: see file_place.h. */
#include "node-agent/file_place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* openat2 resolves links as if the root were "/"; kernels before 5.6 and some containers lack it:
 * then every component is opened by itself and links are refused. */
static int directory_open(const struct root *root, const char *path)
{
	int top = open(root->path[0] ? root->path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return -1;
	while (*path == '/')
		path++;
	if (!*path)
		return top;
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	                       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, top, path, &how, sizeof(how));
	if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL)) {
		char copy[PATH_MAX], *save = NULL;
		snprintf(copy, sizeof(copy), "%s", path);
		fd = dup(top);
		for (char *part = strtok_r(copy, "/", &save); part && fd >= 0;
		     part = strtok_r(NULL, "/", &save)) {
			int next =
			    openat(fd, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
			int saved = errno;
			close(fd);
			errno = saved;
			fd = next;
		}
	}
	int saved = errno;
	close(top);
	errno = saved;
	return fd;
}

int file_place_parent(const struct root *root, const char *path, const char **name,
                      struct gf_err *err)
{
	char copy[PATH_MAX];
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	if (path[0] != '/' || !**name || strcmp(*name, ".") == 0 || strlen(path) >= sizeof(copy) ||
	    !root_path(root, path).text[0]) {
		errno = EINVAL;
		return gf_err_set(err, GF_E_TASK, "\"%s\" is not an absolute path of a file", path);
	}
	snprintf(copy, sizeof(copy), "%.*s", (int)(slash - path), path);
	int fd = directory_open(root, copy);
	if (fd < 0)
		gf_err_errno(err, GF_E_IO, "cannot open the directory %s", copy[0] ? copy : "/");
	return fd;
}

#define ATTRIBUTES_MAX ((size_t)64 << 10) /* the kernel's own limit of the list, and of a value */

static char *hex_encode(const unsigned char *data, size_t size)
{
	char *text = malloc(2 * size + 1);

	for (size_t i = 0; text && i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	if (text)
		text[2 * size] = '\0';
	return text;
}

/* The label is set by itself; what the kernel measures of the bytes is its own to write. */
static bool attribute_is_left_out(const char *name)
{
	return strcmp(name, "security.selinux") == 0 || strcmp(name, "security.ima") == 0 ||
	       strcmp(name, "security.evm") == 0;
}

json_t *file_place_attributes(int fd)
{
	json_t *attributes = json_object();
	char *names = malloc(ATTRIBUTES_MAX);
	unsigned char *value = malloc(ATTRIBUTES_MAX);
	ssize_t size = names && value ? flistxattr(fd, names, ATTRIBUTES_MAX) : -1;

	for (char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
		if (attribute_is_left_out(name))
			continue;
		ssize_t n = fgetxattr(fd, name, value, ATTRIBUTES_MAX);
		char *text = n >= 0 ? hex_encode(value, (size_t)n) : NULL;
		if (text)
			json_object_set_new(attributes, name, json_string(text));
		free(text);
	}
	free(value);
	free(names);
	return attributes;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

static void attribute_set(int fd, const char *name, const char *text)
{
	size_t size = strlen(text) / 2;
	unsigned char *value = malloc(size + 1);

	for (size_t i = 0; value && i < size; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0) {
			free(value);
			return;
		}
		value[i] = (unsigned char)(high << 4 | low);
	}
	/* One that is refused is left out: bytes, mode, owner and label are what must be right. */
	if (value && fsetxattr(fd, name, value, size, 0) != 0)
		errno = 0;
	free(value);
}

/* Gives FD those attributes and no other (a directory's default access list gives some). */
static void attributes_set(int fd, const json_t *attributes)
{
	const char *name;
	json_t *value, *now = file_place_attributes(fd);
	union {
		const json_t *in;
		json_t *out;
	} wanted = {.in = attributes};

	json_object_foreach(now, name, value)
	{
		if (!json_object_get(attributes, name) && fremovexattr(fd, name) != 0)
			continue; /* not one that can be taken away */
	}
	json_decref(now);
	json_object_foreach(wanted.out, name, value)
	{
		if (json_is_string(value))
			attribute_set(fd, name, json_string_value(value));
	}
}

static int file_fill(int fd, const void *data, size_t size, const struct file_place_meta *meta)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		size -= (size_t)n;
	}
	struct stat st;
	if (fstat(fd, &st) != 0)
		return -1;
	if ((st.st_uid != meta->uid || st.st_gid != meta->gid) &&
	    fchown(fd, meta->uid, meta->gid) != 0)
		return -1;
	/* Before the mode: an access list has one in it. */
	if (meta->attributes)
		attributes_set(fd, meta->attributes);
	if (fchmod(fd, meta->mode & 07777) != 0)
		return -1;
	if (meta->label && *meta->label) {
		char now[256];
		ssize_t n = fgetxattr(fd, "security.selinux", now, sizeof(now) - 1);
		now[n > 0 ? n : 0] = '\0';
		if (strcmp(now, meta->label) != 0 &&
		    fsetxattr(fd, "security.selinux", meta->label, strlen(meta->label) + 1, 0) != 0)
			return -1;
	}
	if (meta->mtime) {
		struct timespec times[2] = {*meta->mtime, *meta->mtime};
		if (futimens(fd, times) != 0)
			return -1;
	}
	return fsync(fd);
}

int file_place_error(const char *path, struct gf_err *err)
{
	const char *hint = "";

	switch (errno) {
	case ENOSPC:
	case EDQUOT:
		hint = " (nothing was changed; free some space there and do it again)";
		break;
	case EROFS:
		hint = " (nothing was changed; mount it read-write and do it again)";
		break;
	case EACCES:
	case EPERM:
		hint =
		    " (nothing was changed; the agent must run as root, and neither the file nor "
		    "its directory may be immutable: see lsattr)";
		break;
	}
	int saved = errno;
	gf_err_set(err, GF_E_IO, "cannot write %s: %s%s", path, strerror(errno), hint);
	errno = saved;
	return -1;
}

int file_place_write(int dir, const char *name, const char *path, const void *data, size_t size,
                     const struct file_place_meta *meta, struct gf_err *err)
{
	char temporary[64];
	int fd = -1;

	/* A dot and a tilde: run-parts, modprobe, GRUB and initramfs-tools all pass such names
	 * over. */
	for (int try = 0; try < 16 && fd < 0; try++) {
		uint64_t random = 0;
		if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
			random = (uint64_t)getpid() + (uint64_t)try;
		snprintf(temporary, sizeof(temporary), ".gpufleet-%016llx~",
		         (unsigned long long)random);
		fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		            0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0)
		return file_place_error(path, err);
	if (file_fill(fd, data, size, meta) != 0 || renameat(dir, temporary, dir, name) != 0) {
		file_place_error(path, err);
		int saved = errno;
		close(fd);
		unlinkat(dir, temporary, 0);
		errno = saved;
		return -1;
	}
	close(fd);
	if (fsync(dir) != 0 && errno != EINVAL)
		return gf_err_errno(err, GF_E_IO, "cannot sync the directory of %s", path);
	return 0;
}
