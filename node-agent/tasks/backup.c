/* backup.c: see backup.h. Happy path: keep the bytes, record the intent, sync both, then change. A
 * record without its change is harmless: undo finds the file as it was. */
#include "node-agent/tasks/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_LIMIT ((size_t)16 << 20)
#define DATA_LIMIT  ((size_t)64 << 20)

static int backup_directory(const char *operation_dir, struct gf_err *err)
{
	char path[PATH_MAX];

	if (!operation_dir)
		return gf_err_set(err, GF_E_INTERNAL, "no operation to record the change in");
	if ((size_t)snprintf(path, sizeof(path), "%s/backup", operation_dir) >= sizeof(path))
		return gf_err_set(err, GF_E_IO, "the path %s is too long", operation_dir);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return gf_err_errno(err, GF_E_IO, "cannot make the backup directory %s", path);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return gf_err_errno(err, GF_E_IO, "cannot open the backup directory %s", path);
	return fd;
}

static int backup_write(int fd, const char *data, size_t size)
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
	return fsync(fd);
}

/* Where the next record begins: behind the last whole line. What a power cut or a full disk left of
 * a record is cut off, or it would spoil the next one. -1 with errno. */
static off_t index_settle(int fd)
{
	char buffer[4096];
	off_t size = lseek(fd, 0, SEEK_END), end = size;

	while (end > 0) {
		size_t part = end < (off_t)sizeof(buffer) ? (size_t)end : sizeof(buffer);
		ssize_t n = pread(fd, buffer, part, end - (off_t)part);
		if (n != (ssize_t)part)
			return -1;
		const char *newline = memrchr(buffer, '\n', part);
		if (newline) {
			end += newline + 1 - (buffer + part);
			break;
		}
		end -= (off_t)part;
	}
	return size < 0 || (end < size && ftruncate(fd, end) != 0) ? -1 : end;
}

static int index_append(int dir, const char *line, size_t size)
{
	int fd =
	    openat(dir, "index.jsonl", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	off_t end = fd >= 0 ? index_settle(fd) : -1;
	int result = end < 0 ? -1 : backup_write(fd, line, size);
	int saved = errno;

	if (end >= 0 && result != 0 && ftruncate(fd, end) != 0)
		result = -1; /* then the next record cuts it off */
	if (fd >= 0)
		close(fd);
	errno = saved;
	return result == 0 ? fsync(dir) : -1;
}

int backup_record(const char *operation_dir, json_t *record, struct gf_err *err)
{
	char *line = record ? json_dumps(record, JSON_COMPACT) : NULL;
	int result = -1;

	json_decref(record);
	if (!line)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	size_t length = strlen(line);
	line[length] = '\n'; /* in place of the NUL: the length is known */
	int dir = backup_directory(operation_dir, err);
	if (dir >= 0) {
		result = index_append(dir, line, length + 1);
		if (result != 0)
			gf_err_errno(err, GF_E_IO,
			             "cannot record the change in %s/backup (nothing was changed; "
			             "free some space there)",
			             operation_dir);
		close(dir);
	}
	free(line);
	return result;
}

int backup_keep(const char *operation_dir, const void *data, size_t size, char name[32],
                struct gf_err *err)
{
	int dir = backup_directory(operation_dir, err);
	int fd = -1;

	if (dir < 0)
		return -1;
	for (unsigned i = 1; i < 100000; i++) {
		snprintf(name, 32, "%04u.data", i);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	bool bad = fd < 0 || backup_write(fd, data, size) != 0 || fsync(dir) != 0;
	if (bad) {
		gf_err_errno(err, GF_E_IO,
		             "cannot keep a backup in %s/backup (nothing was changed; free some "
		             "space there)",
		             operation_dir);
		if (fd >= 0)
			unlinkat(dir, name, 0);
	}
	if (fd >= 0)
		close(fd);
	close(dir);
	return bad ? -1 : 0;
}

static char *backup_slurp(const char *operation_dir, const char *name, size_t limit, size_t *size,
                          struct gf_err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/backup/%s", operation_dir, name) >=
	    sizeof(path)) {
		gf_err_set(err, GF_E_IO, "the path %s is too long", operation_dir);
		return NULL;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0 ||
	    (size_t)st.st_size > limit) {
		int saved = fd < 0 ? errno : EFBIG;
		if (fd >= 0)
			close(fd);
		errno = saved;
		gf_err_errno(err, GF_E_IO, "cannot read the backup %s", path);
		errno = saved;
		return NULL;
	}
	char *data = malloc((size_t)st.st_size + 1);
	size_t used = 0;
	while (data && used < (size_t)st.st_size) {
		ssize_t n = read(fd, data + used, (size_t)st.st_size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	close(fd);
	if (!data) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	data[used] = '\0';
	*size = used;
	return data;
}

char *backup_data(const char *operation_dir, const char *name, size_t *size, struct gf_err *err)
{
	if (strchr(name, '/') || name[0] == '.') {
		gf_err_set(err, GF_E_IO, "the backup index of %s is damaged", operation_dir);
		return NULL;
	}
	return backup_slurp(operation_dir, name, DATA_LIMIT, size, err);
}

json_t *backup_read(const char *operation_dir, struct gf_err *err)
{
	size_t size = 0;
	struct gf_err local;
	json_t *records = json_array();
	char *text = backup_slurp(operation_dir, "index.jsonl", INDEX_LIMIT, &size, &local);

	if (!text && errno == ENOENT)
		return records;
	if (!text) {
		if (err)
			*err = local;
		json_decref(records);
		return NULL;
	}
	for (char *line = text, *end; (end = memchr(line, '\n', size - (size_t)(line - text)));
	     line = end + 1) {
		json_t *record =
		    json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(record)) {
			json_decref(record);
			json_decref(records);
			free(text);
			gf_err_set(err, GF_E_IO,
			           "the backup index of %s is damaged: put the files in its "
			           "backup/ back by hand",
			           operation_dir);
			return NULL;
		}
		json_array_append_new(records, record);
	}
	free(text);
	return records;
}
