/* report_file.c: a file that is either as it was or complete, whatever happens in between. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/report/report.h"

/* mkstemp makes 0600; a report is for others to read as far as the user's umask says so, or as far
 * as the file it replaces. */
static mode_t wanted_mode(const char *path)
{
	struct stat st;
	mode_t mask;

	if (stat(path, &st) == 0)
		return st.st_mode & 0777;
	mask = umask(077);
	umask(mask);
	return 0666 & ~mask;
}

static int write_and_rename(int fd, const char *temporary, const char *path, mode_t mode,
                            int (*write)(void *ctx, FILE *out, struct gf_err *err), void *ctx,
                            struct gf_err *err)
{
	FILE *out = fdopen(fd, "w");
	bool bad;

	if (!out) {
		close(fd);
		return gf_err_errno(err, GF_E_INPUT, "cannot write %s", path);
	}
	if (write(ctx, out, err) < 0) {
		fclose(out);
		return -1;
	}
	bad = fflush(out) != 0 || fchmod(fd, mode ? mode : wanted_mode(path)) < 0 || fsync(fd) < 0;
	if (fclose(out) != 0 || bad || rename(temporary, path) < 0)
		return gf_err_errno(err, GF_E_INPUT, "cannot write %s", path);
	return 0;
}

int report_file_write(const char *path, mode_t mode,
                      int (*write)(void *ctx, FILE *out, struct gf_err *err), void *ctx,
                      struct gf_err *err)
{
	char *temporary = NULL;
	int fd, rc;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	fd = mkstemp(temporary);
	if (fd < 0) {
		rc = gf_err_errno(err, GF_E_INPUT, "cannot create a file beside %s", path);
		free(temporary);
		return rc;
	}
	rc = write_and_rename(fd, temporary, path, mode, write, ctx, err);
	if (rc < 0)
		unlink(temporary);
	free(temporary);
	return rc;
}
