/* hot_paths.c: runs one hot path for valgrind to count; see tests/budget/README.md.
 *
 *   hot_paths                the paths, each with the size that its budget is for
 *   hot_paths --made-with    what else than our sources decides about the counts
 *   hot_paths PATH SIZE      one of them; 1 where what comes out is not what must
 */
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/budget/hot_paths.h"

static const struct hot_path *const parts[] = {hot_wire, hot_names, hot_facts, hot_plan};

void hot_path_run(const struct hot_path *path, void *state)
{
	path->run(state);
	__asm__ volatile(""); /* a last call would become a jump, and this function end with it */
}

static const struct hot_path *path_find(const char *name)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (const struct hot_path *path = parts[i]; path->name; path++) {
			if (!name)
				printf("%s %zu %s\n", path->name, path->size, path->unit);
			else if (strcmp(path->name, name) == 0)
				return path;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct hot_path *path = argc == 2 ? NULL : path_find(argc == 3 ? argv[1] : NULL);
	size_t size = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	void *state;

	if (argc == 1)
		return 0;
	if (argc == 2 && strcmp(argv[1], "--made-with") == 0) {
		printf("compiler %s, glibc %s, jansson %s\n", __VERSION__, gnu_get_libc_version(),
		       jansson_version_str());
		return 0;
	}
	if (!path || size == 0) {
		fprintf(stderr, "usage: hot_paths [--made-with | PATH SIZE]\n");
		return 2;
	}
	/* jansson's hash tables are seeded at random otherwise. */
	json_object_seed(1);
	state = path->prepare(size);
	hot_path_run(path, state);
	if (path->done(state) != size)
		hot_fail("what came out is not what must", path->name);
	return 0;
}
