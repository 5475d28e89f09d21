/* secret.c: see secret.h. One question at a time is on the terminal (secret_tty.c); claims wait in
 * the order in which they came. */
#include "controller/secret/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "controller/secret/secret_tty.h"

#define PAGE      4096
#define STILL_MS  5000 /* between two words that it still waits */
#define ASKED_MAX 3    /* times, for what is checked here and costs nobody an account */
#define ANSWER_MS 300000

enum secret_state {
	SECRET_ABSENT, /* to be asked for */
	SECRET_ASKING,
	SECRET_NEW,     /* known, and taken by nobody so far */
	SECRET_TRUSTED, /* taken by somebody */
	SECRET_GONE,    /* err says why */
};

struct secret {
	struct secret *next;
	enum secret_kind kind;
	char *name; /* NULL: everybody's */
	enum secret_state state;
	char *text; /* a page of its own, locked; NULL: none */
	unsigned asked, refusals;
	struct gf_err err;
};

struct secret_claim {
	struct secrets *secrets;
	struct secret *secret;
	struct secret_claim *next;
	char *host, *prompt;
	secret_cb *cb;
	void *ctx;
	bool given; /* the text was handed out: an outcome follows */
};

struct secrets {
	uv_loop_t *loop;
	struct secret_hooks hooks;
	struct secret *list;
	struct secret_claim *first; /* as many as connections: walked to find one */
	struct secret_tty *tty;     /* the question that is open */
	struct secret *asked;       /* … and what it is about */
	uv_timer_t *turn, *still;
};

static void turn_cb(uv_timer_t *timer);
static void claim_unlink(struct secrets *secrets, struct secret_claim *claim);

static void take_turn(struct secrets *secrets)
{
	uv_timer_start(secrets->turn, turn_cb, 0, 0);
}

static void still_cb(uv_timer_t *timer)
{
	struct secrets *secrets = timer->data;
	/* A callback may drop any claim: begin again after each, those told are marked by order. */
	size_t told = 0;
	for (;;) {
		struct secret_claim *claim = secrets->first;
		for (size_t i = 0; claim && i < told; i++)
			claim = claim->next;
		if (!claim)
			break;
		told++;
		if (!claim->given)
			claim->cb(claim->ctx, NULL, NULL);
	}
}

struct secrets *secrets_new(uv_loop_t *loop, const struct secret_hooks *hooks, struct gf_err *err)
{
	struct secrets *secrets = calloc(1, sizeof(*secrets));
	uv_timer_t *turn = malloc(sizeof(*turn)), *still = malloc(sizeof(*still));
	if (!secrets || !turn || !still) {
		free(secrets);
		free(turn);
		free(still);
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	secrets->loop = loop;
	if (hooks)
		secrets->hooks = *hooks;
	if (!secrets->hooks.answer_ms)
		secrets->hooks.answer_ms = ANSWER_MS;
	uv_timer_init(loop, turn);
	uv_timer_init(loop, still);
	turn->data = still->data = secrets;
	secrets->turn = turn;
	secrets->still = still;
	/* Neither keeps the loop alive: those who wait do. */
	uv_unref((uv_handle_t *)still);
	uv_unref((uv_handle_t *)turn);
	return secrets;
}

static void wipe(struct secret *secret)
{
	if (!secret->text)
		return;
	explicit_bzero(secret->text, PAGE);
	munmap(secret->text, PAGE);
	secret->text = NULL;
}

static char *locked_page(void)
{
	/* cppcheck-suppress invalidFunctionArg ; no file: as the manual has it */
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return NULL;
	/* Without the right to lock, it may be swapped; it is kept out of dumps all the same. */
	mlock(page, PAGE);
	madvise(page, PAGE, MADV_DONTDUMP);
	madvise(page, PAGE, MADV_WIPEONFORK);
	return page;
}

static void timer_closed_cb(uv_handle_t *handle)
{
	free(handle);
}

static void asking_end(struct secrets *secrets)
{
	secret_tty_free(secrets->tty);
	secrets->tty = NULL;
	secrets->asked = NULL;
	if (secrets->hooks.asking)
		secrets->hooks.asking(secrets->hooks.ctx, false);
}

void secrets_free(struct secrets *secrets)
{
	if (!secrets)
		return;
	if (secrets->tty)
		asking_end(secrets);
	while (secrets->first)
		claim_unlink(secrets, secrets->first);
	while (secrets->list) {
		struct secret *secret = secrets->list;
		secrets->list = secret->next;
		wipe(secret);
		free(secret->name);
		free(secret);
	}
	uv_close((uv_handle_t *)secrets->turn, timer_closed_cb);
	uv_close((uv_handle_t *)secrets->still, timer_closed_cb);
	free(secrets);
}

static struct secret *secret_get(struct secrets *secrets, enum secret_kind kind, const char *name)
{
	struct secret *secret;
	for (secret = secrets->list; secret; secret = secret->next)
		if (secret->kind == kind &&
		    (!secret->name || (name && strcmp(secret->name, name) == 0)))
			return secret;
	secret = calloc(1, sizeof(*secret));
	if (!secret || (name && !(secret->name = strdup(name)))) {
		free(secret);
		return NULL;
	}
	secret->kind = kind;
	secret->next = secrets->list;
	secrets->list = secret;
	return secret;
}

int secrets_read_sudo(struct secrets *secrets, int fd, struct gf_err *err)
{
	struct secret *secret = secret_get(secrets, SECRET_SUDO, NULL);
	size_t size = 0;
	int rc = 0;
	if (!secret || !(secret->text = locked_page())) {
		close(fd);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	while (rc == 0 && !memchr(secret->text, '\n', size)) {
		ssize_t got = read(fd, secret->text + size, 1);
		if (got == 0)
			break;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			rc = gf_err_errno(err, GF_E_USAGE, "--become-password-fd %d cannot be read",
			                  fd);
		else if (++size >= SECRET_SIZE)
			rc = gf_err_set(err, GF_E_USAGE,
			                "--become-password-fd %d gives more than %d bytes without "
			                "a line's end",
			                fd, SECRET_SIZE - 1);
	}
	close(fd);
	secret->text[strcspn(secret->text, "\r\n")] = '\0';
	if (rc == 0 && !secret->text[0])
		rc = gf_err_set(err, GF_E_USAGE, "--become-password-fd %d gives no password", fd);
	secret->state = SECRET_NEW;
	return rc;
}

struct secret_claim *secret_claim(struct secrets *secrets, enum secret_kind kind, const char *name,
                                  const char *host, const char *prompt, secret_cb *cb, void *ctx,
                                  struct gf_err *err)
{
	struct secret_claim *claim = calloc(1, sizeof(*claim));
	struct secret *secret = claim ? secret_get(secrets, kind, name) : NULL;
	if (secret)
		claim->host = strdup(host);
	if (secret && prompt)
		claim->prompt = strdup(prompt);
	if (!secret || !claim->host || (prompt && !claim->prompt)) {
		if (claim)
			free(claim->host);
		free(claim);
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	claim->secrets = secrets;
	claim->secret = secret;
	claim->cb = cb;
	claim->ctx = ctx;
	struct secret_claim **at = &secrets->first;
	while (*at)
		at = &(*at)->next;
	*at = claim;
	if (!uv_is_active((uv_handle_t *)secrets->still))
		uv_timer_start(secrets->still, still_cb, STILL_MS, STILL_MS);
	take_turn(secrets);
	return claim;
}

static void claim_unlink(struct secrets *secrets, struct secret_claim *claim)
{
	struct secret_claim **at = &secrets->first;
	while (*at != claim)
		at = &(*at)->next;
	*at = claim->next;
	if (!secrets->first)
		uv_timer_stop(secrets->still);
	take_turn(secrets);
	free(claim->host);
	free(claim->prompt);
	free(claim);
}

void secret_drop(struct secret_claim *claim)
{
	if (claim)
		claim_unlink(claim->secrets, claim);
}

void secret_accepted(struct secret_claim *claim)
{
	struct secret *secret = claim->secret;
	if (secret->state == SECRET_NEW)
		secret->state = SECRET_TRUSTED;
	claim_unlink(claim->secrets, claim);
}

void secret_refused(struct secret_claim *claim)
{
	struct secret *secret = claim->secret;
	bool ours = secret->kind == SECRET_PASSPHRASE;
	secret->refusals++;
	if (secret->state == SECRET_NEW && ours && secret->asked < ASKED_MAX) {
		wipe(secret);
		secret->state = SECRET_ABSENT;
	} else if (ours && secret->state == SECRET_NEW) {
		secret->state = SECRET_GONE;
		gf_err_set(&secret->err, GF_E_AUTH, "the passphrase of %s was wrong %u times",
		           secret->name, secret->asked);
	} else if (secret->state == SECRET_NEW ||
	           (secret->state == SECRET_TRUSTED && secret->refusals >= SECRET_REFUSALS_MAX)) {
		gf_err_set(&secret->err, secret->kind == SECRET_SUDO ? GF_E_BECOME : GF_E_AUTH,
		           "%s refused the %spassword; it is not tried on more hosts, which could "
		           "lock accounts",
		           claim->host, secret->kind == SECRET_SUDO ? "sudo " : "");
		secret->state = SECRET_GONE;
		wipe(secret);
	}
	claim_unlink(claim->secrets, claim);
}

static void answer_cb(void *ctx, const char *text, const struct gf_err *err)
{
	struct secrets *secrets = ctx;
	struct secret *secret = secrets->asked;
	if (text && (secret->text = locked_page())) {
		snprintf(secret->text, SECRET_SIZE, "%s", text);
		secret->state = SECRET_NEW;
	} else {
		secret->state = SECRET_GONE;
		if (err)
			secret->err = *err;
		else
			gf_err_set(&secret->err, GF_E_MEMORY, "out of memory");
		if (secret->kind == SECRET_SUDO && secret->err.code == GF_E_AUTH)
			secret->err.code = GF_E_BECOME;
	}
	asking_end(secrets);
	take_turn(secrets);
}

static void ask(struct secrets *secrets, const struct secret_claim *claim)
{
	struct secret *secret = claim->secret;
	struct gf_err err = {0};
	char prompt[600];
	const char *again = secret->asked ? "that was wrong; once more: " : "";
	switch (secret->kind) {
	case SECRET_SUDO:
		snprintf(prompt, sizeof(prompt),
		         "sudo password of %s (%s asks; used for all hosts): ", secret->name,
		         claim->host);
		break;
	case SECRET_LOGIN:
		snprintf(prompt, sizeof(prompt),
		         "password of %s (%s asks; used for all hosts): ", secret->name,
		         claim->host);
		break;
	case SECRET_PASSPHRASE:
		snprintf(prompt, sizeof(prompt), "%spassphrase of the key %s: ", again,
		         secret->name);
		break;
	case SECRET_ANSWER:
		snprintf(prompt, sizeof(prompt), "%s asks: %s", claim->host,
		         claim->prompt ? claim->prompt : "");
		break;
	}
	secret->asked++;
	if (secrets->hooks.asking)
		secrets->hooks.asking(secrets->hooks.ctx, true);
	secrets->asked = secret;
	secrets->tty = secret_tty_ask(secrets->loop, secrets->hooks.terminal, prompt,
	                              secrets->hooks.answer_ms, answer_cb, secrets, &err);
	if (secrets->tty) {
		secret->state = SECRET_ASKING;
		return;
	}
	secret->state = SECRET_GONE;
	secret->err = err;
	if (secret->kind == SECRET_SUDO)
		gf_err_set(&secret->err, GF_E_BECOME,
		           "sudo asks for a password, and there is no terminal to ask on: give "
		           "--become-password-fd, or allow it without a password in sudoers");
	else if (secret->kind == SECRET_PASSPHRASE)
		gf_err_set(
		    &secret->err, GF_E_AUTH,
		    "the key %s has a passphrase, and there is no terminal to ask on: add it "
		    "to an ssh-agent first (ssh-add %s)",
		    secret->name, secret->name);
	else
		gf_err_set(
		    &secret->err, GF_E_AUTH,
		    "%s wants a password of %s, and there is no terminal to ask on: let a key "
		    "in there",
		    claim->host, secret->name ? secret->name : "the user");
	asking_end(secrets);
}

static bool on_trial(const struct secrets *secrets, const struct secret *secret)
{
	for (const struct secret_claim *claim = secrets->first; claim; claim = claim->next)
		if (claim->secret == secret && claim->given)
			return true;
	return false;
}

/* What one claim may have now. Returns whether its callback was called. */
static bool serve(struct secrets *secrets, struct secret_claim *claim)
{
	struct secret *secret = claim->secret;
	if (claim->given)
		return false;
	switch (secret->state) {
	case SECRET_ABSENT:
		if (secrets->tty)
			return false;
		ask(secrets, claim);
		if (secret->state == SECRET_ASKING)
			return false;
		break;
	case SECRET_ASKING:
		return false;
	case SECRET_NEW:
		if (on_trial(secrets, secret))
			return false;
		break;
	default:
		break;
	}
	if (secret->state == SECRET_GONE) {
		struct gf_err err = secret->err;
		secret_cb *cb = claim->cb;
		void *ctx = claim->ctx;
		claim_unlink(secrets, claim);
		cb(ctx, NULL, &err);
		return true;
	}
	claim->given = true;
	claim->cb(claim->ctx, secret->text, NULL);
	return true;
}

/* Whether somebody was served: the list may be another one then. */
static bool serve_one(struct secrets *secrets)
{
	for (struct secret_claim *claim = secrets->first; claim; claim = claim->next)
		if (serve(secrets, claim))
			return true;
	return false;
}

static void turn_cb(uv_timer_t *timer)
{
	while (serve_one(timer->data))
		;
}

void secrets_cancel(struct secrets *secrets)
{
	if (!secrets || !secrets->tty)
		return;
	struct secret *secret = secrets->asked;
	secret->state = SECRET_GONE;
	gf_err_set(&secret->err, GF_E_CANCELLED, "interrupted while a password was asked for");
	asking_end(secrets);
	take_turn(secrets);
}
