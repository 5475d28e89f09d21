/* exec_fold.c: see exec_fold.h. A host that could not be used is folded by its cause: what in the
 * message is the host's own (name, address, key) does not tell causes apart.
 */
#include "controller/commands/exec_fold.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/terminal/escape.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/bytes_hash.h"

struct group {
	enum exec_kind kind;
	int status;
	bool truncated;
	uint64_t hash;
	struct exec_bytes out,
	    errors;         /* for a cause: out is the folded message, errors the first whole one */
	const char **names; /* the hosts' (borrowed) */
	size_t count, room, order;
};

struct exec_fold {
	struct group *groups;
	size_t count, room;
	size_t kept; /* bytes of all outputs */
	size_t kinds[EXEC_KINDS];
};

/* Thousands of hosts with megabytes each, all different, must not take all memory: when much is
 * kept already, only the beginning of what else comes is. */
#define KEPT_MAX   ((size_t)256 << 20)
#define KEPT_LATER ((size_t)4 << 10)

struct exec_fold *exec_fold_new(void)
{
	return calloc(1, sizeof(struct exec_fold));
}

void exec_fold_free(struct exec_fold *fold)
{
	if (!fold)
		return;
	for (size_t i = 0; i < fold->count; i++) {
		free(fold->groups[i].out.data);
		free(fold->groups[i].errors.data);
		free(fold->groups[i].names);
	}
	free(fold->groups);
	free(fold);
}

static uint64_t hash_bytes(uint64_t hash, const struct exec_bytes *bytes)
{
	return bytes->size ? bytes_hash(hash, bytes->data, bytes->size) : hash;
}

static bool bytes_equal(const struct exec_bytes *a, const struct exec_bytes *b)
{
	return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '_' || c == '.';
}

/* Does WORD stand at AT in TEXT, as a whole word? (A full stop may follow it.) */
static bool word_at(const char *text, const char *at, const char *word)
{
	size_t size = strlen(word);
	if (size == 0 || strncmp(at, word, size) != 0 || (at > text && is_word(at[-1])))
		return false;
	const char *end = at + size;
	return !is_word(*end) || (*end == '.' && !is_word(end[1]));
}

/* The message with what is the host's own replaced. */
static char *cause_text(const struct inventory_host *host, const char *message)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	for (const char *at = message; *at;) {
		if (word_at(message, at, host->name)) {
			fputs("the host", out);
			at += strlen(host->name);
		} else if (word_at(message, at, host->address)) {
			fputs("its address", out);
			at += strlen(host->address);
		} else if (strncmp(at, "SHA256:", 7) == 0) {
			fputs("its key", out);
			at += strcspn(at, " ,;)");
		} else {
			fputc(*at++, out);
		}
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static struct group *find(const struct exec_fold *fold, const struct group *like, bool cause)
{
	for (size_t i = 0; i < fold->count; i++) {
		struct group *group = &fold->groups[i];
		if (group->hash == like->hash && group->kind == like->kind &&
		    group->status == like->status && group->truncated == like->truncated &&
		    bytes_equal(&group->out, &like->out) &&
		    (cause || bytes_equal(&group->errors, &like->errors)))
			return group;
	}
	return NULL;
}

static bool bytes_copy(struct exec_bytes *to, const struct exec_bytes *from)
{
	*to = (struct exec_bytes){malloc(from->size + 1), from->size};
	if (to->data && from->size)
		memcpy(to->data, from->data, from->size);
	return to->data != NULL;
}

static struct group *add_group(struct exec_fold *fold, const struct group *like)
{
	if (fold->count == fold->room) {
		size_t room = fold->room ? fold->room * 2 : 16;
		struct group *grown = realloc(fold->groups, room * sizeof(*grown));
		if (!grown)
			return NULL;
		fold->groups = grown;
		fold->room = room;
	}
	struct group *group = &fold->groups[fold->count];
	*group = *like;
	group->order = fold->count;
	bool copied = bytes_copy(&group->out, &like->out);
	if (!bytes_copy(&group->errors, &like->errors) || !copied) {
		free(group->out.data);
		free(group->errors.data);
		return NULL;
	}
	fold->kept += group->out.size + group->errors.size;
	fold->count++;
	return group;
}

static int add_name(struct group *group, const char *name)
{
	if (group->count == group->room) {
		size_t room = group->room ? group->room * 2 : 4;
		const char **grown = realloc(group->names, room * sizeof(*grown));
		if (!grown)
			return -1;
		group->names = grown;
		group->room = room;
	}
	group->names[group->count++] = name;
	return 0;
}

int exec_fold_add(struct exec_fold *fold, const struct exec_result *result, struct gf_err *err)
{
	bool cause = result->kind >= EXEC_FAILED;
	struct group like = {.kind = result->kind, .status = result->status};
	char *text = NULL, *message = NULL;
	like.truncated = result->truncated;
	if (cause) {
		text = cause_text(result->host, result->err->msg);
		message = strdup(result->err->msg);
		if (!text || !message) {
			free(text);
			free(message);
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
		}
		like.status = (int)result->err->code;
		like.out = (struct exec_bytes){text, strlen(text)};
		like.errors = (struct exec_bytes){message, strlen(message)};
	} else {
		like.out = result->out;
		like.errors = result->errors;
	}
	if (fold->kept >= KEPT_MAX) {
		like.truncated |= like.out.size > KEPT_LATER || like.errors.size > KEPT_LATER;
		like.out.size = like.out.size < KEPT_LATER ? like.out.size : KEPT_LATER;
		like.errors.size = like.errors.size < KEPT_LATER ? like.errors.size : KEPT_LATER;
	}
	like.hash = hash_bytes(0, &like.out);
	if (!cause)
		like.hash = hash_bytes(like.hash ^ like.out.size, &like.errors);
	struct group *group = find(fold, &like, cause);
	if (!group)
		group = add_group(fold, &like);
	int rc = group ? add_name(group, result->host->name) : -1;
	free(text);
	free(message);
	if (rc != 0)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	fold->kinds[result->kind]++;
	return 0;
}

size_t exec_fold_count(const struct exec_fold *fold, enum exec_kind kind)
{
	return fold->kinds[kind];
}

void exec_print_safe(FILE *to, const char *data, size_t size)
{
	for (size_t i = 0; i < size;) {
		size_t length = escape_length(data + i, size - i);
		if (data[i] == '\n' || data[i] == '\t')
			length = 1;
		if (length > 0) {
			fwrite(data + i, 1, length, to);
			i += length;
		} else if (data[i] == '\r' && i + 1 < size && data[i + 1] == '\n') {
			i++;
		} else {
			fprintf(to, "\\x%02x", (unsigned char)data[i++]);
		}
	}
}

/* Every line indented, so that no host's output can pass for another host's heading. */
static void print_body(FILE *to, const struct exec_bytes *bytes, bool safe)
{
	const char *at = bytes->data, *end = bytes->data + bytes->size;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t size = (size_t)((newline ? newline : end) - at);
		fputs("  ", to);
		if (safe)
			exec_print_safe(to, at,
			                size && newline && at[size - 1] == '\r' ? size - 1 : size);
		else
			fwrite(at, 1, size, to);
		putc('\n', to);
		at += size + 1;
	}
}

static void print_group(const struct group *group, FILE *to, bool safe)
{
	char *names = nodeset_fold(group->names, group->count);
	fputs(names ? names : group->names[0], to);
	if (group->count > 1)
		fprintf(to, " (%zu hosts)", group->count);
	free(names);
	if (group->kind >= EXEC_FAILED) {
		fprintf(to, ": %s: ", group->kind == EXEC_FAILED ? "failed" : "unreachable");
		const struct exec_bytes *message = group->count > 1 ? &group->out : &group->errors;
		exec_print_safe(to, message->data, message->size);
		putc('\n', to);
		return;
	}
	if (group->kind == EXEC_EXIT)
		fprintf(to, ": exit status %d", group->status);
	fputs(group->out.size || group->errors.size ? ":\n" : ": no output\n", to);
	print_body(to, &group->out, safe);
	print_body(to, &group->errors, safe);
	if (group->truncated)
		fputs("  … (there was more; it was left out)\n", to);
}

static int compare(const void *left, const void *right)
{
	const struct group *a = *(const struct group *const *)left;
	const struct group *b = *(const struct group *const *)right;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void exec_fold_print(const struct exec_fold *fold, FILE *to, bool safe)
{
	const struct group **sorted = calloc(fold->count + 1, sizeof(*sorted));
	if (!sorted)
		return;
	for (size_t i = 0; i < fold->count; i++)
		sorted[i] = &fold->groups[i];
	qsort(sorted, fold->count, sizeof(*sorted), compare);
	for (size_t i = 0; i < fold->count; i++)
		print_group(sorted[i], to, safe);
	free(sorted);
}

/* Bytes as text: what is not UTF-8 becomes U+FFFD. */
static json_t *json_bytes(const struct exec_bytes *bytes)
{
	static const char replacement[] = {'\xef', '\xbf', '\xbd'};
	if (!bytes->data)
		return json_string("");
	json_t *text = json_stringn(bytes->data, bytes->size);
	if (text)
		return text;
	char *copy = malloc(bytes->size * sizeof(replacement) + 1);
	size_t used = 0;
	for (size_t i = 0; copy && i < bytes->size;) {
		size_t length = 1, left = bytes->size - i;
		unsigned char c = (unsigned char)bytes->data[i];
		if (c >= 0xc2 && c < 0xf5)
			length = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		json_t *one = length <= left ? json_stringn(bytes->data + i, length) : NULL;
		if (one) {
			memcpy(copy + used, bytes->data + i, length);
			used += length;
			i += length;
		} else {
			memcpy(copy + used, replacement, sizeof(replacement));
			used += sizeof(replacement);
			i++;
		}
		json_decref(one);
	}
	text = copy ? json_stringn(copy, used) : NULL;
	free(copy);
	return text;
}

void exec_result_json(const struct exec_result *result, FILE *to)
{
	static const char *const statuses[EXEC_KINDS] = {"ok", "failed", "failed", "unreachable"};
	bool ran = result->kind < EXEC_FAILED;
	char stamp[32], message[64] = "";
	time_t now = time(NULL);
	struct tm broken;
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &broken));
	if (result->kind == EXEC_EXIT)
		snprintf(message, sizeof(message), "exit status %d", result->status);
	struct exec_bytes said = {message, strlen(message)};
	if (!ran)
		said = (struct exec_bytes){(char *)(uintptr_t)result->err->msg,
		                           strlen(result->err->msg)};
	json_t *line = json_pack("{s:s, s:s, s:s, s:n, s:n, s:s, s:o}", "time", stamp, "event",
	                         "exec", "host", result->host->name, "stage", "task", "status",
	                         statuses[result->kind], "message", json_bytes(&said));
	if (line && ran) {
		json_object_set_new(line, "exit", json_integer(result->status));
		json_object_set_new(line, "stdout", json_bytes(&result->out));
		json_object_set_new(line, "stderr", json_bytes(&result->errors));
		if (result->truncated)
			json_object_set_new(line, "truncated", json_true());
	} else if (line) {
		json_object_set_new(line, "code", json_string(gf_code_name(result->err->code)));
	}
	if (line && json_dumpf(line, to, JSON_COMPACT | JSON_ENSURE_ASCII) == 0)
		putc('\n', to);
	json_decref(line);
}
