/* host_text.c: see host_text.h. */
#include "controller/host/host_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void host_text_clear(const char **text)
{
	if (**text)
		free((void *)(uintptr_t)*text);
	*text = HOST_TEXT_EMPTY;
}

int host_text_set(const char **text, const char *value)
{
	const char *copy = *value ? strdup(value) : HOST_TEXT_EMPTY;

	if (!copy)
		return -1;
	host_text_clear(text);
	*text = copy;
	return 0;
}
