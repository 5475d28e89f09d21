/* The agent's way to a host: the command that every session sends is short, and what a host without
 * the agent asks for is sent once, and in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "controller/host/agent_push.h"
#include "controller/secret/become.h"
#include "node-agent/launch_script.h"

#define PLACE FRAME_GREETING_PLACE
#define PUSH  FRAME_GREETING_PUSH

/* A folder with a bundle of SIZE bytes. */
struct folder {
	char path[64];
	struct agent_bundle bundle;
};

static void folder_file(const struct folder *folder, const char *name, const char *text,
                        size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fflush(file);
	assert_int_equal(ftruncate(fileno(file), (off_t)size), 0);
	fclose(file);
}

static void folder_init(struct folder *folder, size_t size)
{
	char hash[65];
	struct gf_err err = {0};

	memset(hash, 'a', 64);
	hash[64] = '\0';
	strcpy(folder->path, "/tmp/gpufleet-push.XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	folder_file(folder, "gpufleet-agent.hash", hash, 64);
	folder_file(folder, "gpufleet-agent.tar.gz", "bundle", size);
	assert_int_equal(agent_bundle_load(folder->path, &folder->bundle, &err), 0);
}

static void folder_free(struct folder *folder)
{
	static const char *const names[] = {"/gpufleet-agent.hash", "/gpufleet-agent.tar.gz", ""};
	char path[128];

	agent_bundle_free(&folder->bundle);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", folder->path, names[i]);
		assert_int_equal(remove(path), 0);
	}
}

/* A link that keeps what was written. */
struct sink {
	struct link link;
	char *data;
	size_t size, writes;
};

static int sink_write(struct link *link, const void *data, size_t size, struct gf_err *err)
{
	struct sink *sink = (struct sink *)link;

	(void)err;
	sink->data = realloc(sink->data, sink->size + size);
	assert_non_null(sink->data);
	memcpy(sink->data + sink->size, data, size);
	sink->size += size;
	sink->writes++;
	return 0;
}

static const struct link_ops sink_ops = {.write = sink_write};

/* libssh keeps two buffers a session, of the power of two above the longest packet that the session
 * has sent: beyond 4 kB, which what a packet holds beside the command counts to as well, each
 * session costs the controller 8 kB more. The bundle is the largest that is taken here. */
static void command_fits_a_buffer(void **state)
{
	static const char longest_arch[] = "loongarch64";
	struct folder folder;
	struct become become;
	char *command;

	(void)state;
	folder_init(&folder, (size_t)64 << 20);
	assert_int_equal(become_init(&become, NULL), 0);
	command = become_command(&become, folder.bundle.command, false);
	assert_non_null(command);
	assert_true(strlen(command) - strlen(launch_arch) + strlen(longest_arch) < LAUNCH_LIMIT);
	free(command);
	folder_free(&folder);
}

/* The scripts are as short as they can be sent, and hold what they need: the newline of `nl`. */
static void scripts_are_stripped(void **state)
{
	const char *const scripts[] = {launch_script, place_script};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_null(strstr(scripts[i], "\n\t"));
		assert_null(strstr(scripts[i], "\n\n"));
		assert_null(strstr(scripts[i], "\n#"));
		assert_int_not_equal(scripts[i][0], '#');
		assert_int_not_equal(scripts[i][strlen(scripts[i]) - 1], '\n');
	}
	assert_null(strchr(launch_script, '\''));
	assert_non_null(strstr(launch_script, "\nnl=\"\n\"\n"));
}

static void sent_once_and_in_turn(void **state)
{
	const size_t size = 150000, part = strlen(place_script);
	struct sink sink = {.link.ops = &sink_ops};
	struct agent_push push = {0};
	struct folder folder;
	struct gf_err err = {0};

	(void)state;
	folder_init(&folder, size);
	/* The link also drains when nothing of this has been asked for. */
	assert_int_equal(agent_push_drained(&push, &sink.link, &folder.bundle, &err), 0);
	assert_int_equal(agent_push_asked(&push, PLACE, &sink.link, &folder.bundle, &err), 0);
	assert_int_equal(agent_push_drained(&push, &sink.link, &folder.bundle, &err), 0);
	assert_int_equal(sink.size, part);
	assert_memory_equal(sink.data, place_script, part);
	assert_int_equal(agent_push_asked(&push, PUSH, &sink.link, &folder.bundle, &err), 0);
	assert_int_equal(sink.writes, 2);
	for (int i = 0; i < 9; i++)
		assert_int_equal(agent_push_drained(&push, &sink.link, &folder.bundle, &err), 0);
	assert_int_equal(sink.writes, 4);
	assert_int_equal(sink.size, part + size);
	assert_memory_equal(sink.data + part, "bundle", 7);
	assert_int_equal(push.state, AGENT_PUSH_DONE);
	free(sink.data);
	folder_free(&folder);
}

static void out_of_turn_is_refused(void **state)
{
	static const struct {
		enum frame_greeting asked[3];
		const char *message;
	} table[] = {
	    {{PUSH}, "before it asked for how to put it there"},
	    {{PLACE, PLACE}, "asked twice for how to put the agent there"},
	    {{PLACE, PUSH, PUSH}, "asked twice for the agent"},
	    {{PLACE, PUSH, PLACE}, "asked twice for how to put the agent there"},
	};
	struct folder folder;

	(void)state;
	folder_init(&folder, 1000);
	for (size_t row = 0; row < sizeof(table) / sizeof(table[0]); row++)
		/* The bundle under way, and all of it given. */
		for (int drained = 0; drained < 2; drained++) {
			struct sink sink = {.link.ops = &sink_ops};
			struct agent_push push = {0};
			struct gf_err err = {0};
			size_t asked = 0;

			while (agent_push_asked(&push, table[row].asked[asked], &sink.link,
			                        &folder.bundle, &err) == 0) {
				if (drained)
					agent_push_drained(&push, &sink.link, &folder.bundle, &err);
				assert_true(++asked < 3);
			}
			assert_true(asked == 2 || !table[row].asked[asked + 1]);
			assert_int_equal(err.code, GF_E_PROTOCOL);
			assert_non_null(strstr(err.msg, table[row].message));
			assert_int_equal(sink.writes, asked);
			free(sink.data);
		}
	folder_free(&folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(command_fits_a_buffer),
	    cmocka_unit_test(scripts_are_stripped),
	    cmocka_unit_test(sent_once_and_in_turn),
	    cmocka_unit_test(out_of_turn_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
