/* host_facts_read.c: see host_facts_read.h. */
#include "controller/readiness/host_facts_read.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

int facts_wrong(struct gf_err *err, const char *where, const char *expected)
{
	return gf_err_set(err, GF_E_PROTOCOL,
	                  "the host's facts are malformed: %s is not %s; run `gpufleet scan` again",
	                  where, expected);
}

int facts_string(const json_t *object, const char *key, const char **out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return facts_wrong(err, key, "a string");
	*out = json_string_value(value);
	return 0;
}

int facts_fact(const json_t *object, const char *key, enum fact *out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = FACT_UNKNOWN;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_boolean(value))
		return facts_wrong(err, key, "true or false");
	*out = json_is_true(value) ? FACT_YES : FACT_NO;
	return 0;
}

int facts_int(const json_t *object, const char *key, int unknown, int *out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = unknown;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < -1 ||
	    json_integer_value(value) > INT_MAX)
		return facts_wrong(err, key, "a small number");
	*out = (int)json_integer_value(value);
	return 0;
}

int facts_strings(const json_t *object, const char *key, const json_t **out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key), *item;
	size_t i;

	*out = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_array(value) || json_array_size(value) > HOST_FACTS_LIST_MAX)
		return facts_wrong(err, key, "a short array of strings");
	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item))
			return facts_wrong(err, key, "an array of strings");
	}
	*out = value;
	return 0;
}

int facts_object(const json_t *object, const char *key, const json_t **out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_object(value))
		return facts_wrong(err, key, "an object");
	*out = value;
	return 0;
}

static bool is_hex(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!isdigit((unsigned char)text[i]) && !(text[i] >= 'a' && text[i] <= 'f'))
			return false;
	}
	return true;
}

/* DOMAIN:BUS:SLOT.FUNCTION; a domain may have more than four digits (Intel VMD). */
bool facts_is_address(const char *text)
{
	size_t length = strlen(text), domain;

	if (length < 12 || length > 16)
		return false;
	domain = length - 8;
	text += domain;
	/* A bus has 32 slots. */
	return is_hex(text - domain, domain) && text[0] == ':' && is_hex(text + 1, 2) &&
	       text[3] == ':' && is_hex(text + 4, 2) && text[4] <= '1' && text[6] == '.' &&
	       text[7] >= '0' && text[7] <= '7';
}

int facts_hex4(const json_t *object, const char *key, bool needed, const char **out,
               struct gf_err *err)
{
	if (facts_string(object, key, out, err) < 0)
		return -1;
	if (!*out && !needed)
		return 0;
	if (!*out || strlen(*out) != 4 || !is_hex(*out, 4))
		return facts_wrong(err, key, "four lower-case hex digits");
	return 0;
}

int facts_objects(const json_t *object, const char *key, const json_t **out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key), *item;
	size_t i;

	*out = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_array(value) || json_array_size(value) > HOST_FACTS_LIST_MAX)
		return facts_wrong(err, key, "a short array of objects");
	json_array_foreach(value, i, item)
	{
		if (!json_is_object(item))
			return facts_wrong(err, key, "an array of objects");
	}
	*out = value;
	return 0;
}
