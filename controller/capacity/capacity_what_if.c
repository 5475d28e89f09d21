/* capacity_what_if.c: see capacity_what_if.h. No character of the syntax means anything to a shell.
 */
#include "controller/capacity/capacity_what_if.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/readiness.h"
#include "inventory/nodeset.h"
#include "inventory/suggest.h"
#include "inventory/text_rules.h"

#define SYNTAX                                                                                     \
	"write fix=CHECK, or flavor=NAME,vcpus=8,ram=32768,gpus=ALIAS:2 (docs/checks.md has the "  \
	"checks)"
#define GPUS_MAX 64
#define NVSWITCH "device.nvswitch"

/* ---- fix= ---- */

static int fix_add(struct capacity_what_if *what_if, const char *id, struct gf_err *err)
{
	const char *const *ids = readiness_check_ids();
	const char *near;
	size_t count = 0;

	while (ids[count] && strcmp(ids[count], id) != 0)
		count++;
	if (ids[count] && strncmp(id, "nova.", 5) == 0)
		return gf_err_set(err, GF_E_USAGE,
		                  "--what-if fix=%s: the checks of Nova change no verdict, and so "
		                  "no capacity",
		                  id);
	if (ids[count])
		return string_list_append(&what_if->fixed, id) < 0
		           ? gf_err_set(err, GF_E_MEMORY, "out of memory")
		           : 0;
	near = suggest_nearest(id, ids, count);
	return gf_err_set(err, GF_E_USAGE,
	                  "--what-if fix=%.60s: there is no such check%s%s%s; docs/checks.md has "
	                  "all of them",
	                  id, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* ---- flavor= ---- */

/* A word at a time: KEY=VALUE up to the next comma. */
struct word {
	char key[16], value[128];
};

/* The next word of *TEXT, which moves behind it. False: it is not KEY=VALUE. */
static bool word_next(const char **text, struct word *word)
{
	size_t length = strcspn(*text, ","), key = strcspn(*text, "=,");
	const char *at = *text;

	*text += length + ((*text)[length] == ',');
	if (key >= length || key == 0 || key >= sizeof(word->key) ||
	    length - key - 1 >= sizeof(word->value))
		return false;
	memcpy(word->key, at, key);
	word->key[key] = '\0';
	memcpy(word->value, at + key + 1, length - key - 1);
	word->value[length - key - 1] = '\0';
	return true;
}

static bool number_read(const char *text, unsigned long most, unsigned *number)
{
	char *end;
	unsigned long value;

	if (!isdigit((unsigned char)*text) || strlen(text) > 10)
		return false;
	value = strtoul(text, &end, 10);
	if (*end || value < 1 || value > most)
		return false;
	*number = (unsigned)value;
	return true;
}

/* In MiB, as Nova has it, or with a G behind it. */
static bool ram_read(const char *text, unsigned *mb)
{
	size_t length = strlen(text);
	char digits[16];

	if (length < 2 || length >= sizeof(digits) ||
	    toupper((unsigned char)text[length - 1]) != 'G')
		return number_read(text, 1ul << 30, mb);
	memcpy(digits, text, length - 1);
	digits[length - 1] = '\0';
	if (!number_read(digits, 1ul << 20, mb))
		return false;
	*mb *= 1024;
	return true;
}

static void aliases_collect(const struct inventory_gpu_list *gpus, const char **names,
                            size_t *count, size_t most)
{
	for (size_t i = 0; i < gpus->count && *count < most; i++) {
		if (gpus->items[i].alias)
			names[(*count)++] = gpus->items[i].alias;
	}
}

static int alias_check(const struct inventory *inventory, const char *alias, struct gf_err *err)
{
	const char *names[512], *near;
	size_t count = 0;

	aliases_collect(&inventory->gpus, names, &count, 512);
	for (size_t i = 0; i < inventory->host_count; i++) {
		const struct inventory_gpu_list *own = &inventory->hosts[i].gpus;

		for (size_t k = 0; k < own->count; k++) {
			if (own->items[k].alias && strcmp(own->items[k].alias, alias) == 0)
				return 0;
		}
		aliases_collect(own, names, &count, 512);
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], alias) == 0)
			return 0;
	}
	if (count == 0)
		return gf_err_set(
		    err, GF_E_USAGE,
		    "--what-if flavor=…,gpus=%.60s: the inventory has no `gpus`, and so "
		    "no aliases; `gpufleet scan` prints a block to paste",
		    alias);
	near = suggest_nearest(alias, names, count);
	return gf_err_set(err, GF_E_USAGE,
	                  "--what-if flavor=…,gpus=%.60s: no entry of `gpus` has that alias%s%s%s",
	                  alias, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* "ALIAS:2", or ALIAS for one. */
static int gpus_add(struct inventory_flavor *flavor, const char *value,
                    const struct inventory *inventory, struct gf_err *err)
{
	size_t length = strcspn(value, ":");
	struct inventory_flavor_gpu *gpu = &flavor->gpus[flavor->gpu_count];
	char alias[128];
	unsigned count = 1;

	memcpy(alias, value, length);
	alias[length] = '\0';
	if (value[length] && !number_read(value + length + 1, 1024, &count))
		return gf_err_set(
		    err, GF_E_USAGE,
		    "--what-if flavor=…,gpus=%.80s: behind the alias stands how many of "
		    "them a guest gets, from 1 to 1024: gpus=%.40s:2",
		    value, alias);
	if (alias_check(inventory, alias, err) < 0)
		return -1;
	for (size_t i = 0; i < flavor->gpu_count; i++) {
		if (flavor->gpus[i].alias && strcmp(flavor->gpus[i].alias, alias) == 0)
			return gf_err_set(err, GF_E_USAGE,
			                  "--what-if flavor=%.60s: it names the alias %.60s twice",
			                  flavor->name, alias);
	}
	if (flavor->gpu_count == GPUS_MAX)
		return gf_err_set(err, GF_E_USAGE, "--what-if flavor=%.60s: too many aliases",
		                  flavor->name);
	gpu->alias = strdup(alias);
	if (!gpu->alias)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	gpu->count = count;
	flavor->gpu_count++;
	return 0;
}

static int word_take(struct inventory_flavor *flavor, int *numa, const struct word *word,
                     const struct inventory *inventory, struct gf_err *err)
{
	bool taken = false;

	if (strcmp(word->key, "gpus") == 0)
		return gpus_add(flavor, word->value, inventory, err);
	if (strcmp(word->key, "vcpus") == 0) {
		taken = number_read(word->value, 4096, &flavor->vcpus);
	} else if (strcmp(word->key, "ram") == 0) {
		taken = ram_read(word->value, &flavor->ram_mb);
	} else if (strcmp(word->key, "disk") == 0) {
		taken = number_read(word->value, 1ul << 30, &flavor->disk_gb);
	} else if (strcmp(word->key, "numa") == 0) {
		taken = (*word->value == '0' || *word->value == '1') && !word->value[1];
		*numa = *word->value == '1';
	} else {
		return gf_err_set(
		    err, GF_E_USAGE,
		    "--what-if flavor=%.60s: there is no \"%s\"; it has vcpus, ram, gpus, "
		    "disk and numa",
		    flavor->name, word->key);
	}
	if (taken)
		return 0;
	return gf_err_set(err, GF_E_USAGE, "--what-if flavor=%.60s: %s=%.40s is not %s",
	                  flavor->name, word->key, word->value,
	                  strcmp(word->key, "numa") == 0  ? "0 or 1"
	                  : strcmp(word->key, "ram") == 0 ? "a number of MiB, or one with G for GiB"
	                                                  : "a number");
}

static int flavor_fill(struct inventory_flavor *flavor, int *numa, const char *text,
                       const struct inventory *inventory, struct gf_err *err)
{
	size_t length = strcspn(text, ",");

	flavor->name = strndup(text, length);
	flavor->gpus = calloc(GPUS_MAX + 1, sizeof(*flavor->gpus));
	if (!flavor->name || !flavor->gpus)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (length == 0 || length > 63 ||
	    strspn(flavor->name, "abcdefghijklmnopqrstuvwxyz"
	                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                         "0123456789._-") != length)
		return gf_err_set(err, GF_E_USAGE,
		                  "--what-if flavor=%.60s: a name comes first, of letters, digits, "
		                  "\".\", \"_\" and \"-\"; %s",
		                  flavor->name, SYNTAX);
	text += length + (text[length] == ',');
	while (*text) {
		struct word word;
		const char *at = text;

		if (!word_next(&text, &word))
			return gf_err_set(err, GF_E_USAGE,
			                  "--what-if flavor=%.60s: \"%.*s\" is not KEY=VALUE; %s",
			                  flavor->name, (int)strcspn(at, ","), at, SYNTAX);
		if (word_take(flavor, numa, &word, inventory, err) < 0)
			return -1;
	}
	if (!flavor->vcpus || !flavor->ram_mb)
		return gf_err_set(err, GF_E_USAGE, "--what-if flavor=%.60s: %s is missing; %s",
		                  flavor->name, flavor->vcpus ? "ram" : "vcpus", SYNTAX);
	return 0;
}

static int flavor_add(struct capacity_what_if *what_if, const char *text,
                      const struct inventory *inventory, struct gf_err *err)
{
	size_t count = what_if->flavor_count + 1;
	struct inventory_flavor *flavors = realloc(what_if->flavors, count * sizeof(*flavors));
	int *numa;

	if (!flavors)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	what_if->flavors = flavors;
	numa = realloc(what_if->numa, count * sizeof(*numa));
	if (!numa)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	what_if->numa = numa;
	flavors[count - 1] = (struct inventory_flavor){0};
	numa[count - 1] = -1;
	what_if->flavor_count = count;
	if (flavor_fill(&flavors[count - 1], &numa[count - 1], text, inventory, err) < 0)
		return -1;
	for (size_t i = 0; i + 1 < count; i++) {
		if (strcmp(flavors[i].name, flavors[count - 1].name) == 0)
			return gf_err_set(err, GF_E_USAGE,
			                  "--what-if flavor=%.60s stands there twice",
			                  flavors[i].name);
	}
	return 0;
}

int capacity_what_if_add(struct capacity_what_if *what_if, const char *text,
                         const struct inventory *inventory, struct gf_err *err)
{
	int rc;

	if (strncmp(text, "fix=", 4) == 0)
		rc = fix_add(what_if, text + 4, err);
	else if (strncmp(text, "flavor=", 7) == 0)
		rc = flavor_add(what_if, text + 7, inventory, err);
	else
		rc = gf_err_set(err, GF_E_USAGE, "--what-if \"%.60s\": %s", text, SYNTAX);
	if (rc == 0 && string_list_append(&what_if->changes, text) < 0)
		rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	return rc;
}

void capacity_what_if_free(struct capacity_what_if *what_if)
{
	for (size_t i = 0; i < what_if->flavor_count; i++) {
		struct inventory_flavor *flavor = &what_if->flavors[i];

		for (size_t k = 0; k < flavor->gpu_count; k++)
			free(flavor->gpus[k].alias);
		free(flavor->gpus);
		free(flavor->name);
	}
	free(what_if->flavors);
	free(what_if->numa);
	string_list_free(&what_if->fixed);
	string_list_free(&what_if->changes);
	memset(what_if, 0, sizeof(*what_if));
}

/* ---- the answer ---- */

static bool has_flavor(const struct inventory_flavor *flavors, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(flavors[i].name, name) == 0)
			return true;
	}
	return false;
}

static bool is_fixed(const struct capacity_what_if *what_if, const char *id)
{
	for (size_t i = 0; i < what_if->fixed.count; i++) {
		if (strcmp(what_if->fixed.items[i], id) == 0)
			return true;
	}
	return false;
}

json_t *capacity_what_if_answer(const struct capacity_what_if *what_if,
                                const struct inventory *inventory, bool then,
                                const struct capacity_source *sources, size_t count)
{
	const struct inventory_flavor *own = inventory->flavors, *asked = what_if->flavors;
	struct capacity_flavor *flavors =
	    calloc(inventory->flavor_count + what_if->flavor_count + 1, sizeof(*flavors));
	struct capacity_question question = {.flavors = flavors,
	                                     .split_boards = then && is_fixed(what_if, NVSWITCH)};
	json_t *capacity;

	if (!flavors)
		return NULL;
	/* One that the inventory has is as there now, and as asked then. */
	for (size_t i = 0; i < inventory->flavor_count; i++) {
		if (!then || !has_flavor(asked, what_if->flavor_count, own[i].name))
			flavors[question.flavor_count++] = (struct capacity_flavor){&own[i], -1};
	}
	for (size_t i = 0; i < what_if->flavor_count; i++) {
		if (then || !has_flavor(own, inventory->flavor_count, asked[i].name))
			flavors[question.flavor_count++] =
			    (struct capacity_flavor){&asked[i], what_if->numa[i]};
	}
	capacity = capacity_answer(inventory, &question, sources, count);
	free(flavors);
	return capacity;
}
