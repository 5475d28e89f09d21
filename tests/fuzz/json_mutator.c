/* json_mutator.c: changes an input as a JSON document, so that most inputs get past the parser:
 * values and keys go away, are copied to elsewhere, or become others. Every fourth time, and when
 * the input is no JSON, libFuzzer changes its bytes as it always does.
 */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#define SLOTS_MAX 1024
#define TEXT_MAX  256
#define DEPTH_MAX 64

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Where a value stands: below a key or an index of its parent; the root has no parent. */
struct slot {
	json_t *parent, *value;
	const char *key;
	size_t index;
};

struct document {
	json_t *root;
	struct slot slots[SLOTS_MAX];
	size_t count;
	uint32_t random;
};

static uint32_t pick(struct document *document, size_t count)
{
	document->random ^= document->random << 13;
	document->random ^= document->random >> 17;
	document->random ^= document->random << 5;
	return document->random % (uint32_t)count;
}

static void collect(struct document *document, struct slot slot, unsigned depth)
{
	const char *key;
	json_t *value;
	size_t i;

	if (document->count == SLOTS_MAX || depth > DEPTH_MAX)
		return;
	document->slots[document->count++] = slot;
	json_object_foreach(slot.value, key, value)
	    collect(document, (struct slot){slot.value, value, key, 0}, depth + 1);
	json_array_foreach(slot.value, i, value)
	    collect(document, (struct slot){slot.value, value, NULL, i}, depth + 1);
}

static json_t *make_leaf(struct document *document)
{
	static const json_int_t numbers[] = {
	    0, 1, -1, 2, 255, 65535, 65536, 2147483647, 2147483648, 9223372036854775807};

	switch (pick(document, 8)) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(pick(document, 2));
	case 2:
		return json_string("");
	case 3:
		return json_object();
	case 4:
		return json_array();
	case 5:
		return json_real(0.5);
	default:
		return json_integer(numbers[pick(document, sizeof(numbers) / sizeof(numbers[0]))]);
	}
}

/* TEXT, changed by libFuzzer, which knows the dictionary. */
static json_t *change_text(const char *text, size_t length)
{
	uint8_t bytes[TEXT_MAX];

	if (length > TEXT_MAX)
		length = TEXT_MAX;
	memcpy(bytes, text, length);
	return json_stringn((const char *)bytes, LLVMFuzzerMutate(bytes, length, TEXT_MAX));
}

static json_t *change_value(struct document *document, const json_t *value)
{
	json_int_t number = json_integer_value(value);

	switch (json_typeof(value)) {
	case JSON_STRING:
		return change_text(json_string_value(value), json_string_length(value));
	case JSON_INTEGER:
		if (pick(document, 2))
			return json_integer(number < 1000000 && number > -1000000
			                        ? number + (pick(document, 2) ? 1 : -1)
			                        : 0);
		LLVMFuzzerMutate((uint8_t *)&number, sizeof(number), sizeof(number));
		return json_integer(number);
	case JSON_TRUE:
	case JSON_FALSE:
		return json_boolean(json_is_false(value));
	default:
		return make_leaf(document);
	}
}

/* Puts VALUE (taken over; NULL: nothing is done) in the place of SLOT. */
static void put(struct document *document, const struct slot *slot, json_t *value)
{
	if (!value)
		return;
	if (!slot->parent) {
		json_decref(document->root);
		document->root = value;
	} else if (slot->key) {
		json_object_set_new(slot->parent, slot->key, value);
	} else {
		json_array_set_new(slot->parent, slot->index, value);
	}
}

static void add(struct document *document, const struct slot *slot, const struct slot *other)
{
	json_t *key, *value = json_deep_copy(other->value);

	if (json_is_array(slot->value)) {
		json_array_insert_new(slot->value, pick(document, json_array_size(slot->value) + 1),
		                      value);
	} else if (json_is_object(slot->value) && other->key && pick(document, 2)) {
		json_object_set_new(slot->value, other->key, value);
	} else if (json_is_object(slot->value)) {
		key =
		    change_text(other->key ? other->key : "", other->key ? strlen(other->key) : 0);
		if (key && strlen(json_string_value(key)) == json_string_length(key))
			json_object_set(slot->value, json_string_value(key), value);
		json_decref(key);
		json_decref(value);
	} else {
		put(document, slot, value);
	}
}

static void edit(struct document *document)
{
	const struct slot *slot, *other;

	document->count = 0;
	collect(document, (struct slot){NULL, document->root, NULL, 0}, 0);
	slot = &document->slots[pick(document, document->count)];
	other = &document->slots[pick(document, document->count)];
	switch (pick(document, 8)) {
	case 0:
		put(document, slot, make_leaf(document));
		break;
	case 1:
		put(document, slot, json_deep_copy(other->value));
		break;
	case 2:
		if (slot->key)
			json_object_del(slot->parent, slot->key);
		else if (slot->parent)
			json_array_remove(slot->parent, slot->index);
		break;
	case 3:
	case 4:
		add(document, slot, other);
		break;
	default:
		put(document, slot, change_value(document, slot->value));
		break;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	static struct document document;
	static char text[1 << 16];
	size_t used;

	document.random = seed * 2654435761u | 1;
	document.root = pick(&document, 4) ? json_loadb((const char *)data, size,
	                                                JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
	                                   : NULL;
	if (!document.root)
		return LLVMFuzzerMutate(data, size, max_size);
	for (uint32_t edits = 1 + pick(&document, 3); edits > 0; edits--)
		edit(&document);
	used = json_dumpb(document.root, text, sizeof(text), JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(document.root);
	if (used == 0 || used > sizeof(text) || used > max_size)
		return LLVMFuzzerMutate(data, size, max_size);
	memcpy(data, text, used);
	return used;
}
