/* crowd_host.c: see crowd.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crowd.h"

struct text {
	char *data;
	size_t size;
};

static void text_add(struct text *text, const char *data, size_t size)
{
	memcpy(text->data + text->size, data, size);
	text->size += size;
}

static size_t answer_room(const struct answer *answer)
{
	size_t room = 1;

	for (size_t i = 0; i < answer->count; i++)
		room += answer->pieces[i].size + 96; /* an operation's id is the longest */
	return room;
}

/* Eight bytes as PCI Express writes a serial number: of the host, of the card NUMBER. */
static int serial_print(char *text, size_t size, const struct crowd_host *host, size_t number)
{
	return snprintf(text, size, "00-00-%02zx-%02zx-%02zx-%02zx-2d-b0", host->index >> 16 & 255,
	                host->index >> 8 & 255, host->index & 255, number & 255);
}

static void piece_print(const struct crowd_host *host, const struct piece *piece, json_int_t id,
                        size_t serial, struct text *text)
{
	char value[96];
	int size = 0;

	switch (piece->kind) {
	case PIECE_TEXT:
		text_add(text, piece->text, piece->size);
		return;
	case PIECE_ID:
		size = snprintf(value, sizeof(value), "%lld", (long long)id);
		break;
	case PIECE_NAME:
		size = snprintf(value, sizeof(value), "%s", host->name);
		break;
	case PIECE_BOOT:
		size = snprintf(value, sizeof(value), "%08zx-0000-4000-8000-%012x", host->index + 1,
		                piece->number);
		break;
	case PIECE_RUN:
		size = snprintf(value, sizeof(value), "%s", host->run);
		break;
	case PIECE_OPERATION:
		size = snprintf(value, sizeof(value), "%s", host->operations[piece->number]);
		break;
	case PIECE_SERIAL:
		size = serial_print(value, sizeof(value), host, serial);
		break;
	case PIECE_NOW: {
		time_t now = time(NULL);
		struct tm parts;

		size = (int)strftime(value, sizeof(value), "%Y-%m-%dT%H:%M:%SZ",
		                     gmtime_r(&now, &parts));
		break;
	}
	}
	text_add(text, value, (size_t)size);
}

static char *answer_print(const struct crowd_host *host, const struct answer *answer, json_int_t id,
                          size_t *size)
{
	struct text text = {.data = malloc(answer_room(answer))};
	size_t serial = 0;

	if (!text.data)
		crowd_die("out of memory");
	for (size_t i = 0; i < answer->count; i++) {
		piece_print(host, &answer->pieces[i], id, serial, &text);
		serial += answer->pieces[i].kind == PIECE_SERIAL;
	}
	*size = text.size;
	return text.data;
}

char *crowd_host_hello(struct crowd_host *host, size_t *size)
{
	const struct answer *hello = &host->recording->hello;
	struct text text = {.data = malloc(answer_room(hello))};
	struct piece piece;

	if (!text.data)
		crowd_die("out of memory");
	pthread_mutex_lock(&host->lock);
	for (size_t i = 0; i < hello->count; i++) {
		piece = hello->pieces[i];
		if (piece.kind == PIECE_BOOT)
			piece.number = host->boots;
		piece_print(host, &piece, 0, 0, &text);
	}
	pthread_mutex_unlock(&host->lock);
	*size = text.size;
	return text.data;
}

/* The operation that was begun as OPERATION; NULL: none. */
static const struct exchange *operation_find(const struct crowd_host *host, const char *operation)
{
	for (size_t i = 0; operation && i < host->recording->count; i++) {
		const struct exchange *exchange = &host->recording->exchanges[i];

		if (exchange->acts && exchange->operation >= 0 && exchange->epoch < host->epoch &&
		    !strcmp(host->operations[exchange->operation], operation))
			return exchange;
	}
	return NULL;
}

static char *operation_follow(const struct crowd_host *host, const struct exchange *exchange,
                              json_int_t id, json_int_t from, size_t *size)
{
	char *text = answer_print(host, &exchange->answer, id, size);
	size_t skip = 0;

	/* An event is a line, and so is the result, which is the last one. */
	for (; from > 1; from--) {
		const char *end = memchr(text + skip, '\n', *size - skip);

		if (!end || end + 1 == text + *size)
			break;
		skip = (size_t)(end - text) + 1;
	}
	*size -= skip;
	memmove(text, text + skip, *size);
	return text;
}

/* Under the lock. */
static char *request_answer(struct crowd_host *host, json_t *request, size_t *size, bool *reboots)
{
	const char *name = json_string_value(json_object_get(request, "request"));
	const char *operation = json_string_value(json_object_get(request, "operation"));
	const char *run = json_string_value(json_object_get(request, "run"));
	json_int_t id = json_integer_value(json_object_get(request, "id"));
	const struct exchange *exchange = operation_find(host, operation);

	if (!name)
		return NULL;
	if (exchange)
		return operation_follow(host, exchange, id,
		                        json_integer_value(json_object_get(request, "from")), size);
	exchange = recording_find(host->recording, name, host->epoch);
	if (!exchange)
		return NULL;
	if (!run)
		run =
		    json_string_value(json_object_get(json_object_get(request, "context"), "run"));
	if (run)
		snprintf(host->run, sizeof(host->run), "%s", run);
	if (operation && exchange->operation >= 0)
		snprintf(host->operations[exchange->operation], sizeof(host->operations[0]), "%s",
		         operation);
	host->epoch += exchange->acts;
	*reboots = !strcmp(name, "reboot");
	return answer_print(host, &exchange->answer, id, size);
}

char *crowd_host_answer(struct crowd_host *host, const char *line, size_t length, size_t *size,
                        bool *reboots)
{
	json_t *request = json_loadb(line, length, 0, NULL);
	char *text;

	*reboots = false;
	pthread_mutex_lock(&host->lock);
	text = request_answer(host, request, size, reboots);
	pthread_mutex_unlock(&host->lock);
	json_decref(request);
	return text;
}
