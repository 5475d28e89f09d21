/* history_text.c: see history_text.h. */
#include "controller/history/history_text.h"

#include <stdio.h>
#include <string.h>

#define BLANKS " \t\n"

/* The next word of *text that counts, and its LENGTH; NULL at the end. */
static const char *word_next(const char **text, size_t *length)
{
	static const char *const files[] = {"BOOT_IMAGE=", "initrd="};

	for (;;) {
		const char *word = *text + strspn(*text, BLANKS);
		bool names_file = false;

		*length = strcspn(word, BLANKS);
		*text = word + *length;
		if (!*length)
			return NULL;
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
			names_file |= strncmp(word, files[i], strlen(files[i])) == 0;
		if (!names_file)
			return word;
	}
}

bool history_cmdline_same(const char *before, const char *after)
{
	for (;;) {
		size_t length, other_length;
		const char *word = word_next(&before, &length);
		const char *other = word_next(&after, &other_length);

		if (!word || !other)
			return !word && !other;
		if (length != other_length || memcmp(word, other, length) != 0)
			return false;
	}
}

static bool word_in(const char *word, size_t length, const char *text)
{
	size_t other_length;

	for (const char *other; (other = word_next(&text, &other_length));) {
		if (length == other_length && memcmp(word, other, length) == 0)
			return true;
	}
	return false;
}

/* Appends the words of FROM that IN lacks, each after SIGN. */
static size_t words_lacking(const char *from, const char *in, char sign, char *text, size_t used,
                            size_t size)
{
	size_t length;

	for (const char *word; (word = word_next(&from, &length));) {
		if (used < size && !word_in(word, length, in))
			used += (size_t)snprintf(text + used, size - used, "%s%c%.*s",
			                         used ? " " : "", sign, (int)length, word);
	}
	return used;
}

void history_cmdline_difference(const char *before, const char *after, char *text, size_t size)
{
	size_t used = words_lacking(before, after, '-', text, 0, size);

	if (!words_lacking(after, before, '+', text, used, size))
		snprintf(text, size, "the order of its words");
}
