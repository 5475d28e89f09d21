/* diff.c: the shortest edit script (E. W. Myers, An O(ND) Difference Algorithm and Its Variations,
 * Algorithmica 1, 1986), after the common head and tail were cut off: files of ten thousand lines
 * that differ in a few, such as nova.conf, cost next to nothing. */
#include "node-agent/tasks/diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHANGES 3000 /* lines that came or went; the memory needed is their square */
#define CONTEXT     3

struct line {
	const char *text;
	size_t size; /* with its newline, when it has one */
};

struct side {
	struct line *lines;
	size_t count;
};

/* One line of the script: ' ', '-' or '+', with where it stands on both sides (from 0). */
struct step {
	char mark;
	const struct line *line;
	size_t before, after;
};

static bool side_split(struct side *side, const char *text, size_t size)
{
	size_t capacity = 1;

	for (size_t i = 0; i < size; i++)
		capacity += text[i] == '\n';
	side->count = 0;
	side->lines = calloc(capacity, sizeof(*side->lines));
	for (size_t at = 0; side->lines && at < size;) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t length = end ? (size_t)(end - text) - at + 1 : size - at;
		side->lines[side->count++] = (struct line){text + at, length};
		at += length;
	}
	return side->lines != NULL;
}

static bool line_equal(const struct line *a, const struct line *b)
{
	return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* What is left of both sides without head and tail. */
struct middle {
	const struct line *a, *b;
	size_t rows, columns;
};

/* furthest[d] holds, for each diagonal k = -d, -d+2, … d (at index (k + d) / 2), the furthest row
 * that d changes reach on it. */
struct search {
	uint32_t *furthest[MAX_CHANGES + 1];
	size_t changes; /* of the shortest script */
};

static void search_free(struct search *search)
{
	for (size_t d = 0; d <= MAX_CHANGES; d++)
		free(search->furthest[d]);
	free(search);
}

/* Does the path to diagonal K with D changes end with a line of the other side that came (else with
 * one that went)? */
static bool step_is_down(const struct search *search, long d, long k)
{
	const uint32_t *before = search->furthest[d - 1];
	return k == -d || (k != d && before[(k - 1 + d - 1) / 2] < before[(k + 1 + d - 1) / 2]);
}

/* The row at which the D-th change has been made on diagonal K. */
static size_t step_row(const struct search *search, long d, long k)
{
	const uint32_t *before = search->furthest[d - 1];
	return step_is_down(search, d, k) ? before[(k + 1 + d - 1) / 2]
	                                  : before[(k - 1 + d - 1) / 2] + 1u;
}

/* Follows the lines that are equal from ROW on. */
static size_t middle_slide(const struct middle *middle, size_t row, long k)
{
	while (row < middle->rows && (size_t)((long)row - k) < middle->columns &&
	       line_equal(&middle->a[row], &middle->b[(long)row - k]))
		row++;
	return row;
}

/* NULL: more than MAX_CHANGES, or out of memory. */
static struct search *middle_search(const struct middle *middle)
{
	struct search *search = calloc(1, sizeof(*search));
	long end = (long)middle->rows - (long)middle->columns;

	for (long d = 0; search && d <= MAX_CHANGES; d++) {
		uint32_t *row = search->furthest[d] = calloc((size_t)d + 1, sizeof(*row));
		for (long k = -d; row && k <= d; k += 2) {
			size_t from = d == 0 ? 0 : step_row(search, d, k);
			/* Diagonals that left the table stay where they are. */
			if ((long)from - k < 0 || from > middle->rows ||
			    (size_t)((long)from - k) > middle->columns) {
				row[(k + d) / 2] = (uint32_t)from;
				continue;
			}
			row[(k + d) / 2] = (uint32_t)middle_slide(middle, from, k);
			if (k == end && row[(k + d) / 2] == middle->rows) {
				search->changes = (size_t)d;
				return search;
			}
		}
		if (!row)
			break;
	}
	if (search)
		search_free(search);
	return NULL;
}

/* Fills STEPS from COUNT down, from the end of the middle to its beginning; returns where it
 * stopped. */
static size_t middle_back(const struct middle *middle, const struct search *search,
                          struct step *steps, size_t count, size_t head)
{
	size_t row = middle->rows, column = middle->columns;

	for (long d = (long)search->changes; d >= 0; d--) {
		long k = (long)row - (long)column;
		size_t from = d == 0 ? 0 : step_row(search, d, k);
		while (row > from) {
			row--, column--;
			steps[--count] =
			    (struct step){' ', &middle->a[row], head + row, head + column};
		}
		if (d == 0)
			break;
		if (step_is_down(search, d, k))
			steps[--count] =
			    (struct step){'+', &middle->b[--column], head + row, head + column};
		else
			steps[--count] =
			    (struct step){'-', &middle->a[--row], head + row, head + column};
	}
	return count;
}

/* Fills STEPS (room for both counts together); returns how many there are, from *first on; 0: the
 * sides differ in too much, or out of memory. */
static size_t steps_find(const struct side *a, const struct side *b, struct step *steps,
                         size_t *first)
{
	size_t head = 0, tail = 0, end = a->count + b->count;

	while (head < a->count && head < b->count && line_equal(&a->lines[head], &b->lines[head]))
		head++;
	while (tail < a->count - head && tail < b->count - head &&
	       line_equal(&a->lines[a->count - 1 - tail], &b->lines[b->count - 1 - tail]))
		tail++;
	struct middle middle = {.a = a->lines + head,
	                        .b = b->lines + head,
	                        .rows = a->count - head - tail,
	                        .columns = b->count - head - tail};
	struct search *search = middle_search(&middle);
	if (!search)
		return 0;
	size_t count = end;
	for (size_t i = tail; i-- > 0;)
		steps[--count] = (struct step){' ', &a->lines[a->count - tail + i],
		                               a->count - tail + i, b->count - tail + i};
	count = middle_back(&middle, search, steps, count, head);
	for (size_t i = head; i-- > 0;)
		steps[--count] = (struct step){' ', &a->lines[i], i, i};
	search_free(search);
	*first = count;
	return end - count;
}

/* "3" or "3,2"; an empty range names the line before it. */
static void range_print(FILE *out, char mark, size_t start, size_t count)
{
	fprintf(out, "%c%zu", mark, count ? start + 1 : start);
	if (count != 1)
		fprintf(out, ",%zu", count);
}

static void hunk_print(FILE *out, const struct step *steps, size_t first, size_t end)
{
	size_t before = 0, after = 0;

	for (size_t i = first; i < end; i++) {
		before += steps[i].mark != '+';
		after += steps[i].mark != '-';
	}
	fprintf(out, "@@ ");
	range_print(out, '-', steps[first].before, before);
	fputc(' ', out);
	range_print(out, '+', steps[first].after, after);
	fprintf(out, " @@\n");
	for (size_t i = first; i < end; i++) {
		const struct line *line = steps[i].line;
		fputc(steps[i].mark, out);
		fwrite(line->text, 1, line->size, out);
		if (line->text[line->size - 1] != '\n')
			fprintf(out, "\n\\ No newline at end of file\n");
	}
}

static void hunks_print(FILE *out, const struct step *steps, size_t count)
{
	for (size_t i = 0; i < count;) {
		while (i < count && steps[i].mark == ' ')
			i++;
		if (i == count)
			break;
		size_t first = i > CONTEXT ? i - CONTEXT : 0, last = i;
		for (size_t j = i; j < count && j <= last + 2 * CONTEXT + 1; j++)
			if (steps[j].mark != ' ')
				last = j;
		size_t end = last + 1 + CONTEXT < count ? last + 1 + CONTEXT : count;
		hunk_print(out, steps, first, end);
		i = end;
	}
}

static bool is_text(const char *text, size_t size)
{
	return !text || !memchr(text, '\0', size);
}

char *diff_unified(const char *path, const char *before, size_t before_size, const char *after,
                   size_t after_size)
{
	struct side a = {0}, b = {0};
	struct step *steps = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	before_size = before ? before_size : 0;
	after_size = after ? after_size : 0;
	if (!before == !after && before_size == after_size &&
	    (!before || memcmp(before, after, before_size) == 0))
		goto done;
	if (!is_text(before, before_size) || !is_text(after, after_size)) {
		fprintf(out, "Binary files differ: %s\n", path);
		goto done;
	}
	if (!side_split(&a, before, before_size) || !side_split(&b, after, after_size))
		goto done;
	steps = calloc(a.count + b.count + 1, sizeof(*steps));
	size_t first = 0, count = steps ? steps_find(&a, &b, steps, &first) : 0;
	if (count == 0 && a.count + b.count > 0) {
		fprintf(out, "%s changes from %zu to %zu lines (too long to show)\n", path, a.count,
		        b.count);
		goto done;
	}
	fprintf(out, "--- %s%s\n+++ %s%s\n", before ? "a" : "/dev/null", before ? path : "",
	        after ? "b" : "/dev/null", after ? path : "");
	hunks_print(out, steps + first, count);
done:
	free(steps);
	free(a.lines);
	free(b.lines);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
