/* selection.c: from a host's devices to its cards.
 *
 * First every GPU function is found: what an entry of `gpus` names, and every other GPU-class
 * device (ignored, so that the report can show it). Then each card gets the functions that belong
 * to it. A device is never in two cards: the first wins.
 */
#include "controller/readiness/selection.h"

#include <stdlib.h>
#include <string.h>

#include "controller/readiness/host_facts.h"

/* Display controllers of management boards: the host's own console, never a GPU that somebody
 * offers. */
static bool is_management_display(const char *vendor)
{
	static const char *const vendors[] = {
	    "1a03", /* ASPEED */
	    "102b", /* Matrox G200 of iDRAC and iLO */
	    "126f", /* Silicon Motion */
	    "18ca", /* XGI */
	    "19e5", /* Huawei iBMC */
	};

	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
		if (strcmp(vendor, vendors[i]) == 0)
			return true;
	}
	return false;
}

bool selection_is_gpu(const char *vendor, const char *class_code)
{
	static const char *const accelerators[] = {"10de", "1002", "8086", "1da3", "1ed5"};

	if (strcmp(class_code, "0300") == 0 || strcmp(class_code, "0302") == 0 ||
	    strcmp(class_code, "0380") == 0)
		return true;
	if (strcmp(class_code, "1200") != 0)
		return false;
	for (size_t i = 0; i < sizeof(accelerators) / sizeof(accelerators[0]); i++) {
		if (strcmp(vendor, accelerators[i]) == 0)
			return true;
	}
	return false;
}

static bool is_sibling_class(const char *class_code)
{
	return strcmp(class_code, "0403") == 0 || strcmp(class_code, "0c03") == 0 ||
	       strcmp(class_code, "0c80") == 0;
}

static bool list_has(const struct string_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i], text) == 0)
			return true;
	}
	return false;
}

static bool subsystem_matches(const char *wanted, const struct host_facts_device *device)
{
	return device->subsystem_vendor && device->subsystem_device && strlen(wanted) == 9 &&
	       memcmp(wanted, device->subsystem_vendor, 4) == 0 && wanted[4] == ':' &&
	       memcmp(wanted + 5, device->subsystem_device, 4) == 0;
}

static bool gpu_matches(const struct inventory_gpu *gpu, const struct host_facts_device *device)
{
	if (!device->endpoint)
		return false;
	if (gpu->address && strcmp(gpu->address, device->address) != 0)
		return false;
	if (gpu->vendor && strcmp(gpu->vendor, device->vendor) != 0)
		return false;
	if (gpu->device && strcmp(gpu->device, device->device) != 0)
		return false;
	if (gpu->class_code && strcmp(gpu->class_code, device->class_code) != 0)
		return false;
	if (gpu->subsystem && !subsystem_matches(gpu->subsystem, device))
		return false;
	if (list_has(&gpu->except, device->address))
		return false;
	/* All functions of a card carry its subsystem: unless the entry names one model, class or
	 * place, it means the GPU. */
	if (!gpu->address && !gpu->device && !gpu->class_code)
		return selection_is_gpu(device->vendor, device->class_code);
	return true;
}

static const struct inventory_gpu *gpu_of(const struct inventory_host *host,
                                          const struct host_facts_device *device)
{
	for (size_t i = 0; i < host->gpus.count; i++) {
		if (gpu_matches(&host->gpus.items[i], device))
			return &host->gpus.items[i];
	}
	return NULL;
}

static bool taken(const struct selection *selection, const char *address)
{
	for (size_t i = 0; i < selection->count; i++) {
		if (strcmp(selection->items[i].address, address) == 0)
			return true;
	}
	return false;
}

static void add_primaries(const struct host_facts *facts, const struct inventory_host *host,
                          struct selection *out)
{
	for (size_t i = 0; i < facts->device_count; i++) {
		const struct host_facts_device *device = &facts->devices[i];
		const struct inventory_gpu *gpu = gpu_of(host, device);
		struct selection_device *item = &out->items[out->count];

		if (!gpu &&
		    !(device->endpoint && selection_is_gpu(device->vendor, device->class_code)))
			continue;
		*item = (struct selection_device){
		    .facts = device->json,
		    .address = device->address,
		    .card = device->address,
		    .gpu = gpu,
		    .alias = gpu ? gpu->alias : NULL,
		    .primary = true,
		    .ignored = host->gpus.given ? !gpu : is_management_display(device->vendor),
		};
		out->count++;
	}
}

static void add_siblings(const struct host_facts *facts, const struct host_facts_device *primary,
                         const struct selection_device *card, struct selection *out)
{
	for (size_t i = 0; i < facts->device_count; i++) {
		const struct host_facts_device *device = &facts->devices[i];

		if (!device->endpoint || !is_sibling_class(device->class_code))
			continue;
		if (!host_facts_same_slot(device->address, primary->address) &&
		    !host_facts_has(primary->siblings, device->address))
			continue;
		if (taken(out, device->address))
			continue;
		out->items[out->count++] = (struct selection_device){
		    .facts = device->json,
		    .address = device->address,
		    .card = card->address,
		    .gpu = card->gpu,
		    .alias = card->alias,
		    .ignored = card->ignored ||
		               (card->gpu && (card->gpu->functions == FUNCTIONS_PRIMARY ||
		                              list_has(&card->gpu->except, device->address))),
		};
	}
}

static int item_compare(const void *a, const void *b)
{
	const char *x = ((const struct selection_device *)a)->address;
	const char *y = ((const struct selection_device *)b)->address;
	size_t lx = strlen(x), ly = strlen(y);

	if (lx != ly)
		return lx < ly ? -1 : 1;
	return strcmp(x, y);
}

int selection_from_facts(const struct host_facts *facts, const struct inventory_host *host,
                         struct selection *out, struct gf_err *err)
{
	size_t cards;

	memset(out, 0, sizeof(*out));
	out->items = calloc(facts->device_count + 1, sizeof(*out->items));
	if (!out->items)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	add_primaries(facts, host, out);
	cards = out->count;
	if (cards > SELECTION_CARDS_MAX) {
		selection_free(out);
		return gf_err_set(err, GF_E_PROTOCOL, "the host's facts name more than %d GPUs",
		                  SELECTION_CARDS_MAX);
	}
	for (size_t i = 0; i < cards; i++) {
		struct selection_device card = out->items[i];

		add_siblings(facts, host_facts_find(facts, card.address), &card, out);
	}
	if (out->count > 3 * SELECTION_CARDS_MAX) {
		selection_free(out);
		return gf_err_set(err, GF_E_PROTOCOL,
		                  "the host's facts name more than %d functions of GPUs",
		                  3 * SELECTION_CARDS_MAX);
	}
	qsort(out->items, out->count, sizeof(*out->items), item_compare);
	return 0;
}

int selection_compute(const json_t *facts, const struct inventory_host *host, struct selection *out,
                      struct gf_err *err)
{
	struct host_facts parsed;
	int rc;

	memset(out, 0, sizeof(*out));
	if (host_facts_parse(facts, &parsed, err) < 0)
		return -1;
	rc = selection_from_facts(&parsed, host, out, err);
	host_facts_free(&parsed);
	return rc;
}

void selection_free(struct selection *selection)
{
	free(selection->items);
	memset(selection, 0, sizeof(*selection));
}

const struct selection_device *selection_find(const struct selection *selection,
                                              const char *address)
{
	struct selection_device key = {.address = address};

	if (!selection->count)
		return NULL;
	return bsearch(&key, selection->items, selection->count, sizeof(key), item_compare);
}

static json_t *copy_or_null(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return json_is_string(value) ? json_incref(value) : json_null();
}

json_t *selection_wanted(const struct selection *selection, const struct inventory_host *host)
{
	static const char *const keys[] = {"address",          "vendor",           "device",
	                                   "subsystem_vendor", "subsystem_device", "class"};
	json_t *wanted = json_array();

	if (!host->gpus.given)
		return wanted;
	for (size_t i = 0; i < selection->count; i++) {
		const struct selection_device *item = &selection->items[i];
		json_t *entry;

		if (item->ignored)
			continue;
		entry = json_object();
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			json_object_set_new(entry, keys[k], copy_or_null(item->facts, keys[k]));
		json_object_set_new(entry, "primary", json_boolean(item->primary));
		json_array_append_new(wanted, entry);
	}
	return wanted;
}
