/* nova_checks_internal.h: between nova_checks.c, nova_checks_config.c and nova_checks_alias.c only.
 */
#ifndef GPUFLEET_NOVA_CHECKS_INTERNAL_H
#define GPUFLEET_NOVA_CHECKS_INTERNAL_H

#include "controller/nova/nova_facts.h"
#include "controller/nova/nova_make.h"
#include "controller/readiness/checks.h"

struct nova_subject {
	const struct nova_fleet *fleet;
	const struct inventory_host *host;
	const struct host_facts *facts;
	const struct nova_facts *nova;
	const json_t *devices; /* of the report's entry */
	struct nova_target target;
	struct check_list *list;
};

/* device_spec of SERVICE against the devices and their verdicts: nova_checks_config.c. */
int nova_checks_config(const struct nova_subject *subject, const struct nova_facts_service *service,
                       struct gf_err *err);
/* alias of SERVICE against the fleet's aliases: nova_checks_alias.c. OWN_ONLY: those that the
 * host's own devices have. */
int nova_checks_alias(struct nova_subject *subject, const struct nova_facts_service *service,
                      bool own_only, struct gf_err *err);

#endif
