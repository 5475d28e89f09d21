/* loop_watch.h: how long the loop was busy in one turn at most: for so long it looked at nothing
 * else. A controller of thousands of hosts lives from this staying small.
 *
 * A turn is busy for as long as it does not wait for events. What of that the kernel had this
 * thread wait for a processor, other programs are to blame for: it is counted apart, as the
 * kernel does (/proc/thread-self/schedstat). What is left is the turn's own: its CPU time, and the
 * time that it was blocked in system calls.
 */
#ifndef GPUFLEET_LOOP_WATCH_H
#define GPUFLEET_LOOP_WATCH_H

#include <uv.h>

struct loop_watch {
	uv_prepare_t prepare;
	int schedstat;                                 /* -1: this kernel has none */
	uint64_t last, last_idle, last_wait, last_cpu; /* when the last turn began, in ns */
	uint64_t longest, longest_busy; /* ns: its own; with the wait for a processor */
};

/* Before the loop runs. */
void loop_watch_start(struct loop_watch *watch, uv_loop_t *loop);

/* The loop does not run: what comes before it does again is no turn of it. */
void loop_watch_pause(struct loop_watch *watch);

/* The loop must be run once more for the handle's close. */
void loop_watch_stop(struct loop_watch *watch);

/* The longest turn's own time, or (where the kernel does not tell) all of it. */
uint64_t loop_watch_longest_ms(const struct loop_watch *watch);

/* The same, the wait for a processor included: what hosts saw of it. */
uint64_t loop_watch_busy_ms(const struct loop_watch *watch);

#endif
