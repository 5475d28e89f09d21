/* hot_wire.c: what hosts send: lines of the wire, and the events that become a host's state. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/host/host_fold.h"
#include "node-agent/wire/frame.h"
#include "tests/budget/hot_paths.h"

#define PIECE 4096 /* what arrives at once */

struct stream {
	size_t size;
	char *bytes;
	size_t length;
	size_t lines; /* that went by */
	size_t wanted;
};

static void put_file(FILE *out, const char *name, const char *before, const char *after)
{
	size_t length;
	char *text = hot_file(name, &length);

	fprintf(out, "%s%.*s%s\n", before, (int)length - 1, text, after);
	free(text);
}

/* For each host its facts, its plan, and twenty events of an operation. */
static void *frames_prepare(size_t size)
{
	struct stream *stream = hot_allocate(1, sizeof(*stream));
	FILE *out = open_memstream(&stream->bytes, &stream->length);

	if (!out)
		hot_fail("out of memory", "frames");
	stream->size = size;
	for (size_t host = 0; host < size; host++) {
		put_file(out, "after.json", "{\"id\":1,\"result\":", "}");
		put_file(out, "plan.json", "{\"id\":2,\"result\":", "}");
		for (int i = 1; i <= 20; i++)
			fprintf(out,
			        "{\"id\":3,\"event\":{\"seq\":%d,\"time\":\"2026-01-02T03:04:05Z\","
			        "\"task\":\"vfio modules\",\"type\":\"load_modules\","
			        "\"status\":\"changed\",\"message\":\"\",\"changes\":[]}}\n",
			        i);
	}
	fclose(out);
	stream->wanted = size * 22;
	return stream;
}

static void stream_read(struct stream *stream, bool parse)
{
	struct frame frame;
	size_t length;
	char *line;

	frame_init(&frame, FRAME_LINE_LIMIT);
	for (size_t at = 0; at < stream->length; at += PIECE) {
		size_t left = stream->length - at;

		if (frame_feed(&frame, stream->bytes + at, left < PIECE ? left : PIECE, NULL))
			return;
		while ((line = frame_line(&frame, &length))) {
			json_t *object = parse ? frame_parse(line, length, NULL) : NULL;

			stream->lines += !parse || object;
			json_decref(object);
		}
	}
	frame_free(&frame);
}

static void frames_run(void *state)
{
	stream_read(state, true);
}

static size_t stream_done(void *state)
{
	const struct stream *stream = state;

	return stream->lines == stream->wanted ? stream->size : 0;
}

static void *long_line_prepare(size_t size)
{
	struct stream *stream = hot_allocate(1, sizeof(*stream));

	stream->size = size;
	stream->length = size << 10;
	stream->bytes = hot_allocate(stream->length, 1);
	memset(stream->bytes, 'x', stream->length - 1);
	stream->bytes[stream->length - 1] = '\n';
	stream->wanted = 1;
	return stream;
}

static void long_line_run(void *state)
{
	stream_read(state, false);
}

struct events {
	json_t **list;
	size_t count, size;
	struct host_record record;
};

/* The journal of one apply, again and again. */
static void *events_prepare(size_t size)
{
	struct events *events = hot_allocate(1, sizeof(*events));
	size_t length, count = 0;
	char *text = hot_file("events.jsonl", &length), *rest = NULL;
	json_t *journal[128];

	for (char *line = strtok_r(text, "\n", &rest); line && count < 128;
	     line = strtok_r(NULL, "\n", &rest))
		journal[count++] = json_loads(line, 0, NULL);
	free(text);
	if (count == 0)
		hot_fail("is empty", "events.jsonl");
	host_record_init(&events->record);
	events->size = size;
	events->list = hot_allocate(size, sizeof(json_t *));
	for (size_t i = 0; i < size; i++)
		events->list[i] = journal[i % count];
	return events;
}

static void events_run(void *state)
{
	struct events *events = state;

	for (size_t i = 0; i < events->size; i++) {
		if (host_fold(&events->record, events->list[i]))
			hot_fail("out of memory", "events.jsonl");
		events->count++;
	}
}

static size_t events_done(void *state)
{
	const struct events *events = state;

	return events->record.reboot_s == 2 ? events->count : 0;
}

const struct hot_path hot_wire[] = {
    {"frames", 8, "hosts", frames_prepare, frames_run, stream_done},
    {"long-line", 4096, "KiB", long_line_prepare, long_line_run, stream_done},
    {"events", 8000, "events", events_prepare, events_run, events_done},
    {0},
};
