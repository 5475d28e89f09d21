/* become.c: see become.h. */
#include "controller/secret/become.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int become_init(struct become *become, struct gf_err *err)
{
	uint8_t noise[24];
	size_t used;
	*become = (struct become){0};
	if (getrandom(noise, sizeof(noise), 0) != (ssize_t)sizeof(noise))
		return gf_err_errno(err, GF_E_INTERNAL, "the system gives no random bytes");
	used = (size_t)snprintf(become->nonce, sizeof(become->nonce), "gpufleet-p-");
	for (size_t i = 0; i < 12; i++)
		used += (size_t)snprintf(become->nonce + used, sizeof(become->nonce) - used, "%02x",
		                         noise[i]);
	used = (size_t)snprintf(become->mark, sizeof(become->mark), "gpufleet-m-");
	for (size_t i = 12; i < sizeof(noise); i++)
		used += (size_t)snprintf(become->mark + used, sizeof(become->mark) - used, "%02x",
		                         noise[i]);
	return 0;
}

char *become_quote(const char *text)
{
	size_t size = 3;
	for (const char *c = text; *c; c++)
		size += *c == '\'' ? 4 : 1;
	char *quoted = malloc(size), *to = quoted;
	if (!quoted)
		return NULL;
	*to++ = '\'';
	for (const char *c = text; *c; c++) {
		if (*c == '\'') {
			memcpy(to, "'\\''", 4);
			to += 4;
		} else {
			*to++ = *c;
		}
	}
	*to++ = '\'';
	*to = '\0';
	return quoted;
}

char *become_command(const struct become *become, const char *command, bool marked)
{
	char *line = NULL, *script = NULL, *quoted = NULL;
	if (!marked) {
		if (asprintf(&line, "sudo -k -S -p %s %s", become->nonce, command) < 0)
			line = NULL;
		return line;
	}
	/* printf with the mark in two parts: a shell that echoes its script does not print it. */
	if (asprintf(&script, "printf %%s%%s gpufleet-m- %s >&2\n%s",
	             become->mark + strlen("gpufleet-m-"), command) < 0)
		return NULL;
	quoted = become_quote(script);
	free(script);
	if (quoted && asprintf(&line, "sudo -k -S -p %s sh -c %s", become->nonce, quoted) < 0)
		line = NULL;
	free(quoted);
	return line;
}

static void keep(struct become *become, char c)
{
	/* The end matters most: the first half stays, the second goes on. */
	size_t half = sizeof(become->said) / 2;
	if (become->said_size == sizeof(become->said)) {
		memmove(become->said + half, become->said + half + 1, half - 1);
		become->said_size--;
	}
	become->said[become->said_size++] = c;
}

static void asked(struct become *become)
{
	if (become->state == BECOME_BEGUN)
		become->state = BECOME_ASKED;
	else if (become->state == BECOME_SENT)
		become->state = BECOME_REFUSED;
}

/* Could HELD be the beginning of WORD? 2: it is the whole word. */
static int begins(const struct become *become, const char *word)
{
	size_t size = strlen(word);
	if (become->held_size > size || memcmp(become->held, word, become->held_size) != 0)
		return 0;
	return become->held_size == size ? 2 : 1;
}

size_t become_feed(struct become *become, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (become->state == BECOME_PASSED)
			return i;
		become->held[become->held_size++] = data[i];
		int nonce = begins(become, become->nonce), mark = begins(become, become->mark);
		if (nonce == 2 || mark == 2) {
			become->held_size = 0;
			if (nonce == 2)
				asked(become);
			else
				become->state = BECOME_PASSED;
		}
		/* Both words begin alike and repeat no beginning inside: one step back is enough.
		 */
		while (become->held_size && !begins(become, become->nonce) &&
		       !begins(become, become->mark)) {
			keep(become, become->held[0]);
			memmove(become->held, become->held + 1, --become->held_size);
		}
	}
	return size;
}

void become_reason(const struct become *become, char *line, size_t size)
{
	char text[sizeof(become->said) + 1];
	size_t end = become->said_size;
	for (size_t i = 0; i < end; i++) {
		unsigned char c = (unsigned char)become->said[i];
		text[i] = (char)((c < 0x20 && c != '\n') || c >= 0x7f ? '?' : c);
	}
	while (end && (text[end - 1] == '\n' || text[end - 1] == ' '))
		end--;
	text[end] = '\0';
	const char *start = strrchr(text, '\n');
	snprintf(line, size, "%s", start ? start + 1 : text);
}
