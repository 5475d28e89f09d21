/* plan_show.h: the plans that the hosts of a session hold, for people or as JSON lines. */
#ifndef GPUFLEET_PLAN_SHOW_H
#define GPUFLEET_PLAN_SHOW_H

#include "controller/commands/session.h"

void plan_show(struct session *session);

#endif
