/* nodeset_fold.c: compares host names naturally and folds lists of them for people to read.
 *
 * A name is text with numbers in it. Names with the same text form a family, a set of points with
 * one coordinate a number. Starting with the last number, boxes that agree in all the others are
 * joined; what results stands for exactly the same names.
 */
#include "inventory/nodeset.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS_MAX 4  /* further numbers of a name count as text */
#define DIGITS_MAX  15 /* a longer run of digits counts as text */

struct number {
	uint64_t value;
	int width;
};

struct box {
	const char *name;
	struct {
		size_t start, length;
	} runs[NUMBERS_MAX]; /* where the numbers stand in name */
	size_t run_count;
	struct {
		struct number *items;
		size_t count;
	} axes[NUMBERS_MAX];
};

/* How many digits TEXT begins with. Names have few: strspn, which reads its set first, takes
 * several times as long. */
static size_t digits_length(const char *text)
{
	size_t length = 0;
	while (isdigit((unsigned char)text[length]))
		length++;
	return length;
}

int nodeset_compare(const char *a, const char *b)
{
	const char *start_a = a, *start_b = b;
	while (*a && *b) {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			while (*a == '0')
				a++;
			while (*b == '0')
				b++;
			size_t digits_a = digits_length(a), digits_b = digits_length(b);
			if (digits_a != digits_b)
				return digits_a < digits_b ? -1 : 1;
			int order = strncmp(a, b, digits_a);
			if (order)
				return order;
			a += digits_a;
			b += digits_b;
			continue;
		}
		if (*a != *b)
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		a++;
		b++;
	}
	if (*a || *b)
		return *a ? 1 : -1;
	return strcmp(start_a, start_b); /* gpu1 and gpu01 are two hosts */
}

static int name_order(const void *a, const void *b)
{
	return nodeset_compare(*(const char *const *)a, *(const char *const *)b);
}

static int number_order(const struct number *a, const struct number *b)
{
	if (a->value != b->value)
		return a->value < b->value ? -1 : 1;
	return (a->width > b->width) - (a->width < b->width);
}

/* The text around the numbers, compared run by run. */
static int family_order(const struct box *a, const struct box *b)
{
	size_t at_a = 0, at_b = 0;
	for (size_t i = 0;; i++) {
		size_t end_a = i < a->run_count ? a->runs[i].start : strlen(a->name);
		size_t end_b = i < b->run_count ? b->runs[i].start : strlen(b->name);
		size_t length_a = end_a - at_a, length_b = end_b - at_b;
		size_t shorter = length_a < length_b ? length_a : length_b;
		int order = memcmp(a->name + at_a, b->name + at_b, shorter);
		if (order)
			return order;
		if (length_a != length_b)
			return length_a < length_b ? -1 : 1;
		if (i >= a->run_count || i >= b->run_count)
			return (a->run_count > b->run_count) - (a->run_count < b->run_count);
		at_a = end_a + a->runs[i].length;
		at_b = end_b + b->runs[i].length;
	}
}

static int axis_order(const struct box *a, const struct box *b, size_t axis)
{
	size_t count_a = a->axes[axis].count, count_b = b->axes[axis].count;
	for (size_t i = 0; i < count_a && i < count_b; i++) {
		int order = number_order(&a->axes[axis].items[i], &b->axes[axis].items[i]);
		if (order)
			return order;
	}
	return (count_a > count_b) - (count_a < count_b);
}

/* By family, then by every axis but `joined`, then by that one: boxes that may be joined are
 * adjacent. */
static int box_order(const struct box *a, const struct box *b, size_t joined, bool with_joined)
{
	int order = family_order(a, b);
	for (size_t i = 0; !order && i < a->run_count; i++)
		if (i != joined)
			order = axis_order(a, b, i);
	if (!order && with_joined && joined < a->run_count)
		order = axis_order(a, b, joined);
	return order;
}

static int box_sort_order(const void *a, const void *b, void *joined)
{
	return box_order(a, b, *(size_t *)joined, true);
}

static int first_name_order(const void *a, const void *b)
{
	return nodeset_compare(((const struct box *)a)->name, ((const struct box *)b)->name);
}

static int box_init(struct box *box, const char *name)
{
	*box = (struct box){.name = name};
	for (const char *at = name; *at;) {
		size_t digits = digits_length(at);
		if (digits == 0 || digits > DIGITS_MAX || box->run_count == NUMBERS_MAX) {
			at += digits ? digits : 1;
			continue;
		}
		struct number *number = malloc(sizeof(*number));
		if (!number)
			return -1;
		*number = (struct number){strtoull(at, NULL, 10), (int)digits};
		box->axes[box->run_count].items = number;
		box->axes[box->run_count].count = 1;
		box->runs[box->run_count].start = (size_t)(at - name);
		box->runs[box->run_count++].length = digits;
		at += digits;
	}
	return 0;
}

static void box_free(struct box *box)
{
	for (size_t i = 0; i < box->run_count; i++)
		free(box->axes[i].items);
}

static int axis_append(struct box *box, const struct box *other, size_t axis)
{
	size_t count = box->axes[axis].count, more = other->axes[axis].count;
	/* Joined boxes come one by one, in order: room doubles at powers of two. */
	if ((count & (count - 1)) == 0 || more > 1) {
		size_t room = 2 * (count + more);
		struct number *items = realloc(box->axes[axis].items, room * sizeof(*items));
		if (!items)
			return -1;
		box->axes[axis].items = items;
	}
	memcpy(box->axes[axis].items + count, other->axes[axis].items,
	       more * sizeof(struct number));
	box->axes[axis].count += more;
	return 0;
}

/* Boxes of names in natural order mostly are in order already, which costs one look at each. */
static void boxes_sort(struct box *boxes, size_t count, size_t axis)
{
	for (size_t i = 1; i < count; i++) {
		if (box_order(&boxes[i - 1], &boxes[i], axis, true) > 0) {
			qsort_r(boxes, count, sizeof(*boxes), box_sort_order, &axis);
			return;
		}
	}
}

static int boxes_join(struct box *boxes, size_t *count, size_t axis)
{
	boxes_sort(boxes, *count, axis);
	size_t kept = 0;
	for (size_t i = 1; i < *count; i++) {
		if (axis < boxes[i].run_count && !box_order(&boxes[kept], &boxes[i], axis, false)) {
			if (axis_append(&boxes[kept], &boxes[i], axis) < 0) {
				/* Leave every box owned once. */
				memmove(boxes + kept + 1, boxes + i, (*count - i) * sizeof(*boxes));
				*count -= i - kept - 1;
				return -1;
			}
			box_free(&boxes[i]);
		} else {
			boxes[++kept] = boxes[i];
		}
	}
	*count = *count ? kept + 1 : 0;
	return 0;
}

static bool follows(const struct number *a, const struct number *b, int start_width)
{
	if (b->value != a->value + 1)
		return false;
	return snprintf(NULL, 0, "%0*llu", start_width, (unsigned long long)b->value) == b->width;
}

static void axis_print(FILE *out, const struct box *box, size_t axis)
{
	const struct number *items = box->axes[axis].items;
	size_t count = box->axes[axis].count;
	if (count > 1)
		fputc('[', out);
	for (size_t i = 0; i < count; i++) {
		size_t last = i;
		while (last + 1 < count && follows(&items[last], &items[last + 1], items[i].width))
			last++;
		fprintf(out, "%s%0*llu", i ? "," : "", items[i].width,
		        (unsigned long long)items[i].value);
		if (last > i)
			fprintf(out, "-%0*llu", items[i].width,
			        (unsigned long long)items[last].value);
		i = last;
	}
	if (count > 1)
		fputc(']', out);
}

static void box_print(FILE *out, const struct box *box)
{
	size_t at = 0;
	for (size_t i = 0; i < box->run_count; i++) {
		fwrite(box->name + at, 1, box->runs[i].start - at, out);
		axis_print(out, box, i);
		at = box->runs[i].start + box->runs[i].length;
	}
	fputs(box->name + at, out);
}

char *nodeset_fold(const char *const *names, size_t count)
{
	char *text = NULL;
	size_t size = 0, box_count = 0;
	const char **sorted = calloc(count + 1, sizeof(*sorted));
	struct box *boxes = calloc(count + 1, sizeof(*boxes));
	FILE *out = open_memstream(&text, &size);
	bool ok = sorted && boxes && out;
	size_t axes = 0; /* of the name that has most */
	if (ok && count > 0) {
		memcpy(sorted, names, count * sizeof(*sorted));
		qsort(sorted, count, sizeof(*sorted), name_order);
	}
	for (size_t i = 0; ok && i < count; i++) {
		if (i > 0 && strcmp(sorted[i], sorted[i - 1]) == 0)
			continue;
		ok = box_init(&boxes[box_count], sorted[i]) == 0;
		if (boxes[box_count].run_count > axes)
			axes = boxes[box_count].run_count;
		box_count++;
	}
	for (size_t axis = axes; ok && axis-- > 0;)
		ok = boxes_join(boxes, &box_count, axis) == 0;
	if (ok) {
		qsort(boxes, box_count, sizeof(*boxes), first_name_order);
		for (size_t i = 0; i < box_count; i++) {
			if (i)
				fputc(',', out);
			box_print(out, &boxes[i]);
		}
	}
	if (out && fclose(out) != 0)
		ok = false;
	for (size_t i = 0; i < box_count; i++)
		box_free(&boxes[i]);
	free(boxes);
	free(sorted);
	if (!ok) {
		free(text);
		text = NULL;
	}
	return text;
}
