/* package_lock.c: see package_lock.h. Both managers use fcntl locks on the whole file; such a lock
 * belongs to the process, is not passed on to programs that it starts, and ends with it. */
#include "node-agent/tasks/package_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const files[] = {"/var/lib/dpkg/lock-frontend",
                                    "/usr/lib/sysimage/rpm/.rpm.lock", "/var/lib/rpm/.rpm.lock"};

#define COUNT (sizeof(files) / sizeof(files[0]))

/* Who holds it, for people: "process 812 (apt-get)". */
static void holder(const struct root *root, int fd, char *text, size_t size)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[64], name[64] = "?";

	snprintf(text, size, "another process");
	if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK || lock.l_pid <= 0)
		return;
	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)lock.l_pid);
	root_read_line(root, path, name, sizeof(name));
	for (char *c = name; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
	snprintf(text, size, "process %ld (%s)", (long)lock.l_pid, *name ? name : "?");
}

int package_lock_take(const struct root *root, unsigned wait_s, struct gf_err *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char who[128];
	int fd = -1;
	size_t i;

	for (i = 0; i < COUNT && fd < 0; i++) {
		fd = open(root_path(root, files[i]).text, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
			return gf_err_errno(err, GF_E_BLOCKED, "cannot open %s", files[i]);
	}
	if (fd < 0)
		return -2;
	for (unsigned tries = 0; tries <= wait_s * 5; tries++) {
		if (fcntl(fd, F_SETLK, &lock) == 0)
			return fd;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			break;
		struct timespec pause = {.tv_nsec = 200000000};
		nanosleep(&pause, NULL);
	}
	holder(root, fd, who, sizeof(who));
	gf_err_set(err, GF_E_BLOCKED,
	           "packages are being installed: %s has held %s for %u s; let it finish, then run "
	           "apply again",
	           who, files[i - 1], wait_s);
	close(fd);
	return -1;
}

void package_lock_drop(int fd)
{
	if (fd >= 0)
		close(fd);
}
