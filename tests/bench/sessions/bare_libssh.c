/* bare_libssh.c: the least that a client on libssh can do, as a yardstick: FORKS connections at a
 * time, one thread, poll(); each checks the host key (one for all), logs in, runs the command,
 * writes out what it says. Without a command ("") it ends after the login.
 *
 *   bare_libssh PORT USER KEY FINGERPRINT FORKS COMMAND HOST…
 */
#include <libssh/libssh.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum step { CONNECT, LOGIN, OPEN, REQUEST, READ, DONE, FAILED };

struct one {
	ssh_session session;
	ssh_channel channel;
	enum step step;
	size_t got;
};

enum { PORT = 1, USER, KEY, FINGERPRINT, FORKS, COMMAND, HOSTS };

static char **args;
static ssh_key key;

static int key_is_right(ssh_session session)
{
	ssh_key server = NULL;
	unsigned char *hash = NULL;
	size_t size;
	int right = 0;
	if (ssh_get_server_publickey(session, &server) == SSH_OK &&
	    ssh_get_publickey_hash(server, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) == SSH_OK) {
		char *text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
		right = text && strcmp(text, args[FINGERPRINT]) == 0;
		ssh_string_free_char(text);
	}
	ssh_clean_pubkey_hash(&hash);
	ssh_key_free(server);
	return right;
}

static void begin(struct one *one, const char *host)
{
	int no = 0;
	one->session = ssh_new();
	ssh_options_set(one->session, SSH_OPTIONS_PROCESS_CONFIG, &no);
	ssh_options_set(one->session, SSH_OPTIONS_HOST, host);
	ssh_options_set(one->session, SSH_OPTIONS_PORT_STR, args[PORT]);
	ssh_options_set(one->session, SSH_OPTIONS_USER, args[USER]);
	ssh_options_set(one->session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
	ssh_options_set(one->session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
	ssh_set_blocking(one->session, 0);
	one->step = CONNECT;
}

/* One state further, if it goes: 1, else 0. */
static int advance(struct one *one)
{
	char buffer[4096];
	int rc = SSH_ERROR;
	switch (one->step) {
	case CONNECT:
		rc = ssh_connect(one->session);
		if (rc == SSH_OK && !key_is_right(one->session))
			rc = SSH_ERROR;
		break;
	case LOGIN:
		rc = ssh_userauth_publickey(one->session, NULL, key);
		rc = rc == SSH_AUTH_AGAIN ? SSH_AGAIN : rc == SSH_AUTH_SUCCESS ? SSH_OK : SSH_ERROR;
		if (rc == SSH_OK)
			one->channel = ssh_channel_new(one->session);
		break;
	case OPEN:
		rc = ssh_channel_open_session(one->channel);
		break;
	case REQUEST:
		rc = ssh_channel_request_exec(one->channel, args[COMMAND]);
		break;
	default:
		rc = ssh_channel_read_nonblocking(one->channel, buffer, sizeof(buffer), 0);
		if (rc > 0)
			one->got += fwrite(buffer, 1, (size_t)rc, stdout);
		if (rc > 0 || (rc == 0 && !ssh_channel_is_eof(one->channel)))
			return rc > 0;
		int status = ssh_channel_get_exit_status(one->channel);
		rc = status == 0 && one->got > 0                            ? SSH_OK
		     : status == -1 && !ssh_channel_is_closed(one->channel) ? SSH_AGAIN
		                                                            : SSH_ERROR;
	}
	if (rc == SSH_AGAIN)
		return 0;
	if (rc != SSH_OK)
		fprintf(stderr, "failed: %s\n", ssh_get_error(one->session));
	one->step = rc != SSH_OK                            ? FAILED
	            : one->step == LOGIN && !*args[COMMAND] ? DONE
	                                                    : one->step + 1;
	return 1;
}

static void end(struct one *one)
{
	ssh_channel_free(one->channel);
	ssh_disconnect(one->session);
	ssh_free(one->session);
	one->session = NULL;
	one->channel = NULL;
	one->got = 0;
}

int main(int argc, char **argv)
{
	args = argv;
	if (argc <= HOSTS ||
	    ssh_pki_import_privkey_file(argv[KEY], NULL, NULL, NULL, &key) != SSH_OK)
		return 1;
	int total = argc - HOSTS, forks = atoi(argv[FORKS]), begun = 0, ended = 0, good = 0;
	struct one *all = calloc((size_t)forks, sizeof(*all));
	struct pollfd *fds = calloc((size_t)forks, sizeof(*fds));
	if (!all || !fds)
		abort();
	while (ended < total) {
		for (int i = 0; i < forks; i++) {
			struct one *one = &all[i];
			if (!one->session && begun < total) {
				begin(one, argv[HOSTS + begun++]);
				fds[i].revents = POLLIN;
			}
			if (one->session && fds[i].revents)
				while (one->step < DONE && advance(one))
					;
			if (one->session && one->step >= DONE) {
				good += one->step == DONE;
				ended++;
				end(one);
			}
			fds[i].fd = one->session ? ssh_get_fd(one->session) : -1;
			fds[i].events = POLLIN;
			if (one->session && (ssh_get_poll_flags(one->session) & SSH_WRITE_PENDING))
				fds[i].events |= POLLOUT;
		}
		poll(fds, (nfds_t)forks, ended < total ? 50 : 0);
	}
	fprintf(stderr, "%d of %d ok\n", good, total);
	free(fds);
	free(all);
	ssh_key_free(key);
	return good == total ? 0 : 2;
}
