/* kill_at_sync.c: preloaded into gpufleet by the kill test; ends the process with SIGKILL at a
 * journal commit.
 *
 * The journal is SQLite's, in WAL mode with synchronous=FULL: a transaction is written to the file
 * *-wal and is durable when that was synced, once for each commit (and once more for the header
 * when the log is begun anew). So what is written between two syncs of such a file is counted,
 * from 1. GPUFLEET_KILL_AT=N and GPUFLEET_KILL_SIDE=before|after: the process dies before the first
 * byte of the Nth is written (written and not synced, a successor would see it: the kernel lives
 * on), or after its sync. GPUFLEET_KILL_COUNT=FILE: the count so far is kept there, eight bytes,
 * also by a process that is not to die. GPUFLEET_KILL_SYNC_MS: what a sync takes here, as one does
 * on a disk: in memory it takes nothing.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t count;
static int begun; /* something was written that is not synced yet */
static int count_fd = -2;

static long number(const char *name)
{
	const char *value = getenv(name);

	return value ? strtol(value, NULL, 10) : 0;
}

static int is_journal(int fd)
{
	char link[64], path[4096];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path));
	return length > 4 && memcmp(path + length - 4, "-wal", 4) == 0;
}

static void count_keep(ssize_t (*pwrite_really)(int, const void *, size_t, off64_t))
{
	const char *path = getenv("GPUFLEET_KILL_COUNT");

	if (count_fd == -2)
		count_fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (count_fd >= 0 && pwrite_really(count_fd, &count, sizeof(count), 0) != sizeof(count))
		abort();
}

static void die_if(const char *side)
{
	const char *wanted = getenv("GPUFLEET_KILL_SIDE");

	if (wanted && strcmp(wanted, side) == 0 && count == (uint64_t)number("GPUFLEET_KILL_AT"))
		kill(getpid(), SIGKILL);
}

/* Only one thread of gpufleet writes. */
static int sync_counted(int fd, int (*sync_really)(int))
{
	struct timespec lasts = {.tv_nsec = number("GPUFLEET_KILL_SYNC_MS") * 1000000};
	int rc = sync_really(fd);

	if (!begun || !is_journal(fd))
		return rc;
	begun = 0;
	nanosleep(&lasts, NULL);
	die_if("after");
	return rc;
}

int fsync(int fd)
{
	return sync_counted(fd, (int (*)(int))dlsym(RTLD_NEXT, "fsync"));
}

int fdatasync(int fd)
{
	return sync_counted(fd, (int (*)(int))dlsym(RTLD_NEXT, "fdatasync"));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	ssize_t (*pwrite_really)(int, const void *, size_t, off64_t) =
	    (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");

	if (!begun && is_journal(fd)) {
		begun = 1;
		count++;
		count_keep(pwrite_really);
		die_if("before");
	}
	return pwrite_really(fd, data, size, offset);
}
