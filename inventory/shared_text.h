/* shared_text.h: a text that several have, such as the user and the key file of thousands of hosts:
 * one copy, which is freed when the last of them drops it. Not for several threads.
 */
#ifndef GPUFLEET_SHARED_TEXT_H
#define GPUFLEET_SHARED_TEXT_H

/* A copy of TEXT that one has. NULL: out of memory. */
char *shared_text_new(const char *text);

/* *TO drops what it has (may be NULL) and has TEXT, too, which is a shared one or NULL. */
void shared_text_share(char **to, char *text);

/* *TEXT (may be NULL) drops what it has, and is NULL. */
void shared_text_drop(char **text);

#endif
