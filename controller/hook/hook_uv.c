/* hook_uv.c: see hook_uv.h. A command is over when its process has ended and its output is at its
 * end, or a moment later: what it left in the background may hold the pipe for ever.
 */
#include "controller/hook/hook_uv.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KILL_AFTER_MS  5000 /* it was asked to end before */
#define OUTPUT_WAIT_MS 500
#define LINE_MAX_SIZE  300

struct hook {
	uv_process_t process;
	uv_pipe_t output;
	uv_timer_t timer;
	unsigned handles;  /* that are being closed */
	hook_done_fn done; /* NULL: told already, or cancelled */
	void *ctx;
	char name[80];
	unsigned timeout_s;
	bool ended, drained, late, killed;
	int64_t status;
	int signal;
	char buffer[4096];
	char line[LINE_MAX_SIZE],
	    last[LINE_MAX_SIZE]; /* the one being read; the last that had words */
	size_t used;
};

static void hook_closed_cb(uv_handle_t *handle)
{
	struct hook *hook = handle->data;

	if (--hook->handles == 0)
		free(hook);
}

static void hook_close(struct hook *hook)
{
	uv_handle_t *handles[] = {(uv_handle_t *)&hook->process, (uv_handle_t *)&hook->output,
	                          (uv_handle_t *)&hook->timer};

	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		/* A process that was not even tried to start is no handle. */
		if (!handles[i]->loop || uv_is_closing(handles[i]))
			continue;
		hook->handles++;
		uv_close(handles[i], hook_closed_cb);
	}
}

static void hook_kill(const struct hook *hook, int number)
{
	if (!hook->ended && hook->process.pid > 0)
		kill(-hook->process.pid, number);
}

static void hook_tell(struct hook *hook)
{
	hook_done_fn done = hook->done;
	const char *colon = *hook->last ? ": " : "";
	struct gf_err err = {.code = GF_OK};

	hook->done = NULL;
	if (hook->late)
		gf_err_set(&err, GF_E_TIMEOUT, "%s took longer than %u s%s%s", hook->name,
		           hook->timeout_s, colon, hook->last);
	else if (hook->signal)
		gf_err_set(&err, GF_E_TASK, "%s was ended by signal %d%s%s", hook->name,
		           hook->signal, colon, hook->last);
	else if (hook->status)
		gf_err_set(&err, GF_E_TASK, "%s ended with status %d%s%s", hook->name,
		           (int)hook->status, colon, hook->last);
	hook_close(hook);
	if (done)
		done(hook->ctx, err.code ? &err : NULL);
}

static void hook_timer_cb(uv_timer_t *timer)
{
	struct hook *hook = timer->data;

	/* One that hangs in the kernel (a dead file system) does not even heed SIGKILL. */
	if (hook->ended || hook->killed) {
		hook_tell(hook);
		return;
	}
	hook_kill(hook, hook->late ? SIGKILL : SIGTERM);
	hook->killed = hook->late;
	hook->late = true;
	uv_timer_start(timer, hook_timer_cb, KILL_AFTER_MS, 0);
}

static void hook_exit_cb(uv_process_t *process, int64_t status, int number)
{
	struct hook *hook = process->data;

	hook->ended = true;
	hook->status = status;
	hook->signal = number;
	if (hook->drained)
		hook_tell(hook);
	else
		uv_timer_start(&hook->timer, hook_timer_cb, OUTPUT_WAIT_MS, 0);
}

static void line_end(struct hook *hook)
{
	hook->line[hook->used] = '\0';
	if (hook->line[strspn(hook->line, " \t\r")])
		memcpy(hook->last, hook->line, hook->used + 1);
	hook->used = 0;
}

static void output_take(struct hook *hook, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (hook->buffer[i] == '\n')
			line_end(hook);
		else if (hook->used + 1 < sizeof(hook->line))
			hook->line[hook->used++] = hook->buffer[i];
	}
}

static void hook_alloc_cb(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
	struct hook *hook = handle->data;

	(void)size;
	*buffer = uv_buf_init(hook->buffer, sizeof(hook->buffer));
}

static void hook_read_cb(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct hook *hook = stream->data;

	(void)buffer;
	if (size > 0) {
		output_take(hook, (size_t)size);
		return;
	}
	if (size == 0)
		return;
	line_end(hook);
	uv_read_stop(stream);
	hook->drained = true;
	if (hook->ended)
		hook_tell(hook);
}

/* The controller's own environment, and EXTRA. */
static char **environment_make(const char *const *extra)
{
	size_t own = 0, more = 0;
	char **all;

	while (environ[own])
		own++;
	while (extra && extra[more])
		more++;
	all = calloc(own + more + 1, sizeof(*all));
	/* The first of a name counts. */
	for (size_t i = 0; all && i < more; i++)
		memcpy(&all[i], &extra[i], sizeof(*all));
	for (size_t i = 0; all && i < own; i++)
		all[more + i] = environ[i];
	return all;
}

static int hook_spawn(struct hook *hook, uv_loop_t *loop, const struct hook_call *call)
{
	uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
	                                 {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
	                                  .data.stream = (uv_stream_t *)&hook->output},
	                                 {.flags = UV_IGNORE}};
	char **environment = environment_make(call->environment);
	char **argv = calloc(call->argv->count + 1, sizeof(*argv));
	uv_process_options_t options = {.exit_cb = hook_exit_cb,
	                                .file = call->argv->items[0],
	                                .args = argv,
	                                .env = environment,
	                                .flags = UV_PROCESS_DETACHED,
	                                .stdio = stdio,
	                                .stdio_count = 3};
	int rc = argv && environment ? 0 : UV_ENOMEM;

	for (size_t i = 0; argv && i < call->argv->count; i++)
		argv[i] = call->argv->items[i];
	if (rc == 0)
		rc = uv_spawn(loop, &hook->process, &options);
	free(argv);
	free(environment);
	return rc;
}

static struct hook *hook_uv_run(struct hook_runner *runner, const struct hook_call *call,
                                hook_done_fn done, void *ctx, struct gf_err *err)
{
	struct hook_uv *hooks = (struct hook_uv *)runner;
	struct hook *hook = calloc(1, sizeof(*hook));
	int rc;

	if (!hook) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	snprintf(hook->name, sizeof(hook->name), "%s", call->argv->items[0]);
	hook->timeout_s = call->timeout_s;
	hook->ctx = ctx;
	uv_pipe_init(hooks->loop, &hook->output, 0);
	uv_timer_init(hooks->loop, &hook->timer);
	hook->process.data = hook->output.data = hook->timer.data = hook;
	rc = hook_spawn(hook, hooks->loop, call);
	if (rc) {
		gf_err_set(err, GF_E_TASK, "%s can't be started: %s", hook->name, uv_strerror(rc));
		hook_close(hook);
		return NULL;
	}
	hook->done = done;
	uv_read_start((uv_stream_t *)&hook->output, hook_alloc_cb, hook_read_cb);
	uv_timer_start(&hook->timer, hook_timer_cb, (uint64_t)call->timeout_s * 1000, 0);
	return hook;
}

static void hook_uv_cancel(struct hook_runner *runner, struct hook *hook)
{
	(void)runner;
	hook->done = NULL;
	hook_kill(hook, SIGKILL);
	hook_close(hook);
}

void hook_uv_init(struct hook_uv *hooks, uv_loop_t *loop)
{
	*hooks = (struct hook_uv){{hook_uv_run, hook_uv_cancel}, loop};
}
