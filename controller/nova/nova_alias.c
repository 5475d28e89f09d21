/* nova_alias.c: see nova_alias.h. */
#include "controller/nova/nova_alias.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "controller/nova/nova_rules.h"

static void refuse(struct nova_alias *alias, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void refuse(struct nova_alias *alias, const char *format, ...)
{
	va_list args;

	if (*alias->wrong)
		return;
	va_start(args, format);
	vsnprintf(alias->wrong, sizeof(alias->wrong), format, args);
	va_end(args);
}

static const char *text_of(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

/* Characters, not bytes, as the schema counts. */
static size_t characters(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

/* ^([\da-fA-F]{4})$; Python's $ lets a newline follow. */
static bool is_id(const char *text)
{
	size_t length = strspn(text, "0123456789abcdefABCDEF");

	return length == 4 && (!text[4] || strcmp(text + 4, "\n") == 0);
}

static bool is_strict_bool(const char *text)
{
	static const char *const words[] = {"1", "t", "true",  "on",  "y", "yes",
	                                    "0", "f", "false", "off", "n", "no"};
	char word[16];
	size_t length;

	text += strspn(text, " \t\n\r\v\f");
	length = strcspn(text, " \t\n\r\v\f");
	if (length >= sizeof(word) || text[length + strspn(text + length, " \t\n\r\v\f")] != '\0')
		return false;
	memcpy(word, text, length);
	word[length] = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(words[i], word) == 0)
			return true;
	}
	return false;
}

static void check_values(struct nova_alias *alias, int release)
{
	static const char *const types[] = {"type-PCI", "type-PF", "type-VF"};
	const char *name = text_of(alias->json, "name");
	const char *ids[] = {"vendor_id", "product_id"};
	const char *type = text_of(alias->json, "device_type");
	const char *policy = text_of(alias->json, "numa_policy");
	const char *kind = text_of(alias->json, "capability_type");
	const char *migratable = text_of(alias->json, "live_migratable");
	bool known = !type;

	if (!name)
		refuse(alias, "'name' is a required property");
	else if (!*name || characters(name) > 256)
		refuse(alias, "the name is %s", *name ? "too long (256 characters)" : "empty");
	for (size_t i = 0; i < 2; i++) {
		const char *id = text_of(alias->json, ids[i]);

		if (id && !is_id(id))
			refuse(alias, "%s '%.20s' is not four hex digits (without 0x)", ids[i], id);
	}
	for (size_t i = 0; type && i < 3; i++)
		known = known || strcmp(type, types[i]) == 0;
	if (!known)
		refuse(alias, "device_type '%.20s' is not type-PCI, type-PF or type-VF", type);
	if (kind && strcmp(kind, "pci") != 0)
		refuse(alias, "capability_type '%.20s' is not pci", kind);
	if (policy && !nova_rule_knows_numa_policy(policy, release))
		refuse(alias, "numa_policy '%.20s' is not one that this Nova knows", policy);
	if (migratable && !is_strict_bool(migratable))
		refuse(alias, "live_migratable '%.20s' is neither yes nor no", migratable);
}

static void check_alias(struct nova_alias *alias, const char *value, int release)
{
	const char *key;
	json_t *item;
	char shown[NOVA_RELEASE_SHOW_SIZE];

	alias->json = json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (!alias->json)
		refuse(alias, "it is not JSON");
	else if (!json_is_object(alias->json))
		refuse(alias, "it is not a JSON object (a list is refused, too)");
	json_object_foreach(alias->json, key, item)
	{
		if (!nova_rule_knows_alias_key(key, release))
			refuse(alias, "the key '%.40s' is not one that Nova %s knows", key,
			       nova_release_show(release, shown));
		else if (!json_is_string(item))
			refuse(alias, "%.40s is not a string", key);
	}
	if (!*alias->wrong)
		check_values(alias, release);
}

static void strip(const char *text, char buffer[NOVA_ALIAS_NAME_SIZE])
{
	size_t length;

	text += strspn(text, " \t\n\r\v\f");
	length = strlen(text);
	while (length && strchr(" \t\n\r\v\f", text[length - 1]))
		length--;
	if (length >= NOVA_ALIAS_NAME_SIZE)
		length = NOVA_ALIAS_NAME_SIZE - 1;
	memcpy(buffer, text, length);
	buffer[length] = '\0';
}

static bool same_name(const struct nova_alias *a, const struct nova_alias *b)
{
	char x[NOVA_ALIAS_NAME_SIZE], y[NOVA_ALIAS_NAME_SIZE];

	strip(text_of(a->json, "name"), x);
	strip(text_of(b->json, "name"), y);
	return strcmp(x, y) == 0;
}

static const char *policy_of(const struct nova_alias *alias)
{
	const char *policy = text_of(alias->json, "numa_policy");

	return policy ? policy : "legacy";
}

/* The entry AT against the first of the same name. */
static void check_repeated(struct nova_alias_list *list, size_t at, bool placement)
{
	struct nova_alias *alias = &list->items[at];
	const char *name = text_of(alias->json, "name");

	for (size_t i = 0; i < at; i++) {
		const struct nova_alias *first = &list->items[i];
		const char *type, *first_type;

		if (*first->wrong || !same_name(first, alias))
			continue;
		type = text_of(alias->json, "device_type");
		first_type = text_of(first->json, "device_type");
		if (placement)
			refuse(alias,
			       "the alias '%.60s' has several entries, which pci_in_placement does "
			       "not allow",
			       name);
		else if (strcmp(policy_of(first), policy_of(alias)) != 0)
			refuse(alias, "NUMA policy mismatch for alias '%.60s'", name);
		else if (!type || !first_type)
			refuse(alias,
			       "the alias '%.60s' has several entries, and one lacks device_type "
			       "(Nova says only: 'dev_type')",
			       name);
		else if (strcmp(type, first_type) != 0)
			refuse(alias, "Device type mismatch for alias '%.60s'", name);
		return;
	}
}

static void check_ids(struct nova_alias *alias, int release, bool placement)
{
	bool ids = text_of(alias->json, "vendor_id") && text_of(alias->json, "product_id");

	if (ids || !nova_rule_holds(NOVA_RULE_ALIAS_IDS_REQUIRED, release))
		return;
	if (placement && text_of(alias->json, "resource_class"))
		return;
	refuse(alias, "the alias '%.60s' does not have vendor_id and product_id%s",
	       text_of(alias->json, "name"), placement ? ", nor resource_class" : "");
}

int nova_alias_judge(const char *const *values, size_t count, int release, bool placement,
                     struct nova_alias_list *out, struct gf_err *err)
{
	memset(out, 0, sizeof(*out));
	out->items = calloc(count + 1, sizeof(*out->items));
	if (!out->items)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		struct nova_alias *alias = &out->items[out->count++];

		check_alias(alias, values[i], release);
		if (!*alias->wrong)
			check_repeated(out, i, placement);
		if (!*alias->wrong)
			check_ids(alias, release, placement);
		out->refused = out->refused || *alias->wrong;
	}
	return 0;
}

void nova_alias_list_free(struct nova_alias_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		json_decref(list->items[i].json);
	free(list->items);
	memset(list, 0, sizeof(*list));
}

const char *nova_alias_name(const char *value, char buffer[NOVA_ALIAS_NAME_SIZE])
{
	json_t *json = json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	const char *name = text_of(json, "name");

	buffer[0] = '\0';
	if (name)
		strip(name, buffer);
	json_decref(json);
	return buffer;
}

bool nova_alias_requestable(const char *name)
{
	return *name && name[strcspn(name, ":, \t\n\r\v\f")] == '\0';
}
