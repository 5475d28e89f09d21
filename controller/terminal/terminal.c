/* terminal.c: see terminal.h. */
#include "controller/terminal/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controller/terminal/escape.h"
#include "controller/terminal/lines.h"

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
	    {"failed", "\033[31m"},      {"blocked", "\033[33m"}, {"skipped", "\033[33m"},
	    {"pending", "\033[33m"},     {"drifted", "\033[31m"}, {"done", "\033[32m"},
	    {"unreachable", "\033[35m"}, {"changed", "\033[36m"}, {"rebooting", "\033[36m"},
	};

	for (size_t i = 0; terminal->color && status && i < sizeof(paints) / sizeof(paints[0]);
	     i++) {
		if (strcmp(paints[i].status, status) == 0)
			return paints[i].paint;
	}
	return "";
}

const char *terminal_plain(const char *paint)
{
	return *paint ? "\033[0m" : "";
}

/* Every line has every key, so that readers need not ask. */
static void json_put(json_t *object, const char *key, const char *text)
{
	char clean[2048];
	json_t *value = text && *text ? json_string(text) : json_null();

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
	json_object_set_new(object, "message", json_string(""));
	if (event->message && *event->message)
		json_put(object, "message", event->message);
	if (event->more)
		json_object_update_missing(object, (json_t *)(uintptr_t)event->more);
	json_dumpf(object, terminal->out, JSON_COMPACT | JSON_ENSURE_ASCII);
	fputc('\n', terminal->out);
	json_decref(object);
}

/* "12:00:00 gpu01: failed (stage host): a task: what it said" */
void terminal_event(struct terminal *terminal, const struct terminal_event *event)
{
	const char *paint = terminal_paint(terminal, event->status);
	char host[256], status[64], stage[128], task[128], message[1024 + 4], when[16];
	char before[256 + 16], after[128 + 128 + 32];
	unsigned columns = lines_columns(terminal->out);
	time_t now = time(NULL);
	size_t used;
	struct tm local;

	if (terminal->json) {
		event_json(terminal, event);
		fflush(terminal->out);
		return;
	}
	terminal_clear(terminal);
	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&now, &local));
	escape_text(event->host ? event->host : "", host, sizeof(host), 0);
	escape_text(event->status ? event->status : "", status, sizeof(status), 0);
	escape_text(event->stage ? event->stage : "", stage, sizeof(stage), 0);
	escape_text(event->task ? event->task : "", task, sizeof(task), 0);
	escape_text(event->message ? event->message : "", message, sizeof(message) - 4, 0);
	snprintf(before, sizeof(before), "%s %s%s", when, host, *host ? ": " : "");
	snprintf(after, sizeof(after), "%s%s%s%s%s%s", *stage ? " (stage " : "", stage,
	         *stage ? ")" : "", *task ? ": " : "", task, *message ? ": " : "");
	used = lines_width(before) + lines_width(status) + lines_width(after);
	if (columns > used + 1 && lines_width(message) > columns - used) {
		lines_cut(message, columns - used - 1);
		strcat(message, "…");
	}
	fprintf(terminal->out, "%s%s%s%s%s%s\n", before, paint, status, terminal_plain(paint),
	        after, message);
	fflush(terminal->out);
}

void terminal_clear(struct terminal *terminal)
{
	if (!terminal->footer)
		return;
	fputs("\r\033[K", terminal->out);
	terminal->footer = false;
}

/* The parts of the footer, the most telling first; those that don't fit are left out. */
static void footer_line(const struct terminal_progress *progress, size_t columns, char *line,
                        size_t size)
{
	char parts[5][192] = {"", "", "", "", ""}, slowest[128] = "";
	size_t used;

	snprintf(parts[0], sizeof(parts[0]), "%zu/%zu done, %zu running, %zu failed",
	         progress->done, progress->total, progress->running, progress->failed);
	snprintf(parts[1], sizeof(parts[1]), " · %u s", progress->elapsed_s);
	if (progress->slowest) {
		escape_text(progress->slowest, slowest, sizeof(slowest), 0);
		snprintf(parts[2], sizeof(parts[2]), " · %s: %s %u s", slowest,
		         progress->slowest_stage ? progress->slowest_stage : "",
		         progress->slowest_s);
	}
	if (progress->blocked || progress->unreachable)
		snprintf(parts[3], sizeof(parts[3]), " · %zu blocked, %zu unreachable",
		         progress->blocked, progress->unreachable);
	if (progress->waiting)
		snprintf(parts[4], sizeof(parts[4]), " · %zu waiting", progress->waiting);
	*line = '\0';
	used = 0;
	for (size_t i = 0; i < 5; i++) {
		size_t length = strlen(line);

		if (used + lines_width(parts[i]) > columns && i > 0)
			continue;
		used += lines_width(parts[i]);
		snprintf(line + length, size - length, "%s", parts[i]);
	}
	lines_cut(line, columns);
}

void terminal_footer(struct terminal *terminal, const struct terminal_progress *progress,
                     uint64_t now_ms)
{
	char line[1024];

	if (!terminal->live ||
	    (terminal->footer && now_ms - terminal->drawn_ms < FOOTER_INTERVAL_MS))
		return;
	/* The last column stays free: some terminals wrap as soon as it is written. */
	footer_line(progress, lines_columns(terminal->out) - 1, line, sizeof(line));
	fprintf(terminal->out, "\r\033[K%s", line);
	fflush(terminal->out);
	terminal->footer = true;
	terminal->drawn_ms = now_ms;
}
