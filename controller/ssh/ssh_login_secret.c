/* ssh_login_secret.c: what only a person knows: the passphrase of a key file, a password, the
 * answers of keyboard-interactive authentication. Asked by controller/secret, once for all links; a
 * link waits in LINK_SECRET, whose deadline is the question's.
 *
 * Possible failure modes: there is nobody to ask; the password is refused; a host asks more than a
 * password (a one-time code), which cannot be answered for a fleet and is passed on to the person
 * for a bastion only.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "controller/ssh/ssh_link.h"

/* A key file that is decrypted on the pool, which takes as long as its owner wanted it to. */
struct ssh_unlock {
	uv_work_t work;
	struct ssh_link *link; /* NULL: it has gone */
	const struct ssh_identity *file;
	ssh_key key;
	char text[SECRET_SIZE];
};

static const char *user_of(const struct ssh_link *link)
{
	return link->host->user ? link->host->user : "root";
}

static void unlock_work(uv_work_t *work)
{
	struct ssh_unlock *unlock = work->data;
	if (ssh_pki_import_privkey_file(unlock->file->path, unlock->text, NULL, NULL,
	                                &unlock->key) != SSH_OK)
		unlock->key = NULL;
}

static void unlock_done(uv_work_t *work, int status)
{
	struct ssh_unlock *unlock = work->data;
	struct ssh_link *link = unlock->link;
	bool opened = status == 0 && unlock->key;
	if (opened && link)
		ssh_keys_unlocked(&link->opener->keys, unlock->file->path, unlock->key);
	else
		ssh_key_free(unlock->key);
	explicit_bzero(unlock, sizeof(*unlock));
	munlock(unlock, sizeof(*unlock));
	free(unlock);
	if (!link)
		return;
	link->login.unlock = NULL;
	if (opened)
		secret_accepted(link->login.claim);
	else
		secret_refused(link->login.claim); /* the next step asks once more */
	link->login.claim = NULL;
	link_move(link, LINK_AUTH);
	link_tick(link);
}

/* TEXT is a passphrase for the current candidate's file. */
static void try_passphrase(struct ssh_link *link, const char *text)
{
	struct ssh_login *login = &link->login;
	const struct ssh_identity *file = login->candidates[login->current].file;
	if (file->private_key) { /* another link was first */
		secret_accepted(login->claim);
		login->claim = NULL;
		link_move(link, LINK_AUTH);
		return;
	}
	struct ssh_unlock *unlock = calloc(1, sizeof(*unlock));
	if (!unlock) {
		link_fail(link, GF_E_MEMORY, "out of memory");
		return;
	}
	mlock(unlock, sizeof(*unlock));
	snprintf(unlock->text, sizeof(unlock->text), "%s", text);
	unlock->link = link;
	unlock->file = file;
	unlock->work.data = unlock;
	login->unlock = unlock;
	uv_queue_work(link->opener->loop, &unlock->work, unlock_work, unlock_done);
}

static void try_password(struct ssh_link *link, const char *text)
{
	struct ssh_login *login = &link->login;
	link_move(link, LINK_AUTH);
	if (login->phase == LOGIN_PASSWORD) {
		/* libssh keeps what it needs: later calls only ask how far it is. */
		login->rc = ssh_userauth_password(link->session, NULL, text);
		login->sent = true;
		return;
	}
	if (ssh_userauth_kbdint_setanswer(link->session, login->prompt++, text) < 0)
		link_fail(link, GF_E_MEMORY, "out of memory");
	login->sent = true;
}

static void secret_given(void *ctx, const char *text, const struct gf_err *err)
{
	struct ssh_link *link = ctx;
	struct ssh_login *login = &link->login;
	if (!text && !err) {
		if (link->base.events->waiting)
			link->base.events->waiting(link->base.ctx, &link->base);
		return;
	}
	if (err) {
		login->claim = NULL;
		/* A key that was refused says more than that nobody knows a password. */
		if (login->phase == LOGIN_KEYS || login->count == 0)
			login->why = *err;
		login->unknown = true;
		link_move(link, LINK_AUTH);
	} else if (login->phase == LOGIN_KEYS) {
		try_passphrase(link, text);
	} else {
		try_password(link, text);
	}
	link_tick(link);
}

enum link_step secret_wait_step(struct ssh_link *link)
{
	if (ssh_is_connected(link->session))
		return STEP_WAIT;
	return link_fail(link, GF_E_LOST,
	                 "%s closed the connection while a password was waited for",
	                 link->host->name);
}

static enum link_step ask(struct ssh_link *link, enum secret_kind kind, const char *name,
                          const char *prompt)
{
	struct gf_err err = {0};
	link->login.claim = secret_claim(link->opener->options.secrets, kind, name,
	                                 link->host->name, prompt, secret_given, link, &err);
	if (!link->login.claim)
		return link_fail_with(link, &err);
	link_move(link, LINK_SECRET);
	return STEP_WAIT;
}

enum link_step secret_passphrase_step(struct ssh_link *link, const struct ssh_identity *file)
{
	struct ssh_login *login = &link->login;
	if (login->unknown) { /* nobody knows it: the next key may do */
		login->unknown = false;
		return login_result(link, SSH_AUTH_DENIED);
	}
	return ask(link, SECRET_PASSPHRASE, file->path, NULL);
}

enum link_step secret_login_begin(struct ssh_link *link)
{
	struct ssh_login *login = &link->login;
	int methods = ssh_userauth_list(link->session, NULL);
	if (!link->opener->options.secrets || login->phase != LOGIN_KEYS)
		return login_denied(link);
	if (methods & SSH_AUTH_METHOD_PASSWORD)
		login->phase = LOGIN_PASSWORD;
	else if (methods & SSH_AUTH_METHOD_INTERACTIVE)
		login->phase = LOGIN_QUESTIONS;
	else
		return login_denied(link);
	login->rc = SSH_AUTH_AGAIN;
	return STEP_MORE;
}

/* One round of questions: the answer to each, then on. */
static enum link_step questions_step(struct ssh_link *link)
{
	struct ssh_login *login = &link->login;
	if (!login->asking) {
		int rc = ssh_userauth_kbdint(link->session, NULL, NULL);
		if (rc != SSH_AUTH_INFO)
			return login_result(link, rc);
		login->asking = true;
		login->prompt = 0;
	}
	unsigned count = (unsigned)ssh_userauth_kbdint_getnprompts(link->session);
	if (login->prompt >= count) {
		login->asking = false;
		return STEP_MORE;
	}
	char echo = 0;
	const char *prompt = ssh_userauth_kbdint_getprompt(link->session, login->prompt, &echo);
	bool password = count == 1 && !echo && !login->sent;
	if (password)
		return ask(link, SECRET_LOGIN, user_of(link), NULL);
	if (!link->bastion) {
		char shown[80];
		size_t i = 0;
		for (; prompt && prompt[i] && i < sizeof(shown) - 1; i++)
			shown[i] = prompt[i] >= 0x20 && prompt[i] < 0x7f ? prompt[i] : '?';
		shown[i] = '\0';
		return link_fail(
		    link, GF_E_AUTH,
		    "%s asks more than a password (\"%s\"), which cannot be answered for "
		    "a fleet: let a key in there",
		    link->host->name, shown);
	}
	if (login->claim) { /* the answer before this one was taken as it was */
		secret_accepted(login->claim);
		login->claim = NULL;
	}
	char name[64];
	snprintf(name, sizeof(name), "%p %u", (void *)link, link->opener->questions++);
	return ask(link, SECRET_ANSWER, name, prompt ? prompt : "");
}

enum link_step secret_login_step(struct ssh_link *link)
{
	struct ssh_login *login = &link->login;
	if (login->unknown)
		return login_denied(link);
	if (login->phase == LOGIN_QUESTIONS)
		return questions_step(link);
	if (!login->sent)
		return ask(link, SECRET_LOGIN, user_of(link), NULL);
	int rc = login->rc;
	if (rc == SSH_AUTH_AGAIN)
		rc = ssh_userauth_password(link->session, NULL, "");
	return login_result(link, rc);
}

enum link_step secret_login_refused(struct ssh_link *link)
{
	if (!link->login.sent) /* it asked for none */
		return login_denied(link);
	if (link->login.claim)
		secret_refused(link->login.claim);
	link->login.claim = NULL;
	return link_fail(link, GF_E_AUTH, "%s refused the password of %s", link->host->name,
	                 user_of(link));
}

void secret_login_forget(struct ssh_login *login, bool accepted)
{
	if (login->unlock)
		login->unlock->link = NULL;
	login->unlock = NULL;
	if (login->claim && accepted)
		secret_accepted(login->claim);
	else
		secret_drop(login->claim);
	login->claim = NULL;
}
