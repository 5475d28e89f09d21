/* elapsed.h: how time goes by on this host, whatever its clock is set to. */
#ifndef GPUFLEET_ELAPSED_H
#define GPUFLEET_ELAPSED_H

#include <time.h>

static inline double elapsed_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Seconds, to measure what this process waits for; on a real host, since its boot. */
static inline double elapsed_seconds(void)
{
	return elapsed_of(CLOCK_MONOTONIC);
}

/* Whole seconds of this boot, sleep included: what is written down for other processes. */
static inline long long elapsed_of_boot(void)
{
	return (long long)elapsed_of(CLOCK_BOOTTIME);
}

#endif
