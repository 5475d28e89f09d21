/* error.c: see error.h. */
#include "node-agent/wire/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifdef __clang_analyzer__
#undef gf_err_set
#undef gf_err_errno
#undef gf_err_wrap
#endif

static const struct {
	const char *name;
	bool retryable;
	int exit_status;
} codes[] = {[GF_OK] = {"ok", false, 0},
#define X(code, name, retry, status) [code] = {name, retry, status},
             GF_ERROR_CODES(X)
#undef X
};

#define CODE_COUNT (sizeof(codes) / sizeof(codes[0]))

int gf_err_set(struct gf_err *err, enum gf_code code, const char *format, ...)
{
	if (err) {
		va_list args;
		va_start(args, format);
		err->code = code;
		vsnprintf(err->msg, sizeof(err->msg), format, args);
		va_end(args);
	}
	return -1;
}

int gf_err_errno(struct gf_err *err, enum gf_code code, const char *format, ...)
{
	int saved = errno;
	if (err) {
		va_list args;
		va_start(args, format);
		err->code = code;
		vsnprintf(err->msg, sizeof(err->msg), format, args);
		va_end(args);
		size_t used = strlen(err->msg);
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(saved));
	}
	errno = saved;
	return -1;
}

int gf_err_wrap(struct gf_err *err, const char *format, ...)
{
	if (err) {
		char inner[sizeof(err->msg)];
		memcpy(inner, err->msg, sizeof(inner));
		va_list args;
		va_start(args, format);
		vsnprintf(err->msg, sizeof(err->msg), format, args);
		va_end(args);
		size_t used = strlen(err->msg);
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", inner);
	}
	return -1;
}

const char *gf_code_name(enum gf_code code)
{
	return (size_t)code < CODE_COUNT ? codes[code].name : "internal";
}

enum gf_code gf_code_from_name(const char *name)
{
	for (size_t i = GF_OK + 1; i < CODE_COUNT; i++)
		if (strcmp(codes[i].name, name) == 0)
			return (enum gf_code)i;
	return GF_E_INTERNAL;
}

bool gf_code_retryable(enum gf_code code)
{
	return (size_t)code < CODE_COUNT && codes[code].retryable;
}

int gf_code_exit_status(enum gf_code code)
{
	return (size_t)code < CODE_COUNT ? codes[code].exit_status : 1;
}
