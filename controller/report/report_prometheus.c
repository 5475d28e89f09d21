/* report_prometheus.c: see report_prometheus.h. The sums come first, in tables by domain; a series
 * that could be is there with 0, so that alerts end when their cause does.
 */
#include "controller/report/report_prometheus.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/readiness/readiness.h"
#include "node-agent/wire/json_text.h"

static const char *const verdicts[] = {"ready",  "pending", "blocked",
                                       "in_use", "ignored", "unknown"};

#define VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

enum status { STATUS_FAIL, STATUS_WARN, STATUSES };

/* Names to numbers, in the order in which they came. */
struct index {
	json_t *numbers;
	const char **names; /* borrowed */
	size_t count;
};

struct sums {
	const char *fleet;
	struct index domains, aliases, checks;
	size_t *hosts; /* [domain][verdict] */
	size_t *gpus;  /* [domain][alias][verdict] */
	size_t *fails; /* [domain][check][status], in hosts */
};

static size_t verdict_index(const char *verdict)
{
	for (size_t i = 0; i < VERDICTS; i++) {
		if (strcmp(verdicts[i], verdict) == 0)
			return i;
	}
	return VERDICTS - 1;
}

/* The number of NAME (borrowed), which is added where it is new; -1 when out of memory. */
static long index_of(struct index *index, const char *name)
{
	const json_t *number = json_object_get(index->numbers, name);
	const char **names;

	if (number)
		return (long)json_integer_value(number);
	names = realloc(index->names, (index->count + 1) * sizeof(*names));
	if (!names)
		return -1;
	index->names = names;
	if (json_object_set_new(index->numbers, name, json_integer((json_int_t)index->count)) < 0)
		return -1;
	names[index->count] = name;
	return (long)index->count++;
}

static void index_free(struct index *index)
{
	json_decref(index->numbers);
	free(index->names);
}

static const char *domain_of(const struct report_host *host)
{
	return host->host->domain ? host->host->domain : "";
}

/* All names, before the tables are made. */
static int collect_names(struct sums *sums, const json_t *report, const struct report_host *hosts,
                         size_t count)
{
	const json_t *alias, *entries = json_object_get(report, "hosts"), *device;
	const char *const *ids = readiness_check_ids();
	size_t i, k;

	sums->domains.numbers = json_object();
	sums->aliases.numbers = json_object();
	sums->checks.numbers = json_object();
	for (; *ids; ids++) {
		if (index_of(&sums->checks, *ids) < 0)
			return -1;
	}
	json_array_foreach(json_object_get(json_object_get(report, "capacity"), "aliases"), i,
	                   alias)
	{
		if (index_of(&sums->aliases, json_text(alias, "alias")) < 0)
			return -1;
	}
	for (i = 0; i < count; i++) {
		if (index_of(&sums->domains, domain_of(&hosts[i])) < 0)
			return -1;
		json_array_foreach(json_object_get(json_array_get(entries, i), "devices"), k,
		                   device)
		{
			if (index_of(&sums->aliases, json_text(device, "alias")) < 0)
				return -1;
		}
	}
	return 0;
}

/* The hosts on which each check fails or warns: a host counts once, whatever number of devices. */
static void add_checks(struct sums *sums, const json_t *entry, size_t domain, size_t host,
                       size_t *last)
{
	const json_t *check;
	size_t i;

	json_array_foreach(json_object_get(entry, "checks"), i, check)
	{
		const char *said = json_text(check, "status");
		enum status status = strcmp(said, "fail") == 0 ? STATUS_FAIL : STATUS_WARN;
		const json_t *number;
		size_t at;

		if (status == STATUS_WARN && strcmp(said, "warn") != 0)
			continue;
		number = json_object_get(sums->checks.numbers, json_text(check, "id"));
		if (!number)
			continue;
		at = (size_t)json_integer_value(number) * STATUSES + status;
		if (last[at] != host + 1)
			sums->fails[domain * sums->checks.count * STATUSES + at]++;
		last[at] = host + 1;
	}
}

static void add_host(struct sums *sums, const json_t *entry, size_t domain)
{
	const json_t *device;
	size_t i;

	sums->hosts[domain * VERDICTS + verdict_index(json_text(entry, "verdict"))]++;
	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		long alias;

		if (!json_is_true(json_object_get(device, "primary")))
			continue;
		alias = index_of(&sums->aliases, json_text(device, "alias"));
		sums->gpus[(domain * sums->aliases.count + (size_t)alias) * VERDICTS +
		           verdict_index(json_text(device, "verdict"))]++;
	}
}

static int collect(struct sums *sums, const json_t *report, const struct report_host *hosts,
                   size_t count)
{
	const json_t *entries = json_object_get(report, "hosts");
	size_t *last = NULL;

	sums->fleet = json_text(report, "fleet");
	if (collect_names(sums, report, hosts, count) < 0)
		return -1;
	sums->hosts = calloc(sums->domains.count * VERDICTS + 1, sizeof(size_t));
	sums->gpus =
	    calloc(sums->domains.count * sums->aliases.count * VERDICTS + 1, sizeof(size_t));
	sums->fails =
	    calloc(sums->domains.count * sums->checks.count * STATUSES + 1, sizeof(size_t));
	last = calloc(sums->checks.count * STATUSES + 1, sizeof(*last));
	if (!sums->hosts || !sums->gpus || !sums->fails || !last) {
		free(last);
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *entry = json_array_get(entries, i);
		size_t domain = (size_t)index_of(&sums->domains, domain_of(&hosts[i]));

		add_host(sums, entry, domain);
		add_checks(sums, entry, domain, i, last);
	}
	free(last);
	return 0;
}

static void sums_free(struct sums *sums)
{
	index_free(&sums->domains);
	index_free(&sums->aliases);
	index_free(&sums->checks);
	free(sums->hosts);
	free(sums->gpus);
	free(sums->fails);
}

static void put_family(FILE *out, const char *name, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void put_escaped(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			fputc('\\', out);
		if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text, out);
	}
}

/* LABELS: pairs of name and value, ended by NULL. */
static void put_sample(FILE *out, const char *name, const char *fleet, const char *const *labels,
                       long long value)
{
	fputs(name, out);
	fputs("{fleet=\"", out);
	put_escaped(fleet, out);
	for (; *labels; labels += 2) {
		fputs("\",", out);
		fputs(labels[0], out);
		fputs("=\"", out);
		put_escaped(labels[1], out);
	}
	fprintf(out, "\"} %lld\n", value);
}

#define SAMPLE(out, name, fleet, value, ...)                                                       \
	put_sample(out, name, fleet, (const char *const[]){__VA_ARGS__, NULL}, value)

static void put_gpus(const struct sums *sums, FILE *out)
{
	put_family(out, "gpufleet_gpus", "GPUs by verdict; siblings of a card are not counted.");
	for (size_t d = 0; d < sums->domains.count; d++) {
		for (size_t a = 0; a < sums->aliases.count; a++) {
			const size_t *row = sums->gpus + (d * sums->aliases.count + a) * VERDICTS;
			size_t total = 0;

			for (size_t v = 0; v < VERDICTS; v++)
				total += row[v];
			for (size_t v = 0; total && v < VERDICTS; v++)
				SAMPLE(out, "gpufleet_gpus", sums->fleet, (long long)row[v],
				       "domain", sums->domains.names[d], "alias",
				       sums->aliases.names[a], "verdict", verdicts[v]);
		}
	}
}

static void put_hosts(const struct sums *sums, FILE *out)
{
	put_family(out, "gpufleet_hosts", "Hosts by verdict.");
	for (size_t d = 0; d < sums->domains.count; d++) {
		for (size_t v = 0; v < VERDICTS; v++)
			SAMPLE(out, "gpufleet_hosts", sums->fleet,
			       (long long)sums->hosts[d * VERDICTS + v], "domain",
			       sums->domains.names[d], "verdict", verdicts[v]);
	}
}

static void put_checks(const struct sums *sums, FILE *out, enum status status, const char *name,
                       const char *help)
{
	put_family(out, name, help);
	for (size_t d = 0; d < sums->domains.count; d++) {
		for (size_t c = 0; c < sums->checks.count; c++)
			SAMPLE(out, name, sums->fleet,
			       (long long)
			           sums->fails[(d * sums->checks.count + c) * STATUSES + status],
			       "domain", sums->domains.names[d], "check", sums->checks.names[c]);
	}
}

/* Seconds since 1970 of an RFC 3339 time in UTC; -1 where it is none. */
static long long seconds_of(const char *text)
{
	struct tm tm = {.tm_isdst = 0};

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? (long long)timegm(&tm) : -1;
}

static void put_each_host(const struct sums *sums, const json_t *entries,
                          const struct report_host *hosts, size_t count, FILE *out)
{
	const char *fleet = sums->fleet;

	put_family(out, "gpufleet_host_reachable",
	           "Whether the host answered when it was last tried.");
	for (size_t i = 0; i < count; i++)
		SAMPLE(out, "gpufleet_host_reachable", fleet,
		       json_is_true(json_object_get(json_array_get(entries, i), "reachable")),
		       "host", hosts[i].host->name, "domain", domain_of(&hosts[i]));
	put_family(out, "gpufleet_host_observed_timestamp_seconds",
	           "When the facts behind the verdict were collected; absent: never.");
	for (size_t i = 0; i < count; i++) {
		long long at = seconds_of(json_text(json_array_get(entries, i), "observed"));

		if (at >= 0)
			SAMPLE(out, "gpufleet_host_observed_timestamp_seconds", fleet, at, "host",
			       hosts[i].host->name, "domain", domain_of(&hosts[i]));
	}
	put_family(out, "gpufleet_host_ready", "Whether the host's verdict is ready.");
	for (size_t i = 0; i < count; i++)
		SAMPLE(out, "gpufleet_host_ready", fleet,
		       strcmp(json_text(json_array_get(entries, i), "verdict"), "ready") == 0,
		       "host", hosts[i].host->name, "domain", domain_of(&hosts[i]));
	put_family(out, "gpufleet_host_verdict",
	           "The host's verdict: 1 for the one that it has, 0 for the others.");
	for (size_t i = 0; i < count; i++) {
		size_t is = verdict_index(json_text(json_array_get(entries, i), "verdict"));

		for (size_t v = 0; v < VERDICTS; v++)
			SAMPLE(out, "gpufleet_host_verdict", fleet, v == is, "host",
			       hosts[i].host->name, "domain", domain_of(&hosts[i]), "verdict",
			       verdicts[v]);
	}
}

static void put_flavors(const struct sums *sums, const json_t *report, FILE *out)
{
	const json_t *flavors = json_object_get(json_object_get(report, "capacity"), "flavors");
	const json_t *flavor;
	size_t i;

	if (json_array_size(flavors) == 0)
		return;
	put_family(out, "gpufleet_flavor_fits",
	           "How many more guests of the flavor fit: now, and when all that is pending is "
	           "ready.");
	json_array_foreach(flavors, i, flavor)
	{
		static const char *const keys[] = {"fits_now", "fits_when_ready"};

		for (size_t k = 0; k < 2; k++) {
			const json_t *fits = json_object_get(flavor, keys[k]);

			if (json_is_integer(fits))
				SAMPLE(out, "gpufleet_flavor_fits", sums->fleet,
				       json_integer_value(fits), "flavor",
				       json_text(flavor, "flavor"), "when",
				       k ? "when_ready" : "now");
		}
	}
}

static void put_all(const struct sums *sums, const json_t *report, const struct report_host *hosts,
                    size_t count, FILE *out)
{
	put_family(out, "gpufleet_build_info", "The version of gpufleet that wrote this.");
	SAMPLE(out, "gpufleet_build_info", sums->fleet, 1, "version", GPUFLEET_VERSION);
	put_family(out, "gpufleet_report_generated_timestamp_seconds",
	           "When this report was made.");
	put_sample(out, "gpufleet_report_generated_timestamp_seconds", sums->fleet,
	           (const char *const[]){NULL}, seconds_of(json_text(report, "generated")));
	put_gpus(sums, out);
	put_hosts(sums, out);
	put_flavors(sums, report, out);
	put_checks(sums, out, STATUS_FAIL, "gpufleet_check_failing",
	           "Hosts on which this check fails.");
	put_checks(sums, out, STATUS_WARN, "gpufleet_check_warning",
	           "Hosts on which this check warns.");
	put_each_host(sums, json_object_get(report, "hosts"), hosts, count, out);
}

int report_prometheus(const json_t *report, const struct report_host *hosts, size_t count,
                      FILE *out, struct gf_err *err)
{
	struct sums sums = {0};
	int rc = 0;

	if (collect(&sums, report, hosts, count) < 0)
		rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	else
		put_all(&sums, report, hosts, count, out);
	sums_free(&sums);
	if (rc == 0 && (fflush(out) == EOF || ferror(out)))
		rc = gf_err_errno(err, GF_E_IO, "cannot write the report");
	return rc;
}
