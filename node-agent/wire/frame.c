/* frame.c: see frame.h. Everything here is fed with bytes from elsewhere: it must hold for any of
 * them. */
#include "node-agent/wire/frame.h"

#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/json_text.h"

void frame_init(struct frame *frame, size_t limit)
{
	memset(frame, 0, sizeof(*frame));
	frame->limit = limit;
}

void frame_free(struct frame *frame)
{
	free(frame->data);
	frame_init(frame, frame->limit);
}

void frame_rest(struct frame *frame)
{
	if (frame->start == frame->used)
		frame_free(frame);
}

static int frame_reserve(struct frame *frame, size_t size, struct gf_err *err)
{
	if (frame->start > 0) {
		memmove(frame->data, frame->data + frame->start, frame->used - frame->start);
		frame->used -= frame->start;
		frame->scanned -= frame->start;
		frame->start = 0;
	}
	size_t needed = frame->used + size + 1;
	if (needed <= frame->capacity)
		return 0;
	size_t capacity = frame->capacity ? frame->capacity : 4096;
	while (capacity < needed)
		capacity *= 2;
	char *larger = realloc(frame->data, capacity);
	if (!larger)
		return gf_err_set(err, GF_E_MEMORY, "no memory for a message of %zu bytes", needed);
	frame->data = larger;
	frame->capacity = capacity;
	return 0;
}

int frame_feed(struct frame *frame, const void *data, size_t size, struct gf_err *err)
{
	if (size == 0)
		return 0;
	if (frame_reserve(frame, size, err) != 0)
		return -1;
	memcpy(frame->data + frame->used, data, size);
	frame->used += size;
	/* Only the last, still open line can be too long without somebody taking lines. */
	char *end = memrchr(frame->data + frame->scanned, '\n', frame->used - frame->scanned);
	size_t open =
	    end ? (size_t)(frame->data + frame->used - end) - 1 : frame->used - frame->start;
	if (open > frame->limit)
		return gf_err_set(
		    err, GF_E_PROTOCOL,
		    "a line longer than %zu bytes arrived; the other side does not speak "
		    "gpufleet's protocol",
		    frame->limit);
	return 0;
}

char *frame_line(struct frame *frame, size_t *length)
{
	if (frame->scanned >= frame->used)
		return NULL;
	char *from = frame->data + frame->scanned;
	char *end = memchr(from, '\n', frame->used - frame->scanned);
	if (!end) {
		frame->scanned = frame->used;
		return NULL;
	}
	char *line = frame->data + frame->start;
	size_t size = (size_t)(end - line);
	frame->start = frame->scanned = (size_t)(end - frame->data) + 1;
	if (size > 0 && line[size - 1] == '\r')
		size--;
	line[size] = '\0';
	if (length)
		*length = size;
	return line;
}

/* What somebody else sent may end on a terminal. */
static void clean_message(struct gf_err *err)
{
	for (char *p = err ? err->msg : NULL; p && *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
}

json_t *frame_parse(const char *line, size_t length, struct gf_err *err)
{
	json_error_t error;
	json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
	if (!object) {
		gf_err_set(err, GF_E_PROTOCOL, "a message is not valid JSON: %s (byte %d)",
		           error.text, error.position);
		clean_message(err);
		return NULL;
	}
	if (!json_is_object(object)) {
		gf_err_set(err, GF_E_PROTOCOL, "a message is not a JSON object: %.60s", line);
		clean_message(err);
		json_decref(object);
		return NULL;
	}
	return object;
}

const char *frame_result(const char *line, size_t length, const json_t *answer, size_t *size)
{
	static const char id[] = "{\"id\":", result[] = ",\"result\":";
	const char *end = line + length, *at = line + sizeof(id) - 1;

	/* What follows the second of two members is that member alone. */
	if (json_object_size(answer) != 2 || length < sizeof(id) + sizeof(result) ||
	    memcmp(line, id, sizeof(id) - 1) != 0 || end[-1] != '}')
		return NULL;
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	if ((size_t)(end - at) < sizeof(result) || memcmp(at, result, sizeof(result) - 1) != 0)
		return NULL;
	at += sizeof(result) - 1;
	*size = (size_t)(end - 1 - at);
	return at;
}

char *frame_encode(const json_t *object, size_t *length, struct gf_err *err)
{
	char *text = json_dumps(object, JSON_COMPACT);
	size_t size = text ? strlen(text) : 0;
	char *line = text ? realloc(text, size + 2) : NULL;
	if (!line) {
		free(text);
		gf_err_set(err, GF_E_MEMORY, "no memory for a message");
		return NULL;
	}
	line[size] = '\n';
	line[size + 1] = '\0';
	if (length)
		*length = size + 1;
	return line;
}

/* A launch script's line: place, push, or why it cannot start the agent. */
static int greet_launch(const json_t *object, enum frame_greeting *greeting, struct gf_err *err)
{
	const char *word = json_text(object, "gpufleet");
	if (strcmp(word, "place") == 0) {
		*greeting = FRAME_GREETING_PLACE;
		return 0;
	}
	if (strcmp(word, "push") == 0) {
		*greeting = FRAME_GREETING_PUSH;
		return 0;
	}
	if (strcmp(word, "error") != 0)
		return 0;
	const char *message = json_text(object, "message");
	return gf_err_set(err, gf_code_from_name(json_text(object, "code")), "%.400s",
	                  *message ? message
	                           : "the agent could not be started; no reason was given");
}

static int greet_line(const char *line, size_t length, enum frame_greeting *greeting,
                      json_t **object, struct gf_err *err)
{
	static const char *const starts[] = {"{\"hello\":\"gpufleet-agent\"", "{\"gpufleet\":"};
	const char *found = NULL;
	for (size_t i = 0; i < 2 && !found; i++)
		found = memmem(line, length, starts[i], strlen(starts[i]));
	if (!found)
		return 0;
	json_t *parsed = frame_parse(found, length - (size_t)(found - line), NULL);
	if (!parsed)
		return 0;
	int result = 0;
	if (json_object_get(parsed, "gpufleet")) {
		result = greet_launch(parsed, greeting, err);
	} else if (json_integer_value(json_object_get(parsed, "protocol")) != FRAME_PROTOCOL) {
		result =
		    gf_err_set(err, GF_E_AGENT,
		               "the agent speaks protocol %lld, this controller %d: remove "
		               "/var/lib/gpufleet/agent on the host and try again",
		               (long long)json_integer_value(json_object_get(parsed, "protocol")),
		               FRAME_PROTOCOL);
	} else {
		*greeting = FRAME_GREETING_HELLO;
		*object = json_incref(parsed);
	}
	json_decref(parsed);
	return result;
}

int frame_greet(struct frame *frame, enum frame_greeting *greeting, json_t **object,
                struct gf_err *err)
{
	*greeting = FRAME_GREETING_NONE;
	*object = NULL;
	size_t length;
	char *line;
	while ((line = frame_line(frame, &length))) {
		if (greet_line(line, length, greeting, object, err) != 0)
			return -1;
		if (*greeting != FRAME_GREETING_NONE)
			return 0;
		frame->noise += length + 1;
		if (frame->noise > FRAME_NOISE_LIMIT)
			return gf_err_set(
			    err, GF_E_PROTOCOL,
			    "more than %zu bytes of other output came before the agent's "
			    "first line: is there a login script that does not end?",
			    FRAME_NOISE_LIMIT);
	}
	return 0;
}

/* How many bytes the valid UTF-8 sequence at P takes; 0 when there is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	if (p[0] < 0x80)
		return p[0] ? 1 : 0;
	size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return length;
}

json_t *frame_text(const char *bytes, size_t size)
{
	char *copy = malloc(size + 1);
	if (!copy)
		return NULL;
	memcpy(copy, bytes, size);
	for (size_t i = 0; i < size;) {
		size_t length = utf8_length((const unsigned char *)copy + i, size - i);
		if (length == 0)
			copy[i] = '?';
		i += length ? length : 1;
	}
	json_t *text = json_stringn(copy, size);
	free(copy);
	return text;
}
