/* judgement.h: from checks to verdicts, of each device and of the host.
 *
 * A device that is not ignored is: in_use when a guest holds it; else blocked, pending or unknown
 * by the worst of its own checks and the host's; else ready. Only unknowns that could hide a
 * blocker count. A card is one unit: when one of its functions is blocked, all are. The host:
 * blocked when one of its own checks is; else pending, unknown, in_use (all of them) or ready by
 * its devices that aren't blocked; blocked when all are; ignored when it has no device that is
 * looked at.
 */
#ifndef GPUFLEET_JUDGEMENT_H
#define GPUFLEET_JUDGEMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "controller/readiness/checks.h"
#include "inventory/inventory.h"

/* The worse, the later. */
enum verdict {
	VERDICT_READY,
	VERDICT_UNKNOWN,
	VERDICT_PENDING,
	VERDICT_BLOCKED,
	VERDICT_IN_USE,
	VERDICT_IGNORED
};

/* As the report has it: "in_use". */
const char *judgement_verdict_name(enum verdict verdict);

/* Everything about one host while it is judged. */
struct judgement {
	struct host_facts facts;
	struct selection selection;
	struct iommu_prediction prediction;
	struct check_list list;
	size_t host_checks;     /* the first so many of the list are about the host */
	size_t *first;          /* by selection index: where its own checks begin in the list */
	size_t own_checks;      /* where those that were added to the devices' own begin */
	bool mixed;             /* among a device's own is one of another device, or of the host */
	bool *left_out;         /* by selection index: it can't be given away */
	enum verdict *verdicts; /* by selection index */
	const bool *fixed;      /* by check id: taken for passed; NULL: none */
};

/* Judges HOST by its FACTS. PARSED: the same facts, where they were parsed before, or NULL. FIXED:
 * as in the judgement. HOST, FACTS, PARSED and FIXED are borrowed for as long as *j lives. 0, or -1
 * with *err (facts of the wrong shape, no memory) and nothing to free. */
int judgement_make(const struct inventory_host *host, const json_t *facts,
                   const struct host_facts *parsed, const bool *fixed, struct judgement *j,
                   struct gf_err *err);
void judgement_free(struct judgement *j);

enum verdict judgement_host_verdict(const struct judgement *j);

/* What this check alone makes of a device. */
enum verdict judgement_check_verdict(const struct check *check);

/* The index of the next check, from AT on, that applies to the device: one about the host, or of
 * its own; list.count when there is none. The other devices' are passed over as a whole. */
size_t judgement_check_next(const struct judgement *j, const struct selection_device *item,
                            size_t at);

#endif
