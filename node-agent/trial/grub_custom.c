/* grub_custom.c: see grub_custom.h. */
#include "node-agent/trial/grub_custom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "node-agent/tasks/file_edit.h"
#include "node-agent/file_place.h"

#define MAGIC_FAT 0x4d44 /* linux/magic.h is not everywhere */

#define BEGIN "### BEGIN gpufleet trial: booted once, removed when it is over ###\n"
/* The text before it had no newline at its end: the one before the mark is ours. */
#define BEGIN_JOINED "### BEGIN gpufleet trial, joined: booted once, removed when it is over ###\n"
#define END          "### END gpufleet trial ###\n"

static const char *find_line(const char *text, const char *end, const char *line)
{
	size_t length = strlen(line);

	for (const char *p = text; p + length <= end; p++) {
		if ((p == text || p[-1] == '\n') && memcmp(p, line, length) == 0)
			return p;
	}
	return NULL;
}

char *grub_custom_cut(const char *text, size_t length, size_t *size, bool *found)
{
	const char *end = text + length, *begin = find_line(text, end, BEGIN), *close = NULL;
	char *result = malloc(length + 1);

	*found = false;
	if (!result)
		return NULL;
	if (!begin) {
		begin = find_line(text, end, BEGIN_JOINED);
		if (begin && begin > text)
			begin--;
	}
	if (begin)
		close = find_line(begin + (begin > text && *begin == '\n'), end, END);
	if (!close) {
		memcpy(result, text, length);
		*size = length;
	} else {
		size_t head = (size_t)(begin - text);
		size_t tail = (size_t)(end - close) - strlen(END);
		memcpy(result, text, head);
		memcpy(result + head, close + strlen(END), tail);
		*size = head + tail;
		*found = true;
	}
	result[*size] = '\0';
	return result;
}

char *grub_custom_add(const char *text, size_t length, const char *entry, size_t *size)
{
	bool found;
	char *former = grub_custom_cut(text, length, size, &found);

	if (!former)
		return NULL;
	bool joined = *size > 0 && former[*size - 1] != '\n';
	const char *begin = joined ? BEGIN_JOINED : BEGIN;
	size_t total = *size + joined + strlen(begin) + strlen(entry) + strlen(END);
	char *result = malloc(total + 1);
	if (result) {
		memcpy(result, former, *size);
		char *p = result + *size;
		if (joined)
			*p++ = '\n';
		p = stpcpy(p, begin);
		p = stpcpy(p, entry);
		stpcpy(p, END);
		*size = total;
	}
	free(former);
	return result;
}

/* FAT, as on an EFI partition, has one mode for all its files and takes no other. */
static mode_t mode_of_new(const struct root *root, const char *path)
{
	struct statfs fs;
	struct stat st;
	struct root_name config = root_path(root, path);
	char *slash = strrchr(config.text, '/');

	if (!slash)
		return 0600;
	snprintf(slash, sizeof(config.text) - (size_t)(slash - config.text), "/grub.cfg");
	if (statfs(config.text, &fs) != 0 || fs.f_type != MAGIC_FAT || stat(config.text, &st) != 0)
		return 0600;
	return st.st_mode & 0777;
}

static int custom_put(const struct root *root, const char *path, const struct file_state *now,
                      const char *data, size_t size, struct gf_err *err)
{
	const char *name;
	struct file_place_meta meta = {.mode = now->absent ? mode_of_new(root, path)
	                                                   : now->st.st_mode & 07777,
	                               .uid = now->absent ? geteuid() : now->st.st_uid,
	                               .gid = now->absent ? getegid() : now->st.st_gid,
	                               .label = now->label};
	int dir = file_place_parent(root, path, &name, err);

	if (dir < 0)
		return -1;
	int failed = file_place_write(dir, name, path, data, size, &meta, err);
	close(dir);
	return failed;
}

int grub_custom_write(const struct root *root, const char *path, const char *entry,
                      struct gf_err *err)
{
	struct file_state now;
	size_t size;

	if (file_edit_read(root, path, &now, err) != 0)
		return -1;
	char *text = grub_custom_add(now.absent ? "" : now.data, now.size, entry, &size);
	int failed = text ? custom_put(root, path, &now, text, size, err)
	                  : gf_err_set(err, GF_E_MEMORY, "out of memory");
	free(text);
	file_state_free(&now);
	return failed;
}

int grub_custom_clear(const struct root *root, const char *path, bool remove_empty, bool *changed,
                      struct gf_err *err)
{
	struct file_state now;
	size_t size = 0;
	bool found = false;
	int failed = 0;

	if (changed)
		*changed = false;
	if (file_edit_read(root, path, &now, err) != 0)
		return -1;
	if (now.absent)
		return 0;
	char *text = grub_custom_cut(now.data, now.size, &size, &found);
	if (!text)
		failed = gf_err_set(err, GF_E_MEMORY, "out of memory");
	else if (found && size == 0 && remove_empty)
		failed = unlink(root_path(root, path).text) != 0
		             ? gf_err_errno(err, GF_E_IO, "cannot remove %s", path)
		             : 0;
	else if (found)
		failed = custom_put(root, path, &now, text, size, err);
	if (!failed && changed)
		*changed = found;
	free(text);
	file_state_free(&now);
	return failed;
}
