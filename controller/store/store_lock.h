/* store_lock.h: what the lock of a store says of who holds it. */
#ifndef GPUFLEET_STORE_LOCK_H
#define GPUFLEET_STORE_LOCK_H

#include <stdbool.h>
#include <stddef.h>

/* Replaces what the lock file FD says by this process: its pid, user and machine, and the time,
 * one a line. Returns 0, or -1 with errno. */
int store_lock_sign(int fd);

/* Adds a line that says that a watch holds it. 0, or -1 with errno. */
int store_lock_sign_watch(int fd);
bool store_lock_is_watch(int fd);

/* Who holds it, for a message: "process 7 of root on ctl1, since 2026-01-01T00:00:00Z", or as much
 * of that as the file says. */
void store_lock_holder(int fd, char *text, size_t size);

#endif
