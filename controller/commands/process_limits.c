/* process_limits.c: see process_limits.h. */
#include "controller/commands/process_limits.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#define FILES_OWN 64 /* the store, the loop, the programs that are run, standard streams */
#define FILES_CONNECTION                                                                           \
	6 /* the socket and its copy, both ends of an agent's stand-in or a tunnel, a look-up */

void process_limits_secrets(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* its leak check attaches to the process itself */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

int process_limits_files(size_t connections, struct gf_err *err)
{
	struct rlimit limit;
	size_t needed = FILES_OWN + FILES_CONNECTION * connections;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	if (limit.rlim_cur < limit.rlim_max) {
		struct rlimit raised = {limit.rlim_max, limit.rlim_max};

		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			limit = raised;
	}
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= needed)
		return 0;
	if (limit.rlim_cur < FILES_OWN + FILES_CONNECTION)
		return gf_err_set(
		    err, GF_E_USAGE,
		    "only %llu files may be open at once (ulimit -n), too few for any "
		    "connection: raise that to %zu",
		    (unsigned long long)limit.rlim_cur, needed);
	return gf_err_set(err, GF_E_USAGE,
	                  "%zu connections at once need up to %zu open files, and only %llu are "
	                  "allowed (ulimit -n): "
	                  "raise that, or give --forks %llu",
	                  connections, needed, (unsigned long long)limit.rlim_cur,
	                  (unsigned long long)(limit.rlim_cur - FILES_OWN) / FILES_CONNECTION);
}
