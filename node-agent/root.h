/* root.h: the root directory that the agent reads and writes under ("" on a real host, a sysroot
 * for a simulated one), bounded reads below it, and running the host's programs without a shell.
 */
#ifndef GPUFLEET_ROOT_H
#define GPUFLEET_ROOT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "node-agent/wire/error.h"

struct root {
	char path[PATH_MAX]; /* absolute and resolved, without a trailing slash; "" is the real root
	                      */
};

/* A path by value, so that open(root_path(root, "/etc/fstab").text, …) reads well. */
struct root_name {
	char text[PATH_MAX]; /* "" when the path was too long or holds ".." (then open fails:
	                        ENOENT) */
};

/* Opens SYSROOT; NULL, "" and "/" are the real root. */
int root_open(struct root *root, const char *sysroot, struct gf_err *err);

/* Is this another root than the machine's own? */
bool root_is_sysroot(const struct root *root);

/* Where PATH (absolute, as the host itself would name it) lies. */
struct root_name root_path(const struct root *root, const char *path);

/* The same with a format. */
struct root_name root_pathf(const struct root *root, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

bool root_exists(const struct root *root, const char *path);

/* Reads the whole of PATH, at most LIMIT bytes (more is an error): malloc'd, NUL-terminated; *size
 * (may be NULL) is its length. On failure NULL, with errno kept (ENOENT: no such file). */
char *root_read_file(const struct root *root, const char *path, size_t limit, size_t *size,
                     struct gf_err *err);

/* The first line of a small file such as those of /sys, without its newline, cut to SIZE - 1 bytes.
 * -1 when it cannot be read (then BUFFER is ""). */
int root_read_line(const struct root *root, const char *path, char *buffer, size_t size);

struct root_output {
	int status;     /* exit status, or 128 + signal */
	bool timed_out; /* it was killed */
	bool truncated; /* it wrote more than ROOT_OUTPUT_LIMIT; the rest was dropped */
	char *text;     /* stdout and stderr together, NUL-terminated; never NULL after success */
	size_t size;
};

#define ROOT_OUTPUT_LIMIT ((size_t)8 << 20)

/* Runs argv[0] (a bare name, found under usr/sbin, usr/bin, sbin, bin of ROOT; or an absolute path,
 * taken under ROOT) with stdin from /dev/null, a fixed environment (PATH, LC_ALL=C.UTF-8, HOME,
 * GPUFLEET_SYSROOT under a sysroot) and its own process group, and waits at most TIMEOUT seconds;
 * then the group is killed. Returns 0 when it ran and ended by itself, whatever its status: look at
 * output->status. Returns -1 when it could not be started (GF_E_TASK) or ran out of time
 * (GF_E_TIMEOUT; output is filled). A process that cannot be killed (state D) is left behind and
 * reported as a time-out. OUTPUT is for root_output_free after either. */
int root_run(const struct root *root, const char *const argv[], unsigned timeout,
             struct root_output *output, struct gf_err *err);

/* The same in the directory DIR (as the host itself would name it; NULL: "/"). */
int root_run_in(const struct root *root, const char *dir, const char *const argv[],
                unsigned timeout, struct root_output *output, struct gf_err *err);

/* As root_run, but an exit status other than 0 is an error too, whose message ends with the last
 * line of what the program wrote. */
int root_run_ok(const struct root *root, const char *const argv[], unsigned timeout,
                struct root_output *output, struct gf_err *err);

void root_output_free(struct root_output *output);

/* Is there such a program? NAME as argv[0] above. */
bool root_program_exists(const struct root *root, const char *name);

/* Starts argv detached (own session, no descriptors, never waited for) DELAY seconds from now. */
int root_run_detached(const struct root *root, const char *const argv[], unsigned delay,
                      struct gf_err *err);

#endif
