/* journal.c: the files of an operation. What is written here must survive the host's power being
 * cut. */
#include "node-agent/operation/operation.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/wire/frame.h"

void journal_time(char buffer[32])
{
	struct timespec ts;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &ts);
	strftime(buffer, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&ts.tv_sec, &tm));
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Makes a rename or a new name in PATH's directory durable. */
static void sync_parent(const char *path)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

int journal_open(struct operation_journal *journal, const char *path, struct gf_err *err)
{
	journal->seq = 0;
	journal->torn = false;
	journal->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (journal->fd < 0)
		return gf_err_errno(err, GF_E_IO, "cannot write %s", path);
	sync_parent(path);
	return 0;
}

int journal_append(struct operation_journal *journal, const json_t *event, struct gf_err *err)
{
	char now[32];
	size_t length;
	journal_time(now);
	/* seq and time come first in the line, and an event's own cannot replace them. */
	json_t *numbered = json_pack("{s:I,s:s}", "seq", journal->seq + 1, "time", now);
	json_t *rest = json_deep_copy(event);
	if (!numbered || !rest || json_object_update_missing(numbered, rest) != 0) {
		json_decref(numbered);
		json_decref(rest);
		return gf_err_set(err, GF_E_MEMORY, "no memory for an event");
	}
	json_decref(rest);
	char *line = frame_encode(numbered, &length, err);
	json_decref(numbered);
	if (!line)
		return -1;
	/* Half an event is closed first: readers pass over such a line, and the next is whole. */
	int failed = (journal->torn && write_all(journal->fd, "\n", 1) != 0) ||
	             write_all(journal->fd, line, length) != 0 || fdatasync(journal->fd) != 0;
	free(line);
	journal->torn = failed;
	if (failed)
		return gf_err_errno(err, GF_E_IO, "cannot write the operation's journal");
	journal->seq++;
	return 0;
}

void journal_close(struct operation_journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = -1;
}

int journal_write_file(const char *path, const json_t *value, struct gf_err *err)
{
	char temporary[PATH_MAX];
	size_t length;
	int n = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	if (n < 0 || (size_t)n >= sizeof(temporary))
		return gf_err_set(err, GF_E_IO, "the name %s is too long", path);
	char *text = frame_encode(value, &length, err);
	if (!text)
		return -1;
	int fd = mkostemp(temporary, O_CLOEXEC);
	bool written = fd >= 0 && write_all(fd, text, length) == 0 && fsync(fd) == 0;
	if (!written || rename(temporary, path) != 0) {
		gf_err_errno(err, GF_E_IO, "cannot write %s", path);
		written = false;
		if (fd >= 0)
			unlink(temporary);
	}
	if (fd >= 0)
		close(fd);
	free(text);
	if (written)
		sync_parent(path);
	return written ? 0 : -1;
}

json_t *journal_read_file(const char *path, struct gf_err *err)
{
	struct root none = {.path = ""};
	size_t size;
	char *text = root_read_file(&none, path, FRAME_LINE_LIMIT, &size, err);
	if (!text)
		return NULL;
	json_t *value = frame_parse(text, size, err);
	if (!value) {
		gf_err_wrap(err, "%s", path);
		errno = EINVAL;
	}
	free(text);
	return value;
}

int journal_make_dirs(const char *path, struct gf_err *err)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	size_t length = strlen(copy);
	if (length > 1 && copy[length - 1] == '/')
		copy[length - 1] = '\0';
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) == 0)
			sync_parent(copy);
		*p = '/';
	}
	if (mkdir(copy, 0700) == 0)
		sync_parent(copy);
	else if (errno != EEXIST)
		return gf_err_errno(err, GF_E_IO, "cannot make the directory %s", path);
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

int journal_remove_tree(const char *path)
{
	return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
