/* fuzz_frame.c: arbitrary bytes, in arbitrary pieces, through the line splitter, the greeting and
 * the parser. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/frame.h"

/* Little, so that short inputs go past it. */
#define LINE_MAX_LENGTH 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text of a result is the result. */
static void result_check(const char *line, size_t length, const json_t *answer)
{
	size_t size = 0;
	const char *text = frame_result(line, length, answer, &size);
	json_t *again = text ? json_loadb(text, size, JSON_DECODE_ANY, NULL) : NULL;

	if (text && !json_equal(json_object_get(answer, "result"), again))
		abort();
	json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame;
	size_t piece = size > 0 ? data[0] + 1U : 1;
	enum frame_greeting greeting = FRAME_GREETING_NONE;
	json_t *object;
	char *line;
	size_t length;
	frame_init(&frame, LINE_MAX_LENGTH);
	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		if (frame_feed(&frame, data + at, n, NULL) != 0)
			break;
		if (greeting != FRAME_GREETING_HELLO) {
			if (frame_greet(&frame, &greeting, &object, NULL) != 0)
				break;
			json_decref(object);
			continue;
		}
		while ((line = frame_line(&frame, &length))) {
			object = frame_parse(line, length, NULL);
			if (object) {
				result_check(line, length, object);
				char *again = frame_encode(object, NULL, NULL);
				free(again);
			}
			json_decref(object);
		}
	}
	frame_free(&frame);
	json_decref(frame_text((const char *)data, size));
	return 0;
}
