/* report_text.c: the report for an operator at 3 a.m. Hosts whose verdicts have the same reasons
 * are one paragraph; the one that costs most GPUs comes first; each reason has what was seen, its
 * cause and its fix; the last lines are the commands to go on with.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/report/report.h"
#include "controller/report/report_text.h"
#include "controller/terminal/escape.h"
#include "controller/terminal/wrap.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"

enum rank {
	RANK_BLOCKED,
	RANK_UNKNOWN,
	RANK_PENDING,
	RANK_IN_USE,
	RANK_READY,
	RANK_IGNORED,
	RANK_COUNT
};

static const struct {
	const char *verdict, *title, *color;
} ranks[RANK_COUNT] = {
    [RANK_BLOCKED] = {"blocked", "BLOCKED", "31"}, [RANK_UNKNOWN] = {"unknown", "UNKNOWN", "35"},
    [RANK_PENDING] = {"pending", "PENDING", "33"}, [RANK_IN_USE] = {"in_use", "IN USE", "36"},
    [RANK_READY] = {"ready", "READY", "32"},       [RANK_IGNORED] = {"ignored", "IGNORED", "2"},
};

/* Hosts with one verdict for the same reasons. */
struct paragraph {
	char *key;
	enum rank rank;
	const json_t *first; /* a host of it */
	struct string_list hosts;
	size_t gpus, lost; /* primaries looked at; those that are neither ready nor in use */
};

struct paragraphs {
	struct paragraph *items;
	size_t count;
};

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static enum rank rank_of(const char *verdict)
{
	for (int i = 0; i < RANK_COUNT; i++) {
		if (strcmp(ranks[i].verdict, verdict) == 0)
			return (enum rank)i;
	}
	return RANK_UNKNOWN;
}

static const char *plural(size_t count)
{
	return count == 1 ? "" : "s";
}

/* Two hosts share a paragraph when this text is the same: models, verdicts and reasons, but no
 * addresses. */
static char *paragraph_key(const json_t *host, enum rank rank)
{
	const json_t *device, *reason, *check;
	char *key = NULL;
	size_t size, i, k;
	FILE *out = open_memstream(&key, &size);

	if (!out)
		return NULL;
	fprintf(out, "%d", (int)rank);
	json_array_foreach(json_object_get(host, "devices"), i, device)
	{
		if (strcmp(json_text(device, "verdict"), "ignored") == 0)
			continue;
		fprintf(out, "|%s:%s %s", json_text(device, "vendor"), json_text(device, "device"),
		        json_text(device, "verdict"));
		json_array_foreach(json_object_get(device, "reasons"), k, reason)
		    fprintf(out, " %s", json_string_value(reason));
	}
	json_array_foreach(json_object_get(host, "checks"), i, check)
	{
		if (json_is_null(json_object_get(check, "device")) &&
		    strcmp(json_text(check, "status"), "fail") == 0)
			fprintf(out, "|%s %s", json_text(check, "id"), json_text(check, "cause"));
	}
	if (fclose(out) != 0) {
		free(key);
		return NULL;
	}
	return key;
}

static void count_gpus(const json_t *host, size_t *gpus, size_t *lost, bool *blocked)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(host, "devices"), i, device)
	{
		enum rank rank = rank_of(json_text(device, "verdict"));

		if (!json_is_true(json_object_get(device, "primary")) || rank == RANK_IGNORED)
			continue;
		(*gpus)++;
		*lost += rank != RANK_READY && rank != RANK_IN_USE;
		*blocked = *blocked || rank == RANK_BLOCKED;
	}
}

static int paragraph_add(struct paragraphs *list, const json_t *host)
{
	enum rank rank = rank_of(json_text(host, "verdict"));
	size_t gpus = 0, lost = 0, i;
	bool blocked = false;
	char *key = paragraph_key(host, rank);

	if (!key)
		return -1;
	count_gpus(host, &gpus, &lost, &blocked);
	for (i = 0; i < list->count && strcmp(list->items[i].key, key) != 0; i++)
		;
	if (i == list->count) {
		list->items[i] = (struct paragraph){.key = key, .rank = rank, .first = host};
		list->count++;
	} else {
		free(key);
	}
	list->items[i].gpus += gpus;
	list->items[i].lost += lost;
	return string_list_append(&list->items[i].hosts, json_text(host, "name"));
}

static int by_loss(const void *a, const void *b)
{
	const struct paragraph *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->lost != y->lost)
		return x->lost > y->lost ? -1 : 1;
	if (x->hosts.count != y->hosts.count)
		return x->hosts.count > y->hosts.count ? -1 : 1;
	return strcmp(x->hosts.items[0], y->hosts.items[0]);
}

static char *fold(const struct string_list *hosts)
{
	return nodeset_fold((const char *const *)hosts->items, hosts->count);
}

/* The checks of HOST that made it what it is: those that a device's reasons name, and failed ones
 * about the host. */
static bool is_reason(const json_t *host, const json_t *check)
{
	const char *id = json_text(check, "id"), *about = json_text(check, "device");
	const json_t *device, *reason;
	size_t i, k;

	if (strcmp(json_text(check, "status"), "pass") == 0 ||
	    strcmp(json_text(check, "status"), "warn") == 0)
		return false;
	/* Of a host without GPUs only its Nova counts: it may be a control host. */
	if (strcmp(json_text(host, "verdict"), "ignored") == 0 && strncmp(id, "nova.", 5) != 0)
		return false;
	if (strcmp(id, "host.facts") == 0 ||
	    (!*about && strcmp(json_text(check, "status"), "fail") == 0))
		return true;
	json_array_foreach(json_object_get(host, "devices"), i, device)
	{
		if (*about && strcmp(about, json_text(device, "address")) != 0)
			continue;
		json_array_foreach(json_object_get(device, "reasons"), k, reason)
		{
			if (strcmp(json_string_value(reason), id) == 0)
				return true;
		}
	}
	return false;
}

/* Was the same thing said of an earlier device of this host? */
static bool said_before(const json_t *host, size_t index)
{
	const json_t *checks = json_object_get(host, "checks"),
	             *check = json_array_get(checks, index);

	for (size_t i = 0; i < index; i++) {
		const json_t *other = json_array_get(checks, i);

		if (strcmp(json_text(other, "id"), json_text(check, "id")) == 0 &&
		    strcmp(json_text(other, "cause"), json_text(check, "cause")) == 0 &&
		    is_reason(host, other))
			return true;
	}
	return false;
}

/* What apply mends by itself needs no explanation beside something that it cannot mend. */
static bool mended_by_apply(const json_t *check)
{
	return strncmp(json_text(check, "fix"), "`gpufleet apply`", 16) == 0;
}

static void print_reasons(const json_t *host, bool blocked, FILE *out)
{
	const json_t *check;
	size_t i, mended = 0;

	json_array_foreach(json_object_get(host, "checks"), i, check)
	{
		const char *device = json_text(check, "device");

		if (!is_reason(host, check) || said_before(host, i) ||
		    (blocked && mended_by_apply(check)))
			continue;
		fprintf(out, "  %s: %s\n", json_text(check, "id"), json_text(check, "cause"));
		fprintf(out, "      seen: %s%s%s: %s\n", json_text(host, "name"),
		        *device ? " " : "", device, json_text(check, "evidence"));
		if (*json_text(check, "fix"))
			fprintf(out, "      fix:  %s\n", json_text(check, "fix"));
	}
	json_array_foreach(json_object_get(host, "checks"), i, check)
	{
		if (!blocked || !is_reason(host, check) || said_before(host, i) ||
		    !mended_by_apply(check))
			continue;
		fprintf(out, "%s%s", mended++ ? ", " : "  `gpufleet apply` mends the rest: ",
		        json_text(check, "id"));
	}
	if (mended)
		fputc('\n', out);
}

static void print_models(const json_t *host, FILE *out)
{
	const json_t *device, *other;
	size_t i, k;

	json_array_foreach(json_object_get(host, "devices"), i, device)
	{
		size_t same = 0;

		if (!json_is_true(json_object_get(device, "primary")) ||
		    strcmp(json_text(device, "verdict"), "ignored") == 0)
			continue;
		json_array_foreach(json_object_get(host, "devices"), k, other)
		{
			bool equal =
			    json_is_true(json_object_get(other, "primary")) &&
			    strcmp(json_text(other, "name"), json_text(device, "name")) == 0 &&
			    strcmp(json_text(other, "verdict"), json_text(device, "verdict")) == 0;

			if (equal && k < i)
				break;
			same += equal;
		}
		if (same > 0)
			fprintf(out, "  %zu x %s: %s\n", same, json_text(device, "name"),
			        ranks[rank_of(json_text(device, "verdict"))].title);
	}
}

static void print_paragraph(const struct paragraph *p, FILE *out, bool color)
{
	char *hosts = fold(&p->hosts);

	fprintf(out, "\n%s%s%s%s%s  %s  (%zu host%s, %zu GPU%s)\n", color ? "\033[" : "",
	        color ? ranks[p->rank].color : "", color ? "m" : "", ranks[p->rank].title,
	        color ? "\033[0m" : "", hosts ? hosts : "?", p->hosts.count, plural(p->hosts.count),
	        p->gpus, plural(p->gpus));
	free(hosts);
	if (p->hosts.count > 1 && p->gpus > 0)
		fprintf(out, "  each with:\n");
	print_models(p->first, out);
	if (p->rank == RANK_IGNORED)
		fprintf(out,
		        "  nothing on it is looked at: no GPU was seen that the inventory wants\n");
	print_reasons(p->first, p->rank == RANK_BLOCKED, out);
}

static void print_totals(const json_t *report, FILE *out)
{
	const json_t *totals = json_object_get(report, "totals");

	fprintf(out, "Fleet %s, %s\n", json_text(report, "fleet"), json_text(report, "generated"));
	fprintf(out,
	        "%lld host%s, %lld GPU%s: %lld ready, %lld pending, %lld blocked, %lld in use, "
	        "%lld ignored, "
	        "%lld unknown\n",
	        number_of(totals, "hosts"), plural((size_t)number_of(totals, "hosts")),
	        number_of(totals, "gpus"), plural((size_t)number_of(totals, "gpus")),
	        number_of(totals, "ready"), number_of(totals, "pending"),
	        number_of(totals, "blocked"), number_of(totals, "in_use"),
	        number_of(totals, "ignored"), number_of(totals, "unknown"));
}

/* The hosts of every paragraph of RANK, folded; NULL when there are none. */
static char *hosts_of_rank(const struct paragraphs *list, enum rank rank)
{
	struct string_list all = {0};
	char *folded = NULL;

	for (size_t i = 0; i < list->count; i++) {
		for (size_t k = 0; list->items[i].rank == rank && k < list->items[i].hosts.count;
		     k++) {
			if (string_list_append(&all, list->items[i].hosts.items[k]) < 0)
				break;
		}
	}
	if (all.count)
		folded = fold(&all);
	string_list_free(&all);
	return folded;
}

static void print_next(const struct paragraphs *list, const json_t *report, const char *path,
                       FILE *out)
{
	bool declared =
	    json_array_size(json_object_get(json_object_get(report, "capacity"), "aliases")) > 0;
	char *blocked = hosts_of_rank(list, RANK_BLOCKED),
	     *unknown = hosts_of_rank(list, RANK_UNKNOWN);
	char *pending = hosts_of_rank(list, RANK_PENDING);

	path = path ? path : "INVENTORY";
	if (blocked || unknown || pending)
		fprintf(out, "\nNext\n");
	if (pending && declared)
		fprintf(out,
		        "  What apply would change; then apply:\n"
		        "    gpufleet plan %s --limit '%s'\n",
		        path, pending);
	else if (pending)
		fprintf(out,
		        "  A `gpus` block to paste into the inventory; then plan and apply:\n"
		        "    gpufleet scan %s\n",
		        path);
	if (unknown)
		fprintf(out,
		        "  Why they could not be judged:\n"
		        "    gpufleet scan %s --limit '%s'\n",
		        path, unknown);
	if (blocked)
		fprintf(out,
		        "  Once the fixes above are made:\n"
		        "    gpufleet scan %s --limit '%s'\n",
		        path, blocked);
	free(blocked);
	free(unknown);
	free(pending);
}

static int clean_text(const json_t *report, const char *inventory_path, FILE *out, bool color,
                      struct gf_err *err)
{
	const json_t *hosts = json_object_get(report, "hosts"), *host;
	struct paragraphs list = {0};
	int rc = 0;
	size_t i;

	list.items = calloc(json_array_size(hosts) + 1, sizeof(*list.items));
	if (!list.items)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_array_foreach(hosts, i, host)
	{
		if (paragraph_add(&list, host) < 0)
			rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	if (rc == 0) {
		qsort(list.items, list.count, sizeof(*list.items), by_loss);
		print_totals(report, out);
		for (i = 0; i < list.count; i++)
			print_paragraph(&list.items[i], out, color);
		report_text_stale(report, out);
		report_text_warnings(report, out);
		report_text_capacity(report, out);
		report_text_history(report, out);
		report_text_changes(report, out);
		print_next(&list, report, inventory_path, out);
	}
	for (i = 0; i < list.count; i++) {
		free(list.items[i].key);
		string_list_free(&list.items[i].hosts);
	}
	free(list.items);
	return rc;
}

int report_text(const json_t *report, const char *inventory_path, FILE *out, bool color,
                struct gf_err *err)
{
	/* Much of it is what hosts said, and it goes to a terminal. */
	json_t *clean = escape_json(report);
	char *text = NULL;
	size_t length = 0;
	FILE *lines = clean ? open_memstream(&text, &length) : NULL;
	int rc = -1;

	if (lines) {
		rc = clean_text(clean, inventory_path, lines, color, err);
		if (fclose(lines) != 0 && rc == 0)
			rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	} else {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	if (rc == 0) {
		wrap_text(text, length, out);
		if (fflush(out) == EOF || ferror(out))
			rc = gf_err_errno(err, GF_E_IO, "cannot write the report");
	}
	free(text);
	json_decref(clean);
	return rc;
}
