/* nova_wanted_internal.h: between nova_wanted.c, nova_compute.c and nova_control.c only. */
#ifndef GPUFLEET_NOVA_WANTED_INTERNAL_H
#define GPUFLEET_NOVA_WANTED_INTERNAL_H

#include "controller/nova/nova_make.h"
#include "controller/nova/nova_rules.h"
#include "controller/nova/nova_wanted.h"

struct nova_work {
	const struct nova_fleet *fleet;
	const struct inventory_host *host;
	const struct host_facts *facts;
	const struct nova_facts *nova;
	const struct selection *selection;
	const json_t *wanted;
	struct nova_target target;
	json_t *options;  /* of the context */
	json_t *services; /* to be restarted when something changed */
	struct nova_wanted *out;
};

/* Notes a remark; a refused one makes the whole host refused. */
void nova_remark(struct nova_work *work, enum nova_remark_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds an option to the context: VALUES (an array, or for "set" a string) is stolen. SERVICE needs
 * it; an option that is there already is only marked for it, too. The option, or NULL when out of
 * memory. */
json_t *nova_option_add(struct nova_work *work, enum nova_rule_id rule, const char *kind,
                        json_t *values, const char *service);

/* Adds the option alias: of all of the fleet, or (OWN_ONLY) those that the host has cards of. An
 * alias whose type no scanned host tells stays as it is in SERVICE. */
int nova_aliases_add(struct nova_work *work, bool own_only,
                     const struct nova_facts_service *service, struct gf_err *err);

/* Refuses the host where entries of alias that others wrote stay, and Nova refuses them or ours
 * beside them: then no alias works. */
int nova_foreign_aliases(struct nova_work *work, const struct nova_facts_service *service,
                         struct gf_err *err);

int nova_compute_options(struct nova_work *work, struct gf_err *err); /* nova_compute.c */
int nova_control_options(struct nova_work *work, struct gf_err *err); /* nova_control.c */
/* What the change would do to what is there: nova_compute_risks.c. SPECS: the new values. */
int nova_compute_risks(struct nova_work *work, const struct nova_facts_service *service,
                       const json_t *specs, struct gf_err *err);

#endif
