/* recording.c: see recording.h. */
#include "recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"

#define BOOTS_MAX 16

/* What is replaced, by what it was in the recording. */
struct reader {
	struct recording *recording;
	char run[64];
	char boots[BOOTS_MAX][64], operations[RECORDING_OPERATIONS][80];
	unsigned boot_count, operation_count, epoch;
};

static bool request_acts(const char *request)
{
	static const char *const acting[] = {"apply", "commit", "undo", "reboot", "confirm"};

	for (size_t i = 0; i < sizeof(acting) / sizeof(acting[0]); i++)
		if (!strcmp(request, acting[i]))
			return true;
	return false;
}

static char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? strdup(text) : NULL;
}

/* The number of VALUE among those that were seen, VALUE being put with them where it is new. */
static int seen(char *table, size_t row, size_t rows, unsigned *count, const char *value)
{
	for (unsigned i = 0; i < *count; i++)
		if (!strcmp(table + i * row, value))
			return (int)i;
	if (*count == rows || strlen(value) >= row)
		crowd_die("the recording has too much in it: %s", value);
	strcpy(table + *count * row, value);
	return (int)(*count)++;
}

static void piece_add(struct answer *answer, struct piece piece)
{
	if (!(answer->count & (answer->count + 1))) {
		answer->pieces = realloc(answer->pieces, (2 * answer->count + 2) * sizeof(piece));
		if (!answer->pieces)
			crowd_die("out of memory");
	}
	answer->pieces[answer->count++] = piece;
}

/* Does TEXT go on with `"KEY":"`? The size of the value after it, or 0. */
static size_t value_size(const char *text, const char *key, size_t *before)
{
	size_t size = strlen(key);
	const char *end;

	if (text[0] != '"' || strncmp(text + 1, key, size) != 0 ||
	    strncmp(text + 1 + size, "\":\"", 3) != 0)
		return 0;
	*before = size + 4;
	end = strchr(text + *before, '"');
	return end ? (size_t)(end - text) - *before : 0;
}

/* What stands at TEXT that each host says in its own way; BEFORE bytes of text stand before it. */
static struct piece piece_at(const struct reader *reader, const char *text, size_t *before)
{
	struct piece piece = {.text = text};
	size_t size;

	*before = 0;
	if ((size = value_size(text, "hostname", before)))
		return (struct piece){.kind = PIECE_NAME, .size = size};
	if ((size = value_size(text, "serial", before)))
		return (struct piece){.kind = PIECE_SERIAL, .size = size};
	if ((size = value_size(text, "observed", before)))
		return (struct piece){.kind = PIECE_NOW, .size = size};
	*before = 0;
	for (unsigned i = 0; i < reader->boot_count; i++) {
		size = strlen(reader->boots[i]);
		if (!strncmp(text, reader->boots[i], size))
			return (struct piece){.kind = PIECE_BOOT, .number = i, .size = size};
	}
	/* The longest that fits: the number 12 begins as 1 does. */
	for (unsigned i = 0; i < reader->operation_count; i++) {
		size = strlen(reader->operations[i]);
		if (size > piece.size && !strncmp(text, reader->operations[i], size))
			piece = (struct piece){.kind = PIECE_OPERATION, .number = i, .size = size};
	}
	size = strlen(reader->run);
	if (!piece.size && size && !strncmp(text, reader->run, size))
		return (struct piece){.kind = PIECE_RUN, .size = size};
	return piece;
}

static void answer_add_line(const struct reader *reader, struct answer *answer, const char *line)
{
	static const char id[] = "{\"id\":";
	const char *from = line, *at = line;
	struct piece piece;
	size_t before;

	if (!strncmp(line, id, strlen(id))) {
		piece_add(answer, (struct piece){PIECE_TEXT, 0, line, strlen(id)});
		piece_add(answer, (struct piece){.kind = PIECE_ID});
		from = at = line + strlen(id) + strspn(line + strlen(id), "0123456789");
	}
	for (; *at && *at != '\n'; at++) {
		piece = piece_at(reader, at, &before);
		if (!piece.size)
			continue;
		at += before;
		piece_add(answer, (struct piece){PIECE_TEXT, 0, from, (size_t)(at - from)});
		piece_add(answer, piece);
		at += piece.size - 1;
		from = at + 1;
	}
	piece_add(answer, (struct piece){PIECE_TEXT, 0, from, (size_t)(at - from) + 1});
}

static void request_read(struct reader *reader, struct exchange *exchange, json_t *request)
{
	const json_t *context = json_object_get(request, "context");
	char *name = text_of(request, "request"), *operation = text_of(request, "operation");
	char *run = text_of(request, "run");

	if (!name)
		crowd_die("the recording has a request without a name");
	if (!run)
		run = text_of((json_t *)(uintptr_t)context, "run");
	if (run)
		snprintf(reader->run, sizeof(reader->run), "%s", run);
	snprintf(exchange->request, sizeof(exchange->request), "%s", name);
	exchange->epoch = reader->epoch;
	exchange->acts = request_acts(name);
	exchange->operation = operation
	                          ? seen(reader->operations[0], sizeof(reader->operations[0]),
	                                 RECORDING_OPERATIONS, &reader->operation_count, operation)
	                          : -1;
	reader->epoch += exchange->acts;
	free(name);
	free(operation);
	free(run);
}

static struct exchange *exchange_new(struct recording *recording)
{
	struct exchange *more =
	    realloc(recording->exchanges, (recording->count + 1) * sizeof(*more));

	if (!more)
		crowd_die("out of memory");
	recording->exchanges = more;
	more[recording->count] = (struct exchange){.operation = -1};
	return &more[recording->count++];
}

static void hello_read(struct reader *reader, json_t *hello, const char *line)
{
	char *boot = text_of(hello, "boot_id");

	if (!boot)
		crowd_die("the recording's agent said no boot id");
	seen(reader->boots[0], sizeof(reader->boots[0]), BOOTS_MAX, &reader->boot_count, boot);
	if (!reader->recording->hello.count)
		answer_add_line(reader, &reader->recording->hello, line);
	free(boot);
}

static void line_read(struct reader *reader, const char *line)
{
	struct recording *recording = reader->recording;
	json_t *message = json_loadb(line + 2, strcspn(line, "\n") - 2, 0, NULL);

	if (!message)
		crowd_die("the recording has a line that is no JSON: %.60s", line);
	if (*line == '>')
		request_read(reader, exchange_new(recording), message);
	else if (json_object_get(message, "hello"))
		hello_read(reader, message, line + 2);
	else if (recording->count)
		answer_add_line(reader, &recording->exchanges[recording->count - 1].answer,
		                line + 2);
	json_decref(message);
}

static char *file_read(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

void recording_load(struct recording *recording, const char *directory)
{
	struct reader reader = {.recording = recording};
	char path[4096], *text;

	*recording = (struct recording){0};
	for (unsigned i = 1;; i++) {
		snprintf(path, sizeof(path), "%s/conversation.%u", directory, i);
		text = file_read(path);
		if (!text)
			break;
		/* It is kept for as long as the program runs: answers are parts of it. */
		for (const char *line = text; *line; line = strchr(line, '\n') + 1)
			line_read(&reader, line);
	}
	if (!recording->count || !recording->hello.count)
		crowd_die("%s has no conversations", directory);
}

const struct exchange *recording_find(const struct recording *recording, const char *request,
                                      unsigned epoch)
{
	const struct exchange *found = NULL;
	bool acts = request_acts(request);

	for (size_t i = 0; i < recording->count; i++) {
		const struct exchange *exchange = &recording->exchanges[i];

		if (exchange->epoch > epoch)
			break;
		if (strcmp(exchange->request, request) != 0 || (acts && exchange->epoch != epoch))
			continue;
		/* Of one epoch the first. */
		if (!found || found->epoch != exchange->epoch)
			found = exchange;
	}
	return found;
}
