/* terminal.c: see terminal.h. */
#include "controller/terminal/terminal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "controller/terminal/escape.h"

#define FOOTER_INTERVAL_MS 100

void terminal_init(struct terminal *terminal, FILE *out, bool json, bool color)
{
	const char *term = getenv("TERM");

	*terminal = (struct terminal){
	    .out = out,
	    .json = json,
	    .color = color && !json,
	    .live = !json && isatty(fileno(out)) && term && strcmp(term, "dumb") != 0,
	};
}

const char *terminal_paint(const struct terminal *terminal, const char *status)
{
	static const struct {
		const char *status, *paint;
	} paints[] = {
	    {"failed", "\033[31m"},    {"blocked", "\033[33m"},     {"skipped", "\033[33m"},
	    {"done", "\033[32m"},      {"unreachable", "\033[35m"}, {"changed", "\033[36m"},
	    {"rebooting", "\033[36m"},
	};

	for (size_t i = 0; terminal->color && status && i < sizeof(paints) / sizeof(paints[0]);
	     i++) {
		if (strcmp(paints[i].status, status) == 0)
			return paints[i].paint;
	}
	return "";
}

const char *terminal_plain(const struct terminal *terminal)
{
	return terminal->color ? "\033[0m" : "";
}

static void json_put(json_t *object, const char *key, const char *text)
{
	char clean[2048];
	json_t *value;

	if (!text || !*text)
		return;
	value = json_string(text);
	if (!value) /* not UTF-8 */
		value = json_string(escape_text(text, clean, sizeof(clean), 1));
	json_object_set_new(object, key, value);
}

static void event_json(struct terminal *terminal, const struct terminal_event *event)
{
	json_t *object = json_object();
	char when[40];
	struct timespec now;
	struct tm utc;
	size_t length;

	clock_gettime(CLOCK_REALTIME, &now);
	length = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
	snprintf(when + length, sizeof(when) - length, ".%03dZ", (int)(now.tv_nsec / 1000000));
	json_put(object, "time", when);
	json_put(object, "event", event->event);
	json_put(object, "host", event->host);
	json_put(object, "stage", event->stage);
	json_put(object, "task", event->task);
	json_put(object, "status", event->status);
	json_put(object, "message", event->message);
	json_dumpf(object, terminal->out, JSON_COMPACT | JSON_ENSURE_ASCII);
	fputc('\n', terminal->out);
	json_decref(object);
}

void terminal_event(struct terminal *terminal, const struct terminal_event *event)
{
	char host[256], status[64], stage[128], task[128], message[1024];
	time_t now;
	struct tm local;
	char when[16];

	if (terminal->json) {
		event_json(terminal, event);
		fflush(terminal->out);
		return;
	}
	terminal_clear(terminal);
	now = time(NULL);
	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&now, &local));
	escape_text(event->host ? event->host : "", host, sizeof(host), 0);
	escape_text(event->status ? event->status : "", status, sizeof(status), 0);
	escape_text(event->stage ? event->stage : "", stage, sizeof(stage), 0);
	escape_text(event->task ? event->task : "", task, sizeof(task), 0);
	escape_text(event->message ? event->message : "", message, sizeof(message), 0);
	fprintf(terminal->out, "%s %s%s%s%s%s%s", when, host, *host ? ": " : "",
	        terminal_paint(terminal, event->status), status, terminal_plain(terminal),
	        *status && (*stage || *task || *message) ? " " : "");
	if (*stage)
		fprintf(terminal->out, "%s%s", stage, *task || *message ? ": " : "");
	if (*task)
		fprintf(terminal->out, "%s%s", task, *message ? ": " : "");
	fprintf(terminal->out, "%s\n", message);
	fflush(terminal->out);
}

void terminal_clear(struct terminal *terminal)
{
	if (!terminal->footer)
		return;
	fputs("\r\033[K", terminal->out);
	terminal->footer = false;
}

void terminal_footer(struct terminal *terminal, const struct terminal_progress *progress,
                     uint64_t now_ms)
{
	struct winsize size = {0};
	char line[512], slowest[128] = "";
	int columns = 80;

	if (!terminal->live ||
	    (terminal->footer && now_ms - terminal->drawn_ms < FOOTER_INTERVAL_MS))
		return;
	if (ioctl(fileno(terminal->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 10)
		columns = size.ws_col;
	if (progress->slowest)
		escape_text(progress->slowest, slowest, sizeof(slowest), 0);
	snprintf(line, sizeof(line), "%zu/%zu done, %zu running, %zu waiting, %zu failed",
	         progress->done, progress->total, progress->running, progress->waiting,
	         progress->failed);
	if (progress->blocked)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), ", %zu blocked",
		         progress->blocked);
	if (progress->unreachable)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), ", %zu unreachable",
		         progress->unreachable);
	snprintf(line + strlen(line), sizeof(line) - strlen(line), " · %u s", progress->elapsed_s);
	if (*slowest)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " · slowest: %s %s %u s",
		         slowest, progress->slowest_stage ? progress->slowest_stage : "",
		         progress->slowest_s);
	/* Bytes, not columns: a line cut short is better than one that wraps and stays. */
	fprintf(terminal->out, "\r\033[K%.*s", columns - 1, line);
	fflush(terminal->out);
	terminal->footer = true;
	terminal->drawn_ms = now_ms;
}
