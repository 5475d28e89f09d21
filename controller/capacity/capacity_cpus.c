/* capacity_cpus.c: see capacity_cpus.h. */
#include "controller/capacity/capacity_cpus.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_blanks(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

/* A processor's number at *TEXT, which moves behind it and the blanks around it; -1: there is none.
 */
static long number_at(const char **text)
{
	char *end;
	long number;

	*text = skip_blanks(*text);
	if (!isdigit((unsigned char)**text))
		return -1;
	number = strtol(*text, &end, 10);
	*text = skip_blanks(end);
	return number < CAPACITY_CPUS_MAX ? number : -1;
}

static void range_set(struct capacity_cpus *cpus, long first, long last)
{
	for (long cpu = first; cpu <= last; cpu++)
		cpus->bits[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

int capacity_cpus_parse(const char *text, struct capacity_cpus *out)
{
	struct capacity_cpus out_of = {0};

	memset(out, 0, sizeof(*out));
	for (text = skip_blanks(text); *text; text = skip_blanks(text)) {
		bool reject = *text == '^';
		long first, last;

		if (*text == ',') {
			text++;
			continue;
		}
		text += reject;
		first = last = number_at(&text);
		if (*text == '-') {
			text++;
			last = number_at(&text);
		}
		if (first < 0 || last < first || (*text && *text != ','))
			return -1;
		range_set(reject ? &out_of : out, first, last);
	}
	for (size_t i = 0; i < CAPACITY_CPUS_MAX / 64; i++)
		out->bits[i] &= ~out_of.bits[i];
	return 0;
}

unsigned capacity_cpus_count(const struct capacity_cpus *cpus)
{
	return capacity_cpus_common(cpus, cpus);
}

unsigned capacity_cpus_common(const struct capacity_cpus *a, const struct capacity_cpus *b)
{
	unsigned count = 0;

	for (size_t i = 0; i < CAPACITY_CPUS_MAX / 64; i++)
		count += (unsigned)__builtin_popcountll(a->bits[i] & b->bits[i]);
	return count;
}

void capacity_cpus_add(struct capacity_cpus *to, const struct capacity_cpus *from)
{
	for (size_t i = 0; i < CAPACITY_CPUS_MAX / 64; i++)
		to->bits[i] |= from->bits[i];
}
