/* inventory_rollout.c: the keys of `rollout`: waves, budgets, windows and hooks. */
#include "inventory/inventory_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/nodeset.h"
#include "inventory/text_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SET(rows)                                                                                  \
	{                                                                                          \
		rows, COUNT(rows)                                                                  \
	}
#define ROLLOUT(member) offsetof(struct inventory_rollout, member)

static const char *const day_names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun", NULL};

/* A count, or a share as "10%". */
static int amount_read(struct field_reader *reader, const struct json_path *at, const json_t *value,
                       unsigned min, unsigned *amount, bool *percent)
{
	const char *text = json_string_value(value);
	char *end;
	if (json_is_integer(value) && json_integer_value(value) >= (json_int_t)min &&
	    json_integer_value(value) <= NODESET_MAX) {
		*amount = (unsigned)json_integer_value(value);
		*percent = false;
		return 0;
	}
	if (text && *text >= '0' && *text <= '9' && strlen(text) <= 4) {
		unsigned long share = strtoul(text, &end, 10);
		if (!strcmp(end, "%") && share >= min && share <= 100) {
			*amount = (unsigned)share;
			*percent = true;
			return 0;
		}
	}
	char what[96];
	snprintf(what, sizeof(what),
	         "a whole number from %u to %d, or a share from \"%u%%\" to \"100%%\"", min,
	         NODESET_MAX, min);
	return field_mismatch(reader, at, value, what);
}

static int read_waves(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field, void *out)
{
	struct inventory_rollout *rollout = out;
	size_t i;
	const json_t *item;
	(void)field;
	if (!json_is_array(value))
		return field_mismatch(reader, at, value, "a list such as [1, \"10%\", \"100%\"]");
	if (json_array_size(value) == 0 || json_array_size(value) > 1000)
		return field_error(reader, at, JSON_VALUE, "\"waves\" needs 1 to 1000 entries");
	free(rollout->waves);
	rollout->wave_count = 0;
	rollout->waves = calloc(json_array_size(value), sizeof(*rollout->waves));
	if (!rollout->waves)
		return field_no_memory(reader);
	json_array_foreach(value, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		struct inventory_wave *wave = &rollout->waves[rollout->wave_count++];
		if (amount_read(reader, &here, item, 1, &wave->value, &wave->percent) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (rollout->waves[j].percent == wave->percent &&
			    rollout->waves[j].value >= wave->value)
				return field_error(
				    reader, &here, JSON_VALUE,
				    "waves are cumulative: %u%s must be more than the "
				    "%u%s before it",
				    wave->value, wave->percent ? "%" : "", rollout->waves[j].value,
				    wave->percent ? "%" : "");
	}
	return 0;
}

static int read_max_unavailable(struct field_reader *reader, const struct json_path *at,
                                const json_t *value, const struct field *field, void *out)
{
	struct inventory_rollout *rollout = out;
	return amount_read(reader, at, value, field->min, &rollout->max_unavailable,
	                   &rollout->max_unavailable_percent);
}

static int read_max_failures(struct field_reader *reader, const struct json_path *at,
                             const json_t *value, const struct field *field, void *out)
{
	struct inventory_rollout *rollout = out;
	return amount_read(reader, at, value, field->min, &rollout->max_failures,
	                   &rollout->max_failures_percent);
}

static int read_days(struct field_reader *reader, const struct json_path *at, const json_t *value,
                     const struct field *field, void *out)
{
	unsigned seen = 0;
	size_t i;
	const json_t *item;
	if (!json_is_array(value) || json_array_size(value) == 0)
		return field_mismatch(reader, at, value,
		                      "a list of days such as [\"sat\", \"sun\"]");
	json_array_foreach(value, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		struct field day = {.name = field->name, .rule = day_names};
		int index;
		if (field_choice(reader, &here, item, &day, &index) < 0)
			return -1;
		if (seen & 1u << index)
			return field_error(reader, &here, JSON_VALUE,
			                   "\"%s\" stands twice in \"days\"", day_names[index]);
		seen |= 1u << index;
	}
	*(unsigned *)out = seen;
	return 0;
}

static int read_clock(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field, void *out)
{
	unsigned hours = 0, minutes = 0;
	if (field_text(reader, at, value, field, NULL) < 0)
		return -1;
	sscanf(json_string_value(value), "%2u:%2u", &hours, &minutes);
	*(unsigned *)out = hours * 60 + minutes;
	return 0;
}

#define WINDOWS_MAX    100
#define WINDOW(member) offsetof(struct inventory_window, member)

static const struct field window_fields[] = {
    {.name = "days", .read = read_days, .offset = WINDOW(days), .required = true},
    {.name = "from",
     .read = read_clock,
     .offset = WINDOW(from),
     .rule = &rule_clock,
     .required = true},
    {.name = "to", .read = read_clock, .offset = WINDOW(to), .rule = &rule_clock, .required = true},
    {.name = "tz", .read = field_text, .offset = WINDOW(tz), .rule = &rule_time_zone},
};
static const struct field_set window_set = SET(window_fields);

static int read_windows(struct field_reader *reader, const struct json_path *at,
                        const json_t *value, const struct field *field, void *out)
{
	struct inventory_rollout *rollout = out;
	size_t i;
	const json_t *item;
	(void)field;
	if (!json_is_array(value) || json_array_size(value) == 0 ||
	    json_array_size(value) > WINDOWS_MAX)
		return field_mismatch(reader, at, value, "a list of 1 to 100 windows");
	rollout->windows = calloc(json_array_size(value), sizeof(*rollout->windows));
	if (!rollout->windows)
		return field_no_memory(reader);
	json_array_foreach(value, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		struct inventory_window *window = &rollout->windows[rollout->window_count++];
		if (fields_read(reader, &here, item, &window_set, 0, window, NULL) < 0)
			return -1;
		if (window->from == window->to)
			return field_error(
			    reader, &here, JSON_VALUE,
			    "the window is empty: \"from\" and \"to\" are the same time");
	}
	return 0;
}

static const struct field rollout_fields[] = {
    {.name = "waves", .read = read_waves},
    {.name = "max_unavailable", .read = read_max_unavailable, .min = 1},
    {.name = "max_failures", .read = read_max_failures},
    {.name = "per_domain",
     .read = field_number,
     .offset = ROLLOUT(per_domain),
     .min = 1,
     .max = NODESET_MAX},
    {.name = "windows", .read = read_windows},
    {.name = "drain",
     .read = field_argv,
     .offset = ROLLOUT(drain),
     .rule = &rule_argument,
     .min = 1,
     .max = 256},
    {.name = "undrain",
     .read = field_argv,
     .offset = ROLLOUT(undrain),
     .rule = &rule_argument,
     .min = 1,
     .max = 256},
    {.name = "health",
     .read = field_argv,
     .offset = ROLLOUT(health),
     .rule = &rule_argument,
     .min = 1,
     .max = 256},
    {.name = "power_cycle",
     .read = field_argv,
     .offset = ROLLOUT(power_cycle),
     .rule = &rule_argument,
     .min = 1,
     .max = 256},
    {.name = "boot_timeout", .read = field_duration, .offset = ROLLOUT(boot_timeout_s)},
    {.name = "confirm_timeout", .read = field_duration, .offset = ROLLOUT(confirm_timeout_s)},
};
const struct field_set rollout_set = SET(rollout_fields);
