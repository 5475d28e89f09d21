/* ssh_ticks.h: who is ticked when: links that have something to do, in the order in which they got
 * it, and no more of them in one turn of the loop than leaves it time for everything else.
 *
 * A thousand hosts that answer at the same moment are half a second of work. In between the loop
 * must look at its other sources, at a signal and at what was heard from other hosts.
 */
#ifndef GPUFLEET_SSH_TICKS_H
#define GPUFLEET_SSH_TICKS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ssh_link;
struct ssh_ticks;

/* TICK is called for links that were added. NULL: out of memory. */
struct ssh_ticks *ssh_ticks_new(uv_loop_t *loop, void (*tick)(struct ssh_link *link));

/* No link may wait any more. Frees TICKS once the loop has closed its handles. NULL is fine. */
void ssh_ticks_free(struct ssh_ticks *ticks);

/* Has the turn been going on for long enough? Counts from the first call in it. */
bool ssh_ticks_over(struct ssh_ticks *ticks);

/* LINK is to be ticked in the next turn, or in one after that. One that waits already
 * keeps its place. */
void ssh_ticks_add(struct ssh_ticks *ticks, struct ssh_link *link);
void ssh_ticks_remove(struct ssh_ticks *ticks, struct ssh_link *link);

#endif
