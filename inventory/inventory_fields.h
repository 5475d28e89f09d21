/* inventory_fields.h: the tables of an inventory's keys, between inventory_fields.c and
 * inventory_read.c. */
#ifndef GPUFLEET_INVENTORY_FIELDS_H
#define GPUFLEET_INVENTORY_FIELDS_H

#include "inventory/fields.h"

/* Sections, for field.where. */
#define IN_FLEET    1u
#define IN_DEFAULTS 2u
#define IN_GROUP    4u
#define IN_HOST     8u

/* The rows of settings_set that every section shares come first; origin tracking counts on it. */
#define SETTING_COUNT 10
#define SETTING_GPUS  8
#define SETTING_ROLE  12

extern const struct field_set settings_set; /* struct inventory_host; `hosts` is not read here */
extern const struct field_set fleet_set;    /* struct inventory */

extern const struct field_set rollout_set; /* struct inventory_rollout */

field_read_fn nova_read; /* `nova`; `out` is the struct inventory */
field_read_fn
    gpus_read; /* the fleet's `gpus`: struct inventory_gpu_list; field.min is the section */
field_read_fn gpus_read_section; /* the same in defaults, groups and hosts */

/* Replaces *TO with a copy; -1 when out of memory. */
int setting_list_copy(const struct string_list *from, struct string_list *to);

/* Copies setting number ROW of FROM to TO. Returns -1 when out of memory. */
int setting_copy(size_t row, const struct inventory_host *from, struct inventory_host *to);

/* HOST takes the texts of FORMER that equal its own in place of those. */
void setting_texts_share(const struct inventory_host *former, struct inventory_host *host);

/* *TO has the items of FROM from here on, which neither changes any more. */
void gpu_list_share(const struct inventory_gpu_list *from, struct inventory_gpu_list *to);
void gpu_list_free(struct inventory_gpu_list *list);

/* Frees what a host owns. */
void host_clear(struct inventory_host *host);

#endif
