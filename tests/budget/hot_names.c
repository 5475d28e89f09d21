/* hot_names.c: what an operator wrote: node sets, the inventory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/nodeset.h"
#include "tests/budget/hot_paths.h"

/* Names of two kinds that are no neighbours: half of `gpu00001`, half of `r001n01`, and neither in
 * order. 7919 shares no factor with a size that is made of 2 and 5. */
#define STRIDE 7919
#define SLOTS  40

struct fold {
	size_t size;
	char (*names)[16];
	const char **list;
	char *text;
};

static void *fold_prepare(size_t size)
{
	struct fold *fold = hot_allocate(1, sizeof(*fold));

	fold->size = size;
	fold->names = hot_allocate(size, sizeof(*fold->names));
	fold->list = hot_allocate(size, sizeof(*fold->list));
	for (size_t i = 0; i < size; i++) {
		size_t n = i / 2;

		if (i % 2)
			snprintf(fold->names[i], sizeof(fold->names[i]), "gpu%06zu", n);
		else
			snprintf(fold->names[i], sizeof(fold->names[i]), "r%04zun%02zu", n / SLOTS,
			         n % SLOTS);
	}
	for (size_t i = 0; i < size; i++)
		fold->list[i] = fold->names[i * STRIDE % size];
	return fold;
}

static void fold_run(void *state)
{
	struct fold *fold = state;

	fold->text = nodeset_fold(fold->list, fold->size);
}

/* Few words, and they stand for all of the names. */
static size_t fold_done(void *state)
{
	struct fold *fold = state;
	struct string_list names = {0};

	if (!fold->text || strlen(fold->text) > 100 ||
	    nodeset_expand(fold->text, NULL, NULL, &names, NULL) != 0)
		return 0;
	return names.count;
}

struct expand {
	char text[64];
	struct string_list names;
};

static void *expand_prepare(size_t size)
{
	struct expand *expand = hot_allocate(1, sizeof(*expand));

	snprintf(expand->text, sizeof(expand->text), "r[0001-%04zu]n[01-%d]", size / SLOTS, SLOTS);
	return expand;
}

static void expand_run(void *state)
{
	struct expand *expand = state;

	nodeset_expand(expand->text, NULL, NULL, &expand->names, NULL);
}

static size_t expand_done(void *state)
{
	return ((struct expand *)state)->names.count;
}

struct reading {
	char *text;
	size_t length;
	struct inventory *inventory;
};

static void *inventory_prepare(size_t size)
{
	struct reading *reading = hot_allocate(1, sizeof(*reading));

	reading->text = hot_inventory_text(size, &reading->length);
	return reading;
}

static void inventory_run(void *state)
{
	struct reading *reading = state;

	reading->inventory = inventory_parse("fleet.json", reading->text, reading->length, NULL);
}

static size_t inventory_done(void *state)
{
	const struct reading *reading = state;

	return reading->inventory ? reading->inventory->host_count : 0;
}

const struct hot_path hot_names[] = {
    {"nodeset-fold", 100000, "names", fold_prepare, fold_run, fold_done},
    {"nodeset-expand", 40000, "names", expand_prepare, expand_run, expand_done},
    {"inventory", 2000, "hosts", inventory_prepare, inventory_run, inventory_done},
    {0},
};
