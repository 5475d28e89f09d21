/* json_text.h: a string of a JSON object whose shape nobody has checked. */
#ifndef GPUFLEET_WIRE_JSON_TEXT_H
#define GPUFLEET_WIRE_JSON_TEXT_H

#include <jansson.h>

/* The string member KEY of OBJECT, which keeps it; "" where it is absent or no string, or where
 * OBJECT is no object or NULL. */
static inline const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

#endif
