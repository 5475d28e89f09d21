/* session.c: one SSH connection to a simulated host, on a thread of its own: key exchange,
 * public-key authentication, then commands, each a /bin/sh with the host's root in
 * GPUFLEET_SYSROOT, relayed without ever blocking on a program.
 *
 * Failure modes: a peer that goes away, or the server that shuts the socket (reboot, cut): the loop
 * ends and pipes are closed; programs go on, as they do on a real host, unless the host went down
 * with them.
 */
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ssh_peer.h"

#define CHUNK 16384

struct serving {
	struct sim *sim;
	struct sim_host *host;
	struct ssh_peer peer;
	pid_t pid;
	int in, out, err;  /* our ends, -1: closed */
	char *input;       /* not yet taken by the program */
	size_t input_size; /* in use */
	bool input_eof, running, over;
	bool cut;
	long cut_at, left; /* output bytes until the cut: of the whole session, and from here */
	long bytes_per_second;
	struct recorder *recorder; /* of the command that runs; or NULL */
};

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int data_cb(ssh_session session, ssh_channel channel, void *data, uint32_t size,
                   int is_stderr, void *ctx)
{
	struct serving *serving = ctx;
	char *input = realloc(serving->input, serving->input_size + size);

	(void)session;
	(void)channel;
	(void)is_stderr;
	if (!input)
		sim_die("out of memory");
	recorder_add(serving->recorder, false, data, size);
	memcpy(input + serving->input_size, data, size);
	serving->input = input;
	serving->input_size += size;
	return (int)size;
}

static void eof_cb(ssh_session session, ssh_channel channel, void *ctx)
{
	(void)session;
	(void)channel;
	((struct serving *)ctx)->input_eof = true;
}

static void close_cb(ssh_session session, ssh_channel channel, void *ctx)
{
	struct serving *serving = ctx;

	(void)session;
	(void)channel;
	serving->input_eof = true;
	serving->input_size = 0;
	fd_close(&serving->out);
	fd_close(&serving->err);
}

/* Is it the start of the agent that the host has? Then nothing is gained by looking for it, which
 * takes dozens of programs. */
static bool agent_is_started(const struct sim_host *host, const char *command)
{
	char wanted[SIM_PATH];

	if (!*host->agent)
		return false;
	sim_path(wanted, " gpufleet %.100s ", strrchr(host->agent, '/') + 1);
	return strstr(command, wanted) != NULL;
}

/* The program sees the host's own tools first, and its root in GPUFLEET_SYSROOT. */
static int exec_cb(ssh_session session, ssh_channel channel, const char *command, void *ctx)
{
	struct serving *serving = ctx;
	const char *root = serving->host->root;
	char path[SIM_PATH * 4], sysroot[SIM_PATH + 32], name[128], home[SIM_PATH + 16];
	char *env[] = {path, sysroot, name, home, (char[]){"LC_ALL=C"}, (char[]){"USER=root"},
	               NULL};
	static const char start[] =
	    "umask 077; PATH=/usr/sbin:/usr/bin:/sbin:/bin; export GPUFLEET_AGENT_DIR=\"$0\"; exec "
	    "\"$0/ld.so\" --library-path \"$0\" \"$0/gpufleet-agent\" --state-dir "
	    "/var/lib/gpufleet "
	    "serve";
	const char *argv[] = {"/bin/sh", "-c", command, NULL, NULL};
	char answer[SIM_PATH], *hostile;
	int in[2], out[2], err[2], status;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;

	(void)session;
	(void)channel;
	if (serving->running)
		return SSH_ERROR;
	sim_path(answer, "%.900s/fault/answer", serving->host->control);
	if (agent_is_started(serving->host, command)) {
		argv[2] = start;
		argv[3] = serving->host->agent;
	}
	hostile = sim_read(answer);
	if (hostile) /* whatever was asked for */
		argv[2] = hostile;
	snprintf(path, sizeof(path),
	         "PATH=%s/usr/sbin:%s/usr/bin:%s/sbin:/usr/sbin:/usr/bin:/sbin:/bin", root, root,
	         root);
	snprintf(sysroot, sizeof(sysroot), "GPUFLEET_SYSROOT=%s", root);
	snprintf(name, sizeof(name), "HOSTNAME=%s", serving->host->name);
	snprintf(home, sizeof(home), "HOME=%s/root", root);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		sim_die("no pipes: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, err[1], 2);
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	status = posix_spawn(&serving->pid, argv[0], &actions, &attributes,
	                     (char *const *)(uintptr_t)argv, env);
	free(hostile);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	serving->in = in[1];
	serving->out = out[0];
	serving->err = err[0];
	fcntl(serving->in, F_SETFL, O_NONBLOCK);
	fcntl(serving->out, F_SETFL, O_NONBLOCK);
	fcntl(serving->err, F_SETFL, O_NONBLOCK);
	serving->running = status == 0;
	recorder_close(serving->recorder);
	serving->recorder = recorder_open(serving->host);
	return status ? SSH_ERROR : SSH_OK;
}

static void input_relay(struct serving *serving)
{
	while (serving->in >= 0 && serving->input_size) {
		ssize_t n = write(serving->in, serving->input, serving->input_size);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* the program closed its input */
			serving->input_size = 0;
			fd_close(&serving->in);
			return;
		}
		serving->input_size -= (size_t)n;
		memmove(serving->input, serving->input + n, serving->input_size);
	}
	if (serving->input_eof)
		fd_close(&serving->in);
}

static void link_slow(const struct serving *serving, size_t size)
{
	struct timespec pause;
	double seconds;

	if (serving->bytes_per_second <= 0)
		return;
	seconds = (double)size / (double)serving->bytes_per_second;
	pause.tv_sec = (time_t)seconds;
	pause.tv_nsec = (long)((seconds - (double)pause.tv_sec) * 1e9);
	nanosleep(&pause, NULL);
}

/* A line for each connection that was cut: a conversation may be over before its cut comes. */
static void cut_log(const struct serving *serving)
{
	char path[SIM_PATH];
	FILE *file;

	sim_path(path, "%.900s/cuts", serving->host->control);
	file = fopen(path, "ae");
	if (!file || fprintf(file, "%ld\n", serving->cut_at) < 0)
		sim_die("cannot write %s", path);
	fclose(file);
}

static void output_relay(struct serving *serving, int *fd, bool is_stderr)
{
	char data[CHUNK];

	while (*fd >= 0) {
		size_t room = ssh_channel_window_size(serving->peer.channel);
		ssize_t n;

		room = room < sizeof(data) ? room : sizeof(data);
		if (serving->bytes_per_second > 0 && room > 512)
			room = 512;
		if (room == 0)
			return;
		n = read(*fd, data, room);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			fd_close(fd);
			return;
		}
		if (serving->cut && n > serving->left)
			n = serving->left;
		if (!is_stderr)
			recorder_add(serving->recorder, true, data, (size_t)n);
		if (n &&
		    (is_stderr ? ssh_channel_write_stderr(serving->peer.channel, data, (uint32_t)n)
		               : ssh_channel_write(serving->peer.channel, data, (uint32_t)n)) < 0) {
			serving->over = true;
			return;
		}
		link_slow(serving, (size_t)n);
		serving->left -= n;
		if (serving->cut && serving->left <= 0) {
			ssh_blocking_flush(serving->peer.session, 1000);
			cut_log(serving);
			serving->over = true;
			return;
		}
		if (serving->bytes_per_second > 0)
			return;
	}
}

/* Sends the exit status once the program ended and all it wrote was sent; the channel ends with it.
 */
static void exit_relay(struct serving *serving)
{
	int status;

	if (!serving->running || serving->out >= 0 || serving->err >= 0 ||
	    waitpid(serving->pid, &status, WNOHANG) != serving->pid)
		return;
	serving->running = false;
	if (ssh_channel_is_open(serving->peer.channel)) {
		if (WIFSIGNALED(status))
			ssh_channel_request_send_exit_signal(
			    serving->peer.channel, WTERMSIG(status) == SIGKILL ? "KILL" : "TERM", 0,
			    "", "");
		else
			ssh_channel_request_send_exit_status(serving->peer.channel,
			                                     WEXITSTATUS(status));
		ssh_channel_send_eof(serving->peer.channel);
		ssh_channel_close(serving->peer.channel);
	}
	ssh_channel_free(serving->peer.channel);
	serving->peer.channel = NULL;
	serving->input_size = 0;
	serving->input_eof = false;
	fd_close(&serving->in);
}

static void wait_for_work(struct serving *serving)
{
	bool window = serving->peer.channel && ssh_channel_window_size(serving->peer.channel) > 0;
	struct pollfd fds[4] = {
	    {.fd = ssh_get_fd(serving->peer.session), .events = POLLIN},
	    {.fd = window ? serving->out : -1, .events = POLLIN},
	    {.fd = window ? serving->err : -1, .events = POLLIN},
	    {.fd = serving->input_size ? serving->in : -1, .events = POLLOUT},
	};
	bool ending = serving->running && serving->out < 0 && serving->err < 0;

	if (ssh_get_poll_flags(serving->peer.session) & SSH_WRITE_PENDING)
		fds[0].events |= POLLOUT;
	poll(fds, 4, ending ? 2 : 500);
}

static void faults_read(struct serving *serving)
{
	struct sim_faults *faults = &serving->host->faults;
	char path[SIM_PATH], *text;

	if (faults->cut_after > 0 && faults->cut_times > 0) {
		faults->cut_times--;
		serving->cut = true;
		serving->cut_at = serving->left = faults->cut_after;
	}
	serving->bytes_per_second = faults->bytes_per_second;
	sim_path(path, "%.900s/fault/cut-after", serving->host->control);
	text = sim_read(path);
	if (text) {
		serving->cut = true;
		serving->cut_at = serving->left = atol(text);
		unlink(path);
	}
	free(text);
}

void session_serve(struct session_start *start)
{
	struct serving serving = {
	    .sim = start->sim,
	    .host = start->host,
	    .peer = {
	        .session = start->session,
	        .client_key = start->host->faults.deny_auth ? NULL : start->sim->client_key,
	        .channel_cb = {.userdata = &serving,
	                       .channel_data_function = data_cb,
	                       .channel_eof_function = eof_cb,
	                       .channel_close_function = close_cb,
	                       .channel_exec_request_function = exec_cb},
	    }};
	ssh_event event = ssh_event_new();
	bool greeted;

	serving.in = serving.out = serving.err = -1;
	faults_read(&serving);
	greeted = ssh_peer_greet(&serving.peer, event);
	while (!serving.over && greeted) {
		wait_for_work(&serving);
		if (ssh_event_dopoll(event, 0) == SSH_ERROR ||
		    ssh_get_status(serving.peer.session) & (SSH_CLOSED | SSH_CLOSED_ERROR))
			break;
		if (!serving.peer.channel)
			continue;
		input_relay(&serving);
		output_relay(&serving, &serving.out, false);
		if (!serving.over)
			output_relay(&serving, &serving.err, true);
		exit_relay(&serving);
		if (serving.peer.channel && !serving.running &&
		    ssh_channel_is_closed(serving.peer.channel)) {
			ssh_channel_free(serving.peer.channel);
			serving.peer.channel = NULL;
		}
	}
	fd_close(&serving.in);
	fd_close(&serving.out);
	fd_close(&serving.err);
	if (serving.running) { /* a detached program goes on; the one on this connection sees its
		                  pipes close */
		int status;

		for (int i = 0; i < 500 && waitpid(serving.pid, &status, WNOHANG) == 0; i++)
			poll(NULL, 0, 10);
	}
	free(serving.input);
	recorder_close(serving.recorder);
	if (greeted)
		ssh_event_remove_session(event, serving.peer.session);
	ssh_event_free(event);
}
