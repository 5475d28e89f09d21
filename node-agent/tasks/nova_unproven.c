/* nova_unproven.c: see nova_unproven.h. An empty file stands for each such service. */
#include "node-agent/tasks/nova_unproven.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node-agent/facts/facts.h"
#include "node-agent/file_place.h"

int nova_unproven_set(const struct root *root, const char *name, struct gf_err *err)
{
	const struct file_place_meta meta = {.mode = 0644, .uid = geteuid(), .gid = getegid()};
	const char *last;
	char path[NOVA_UNPROVEN_SIZE];
	if (strchr(name, '/'))
		return gf_err_set(err, GF_E_PROTOCOL, "%s is no name of a unit or container", name);
	mkdir(root_path(root, "/var/lib/gpufleet").text, 0755);
	mkdir(root_path(root, NOVA_UNPROVEN_DIR).text, 0755);
	int dir = file_place_parent(root, nova_unproven_path(name, path), &last, err);
	if (dir < 0)
		return -1;
	int result = file_place_write(dir, last, path, "", 0, &meta, err);
	close(dir);
	return result;
}

void nova_unproven_clear(const struct root *root, const char *name)
{
	char path[NOVA_UNPROVEN_SIZE];
	unlink(root_path(root, nova_unproven_path(name, path)).text);
	rmdir(root_path(root, NOVA_UNPROVEN_DIR).text); /* where no other is left */
}
