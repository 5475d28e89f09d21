/* report_text_tail.c: what stands below the hosts: who was not reached, and warnings. */
#include <stdlib.h>
#include <string.h>

#include "controller/report/report_text.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"

static char *fold(const struct string_list *hosts)
{
	return nodeset_fold((const char *const *)hosts->items, hosts->count);
}

void report_text_stale(const json_t *report, FILE *out)
{
	const json_t *host;
	struct string_list list = {0};
	char *folded;
	size_t i;

	json_array_foreach(json_object_get(report, "hosts"), i, host)
	{
		if (json_is_false(json_object_get(host, "reachable")) &&
		    json_is_string(json_object_get(host, "observed")) &&
		    string_list_append(&list, json_text(host, "name")) < 0)
			break;
	}
	if (list.count) {
		folded = fold(&list);
		fprintf(out,
		        "\nNot reached when last tried, and judged by what was seen before: %s\n",
		        folded ? folded : "?");
		free(folded);
	}
	string_list_free(&list);
}

/* Warnings change no verdict: one line each, with the hosts that they are about. */
void report_text_warnings(const json_t *report, FILE *out)
{
	const json_t *hosts = json_object_get(report, "hosts"), *host, *check;
	json_t *seen = json_object(), *names;
	const char *cause;
	size_t i, k;

	json_array_foreach(hosts, i, host)
	{
		json_array_foreach(json_object_get(host, "checks"), k, check)
		{
			char key[1024];
			json_t *last;

			if (strcmp(json_text(check, "status"), "warn") != 0)
				continue;
			snprintf(key, sizeof(key), "  %s: %s%s%s", json_text(check, "id"),
			         json_text(check, "cause"),
			         *json_text(check, "fix") ? "\n      fix:  " : "",
			         json_text(check, "fix"));
			names = json_object_get(seen, key);
			if (!names) {
				names = json_array();
				json_object_set_new(seen, key, names);
			}
			last = json_array_get(names, json_array_size(names) - 1);
			if (!last || last != json_object_get(host, "name"))
				json_array_append(names, json_object_get(host, "name"));
		}
	}
	if (json_object_size(seen) > 0)
		fprintf(out, "\nWarnings\n");
	json_object_foreach(seen, cause, names)
	{
		struct string_list list = {0};
		char *folded;

		json_array_foreach(names, i, host)
		{
			if (string_list_append(&list, json_string_value(host)) < 0)
				break;
		}
		folded = fold(&list);
		fprintf(out, "%s\n      on:   %s\n", cause, folded ? folded : "?");
		free(folded);
		string_list_free(&list);
	}
	json_decref(seen);
}
