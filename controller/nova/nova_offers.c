/* nova_offers.c: all entries of device_spec against all devices of a host; see nova_spec.h. */
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_spec.h"

static void offer(struct nova_offers *offers, size_t device)
{
	struct nova_offer *item = &offers->items[device];

	for (size_t i = 0; i < offers->entry_count; i++) {
		const struct nova_spec_list *list = &offers->lists[i];

		for (size_t k = 0; k < list->count; k++) {
			enum fact matches = nova_spec_matches(list->items[k], offers->facts,
			                                      &offers->facts->devices[device]);

			if (matches == FACT_NO)
				continue;
			/* A later certain match is as certain; the first is told. */
			if (item->offered == FACT_NO) {
				item->entry = i;
				item->spec = list->items[k];
			}
			item->offered = matches;
			if (matches == FACT_YES)
				return;
		}
	}
}

int nova_offers_compute(const char *const *values, size_t count, int release,
                        const struct host_facts *facts, struct nova_offers *out, struct gf_err *err)
{
	memset(out, 0, sizeof(*out));
	out->facts = facts;
	out->lists = calloc(count + 1, sizeof(*out->lists));
	out->wrong = calloc(count + 1, sizeof(*out->wrong));
	out->items = calloc(facts->device_count + 1, sizeof(*out->items));
	if (!out->lists || !out->wrong || !out->items)
		goto no_memory;
	for (size_t i = 0; i < count; i++) {
		struct gf_err fault = {0};

		out->entry_count = i + 1;
		if (nova_spec_parse(values[i], release, &out->lists[i], &fault) == 0)
			continue;
		if (fault.code == GF_E_MEMORY)
			goto no_memory;
		snprintf(out->wrong[i], sizeof(out->wrong[i]), "%.190s", fault.msg);
		out->refused = true;
		nova_spec_list_free(&out->lists[i]);
	}
	for (size_t i = 0; i < facts->device_count; i++)
		offer(out, i);
	return 0;
no_memory:
	nova_offers_free(out);
	return gf_err_set(err, GF_E_MEMORY, "out of memory");
}

void nova_offers_free(struct nova_offers *offers)
{
	for (size_t i = 0; i < offers->entry_count; i++)
		nova_spec_list_free(&offers->lists[i]);
	free(offers->lists);
	free(offers->wrong);
	free(offers->items);
	memset(offers, 0, sizeof(*offers));
}
