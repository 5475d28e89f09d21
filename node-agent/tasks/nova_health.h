/* nova_health.h: restarting a service of Nova, and seeing that it is healthy again. */
#ifndef GPUFLEET_TASKS_NOVA_HEALTH_H
#define GPUFLEET_TASKS_NOVA_HEALTH_H

#include <jansson.h>
#include <stdbool.h>

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

#define NOVA_TIMEOUT 180
#define NOVA_SETTLE  10

/* What is restarted: a unit, or a container that no unit stands for. Texts are the facts'. */
struct nova_target {
	const char *service;   /* "nova-compute" */
	const char *unit;      /* "" */
	const char *engine;    /* "docker", "podman"; "" */
	const char *container; /* its name; "" */
	const char *log;       /* its log file; "" */
};

/* From an entry of facts.nova.services, which must live on. False: nothing that could be restarted.
 */
bool nova_target_find(const json_t *service, struct nova_target *target);

/* As it is called in messages: its unit or its container. */
const char *nova_target_name(const struct nova_target *target);

struct nova_state {
	bool active;        /* up */
	bool failed;        /* down, and will not come by itself */
	bool changing;      /* on its way up or down, or waiting for its next try */
	bool enabled;       /* comes up with the host */
	long restarts, pid; /* -1: unknown */
	char shown[64];     /* "active (running)" */
};

int nova_state_look(const struct root *root, const struct nova_target *target,
                    struct nova_state *state, struct gf_err *err);

/* Restarts it and waits until it has been up for SETTLE seconds without a restart and its log since
 * then tells of no error of the table, TIMEOUT seconds at most. -1 with *err: GF_E_TASK, with the
 * error quoted and explained. NOTE (may be NULL, SIZE bytes) gets what the log has to tell besides.
 * Until it was seen so, it counts as unproven (nova_unproven.h). */
int nova_restart(const struct root *root, const struct nova_target *target, unsigned timeout,
                 unsigned settle, char *note, size_t size, struct gf_err *err);

#endif
