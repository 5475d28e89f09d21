/* loop_watch.h: how long the loop was busy in one turn at most: for so long it looked at nothing
 * else. A controller of thousands of hosts lives from this staying small.
 */
#ifndef GPUFLEET_LOOP_WATCH_H
#define GPUFLEET_LOOP_WATCH_H

#include <uv.h>

struct loop_watch {
	uv_prepare_t prepare;
	uint64_t last, last_idle; /* when the last turn began, in ns */
	uint64_t longest;         /* ns */
};

/* Before the loop runs. */
void loop_watch_start(struct loop_watch *watch, uv_loop_t *loop);

/* The loop must be run once more for the handle's close. */
void loop_watch_stop(struct loop_watch *watch);

uint64_t loop_watch_longest_ms(const struct loop_watch *watch);

#endif
