/* loop_watch.c: see loop_watch.h. */
#include "controller/clock/loop_watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* "RUNNING WAITING SLICES", ns: for how long this thread could have run and did not. */
static uint64_t processor_wait(const struct loop_watch *watch)
{
	char text[80], *waiting;
	ssize_t size =
	    watch->schedstat < 0 ? -1 : pread(watch->schedstat, text, sizeof(text) - 1, 0);

	if (size <= 0)
		return 0;
	text[size] = '\0';
	waiting = strchr(text, ' ');
	return waiting ? strtoull(waiting, NULL, 10) : 0;
}

static uint64_t processor_time(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * 1000000000 + (uint64_t)spent.tv_nsec;
}

static void loop_watch_prepare_cb(uv_prepare_t *prepare)
{
	struct loop_watch *watch = prepare->data;
	uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(prepare->loop);
	uint64_t wait = processor_wait(watch), cpu = processor_time();
	uint64_t busy = (now - watch->last) - (idle - watch->last_idle);
	uint64_t waited = wait - watch->last_wait, own = cpu - watch->last_cpu;

	/* Some of the wait may be that after the loop had slept: never less than what was run. */
	if (busy > waited && busy - waited > own)
		own = busy - waited;
	if (watch->last && busy > watch->longest_busy)
		watch->longest_busy = busy;
	if (watch->last && own > watch->longest)
		watch->longest = own;
	watch->last = now;
	watch->last_idle = idle;
	watch->last_wait = wait;
	watch->last_cpu = cpu;
}

void loop_watch_start(struct loop_watch *watch, uv_loop_t *loop)
{
	memset(watch, 0, sizeof(*watch));
	watch->schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
	uv_prepare_init(loop, &watch->prepare);
	watch->prepare.data = watch;
	uv_prepare_start(&watch->prepare, loop_watch_prepare_cb);
	uv_unref((uv_handle_t *)&watch->prepare);
}

void loop_watch_pause(struct loop_watch *watch)
{
	watch->last = 0;
}

void loop_watch_stop(struct loop_watch *watch)
{
	if (watch->schedstat >= 0)
		close(watch->schedstat);
	watch->schedstat = -1;
	uv_close((uv_handle_t *)&watch->prepare, NULL);
}

uint64_t loop_watch_longest_ms(const struct loop_watch *watch)
{
	return watch->longest / 1000000;
}

uint64_t loop_watch_busy_ms(const struct loop_watch *watch)
{
	return watch->longest_busy / 1000000;
}
