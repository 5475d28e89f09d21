/* report_html_data.c: what the page's tables show, as JSON by column: a string that stands in many
 * rows is written once and named by its number in "strings"; -1 is "none". 40,000 GPUs are some
 * 2 MB so, which a browser reads at once.
 *
 * tables:  {"hosts": {column: [one a host]}, "devices": {column: [one a device, host by host]},
 *           "strings": {column: [texts]}}; hosts.devices: how many devices each has
 * details: the checks that did not pass, read only when somebody asks: {"count": [one a host],
 *           "id", "device" (its place among the host's; -1: about the host), "status", "evidence",
 *           "cause", "fix": [one a check], "strings": {…}}
 */
#include <stdlib.h>
#include <string.h>

#include "controller/report/report_html_parts.h"
#include "node-agent/wire/json_text.h"

#define COLUMNS_MAX 10

/* A list of numbers under construction, and the strings that they stand for. */
struct column {
	const char *name;
	FILE *numbers, *strings;
	char *number_text, *string_text;
	size_t number_size, string_size, count;
	json_t *index; /* string → its number; NULL: the numbers stand for themselves */
};

struct columns {
	struct column items[COLUMNS_MAX];
	size_t count;
	bool failed;
};

static struct column *column_open(struct columns *columns, const char *name, bool strings)
{
	struct column *column = &columns->items[columns->count++];

	column->name = name;
	column->numbers = open_memstream(&column->number_text, &column->number_size);
	column->strings = open_memstream(&column->string_text, &column->string_size);
	column->index = strings ? json_object() : NULL;
	if (!column->numbers || !column->strings || (strings && !column->index))
		columns->failed = true;
	return column;
}

static void put_number(struct column *column, long long number)
{
	fprintf(column->numbers, column->count++ ? ",%lld" : "%lld", number);
}

/* TEXT NULL: none. */
static void put_string(struct column *column, const char *text)
{
	json_t *known = text ? json_object_get(column->index, text) : NULL;
	size_t next = json_object_size(column->index);

	if (!text) {
		put_number(column, -1);
	} else if (known) {
		put_number(column, json_integer_value(known));
	} else {
		json_object_set_new(column->index, text, json_integer((json_int_t)next));
		if (next)
			fputc(',', column->strings);
		report_html_string(column->strings, text);
		put_number(column, (long long)next);
	}
}

static void put_field(struct column *column, const json_t *object, const char *key)
{
	put_string(column, json_string_value(json_object_get(object, key)));
}

static void put_integer(struct column *column, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	put_number(column, json_is_integer(value) ? json_integer_value(value) : -1);
}

static void columns_close(struct columns *columns)
{
	for (size_t i = 0; i < columns->count; i++) {
		struct column *column = &columns->items[i];

		if (column->numbers && fclose(column->numbers) != 0)
			columns->failed = true;
		if (column->strings && fclose(column->strings) != 0)
			columns->failed = true;
	}
}

static void columns_write(const struct columns *columns, FILE *out)
{
	for (size_t i = 0; i < columns->count; i++)
		fprintf(out, "%s\"%s\":[%s]", i ? "," : "", columns->items[i].name,
		        columns->items[i].number_text);
}

static void columns_write_strings(const struct columns *columns, bool first, FILE *out)
{
	for (size_t i = 0; i < columns->count; i++) {
		if (!columns->items[i].index)
			continue;
		fprintf(out, "%s\"%s\":[%s]", first ? "" : ",", columns->items[i].name,
		        columns->items[i].string_text);
		first = false;
	}
}

static void columns_free(struct columns *columns)
{
	for (size_t i = 0; i < columns->count; i++) {
		free(columns->items[i].number_text);
		free(columns->items[i].string_text);
		json_decref(columns->items[i].index);
	}
}

/* "GP102 [GeForce GTX 1080 Ti] (10de:1b06)"; what no list names is its ids already. */
static void put_model(struct column *column, const json_t *device)
{
	const char *name = json_text(device, "name");
	char ids[64], text[512];

	snprintf(ids, sizeof(ids), "%.16s:%.16s", json_text(device, "vendor"),
	         json_text(device, "device"));
	if (strcmp(name, ids) == 0)
		snprintf(text, sizeof(text), "%s", ids);
	else
		snprintf(text, sizeof(text), "%.400s (%s)", name, ids);
	put_string(column, text);
}

/* The ids of the checks, with blanks between. */
static void put_reasons(struct column *column, const json_t *device)
{
	const json_t *reason;
	char text[1024] = "";
	size_t i, used = 0;

	json_array_foreach(json_object_get(device, "reasons"), i, reason)
	{
		const char *id = json_string_value(reason);

		if (id && used + strlen(id) + 2 < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
			                         used ? " " : "", id);
	}
	put_string(column, used ? text : NULL);
}

static void tables_fill(const json_t *report, struct columns *hosts, struct columns *devices)
{
	struct column *name = column_open(hosts, "name", true);
	struct column *domain = column_open(hosts, "domain", true);
	struct column *host_verdict = column_open(hosts, "verdict", false);
	struct column *reachable = column_open(hosts, "reachable", false);
	struct column *observed = column_open(hosts, "observed", true);
	struct column *count = column_open(hosts, "devices", false);
	struct column *address = column_open(devices, "address", true);
	struct column *model = column_open(devices, "model", true);
	struct column *driver = column_open(devices, "driver", true);
	struct column *group = column_open(devices, "group", false);
	struct column *numa = column_open(devices, "numa", false);
	struct column *alias = column_open(devices, "alias", true);
	struct column *verdict = column_open(devices, "verdict", false);
	struct column *reasons = column_open(devices, "reasons", true);
	struct column *primary = column_open(devices, "primary", false);
	const json_t *host, *device;
	size_t i, k;

	if (hosts->failed || devices->failed)
		return;
	json_array_foreach(json_object_get(report, "hosts"), i, host)
	{
		put_field(name, host, "name");
		put_field(domain, host, "domain");
		put_number(host_verdict, report_html_verdict(host));
		put_number(reachable, json_is_true(json_object_get(host, "reachable")));
		put_field(observed, host, "observed");
		put_number(count, (long long)json_array_size(json_object_get(host, "devices")));
		json_array_foreach(json_object_get(host, "devices"), k, device)
		{
			put_field(address, device, "address");
			put_model(model, device);
			put_field(driver, device, "driver");
			put_integer(group, device, "iommu_group");
			put_integer(numa, device, "numa_node");
			put_field(alias, device, "alias");
			put_number(verdict, report_html_verdict(device));
			put_reasons(reasons, device);
			put_number(primary, report_html_primary(device));
		}
	}
}

int report_html_tables(const struct html_page *page, FILE *out)
{
	struct columns hosts = {.count = 0}, devices = {.count = 0};
	bool failed;

	tables_fill(page->report, &hosts, &devices);
	columns_close(&hosts);
	columns_close(&devices);
	failed = hosts.failed || devices.failed;
	if (!failed) {
		fprintf(out, "{\"hosts\":{");
		columns_write(&hosts, out);
		fprintf(out, "},\n\"devices\":{");
		columns_write(&devices, out);
		fprintf(out, "},\n\"strings\":{");
		columns_write_strings(&hosts, true, out);
		columns_write_strings(&devices, false, out);
		fprintf(out, "}}");
	}
	columns_free(&hosts);
	columns_free(&devices);
	return failed ? -1 : 0;
}

static void details_fill(const struct html_page *page, struct columns *hosts,
                         struct columns *checks)
{
	struct column *count = column_open(hosts, "count", false);
	struct column *id = column_open(checks, "id", true);
	struct column *device = column_open(checks, "device", false);
	struct column *status = column_open(checks, "status", true);
	struct column *evidence = column_open(checks, "evidence", true);
	struct column *cause = column_open(checks, "cause", true);
	struct column *fix = column_open(checks, "fix", true);
	size_t host_count = json_array_size(json_object_get(page->report, "hosts"));

	if (hosts->failed || checks->failed)
		return;
	for (size_t i = 0; i < host_count; i++) {
		for (size_t k = page->first[i]; k < page->first[i + 1]; k++) {
			const json_t *check = page->checks[k].check;
			long long place = page->checks[k].place;

			put_field(id, check, "id");
			put_number(device, place < 0 ? -1 : place);
			put_field(status, check, "status");
			put_field(evidence, check, "evidence");
			put_field(cause, check, "cause");
			put_field(fix, check, "fix");
		}
		put_number(count, (long long)(page->first[i + 1] - page->first[i]));
	}
}

int report_html_details(const struct html_page *page, FILE *out)
{
	struct columns hosts = {.count = 0}, checks = {.count = 0};
	bool failed;

	details_fill(page, &hosts, &checks);
	columns_close(&hosts);
	columns_close(&checks);
	failed = hosts.failed || checks.failed;
	if (!failed) {
		fprintf(out, "{");
		columns_write(&hosts, out);
		fprintf(out, ",\n");
		columns_write(&checks, out);
		fprintf(out, ",\n\"strings\":{");
		columns_write_strings(&checks, true, out);
		fprintf(out, "}}");
	}
	columns_free(&hosts);
	columns_free(&checks);
	return failed ? -1 : 0;
}
