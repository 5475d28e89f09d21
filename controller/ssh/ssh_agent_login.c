/* ssh_agent_login.c: authentication by an ssh-agent's key, without libssh ever waiting for the
 * agent.
 *
 * libssh talks to an agent with a blocking poll. So it never sees the real one, but a socketpair
 * whose other end was filled beforehand and then closed for writing: it can read what is there or
 * the end, never wait. The happy path takes two rounds:
 *   1. the stand-in holds one key and a refusal to sign. libssh asks the host, which would take the
 * key, and writes its request to sign. That request is kept; the round ends in the refusal.
 *   2. the real agent signs it (ssh_agent.c, on the pool; this link waits in LINK_AGENT), and
 * the stand-in holds the same key and that signature. Possible failure modes: the host does not
 * take the key (next candidate), the agent refuses or is too slow (the link fails with its words).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/ssh/ssh_link.h"

#define AGENT_KEYS_MAX 64
#define AGENT_LIST_MS  5000

static const uint8_t refusal[] = {0, 0, 0, 1, 5};

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

static char *base64(const uint8_t *data, size_t size)
{
	static const char set[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc((size + 2) / 3 * 4 + 1), *out = text;
	for (size_t i = 0; text && i < size; i += 3) {
		uint32_t group = (uint32_t)data[i] << 16;
		group |= i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0;
		group |= i + 2 < size ? data[i + 2] : 0;
		*out++ = set[group >> 18];
		*out++ = set[group >> 12 & 63];
		*out++ = i + 1 < size ? set[group >> 6 & 63] : '=';
		*out++ = i + 2 < size ? set[group & 63] : '=';
	}
	if (text)
		*out = '\0';
	return text;
}

/* A key of a kind that libssh cannot use (certificates, hardware keys) is left out. */
static int add_agent_key(struct ssh_opener *opener, const uint8_t *blob, size_t size)
{
	if (size < 4 || get32(blob) > size - 4)
		return 0;
	char type[64];
	snprintf(type, sizeof(type), "%.*s", (int)get32(blob), (const char *)blob + 4);
	struct ssh_agent_key key = {.answer_size = 4 + 1 + 4 + 4 + size + 4};
	char *text = base64(blob, size);
	if (!text || strstr(type, "-cert-") || strncmp(type, "sk-", 3) == 0 ||
	    ssh_pki_import_pubkey_base64(text, ssh_key_type_from_name(type), &key.key) != SSH_OK) {
		free(text);
		return 0;
	}
	free(text);
	key.answer = calloc(1, key.answer_size);
	struct ssh_agent_key *grown =
	    realloc(opener->agent_keys, (opener->agent_key_count + 1) * sizeof(*grown));
	if (grown)
		opener->agent_keys = grown;
	if (!key.answer || !grown) {
		free(key.answer);
		ssh_key_free(key.key);
		return -1;
	}
	put32(key.answer, (uint32_t)key.answer_size - 4);
	key.answer[4] = SSH_AGENT_IDENTITIES_ANSWER;
	put32(key.answer + 5, 1);
	put32(key.answer + 9, (uint32_t)size);
	memcpy(key.answer + 13, blob, size);
	grown[opener->agent_key_count++] = key;
	return 0;
}

static void wake_waiting(struct ssh_opener *opener)
{
	for (struct ssh_link *link = opener->links; link; link = link->next)
		if (link->state == LINK_AGENT && !link->login.question) {
			link_move(link, LINK_AUTH);
			link_wake(link);
		}
}

static void listed_cb(void *ctx, const uint8_t *answer, size_t size, const struct gf_err *err)
{
	struct ssh_opener *opener = ctx;
	opener->agent_list = AGENT_LISTED;
	if (err) {
		opener->agent_err = *err;
	} else if (size >= 9 && answer[4] == SSH_AGENT_IDENTITIES_ANSWER) {
		uint32_t count = get32(answer + 5);
		size_t at = 9;
		for (uint32_t i = 0; i < count && i < AGENT_KEYS_MAX; i++) {
			size_t blob = at + 4;
			if (size - at < 4 || get32(answer + at) > size - blob)
				break;
			at = blob + get32(answer + at);
			if (add_agent_key(opener, answer + blob, at - blob) != 0)
				break;
			if (size - at < 4 || get32(answer + at) > size - at - 4)
				break;
			at += 4 + get32(answer + at);
		}
	} else {
		gf_err_set(&opener->agent_err, GF_E_AUTH,
		           "the ssh-agent at %s does not list its keys: is it locked (ssh-add -X)?",
		           opener->agent.socket_path);
	}
	wake_waiting(opener);
}

int agent_list_start(struct ssh_opener *opener, struct gf_err *err)
{
	static const uint8_t question[] = {0, 0, 0, 1, SSH_AGENT_REQUEST_IDENTITIES};
	if (!ssh_agent_ask(&opener->agent, question, sizeof(question), AGENT_LIST_MS, listed_cb,
	                   opener, err))
		return -1;
	opener->agent_list = AGENT_ASKING;
	return 0;
}

void agent_login_reset(struct ssh_login *login)
{
	if (login->agent_fd >= 0)
		close(login->agent_fd);
	login->agent_fd = -1;
	ssh_agent_forget(login->question);
	login->question = NULL;
	free(login->signature);
	login->signature = NULL;
}

static bool send_all(int fd, const void *data, size_t size)
{
	return send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

/* The end that an earlier round gave to libssh: it only forgets that, and never closes it. */
static void close_old_end(struct ssh_login *login)
{
	struct stat info;
	if (login->libssh_fd > 0 && fstat(login->libssh_fd, &info) == 0 &&
	    info.st_ino == login->libssh_inode && S_ISSOCK(info.st_mode))
		close(login->libssh_fd);
	login->libssh_fd = 0;
}

static int stand_in(struct ssh_link *link, const struct ssh_agent_key *key, struct gf_err *err)
{
	struct ssh_login *login = &link->login;
	int pair[2];
	struct stat info;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return gf_err_errno(err, GF_E_IO, "cannot open a socket");
	const uint8_t *last = login->signature ? login->signature : refusal;
	size_t size = login->signature ? login->signature_size : sizeof(refusal);
	if (fstat(pair[1], &info) != 0 || !send_all(pair[0], key->answer, key->answer_size) ||
	    !send_all(pair[0], last, size) || shutdown(pair[0], SHUT_WR) != 0) {
		gf_err_errno(err, GF_E_IO, "cannot use a socket pair");
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	close_old_end(login);
	ssh_set_agent_socket(link->session, pair[1]);
	login->agent_fd = pair[0];
	login->libssh_fd = pair[1];
	login->libssh_inode = info.st_ino;
	return 0;
}

static void signed_cb(void *ctx, const uint8_t *answer, size_t size, const struct gf_err *err)
{
	struct ssh_link *link = ctx;
	link->login.question = NULL;
	if (err) {
		link_fail_with(link, err);
	} else if (size < 5 || answer[4] == refusal[4] || !(link->login.signature = malloc(size))) {
		link_fail(
		    link, GF_E_AUTH,
		    "the ssh-agent at %s refused to sign for %s: is it locked (ssh-add -X), or "
		    "was a confirmation declined?",
		    link->opener->agent.socket_path, link->host->name);
	} else {
		memcpy(link->login.signature, answer, size);
		link->login.signature_size = size;
		link_move(link, LINK_AUTH);
	}
	link_tick(link);
}

/* Finds what libssh asked to be signed in what it wrote, and passes it on. */
static enum link_step ask_to_sign(struct ssh_link *link)
{
	struct ssh_login *login = &link->login;
	uint8_t buffer[32 * 1024];
	ssize_t got = recv(login->agent_fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	size_t size = got > 0 ? (size_t)got : 0, at = 0;
	close(login->agent_fd);
	login->agent_fd = -1;
	while (size - at >= 5 && get32(buffer + at) <= size - at - 4) {
		size_t whole = 4 + get32(buffer + at);
		if (whole > 4 && buffer[at + 4] == SSH_AGENT_SIGN_REQUEST) {
			struct gf_err err = {0};
			login->question = ssh_agent_ask(&link->opener->agent, buffer + at, whole,
			                                link->opener->options.auth_timeout_ms,
			                                signed_cb, link, &err);
			if (!login->question)
				return link_fail_with(link, &err);
			link_move(link, LINK_AGENT);
			return STEP_WAIT;
		}
		at += whole;
	}
	return login_result(link, SSH_AUTH_ERROR);
}

enum link_step agent_login_step(struct ssh_link *link)
{
	struct ssh_login *login = &link->login;
	struct gf_err err = {0};
	size_t key = login->candidates[login->current].agent_key;
	if (login->agent_fd < 0 && stand_in(link, &link->opener->agent_keys[key], &err) != 0)
		return link_fail_with(link, &err);
	int rc = ssh_userauth_agent(link->session, NULL);
	if (rc == SSH_AUTH_ERROR && !login->signature && ssh_is_connected(link->session))
		return ask_to_sign(link);
	return login_result(link, rc);
}
