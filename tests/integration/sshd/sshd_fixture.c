/* sshd_fixture.c: see sshd_fixture.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/integration/sshd/sshd_fixture.h"

/* The distribution's, or another one to be tried. */
static const char *sshd_program(void)
{
	const char *given = getenv("GPUFLEET_SSHD");
	return given ? given : "/usr/sbin/sshd";
}

void file_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

void file_read(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

void shell(const char *format, ...)
{
	char command[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("this failed: %s", command);
}

static unsigned free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static bool accepts(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return ok;
}

static void launch(struct sshd *sshd, const char *extra)
{
	char text[4096];
	sshd->port = free_port();
	snprintf(text, sizeof(text),
	         "Port %u\nListenAddress 127.0.0.1\nHostKey %s/host_key\nPidFile none\n"
	         "AuthorizedKeysFile %s/authorized_keys\nStrictModes no\nUsePAM no\n"
	         "PermitRootLogin yes\nPasswordAuthentication no\nMaxStartups 1000\n"
	         "KbdInteractiveAuthentication no\nSetEnv HOME=%s\n%s\n",
	         sshd->port, sshd->dir, sshd->dir, sshd->dir, extra);
	file_write(sshd->config, text);
	sshd->pid = fork();
	assert_true(sshd->pid >= 0);
	if (sshd->pid == 0) {
		setpgid(0, 0);
		char log[192];
		snprintf(log, sizeof(log), "%s/log", sshd->dir);
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, 2);
		execl(sshd_program(), sshd_program(), "-D", "-e", "-f", sshd->config, (char *)NULL);
		_exit(127);
	}
}

void sshd_start(struct sshd *sshd, const char *extra)
{
	if (access(sshd_program(), X_OK) != 0) {
		printf("skipped: there is no %s (package openssh-server)\n", sshd_program());
		exit(77);
	}
	const char *base = getenv("TMPDIR");
	*sshd = (struct sshd){0};
	snprintf(sshd->dir, sizeof(sshd->dir), "%s/gpufleet-sshd.XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(sshd->dir));
	snprintf(sshd->config, sizeof(sshd->config), "%s/sshd_config", sshd->dir);
	snprintf(sshd->identity, sizeof(sshd->identity), "%s/user_key", sshd->dir);
	snprintf(sshd->known_hosts, sizeof(sshd->known_hosts), "%s/known_hosts", sshd->dir);
	if (geteuid() == 0)
		mkdir("/run/sshd", 0755);
	shell(
	    "ssh-keygen -q -t ed25519 -N '' -f %s/host_key && ssh-keygen -q -t ed25519 -N '' -f %s "
	    "&& cp %s.pub %s/authorized_keys",
	    sshd->dir, sshd->identity, sshd->identity, sshd->dir);
	for (int attempt = 0; attempt < 5; attempt++) {
		launch(sshd, extra);
		for (int i = 0; i < 200; i++) {
			int status;
			if (waitpid(sshd->pid, &status, WNOHANG) == sshd->pid)
				break; /* somebody took the port */
			if (accepts(sshd->port)) {
				char key[1024], line[1200];
				sshd_host_key(sshd, key, sizeof(key));
				snprintf(line, sizeof(line), "[127.0.0.1]:%u %s\n", sshd->port,
				         key);
				file_write(sshd->known_hosts, line);
				return;
			}
			usleep(20000);
		}
	}
	char log[4096] = "", path[192];
	snprintf(path, sizeof(path), "%s/log", sshd->dir);
	file_read(path, log, sizeof(log));
	fail_msg("sshd did not start: %s", log);
}

void sshd_stop(struct sshd *sshd)
{
	if (sshd->pid > 0) {
		kill(-sshd->pid, SIGCONT);
		kill(-sshd->pid, SIGTERM);
		kill(sshd->pid, SIGTERM);
		waitpid(sshd->pid, NULL, 0);
	}
	sshd->pid = 0;
	shell("rm -rf '%s'", sshd->dir);
}

unsigned sshd_logged(const struct sshd *sshd, const char *words)
{
	char command[300];
	unsigned count = 0;
	snprintf(command, sizeof(command), "grep -c '^%s' %s/log", words, sshd->dir);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%u", &count), 1);
	pclose(pipe);
	return count;
}

bool sshd_penalises(void)
{
	char command[512];
	snprintf(command, sizeof(command),
	         "%s -G -f /dev/null 2>/dev/null | grep -q '^persourcepenalties .*authfail'",
	         sshd_program());
	return system(command) == 0;
}

void sshd_host_key(const struct sshd *sshd, char *key, size_t size)
{
	char path[192];
	snprintf(path, sizeof(path), "%s/host_key.pub", sshd->dir);
	file_read(path, key, size);
	char *end = strchr(strchr(key, ' ') + 1, ' ');
	if (end)
		*end = '\0';
	key[strcspn(key, "\n")] = '\0';
}

void sshd_fingerprint(const struct sshd *sshd, char *text, size_t size)
{
	char command[256], bits[16], hash[128];
	snprintf(command, sizeof(command), "ssh-keygen -lf %s/host_key.pub", sshd->dir);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%15s %127s", bits, hash), 2);
	pclose(pipe);
	snprintf(text, size, "%s", hash);
}

static void append(char **text, size_t *size, const char *data, size_t more)
{
	*text = realloc(*text, *size + more + 1);
	assert_non_null(*text);
	memcpy(*text + *size, data, more);
	*size += more;
	(*text)[*size] = '\0';
}

static void ready_cb(void *ctx, struct link *link)
{
	struct client *client = ctx;
	assert_false(client->ready);
	client->ready = true;
	if (client->manual)
		return;
	assert_int_equal(link_exec(link, client->command, NULL), 0);
	if (client->input_size)
		assert_int_equal(link_write(link, client->input, client->input_size, NULL), 0);
	link_write_eof(link);
}

static void output_cb(void *ctx, struct link *link, int fd, const char *data, size_t size)
{
	(void)link;
	struct client *client = ctx;
	if (fd == 1)
		append(&client->out, &client->out_size, data, size);
	else
		append(&client->err_out, &client->err_size, data, size);
}

static void exited_cb(void *ctx, struct link *link, int status)
{
	struct client *client = ctx;
	client->exited = true;
	client->status = status;
	if (!client->keep_open) {
		link_close(link);
		client->link = NULL;
	}
}

static void failed_cb(void *ctx, struct link *link, const struct gf_err *err)
{
	struct client *client = ctx;
	client->failed = true;
	client->err = *err;
	link_close(link);
	client->link = NULL;
}

static const struct link_events events = {
    .ready = ready_cb, .output = output_cb, .exited = exited_cb, .failed = failed_cb};

void client_init(struct client *client, const struct sshd *sshd, const char *command)
{
	*client = (struct client){.command = command, .status = -1};
	static char name[64];
	snprintf(name, sizeof(name), "%s", getpwuid(geteuid())->pw_name);
	client->host = (struct inventory_host){.name = (char *)(uintptr_t) "gpu01",
	                                       .address = (char *)(uintptr_t) "127.0.0.1",
	                                       .port = (uint16_t)sshd->port,
	                                       .user = name,
	                                       .identity_file = (char *)(uintptr_t)sshd->identity,
	                                       .known_hosts = (char *)(uintptr_t)sshd->known_hosts};
}

void client_open(struct client *client, struct link_opener *opener)
{
	struct gf_err err = {0};
	client->link = opener->open(opener, &client->host, &events, client, &err);
	if (!client->link)
		fail_msg("open: %s", err.msg);
	assert_false(client->failed || client->ready);
}

void client_free(struct client *client)
{
	if (client->link)
		link_close(client->link);
	client->link = NULL;
	free(client->out);
	free(client->err_out);
	client->out = client->err_out = NULL;
}

bool client_done(const struct client *client)
{
	return client->exited || client->failed;
}

static void guard_cb(uv_timer_t *timer)
{
	((struct bed *)timer->data)->guard_fired = true;
}

void bed_open(struct bed *bed, const struct ssh_options *options)
{
	struct gf_err err = {0};
	struct ssh_options standard = {.agent_socket = ""};
	*bed = (struct bed){0};
	assert_int_equal(uv_loop_init(&bed->loop), 0);
	loop_watch_start(&bed->watch, &bed->loop);
	uv_timer_init(&bed->loop, &bed->guard);
	bed->guard.data = bed;
	bed->opener = ssh_opener_new(&bed->loop, options ? options : &standard, &err);
	if (!bed->opener)
		fail_msg("%s", err.msg);
}

void bed_close(struct bed *bed)
{
	ssh_opener_free(bed->opener);
	loop_watch_stop(&bed->watch);
	uv_timer_stop(&bed->guard);
	uv_close((uv_handle_t *)&bed->guard, NULL);
	for (int i = 0; i < 2000 && uv_run(&bed->loop, UV_RUN_NOWAIT); i++)
		usleep(5000); /* the pool may still hold a look-up */
	assert_int_equal(uv_loop_close(&bed->loop), 0);
}

static bool all_done(const struct client *clients, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!client_done(&clients[i]))
			return false;
	return true;
}

void bed_run(struct bed *bed, struct client *clients, size_t count, unsigned limit_ms)
{
	bed->guard_fired = false;
	uv_update_time(&bed->loop);
	loop_watch_pause(&bed->watch);
	uv_timer_start(&bed->guard, guard_cb, limit_ms, 0);
	while (!all_done(clients, count) && !bed->guard_fired)
		uv_run(&bed->loop, UV_RUN_ONCE);
	uv_timer_stop(&bed->guard);
	if (!all_done(clients, count))
		fail_msg("not done after %u ms", limit_ms);
}

void bed_run_for(struct bed *bed, unsigned ms)
{
	bed->guard_fired = false;
	uv_update_time(&bed->loop);
	loop_watch_pause(&bed->watch);
	uv_timer_start(&bed->guard, guard_cb, ms, 0);
	while (!bed->guard_fired)
		uv_run(&bed->loop, UV_RUN_ONCE);
}

void bed_exec(struct bed *bed, struct client *client, unsigned limit_ms)
{
	client_open(client, bed->opener);
	bed_run(bed, client, 1, limit_ms);
}
