/* ssh_link.h: one link over SSH: its states and what the files of this folder share.
 *
 *   NEW → RESOLVING → TURN → CONNECTING → HANDSHAKE → [HOST_KEY →] AUTH ⇄ AGENT, SECRET
 *    │                 ↑ BACKOFF ←─┴───────────┘         │
 *    ↓                 └────┘                          IDLE → OPENING → REQUESTING → RUNNING → IDLE
 *   BASTION → TURN → TUNNEL → HANDSHAKE   (behind a jump host, ssh_bastion.h)
 *   any state → FAILED
 *
 * ssh_link.c is the machine: link_tick() is the only caller of a state's step. A step never blocks,
 * moves the link on with link_move(), or ends it with link_fail(). ssh_dial.c, ssh_handshake.c,
 * ssh_login.c and ssh_command.c hold the steps.
 */
#ifndef GPUFLEET_SSH_LINK_H
#define GPUFLEET_SSH_LINK_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <netdb.h>

#include "controller/ssh/ssh_agent.h"
#include "controller/ssh/ssh_keys.h"
#include "controller/ssh/ssh_known_hosts.h"
#include "controller/ssh/ssh_opener.h"
#include "controller/ssh/ssh_ticks.h"
#include "controller/ssh/ssh_turn.h"

enum link_state {
	LINK_NEW,
	LINK_RESOLVING,
	LINK_TURN,
	LINK_CONNECTING,
	LINK_BASTION,
	LINK_TUNNEL,
	LINK_BACKOFF,
	LINK_HANDSHAKE,
	LINK_HOST_KEY,
	LINK_AUTH,
	LINK_AGENT,
	LINK_SECRET,
	LINK_IDLE,
	LINK_OPENING,
	LINK_REQUESTING,
	LINK_RUNNING,
	LINK_FAILED,
	LINK_STATES,
};

struct ssh_opener;
struct ssh_bastion;
struct ssh_tunnel;

/* A socket's poll handle; lives until libuv has closed it. */
struct ssh_socket {
	uv_poll_t poll;
	struct ssh_link *link; /* NULL once dropped */
	int fd;                /* ours: a dup of what libssh has */
	int mask;
};

/* What may prove who we are, in the order to try: a file's key, or a key that the agent holds. */
struct ssh_candidate {
	const struct ssh_identity *file;
	size_t agent_key; /* index into the opener's; used when `file` is NULL */
};

/* Keys first; then, where the host takes one, a password. */
enum login_phase { LOGIN_KEYS, LOGIN_PASSWORD, LOGIN_QUESTIONS };

struct ssh_unlock;

struct ssh_login {
	enum login_phase phase;
	struct secret_claim *claim; /* to what a person knows; NULL: none */
	struct ssh_unlock *unlock;  /* a key file that is being decrypted */
	struct gf_err why; /* what stood in the way of a key or of a password; GF_OK: nothing */
	bool unknown;      /* nobody knows what was asked for */
	bool sent, asking; /* a password; a round of questions is open */
	unsigned prompt;   /* the question in it */
	int rc;            /* of the first call with the password */
	struct ssh_candidate *candidates;
	size_t count, current;
	bool listed;   /* candidates are known */
	bool offered;  /* the server said that it would take the current one */
	int agent_fd;  /* our end of the stand-in for the agent; -1 none */
	int libssh_fd; /* the other end; 0 none */
	ino_t libssh_inode;
	struct ssh_agent_question *question;
	uint8_t *signature; /* the agent's answer, to be handed to libssh */
	size_t signature_size;
};

/* A deadline that passed while the link waited for its turn of the loop is put off, until it has
 * had that turn. */
enum link_late { LATE_NOT, LATE_EXCUSED, LATE_HEARD };

struct ssh_link {
	struct link base;
	struct ssh_opener *opener;
	struct ssh_link *prev, *next; /* the opener's list */
	struct ssh_link *prev_waking, *next_waking;
	const struct inventory_host *host;
	enum link_state state;
	enum link_late late;
	bool ticking, waking, closing, reported;
	unsigned holds; /* what libuv or the pool still has of this link */
	struct gf_err err;
	uv_timer_t timer, alive;            /* the state's deadline; the next look at silence */
	uint64_t running_since, idle_since; /* of the command: uv_now */

	struct ssh_bastion *bastion; /* this is the session of; NULL: of none */
	struct ssh_tunnel *tunnel;   /* through another bastion; NULL: none */
	struct addrinfo *addresses, *address;
	uv_getaddrinfo_t *resolver;
	struct ssh_turn server_turn, bastion_turn;
	uint64_t turn_since;        /* it waits for its turn: uv_now */
	enum ssh_greeting greeting; /* of the connection in use */
	unsigned attempt;
	bool types_retried;
	const char *types[SSH_KNOWN_HOSTS_TYPES]; /* to ask the host for first */
	char numeric[64];                         /* the address in use */
	struct ssh_socket *socket;
	int session_fd; /* libssh's descriptor; -1: none, or not yet handed over */

	struct ssh_host_key *host_key; /* that is being looked up elsewhere */

	ssh_session session;
	struct ssh_counter_struct counter; /* bytes off the socket */
	uint64_t due;                      /* the state's deadline, by the clock on the wall */
	uint64_t alive_bytes;              /* … when it was last looked at */
	unsigned silences;                 /* looks in a row that found no more */
	bool alive_asked;
	ssh_event event;
	struct ssh_login login;

	ssh_channel channel;
	struct ssh_channel_callbacks_struct callbacks; /* must live as long as the channel */
	char *command;
	int exit_status; /* -1: not known yet */
	uint8_t *out;
	size_t out_size, out_sent, out_room;
	bool eof_wanted, eof_sent;
};

enum agent_list { AGENT_NONE, AGENT_UNKNOWN, AGENT_ASKING, AGENT_LISTED };

struct ssh_agent_key {
	uint8_t *answer; /* an identities answer with this key alone */
	size_t answer_size;
	ssh_key key;
};

struct ssh_opener {
	struct link_opener base;
	uv_loop_t *loop;
	struct ssh_options options; /* defaults filled in */
	char *ciphers;
	struct ssh_keys keys;
	struct ssh_known_hosts **tables;
	size_t table_count;
	unsigned questions; /* asked so far, to tell them apart */
	enum agent_list agent_list;
	struct ssh_agent agent;
	struct gf_err agent_err; /* code GF_OK: none */
	struct ssh_agent_key *agent_keys;
	size_t agent_key_count;
	struct ssh_bastion *bastions;
	void *servers;          /* tree of what is known of each server's pace, ssh_turn.c */
	struct ssh_link *links; /* every link that was not closed */
	struct ssh_ticks *waking;
	uint64_t ticks; /* how often any link was stepped: for tests */
};

/* What a step did: WAIT for the socket, a timer or an answer; MORE: call again at once. */
enum link_step { STEP_WAIT, STEP_MORE };

/* ssh_link.c */
struct link *ssh_link_open(struct link_opener *opener, const struct inventory_host *host,
                           const struct link_events *events, void *ctx, struct gf_err *err);
enum link_step link_move(struct ssh_link *link, enum link_state state);
enum link_step link_fail(struct ssh_link *link, enum gf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum link_step link_fail_with(struct ssh_link *link, const struct gf_err *err);
void link_tick(struct ssh_link *link);
void link_wake(struct ssh_link *link); /* tick in the next turn of the loop */
void link_release(struct ssh_link *link);
const char *link_state_name(enum link_state state);

/* ssh_dial.c */
enum link_step dial_start_step(struct ssh_link *link);
enum link_step dial_open_step(struct ssh_link *link); /* it is the link's turn */
enum link_step dial_connect_step(struct ssh_link *link);
void dial_timeout(struct ssh_link *link); /* the deadline of an address or of the backoff */
/* Retries from the first address after a pause, or fails with ERR when it was tried often enough.
 */
enum link_step dial_retry(struct ssh_link *link, const struct gf_err *err);
/* Connects anew from the first address, at once. */
enum link_step dial_again(struct ssh_link *link);
/* The same to the address in use. */
enum link_step dial_same(struct ssh_link *link);
uint64_t dial_deadline(const struct ssh_link *link);
/* Takes FD as the connected socket of libssh's session: 0, or errno with FD closed. */
int dial_adopt(struct ssh_link *link, int fd);
void dial_drop_socket(struct ssh_link *link);
void dial_forget(struct ssh_link *link);

/* ssh_handshake.c */
enum link_step handshake_step(struct ssh_link *link);
/* Looks at what the host says first, before libssh takes it off the socket. */
void handshake_listen(struct ssh_link *link);
void handshake_drop_session(struct ssh_link *link);

/* ssh_host_key.c */
/* The host key of a session whose key exchange is over, against the pin or known_hosts. */
enum link_step host_key_verify(struct ssh_link *link);
/* The key types that are recorded for the host, into link->types. */
int host_key_recorded(struct ssh_link *link, struct gf_err *err);
void host_key_forget(struct ssh_link *link);

/* ssh_login.c */
enum link_step login_step(struct ssh_link *link);
/* What comes of an authentication step that ended in RC (SSH_AUTH_…). */
enum link_step login_result(struct ssh_link *link, int rc);
/* No way in: fails with the reason that helps most. */
enum link_step login_denied(struct ssh_link *link);
void login_forget(struct ssh_link *link);

/* ssh_login_secret.c */
/* The current candidate's key file is encrypted: waits for its passphrase. */
enum link_step secret_passphrase_step(struct ssh_link *link, const struct ssh_identity *file);
enum link_step secret_wait_step(struct ssh_link *link);
/* No key is left: goes on to a password, or fails. */
enum link_step secret_login_begin(struct ssh_link *link);
enum link_step secret_login_step(struct ssh_link *link);
enum link_step secret_login_refused(struct ssh_link *link);
void secret_login_forget(struct ssh_login *login, bool accepted);

/* ssh_keepalive.c */
/* The session is established: from now on it must not be silent for long. */
void alive_start(struct ssh_link *link);

/* ssh_agent_login.c */
enum link_step agent_login_step(struct ssh_link *link);
void agent_login_reset(struct ssh_login *login);
int agent_list_start(struct ssh_opener *opener, struct gf_err *err);

/* ssh_command.c */
enum link_step command_open_step(struct ssh_link *link);
enum link_step command_request_step(struct ssh_link *link);
enum link_step command_run_step(struct ssh_link *link);
int command_exec_start(struct link *base, const char *command, struct gf_err *err);
int command_write(struct link *base, const void *data, size_t size, struct gf_err *err);
void command_write_eof(struct link *base);
void command_drop(struct ssh_link *link);
void command_out_drop(struct ssh_link *link); /* what was to be written */
/* Milliseconds until the command has run or been silent for too long; 0: it has, or there is no
 * limit. */
uint64_t command_deadline(const struct ssh_link *link);

#endif
