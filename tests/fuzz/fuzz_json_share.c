/* fuzz_json_share.c: documents, one a line, through the loader that keeps equal parts once. Each is
 * what jansson alone makes of it, the first time and when all of it is known, and stays that.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/store/json_share.h"

#define LINES_MAX 16

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_share *share = json_share_new();
	struct line lines[LINES_MAX];
	size_t count = split((const char *)data, size, lines);

	for (size_t i = 0; i < count; i++) {
		struct line *line = &lines[i];

		line->wanted = json_loadb(line->text, line->length, JSON_DECODE_ANY, NULL);
		line->first = json_share_load(share, line->text, line->length);
		expect(line->wanted, line->first);
	}
	for (size_t i = 0; i < count; i++) {
		json_t *again = json_share_load(share, lines[i].text, lines[i].length);

		expect(lines[i].wanted, again);
		json_decref(again);
	}
	json_share_free(share);
	for (size_t i = 0; i < count; i++) {
		expect(lines[i].wanted, lines[i].first);
		json_decref(lines[i].wanted);
		json_decref(lines[i].first);
	}
	return 0;
}
