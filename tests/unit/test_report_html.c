/* test_report_html.c: the HTML report's text: what is in it, and that no string gets out of its
 * place. */
#include "tests/unit/report_fleet.h"

#include "controller/report/report_html.h"
#include "controller/report/report_html_parts.h"

static char *written(void (*write)(FILE *out, const char *text), const char *text)
{
	char *buffer = NULL;
	size_t size;
	FILE *out = open_memstream(&buffer, &size);

	write(out, text);
	fclose(out);
	return buffer;
}

static void expect(void (*write)(FILE *out, const char *text), const char *text, const char *wanted)
{
	char *got = written(write, text);

	assert_string_equal(got, wanted);
	free(got);
}

/* A page of REPORT (its reference is taken). */
static char *page_of(json_t *report)
{
	char *buffer = NULL;
	size_t size;
	FILE *out = open_memstream(&buffer, &size);

	assert_int_equal(report_html(report, out, NULL), 0);
	fclose(out);
	json_decref(report);
	return buffer;
}

/* Without the checks that the report's hosts share, so that a test can change one's. */
static json_t *build(const struct fleet *fleet)
{
	json_t *shared = report_build(&fleet->inventory, fleet->entries, FLEET_HOSTS,
	                              "2026-01-02T03:04:05Z", NULL);
	json_t *report = json_deep_copy(shared);

	assert_non_null(report);
	json_decref(shared);
	return report;
}

/* The JSON in the page's <script id="ID">, as a browser takes it out: up to the next "</script". */
static json_t *embedded(const char *page, const char *id)
{
	char *mark = NULL;
	const char *start, *end;
	json_error_t error;
	json_t *data;

	assert_true(asprintf(&mark, "id=\"%s\">", id) > 0);
	start = strstr(page, mark);
	assert_non_null(start);
	start += strlen(mark);
	end = strstr(start, "</script");
	assert_non_null(end);
	data = json_loadb(start, (size_t)(end - start), 0, &error);
	if (!data)
		fail_msg("%s: %s at %d", id, error.text, error.position);
	free(mark);
	return data;
}

static json_int_t number_at(const json_t *data, const char *part, const char *column, size_t row)
{
	return json_integer_value(
	    json_array_get(json_object_get(json_object_get(data, part), column), row));
}

static const char *text_at(const json_t *data, const char *part, const char *column, size_t row)
{
	return json_string_value(
	    json_array_get(json_object_get(json_object_get(data, "strings"), column),
	                   (size_t)number_at(data, part, column, row)));
}

static void test_text_is_escaped(void **state)
{
	(void)state;
	expect(report_html_text, "plain, größer, 日本", "plain, größer, 日本");
	expect(report_html_text, "</script><img src=x onerror=\"a('b')\">&amp;",
	       "&lt;/script&gt;&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;&amp;amp;");
	expect(report_html_text, "a\nb\tc\x01\x7f", "a\\x0ab\\x09c\\x01\\x7f");
	/* A C1 control, no UTF-8, half of a pair, cut off. */
	expect(report_html_text, "\xc2\x9b|\xff|\xed\xa0\x80|\xe2\x82",
	       "\\xc2\\x9b|\\xff|\\xed\\xa0\\x80|\\xe2\\x82");
	/* Direction: embedding, override, isolate, marks; zero width; line separator; byte order.
	 */
	expect(report_html_text, "\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f\xd8\x9c",
	       "\\xe2\\x80\\xae\\xe2\\x81\\xa6\\xe2\\x80\\x8f\\xd8\\x9c");
	expect(report_html_text, "\xe2\x80\x8b\xe2\x80\xa8\xef\xbb\xbf\xc2\xad\xf3\xa0\x81\x81",
	       "\\xe2\\x80\\x8b\\xe2\\x80\\xa8\\xef\\xbb\\xbf\\xc2\\xad\\xf3\\xa0\\x81\\x81");
}

static void test_prose_has_code(void **state)
{
	(void)state;
	expect(report_html_prose, "Run `gpufleet scan <f>` again",
	       "Run <code>gpufleet scan &lt;f&gt;</code> again");
	expect(report_html_prose, "one ` alone", "one ` alone");
	expect(report_html_prose, "`a` and ` b", "<code>a</code> and ` b");
}

static void test_json_strings_are_escaped(void **state)
{
	(void)state;
	expect(report_html_string, "a\"b\\c", "\"a\\\"b\\\\c\"");
	expect(report_html_string, "</script><!--&", "\"\\u003c/script\\u003e\\u003c!--\\u0026\"");
	expect(report_html_string, "\xc3\xb6|\xe2\x82\xac|\xf0\x9f\x98\x80",
	       "\"\\u00f6|\\u20ac|\\ud83d\\ude00\"");
	expect(report_html_string, "\n\xe2\x80\xa8\xe2\x80\xae\xff",
	       "\"\\\\x0a\\\\xe2\\\\x80\\\\xa8\\\\xe2\\\\x80\\\\xae\\\\xff\"");
}

static void test_numbers(void **state)
{
	static const struct {
		long long number;
		const char *text;
	} cases[] = {{0, "0"},
	             {999, "999"},
	             {1000, "1,000"},
	             {-123456, "-123,456"},
	             {44604123, "44,604,123"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *buffer = NULL;
		size_t size;
		FILE *out = open_memstream(&buffer, &size);

		report_html_integer(out, cases[i].number);
		fclose(out);
		assert_string_equal(buffer, cases[i].text);
		free(buffer);
	}
}

/* Every device of the report is a row of the columns, and says the same. */
static void test_columns_say_what_the_report_says(void **state)
{
	static const char *const verdicts[] = {"ready",   "in_use",  "pending",
	                                       "blocked", "unknown", "ignored"};
	json_t *report = build(*state), *host, *device, *data, *details, *check;
	char *page = page_of(json_incref(report));
	size_t i, k, row = 0, checks = 0;

	data = embedded(page, "tables-data");
	details = embedded(page, "details-data");
	json_array_foreach(json_object_get(report, "hosts"), i, host)
	{
		json_int_t kept = 0;

		assert_string_equal(text_at(data, "hosts", "name", i),
		                    json_string_value(json_object_get(host, "name")));
		assert_int_equal(number_at(data, "hosts", "devices", i),
		                 json_array_size(json_object_get(host, "devices")));
		json_array_foreach(json_object_get(host, "devices"), k, device)
		{
			const json_t *group = json_object_get(device, "iommu_group");

			assert_string_equal(text_at(data, "devices", "address", row),
			                    json_string_value(json_object_get(device, "address")));
			assert_string_equal(verdicts[number_at(data, "devices", "verdict", row)],
			                    json_string_value(json_object_get(device, "verdict")));
			assert_int_equal(number_at(data, "devices", "group", row),
			                 json_is_null(group) ? -1 : json_integer_value(group));
			row++;
		}
		json_array_foreach(json_object_get(host, "checks"), k, check)
		{
			if (strcmp(json_string_value(json_object_get(check, "status")), "pass") ==
			    0)
				continue;
			assert_string_equal(
			    json_string_value(json_array_get(
			        json_object_get(json_object_get(details, "strings"), "id"),
			        (size_t)json_integer_value(
			            json_array_get(json_object_get(details, "id"), checks)))),
			    json_string_value(json_object_get(check, "id")));
			kept++;
			checks++;
		}
		assert_int_equal(
		    json_integer_value(json_array_get(json_object_get(details, "count"), i)), kept);
	}
	assert_int_equal(
	    row, json_array_size(json_object_get(json_object_get(data, "devices"), "primary")));
	assert_true(row > 0 && checks > 0);
	json_decref(data);
	json_decref(details);
	json_decref(report);
	free(page);
}

/* A host of the report, with its reference borrowed. */
static json_t *host_at(json_t *report, size_t place)
{
	return json_array_get(json_object_get(report, "hosts"), place);
}

static void test_hostile_strings_stay_in_their_place(void **state)
{
	static const char hostile[] =
	    "</script><script>alert(1)</script><!--\"'\n\xe2\x80\xa8\xe2\x80\xae";
	json_t *report = build(*state), *host, *device, *check, *data;
	size_t i, k, scripts = 0;
	char *page;

	json_object_set_new(report, "fleet", json_string(hostile));
	json_object_set_new(report, "generated", json_string(hostile));
	json_array_foreach(json_object_get(report, "hosts"), i, host)
	{
		json_object_set_new(host, "name", json_sprintf("%zu%s", i, hostile));
		json_object_set_new(host, "domain", json_string(hostile));
		json_array_foreach(json_object_get(host, "devices"), k, device)
		{
			json_object_set_new(device, "driver", json_string(hostile));
			json_object_set_new(device, "name", json_string(hostile));
			json_object_set_new(device, "alias", json_string(hostile));
		}
		json_array_foreach(json_object_get(host, "checks"), k, check)
		{
			json_object_set_new(check, "evidence", json_string(hostile));
			json_object_set_new(check, "cause", json_string(hostile));
			json_object_set_new(check, "fix", json_string(hostile));
		}
	}
	page = page_of(report);
	for (const char *at = page; (at = strstr(at, "<script")); at++)
		scripts++;
	assert_int_equal(scripts, 3);
	assert_null(strstr(page, "alert(1)</script>"));
	assert_null(strstr(page, "\xe2\x80\xae"));
	assert_null(strstr(page, "\xe2\x80\xa8"));
	assert_null(strstr(page, "{{"));
	data = embedded(page, "tables-data");
	assert_string_equal(
	    text_at(data, "devices", "driver", 0),
	    "</script><script>alert(1)</script><!--\"'\\x0a\\xe2\\x80\\xa8\\xe2\\x80\\xae");
	json_decref(data);
	json_decref(embedded(page, "details-data"));
	free(page);
}

static void expect_in(const char *page, const char *text, bool wanted)
{
	if ((strstr(page, text) != NULL) != wanted)
		fail_msg("%s: \"%s\"", wanted ? "is missing" : "is there", text);
}

/* Summary, problems with their fix, capacity: in the HTML itself, for readers without a script. */
static void test_reads_without_script(void **state)
{
	char *page = page_of(build(*state));
	const char *blocked, *pending;

	expect_in(page, "<dt>hosts</dt><dd>6</dd>", true);
	expect_in(page,
	          "Written <time datetime=\"2026-01-02T03:04:05Z\">2026-01-02 03:04 UTC</time>",
	          true);
	expect_in(page, "The IOMMU group holds another device that serves the host.", true);
	expect_in(page, "<code>gpu04 0000:01:00.0</code>: group ", true);
	expect_in(page, "The host was never reached.", true);
	expect_in(page, "Fix</dt><dd>Run <code>gpufleet scan</code>", true);
	expect_in(page, "<th scope=\"row\">nvidia1080</th>", true);
	expect_in(page, "<th scope=\"row\">mi210</th>", true); /* none of them is there */
	expect_in(page,
	          "</svg></td><td>5</td><td>2</td><td>1</td><td>1</td><td>1</td><td "
	          "class=\"zero\">0</td></tr>",
	          true);
	expect_in(page, "<th scope=\"row\">gpu.1</th><td>2</td><td>3</td>", true);
	/* The worst first, and what apply mends under "pending". */
	blocked = strstr(page, "class=\"problem w-blocked\"");
	pending = strstr(page, "class=\"problem w-pending\"");
	assert_true(blocked && pending && blocked < pending);
	expect_in(page, "Over time", false);
	free(page);
}

/* GPUs of a problem: one is counted once, however many of its functions have it. */
static void test_problems_count_gpus_and_hosts(void **state)
{
	struct fleet *fleet = *state;
	json_t *report = build(fleet), *copy;
	char *page;

	/* The pending host once more, under another name. */
	copy = json_deep_copy(host_at(report, 2));
	json_object_set_new(copy, "name", json_string("gpu07"));
	json_array_append_new(json_object_get(report, "hosts"), copy);
	page = page_of(report);
	expect_in(page, "<b>2 GPUs</b> on 2 hosts <code class=\"check\">device.driver</code>",
	          true);
	expect_in(page, "<dt>Hosts</dt><dd><code>gpu[03,07]</code></dd>", true);
	/* The blocked card's driver is not what keeps it from a guest. */
	expect_in(page, "gpu[03-04", false);
	free(page);
}

static void test_domains(void **state)
{
	static char rack1[] = "rack1", rack2[] = "rack2";
	struct fleet *fleet = *state;
	char *page = page_of(build(fleet));

	expect_in(page, "<h3>All hosts <small>6 hosts</small></h3>", true);
	expect_in(page, "GPUs by domain", false);
	free(page);
	for (size_t i = 0; i < FLEET_HOSTS; i++)
		fleet->hosts[i].domain = i < 2 ? rack2 : i < 5 ? rack1 : NULL;
	page = page_of(build(fleet));
	expect_in(page,
	          "<h3>rack1 <small>3 hosts</small></h3><p>1 in use, 1 pending, 1 blocked</p>",
	          true);
	expect_in(page, "<h3>No domain <small>1 host</small></h3>", true);
	assert_true(strstr(page, "<h3>rack1") < strstr(page, "<h3>rack2"));
	assert_true(strstr(page, "<h3>rack2") < strstr(page, "<h3>No domain"));
	expect_in(page,
	          "class=\"cell blocked\" data-host=\"3\" title=\"gpu04: blocked, 0 of 1 GPU ready "
	          "or in use\">B</i>",
	          true);
	expect_in(page, "GPUs by domain", true);
	for (size_t i = 0; i < FLEET_HOSTS; i++)
		fleet->hosts[i].domain = NULL;
	free(page);
}

static json_t *scan(const char *time, int ready, int total)
{
	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "time", time, "ready", ready, "in_use",
	                 1, "pending", total - ready - 2, "blocked", 1, "total", total);
}

static void test_history(void **state)
{
	json_t *report = build(*state), *history = json_array();
	char *page;

	json_array_append_new(history, scan("2026-01-01T00:00:00Z", 2, 10));
	json_object_set(report, "history", history);
	page = page_of(json_incref(report));
	expect_in(page, "it takes two scans", true);
	free(page);
	json_array_append_new(history, scan("2026-01-03T00:00:00Z", 8, 10));
	/* What makes no sense is left out, whatever it is. */
	json_array_append_new(history, scan("yesterday", 5, 10));
	json_array_append_new(history, json_string("<b>"));
	json_array_append_new(history, json_pack("{s:s, s:I, s:I}", "time", "2026-01-04T00:00:00Z",
	                                         "pending", (json_int_t)INT64_MAX, "ready",
	                                         (json_int_t)INT64_MIN));
	json_array_append_new(history, scan("2026-01-02T00:00:00Z", 5, 10));
	page = page_of(json_incref(report));
	expect_in(page, "<h2 id=\"history\">Over time</h2>", true);
	expect_in(page,
	          "Ready: 2 of 10 on 2026-01-01T00:00:00Z, 0 of 1000000000 on 2026-01-04T00:00:00Z",
	          true);
	expect_in(page, "yesterday", false);
	expect_in(page, "2026-01-02T00:00:00Z", false);
	free(page);
	json_array_clear(history);
	json_array_append_new(history, scan("2026-01-01T00:00:00Z", 2, 10));
	json_array_append_new(history, scan("2026-01-03T00:00:00Z", 8, 10));
	page = page_of(report);
	/* Ready: to the right at 2 of 10, up at the second scan to 8, on an axis to 12, down to the
	 * axis and back. */
	expect_in(
	    page,
	    "<path class=\"f-ready\" d=\"M56.0 195.3H1200.0V85.3V232.0H1200.0V232.0H56.0Z\"/>",
	    true);
	/* In use: on top of that, its lower edge back along the same steps. */
	expect_in(
	    page,
	    "<path class=\"f-in_use\" d=\"M56.0 177.0H1200.0V67.0V85.3H1200.0V195.3H56.0Z\"/>",
	    true);
	expect_in(page, "<td>10</td><td>8</td><td>1</td><td>0</td><td>1</td><td>0</td>", true);
	json_decref(history);
	free(page);
}

/* A check's own verdict, where the report has it, counts for more than the words of its fix. */
static void test_check_verdicts(void **state)
{
	json_t *report = build(*state), *check;
	size_t i;
	char *page;

	json_array_foreach(json_object_get(host_at(report, 2), "checks"), i, check)
	{
		if (strcmp(json_string_value(json_object_get(check, "status")), "fail") == 0)
			json_object_set_new(check, "fix", json_string("Do it by hand."));
	}
	page = page_of(json_incref(report));
	expect_in(page, "class=\"problem w-pending\"", true);
	free(page);
	json_array_foreach(json_object_get(host_at(report, 3), "checks"), i, check)
	{
		const char *id = json_string_value(json_object_get(check, "id"));
		bool mended =
		    strcmp(id, "device.driver") == 0 || strcmp(id, "device.siblings") == 0;

		if (strcmp(json_string_value(json_object_get(check, "status")), "fail") != 0)
			continue;
		json_object_set_new(check, "fix", json_string("Do it by hand."));
		json_object_set_new(check, "verdict", json_string(mended ? "pending" : "blocked"));
	}
	page = page_of(report);
	/* The blocked host's driver is not what blocks it. */
	expect_in(page, "<b>1 GPU</b> on 1 host <code class=\"check\">device.driver</code>", true);
	expect_in(page, "<b>2 GPUs</b>", false);
	free(page);
}

/* What the report has besides: limits of flavors, blockers, what would be, what changed. */
static void test_further_parts(void **state)
{
	static const char further[] =
	    "{\"what_if\": {\"changes\": [\"fix:iommu.tables\", \"<b>\"], \"gpus_changed\": 1234,"
	    "  \"now\": {\"flavors\": [{\"flavor\": \"f\", \"fits_now\": 1, \"fits_when_ready\": "
	    "2}]},"
	    "  \"then\": {\"flavors\": [{\"flavor\": \"f\", \"fits_now\": 3, \"fits_when_ready\": "
	    "4},"
	    "    {\"flavor\": \"new\", \"fits_now\": 5, \"fits_when_ready\": 6}]}},"
	    " \"changes\": {\"since\": \"x\", \"from\": \"2026-01-01T00:00:00Z\", \"to\": \"y\", "
	    "\"hosts\": ["
	    "  {\"name\": \"gpu01\", \"changes\": [{\"what\": \"kernel\", \"device\": null, "
	    "\"before\": \"6.1\","
	    "    \"after\": \"6.2<\"}, {\"what\": \"driver\", \"device\": \"0000:01:00.0\", "
	    "\"before\": null,"
	    "    \"after\": \"vfio-pci\"}]},"
	    "  {\"name\": \"gpu02\", \"changes\": [{\"what\": \"kernel\", \"device\": null, "
	    "\"before\": \"6.1\","
	    "    \"after\": \"6.2<\"}]}]}}";
	static const char flavors[] =
	    "[{\"flavor\": \"f\", \"fits_now\": 1, \"fits_when_ready\": 2000, \"at_least\": true,"
	    "  \"limits\": [{\"limit\": \"ram\", \"hosts\": 3, \"guests\": 4}, {\"limit\": "
	    "\"<i>\", \"hosts\": 1}],"
	    "  \"unknown_hosts\": 2, \"assumed_hosts\": 0}]";
	json_t *report = build(*state), *parts = json_loads(further, 0, NULL), *check;
	json_t *capacity = json_object_get(report, "capacity"), *blocker = json_object();
	size_t i;
	char *page;

	assert_non_null(parts);
	json_object_update(report, parts);
	json_decref(parts);
	json_object_set_new(capacity, "flavors", json_loads(flavors, 0, NULL));
	json_array_foreach(json_object_get(host_at(report, 3), "checks"), i, check)
	{
		if (strcmp(json_string_value(json_object_get(check, "id")),
		           "device.group-viable") != 0)
			continue;
		json_object_set(blocker, "check", json_object_get(check, "id"));
		json_object_set(blocker, "cause", json_object_get(check, "cause"));
		json_object_set(blocker, "fix", json_object_get(check, "fix"));
		break;
	}
	json_object_set_new(blocker, "gpus_alone", json_integer(0));
	json_object_set_new(capacity, "blockers", json_pack("[o]", blocker));
	page = page_of(report);
	expect_in(page, "<b>1 GPU</b> on 1 host, 0 of them for this alone <code", true);
	expect_in(page, "<td>at least 1</td><td>at least 2,000</td>", true);
	expect_in(page,
	          "memory on 3 hosts; &lt;i&gt; on 1 host; processors or memory not known on 2 "
	          "hosts</td>",
	          true);
	expect_in(page, "<code>fix:iommu.tables</code>, <code>&lt;b&gt;</code>: 1,234 GPUs would",
	          true);
	expect_in(page, "<th scope=\"row\">f</th><td>1</td><td>3</td><td>2</td><td>4</td>", true);
	expect_in(page, "<th scope=\"row\">new</th><td>–</td><td>5</td><td>–</td><td>6</td>", true);
	expect_in(page,
	          "Changed since <time datetime=\"2026-01-01T00:00:00Z\">2026-01-01 00:00 "
	          "UTC</time></h2>",
	          true);
	expect_in(page,
	          "<th "
	          "scope=\"row\">kernel</th><td>6.1</td><td>6.2&lt;</td><td></"
	          "td><td><code>gpu[01-02]</code></td>",
	          true);
	expect_in(page,
	          "<th "
	          "scope=\"row\">driver</th><td></td><td>vfio-pci</td><td>0000:01:00.0</"
	          "td><td><code>gpu01</code></td>",
	          true);
	free(page);
}

/* A report of another shape is a page of little, not a crash. */
static void test_odd_reports(void **state)
{
	static const char *const reports[] = {
	    "{}",
	    "{\"hosts\": {}, \"totals\": [], \"capacity\": 1, \"history\": {}}",
	    "{\"capacity\": {\"flavors\": [1], \"blockers\": [2], \"aliases\": [3]}, \"history\": "
	    "[4, {}]}",
	    "{\"what_if\": {\"changes\": [1], \"then\": {\"aliases\": [2]}}, \"changes\": "
	    "{\"hosts\": [3, {\"changes\": [4]}]}}",
	    "{\"hosts\": [1, null, {\"devices\": [1, {\"primary\": true}], \"checks\": [2, {}]}]}",
	    "{\"hosts\": [{\"name\": \"a\", \"verdict\": \"odd\", \"devices\": [{\"reasons\": "
	    "[1]}], "
	    "\"checks\": [{\"status\": \"fail\", \"device\": \"x\"}, {\"status\": \"fail\"}]}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
		char *page = page_of(json_loads(reports[i], 0, NULL));

		json_decref(embedded(page, "tables-data"));
		json_decref(embedded(page, "details-data"));
		free(page);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text_is_escaped),
	    cmocka_unit_test(test_prose_has_code),
	    cmocka_unit_test(test_json_strings_are_escaped),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_columns_say_what_the_report_says),
	    cmocka_unit_test(test_hostile_strings_stay_in_their_place),
	    cmocka_unit_test(test_reads_without_script),
	    cmocka_unit_test(test_problems_count_gpus_and_hosts),
	    cmocka_unit_test(test_domains),
	    cmocka_unit_test(test_history),
	    cmocka_unit_test(test_check_verdicts),
	    cmocka_unit_test(test_further_parts),
	    cmocka_unit_test(test_odd_reports),
	};

	return cmocka_run_group_tests(tests, fleet_setup, fleet_teardown);
}
