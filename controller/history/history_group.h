/* history_group.h: who shares an IOMMU group with a device: compared by where each sits, whatever
 * its bus number. Pure.
 */
#ifndef GPUFLEET_HISTORY_GROUP_H
#define GPUFLEET_HISTORY_GROUP_H

#include <stdbool.h>

#include "controller/readiness/host_facts.h"

#define HISTORY_GROUP_TEXT 320

/* Are the same endpoints in A's group as in B's, the own card's functions included? Two devices
 * without a group: yes. */
bool history_group_same(const struct host_facts *a_facts, const struct host_facts_device *a,
                        const struct host_facts *b_facts, const struct host_facts_device *b);

/* "none", "its card alone", "with 0000:02:00.0 [8086:1521], … and 3 more": bridges and the own
 * card's functions are not named. */
void history_group_text(const struct host_facts *facts, const struct host_facts_device *device,
                        char text[HISTORY_GROUP_TEXT]);

#endif
