/* error.h: the one way a function in gpufleet says why it failed.
 *
 * Contract: a fallible function returns 0 or -1 (or a pointer or NULL) and takes `struct gf_err
 * *err` last. On success *err is untouched; on failure it is filled. `err` may be NULL. Libraries
 * never print: the command in controller/main.c and the agent's main.c do.
 */
#ifndef GPUFLEET_WIRE_ERROR_H
#define GPUFLEET_WIRE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

/* code, name on the wire, may the same thing work on a second try, exit status of the command */
#define GF_ERROR_CODES(X)                                                                          \
	X(GF_E_USAGE, "usage", false, 1)                                                           \
	X(GF_E_INPUT, "input", false, 1)                                                           \
	X(GF_E_INTERNAL, "internal", false, 1)                                                     \
	X(GF_E_MEMORY, "memory", false, 1)                                                         \
	X(GF_E_IO, "io", false, 2)                                                                 \
	X(GF_E_STORE, "store", false, 1)                                                           \
	X(GF_E_RESOLVE, "resolve", true, 4)                                                        \
	X(GF_E_CONNECT, "connect", true, 4)                                                        \
	X(GF_E_TIMEOUT, "timeout", true, 4)                                                        \
	X(GF_E_LOST, "lost", true, 4)                                                              \
	X(GF_E_HOST_KEY, "host-key", false, 4)                                                     \
	X(GF_E_AUTH, "auth", false, 4)                                                             \
	X(GF_E_BECOME, "become", false, 2)                                                         \
	X(GF_E_AGENT, "agent", false, 2)                                                           \
	X(GF_E_PROTOCOL, "protocol", false, 2)                                                     \
	X(GF_E_BLOCKED, "blocked", false, 2)                                                       \
	X(GF_E_TASK, "task", false, 2)                                                             \
	X(GF_E_REBOOT, "reboot", false, 2)                                                         \
	X(GF_E_LEASE, "lease", false, 2)                                                           \
	X(GF_E_WINDOW, "window", false, 5)                                                         \
	X(GF_E_CANCELLED, "cancelled", false, 130)

enum gf_code {
	GF_OK = 0,
#define X(code, name, retry, status) code,
	GF_ERROR_CODES(X)
#undef X
};

struct gf_err {
	enum gf_code code;
	char msg[512]; /* one line, what happened and what to do; no trailing newline */
};

/* Fills *err (if not NULL) and always returns -1, so that `return gf_err_set(err, …)` reads well.
 */
int gf_err_set(struct gf_err *err, enum gf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with ": strerror(errno)" appended; errno is kept. */
int gf_err_errno(struct gf_err *err, enum gf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "CONTEXT: " before the message that *err holds; keeps its code. Always returns -1. */
int gf_err_wrap(struct gf_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The code's name as it stands on the wire and in the journal ("host-key"); "ok" for GF_OK. */
const char *gf_code_name(enum gf_code code);

/* The code of a name; GF_E_INTERNAL for a name that is not known. */
enum gf_code gf_code_from_name(const char *name);

/* May the same action work on a second try? */
bool gf_code_retryable(enum gf_code code);

/* The exit status that a command ends with when this is its only error. */
int gf_code_exit_status(enum gf_code code);

/* The analyzer doesn't see into error.c: tell it that these always return -1. */
#ifdef __clang_analyzer__
#define gf_err_set(...)   ((gf_err_set)(__VA_ARGS__), -1)
#define gf_err_errno(...) ((gf_err_errno)(__VA_ARGS__), -1)
#define gf_err_wrap(...)  ((gf_err_wrap)(__VA_ARGS__), -1)
#endif

#endif
