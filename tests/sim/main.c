/* main.c: gpufleet-sim --dir STATE [--quiet] SCENARIO.json
 *
 * Builds the scenario's hosts under STATE (which must not exist or be empty), writes
 * STATE/inventory.json, boots the hosts, writes STATE/ready and serves until SIGTERM. `gpufleet-sim
 * modprobe ROOT MODULE` is what the hosts' modprobe stand-in calls.
 */
#include "sim.h"

#include <errno.h>
#include <getopt.h>
#include <libssh/libssh.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Mounts made for faults are the simulator's own and end with it; without root there are none. */
static void mounts_separate(const struct sim *sim)
{
	bool needed = false;

	for (size_t i = 0; i < sim->host_count; i++)
		needed |= sim->hosts[i].faults.read_only_etc || sim->hosts[i].faults.no_space;
	if (needed && (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)))
		sim_die("faults that need a mount need root: %s", strerror(errno));
}

static void files_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
	                                        {"quiet", no_argument, NULL, 'q'},
	                                        {NULL, 0, NULL, 0}};
	static struct sim sim;
	char *real;
	int option;

	if (argc == 4 && !strcmp(argv[1], "modprobe")) {
		if (module_model_load(argv[2], argv[3], "") == 0)
			return 0;
		fprintf(stderr, "modprobe: FATAL: Module %s not found.\n", argv[3]);
		return 1;
	}
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			sim_path(sim.directory, "%s", optarg);
		else if (option == 'q')
			sim.quiet = true;
		else
			return 2;
	}
	if (!*sim.directory || optind + 1 != argc) {
		fprintf(stderr, "usage: gpufleet-sim --dir STATE [--quiet] SCENARIO.json\n");
		return 2;
	}
	umask(022);
	sim_mkdir(sim.directory);
	real = realpath(sim.directory, NULL);
	if (!real)
		sim_die("%s: %s", sim.directory, strerror(errno));
	sim_path(sim.directory, "%.700s", real);
	free(real);
	files_raise();
	scenario_load(&sim, argv[optind]);
	mounts_separate(&sim);
	for (size_t i = 0; i < sim.host_count; i++)
		sim_mkdir(sim.hosts[i].directory);
	keys_create(&sim);
	server_open(&sim);
	keys_write_inventory(&sim);
	return server_run(&sim);
}
