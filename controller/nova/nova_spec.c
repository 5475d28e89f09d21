/* nova_spec.c: one entry of device_spec, read and matched as nova/pci/devspec.py does.
 *
 * Happy path: parse the JSON, then each dict into numbers, globs or regular expressions; a device
 * matches when all parts do. Failure modes: what Nova refuses (or falls over) is an error with its
 * reason; what this file can't be sure to read as Python does matches "unknown", never "no".
 */
#include "controller/nova/nova_spec.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "controller/nova/nova_regex.h"
#include "controller/nova/nova_rules.h"

enum field { FIELD_DOMAIN, FIELD_BUS, FIELD_SLOT, FIELD_FUNCTION, FIELD_COUNT };

static const struct {
	const char *glob, *dict; /* what Nova calls it in messages, and as a key */
	long max;
} fields[FIELD_COUNT] = {
    {"domain", "domain", 0xffff},
    {"bus", "bus", 0xff},
    {"slot", "slot", 0x1f},
    {"func", "function", 0x7},
};

enum number_kind { NUMBER_ANY, NUMBER_IS, NUMBER_UNSURE };
struct number {
	enum number_kind kind;
	long value; /* a negative one, which Nova accepts, matches nothing */
};

struct nova_spec {
	json_t *json;
	struct number vendor, product;
	struct number glob[FIELD_COUNT];
	struct nova_regex *regex[FIELD_COUNT]; /* all or none */
	char single[4 * 40]; /* one address and no pattern: as Nova looks for it in sysfs */
	bool devname, remote_managed;
};

static int refuse(struct gf_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(struct gf_err *err, const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return gf_err_set(err, GF_E_INPUT, "%s", text);
}

static const char *blanks(void)
{
	return " \t\n\v\f\r\x1c\x1d\x1e\x1f"; /* the ASCII ones of Python's str.strip */
}

/* TEXT without the blanks around it, at most SIZE - 1 bytes. */
static void strip(const char *text, size_t length, char *out, size_t size)
{
	while (length && strchr(blanks(), *text))
		text++, length--;
	while (length && strchr(blanks(), text[length - 1]))
		length--;
	if (length >= size)
		length = size - 1;
	memcpy(out, text, length);
	out[length] = '\0';
}

/* Python's int(TEXT, 16): blanks around, a sign, 0x and single underscores between digits are
 * taken. -1 when it is no number; *value is at most 0x10000. */
static int parse_hex(const char *text, long *value)
{
	char digits[64];
	const char *at = digits;
	bool negative, last_digit = false;

	if (strlen(text) >= sizeof(digits))
		return -1;
	strip(text, strlen(text), digits, sizeof(digits));
	negative = *at == '-';
	at += *at == '-' || *at == '+';
	if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
		at += 2;
		at += *at == '_';
	}
	*value = 0;
	for (; *at; at++) {
		if (*at == '_' && last_digit) {
			last_digit = false;
			continue;
		}
		if (!isxdigit((unsigned char)*at))
			return -1;
		last_digit = true;
		*value = *value * 16 + (isdigit((unsigned char)*at)
		                            ? *at - '0'
		                            : tolower((unsigned char)*at) - 'a' + 10);
		if (*value > 0x10000)
			*value = 0x10000;
	}
	if (!last_digit)
		return -1;
	if (negative)
		*value = -*value;
	return 0;
}

static int set_number(const char *text, const char *what, long max, struct number *out,
                      struct gf_err *err)
{
	out->kind = NUMBER_ANY;
	if (strcmp(text, "*") == 0)
		return 0;
	for (const char *at = text; *at; at++) {
		/* Python takes the digits of every script. */
		if ((unsigned char)*at >= 0x80) {
			out->kind = NUMBER_UNSURE;
			return 0;
		}
	}
	out->kind = NUMBER_IS;
	if (parse_hex(text, &out->value) < 0)
		return refuse(err, "property %s ('%.40s') does not parse as a hex number", what,
		              text);
	if (out->value > max)
		return refuse(err,
		              "property %s (%.40s) is greater than the maximum allowable value "
		              "(%lX)",
		              what, text, max);
	return 0;
}

static enum fact number_is(const struct number *number, const char *text)
{
	if (number->kind == NUMBER_ANY)
		return FACT_YES;
	if (number->kind == NUMBER_UNSURE)
		return FACT_UNKNOWN;
	return strtol(text, NULL, 16) == number->value ? FACT_YES : FACT_NO;
}

static int parse_id(const json_t *value, bool vendor, struct number *out, struct gf_err *err)
{
	char text[64];
	const char *what = vendor ? "vendor_id" : "product_id";

	out->kind = NUMBER_ANY;
	if (!value)
		return 0;
	if (!json_is_string(value))
		return refuse(err,
		              "%s is not a string, which Nova does not expect: nova-compute fails "
		              "with %s",
		              what, vendor ? "AttributeError" : "TypeError");
	if (json_string_length(value) >= sizeof(text) - 1)
		return refuse(err, "property %s does not parse as a hex number", what);
	strcpy(text, json_string_value(value));
	/* Only of the vendor the blanks are dropped before it is compared with "*". */
	if (vendor)
		strip(json_string_value(value), json_string_length(value), text, sizeof(text));
	return set_number(text, what, 0xffff, out, err);
}

/* "[[[domain]:]bus]:][slot][.[function]]"; what is left out is any. */
static int parse_glob(struct nova_spec *spec, const char *text, struct gf_err *err)
{
	const char *dot = strchr(text, '.');
	size_t length = dot ? (size_t)(dot - text) : strlen(text);
	size_t parts = 1;
	char part[64];
	enum field field;

	for (size_t i = 0; i < length; i++)
		parts += text[i] == ':';
	if (dot && dot[1]) {
		strip(dot + 1, strlen(dot + 1), part, sizeof(part));
		if (set_number(part, fields[FIELD_FUNCTION].glob, fields[FIELD_FUNCTION].max,
		               &spec->glob[FIELD_FUNCTION], err) < 0)
			return -1;
	}
	if (length == 0)
		return 0;
	if (parts > 3)
		return refuse(err, "the address '%.60s' is in a wrong format", text);
	for (field = (enum field)(3 - parts); field <= FIELD_SLOT; field++) {
		size_t size = strcspn(text, ":.");

		strip(text, size, part, sizeof(part));
		if (*part && set_number(part, fields[field].glob, fields[field].max,
		                        &spec->glob[field], err) < 0)
			return -1;
		text += size + (text[size] == ':');
	}
	return 0;
}

static bool glob_is_single(const struct nova_spec *spec)
{
	for (int i = 0; i < FIELD_COUNT; i++) {
		if (spec->glob[i].kind != NUMBER_IS || spec->glob[i].value < 0)
			return false;
	}
	return true;
}

/* {"domain": …, "bus": …, "slot": …, "function": …}, each a regular expression; absent is any. */
static int parse_dict(struct nova_spec *spec, const json_t *address, struct gf_err *err)
{
	const char *patterns[FIELD_COUNT];
	bool invalid, single = true;

	for (int i = 0; i < FIELD_COUNT; i++) {
		const json_t *value = json_object_get(address, fields[i].dict);

		if (value && !json_is_string(value))
			return refuse(err,
			              "the address's %s is not a string, which Nova does not "
			              "expect: nova-compute fails with TypeError",
			              fields[i].dict);
		patterns[i] = value ? json_string_value(value) : ".*";
		spec->regex[i] = nova_regex_new(patterns[i], &invalid);
		if (invalid)
			return refuse(err, "the address's %s '%.40s' is no regular expression",
			              fields[i].dict, patterns[i]);
		if (!spec->regex[i])
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
		single = single && strlen(patterns[i]) < 40 &&
		         patterns[i][strspn(patterns[i], "0123456789abcdefABCDEF")] == '\0';
	}
	if (single)
		snprintf(spec->single, sizeof(spec->single), "%s:%s:%s.%s", patterns[0],
		         patterns[1], patterns[2], patterns[3]);
	return 0;
}

/* Does Python's `if value` hold? */
static bool truthy(const json_t *value)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		return json_object_size(value) > 0;
	case JSON_ARRAY:
		return json_array_size(value) > 0;
	case JSON_STRING:
		return json_string_length(value) > 0;
	case JSON_INTEGER:
		return json_integer_value(value) != 0;
	case JSON_REAL:
		return json_real_value(value) != 0;
	case JSON_TRUE:
		return true;
	default:
		return false;
	}
}

static int parse_address(struct nova_spec *spec, const json_t *address, struct gf_err *err)
{
	if (!truthy(address))
		return 0;
	if (json_is_object(address))
		return parse_dict(spec, address, err);
	if (!json_is_string(address))
		return refuse(err, "the address is neither a string nor an object");
	if (strlen(json_string_value(address)) != json_string_length(address))
		return refuse(err, "the address is in a wrong format");
	if (parse_glob(spec, json_string_value(address), err) < 0)
		return -1;
	if (glob_is_single(spec))
		snprintf(spec->single, sizeof(spec->single), "%04lx:%02lx:%02lx.%lx",
		         spec->glob[FIELD_DOMAIN].value, spec->glob[FIELD_BUS].value,
		         spec->glob[FIELD_SLOT].value, spec->glob[FIELD_FUNCTION].value);
	return 0;
}

/* oslo_utils.strutils.bool_from_string, not strict. */
static bool bool_from_string(const json_t *value)
{
	static const char *const words[] = {"1", "t", "true", "on", "y", "yes"};
	char text[16];

	if (json_is_true(value))
		return true;
	if (json_is_integer(value))
		return json_integer_value(value) == 1;
	if (!json_is_string(value))
		return false;
	strip(json_string_value(value), json_string_length(value), text, sizeof(text));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0)
			return true;
	}
	return false;
}

static int parse_spec(struct nova_spec *spec, const json_t *json, int release, struct gf_err *err)
{
	const json_t *address = json_object_get(json, "address");

	spec->json = json_deep_copy(json);
	if (!spec->json)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (parse_id(json_object_get(json, "vendor_id"), true, &spec->vendor, err) < 0 ||
	    parse_id(json_object_get(json, "product_id"), false, &spec->product, err) < 0)
		return -1;
	spec->devname = truthy(json_object_get(json, "devname"));
	if (spec->devname && truthy(address))
		return refuse(err, "devname and address stand together");
	spec->remote_managed = nova_rule_holds(NOVA_RULE_SPEC_REMOTE_MANAGED, release) &&
	                       bool_from_string(json_object_get(json, "remote_managed"));
	return spec->devname ? 0 : parse_address(spec, address, err);
}

static void spec_free(struct nova_spec *spec)
{
	for (int i = 0; spec && i < FIELD_COUNT; i++)
		nova_regex_free(spec->regex[i]);
	if (spec)
		json_decref(spec->json);
	free(spec);
}

void nova_spec_list_free(struct nova_spec_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		spec_free(list->items[i]);
	free(list->items);
	memset(list, 0, sizeof(*list));
}

static int parse_item(const json_t *json, int release, struct nova_spec_list *out,
                      struct gf_err *err)
{
	struct nova_spec *spec;

	if (!json_is_object(json))
		return refuse(err, "it holds something that is not a dict");
	spec = calloc(1, sizeof(*spec));
	if (!spec)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	out->items[out->count++] = spec;
	return parse_spec(spec, json, release, err);
}

int nova_spec_parse(const char *value, int release, struct nova_spec_list *out, struct gf_err *err)
{
	json_t *json = json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	size_t count = json_is_array(json) ? json_array_size(json) : 1;
	int rc = 0;

	memset(out, 0, sizeof(*out));
	if (!json_is_array(json) && !json_is_object(json)) {
		rc = json ? refuse(err, "it is neither a dict nor a list of dicts")
		          : refuse(err, "it is not JSON");
		json_decref(json);
		return rc;
	}
	out->items = calloc(count + 1, sizeof(*out->items));
	if (!out->items)
		rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = parse_item(json_is_array(json) ? json_array_get(json, i) : json, release, out,
		                err);
	json_decref(json);
	return rc;
}

static enum fact worse(enum fact a, enum fact b)
{
	if (a == FACT_NO || b == FACT_NO)
		return FACT_NO;
	return a == FACT_YES ? b : a;
}

/* Nova ignores a device whose domain has more than four digits: it can't read the address. */
static bool address_split(const char *address, char parts[FIELD_COUNT][8])
{
	size_t length = strlen(address);

	if (length != 12)
		return false;
	snprintf(parts[FIELD_DOMAIN], 8, "%.4s", address);
	snprintf(parts[FIELD_BUS], 8, "%.2s", address + 5);
	snprintf(parts[FIELD_SLOT], 8, "%.2s", address + 8);
	snprintf(parts[FIELD_FUNCTION], 8, "%.1s", address + 11);
	return true;
}

static enum fact address_matches(const struct nova_spec *spec, const char *address)
{
	char parts[FIELD_COUNT][8];
	enum fact result = FACT_YES;

	if (!address_split(address, parts))
		return FACT_NO;
	for (int i = 0; i < FIELD_COUNT; i++)
		result = worse(result, spec->regex[i] ? nova_regex_match(spec->regex[i], parts[i])
		                                      : number_is(&spec->glob[i], parts[i]));
	return result;
}

/* The one address it names is a function with SR-IOV: its virtual functions match, too. */
static bool is_physical_function(const struct nova_spec *spec, const struct host_facts *facts)
{
	const struct host_facts_device *named =
	    *spec->single ? host_facts_find(facts, spec->single) : NULL;

	return named && named->sriov_total > 0;
}

enum fact nova_spec_matches(const struct nova_spec *spec, const struct host_facts *facts,
                            const struct host_facts_device *device)
{
	enum fact result = worse(number_is(&spec->vendor, device->vendor),
	                         number_is(&spec->product, device->device));
	char parts[FIELD_COUNT][8];

	if (result == FACT_NO || !address_split(device->address, parts))
		return FACT_NO;
	if (spec->devname) {
		/* Only a network card has an interface's name. */
		bool network =
		    strncmp(device->class_code, "02", 2) == 0 || device->physical_function;

		return network ? FACT_UNKNOWN : FACT_NO;
	}
	if (device->physical_function && is_physical_function(spec, facts) &&
	    address_matches(spec, device->physical_function) == FACT_YES)
		return spec->remote_managed ? FACT_UNKNOWN : result;
	result = worse(result, address_matches(spec, device->address));
	/* Such a device is offered when its vital product data hold a serial number. */
	return result == FACT_YES && spec->remote_managed ? FACT_UNKNOWN : result;
}

const json_t *nova_spec_json(const struct nova_spec *spec)
{
	return spec->json;
}

bool nova_spec_has_devname(const struct nova_spec *spec)
{
	return spec->devname;
}

bool nova_spec_is_network(const struct nova_spec *spec, const struct host_facts_device *device)
{
	return json_object_get(spec->json, "physical_network") &&
	       strncmp(device->class_code, "02", 2) == 0;
}

const char *nova_spec_odd_key(const struct nova_spec *spec, int release)
{
	const char *key;
	json_t *value;

	json_object_foreach(spec->json, key, value)
	{
		if (!nova_rule_knows_spec_key(key, release))
			return key;
	}
	return NULL;
}

const char *nova_spec_device_type(const struct host_facts_device *device)
{
	if (device->physical_function)
		return "type-VF";
	return device->sriov_total > 0 ? "type-PF" : "type-PCI";
}
