/* recap.c: see recap.h. */
#include "controller/terminal/recap.h"

#include <stdlib.h>
#include <string.h>

#include "controller/terminal/escape.h"
#include "controller/terminal/lines.h"
#include "inventory/nodeset.h"

static const char *const verdict_order[] = {"pending",     "drifted", "skipped",
                                            "unreachable", "blocked", "failed"};

static int verdict_rank(const char *verdict)
{
	for (size_t i = 0; i < sizeof(verdict_order) / sizeof(verdict_order[0]); i++) {
		if (strcmp(verdict_order[i], verdict) == 0)
			return (int)i;
	}
	return -1;
}

/* MESSAGE with every mention of HOST as HOST. */
static char *message_general(const char *message, const char *host)
{
	size_t length = strlen(host), room = strlen(message) * 4 + 8;
	char *general = malloc(room), *to = general;

	if (!general)
		return NULL;
	while (*message) {
		if (length && strncmp(message, host, length) == 0) {
			memcpy(to, "HOST", 4);
			to += 4;
			message += length;
		} else {
			*to++ = *message++;
		}
	}
	*to = '\0';
	return general;
}

static int group_compare(const void *left, const void *right)
{
	const struct recap_group *a = left, *b = right;
	int ranks = verdict_rank(a->verdict) - verdict_rank(b->verdict);

	if (ranks)
		return ranks;
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	return strcmp(a->message, b->message);
}

static struct recap_group *group_find(struct recap_group *groups, size_t count,
                                      const struct recap_item *item, const char *message)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(groups[i].verdict, item->verdict) == 0 &&
		    strcmp(groups[i].code, item->code) == 0 &&
		    strcmp(groups[i].message, message) == 0)
			return &groups[i];
	}
	return NULL;
}

static int group_join(struct recap_group *group, const char *host)
{
	const char **hosts = group->hosts;

	if ((group->count & (group->count - 1)) == 0) {
		hosts =
		    realloc(group->hosts, (group->count ? group->count * 2 : 1) * sizeof(*hosts));
		if (!hosts)
			return -1;
		group->hosts = hosts;
	}
	hosts[group->count++] = host;
	return 0;
}

struct recap_group *recap_fold(const struct recap_item *items, size_t count, size_t *group_count)
{
	struct recap_group *groups = calloc(count + 1, sizeof(*groups));

	*group_count = 0;
	for (size_t i = 0; groups && i < count; i++) {
		struct recap_group *group;
		char *message;

		if (verdict_rank(items[i].verdict) < 0)
			continue;
		message = message_general(items[i].message, items[i].host);
		group = message ? group_find(groups, *group_count, &items[i], message) : NULL;
		if (group) {
			free(message);
		} else if (message) {
			group = &groups[(*group_count)++];
			group->verdict = items[i].verdict;
			group->code = items[i].code;
			group->message = message;
		}
		if (!group || group_join(group, items[i].host)) {
			recap_groups_free(groups, *group_count);
			return NULL;
		}
	}
	if (groups)
		qsort(groups, *group_count, sizeof(*groups), group_compare);
	return groups;
}

void recap_groups_free(struct recap_group *groups, size_t count)
{
	for (size_t i = 0; groups && i < count; i++) {
		free(groups[i].message);
		free(groups[i].hosts);
	}
	free(groups);
}

void recap_print(const struct terminal *terminal, const struct recap_item *items, size_t count,
                 const char *next)
{
	size_t group_count = 0;
	struct recap_group *groups = recap_fold(items, count, &group_count);

	for (size_t i = 0; groups && i < group_count; i++) {
		char *hosts = nodeset_fold(groups[i].hosts, groups[i].count);
		const char *paint = terminal_paint(terminal, groups[i].verdict);
		char message[1024], text[1100];

		fprintf(terminal->out, "%s%s%s (%zu): %s\n", paint, groups[i].verdict,
		        terminal_plain(paint), groups[i].count, hosts ? hosts : "?");
		/* "blocked: blocked: …" says nothing more. */
		snprintf(text, sizeof(text), "%s%s%s",
		         strcmp(groups[i].code, groups[i].verdict) ? groups[i].code : "",
		         *groups[i].code && strcmp(groups[i].code, groups[i].verdict) ? ": " : "",
		         escape_text(groups[i].message, message, sizeof(message), 0));
		lines_wrap(terminal->out, text, 4, lines_columns(terminal->out));
		free(hosts);
	}
	recap_groups_free(groups, group_count);
	if (next)
		fprintf(terminal->out, "To go on: %s\n", next);
	fflush(terminal->out);
}
