/* capacity.c: puts the parts together. */
#include "controller/capacity/capacity.h"

#include <stdlib.h>

#include "controller/capacity/capacity_parts.h"

json_t *capacity_answer(const struct inventory *inventory, const struct capacity_question *question,
                        const struct capacity_source *sources, size_t count)
{
	json_t *capacity = json_object();
	int failed = 0;

	failed |=
	    json_object_set_new(capacity, "aliases", capacity_aliases(inventory, sources, count));
	failed |= json_object_set_new(capacity, "flavors",
	                              capacity_flavors(question->flavors, question->flavor_count,
	                                               question->split_boards,
	                                               inventory->nova_number, sources, count));
	failed |= json_object_set_new(capacity, "blockers", capacity_blockers(sources, count));
	if (!failed)
		return capacity;
	json_decref(capacity);
	return NULL;
}

json_t *capacity_build(const struct inventory *inventory, const struct capacity_source *sources,
                       size_t count)
{
	struct capacity_flavor *flavors = calloc(inventory->flavor_count + 1, sizeof(*flavors));
	struct capacity_question question = {.flavors = flavors,
	                                     .flavor_count = inventory->flavor_count};
	json_t *capacity;

	if (!flavors)
		return NULL;
	for (size_t i = 0; i < inventory->flavor_count; i++)
		flavors[i] = (struct capacity_flavor){&inventory->flavors[i], -1};
	capacity = capacity_answer(inventory, &question, sources, count);
	free(flavors);
	return capacity;
}
