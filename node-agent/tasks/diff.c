/* diff.c: a longest common subsequence by table, after the common head and tail were cut off. */
#include "node-agent/tasks/diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINES 1500 /* a table of 1500² uint16_t is 4.5 MB */
#define CONTEXT   3

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

/* Fills STEPS (room for both counts together); returns how many, or 0 when out of memory. */
static size_t steps_find(const struct side *a, const struct side *b, struct step *steps)
{
	size_t head = 0, tail = 0, count = 0;

	while (head < a->count && head < b->count && line_equal(&a->lines[head], &b->lines[head]))
		head++;
	while (tail < a->count - head && tail < b->count - head &&
	       line_equal(&a->lines[a->count - 1 - tail], &b->lines[b->count - 1 - tail]))
		tail++;
	size_t rows = a->count - head - tail, columns = b->count - head - tail;
	size_t width = columns + 1;
	uint16_t *table = calloc((rows + 1) * width, sizeof(*table));
	if (!table)
		return 0;
	for (size_t i = rows; i-- > 0;)
		for (size_t j = columns; j-- > 0;) {
			uint16_t down = table[(i + 1) * width + j],
			         right = table[i * width + j + 1];
			if (line_equal(&a->lines[head + i], &b->lines[head + j]))
				table[i * width + j] =
				    (uint16_t)(table[(i + 1) * width + j + 1] + 1);
			else
				table[i * width + j] = down > right ? down : right;
		}
	for (size_t i = 0; i < head; i++)
		steps[count++] = (struct step){' ', &a->lines[i], i, i};
	for (size_t i = 0, j = 0; i < rows || j < columns;) {
		const struct line *old = &a->lines[head + i], *new = &b->lines[head + j];
		if (i < rows && j < columns && line_equal(old, new))
			steps[count++] = (struct step){' ', old, head + i++, head + j++};
		else if (i < rows &&
		         (j == columns || table[(i + 1) * width + j] >= table[i * width + j + 1]))
			steps[count++] = (struct step){'-', old, head + i++, head + j};
		else
			steps[count++] = (struct step){'+', new, head + i, head + j++};
	}
	for (size_t i = 0; i < tail; i++)
		steps[count++] = (struct step){' ', &a->lines[head + rows + i], head + rows + i,
		                               head + columns + i};
	free(table);
	return count;
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
	if (a.count > MAX_LINES || b.count > MAX_LINES) {
		fprintf(out, "%s changes from %zu to %zu lines (too long to show)\n", path, a.count,
		        b.count);
		goto done;
	}
	fprintf(out, "--- %s%s\n+++ %s%s\n", before ? "a" : "/dev/null", before ? path : "",
	        after ? "b" : "/dev/null", after ? path : "");
	steps = calloc(a.count + b.count + 1, sizeof(*steps));
	if (steps)
		hunks_print(out, steps, steps_find(&a, &b, steps));
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
