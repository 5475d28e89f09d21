/* crowd_session.c: see crowd.h. Whatever command is asked for, it is taken for the agent's start.
 *
 * Failure modes: the controller goes away, the dice say that the connection is lost, or the host
 * reboots: the loop ends, and the socket with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "crowd.h"
#include "node-agent/wire/frame.h"
#include "tests/sim/ssh_peer.h"

#define STACK_SIZE ((size_t)256 << 10)

struct serving {
	struct crowd *crowd;
	struct crowd_host *host;
	struct ssh_peer peer;
	char *input;
	size_t input_size;
	bool started, over;
};

static int data_cb(ssh_session session, ssh_channel channel, void *data, uint32_t size,
                   int is_stderr, void *ctx)
{
	struct serving *serving = ctx;
	char *input = realloc(serving->input, serving->input_size + size);

	(void)session;
	(void)channel;
	(void)is_stderr;
	if (!input)
		crowd_die("out of memory");
	memcpy(input + serving->input_size, data, size);
	serving->input = input;
	serving->input_size += size;
	return (int)size;
}

static void over_cb(ssh_session session, ssh_channel channel, void *ctx)
{
	(void)session;
	(void)channel;
	((struct serving *)ctx)->over = true;
}

static int exec_cb(ssh_session session, ssh_channel channel, const char *command, void *ctx)
{
	(void)session;
	(void)channel;
	(void)command;
	((struct serving *)ctx)->started = true;
	return SSH_OK;
}

static void wait_ms(double ms)
{
	struct timespec left = {.tv_sec = (time_t)(ms / 1000)};

	left.tv_nsec = (long)((ms - (double)left.tv_sec * 1000) * 1e6);
	while (ms > 0 && nanosleep(&left, &left) && errno == EINTR)
		;
}

/* Each answer is lost, with its connection, as often as --loss says; the same ones each time. */
static bool connection_lost(struct serving *serving)
{
	struct crowd_host *host = serving->host;
	uint64_t x = host->index * UINT64_C(0x9e3779b97f4a7c15) + ++host->draws;

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	if ((double)(x >> 11) / 9007199254740992.0 * 100 >= serving->crowd->loss_percent)
		return false;
	serving->crowd->counts.lost++;
	serving->over = true;
	return true;
}

/* TEXT, which is freed. */
static void say(struct serving *serving, char *text, size_t size)
{
	wait_ms(serving->crowd->latency_ms);
	serving->over = serving->over || connection_lost(serving);
	for (size_t at = 0, part; !serving->over && at < size; at += part) {
		part = size - at < FRAME_PACKET ? size - at : FRAME_PACKET;
		serving->over =
		    ssh_channel_write(serving->peer.channel, text + at, (uint32_t)part) < 0;
	}
	free(text);
}

static void host_goes_down(struct serving *serving)
{
	struct crowd *crowd = serving->crowd;
	struct crowd_host *host = serving->host;
	size_t down, most;

	ssh_blocking_flush(serving->peer.session, 1000);
	pthread_mutex_lock(&host->lock);
	host->boots++;
	host->up_at = crowd_now_ms() + (uint64_t)(crowd->boot_seconds * 1000);
	pthread_mutex_unlock(&host->lock);
	crowd->counts.reboots++;
	down = ++crowd->counts.down;
	most = crowd->counts.most_down;
	while (down > most && !atomic_compare_exchange_weak(&crowd->counts.most_down, &most, down))
		;
	serving->over = true;
	shutdown(ssh_get_fd(serving->peer.session), SHUT_RDWR);
	wait_ms(crowd->boot_seconds * 1000);
	crowd->counts.down--;
}

static void lines_answer(struct serving *serving)
{
	char *end;

	while (!serving->over && serving->input_size &&
	       (end = memchr(serving->input, '\n', serving->input_size))) {
		size_t length = (size_t)(end - serving->input), size = 0;
		bool reboots;
		char *text =
		    crowd_host_answer(serving->host, serving->input, length, &size, &reboots);

		serving->crowd->counts.requests++;
		if (!text) {
			serving->crowd->counts.unknown++;
			fprintf(stderr, "%s: not in the recording, epoch %u: %.*s\n",
			        serving->host->name, serving->host->epoch,
			        length > 200 ? 200 : (int)length, serving->input);
			serving->over = true;
			return;
		}
		serving->input_size -= length + 1;
		memmove(serving->input, end + 1, serving->input_size);
		say(serving, text, size);
		if (reboots)
			host_goes_down(serving);
	}
}

static void serve(struct serving *serving)
{
	ssh_event event = ssh_event_new();
	bool greeted = false;

	if (ssh_peer_greet(&serving->peer, event)) {
		while (!serving->over) {
			if (ssh_event_dopoll(event, -1) == SSH_ERROR ||
			    ssh_get_status(serving->peer.session) & (SSH_CLOSED | SSH_CLOSED_ERROR))
				break;
			if (serving->started && !greeted) {
				size_t size;
				char *hello = crowd_host_hello(serving->host, &size);

				greeted = true;
				say(serving, hello, size);
			}
			lines_answer(serving);
		}
		ssh_event_remove_session(event, serving->peer.session);
	}
	ssh_event_free(event);
}

static void *session_thread(void *ctx)
{
	struct serving *serving = ctx;

	serve(serving);
	/* Nobody who is lost says good-bye. */
	shutdown(ssh_get_fd(serving->peer.session), SHUT_RDWR);
	if (serving->peer.channel)
		ssh_channel_free(serving->peer.channel);
	ssh_disconnect(serving->peer.session);
	ssh_free(serving->peer.session);
	free(serving->input);
	free(serving);
	return NULL;
}

void crowd_session_start(struct crowd *crowd, struct crowd_host *host, ssh_session session)
{
	struct serving *serving = calloc(1, sizeof(*serving));
	pthread_attr_t attributes;
	pthread_t thread;

	if (!serving)
		crowd_die("out of memory");
	*serving =
	    (struct serving){.crowd = crowd,
	                     .host = host,
	                     .peer = {.session = session,
	                              .client_key = crowd->client_key,
	                              .channel_cb = {.userdata = serving,
	                                             .channel_data_function = data_cb,
	                                             .channel_eof_function = over_cb,
	                                             .channel_close_function = over_cb,
	                                             .channel_exec_request_function = exec_cb}}};
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, session_thread, serving))
		crowd_die("no thread for a connection");
	pthread_attr_destroy(&attributes);
}
