/* file_place.c: see file_place.h. */
#include "node-agent/tasks/file_place.h"

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

static void attributes_copy(int from, int to)
{
	char names[4096], value[4096];
	ssize_t size = flistxattr(from, names, sizeof(names));

	for (char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
		if (strcmp(name, "security.selinux") == 0)
			continue;
		ssize_t n = fgetxattr(from, name, value, sizeof(value));
		if (n >= 0 && fsetxattr(to, name, value, (size_t)n, 0) != 0)
			continue; /* such as security.ima: the kernel makes its own */
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
	if (fchmod(fd, meta->mode & 07777) != 0)
		return -1;
	if (meta->like >= 0)
		attributes_copy(meta->like, fd);
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

static int file_error(const char *path, struct gf_err *err)
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
		hint = " (nothing was changed; the agent must run as root, and the directory must "
		       "not be immutable: see lsattr)";
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
		return file_error(path, err);
	if (file_fill(fd, data, size, meta) != 0 || renameat(dir, temporary, dir, name) != 0) {
		file_error(path, err);
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
