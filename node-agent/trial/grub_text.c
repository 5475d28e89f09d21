/* grub_text.c: see grub_text.h. */
#include "node-agent/trial/grub_text.h"

#include <stdio.h>
#include <string.h>

void grub_environment_get(const char *environment, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);

	*value = '\0';
	for (const char *line = environment; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == '=') {
			line += length + 1;
			snprintf(value, size, "%.*s", (int)strcspn(line, "\n"), line);
			return;
		}
	}
}

const char *grub_line_next(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

const char *grub_skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

bool grub_word_is(const char *text, const char *word)
{
	size_t length = strlen(word);

	return strncmp(text, word, length) == 0 && strchr(" \t\n{", text[length]) != NULL;
}

const char *grub_word_take(const char *text, char *word, size_t size)
{
	size_t used = 0;
	char quote = '\0';

	text = grub_skip_blanks(text);
	if (!*text || *text == '\n')
		return NULL;
	for (; *text && *text != '\n'; text++) {
		if (!quote && (*text == ' ' || *text == '\t'))
			break;
		if (*text == quote || (!quote && (*text == '\'' || *text == '"'))) {
			quote = quote ? '\0' : *text;
			continue;
		}
		if (*text == '\\' && quote != '\'' && text[1] && text[1] != '\n')
			text++;
		if (used + 1 < size)
			word[used++] = *text;
	}
	word[used] = '\0';
	return text;
}

#define SECTION  "### BEGIN /etc/grub.d/"
#define COUNTING "_fallback_counting ###"

/* Does LINE begin what `08_fallback_counting` of Fedora and Red Hat wrote (01_… before)? It sets
 * another default when boot_counter, which is in grubenv only where somebody uses it, has come to
 * its end (rhboot/grub2, util/grub.d/08_fallback_counting.in). */
static bool is_counting(const char *line)
{
	size_t length = strcspn(line, "\n");
	size_t end = strlen(COUNTING);

	return length > end && strncmp(line + length - end, COUNTING, end) == 0;
}

/* What `set default="…"` says, other than of the one-time entry: the last one counts. */
int grub_selector(const char *config, const char *environment, char selector[GRUB_ENVIRONMENT_SIZE],
                  struct gf_err *err)
{
	char word[GRUB_ENVIRONMENT_SIZE + 16];
	bool counting = false;

	snprintf(selector, GRUB_ENVIRONMENT_SIZE, "0");
	grub_environment_get(environment, "boot_counter", word, sizeof(word));
	bool counted = *word;
	for (const char *line = config; *line; line = grub_line_next(line)) {
		const char *text = grub_skip_blanks(line);

		if (strncmp(line, SECTION, strlen(SECTION)) == 0)
			counting = is_counting(line);
		if (!grub_word_is(text, "set") || !grub_word_take(text + 3, word, sizeof(word)) ||
		    strncmp(word, "default=", 8) != 0 || strstr(word, "${next_entry}"))
			continue;
		if (counting && counted)
			return gf_err_set(err, GF_E_TASK,
			                  "boot_counter in grubenv makes GRUB change its default");
		if (!counting)
			snprintf(selector, GRUB_ENVIRONMENT_SIZE, "%s", word + 8);
	}
	if (strcmp(selector, "${saved_entry}") == 0)
		grub_environment_get(environment, "saved_entry", selector, GRUB_ENVIRONMENT_SIZE);
	if (strchr(selector, '$'))
		return gf_err_set(err, GF_E_TASK,
		                  "which entry GRUB boots by default is computed when it boots");
	return 0;
}
