/* follow.c: reading an operation's events until it has ended. */
#include "node-agent/operation/operation.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/wire/frame.h"

#define FOLLOW_INTERVAL_NS 50000000L

struct follow {
	const struct operation_follower *follower;
	struct frame frame;
	struct root_name path;
	int fd;
	json_int_t from;
};

/* Hands on the events that are there by now. */
static int follow_events(struct follow *follow, struct gf_err *err)
{
	char buffer[65536], *line;
	size_t length;
	if (follow->fd < 0)
		follow->fd = open(follow->path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (follow->fd < 0)
		return 0; /* none yet */
	for (;;) {
		ssize_t n = read(follow->fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gf_err_errno(err, GF_E_IO, "cannot read the operation's journal");
		if (n == 0)
			return 0;
		if (frame_feed(&follow->frame, buffer, (size_t)n, err) != 0)
			return -1;
		while ((line = frame_line(&follow->frame, &length))) {
			/* A line that the host's end cut short is no event. */
			json_t *event = frame_parse(line, length, NULL);
			json_int_t seq = json_integer_value(json_object_get(event, "seq"));
			bool go_on = !event || seq < follow->from ||
			             follow->follower->event(follow->follower->ctx, event);
			json_decref(event);
			if (!go_on)
				return gf_err_set(err, GF_E_LOST, "the connection is gone");
		}
	}
}

json_t *operation_follow(const struct agent *agent, const char *id, json_int_t from,
                         const struct operation_follower *follower, struct gf_err *err)
{
	struct follow follow = {.follower = follower,
	                        .path = operation_path(agent, id, "events.jsonl"),
	                        .fd = -1,
	                        .from = from};
	json_t *result = NULL;
	frame_init(&follow.frame, FRAME_LINE_LIMIT);
	for (;;) {
		enum operation_state state;
		/* Looked at before the events are read: then none written before the end is missed.
		 */
		if (operation_look(agent, id, &state, &result, err) != 0 ||
		    follow_events(&follow, err) != 0) {
			json_decref(result);
			result = NULL;
			break;
		}
		if (result)
			break;
		if (!follower->alive(follower->ctx)) {
			gf_err_set(err, GF_E_LOST, "the connection is gone");
			break;
		}
		struct timespec wait = {.tv_nsec = FOLLOW_INTERVAL_NS};
		nanosleep(&wait, NULL);
	}
	if (follow.fd >= 0)
		close(follow.fd);
	frame_free(&follow.frame);
	return result;
}
