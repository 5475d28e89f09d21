/* check_table.h: what is published of every check (docs/checks.json, docs/checks.md): what it
 * requires, and what it makes of a verdict when that is missing or cannot be seen.
 */
#ifndef GPUFLEET_CHECK_TABLE_H
#define GPUFLEET_CHECK_TABLE_H

#include "controller/readiness/checks.h"

enum check_about { CHECK_ABOUT_HOST, CHECK_ABOUT_DEVICE };

/* What it does to a verdict of "ready" that the precondition does not hold. */
enum check_effect {
	CHECK_GATES,   /* ends it */
	CHECK_ADVISES, /* a warning; `why` says why no more */
	CHECK_NOVA,    /* nothing: the device is judged, not Nova's configuration */
};

struct check_rule {
	enum check_about about;
	enum check_effect effect;
	bool unknown_gates;       /* not seen: not ready */
	const char *precondition; /* what must hold */
	const char *why;          /* of what does not gate; NULL: all of it does */
};

const struct check_rule *check_rule(enum check_id id);

#endif
