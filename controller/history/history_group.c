/* history_group.c: see history_group.h. */
#include "controller/history/history_group.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "node-agent/wire/bytes_hash.h"

#define NAMED_MOST 6

static const char *slot_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon ? colon + 1 : address;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	return bytes_hash(hash, text, strlen(text));
}

/* What a device is known by, wherever its bus number went: its model, and the slots from the root
 * to it. Bus numbers are given out anew at each boot; only the root's is the board's own. */
static uint64_t member_hash(const struct host_facts_device *device)
{
	uint64_t hash = hash_text(hash_text(0, device->vendor), device->device);
	size_t depth = json_array_size(device->path);

	for (size_t i = 0; i < depth; i++) {
		const char *bridge = json_string_value(json_array_get(device->path, i));

		hash = hash_text(hash, i ? slot_of(bridge) : bridge);
	}
	return hash_text(hash, depth ? slot_of(device->address) : device->address);
}

/* Shares OTHER the group of DEVICE as a device of another card? Bridges are no hindrance. */
static bool is_other_member(const struct host_facts_device *device,
                            const struct host_facts_device *other)
{
	return other->group == device->group && other->endpoint &&
	       !host_facts_same_slot(other->address, device->address);
}

/* Functions of the own card that share its group, as bits. */
static unsigned own_functions(const struct host_facts *facts,
                              const struct host_facts_device *device)
{
	unsigned functions = 0;

	for (size_t i = 0; i < facts->device_count; i++) {
		const struct host_facts_device *other = &facts->devices[i];

		if (other->group == device->group &&
		    host_facts_same_slot(other->address, device->address))
			functions |= 1U << (other->address[strlen(other->address) - 1] - '0');
	}
	return functions;
}

/* The same for groups of the same members, whatever their order: a host may claim thousands. */
static uint64_t members_hash(const struct host_facts *facts, const struct host_facts_device *device)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < facts->device_count; i++) {
		if (is_other_member(device, &facts->devices[i]))
			sum += member_hash(&facts->devices[i]);
	}
	return sum;
}

bool history_group_same(const struct host_facts *a_facts, const struct host_facts_device *a,
                        const struct host_facts *b_facts, const struct host_facts_device *b)
{
	if (a->group < 0 || b->group < 0)
		return a->group < 0 && b->group < 0;
	return own_functions(a_facts, a) == own_functions(b_facts, b) &&
	       members_hash(a_facts, a) == members_hash(b_facts, b);
}

void history_group_text(const struct host_facts *facts, const struct host_facts_device *device,
                        char text[HISTORY_GROUP_TEXT])
{
	size_t count = 0, length = 0;
	unsigned own = device->group < 0 ? 0 : own_functions(facts, device);

	if (device->group < 0) {
		snprintf(text, HISTORY_GROUP_TEXT, "none");
		return;
	}
	length = (size_t)snprintf(text, HISTORY_GROUP_TEXT, "%s",
	                          own & (own - 1) ? "its card alone" : "the function alone");
	for (size_t i = 0; i < facts->device_count; i++) {
		const struct host_facts_device *other = &facts->devices[i];

		if (!is_other_member(device, other) || ++count > NAMED_MOST)
			continue;
		if (count == 1)
			length = (size_t)snprintf(text, HISTORY_GROUP_TEXT, "with");
		length += (size_t)snprintf(text + length, HISTORY_GROUP_TEXT - length,
		                           "%s %.16s [%.4s:%.4s]", count > 1 ? "," : "",
		                           other->address, other->vendor, other->device);
	}
	if (count > NAMED_MOST)
		snprintf(text + length, HISTORY_GROUP_TEXT - length, " and %zu more",
		         count - NAMED_MOST);
}
