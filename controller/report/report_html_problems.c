/* report_html_problems.c: what keeps GPUs from guests, folded over the fleet: one problem is one
 * check with one cause and one fix; the one that costs most comes first. Warnings come last, folded
 * away.
 *
 * GPUs of a problem: primaries that are blocked, pending or unknown and name the check among their
 * reasons, where the check is about their host or about a function in their slot. One GPU may have
 * several problems.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/report/report_html_parts.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"

#define SHOWN_MAX 200 /* problems; causes are few, unless hosts make them up */

#define NONE ((size_t)-1)

enum weight { WEIGHT_BLOCKED, WEIGHT_UNKNOWN, WEIGHT_PENDING, WEIGHT_HOST, WEIGHT_WARNING };

static const struct {
	const char *class, *letter, *title;
} weights[] = {
    [WEIGHT_BLOCKED] = {"blocked", "B", "blocked"}, [WEIGHT_UNKNOWN] = {"unknown", "?", "unknown"},
    [WEIGHT_PENDING] = {"pending", "P", "pending"}, [WEIGHT_HOST] = {"fails", "!", "fails"},
    [WEIGHT_WARNING] = {"warns", "i", "warning"},
};

struct problem {
	enum weight weight;
	const json_t *check; /* the first of it: id, cause, fix, and an example of what was seen */
	const char *example; /* its host */
	struct string_list hosts;
	size_t gpus;
	const json_t *last_host; /* so that a host is listed once */
	size_t next;             /* another one of the same cause; NONE: no more */
};

struct problems {
	struct problem *items;
	size_t count, size;
	json_t *index; /* cause → the place of one that has it */
	/* Of the host at hand: (problem, device) pairs whose GPU was counted. */
	struct {
		size_t problem, device;
	} * counted;
	size_t counted_count, counted_size;
};

static bool has_reason(const json_t *device, const char *id)
{
	const json_t *reason;
	size_t i;

	json_array_foreach(json_object_get(device, "reasons"), i, reason)
	{
		if (strcmp(json_string_value(reason) ? json_string_value(reason) : "", id) == 0)
			return true;
	}
	return false;
}

/* Are both addresses functions of one slot? */
static bool same_slot(const char *a, const char *b)
{
	const char *dot = strrchr(a, '.');

	return dot && strncmp(a, b, (size_t)(dot - a) + 1) == 0;
}

static int count_gpu(struct problems *list, size_t problem, size_t device)
{
	for (size_t i = 0; i < list->counted_count; i++) {
		if (list->counted[i].problem == problem && list->counted[i].device == device)
			return 0;
	}
	if (list->counted_count == list->counted_size) {
		size_t size = list->counted_size ? 2 * list->counted_size : 64;
		void *more = realloc(list->counted, size * sizeof(*list->counted));

		if (!more)
			return -1;
		list->counted = more;
		list->counted_size = size;
	}
	list->counted[list->counted_count].problem = problem;
	list->counted[list->counted_count++].device = device;
	list->items[problem].gpus++;
	return 0;
}

static enum weight weight_of(enum html_verdict verdict)
{
	return verdict == HTML_BLOCKED   ? WEIGHT_BLOCKED
	       : verdict == HTML_UNKNOWN ? WEIGHT_UNKNOWN
	       : verdict == HTML_PENDING ? WEIGHT_PENDING
	                                 : WEIGHT_HOST;
}

/* The report says "fail" of what apply mends and of what it cannot mend. The check's own verdict
 * tells them apart; in a report without it, the fix does. */
static bool mended_by_apply(const json_t *check)
{
	const char *verdict = json_text(check, "verdict");

	if (*verdict)
		return strcmp(verdict, "pending") == 0;
	return strncmp(json_text(check, "fix"), "`gpufleet apply`", 16) == 0;
}

/* Is DEVICE not to be had? A blocked one is not because of what apply mends: that alone would not
 * block it. */
static bool is_lost(const json_t *device, bool mended)
{
	enum html_verdict verdict = report_html_verdict(device);

	return weight_of(verdict) < WEIGHT_HOST && !(mended && verdict == HTML_BLOCKED);
}

static bool is_lost_to(const json_t *device, const char *id, bool mended)
{
	return is_lost(device, mended) && has_reason(device, id);
}

static enum weight device_weight(const json_t *device, const char *id, bool mended)
{
	return is_lost_to(device, id, mended) ? weight_of(report_html_verdict(device))
	                                      : WEIGHT_WARNING + 1;
}

/* How much a check matters on HOST; WEIGHT_WARNING + 1: not at all. */
static enum weight check_weight(const json_t *host, const struct html_check *item)
{
	const json_t *check = item->check, *devices = json_object_get(host, "devices"), *device;
	const char *status = json_text(check, "status"), *id;
	enum weight worst = WEIGHT_WARNING + 1;
	bool mended;
	size_t i;

	if (strcmp(status, "warn") == 0)
		return WEIGHT_WARNING;
	id = json_text(check, "id");
	mended = mended_by_apply(check);
	/* Of a host without GPUs only its Nova counts: it may be a control host. */
	if (report_html_verdict(host) == HTML_IGNORED && strncmp(id, "nova.", 5) != 0)
		return worst;
	if (item->place >= 0)
		return device_weight(json_array_get(devices, (size_t)item->place), id, mended);
	if (item->place == HTML_ABOUT_NOTHING)
		return worst;
	json_array_foreach(devices, i, device)
	{
		enum weight weight = device_weight(device, id, mended);

		worst = weight < worst ? weight : worst;
	}
	if (worst < WEIGHT_HOST || mended)
		return worst;
	/* No device to lose: the host itself is blocked, or was never reached. */
	if (json_array_size(devices) == 0 && strncmp(id, "nova.", 5) != 0)
		return weight_of(report_html_verdict(host));
	return strcmp(status, "fail") == 0 ? WEIGHT_HOST : worst;
}

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
	return strcmp(json_text(a, key), json_text(b, key)) == 0;
}

/* The problem that CHECK is a case of, a new one if need be. */
static struct problem *problem_of(struct problems *list, const json_t *check, enum weight weight)
{
	const char *cause = json_text(check, "cause");
	const json_t *known = json_object_get(list->index, cause);
	size_t first = known ? (size_t)json_integer_value(known) : NONE, place;

	for (place = first; place < list->count; place = list->items[place].next) {
		struct problem *problem = &list->items[place];

		/* A check that is only now and then a warning is another problem then. */
		if ((problem->weight == WEIGHT_WARNING) == (weight == WEIGHT_WARNING) &&
		    same_text(problem->check, check, "id") &&
		    same_text(problem->check, check, "fix"))
			return problem;
	}
	if (list->count == list->size) {
		size_t size = list->size ? 2 * list->size : 64;
		void *more = realloc(list->items, size * sizeof(*list->items));

		if (!more)
			return NULL;
		list->items = more;
		list->size = size;
	}
	place = list->count++;
	list->items[place] = (struct problem){.weight = weight, .check = check, .next = first};
	json_object_set_new(list->index, cause, json_integer((json_int_t)place));
	return &list->items[place];
}

/* Counts the GPUs that a check costs: of all of HOST's, or of the card that it is about. */
static int count_gpus(struct problems *list, size_t problem, const json_t *host,
                      const struct html_check *item)
{
	const json_t *devices = json_object_get(host, "devices"), *device, *about = NULL;
	const char *id = json_text(item->check, "id");
	bool mended = mended_by_apply(item->check);
	size_t i;
	int rc = 0;

	if (item->place >= 0)
		about = json_array_get(devices, (size_t)item->place);
	if (report_html_primary(about))
		return is_lost(about, mended) ? count_gpu(list, problem, (size_t)item->place) : 0;
	json_array_foreach(devices, i, device)
	{
		if (!report_html_primary(device))
			continue;
		/* What another function has shows in the card's own reasons as device.siblings. */
		if (about ? same_slot(json_text(device, "address"), json_text(about, "address")) &&
		                is_lost(device, mended)
		          : is_lost_to(device, id, mended))
			rc |= count_gpu(list, problem, i);
	}
	return rc;
}

static int add_check(struct problems *list, const json_t *host, const struct html_check *item)
{
	enum weight weight = check_weight(host, item);
	struct problem *problem;
	int rc = 0;

	if (weight > WEIGHT_WARNING)
		return 0;
	problem = problem_of(list, item->check, weight);
	if (!problem)
		return -1;
	if (weight < problem->weight)
		problem->weight = weight;
	if (!problem->example)
		problem->example = json_text(host, "name");
	if (problem->last_host != host) {
		problem->last_host = host;
		rc = string_list_append(&problem->hosts, json_text(host, "name"));
	}
	if (weight < WEIGHT_HOST)
		rc |= count_gpus(list, (size_t)(problem - list->items), host, item);
	return rc;
}

static int by_loss(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? -1 : 1;
	if (x->gpus != y->gpus)
		return x->gpus > y->gpus ? -1 : 1;
	if (x->hosts.count != y->hosts.count)
		return x->hosts.count > y->hosts.count ? -1 : 1;
	return strcmp(json_text(x->check, "id"), json_text(y->check, "id"));
}

/* How many GPUs nothing but this blocks; -1: the report does not say. */
static long long gpus_alone(const struct problem *problem, const json_t *report)
{
	const json_t *blocker;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(report, "capacity"), "blockers"), i,
	                   blocker)
	{
		if (strcmp(json_text(blocker, "check"), json_text(problem->check, "id")) == 0 &&
		    same_text(blocker, problem->check, "cause") &&
		    same_text(blocker, problem->check, "fix"))
			return report_html_number(blocker, "gpus_alone");
	}
	return -1;
}

static void put_problem(const struct problem *problem, const json_t *report, FILE *out)
{
	long long alone = gpus_alone(problem, report);
	const char *device = json_text(problem->check, "device");
	const char *fix = json_text(problem->check, "fix");

	fprintf(out,
	        "<li class=\"problem w-%s\"><h3><i class=\"cell %s\" aria-hidden=\"true\">%s</i> "
	        "<span class=\"verdict\">%s</span> <span class=\"cause\">",
	        weights[problem->weight].class, weights[problem->weight].class,
	        weights[problem->weight].letter, weights[problem->weight].title);
	report_html_prose(out, json_text(problem->check, "cause"));
	fprintf(out, "</span></h3>\n<p class=\"scope\">");
	if (problem->gpus) {
		fprintf(out, "<b>");
		report_html_count(out, problem->gpus, "GPU");
		fprintf(out, "</b> on ");
	}
	report_html_count(out, problem->hosts.count, "host");
	if (problem->gpus && alone >= 0 && (size_t)alone < problem->gpus) {
		fprintf(out, ", ");
		report_html_integer(out, alone);
		fprintf(out, " of them for this alone");
	}
	fprintf(out, " <code class=\"check\">");
	report_html_text(out, json_text(problem->check, "id"));
	fprintf(out, "</code></p>\n<dl>");
	if (*fix) {
		fprintf(out, "<div class=\"fix\"><dt>Fix</dt><dd>");
		report_html_prose(out, fix);
		fprintf(out, "</dd></div>\n");
	}
	fprintf(out, "<div><dt>Seen</dt><dd><code>");
	report_html_text(out, problem->example);
	fprintf(out, "%s", *device ? " " : "");
	report_html_text(out, device);
	fprintf(out, "</code>: ");
	report_html_prose(out, json_text(problem->check, "evidence"));
	fprintf(out, "</dd></div>\n<div><dt>Hosts</dt><dd>");
	report_html_nodeset(out, &problem->hosts);
	fprintf(out, "</dd></div></dl></li>\n");
}

static void put_range(const struct problems *list, const json_t *report, bool warnings, FILE *out)
{
	size_t shown = 0, left_out = 0;

	fprintf(out, "<ol class=\"problems\">\n");
	for (size_t i = 0; i < list->count; i++) {
		if ((list->items[i].weight == WEIGHT_WARNING) != warnings)
			continue;
		if (shown == SHOWN_MAX) {
			left_out++;
			continue;
		}
		put_problem(&list->items[i], report, out);
		shown++;
	}
	fprintf(out, "</ol>\n");
	if (left_out)
		fprintf(out,
		        "<p class=\"note\">%zu more are not shown here; the JSON report has "
		        "all.</p>\n",
		        left_out);
}

static void put_all(const struct problems *list, const json_t *report, FILE *out)
{
	size_t warnings = 0;

	for (size_t i = 0; i < list->count; i++)
		warnings += list->items[i].weight == WEIGHT_WARNING;
	if (warnings < list->count)
		put_range(list, report, false, out);
	else
		fprintf(out, "<p>Nothing keeps a GPU from a guest.</p>\n");
	if (warnings) {
		fprintf(out, "<details class=\"warnings\"><summary>");
		report_html_count(out, warnings, "warning");
		fprintf(out, ", which change%s no verdict</summary>\n", warnings == 1 ? "s" : "");
		put_range(list, report, true, out);
		fprintf(out, "</details>\n");
	}
}

int report_html_problems(const struct html_page *page, FILE *out)
{
	struct problems list = {.index = json_object()};
	const json_t *host;
	size_t i;
	int rc = list.index ? 0 : -1;

	json_array_foreach(json_object_get(page->report, "hosts"), i, host)
	{
		list.counted_count = 0;
		for (size_t k = page->first[i]; rc == 0 && k < page->first[i + 1]; k++)
			rc = add_check(&list, host, &page->checks[k]);
	}
	if (rc == 0 && list.count)
		qsort(list.items, list.count, sizeof(*list.items), by_loss);
	if (rc == 0)
		put_all(&list, page->report, out);
	for (i = 0; i < list.count; i++)
		string_list_free(&list.items[i].hosts);
	free(list.items);
	free(list.counted);
	json_decref(list.index);
	return rc;
}
