/* nova.h: Nova on this host, from its processes, units and files: what facts/nova*.c share.
 *
 * A service's files are known for certain only from the arguments and the environment of the
 * process that runs: Debian's units start a script that puts them together. A service that does not
 * run is taken from its unit, and failing that from where oslo.config looks by itself.
 */
#ifndef GPUFLEET_FACTS_NOVA_H
#define GPUFLEET_FACTS_NOVA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "node-agent/root.h"

#define NOVA_PROCESSES_MAX 64                /* of Nova's; more are not looked at */
#define NOVA_FILES_MAX     64                /* that one service reads */
#define NOVA_FILE_LIMIT    ((size_t)4 << 20) /* of a configuration file */

/* What decides which files a service reads. */
struct nova_launch {
	const char *service;  /* "nova-compute", "nova-api", "nova-scheduler", "nova-conductor";
	                         NULL:  it is none of them */
	char prog[64];        /* the base name of sys.argv[0], which oslo.config looks for, too */
	char home[256];       /* of its user; "" is /var/lib/nova */
	bool wsgi;            /* in a web server: nova/api/openstack/wsgi_app.py names the files */
	char wsgi_dir[256];   /* OS_NOVA_CONFIG_DIR; "": /etc/nova */
	char wsgi_files[512]; /* OS_NOVA_CONFIG_FILES; "": api-paste.ini;nova.conf */
	char log[256];        /* the log file that arguments or uwsgi's file name; "" */
	json_t *args;         /* what follows sys.argv[0]: strings */
	json_t *kolla;        /* the container's config.json: paths are those inside it; NULL */
};

void nova_launch_free(struct nova_launch *launch);

/* nova_launch.c: reads a command line (an array of strings): python with a script of Nova's, the
 * script itself, uwsgi with Nova's API. False: something else; LAUNCH is empty then. uwsgi's own
 * file is read. The caller frees LAUNCH. */
bool nova_launch_read(const struct root *root, const json_t *argv, struct nova_launch *launch);

/* The same of a script in /etc/init.d that openstack-pkg-tools made, for the unit NAME
 * ("nova-compute"). */
bool nova_launch_init_script(const struct root *root, const char *name, struct nova_launch *launch);

/* Takes OS_NOVA_CONFIG_DIR, OS_NOVA_CONFIG_FILES and HOME from an environment as /proc shows it,
 * and appends to OVERRIDES those variables ("NAME=VALUE") that outweigh configuration files
 * (oslo_config/sources/_environment.py) for options of PCI devices and of the scheduler. */
void nova_launch_environment(struct nova_launch *launch, const char *text, size_t size,
                             json_t *overrides);

/* nova_files.c: sets config_files, config_dirs and read (every file, in the order in which
 * oslo.config reads them: oslo_config/cfg.py, ConfigOpts._parse_config_files) in SERVICE, as the
 * host names them. What cannot be followed goes to PROBLEMS. */
void nova_files_find(const struct root *root, const struct nova_launch *launch, json_t *service,
                     json_t *problems);

/* nova_process.c: a process that is a Nova service, and not the worker of another. */
struct nova_process {
	long pid, parent;
	char unit[128];     /* whose control group it is in; "" */
	const char *engine; /* of its container: "docker", "podman", "container"; NULL: in none */
	char program[256];  /* argv[0] */
	json_t *overrides;  /* see nova_launch_environment; values stay on the host */
	struct nova_launch launch;
};

struct nova_processes {
	struct nova_process items[NOVA_PROCESSES_MAX];
	size_t count;
	bool truncated;
};

/* PROCESSES is for nova_processes_free afterwards. */
void nova_processes_find(const struct root *root, struct nova_processes *processes);
void nova_processes_free(struct nova_processes *processes);

/* When the process started, in seconds since 1970; 0: unknown. To 10 ms, and as the clock is now.
 */
double nova_process_started(const struct root *root, long pid);

/* nova_unit.c */
struct nova_unit {
	const char *service, *name, *family; /* family: debian, rdo, kolla, apache, other */
	bool installed;
	bool known; /* systemctl answered: the following are set */
	char active[32], sub[32], enabled[32];
	long restarts, pid; /* -1: unknown */
	char exec[1024];    /* ExecStart's arguments, separated by blanks; "" */
};

#define NOVA_UNITS_MAX 32
/* All units of Nova that are known, in order of preference; how many. */
size_t nova_units_find(const struct root *root, struct nova_unit units[NOVA_UNITS_MAX]);

/* How a unit's service would be started. */
bool nova_unit_launch(const struct root *root, const struct nova_unit *unit,
                      struct nova_launch *launch);

/* nova_release.c: "26.2.2" from the package database or python's metadata. PROCESS may be NULL.
 * False: unknown. */
bool nova_release_find(const struct root *root, const struct nova_process *process,
                       char release[32]);

/* "puppet", "ansible", "juju", "kolla": by what the file's first lines say; NULL: nobody. */
const char *nova_file_manager(const struct root *root, const char *path);

/* Adds {"file","line","message"}; LINE 0: null. */
void nova_problem(json_t *problems, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
