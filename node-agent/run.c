/* run.c: running the host's programs, never through a shell (see root.h).
 *
 * The child gets its own process group, so that a deadline ends all that it started. Possible
 * failure modes: no such program (127 is never guessed at: execve's own errno comes back through a
 * close-on-exec pipe); a descendant that keeps the output open after the child ended (one second of
 * grace, then it is left alone); a child in uninterruptible sleep that survives SIGKILL (left
 * behind, reported).
 */
#include "node-agent/root.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const program_dirs[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};

#define DIR_COUNT (sizeof(program_dirs) / sizeof(program_dirs[0]))

static bool program_at(const struct root *root, const char *path, struct root_name *found)
{
	struct stat st;
	*found = root_path(root, path);
	return stat(found->text, &st) == 0 && S_ISREG(st.st_mode) && access(found->text, X_OK) == 0;
}

static bool program_find(const struct root *root, const char *name, struct root_name *found)
{
	if (name[0] == '/')
		return program_at(root, name, found);
	if (!*name || strchr(name, '/'))
		return false;
	for (size_t i = 0; i < DIR_COUNT; i++) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), "%s/%s", program_dirs[i], name);
		if (n > 0 && (size_t)n < sizeof(path) && program_at(root, path, found))
			return true;
	}
	return false;
}

bool root_program_exists(const struct root *root, const char *name)
{
	struct root_name found;
	return program_find(root, name, &found);
}

struct environment {
	char path[6 * PATH_MAX];
	char sysroot[PATH_MAX + 32];
	char *list[8];
};

static char constant_locale[] = "LC_ALL=C.UTF-8", constant_home[] = "HOME=/root",
            constant_frontend[] = "DEBIAN_FRONTEND=noninteractive", constant_term[] = "TERM=dumb";

static void environment_fill(struct environment *env, const struct root *root)
{
	size_t n = 0, used = 0;
	used += (size_t)snprintf(env->path, sizeof(env->path), "PATH=");
	/* Under a sysroot its stand-ins come first; the shell they are written in is the machine's
	 * own. */
	for (size_t i = 0; root_is_sysroot(root) && i < DIR_COUNT; i++)
		used += (size_t)snprintf(env->path + used, sizeof(env->path) - used,
		                         "%s%s:", root->path, program_dirs[i]);
	snprintf(env->path + used, sizeof(env->path) - used,
	         "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	env->list[n++] = env->path;
	env->list[n++] = constant_locale;
	env->list[n++] = constant_home;
	env->list[n++] = constant_frontend;
	env->list[n++] = constant_term;
	if (root_is_sysroot(root)) {
		snprintf(env->sysroot, sizeof(env->sysroot), "GPUFLEET_SYSROOT=%s", root->path);
		env->list[n++] = env->sysroot;
	}
	env->list[n] = NULL;
}

static void child_close_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
		return;
#endif
	for (int fd = first; fd < 1024; fd++)
		close(fd);
}

/* In the child: makes OUT stdout and stderr, STATUS_FD descriptor 3 (close-on-exec), and becomes
 * PROGRAM. Only async-signal-safe calls. */
static void child_become(const char *program, const char *dir, char *const argv[],
                         char *const env[], int out, int status_fd)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* What the worker ignores would stay ignored over execve. */
	static const int ignored_signals[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM};
	for (size_t i = 0; i < sizeof(ignored_signals) / sizeof(ignored_signals[0]); i++)
		signal(ignored_signals[i], SIG_DFL);
	int null = open("/dev/null", O_RDWR);
	if (out < 0)
		out = null;
	/* Above 3 first, so that no dup2 below overwrites a descriptor that is still needed. */
	int high_out = fcntl(out, F_DUPFD, 10), high_null = fcntl(null, F_DUPFD, 10);
	int high_status = fcntl(status_fd, F_DUPFD, 10);
	if (dup2(high_null, 0) < 0 || dup2(high_out, 1) < 0 || dup2(high_out, 2) < 0 ||
	    dup3(high_status, 3, O_CLOEXEC) < 0)
		_exit(126);
	child_close_from(4);
	if (chdir(dir) == 0)
		execve(program, argv, env);
	int error = errno;
	ssize_t ignored = write(3, &error, sizeof(error));
	(void)ignored;
	_exit(126);
}

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void output_append(struct root_output *output, const char *data, size_t size)
{
	if (output->size + size > ROOT_OUTPUT_LIMIT) {
		output->truncated = true;
		size = ROOT_OUTPUT_LIMIT - output->size;
	}
	if (size == 0)
		return;
	char *larger = realloc(output->text, output->size + size + 1);
	if (!larger) {
		output->truncated = true;
		return;
	}
	output->text = larger;
	memcpy(output->text + output->size, data, size);
	output->size += size;
	output->text[output->size] = '\0';
}

/* Reads what is there now. False at the end of the stream. */
static bool output_drain(struct root_output *output, int fd)
{
	char buffer[16384];
	for (;;) {
		ssize_t n = read(fd, buffer, sizeof(buffer));
		if (n > 0)
			output_append(output, buffer, (size_t)n);
		else if (n == 0)
			return false;
		else if (errno != EINTR)
			return errno == EAGAIN || errno == EWOULDBLOCK;
	}
}

/* What can be polled for the child's end; -1: the kernel (before 5.3) has no such thing, and it is
 * looked at every few milliseconds. */
static int pidfd_of(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0U);
#else
	(void)pid;
	return -1;
#endif
}

/* Follows the child to its end or the deadline. True when it ended by itself. */
static bool child_follow(pid_t pid, int fd, int64_t deadline, struct root_output *output,
                         int *status)
{
	bool open = true, ended = false, killed = false;
	int64_t give_up = deadline + 2000; /* after SIGKILL: D state ignores it */
	int64_t grace = 0;
	int pidfd = pidfd_of(pid);
	for (;;) {
		struct pollfd poll_fds[] = {{.fd = open ? fd : -1, .events = POLLIN},
		                            {.fd = ended ? -1 : pidfd, .events = POLLIN}};
		poll(poll_fds, 2, ended || open ? 20 : 5);
		if (open)
			open = output_drain(output, fd);
		int64_t now = now_ms();
		if (!ended && waitpid(pid, status, WNOHANG) == pid) {
			ended = true;
			grace = now + 1000;
			if (open)
				open = output_drain(output, fd);
		}
		if (ended && (!open || now >= grace || killed))
			break;
		if (!ended && !killed && now >= deadline) {
			killed = true;
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
		}
		if (!ended && killed && now >= give_up)
			break;
	}
	close(pidfd);
	return !killed;
}

static int start_check(int status_pipe, const char *name, pid_t pid, struct gf_err *err)
{
	int error = 0;
	ssize_t n;
	do
		n = read(status_pipe, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(error))
		return 0;
	waitpid(pid, NULL, 0);
	errno = error;
	return gf_err_errno(err, GF_E_TASK, "cannot run %s", name);
}

int root_run(const struct root *root, const char *const argv[], unsigned timeout,
             struct root_output *output, struct gf_err *err)
{
	return root_run_in(root, NULL, argv, timeout, output, err);
}

int root_run_in(const struct root *root, const char *dir, const char *const argv[],
                unsigned timeout, struct root_output *output, struct gf_err *err)
{
	memset(output, 0, sizeof(*output));
	struct root_name program;
	struct root_name where = root_path(root, dir ? dir : "/");
	if (!program_find(root, argv[0], &program))
		return gf_err_set(err, GF_E_TASK,
		                  "this host has no program %s (looked in %s%s and %s/bin)",
		                  argv[0], root->path, "/usr/sbin, /usr/bin, /sbin", root->path);
	output->text = calloc(1, 1);
	struct environment env;
	environment_fill(&env, root);
	int out[2] = {-1, -1}, status_pipe[2] = {-1, -1};
	if (!output->text || pipe2(out, O_CLOEXEC) != 0 || pipe2(status_pipe, O_CLOEXEC) != 0) {
		gf_err_errno(err, GF_E_IO, "cannot run %s", argv[0]);
		close(out[0]);
		close(out[1]);
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		/* execve takes char *const[] but changes nothing. */
		union {
			const char *const *in;
			char *const *out;
		} args = {.in = argv};
		child_become(program.text, dir ? where.text : "/", args.out, env.list, out[1],
		             status_pipe[1]);
	}
	int failed = pid < 0 ? gf_err_errno(err, GF_E_TASK, "cannot start %s", argv[0]) : 0;
	close(out[1]);
	close(status_pipe[1]);
	if (pid > 0) {
		setpgid(pid, pid);
		failed = start_check(status_pipe[0], argv[0], pid, err);
	}
	close(status_pipe[0]);
	if (!failed) {
		int status = 0;
		fcntl(out[0], F_SETFL, O_NONBLOCK);
		if (child_follow(pid, out[0], now_ms() + (int64_t)timeout * 1000, output,
		                 &status)) {
			output->status =
			    WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		} else {
			output->timed_out = true;
			output->status = 128 + SIGKILL;
			failed = gf_err_set(err, GF_E_TIMEOUT,
			                    "%s did not end within %u seconds and was killed",
			                    argv[0], timeout);
		}
	}
	close(out[0]);
	return failed;
}

static void last_line(const struct root_output *output, char *line, size_t size)
{
	size_t end = output->size;
	while (end > 0 && strchr(" \r\n\t", output->text[end - 1]))
		end--;
	size_t start = end;
	while (start > 0 && output->text[start - 1] != '\n')
		start--;
	if (end - start >= size)
		end = start + size - 1;
	size_t used = 0;
	for (size_t i = start; i < end; i++)
		line[used++] = (unsigned char)output->text[i] < 0x20 ? ' ' : output->text[i];
	line[used] = '\0';
}

int root_run_ok(const struct root *root, const char *const argv[], unsigned timeout,
                struct root_output *output, struct gf_err *err)
{
	if (root_run(root, argv, timeout, output, err) != 0)
		return -1;
	if (output->status == 0)
		return 0;
	char line[256];
	last_line(output, line, sizeof(line));
	return gf_err_set(err, GF_E_TASK, "%s%s%s ended with status %d%s%s", argv[0],
	                  argv[1] ? " " : "", argv[1] ? argv[1] : "", output->status,
	                  *line ? ": " : "", line);
}

void root_output_free(struct root_output *output)
{
	free(output->text);
	output->text = NULL;
	output->size = 0;
}

int root_run_detached(const struct root *root, const char *const argv[], unsigned delay,
                      struct gf_err *err)
{
	struct root_name program;
	if (!program_find(root, argv[0], &program))
		return gf_err_set(err, GF_E_TASK, "this host has no program %s", argv[0]);
	struct environment env;
	environment_fill(&env, root);
	pid_t pid = fork();
	if (pid < 0)
		return gf_err_errno(err, GF_E_TASK, "cannot start %s", argv[0]);
	if (pid == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		/* The connection's descriptors must be gone now, not after the delay. */
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		child_close_from(3);
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		sleep(delay);
		union {
			const char *const *in;
			char *const *out;
		} args = {.in = argv};
		child_become(program.text, "/", args.out, env.list, -1, null);
	}
	waitpid(pid, NULL, 0);
	return 0;
}
