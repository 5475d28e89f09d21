/* store_lock.c: see store_lock.h. The lock itself is flock's: what the file says of a process that
 * has ended means nothing. Possible failure modes: the holder has not written yet, or is of a
 * version that wrote its pid alone. */
#include "controller/store/store_lock.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_PID, LINE_USER, LINE_NODE, LINE_SINCE, LINES };

int store_lock_sign(int fd)
{
	const struct passwd *user = getpwuid(getuid());
	char node[65] = "", since[32], text[256];
	time_t now = time(NULL);
	struct tm utc;
	int length;

	if (gethostname(node, sizeof(node) - 1) != 0)
		node[0] = '\0';
	strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	length = snprintf(text, sizeof(text), "%ld\n%.100s\n%s\n%s\n", (long)getpid(),
	                  user ? user->pw_name : "", node, since);
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length)
		return -1;
	return 0;
}

#define WATCH_LINE "\nwatch\n"

int store_lock_sign_watch(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);

	if (end < 1 || pwrite(fd, &WATCH_LINE[1], sizeof(WATCH_LINE) - 2, end) < 0)
		return -1;
	return 0;
}

bool store_lock_is_watch(int fd)
{
	char content[300] = "";

	return pread(fd, content, sizeof(content) - 1, 0) > 0 && strstr(content, WATCH_LINE);
}

void store_lock_holder(int fd, char *text, size_t size)
{
	char content[256] = "", *lines[LINES], *at = content;
	ssize_t got = pread(fd, content, sizeof(content) - 1, 0);

	content[got > 0 ? got : 0] = '\0';
	for (size_t i = 0; i < LINES; i++) {
		char *end = at + strcspn(at, "\n");

		lines[i] = at;
		at = *end ? end + 1 : end;
		*end = '\0';
	}
	snprintf(text, size, "process %.20s%s%.100s%s%.64s%s%.32s",
	         *lines[LINE_PID] ? lines[LINE_PID] : "unknown", *lines[LINE_USER] ? " of " : "",
	         lines[LINE_USER], *lines[LINE_NODE] ? " on " : "", lines[LINE_NODE],
	         *lines[LINE_SINCE] ? ", since " : "", lines[LINE_SINCE]);
}
