/* shared_text.c: see shared_text.h. How many have a text stands before it. */
#include "inventory/shared_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct shared_text {
	uint32_t holders;
};

static struct shared_text *shared_text_of(char *text)
{
	return (struct shared_text *)(void *)text - 1;
}

char *shared_text_new(const char *text)
{
	size_t size = strlen(text) + 1;
	struct shared_text *shared = malloc(sizeof(*shared) + size);
	if (!shared)
		return NULL;
	shared->holders = 1;
	return memcpy(shared + 1, text, size);
}

void shared_text_share(char **to, char *text)
{
	if (text)
		shared_text_of(text)->holders++;
	shared_text_drop(to);
	*to = text;
}

void shared_text_drop(char **text)
{
	if (*text && --shared_text_of(*text)->holders == 0)
		free(shared_text_of(*text));
	*text = NULL;
}
