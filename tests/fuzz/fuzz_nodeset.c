/* fuzz_nodeset.c: any text as a node set. What expands folds back to a set of the same names. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/nodeset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct string_list *list)
{
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), name_order);
}

/* Too many to fold and expand again in a fuzzer's time. */
#define FOLD_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct string_list names, again;
	struct gf_err err = {0};
	char *text = strndup((const char *)data, size);
	if (!text)
		abort();
	if (nodeset_expand(text, NULL, NULL, &names, &err) == 0) {
		if (names.count <= FOLD_MAX) {
			char *folded = nodeset_fold((const char *const *)names.items, names.count);
			if (!folded || nodeset_expand(folded, NULL, NULL, &again, &err) < 0 ||
			    again.count != names.count)
				abort();
			sort(&names);
			sort(&again);
			for (size_t i = 0; i < names.count; i++)
				if (strcmp(names.items[i], again.items[i]))
					abort();
			string_list_free(&again);
			free(folded);
		}
		string_list_free(&names);
	} else if (!err.msg[0] || strchr(err.msg, '\n')) {
		abort();
	}
	free(text);
	return 0;
}
