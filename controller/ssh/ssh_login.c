/* ssh_login.c: who we are, proven to the host: by key files, and by keys that an ssh-agent holds
 * (ssh_agent_login.c). An identity file of the inventory is the only key that is tried, from the
 * agent when the file is encrypted; without one, the agent's keys and then the files that
 * ~/.ssh/config names, or the usual ones. With IdentitiesOnly, of the agent's keys only those of
 * these files.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/ssh/ssh_link.h"
#include "inventory/text_rules.h"

static const char *const usual_files[] = {"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"};

static int add_candidate(struct ssh_login *login, struct ssh_candidate candidate)
{
	struct ssh_candidate *grown =
	    realloc(login->candidates, (login->count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	login->candidates = grown;
	grown[login->count++] = candidate;
	return 0;
}

/* Is the agent's list needed, and not here yet? Then it is asked for. 1: wait, 0: go on, -1: *err.
 */
static int wait_for_agent(struct ssh_opener *opener, struct gf_err *err)
{
	if (opener->agent_list == AGENT_UNKNOWN && agent_list_start(opener, err) != 0)
		return -1;
	return opener->agent_list == AGENT_ASKING;
}

/* Can it be used, perhaps after its passphrase was asked for? */
static bool usable(const struct ssh_link *link, const struct ssh_identity *file)
{
	return file->private_key || (file->encrypted && link->opener->options.secrets);
}

static int list_given(struct ssh_link *link, const char *path, struct gf_err *err)
{
	struct ssh_opener *opener = link->opener;
	const struct ssh_identity *file = ssh_keys_get(&opener->keys, path);
	if (!file)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (file->private_key)
		return add_candidate(&link->login, (struct ssh_candidate){.file = file});
	if (!file->public_key && !usable(link, file)) {
		*err = file->err;
		return -1;
	}
	int wait = wait_for_agent(opener, err);
	if (wait)
		return wait;
	for (size_t i = 0; i < opener->agent_key_count; i++)
		if (file->public_key && ssh_key_cmp(opener->agent_keys[i].key, file->public_key,
		                                    SSH_KEY_CMP_PUBLIC) == 0)
			return add_candidate(&link->login, (struct ssh_candidate){.agent_key = i});
	if (usable(link, file))
		return add_candidate(&link->login, (struct ssh_candidate){.file = file});
	*err = file->err;
	return -1;
}

/* Adds the agent's keys: all, or the one of FILE (which may be encrypted); none twice. */
static int list_agent(struct ssh_link *link, const struct ssh_identity *file)
{
	struct ssh_opener *opener = link->opener;
	for (size_t i = 0; i < opener->agent_key_count; i++) {
		ssh_key key = opener->agent_keys[i].key;
		bool listed = file && (!file->public_key ||
		                       ssh_key_cmp(key, file->public_key, SSH_KEY_CMP_PUBLIC) != 0);
		for (size_t j = 0; !listed && j < link->login.count; j++)
			listed = !link->login.candidates[j].file &&
			         link->login.candidates[j].agent_key == i;
		if (!listed &&
		    add_candidate(&link->login, (struct ssh_candidate){.agent_key = i}) != 0)
			return -1;
	}
	return 0;
}

static bool agent_has(const struct ssh_link *link, const struct ssh_identity *file)
{
	const struct ssh_opener *opener = link->opener;
	for (size_t i = 0; file->public_key && i < opener->agent_key_count; i++)
		if (ssh_key_cmp(opener->agent_keys[i].key, file->public_key, SSH_KEY_CMP_PUBLIC) ==
		    0)
			return true;
	return false;
}

/* The files to try where no one file is given: ~/.ssh/config's, or the usual ones. NULL after the
 * last, or with *err when out of memory. */
static const struct ssh_identity *usual_file(struct ssh_link *link, size_t i, struct gf_err *err)
{
	const struct inventory_host *host = link->host;
	const struct ssh_identity *file;
	char *path = NULL;
	if (host->identities_given && i < host->identity_files.count)
		path = strdup(host->identity_files.items[i]);
	else if (host->identities_given || i >= sizeof(usual_files) / sizeof(usual_files[0]))
		return NULL;
	else
		path = path_expand(usual_files[i]);
	file = path ? ssh_keys_get(&link->opener->keys, path) : NULL;
	free(path);
	if (!file)
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	return file;
}

/* In ssh's order: the agent's keys that a file names, its others, the files. */
static int list_candidates(struct ssh_link *link, struct gf_err *why, struct gf_err *err)
{
	struct gf_err wrong = {0};
	const struct ssh_identity *file;
	for (size_t i = 0; (file = usual_file(link, i, &wrong)); i++)
		if (list_agent(link, file) != 0)
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (!link->host->identities_only && list_agent(link, NULL) != 0)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	for (size_t i = 0; (file = usual_file(link, i, &wrong)); i++) {
		if (usable(link, file) && !(file->encrypted && agent_has(link, file)) &&
		    add_candidate(&link->login, (struct ssh_candidate){.file = file}) != 0)
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
		if (!file->private_key && !file->missing && why->code == GF_OK)
			*why = file->err;
	}
	if (wrong.code != GF_OK)
		return gf_err_set(err, wrong.code, "%s", wrong.msg);
	return 0;
}

static int list_usual(struct ssh_link *link, struct gf_err *err)
{
	struct gf_err why = {0};
	int wait = wait_for_agent(link->opener, err);
	if (wait)
		return wait;
	if (list_candidates(link, &why, err) != 0)
		return -1;
	if (link->login.count > 0)
		return 0;
	if (why.code == GF_OK)
		why = link->opener->agent_err;
	if (why.code != GF_OK) {
		*err = why;
		return -1;
	}
	return gf_err_set(
	    err, GF_E_AUTH,
	    "there is no key to log in to %s with: set identity_file in the inventory, "
	    "start an ssh-agent, or make ~/.ssh/id_ed25519 (ssh-keygen -t ed25519)",
	    link->host->name);
}

enum link_step login_denied(struct ssh_link *link)
{
	if (link->login.why.code != GF_OK)
		return link_fail_with(link, &link->login.why);
	char what[256] = "";
	for (size_t i = 0; i < link->login.count && i < 3; i++) {
		const struct ssh_identity *file = link->login.candidates[i].file;
		size_t used = strlen(what);
		snprintf(what + used, sizeof(what) - used, "%s%s", i ? ", " : "",
		         file ? file->path : "a key of the ssh-agent");
	}
	const char *user = link->host->user ? link->host->user : "root";
	return link_fail(
	    link, GF_E_AUTH,
	    "%s does not let user %s in with %s%s: add the public key to that user's "
	    "~/.ssh/authorized_keys there, or set user and identity_file in the inventory",
	    link->host->name, user, what, link->login.count > 3 ? " and others" : "");
}

static enum link_step offer_file(struct ssh_link *link, const struct ssh_identity *file, int *rc)
{
	struct ssh_login *login = &link->login;
	/* Asking first costs a round trip, signing for nothing costs more: ask only where there is
	 * a choice. */
	bool known = file->public_key != NULL;
	if (file->encrypted && (login->offered || !known))
		return secret_passphrase_step(link, file);
	if ((login->count == 1 && !file->encrypted) || login->offered) {
		*rc = ssh_userauth_publickey(link->session, NULL, file->private_key);
		return STEP_WAIT;
	}
	*rc = ssh_userauth_try_publickey(link->session, NULL, file->public_key);
	if (*rc != SSH_AUTH_SUCCESS)
		return STEP_WAIT;
	login->offered = true;
	return STEP_MORE;
}

enum link_step login_result(struct ssh_link *link, int rc)
{
	struct ssh_login *login = &link->login;
	/* libssh goes on to wait for an answer on a connection that has ended. */
	if (rc == SSH_AUTH_AGAIN && !ssh_is_connected(link->session))
		rc = SSH_AUTH_ERROR;
	switch (rc) {
	case SSH_AUTH_AGAIN:
		return STEP_WAIT;
	case SSH_AUTH_SUCCESS:
		secret_login_forget(login, true);
		login_forget(link);
		link_move(link, LINK_IDLE);
		alive_start(link);
		link->base.events->ready(link->base.ctx, &link->base);
		/* The sshd that listens may still count it as pending; when a channel is open, it
		 * does not any more. Without a command to wait for, now must do. */
		if (link->state == LINK_IDLE)
			turns_end(link, SSH_PACE_IN);
		return STEP_MORE;
	case SSH_AUTH_DENIED:
		agent_login_reset(login);
		login->offered = false;
		if (login->phase != LOGIN_KEYS)
			return secret_login_refused(link);
		return ++login->current < login->count ? STEP_MORE : secret_login_begin(link);
	case SSH_AUTH_PARTIAL:
		if (login->phase == LOGIN_KEYS && link->opener->options.secrets &&
		    (ssh_userauth_list(link->session, NULL) &
		     (SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_INTERACTIVE)))
			return secret_login_begin(link);
		return link_fail(link, GF_E_AUTH,
		                 "%s wants a second proof besides the key (AuthenticationMethods): "
		                 "gpufleet can give keys and passwords only",
		                 link->host->name);
	default:
		if (ssh_is_connected(link->session))
			return link_fail(link, GF_E_AUTH, "cannot log in to %s: %s",
			                 link->host->name, ssh_get_error(link->session));
		if (login->current)
			return link_fail(link, GF_E_AUTH,
			                 "%s closed the connection during authentication: it may "
			                 "have been offered too many keys; set identity_file in "
			                 "the inventory",
			                 link->host->name);
		return link_fail(link, GF_E_LOST,
		                 "%s closed the connection during authentication: it may still be "
		                 "booting, or the account be expired or forbidden there (PAM; its "
		                 "sshd's log says which)",
		                 link->host->name);
	}
}

/* There is no key to offer: which other ways does the host have? */
static enum link_step none_step(struct ssh_link *link)
{
	int rc = ssh_userauth_none(link->session, NULL);
	if (rc == SSH_AUTH_DENIED || rc == SSH_AUTH_PARTIAL)
		return secret_login_begin(link);
	return login_result(link, rc);
}

enum link_step login_step(struct ssh_link *link)
{
	struct ssh_login *login = &link->login;
	if (!login->listed) {
		struct gf_err err = {0};
		const char *path = link->host->identity_file;
		int rc = path ? list_given(link, path, &err) : list_usual(link, &err);
		if (rc > 0) {
			link_move(link, LINK_AGENT);
			return STEP_WAIT;
		}
		/* Without any key, a password may do; a key that was named must be right. */
		if (rc < 0 && (path || !link->opener->options.secrets))
			return link_fail_with(link, &err);
		if (rc < 0)
			login->why = err;
		login->listed = true;
	}
	if (login->phase != LOGIN_KEYS)
		return secret_login_step(link);
	if (login->count == 0)
		return none_step(link);
	const struct ssh_candidate *candidate = &login->candidates[login->current];
	if (!candidate->file)
		return agent_login_step(link);
	int rc = SSH_AUTH_AGAIN;
	if (offer_file(link, candidate->file, &rc) == STEP_MORE)
		return STEP_MORE;
	return login_result(link, rc);
}

void login_forget(struct ssh_link *link)
{
	struct ssh_login *login = &link->login;
	agent_login_reset(login);
	secret_login_forget(login, false);
	free(login->candidates);
	*login = (struct ssh_login){.agent_fd = -1};
}
