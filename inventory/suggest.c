/* suggest.c: see suggest.h. Optimal string alignment distance over three rows. */
#include "inventory/suggest.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#define LENGTH_MAX 64 /* no key or name that is worth a suggestion is longer */

/* A fuzzer learns nothing from the inside of this loop, and would spend its time there. */
#ifdef __clang__
#define NO_COVERAGE __attribute__((no_sanitize("coverage")))
#else
#define NO_COVERAGE
#endif

struct word {
	char text[LENGTH_MAX]; /* as it is compared: in lower case, with "_" for "-" */
	size_t length;
};

NO_COVERAGE static void word_fold(struct word *word, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		int c = tolower((unsigned char)text[i]);
		word->text[i] = (char)(c == '-' ? '_' : c);
	}
	word->length = length;
}

NO_COVERAGE static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* More than MOST is only said to be more. */
NO_COVERAGE static unsigned distance(const struct word *a, const struct word *b, unsigned most)
{
	unsigned rows[3][LENGTH_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];
	unsigned least_of_last = 0;
	for (size_t j = 0; j <= b->length; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a->length; i++) {
		unsigned least_of_row = row[0] = (unsigned)i;
		for (size_t j = 1; j <= b->length; j++) {
			unsigned change = a->text[i - 1] != b->text[j - 1];
			row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + change);
			if (i > 1 && j > 1 && a->text[i - 1] == b->text[j - 2] &&
			    a->text[i - 2] == b->text[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
			least_of_row = least(least_of_row, row[j]);
		}
		/* A row is made of the two before it, and no step takes anything off. */
		if (least_of_row > most && least_of_last > most)
			return most + 1;
		least_of_last = least_of_row;
		unsigned *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b->length];
}

const char *suggest_nearest(const char *word, const char *const *candidates, size_t count)
{
	size_t length = strlen(word);
	if (length == 0 || length > LENGTH_MAX)
		return NULL;
	const char *best = NULL;
	unsigned best_distance = UINT_MAX;
	struct word meant, candidate;
	word_fold(&meant, word, length);
	for (size_t i = 0; i < count; i++) {
		size_t other = strlen(candidates[i]);
		if (other == 0 || other > LENGTH_MAX)
			continue;
		/* A third of the letters may be wrong; or one is the other's beginning. */
		size_t shorter = length < other ? length : other;
		size_t longer = length > other ? length : other;
		size_t most = longer / 3 + (shorter > 1);
		if (shorter >= 3 && !strncmp(word, candidates[i], shorter))
			most = longer;
		/* The distance is no less than what the lengths differ by: not worth the work? */
		if (longer - shorter > most || longer - shorter >= best_distance)
			continue;
		word_fold(&candidate, candidates[i], other);
		if (most >= best_distance)
			most = best_distance - 1;
		unsigned d = distance(&meant, &candidate, (unsigned)most);
		if (d > most)
			continue;
		best = candidates[i];
		best_distance = d;
	}
	return best;
}
