/* nova_checks_config.c: does device_spec offer exactly the ready devices? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_checks_internal.h"
#include "controller/nova/nova_spec.h"

#define NAMED_MAX 6 /* addresses that are named; the rest is counted */

/* Addresses for the evidence. */
struct names {
	char text[400];
	size_t used, count;
};

static void name_add(struct names *names, const char *address, const char *place)
{
	if (names->count++ < NAMED_MAX && names->used < sizeof(names->text))
		names->used +=
		    (size_t)snprintf(names->text + names->used, sizeof(names->text) - names->used,
		                     "%s%s%s%s%s", names->used ? ", " : "", address,
		                     place ? " (" : "", place ? place : "", place ? ")" : "");
}

static const char *names_text(struct names *names)
{
	if (names->count > NAMED_MAX && names->used < sizeof(names->text))
		snprintf(names->text + names->used, sizeof(names->text) - names->used,
		         " and %zu more", names->count - NAMED_MAX);
	return names->text;
}

static const char *place_of(const struct nova_facts_option *option, size_t entry,
                            char buffer[NOVA_PLACE_SIZE])
{
	return entry < option->count && option->entries
	           ? nova_facts_place(&option->entries[entry], buffer)
	           : "a file";
}

static bool is_ours(const struct nova_facts_option *option, size_t entry)
{
	return entry < option->count && option->entries && option->entries[entry].ours;
}

/* The primary functions that an alias wants: what Nova may be told to offer. */
struct wanted {
	struct wanted_card {
		const char *address, *verdict;
	} * cards;
	size_t count;
};

static int wanted_read(const struct nova_subject *subject, struct wanted *wanted,
                       struct gf_err *err)
{
	const json_t *device;
	size_t i;

	wanted->count = 0;
	wanted->cards = calloc(json_array_size(subject->devices) + 1, sizeof(*wanted->cards));
	if (!wanted->cards)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_array_foreach(subject->devices, i, device)
	{
		const char *address = json_string_value(json_object_get(device, "address"));
		const char *verdict = json_string_value(json_object_get(device, "verdict"));

		if (address && verdict && json_is_true(json_object_get(device, "primary")) &&
		    json_is_string(json_object_get(device, "alias")) &&
		    strcmp(verdict, "ignored") != 0)
			wanted->cards[wanted->count++] = (struct wanted_card){address, verdict};
	}
	return 0;
}

/* NULL: nothing Nova is to offer. */
static const char *wanted_verdict(const struct wanted *wanted, const char *address)
{
	for (size_t i = 0; i < wanted->count; i++) {
		if (strcmp(wanted->cards[i].address, address) == 0)
			return wanted->cards[i].verdict;
	}
	return NULL;
}

static bool is_ready(const char *verdict)
{
	return verdict && (strcmp(verdict, "ready") == 0 || strcmp(verdict, "in_use") == 0);
}

/* Is there a card left that apply may take? Without one it leaves the host alone. */
static bool any_to_offer(const struct wanted *wanted)
{
	for (size_t i = 0; i < wanted->count; i++) {
		if (strcmp(wanted->cards[i].verdict, "blocked") != 0)
			return true;
	}
	return false;
}

static const char *surplus_fix(const struct wanted *wanted, bool foreign)
{
	if (foreign)
		return "Correct or remove the entry at that line: gpufleet does not change what "
		       "others wrote.";
	if (any_to_offer(wanted))
		return "`gpufleet apply` writes the entries anew.";
	return "The host has no card left that gpufleet may take, so apply leaves it alone: "
	       "`gpufleet rollback --limit HOST` takes the entries back, with all else that it "
	       "changed there.";
}

static void judge(const struct nova_subject *subject, const struct nova_facts_option *option,
                  const struct nova_offers *offers, const struct wanted *wanted)
{
	struct names missing = {.count = 0}, surplus = {.count = 0}, unsure = {.count = 0};
	size_t offered = 0;
	bool foreign = false;

	for (size_t i = 0; i < subject->facts->device_count; i++) {
		const char *address = subject->facts->devices[i].address;
		const char *verdict = wanted_verdict(wanted, address);
		const struct nova_offer *offer = &offers->items[i];
		char place[NOVA_PLACE_SIZE];

		if (offer->spec && nova_spec_is_network(offer->spec, &subject->facts->devices[i]))
			continue;
		if (offer->offered == FACT_UNKNOWN) {
			name_add(&unsure, address, place_of(option, offer->entry, place));
		} else if (offer->offered == FACT_NO) {
			if (is_ready(verdict))
				name_add(&missing, address, NULL);
		} else if (!verdict || strcmp(verdict, "blocked") == 0) {
			name_add(&surplus, address, place_of(option, offer->entry, place));
			foreign = foreign || !is_ours(option, offer->entry);
		} else {
			offered++;
		}
	}
	if (surplus.count)
		check_add(subject->list, CHECK_NOVA_CONFIG, NULL, CHECK_BLOCKED,
		          "Nova offers devices that the inventory does not want, or that are "
		          "blocked: a server may get them.",
		          surplus_fix(wanted, foreign), "offered: %s%s%s", names_text(&surplus),
		          missing.count ? "; missing: " : "",
		          missing.count ? names_text(&missing) : "");
	else if (missing.count)
		check_add(subject->list, CHECK_NOVA_CONFIG, NULL, CHECK_PENDING,
		          "Nova is not told of all devices that are ready.",
		          "`gpufleet apply` adds them to device_spec.", "missing: %s",
		          names_text(&missing));
	else if (unsure.count)
		check_add(subject->list, CHECK_NOVA_CONFIG, NULL, CHECK_UNKNOWN,
		          "What an entry of device_spec matches can't be seen from the facts.",
		          "Name devices by address, or by vendor and product.",
		          "perhaps offered: %s", names_text(&unsure));
	else
		check_add(subject->list, CHECK_NOVA_CONFIG, NULL, CHECK_PASS, NULL, NULL,
		          "Nova offers exactly the %zu wanted devices", offered);
}

/* Taken by Nova and ignored: most probably a typing error. */
static void check_keys(const struct nova_subject *subject, const struct nova_facts_option *option,
                       const struct nova_offers *offers)
{
	for (size_t i = 0; i < offers->entry_count; i++) {
		for (size_t k = 0; k < offers->lists[i].count; k++) {
			const char *key =
			    nova_spec_odd_key(offers->lists[i].items[k], subject->target.release);
			char place[NOVA_PLACE_SIZE];

			if (!key)
				continue;
			check_add(subject->list, CHECK_NOVA_CONFIG, NULL, CHECK_WARN,
			          "Nova ignores a key of device_spec that it does not know, and "
			          "then matches more than is meant.",
			          "Correct the key at that line, or remove it.", "%s: \"%.60s\"",
			          place_of(option, i, place), key);
			return;
		}
	}
}

int nova_checks_config(const struct nova_subject *subject, const struct nova_facts_service *service,
                       struct gf_err *err)
{
	static const struct nova_facts_option none = {.key = "pci.device_spec"};
	const struct nova_facts_option *option = nova_facts_option(service, none.key);
	const char **values;
	struct nova_offers offers;
	struct wanted wanted;
	char place[NOVA_PLACE_SIZE];

	if (wanted_read(subject, &wanted, err) < 0)
		return -1;
	if (!option)
		option = &none;
	values = calloc(option->count + 1, sizeof(*values));
	if (!values) {
		free(wanted.cards);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	for (size_t i = 0; i < option->count; i++)
		values[i] = option->entries[i].value;
	if (nova_offers_compute(values, option->count, subject->target.release, subject->facts,
	                        &offers, err) < 0) {
		free(wanted.cards);
		free(values);
		return -1;
	}
	if (offers.refused) {
		for (size_t i = 0; i < offers.entry_count; i++) {
			if (*offers.wrong[i])
				check_add(subject->list, CHECK_NOVA_CONFIG, NULL, CHECK_BLOCKED,
				          "Nova refuses an entry of device_spec: nova-compute does "
				          "not start with it.",
				          "Correct or remove the entry at that line.", "%s: %s",
				          place_of(option, i, place), offers.wrong[i]);
		}
	} else {
		judge(subject, option, &offers, &wanted);
		check_keys(subject, option, &offers);
	}
	nova_offers_free(&offers);
	free(wanted.cards);
	free(values);
	return 0;
}
