/* nodeset.c: expands node set expressions; folding back is nodeset_fold.c.
 *
 * An expression is terms with commas or blanks between them. A term is a name in which brackets
 * stand for numbers (several brackets: every combination), or @GROUP; with `!` before it, what it
 * names is taken out of the result, wherever in the expression it stands. Every size is computed
 * before anything is built, so that a huge range is refused at once.
 */
#include "inventory/nodeset.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX       16 /* brackets and the text between them in one term */
#define DIGITS_MAX      15
#define WORK_MAX        (10 * NODESET_MAX)
#define NAME_MAX_LENGTH 253 /* what DNS allows */

struct range {
	uint64_t first, last;
	uint64_t before; /* how many numbers the ranges before it in its bracket stand for */
	int width;       /* pad with zeros to this many digits */
};

struct part {
	const char *text; /* literal text when range_count is 0 */
	size_t length;
	size_t range_first, range_count; /* slice of expansion.ranges */
	uint64_t size;                   /* how many numbers the bracket stands for */
};

struct expansion {
	const char *text, *at;
	nodeset_group_fn group;
	void *group_ctx;
	struct gf_err *err;
	const char *failed_at;
	size_t work; /* names seen, repeats too: bounds the time */
	struct part parts[PARTS_MAX];
	size_t part_count;
	struct range *ranges;
	size_t range_count, range_room;
	json_t *included, *excluded; /* objects used as sets of names; they keep insertion order */
};

static int out_of_memory(struct gf_err *err)
{
	return gf_err_set(err, GF_E_MEMORY, "out of memory while expanding a node set");
}

/* Notes where it went wrong; the words follow. */
static struct gf_err *fail_at(struct expansion *x, const char *at)
{
	x->failed_at = at;
	return x->err;
}

#define fail(x, at, ...) gf_err_set(fail_at((x), (at)), GF_E_INPUT, __VA_ARGS__)

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

static bool is_separator(char c)
{
	return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int bad_char(struct expansion *x, const char *at)
{
	if (!*at)
		return fail(x, at, "the node set ends too early");
	if (!isprint((unsigned char)*at))
		return fail(x, at, "byte 0x%02x cannot stand in a host name", (unsigned char)*at);
	return fail(x, at,
	            "'%c' cannot stand in a host name (letters, digits, '.', '_' "
	            "and '-' can)",
	            *at);
}

static int number_parse(struct expansion *x, uint64_t *value, int *digits)
{
	const char *start = x->at;
	*value = 0;
	for (; isdigit((unsigned char)*x->at); x->at++) {
		if (x->at - start >= DIGITS_MAX)
			return fail(x, start, "a number in brackets may have at most %d digits",
			            DIGITS_MAX);
		*value = *value * 10 + (uint64_t)(*x->at - '0');
	}
	*digits = (int)(x->at - start);
	if (*digits == 0)
		return fail(x, start, "a number is missing here; write ranges as [01-16,20]");
	return 0;
}

static int range_parse(struct expansion *x, struct part *part)
{
	const char *start = x->at;
	struct range range;
	int digits, last_digits;
	if (number_parse(x, &range.first, &digits) < 0)
		return -1;
	range.last = range.first;
	range.width = digits;
	if (*x->at == '-') {
		x->at++;
		const char *last = x->at;
		if (number_parse(x, &range.last, &last_digits) < 0)
			return -1;
		if (*last == '0' && last_digits > 1 && last_digits != digits)
			return fail(x, start,
			            "the two ends of a zero-padded range need the same "
			            "number of digits");
	}
	if (range.last < range.first)
		return fail(x, start, "the range runs backwards (%" PRIu64 " to %" PRIu64 ")",
		            range.first, range.last);
	range.before = part->size;
	part->size += range.last - range.first + 1;
	if (part->size > NODESET_MAX)
		return fail(x, start, "the range stands for more than %d hosts", NODESET_MAX);
	if (x->range_count == x->range_room) {
		size_t room = x->range_room ? 2 * x->range_room : 16;
		struct range *ranges = realloc(x->ranges, room * sizeof(*ranges));
		if (!ranges)
			return out_of_memory(x->err);
		x->ranges = ranges;
		x->range_room = room;
	}
	x->ranges[x->range_count++] = range;
	part->range_count++;
	return 0;
}

static int bracket_parse(struct expansion *x, struct part *part)
{
	const char *open = x->at++;
	part->range_first = x->range_count;
	if (*x->at == ']')
		return fail(x, open, "the brackets are empty");
	for (;;) {
		if (range_parse(x, part) < 0)
			return -1;
		if (*x->at == ']')
			break;
		if (!*x->at)
			return fail(x, open, "the brackets are never closed");
		if (*x->at != ',')
			return fail(x, x->at, "expected ',', '-' or ']' in the brackets");
		x->at++;
	}
	x->at++;
	return 0;
}

static int name_parse(struct expansion *x)
{
	const char *start = x->at;
	x->part_count = x->range_count = 0;
	if (*start == '-')
		return fail(x, start,
		            "a host name cannot begin with '-' (it would be taken for "
		            "an option)");
	if (*start == '.')
		return fail(x, start, "a host name cannot begin with '.'");
	while (*x->at && !is_separator(*x->at)) {
		if (x->part_count == PARTS_MAX)
			return fail(x, x->at, "too many brackets in one name");
		struct part *part = &x->parts[x->part_count++];
		*part = (struct part){.text = x->at};
		if (*x->at == '[') {
			if (bracket_parse(x, part) < 0)
				return -1;
			continue;
		}
		while (is_name_char(*x->at))
			x->at++;
		part->length = (size_t)(x->at - part->text);
		if (part->length == 0)
			return bad_char(x, x->at);
	}
	return 0;
}

static int set_add(struct expansion *x, json_t *set, const char *name, const char *at)
{
	if (json_object_set_new(set, name, json_true()) < 0)
		return out_of_memory(x->err);
	if (json_object_size(set) > NODESET_MAX || ++x->work > WORK_MAX)
		return fail(x, at, "the node set stands for more than %d hosts", NODESET_MAX);
	return 0;
}

/* The index'th number of a bracket. */
static void number_append(const struct expansion *x, const struct part *part, uint64_t index,
                          char *buffer, size_t size)
{
	const struct range *ranges = &x->ranges[part->range_first];
	size_t low = 0, high = part->range_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (ranges[middle].before <= index)
			low = middle;
		else
			high = middle;
	}
	snprintf(buffer, size, "%0*" PRIu64, ranges[low].width,
	         ranges[low].first + (index - ranges[low].before));
}

static int name_build(struct expansion *x, json_t *set, uint64_t combination, uint64_t total,
                      const char *start)
{
	char name[NAME_MAX_LENGTH + 1];
	size_t length = 0;
	for (size_t i = 0; i < x->part_count; i++) {
		const struct part *part = &x->parts[i];
		char number[DIGITS_MAX + 8];
		const char *text = part->text;
		size_t text_length = part->length;
		if (part->range_count) {
			total /= part->size;
			number_append(x, part, combination / total, number, sizeof(number));
			combination %= total;
			text = number;
			text_length = strlen(number);
		}
		if (length + text_length >= sizeof(name))
			return fail(x, start, "a host name may have at most %d characters",
			            NAME_MAX_LENGTH);
		memcpy(name + length, text, text_length);
		length += text_length;
	}
	name[length] = '\0';
	return set_add(x, set, name, start);
}

static int name_expand(struct expansion *x, json_t *set)
{
	const char *start = x->at;
	if (name_parse(x) < 0)
		return -1;
	uint64_t total = 1;
	for (size_t i = 0; i < x->part_count; i++) {
		if (x->parts[i].range_count)
			total *= x->parts[i].size; /* each factor is at most NODESET_MAX */
		if (total > NODESET_MAX)
			return fail(x, start, "the name stands for more than %d hosts",
			            NODESET_MAX);
	}
	for (uint64_t i = 0; i < total; i++)
		if (name_build(x, set, i, total, start) < 0)
			return -1;
	return 0;
}

static int group_expand(struct expansion *x, json_t *set)
{
	const char *start = x->at++;
	char name[128];
	size_t length = 0;
	/* "@*" is every host; only a caller that knows them can answer. */
	for (; is_name_char(*x->at) || *x->at == '*'; x->at++) {
		if (length + 1 == sizeof(name))
			return fail(x, start, "the group's name is too long");
		name[length++] = *x->at;
	}
	name[length] = '\0';
	if (length == 0)
		return fail(x, start, "a group's name is missing after '@'");
	if (*x->at && !is_separator(*x->at))
		return bad_char(x, x->at);
	if (!x->group)
		return fail(x, start, "no groups are known here");
	const struct string_list *names;
	if (x->group(x->group_ctx, name, &names, x->err) < 0) {
		x->failed_at = start;
		return -1;
	}
	for (size_t i = 0; i < names->count; i++)
		if (set_add(x, set, names->items[i], start) < 0)
			return -1;
	return 0;
}

static int terms_expand(struct expansion *x)
{
	while (*x->at) {
		if (is_separator(*x->at)) {
			x->at++;
			continue;
		}
		json_t *set = x->included;
		if (*x->at == '!') {
			set = x->excluded;
			x->at++;
			if (!*x->at || is_separator(*x->at))
				return fail(x, x->at - 1, "a name is missing after '!'");
		}
		if ((*x->at == '@' ? group_expand(x, set) : name_expand(x, set)) < 0)
			return -1;
	}
	return 0;
}

int nodeset_expand_at(const char *text, nodeset_group_fn group, void *ctx, struct string_list *out,
                      size_t *column, struct gf_err *err)
{
	struct expansion x = {
	    .text = text, .at = text, .group = group, .group_ctx = ctx, .err = err};
	x.failed_at = text;
	*out = (struct string_list){0};
	x.included = json_object();
	x.excluded = json_object();
	int rc = x.included && x.excluded ? terms_expand(&x) : out_of_memory(err);
	const char *name;
	json_t *value;
	if (rc == 0) {
		json_object_foreach(x.included, name, value)
		{
			if (json_object_get(x.excluded, name))
				continue;
			if (string_list_append(out, name) < 0) {
				rc = out_of_memory(err);
				break;
			}
		}
	}
	*column = (size_t)(x.failed_at - text) + 1;
	if (rc < 0)
		string_list_free(out);
	free(x.ranges);
	json_decref(x.included);
	json_decref(x.excluded);
	return rc;
}

int nodeset_expand(const char *text, nodeset_group_fn group, void *ctx, struct string_list *out,
                   struct gf_err *err)
{
	size_t column;
	struct gf_err why;
	if (nodeset_expand_at(text, group, ctx, out, &column, &why) < 0)
		return gf_err_set(err, why.code, "character %zu: %.480s", column, why.msg);
	return 0;
}
