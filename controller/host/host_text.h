/* host_text.h: a text that a host's record or machine holds: owned, and no longer than it is, since
 * there are thousands of hosts and most of their texts are empty. It is never NULL: the empty one
 * is HOST_TEXT_EMPTY, what each is before it is set, and takes no memory.
 */
#ifndef GPUFLEET_HOST_TEXT_H
#define GPUFLEET_HOST_TEXT_H

#define HOST_TEXT_EMPTY ""

/* *TEXT is a copy of VALUE from here on. 0, or -1: out of memory, and it is as it was. */
int host_text_set(const char **text, const char *value);

void host_text_clear(const char **text);

#endif
