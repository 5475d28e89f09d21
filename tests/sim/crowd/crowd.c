/* crowd.c: gpufleet-crowd --dir STATE --recording DIR [--recording DIR…] --hosts N …
 *
 * Answers for N hosts over SSH as hosts that were recorded did (host number i as the recording i
 * modulo their number), until SIGTERM; STATE/inventory.json leads to them. At the end STATE/counts
 * says what was asked of them.
 */
#include "crowd.h"
#include "tests/sim/ssh_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void crowd_die(const char *format, ...)
{
	va_list args;

	fputs("gpufleet-crowd: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

uint64_t crowd_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const char usage[] =
    "usage: gpufleet-crowd --dir STATE --recording DIR [--recording DIR...] --hosts N\n"
    "  [--inventory FILE]    further keys for the inventory (gpus, nova, rollout)\n"
    "  [--boot-seconds S]    how long a reboot takes (2)\n"
    "  [--latency MS]        before each answer (0)\n"
    "  [--loss PERCENT]      of the answers are lost, and the connection with them (0)\n";

static int listener_open(struct crowd *crowd)
{
	/* Every address of the loopback device, and of no other. */
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(address);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		crowd_die("cannot listen on the loopback device: %s", strerror(errno));
	crowd->port = ntohs(address.sin_port);
	return fd;
}

static void hosts_make(struct crowd *crowd)
{
	crowd->hosts = calloc(crowd->count, sizeof(*crowd->hosts));
	if (!crowd->hosts)
		crowd_die("out of memory");
	for (size_t i = 0; i < crowd->count; i++) {
		struct crowd_host *host = &crowd->hosts[i];

		host->index = i;
		snprintf(host->name, sizeof(host->name), "gpu%05zu", i + 1);
		host->recording = &crowd->recordings[i % crowd->recording_count];
		pthread_mutex_init(&host->lock, NULL);
	}
}

/* Of a host that is down nobody hears more than a reset. */
static bool host_is_up(struct crowd_host *host)
{
	bool up;

	pthread_mutex_lock(&host->lock);
	up = crowd_now_ms() >= host->up_at;
	pthread_mutex_unlock(&host->lock);
	return up;
}

static void connection_take(struct crowd *crowd, int fd)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_in address = {0};
	socklen_t size = sizeof(address);
	ssh_session session;
	size_t index;

	if (getsockname(fd, (struct sockaddr *)&address, &size)) {
		close(fd);
		return;
	}
	index = crowd_index(ntohl(address.sin_addr.s_addr));
	if (index >= crowd->count || !host_is_up(&crowd->hosts[index])) {
		crowd->counts.refused++;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
		return;
	}
	crowd->counts.connections++;
	session = ssh_new();
	if (!session || ssh_bind_accept_fd(crowd->bind, session, fd) != SSH_OK)
		crowd_die("cannot serve a connection: %s", ssh_get_error(crowd->bind));
	crowd_session_start(crowd, &crowd->hosts[index], session);
}

static FILE *state_open(const struct crowd *crowd, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", crowd->directory, name);
	file = fopen(path, "we");
	if (!file)
		crowd_die("cannot write %s", path);
	return file;
}

static void counts_write(struct crowd *crowd)
{
	struct crowd_counts *counts = &crowd->counts;
	FILE *file = state_open(crowd, "counts");

	fprintf(file,
	        "{\"connections\": %zu, \"refused\": %zu, \"requests\": %zu, \"unknown\": %zu, "
	        "\"reboots\": %zu, \"lost\": %zu, \"most_down\": %zu}\n",
	        counts->connections, counts->refused, counts->requests, counts->unknown,
	        counts->reboots, counts->lost, counts->most_down);
	fclose(file);
}

static void crowd_run(struct crowd *crowd, int listener, int signals)
{
	struct pollfd fds[2] = {{.fd = signals, .events = POLLIN},
	                        {.fd = listener, .events = POLLIN}};
	int fd;

	fclose(state_open(crowd, "ready"));
	while (!fds[0].revents) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			crowd_die("poll: %s", strerror(errno));
		while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
			connection_take(crowd, fd);
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			crowd_die("accept: %s", strerror(errno));
	}
	counts_write(crowd);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
	                                        {"recording", required_argument, NULL, 'r'},
	                                        {"hosts", required_argument, NULL, 'n'},
	                                        {"inventory", required_argument, NULL, 'i'},
	                                        {"boot-seconds", required_argument, NULL, 'b'},
	                                        {"latency", required_argument, NULL, 'l'},
	                                        {"loss", required_argument, NULL, 'x'},
	                                        {NULL, 0, NULL, 0}};
	static struct crowd crowd = {.boot_seconds = 2};
	const char *inventory = NULL;
	struct rlimit files;
	int option, listener, signals;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			crowd.directory = optarg;
		else if (option == 'r' && crowd.recording_count < 8)
			recording_load(&crowd.recordings[crowd.recording_count++], optarg);
		else if (option == 'n')
			crowd.count = strtoul(optarg, NULL, 10);
		else if (option == 'i')
			inventory = optarg;
		else if (option == 'b')
			crowd.boot_seconds = strtod(optarg, NULL);
		else if (option == 'l')
			crowd.latency_ms = strtod(optarg, NULL);
		else if (option == 'x')
			crowd.loss_percent = strtod(optarg, NULL);
		else
			crowd.directory = NULL, argc = 0;
	}
	if (!crowd.directory || !crowd.recording_count || !crowd.count || optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signals = ssh_peer_signals();
	hosts_make(&crowd);
	listener = listener_open(&crowd);
	crowd_files_write(&crowd, inventory);
	crowd_run(&crowd, listener, signals);
	_exit(0); /* threads are still at work with what exit() would take down */
}
