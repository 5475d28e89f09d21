/* nova_log.c: see nova_log.h. */
#include "node-agent/tasks/nova_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_LIMIT       ((off_t)1 << 20)
#define JOURNAL_TIMEOUT 20

/* "-- cursor: s=…" is what --show-cursor adds. */
static void cursor_find(const struct root *root, const char *unit, struct nova_mark *mark)
{
	struct root_output output;
	const char *const argv[] = {
	    "journalctl", "--unit",        unit, "--lines=1", "--output=cat",
	    "--no-pager", "--show-cursor", NULL};
	if (!*unit || !root_program_exists(root, "journalctl"))
		return;
	if (root_run(root, argv, JOURNAL_TIMEOUT, &output, NULL) == 0 && output.status == 0) {
		const char *at = strstr(output.text, "-- cursor: ");
		for (const char *next = at; next; next = strstr(next + 1, "-- cursor: "))
			at = next;
		at += at ? strlen("-- cursor: ") : 0;
		if (at && strcspn(at, "\n") < sizeof(mark->cursor))
			snprintf(mark->cursor, sizeof(mark->cursor), "%.*s", (int)strcspn(at, "\n"),
			         at);
	}
	root_output_free(&output);
}

void nova_log_mark(const struct root *root, const struct nova_target *target,
                   struct nova_mark *mark)
{
	struct stat st;
	memset(mark, 0, sizeof(*mark));
	mark->time = (int64_t)time(NULL);
	if (*target->log)
		snprintf(mark->log, sizeof(mark->log), "%s", target->log);
	else
		snprintf(mark->log, sizeof(mark->log), "/var/log/%s/%s.log",
		         *target->container ? "kolla/nova" : "nova", target->service);
	if (stat(root_path(root, mark->log).text, &st) == 0) {
		mark->inode = st.st_ino;
		mark->offset = st.st_size;
	}
	cursor_find(root, target->unit, mark);
}

/* What came to the file; all of it when it was rotated away. */
static void file_since(const struct root *root, const struct nova_mark *mark, FILE *out)
{
	struct stat st;
	char buffer[16384];
	int fd = open(root_path(root, mark->log).text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		off_t from =
		    st.st_ino == mark->inode && st.st_size >= mark->offset ? mark->offset : 0;
		if (st.st_size - from > LOG_LIMIT)
			from = st.st_size - LOG_LIMIT;
		ssize_t n;
		/* To where it ends now: it may grow as fast as it is read. */
		while (from < st.st_size && (n = pread(fd, buffer, sizeof(buffer), from)) != 0) {
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				break;
			for (ssize_t i = 0; i < n; i++)
				fputc(buffer[i] ? buffer[i] : ' ', out);
			from += n;
		}
		fputc('\n', out);
	}
	close(fd);
}

static void journal_since(const struct root *root, const char *unit, const struct nova_mark *mark,
                          FILE *out)
{
	struct root_output output;
	char from[600];
	if (*mark->cursor)
		snprintf(from, sizeof(from), "--after-cursor=%s", mark->cursor);
	else
		snprintf(from, sizeof(from), "--since=@%" PRId64, mark->time);
	const char *const argv[] = {"journalctl", "--unit",       unit,           from,
	                            "--no-pager", "--output=cat", "--lines=2000", NULL};
	if (!*unit || !root_program_exists(root, "journalctl"))
		return;
	if (root_run(root, argv, JOURNAL_TIMEOUT, &output, NULL) == 0 && output.status == 0) {
		size_t skip = output.size > (size_t)LOG_LIMIT ? output.size - (size_t)LOG_LIMIT : 0;
		for (size_t i = skip; i < output.size; i++)
			fputc(output.text[i] ? output.text[i] : ' ', out);
		fputc('\n', out);
	}
	root_output_free(&output);
}

char *nova_log_since(const struct root *root, const struct nova_target *target,
                     const struct nova_mark *mark)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	journal_since(root, target->unit, mark, out);
	file_since(root, mark, out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
