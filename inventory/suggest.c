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

NO_COVERAGE static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

NO_COVERAGE static int folded(const char *text, size_t at)
{
	int c = tolower((unsigned char)text[at]);
	return c == '-' ? '_' : c;
}

NO_COVERAGE static unsigned distance(const char *a, size_t length_a, const char *b, size_t length_b)
{
	unsigned rows[3][LENGTH_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];
	for (size_t j = 0; j <= length_b; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= length_a; i++) {
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= length_b; j++) {
			unsigned change = folded(a, i - 1) != folded(b, j - 1);
			row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + change);
			if (i > 1 && j > 1 && folded(a, i - 1) == folded(b, j - 2) &&
			    folded(a, i - 2) == folded(b, j - 1))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		unsigned *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[length_b];
}

const char *suggest_nearest(const char *word, const char *const *candidates, size_t count)
{
	size_t length = strlen(word);
	if (length == 0 || length > LENGTH_MAX)
		return NULL;
	const char *best = NULL;
	unsigned best_distance = UINT_MAX;
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
		unsigned d = distance(word, length, candidates[i], other);
		if (d > most)
			continue;
		if (d < best_distance) {
			best = candidates[i];
			best_distance = d;
		}
	}
	return best;
}
