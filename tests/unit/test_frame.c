/* test_frame.c: splitting the wire into lines, and finding the greeting. */
#include "tests/unit/agent_root.h"

#include "node-agent/wire/frame.h"

static void feed(struct frame *frame, const char *text)
{
	assert_int_equal(frame_feed(frame, text, strlen(text), NULL), 0);
}

static void test_lines(void **state)
{
	(void)state;
	struct frame frame;
	size_t length;
	frame_init(&frame, 100);
	assert_null(frame_line(&frame, &length));
	feed(&frame, "on");
	assert_null(frame_line(&frame, &length));
	feed(&frame, "e\r\ntwo\n\nfour");
	assert_string_equal(frame_line(&frame, &length), "one");
	assert_int_equal(length, 3);
	assert_string_equal(frame_line(&frame, &length), "two");
	assert_string_equal(frame_line(&frame, &length), "");
	assert_null(frame_line(&frame, &length));
	feed(&frame, "\n");
	assert_string_equal(frame_line(&frame, &length), "four");
	assert_null(frame_line(&frame, &length));
	frame_free(&frame);
}

/* The buffer goes when nothing is in it, and what is left of a line stays. */
static void test_rest(void **state)
{
	(void)state;
	struct frame frame;
	frame_init(&frame, 100);
	frame_rest(&frame);
	feed(&frame, "one\ntw");
	assert_string_equal(frame_line(&frame, NULL), "one");
	assert_null(frame_line(&frame, NULL));
	frame_rest(&frame);
	feed(&frame, "o\n");
	assert_string_equal(frame_line(&frame, NULL), "two");
	frame_rest(&frame);
	assert_null(frame.data);
	feed(&frame, "three\n");
	assert_string_equal(frame_line(&frame, NULL), "three");
	assert_null(frame_line(&frame, NULL));
	assert_int_equal(frame.limit, 100);
	frame_free(&frame);
}

/* Whatever the pieces, the lines are the same. */
static void test_pieces(void **state)
{
	(void)state;
	static const char text[] = "alpha\nbeta\r\n\ngamma gamma gamma\ndelta";
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct frame frame;
		char joined[128] = "";
		const char *line;
		frame_init(&frame, 64);
		for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
			size_t left = sizeof(text) - 1 - at;
			assert_int_equal(
			    frame_feed(&frame, text + at, left < piece ? left : piece, NULL), 0);
			while ((line = frame_line(&frame, NULL))) {
				strcat(joined, line);
				strcat(joined, "|");
			}
		}
		assert_string_equal(joined, "alpha|beta||gamma gamma gamma|");
		frame_free(&frame);
	}
}

static void test_bound(void **state)
{
	(void)state;
	struct frame frame;
	struct gf_err err;
	frame_init(&frame, 10);
	feed(&frame, "0123456789");
	assert_int_equal(frame_feed(&frame, "x", 1, &err), -1);
	assert_int_equal(err.code, GF_E_PROTOCOL);
	frame_free(&frame);
	feed(&frame, "short\nshort\nshort\n0123456789");
	assert_string_equal(frame_line(&frame, NULL), "short");
	frame_free(&frame);
}

static enum frame_greeting greet(const char *text, json_t **hello, int *failed, struct gf_err *err)
{
	struct frame frame;
	enum frame_greeting greeting;
	frame_init(&frame, FRAME_LINE_LIMIT);
	feed(&frame, text);
	*failed = frame_greet(&frame, &greeting, hello, err);
	frame_free(&frame);
	return greeting;
}

#define HELLO                                                                                      \
	"{\"hello\":\"gpufleet-agent\",\"protocol\":1,\"version\":\"0.1.0\",\"boot_id\":\"b\"}\n"

static void test_greeting(void **state)
{
	(void)state;
	struct gf_err err;
	json_t *hello;
	int failed;
	assert_int_equal(greet(HELLO, &hello, &failed, &err), FRAME_GREETING_HELLO);
	json_decref(hello);
	assert_int_equal(greet("Welcome!\n{}\n[1]\n{\"hello\":\"x\"}\nno newline> " HELLO, &hello,
	                       &failed, &err),
	                 FRAME_GREETING_HELLO);
	assert_string_equal(json_string_value(json_object_get(hello, "boot_id")), "b");
	json_decref(hello);
	assert_int_equal(greet("motd\n{\"gpufleet\":\"place\"}\n", &hello, &failed, &err),
	                 FRAME_GREETING_PLACE);
	assert_null(hello);
	assert_int_equal(greet("motd\n{\"gpufleet\":\"push\"}\n", &hello, &failed, &err),
	                 FRAME_GREETING_PUSH);
	assert_null(hello);
	assert_int_equal(greet("only noise\nand more", &hello, &failed, &err), FRAME_GREETING_NONE);
	assert_int_equal(failed, 0);
	/* Cut in the middle: it may go on. */
	assert_int_equal(greet("{\"hello\":\"gpufleet-agent\",\"proto", &hello, &failed, &err),
	                 FRAME_GREETING_NONE);
	assert_int_equal(failed, 0);
}

static void test_greeting_refused(void **state)
{
	(void)state;
	struct gf_err err;
	json_t *hello;
	int failed;
	greet("{\"gpufleet\":\"error\",\"code\":\"agent\",\"message\":\"no place\"}\n", &hello,
	      &failed, &err);
	assert_int_equal(failed, -1);
	assert_int_equal(err.code, GF_E_AGENT);
	assert_string_equal(err.msg, "no place");
	greet("{\"hello\":\"gpufleet-agent\",\"protocol\":7}\n", &hello, &failed, &err);
	assert_int_equal(failed, -1);
	assert_non_null(strstr(err.msg, "speaks protocol 7"));
	char *noise = malloc(FRAME_NOISE_LIMIT + 100);
	memset(noise, 'x', FRAME_NOISE_LIMIT + 99);
	noise[FRAME_NOISE_LIMIT + 98] = '\n';
	noise[FRAME_NOISE_LIMIT + 99] = '\0';
	greet(noise, &hello, &failed, &err);
	assert_int_equal(failed, -1);
	assert_int_equal(err.code, GF_E_PROTOCOL);
	free(noise);
}

static void test_parse(void **state)
{
	(void)state;
	static const char *const bad[] = {"",    "[]",       "1", "{", "{\"a\":1,\"a\":2}",
	                                  "{}x", "\"\x1b[2J"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct gf_err err;
		assert_null(frame_parse(bad[i], strlen(bad[i]), &err));
		assert_int_equal(err.code, GF_E_PROTOCOL);
		assert_null(strchr(err.msg, '\x1b'));
	}
	size_t length;
	json_t *object = json_pack("{s:i}", "id", 1);
	char *line = frame_encode(object, &length, NULL);
	assert_string_equal(line, "{\"id\":1}\n");
	assert_int_equal(length, 9);
	free(line);
	json_decref(object);
}

static void test_result(void **state)
{
	(void)state;
	static const struct {
		const char *line, *text; /* NULL: it is not as the agent writes it */
	} cases[] = {
	    {"{\"id\":17,\"result\":{\"a\":[1,{\"b\":\"}\"}]}}", "{\"a\":[1,{\"b\":\"}\"}]}"},
	    {"{\"id\":1,\"result\":null}", "null"},
	    {"{\"id\":1,\"result\": 5 }", " 5 "},
	    {"{\"id\":1,\"result\":{},\"more\":1}", NULL},
	    {"{\"result\":{},\"id\":1}", NULL},
	    {"{\"id\": 1,\"result\":{}}", NULL},
	    {"{\"id\":\"1\",\"result\":{}}", NULL},
	    {"{\"id\":1,\"error\":{\"a\":1}}", NULL},
	    {"{\"id\":1,\"result2\":2}", NULL},
	    {"{\"id\":1,\"\\u0072esult\":1}", NULL},
	    {"{\"id\":1,\"result\":{}} ", NULL},
	    {"{\"id\":1}", NULL},
	    {"{\"a\":1,\"b\":2}", NULL},
	    {"{}", NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = strlen(cases[i].line), size = 0;
		json_t *answer = frame_parse(cases[i].line, length, NULL);
		const char *text = frame_result(cases[i].line, length, answer, &size);

		assert_non_null(answer);
		if (!text != !cases[i].text || (text && (size != strlen(cases[i].text) ||
		                                         memcmp(text, cases[i].text, size) != 0)))
			fail_msg("%s: %.*s", cases[i].line, (int)size, text ? text : "");
		json_decref(answer);
	}
}

static void test_text(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *text;
	} cases[] = {{"plain", "plain"},
	             {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
	             {"a\xff"
	              "b",
	              "a?b"},
	             {"cut\xe2\x82", "cut??"},
	             {"\xed\xa0\x80", "???"},
	             {"\xc0\x80", "??"},
	             {"\xf4\x90\x80\x80", "????"}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *text = frame_text(cases[i].bytes, strlen(cases[i].bytes));
		assert_string_equal(json_string_value(text), cases[i].text);
		json_decref(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),    cmocka_unit_test(test_rest),
	    cmocka_unit_test(test_pieces),   cmocka_unit_test(test_bound),
	    cmocka_unit_test(test_greeting), cmocka_unit_test(test_greeting_refused),
	    cmocka_unit_test(test_parse),    cmocka_unit_test(test_result),
	    cmocka_unit_test(test_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
