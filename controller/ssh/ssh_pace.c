/* ssh_pace.c: see ssh_pace.h. Additive increase, multiplicative decrease, as TCP finds what a path
 * carries. */
#include "controller/ssh/ssh_pace.h"

#include <assert.h>

#define PAUSE_MS     200 /* after a refusal; doubled while nothing gets in */
#define PAUSE_MS_MAX 8000
#define GROWTH       0.25 /* of the window, while as many get in as it holds */

void ssh_pace_init(struct ssh_pace *pace)
{
	*pace = (struct ssh_pace){.window = SSH_PACE_MAX};
}

uint64_t ssh_pace_wait(const struct ssh_pace *pace, uint64_t now)
{
	if (pace->pending >= (unsigned)pace->window)
		return UINT64_MAX;
	return now < pace->quiet_until ? pace->quiet_until - now : 0;
}

void ssh_pace_begin(struct ssh_pace *pace)
{
	pace->pending++;
}

static void refused(struct ssh_pace *pace, uint64_t now)
{
	if (!pace->refused_since)
		pace->refused_since = now ? now : 1;
	/* What was asked together is refused together: that is one sign, not many. */
	if (now < pace->quiet_until)
		return;
	uint64_t pause = (uint64_t)PAUSE_MS << (pace->pauses < 8 ? pace->pauses : 8);
	pace->pauses++;
	pace->quiet_until = now + (pause < PAUSE_MS_MAX ? pause : PAUSE_MS_MAX);
	pace->window = pace->window / 2 > 1 ? pace->window / 2 : 1;
}

void ssh_pace_end(struct ssh_pace *pace, enum ssh_pace_end end, uint64_t now)
{
	assert(pace->pending > 0);
	pace->pending--;
	switch (end) {
	case SSH_PACE_IN:
		pace->served = true;
		pace->pauses = 0;
		pace->refused_since = 0;
		pace->window += GROWTH / pace->window;
		if (pace->window > SSH_PACE_MAX)
			pace->window = SSH_PACE_MAX;
		break;
	case SSH_PACE_REFUSED:
		refused(pace, now);
		break;
	case SSH_PACE_OTHER:
		break;
	}
}

bool ssh_pace_idle(const struct ssh_pace *pace)
{
	return pace->pending == 0 && pace->window >= SSH_PACE_MAX && !pace->refused_since;
}

uint64_t ssh_pace_refused_ms(const struct ssh_pace *pace, uint64_t now)
{
	return pace->refused_since ? now - pace->refused_since : 0;
}
