/* fuzz_json_share.c: documents, one a line, through the loader that keeps equal parts once. Each is
 * what jansson alone makes of it, the first time and when all of it is known, and stays that.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/store/json_share.h"

#define LINES_MAX 16
#define MOST      4096 /* bytes: so few that some are let go */

struct line {
	const char *text;
	size_t length;
	json_t *wanted, *first;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t split(const char *text, size_t size, struct line lines[LINES_MAX])
{
	const char *end = text + size;
	size_t count = 0;

	while (text < end && count < LINES_MAX) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (!stop || count + 1 == LINES_MAX)
			stop = end;
		lines[count++] = (struct line){.text = text, .length = (size_t)(stop - text)};
		text = stop + 1;
	}
	return count;
}

static void expect(const json_t *wanted, const json_t *got)
{
	if (!wanted != !got || (wanted && !json_equal(wanted, got)))
		abort();
}

/* As the store is read (MOST 0), and as hosts are listened to. */
static void load_all(struct line *lines, size_t count, size_t most, size_t flags)
{
	struct json_share *share = json_share_new(most);

	for (size_t i = 0; i < count; i++) {
		struct line *line = &lines[i];

		line->wanted = json_loadb(line->text, line->length, flags, NULL);
		line->first = json_share_load(share, line->text, line->length, flags);
		expect(line->wanted, line->first);
	}
	for (size_t i = 0; i < count; i++) {
		json_t *again = json_share_load(share, lines[i].text, lines[i].length, flags);

		expect(lines[i].wanted, again);
		json_decref(again);
	}
	json_share_free(share);
	for (size_t i = 0; i < count; i++) {
		expect(lines[i].wanted, lines[i].first);
		json_decref(lines[i].wanted);
		json_decref(lines[i].first);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line lines[LINES_MAX];
	size_t count = split((const char *)data, size, lines);

	load_all(lines, count, 0, JSON_DECODE_ANY);
	load_all(lines, count, MOST, JSON_REJECT_DUPLICATES);
	return 0;
}
