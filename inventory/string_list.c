/* string_list.c: a list that owns its strings; see nodeset.h. */
#include "inventory/nodeset.h"

#include <stdlib.h>
#include <string.h>

int string_list_append(struct string_list *list, const char *item)
{
	/* The list carries no capacity: it grows whenever the count reaches a power of two. */
	if ((list->count & (list->count - 1)) == 0) {
		size_t room = list->count ? 2 * list->count : 1;
		char **items = realloc(list->items, room * sizeof(*items));
		if (!items)
			return -1;
		list->items = items;
	}
	list->items[list->count] = strdup(item);
	if (!list->items[list->count])
		return -1;
	list->count++;
	return 0;
}

void string_list_free(struct string_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	list->items = NULL;
	list->count = 0;
}

bool string_list_equal(const struct string_list *a, const struct string_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]))
			return false;
	return true;
}
