/* report_csv.c: see report_csv.h. */
#include "controller/report/report_csv.h"

#include <string.h>

#include "controller/terminal/escape.h"

#define HEADER                                                                                     \
	"host,domain,reachable,observed,host_verdict,address,vendor,device,name,class,primary,"    \
	"driver,iommu_group,numa_node,alias,verdict,reasons\r\n"

static const char *const device_columns[] = {"address",   "vendor",  "device", "name",
                                             "class",     "primary", "driver", "iommu_group",
                                             "numa_node", "alias",   "verdict"};

#define DEVICE_COLUMNS (sizeof(device_columns) / sizeof(device_columns[0]))

/* Does a spreadsheet take a cell that begins like this for a formula? The wide forms (U+FF0B …) are
 * taken for the narrow ones by some. */
static bool is_formula(const char *text)
{
	static const char *const starts[] = {
	    "=", "+", "-", "@", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\x9d", "\xef\xbc\xa0"};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (strncmp(text, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

/* The bytes of TEXT as they stand in a cell. */
static void put_bytes(const char *text, bool quoted, FILE *out)
{
	const char *end = text + strlen(text), *from = text;

	while (text < end) {
		size_t length = escape_length(text, (size_t)(end - text));

		if (length && !(*text == '"' && quoted)) {
			text += length;
			continue;
		}
		fwrite(from, 1, (size_t)(text - from), out);
		if (length)
			fputs("\"\"", out);
		else
			fprintf(out, "\\x%02x", (unsigned char)*text);
		from = ++text;
	}
	fwrite(from, 1, (size_t)(end - from), out);
}

static void put_text(const char *text, FILE *out)
{
	bool quoted = strpbrk(text, ",\"") || *text == ' ';

	if (quoted)
		fputc('"', out);
	if (is_formula(text))
		fputc('\'', out);
	put_bytes(text, quoted, out);
	if (quoted)
		fputc('"', out);
}

static void put_value(const json_t *value, FILE *out)
{
	if (json_is_string(value))
		put_text(json_string_value(value), out);
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "true" : "false", out);
	else if (json_is_integer(value))
		fprintf(out, "%lld", (long long)json_integer_value(value));
}

static void put_host(const json_t *entry, const struct report_host *host, FILE *out)
{
	put_value(json_object_get(entry, "name"), out);
	fputc(',', out);
	put_text(host->host->domain ? host->host->domain : "", out);
	fputc(',', out);
	put_value(json_object_get(entry, "reachable"), out);
	fputc(',', out);
	put_value(json_object_get(entry, "observed"), out);
	fputc(',', out);
	put_value(json_object_get(entry, "verdict"), out);
}

static void put_device(const json_t *device, FILE *out)
{
	const json_t *reason;
	size_t i;

	for (i = 0; i < DEVICE_COLUMNS; i++) {
		fputc(',', out);
		put_value(json_object_get(device, device_columns[i]), out);
	}
	fputc(',', out);
	json_array_foreach(json_object_get(device, "reasons"), i, reason)
	{
		if (i)
			fputc(' ', out);
		put_bytes(json_string_value(reason), false, out);
	}
}

int report_csv(const json_t *report, const struct report_host *hosts, size_t count, FILE *out,
               struct gf_err *err)
{
	const json_t *entries = json_object_get(report, "hosts");

	fputs(HEADER, out);
	for (size_t i = 0; i < count; i++) {
		const json_t *entry = json_array_get(entries, i), *device;
		const json_t *devices = json_object_get(entry, "devices");
		size_t k;

		json_array_foreach(devices, k, device)
		{
			put_host(entry, &hosts[i], out);
			put_device(device, out);
			fputs("\r\n", out);
		}
		if (json_array_size(devices) == 0) {
			put_host(entry, &hosts[i], out);
			put_device(NULL, out);
			fputs("\r\n", out);
		}
	}
	if (fflush(out) == EOF || ferror(out))
		return gf_err_errno(err, GF_E_IO, "cannot write the report");
	return 0;
}
