/* server.c: listens for every host, takes connections, and turns hosts off and on. One thread
 * polls; every connection and every boot has a thread of its own.
 *
 * A host goes down when its control/reboot (or crash) appears: connections are cut, its processes
 * (known by GPUFLEET_SYSROOT in their environment) are killed, its port is closed but kept; after
 * boot_seconds the boot model runs and the port is open again. A host whose kernel panicked stays
 * down until its control/power appears (or boots again by itself, with panic=SECONDS).
 */
#include "sim.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ssh_peer.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int wake_fd;

static void pause_for(double seconds)
{
	struct timespec left = {.tv_sec = (time_t)seconds};

	left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static void say(const struct sim *sim, const char *name, const char *what)
{
	struct timespec now;

	if (sim->quiet)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(stderr, "%lld.%03ld %s: %s\n", (long long)now.tv_sec, now.tv_nsec / 1000000, name,
	        what);
}

/* Takes the host's port without listening: connections are refused, and nobody else gets it. The
 * new socket has the port before the old one gives it up: in between, somebody's outgoing
 * connection could be given it. */
static void port_hold(struct sim_host *host)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(host->port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(address);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (inet_pton(AF_INET, host->address, &address.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		sim_die("host %s: cannot bind %s:%d: %s", host->name, host->address, host->port,
		        strerror(errno));
	if (host->listener >= 0)
		close(host->listener);
	host->listener = fd;
	host->port = ntohs(address.sin_port);
}

static void sessions_cut(struct sim_host *host)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < SIM_SESSIONS_MAX; i++)
		if (host->sessions[i] >= 0)
			shutdown(host->sessions[i], SHUT_RDWR);
	pthread_mutex_unlock(&lock);
}

/* Kills what runs on the host: only processes with exactly this host's root in their environment.
 */
static void processes_kill(const struct sim_host *host)
{
	char wanted[SIM_PATH + 32], path[64], data[16384];
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	snprintf(wanted, sizeof(wanted), "GPUFLEET_SYSROOT=%s", host->root);
	while (dir && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		ssize_t n = -1;
		int fd;

		if (pid <= 1 || pid == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%d/environ", pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			n = read(fd, data, sizeof(data) - 1);
			close(fd);
		}
		if (n <= 0)
			continue;
		data[n] = '\0';
		for (char *p = data; p < data + n; p += strlen(p) + 1) {
			if (!strcmp(p, wanted)) {
				kill(pid, SIGKILL);
				break;
			}
		}
	}
	if (dir)
		closedir(dir);
}

struct boot {
	struct sim *sim;
	struct sim_host *host;
};

/* control/boots counts the boots that are over; with the host's port open, unless a fault keeps it
 * shut. */
static void boots_write(const struct sim_host *host)
{
	char path[SIM_PATH], fresh[SIM_PATH];

	sim_path(path, "%.900s/boots", host->control);
	sim_path(fresh, "%.900s/boots.new", host->control);
	sim_write(fresh, "%u\n", host->boots);
	rename(fresh, path); /* somebody may be reading it */
}

/* A command line that keeps the network card's driver away: the host is up, and nobody reaches it.
 */
static bool network_is_off(const struct sim_host *host)
{
	char path[SIM_PATH], *line;
	bool off;

	sim_path(path, "%.900s/proc/cmdline", host->root);
	line = sim_read(path);
	off = line && strstr(line, "modprobe.blacklist=virtio_net");
	free(line);
	return off;
}

/* power.log: "SECONDS NAME down|up" on the monotonic clock, for whoever asks how many were down at
 * once. Down is told when the host was asked to reboot, up before it can be reached: what overlaps
 * in the log overlapped for whoever looked. */
static void power_log(const struct sim *sim, const struct sim_host *host, const char *what)
{
	struct timespec now;
	char path[SIM_PATH];
	FILE *file;

	sim_path(path, "%.900s/power.log", sim->directory);
	pthread_mutex_lock(&lock);
	file = fopen(path, "ae");
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!file || fprintf(file, "%lld.%06ld %s %s\n", (long long)now.tv_sec, now.tv_nsec / 1000,
	                     host->name, what) < 0)
		sim_die("cannot write %s", path);
	fclose(file);
	pthread_mutex_unlock(&lock);
}

static void *boot_thread(void *ctx)
{
	struct boot *boot = ctx;
	struct sim_host *host = boot->host;
	uint64_t one = 1;
	enum boot_end end;

	if (!host->crash)
		pause_for(boot->sim->shutdown_seconds);
	say(boot->sim, host->name, host->crash ? "crashed" : "going down for a reboot");
	pthread_mutex_lock(&lock);
	host->power = SIM_GOING_DOWN;
	pthread_mutex_unlock(&lock);
	port_hold(host);
	sessions_cut(host);
	processes_kill(host);
	do {
		pause_for(host->boot_seconds);
		end = boot_model_run(host);
		if (end != BOOT_UP) {
			say(boot->sim, host->name, "kernel panic");
			boots_write(host);
		}
	} while (end == BOOT_AGAIN);
	if (end != BOOT_UP || host->faults.never_return) {
		if (end == BOOT_UP)
			say(boot->sim, host->name, "never comes back");
		boots_write(host);
		pthread_mutex_lock(&lock);
		host->power = SIM_DOWN;
		pthread_mutex_unlock(&lock);
		free(boot);
		return NULL;
	}
	if (host->faults.change_key_after_reboot) /* it keeps the new one */
		keys_host_load(host, true);
	host->faults.change_key_after_reboot = false;
	power_log(boot->sim, host, "up");
	pthread_mutex_lock(&lock);
	host->power = SIM_UP;
	pthread_mutex_unlock(&lock);
	if (!network_is_off(host) && listen(host->listener, 128))
		sim_die("host %s: cannot listen: %s", host->name, strerror(errno));
	boots_write(host);
	say(boot->sim, host->name, network_is_off(host) ? "up, without a network" : "up again");
	if (write(wake_fd, &one, sizeof(one)) < 0)
		sim_die("cannot wake the server");
	free(boot);
	return NULL;
}

static void thread_start(void *(*run)(void *), void *ctx)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, ctx))
		sim_die("no thread");
	pthread_detach(thread);
}

/* HOW: "reboot", "crash" (no shutdown), or "power": off and on, of a host that is hung, too. */
static void host_reboot(struct sim *sim, struct sim_host *host, const char *how)
{
	struct boot *boot;
	bool crash = strcmp(how, "reboot") != 0, can;

	pthread_mutex_lock(&lock);
	can = host->power == SIM_UP || (host->power == SIM_DOWN && !strcmp(how, "power"));
	if (can)
		host->power = crash ? SIM_GOING_DOWN : SIM_SHUTTING;
	pthread_mutex_unlock(&lock);
	if (!can)
		return;
	power_log(sim, host, "down");
	host->crash = crash;
	boot = malloc(sizeof(*boot));
	if (!boot)
		sim_die("out of memory");
	*boot = (struct boot){sim, host};
	thread_start(boot_thread, boot);
}

static void *session_thread(void *ctx)
{
	struct session_start *start = ctx;
	struct sim_host *host = start->host;

	session_serve(start);
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < SIM_SESSIONS_MAX; i++)
		if (host->sessions[i] == start->held)
			host->sessions[i] = -1;
	close(start->held);
	pthread_mutex_unlock(&lock);
	ssh_disconnect(start->session);
	ssh_free(start->session);
	free(start);
	return NULL;
}

/* Under the lock. */
static bool is_open(const struct sim_host *host)
{
	return (host->power == SIM_UP || host->power == SIM_SHUTTING) && !host->faults.refuse;
}

static void host_accept(struct sim *sim, struct sim_host *host)
{
	struct session_start *start;
	bool placed = false;
	int fd = -1, held;

	/* By now the listener may be closed, and its number another's. */
	pthread_mutex_lock(&lock);
	if (is_open(host))
		fd = accept4(host->listener, NULL, NULL, SOCK_CLOEXEC);
	pthread_mutex_unlock(&lock);
	if (fd < 0)
		return;
	/* libssh closes its descriptor when the peer goes, and the number would be another socket's
	 * by the time that the host's sessions are cut: a second one is ours. */
	held = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_lock(&lock);
	for (size_t i = 0; held >= 0 && i < SIM_SESSIONS_MAX && !placed; i++) {
		if (host->sessions[i] < 0) {
			host->sessions[i] = held;
			placed = true;
		}
	}
	pthread_mutex_unlock(&lock);
	if (!placed) {
		close(fd);
		if (held >= 0)
			close(held);
		return;
	}
	if (host->faults.hang)
		return; /* stays open, nothing is said, until the host goes down */
	start = calloc(1, sizeof(*start));
	if (!start)
		sim_die("out of memory");
	*start =
	    (struct session_start){.sim = sim, .host = host, .held = held, .session = ssh_new()};
	if (ssh_bind_accept_fd(host->bind, start->session, fd) != SSH_OK)
		sim_die("host %s: cannot serve a connection: %s", host->name,
		        ssh_get_error(host->bind));
	thread_start(session_thread, start);
}

/* Builds and boots every host; of one entry of the scenario only the first, the others are copies.
 */
static void hosts_build(struct sim *sim)
{
	for (size_t i = 0; i < sim->host_count; i++) {
		struct sim_host *host = &sim->hosts[i];

		if (i > 0 && host->scenario == sim->hosts[i - 1].scenario) {
			host_root_clone(&sim->hosts[i - 1], host);
		} else {
			host_root_create(host);
			if (sim->agent_bundle)
				host_root_put_agent(host, sim->agent_bundle);
			if (boot_model_run(host) != BOOT_UP)
				sim_die("host %s does not boot", host->name);
		}
	}
}

void server_open(struct sim *sim)
{
	hosts_build(sim);
	for (size_t i = 0; i < sim->host_count; i++)
		port_hold(&sim->hosts[i]);
}

static void requests_take(struct sim *sim, int inotify)
{
	char buffer[8192] __attribute__((aligned(8)));
	ssize_t n;

	while ((n = read(inotify, buffer, sizeof(buffer))) > 0) {
		for (char *p = buffer; p < buffer + n;) {
			const struct inotify_event *event = (const void *)p;

			p += sizeof(*event) + event->len;
			sysfs_watch_event(inotify, event);
			for (size_t i = 0; event->len && i < sim->host_count; i++) {
				struct sim_host *host = &sim->hosts[i];
				char path[SIM_PATH];

				if (host->inotify_watch != event->wd)
					continue;
				sim_path(path, "%.800s/%.100s", host->control, event->name);
				if (!strcmp(event->name, "reboot") ||
				    !strcmp(event->name, "crash") ||
				    !strcmp(event->name, "power")) {
					unlink(path);
					host_reboot(sim, host, event->name);
				} else if (!strcmp(event->name, "cut")) {
					unlink(path);
					say(sim, host->name, "connections cut");
					sessions_cut(host);
				}
			}
		}
	}
}

int server_run(struct sim *sim)
{
	struct pollfd *fds = calloc(sim->host_count + 3, sizeof(*fds));
	int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), signals = ssh_peer_signals();
	char path[SIM_PATH];
	uint64_t count;

	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!fds || inotify < 0 || signals < 0 || wake_fd < 0)
		sim_die("cannot start: %s", strerror(errno));
	for (size_t i = 0; i < sim->host_count; i++) {
		struct sim_host *host = &sim->hosts[i];

		host->power = SIM_UP;
		if (!host->faults.refuse && listen(host->listener, 128))
			sim_die("host %s: cannot listen: %s", host->name, strerror(errno));
		boots_write(host);
		sysfs_watch_start(inotify, host);
		host->inotify_watch = inotify_add_watch(inotify, host->control, IN_CLOSE_WRITE);
		if (host->inotify_watch < 0)
			sim_die("cannot watch %s: %s", host->control, strerror(errno));
	}
	sim_path(path, "%.900s/ready", sim->directory);
	sim_write(path, "%zu hosts\n", sim->host_count);
	printf("gpufleet-sim: %zu hosts; inventory %.900s/inventory.json\n", sim->host_count,
	       sim->directory);
	fflush(stdout);
	for (;;) {
		fds[0] = (struct pollfd){.fd = signals, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = inotify, .events = POLLIN};
		fds[2] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
		for (size_t i = 0; i < sim->host_count; i++) {
			struct sim_host *host = &sim->hosts[i];
			bool open;

			pthread_mutex_lock(&lock);
			open = is_open(host);
			pthread_mutex_unlock(&lock);
			fds[i + 3] =
			    (struct pollfd){.fd = open ? host->listener : -1, .events = POLLIN};
		}
		if (poll(fds, sim->host_count + 3, -1) < 0 && errno != EINTR)
			sim_die("poll: %s", strerror(errno));
		if (fds[0].revents)
			break;
		if (fds[2].revents && read(wake_fd, &count, sizeof(count)) < 0)
			continue;
		if (fds[1].revents)
			requests_take(sim, inotify);
		for (size_t i = 0; i < sim->host_count; i++)
			if (fds[i + 3].revents & POLLIN)
				host_accept(sim, &sim->hosts[i]);
	}
	for (size_t i = 0; i < sim->host_count; i++)
		processes_kill(&sim->hosts[i]);
	free(fds);
	return 0;
}
