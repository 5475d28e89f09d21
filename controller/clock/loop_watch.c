/* loop_watch.c: see loop_watch.h. */
#include "controller/clock/loop_watch.h"

#include <string.h>

static void loop_watch_prepare_cb(uv_prepare_t *prepare)
{
	struct loop_watch *watch = prepare->data;
	uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(prepare->loop);
	uint64_t busy = (now - watch->last) - (idle - watch->last_idle);

	if (watch->last && busy > watch->longest)
		watch->longest = busy;
	watch->last = now;
	watch->last_idle = idle;
}

void loop_watch_start(struct loop_watch *watch, uv_loop_t *loop)
{
	memset(watch, 0, sizeof(*watch));
	uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
	uv_prepare_init(loop, &watch->prepare);
	watch->prepare.data = watch;
	uv_prepare_start(&watch->prepare, loop_watch_prepare_cb);
	uv_unref((uv_handle_t *)&watch->prepare);
}

void loop_watch_stop(struct loop_watch *watch)
{
	uv_close((uv_handle_t *)&watch->prepare, NULL);
}

uint64_t loop_watch_longest_ms(const struct loop_watch *watch)
{
	return watch->longest / 1000000;
}
