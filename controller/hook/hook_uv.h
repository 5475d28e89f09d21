/* hook_uv.h: commands as processes of this machine, in a process group of their own. */
#ifndef GPUFLEET_HOOK_UV_H
#define GPUFLEET_HOOK_UV_H

#include <uv.h>

#include "controller/hook/hook.h"

struct hook_uv {
	struct hook_runner runner;
	uv_loop_t *loop;
};

/* LOOP must go on to run until every command has ended or was cancelled. */
void hook_uv_init(struct hook_uv *hooks, uv_loop_t *loop);

#endif
