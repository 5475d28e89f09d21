/* inventory_nova.c: the keys of `nova`: which Nova the fleet runs, and how it is told of devices.
 */
#include "inventory/inventory_fields.h"

#include <string.h>

#include "inventory/nova_release.h"
#include "inventory/text_rules.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define FLEET(member) offsetof(struct inventory, member)

static const char *const deployment_names[] = {"auto", "debian", "rdo", "kolla", "none", NULL};

static int read_release(struct field_reader *reader, const struct json_path *at,
                        const json_t *value, const struct field *field, void *out)
{
	struct inventory *inventory = out;
	struct field text = {.name = field->name, .read = field_text, .rule = &rule_line};
	char shown[JSON_SHOW_SIZE];
	struct gf_err err = {0};
	if (field_text(reader, at, value, &text, &inventory->nova_release) < 0)
		return -1;
	inventory->nova_number = nova_release_parse(inventory->nova_release, &err);
	if (inventory->nova_number < 0)
		return field_error(reader, at, JSON_VALUE, "no Nova release \"%s\"; %s",
		                   json_show(inventory->nova_release, shown), err.msg);
	return 0;
}

static const struct field nova_fields[] = {
    {.name = "release", .read = read_release},
    {.name = "deployment",
     .read = field_choice_text,
     .offset = FLEET(nova_deployment),
     .rule = deployment_names},
    {.name = "report_in_placement", .read = field_tristate, .offset = FLEET(report_in_placement)},
    {.name = "pci_in_placement", .read = field_tristate, .offset = FLEET(pci_in_placement)},
};
static const struct field_set nova_set = {nova_fields, COUNT(nova_fields)};

int nova_read(struct field_reader *reader, const struct json_path *at, const json_t *value,
              const struct field *field, void *out)
{
	(void)field;
	((struct inventory *)out)->nova_given = true;
	return fields_read(reader, at, value, &nova_set, 0, out, NULL);
}
