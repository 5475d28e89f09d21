/* report_gpus.c: which GPU models a fleet has, as a block that an operator pastes into the
 * inventory. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/readiness.h"
#include "controller/readiness/selection.h"
#include "controller/report/pci_names.h"
#include "controller/report/report.h"
#include "inventory/nodeset.h"

struct model {
	char vendor[5], device[5];
	char name[256];
	char alias[64];
	size_t cards;
	struct string_list hosts;
};

struct models {
	struct model *items;
	size_t count, size;
};

static struct model *model_of(struct models *models, const char *vendor, const char *device)
{
	struct model *model;

	for (size_t i = 0; i < models->count; i++) {
		model = &models->items[i];
		if (strcmp(model->vendor, vendor) == 0 && strcmp(model->device, device) == 0)
			return model;
	}
	if (models->count == models->size) {
		size_t size = models->size ? 2 * models->size : 16;

		model = realloc(models->items, size * sizeof(*model));
		if (!model)
			return NULL;
		models->items = model;
		models->size = size;
	}
	model = &models->items[models->count++];
	memset(model, 0, sizeof(*model));
	snprintf(model->vendor, sizeof(model->vendor), "%.4s", vendor);
	snprintf(model->device, sizeof(model->device), "%.4s", device);
	return model;
}

/* The host's GPUs as if the inventory named none: boards' own displays are left out, all else is
 * shown. */
static int collect_host(struct models *models, const struct report_host *host, struct gf_err *err)
{
	struct inventory_host anyone = {.name = host->host->name};
	struct selection selection;
	struct gf_err malformed;

	/* What is wrong with this host's facts stands in the report. */
	if (!host->facts || selection_compute(host->facts, &anyone, &selection, &malformed) < 0)
		return 0;
	for (size_t i = 0; i < selection.count; i++) {
		const struct selection_device *item = &selection.items[i];
		struct model *model;

		if (!item->primary || item->ignored)
			continue;
		model = model_of(models, json_string_value(json_object_get(item->facts, "vendor")),
		                 json_string_value(json_object_get(item->facts, "device")));
		if (!model ||
		    (!(model->hosts.count &&
		       strcmp(model->hosts.items[model->hosts.count - 1], anyone.name) == 0) &&
		     string_list_append(&model->hosts, anyone.name) < 0)) {
			selection_free(&selection);
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
		}
		model->cards++;
	}
	selection_free(&selection);
	return 0;
}

static const char *vendor_word(const char *vendor)
{
	if (strcmp(vendor, "10de") == 0)
		return "nvidia-";
	if (strcmp(vendor, "1002") == 0)
		return "amd-";
	if (strcmp(vendor, "8086") == 0)
		return "intel-";
	return "gpu-";
}

/* "GP102 [GeForce GTX 1080 Ti]" → "nvidia-geforce-gtx-1080-ti": Nova can't take blanks, commas or
 * colons in an alias. */
static void make_alias(struct model *model)
{
	const char *open = strrchr(model->name, '['), *at;
	size_t used;

	snprintf(model->alias, sizeof(model->alias), "%s", vendor_word(model->vendor));
	used = strlen(model->alias);
	for (at = open ? open + 1 : ""; *at && *at != ']' && *at != '/' && used + 1 < 48; at++) {
		if (isalnum((unsigned char)*at))
			model->alias[used++] = (char)tolower((unsigned char)*at);
		else if (model->alias[used - 1] != '-')
			model->alias[used++] = '-';
	}
	while (used > 0 && model->alias[used - 1] == '-')
		used--;
	model->alias[used] = '\0';
	if (!open)
		snprintf(model->alias + used, sizeof(model->alias) - used, "-%s", model->device);
}

static void choose_aliases(struct models *models, const struct inventory *inventory)
{
	for (size_t i = 0; i < models->count; i++) {
		struct model *model = &models->items[i];

		make_alias(model);
		for (size_t k = 0; k < inventory->gpus.count; k++) {
			const struct inventory_gpu *gpu = &inventory->gpus.items[k];

			/* What the operator calls it already stays. */
			if (gpu->alias && gpu->vendor && gpu->device &&
			    strcmp(gpu->vendor, model->vendor) == 0 &&
			    strcmp(gpu->device, model->device) == 0)
				snprintf(model->alias, sizeof(model->alias), "%s", gpu->alias);
		}
	}
	for (size_t i = 0; i < models->count; i++) {
		for (size_t k = 0; k < i; k++) {
			struct model *model = &models->items[i];
			size_t used = strlen(model->alias);

			if (strcmp(models->items[k].alias, model->alias) == 0)
				snprintf(model->alias + used, sizeof(model->alias) - used, "-%s",
				         model->device);
		}
	}
}

static int by_cards(const void *a, const void *b)
{
	const struct model *x = a, *y = b;

	if (x->cards != y->cards)
		return x->cards > y->cards ? -1 : 1;
	if (strcmp(x->vendor, y->vendor) != 0)
		return strcmp(x->vendor, y->vendor);
	return strcmp(x->device, y->device);
}

static void print(const struct models *models, FILE *out)
{
	for (size_t i = 0; i < models->count; i++) {
		const struct model *model = &models->items[i];
		char *hosts =
		    nodeset_fold((const char *const *)model->hosts.items, model->hosts.count);

		fprintf(out, "%zu x %s [%s:%s] on %s\n", model->cards, model->name, model->vendor,
		        model->device, hosts ? hosts : "some hosts");
		free(hosts);
	}
	fprintf(out, "\nTo pass them through, paste this into the inventory, below its \"fleet\" "
	             "(rename the aliases as you like):\n\n");
	fprintf(out, "  \"gpus\": [\n");
	for (size_t i = 0; i < models->count; i++)
		fprintf(out,
		        "    {\"alias\": \"%s\", \"vendor\": \"%s\", \"device\": \"%s\", "
		        "\"functions\": \"all\"}%s\n",
		        models->items[i].alias, models->items[i].vendor, models->items[i].device,
		        i + 1 < models->count ? "," : "");
	fprintf(out, "  ],\n");
}

int report_gpus_block(const struct inventory *inventory, const struct report_host *hosts,
                      size_t count, FILE *out, struct gf_err *err)
{
	struct pci_names *names = pci_names_open(NULL);
	struct models models = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = collect_host(&models, &hosts[i], err);
	for (size_t i = 0; i < models.count; i++)
		pci_names_device(names, models.items[i].vendor, models.items[i].device,
		                 models.items[i].name, sizeof(models.items[i].name));
	pci_names_close(names);
	if (models.count)
		qsort(models.items, models.count, sizeof(*models.items), by_cards);
	choose_aliases(&models, inventory);
	if (rc == 0 && models.count == 0)
		fprintf(out, "No GPU was seen on any host.\n");
	else if (rc == 0)
		print(&models, out);
	if (rc == 0 && (fflush(out) == EOF || ferror(out)))
		rc = gf_err_errno(err, GF_E_IO, "cannot write the list of GPUs");
	for (size_t i = 0; i < models.count; i++)
		string_list_free(&models.items[i].hosts);
	free(models.items);
	return rc;
}
