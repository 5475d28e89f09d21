/* host_fold.c: see host_fold.h. */
#include "controller/host/host_fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/host/host_text.h"
#include "node-agent/wire/error.h"
#include "node-agent/wire/json_text.h"

#define AT(member) offsetof(struct host_record, member)

static const size_t text_offsets[] = {
    AT(operation),     AT(stage), AT(run),   AT(reboot_boot_id), AT(boot_id),    AT(cards_boot_id),
    AT(cards_changed), AT(plan),  AT(trial), AT(message),        AT(reboot_run),
};

#define TEXTS (sizeof(text_offsets) / sizeof(text_offsets[0]))

static const char **record_text(struct host_record *record, size_t i)
{
	return (const char **)(void *)((char *)record + text_offsets[i]);
}

void host_record_init(struct host_record *record)
{
	memset(record, 0, sizeof(*record));
	for (size_t i = 0; i < TEXTS; i++)
		*record_text(record, i) = HOST_TEXT_EMPTY;
}

static struct host_token *tokens_new(void)
{
	struct host_token *tokens = calloc(HOST_TOKENS, sizeof(*tokens));

	for (size_t i = 0; tokens && i < HOST_TOKENS; i++)
		tokens[i] = (struct host_token){HOST_TEXT_EMPTY, HOST_TEXT_EMPTY};
	return tokens;
}

static void tokens_free(struct host_token *tokens)
{
	for (size_t i = 0; tokens && i < HOST_TOKENS; i++) {
		host_text_clear(&tokens[i].operation);
		host_text_clear(&tokens[i].token);
	}
	free(tokens);
}

void host_record_release(struct host_record *record)
{
	for (size_t i = 0; i < TEXTS; i++)
		host_text_clear(record_text(record, i));
	tokens_free(record->tokens);
	record->tokens = NULL;
}

int host_record_copy(struct host_record *copy, const struct host_record *record)
{
	struct host_record from = *record;
	int rc = 0;

	host_record_release(copy);
	*copy = from;
	for (size_t i = 0; i < TEXTS; i++) {
		*record_text(copy, i) = HOST_TEXT_EMPTY;
		rc |= host_text_set(record_text(copy, i), *record_text(&from, i));
	}
	copy->tokens = from.tokens ? tokens_new() : NULL;
	if (from.tokens && !copy->tokens)
		return -1;
	for (size_t i = 0; from.tokens && i < HOST_TOKENS; i++)
		rc |= host_text_set(&copy->tokens[i].operation, from.tokens[i].operation) |
		      host_text_set(&copy->tokens[i].token, from.tokens[i].token);
	return rc;
}

struct host_record *host_records_new(size_t count)
{
	struct host_record *records = calloc(count + 1, sizeof(*records));

	for (size_t i = 0; records && i < count; i++)
		host_record_init(&records[i]);
	return records;
}

void host_records_free(struct host_record *records, size_t count)
{
	for (size_t i = 0; records && i < count; i++)
		host_record_release(&records[i]);
	free(records);
}

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

static int token_keep(struct host_record *record, const char *token)
{
	struct host_token *oldest;

	if (!record->tokens)
		record->tokens = tokens_new();
	if (!record->tokens)
		return -1;
	oldest = &record->tokens[HOST_TOKENS - 1];
	host_text_clear(&oldest->operation);
	host_text_clear(&oldest->token);
	memmove(&record->tokens[1], &record->tokens[0],
	        (HOST_TOKENS - 1) * sizeof(record->tokens[0]));
	record->tokens[0] = (struct host_token){HOST_TEXT_EMPTY, HOST_TEXT_EMPTY};
	return host_text_set(&record->tokens[0].operation, record->operation) |
	       host_text_set(&record->tokens[0].token, token);
}

const char *host_record_token(const struct host_record *record, const char *operation)
{
	for (size_t i = 0; record->tokens && i < HOST_TOKENS; i++)
		if (*operation && strcmp(record->tokens[i].operation, operation) == 0)
			return record->tokens[i].token;
	return NULL;
}

static int fold_stage_intent(struct host_record *record, const json_t *event)
{
	int rc = 0;

	rc |= host_text_set(&record->operation, json_text(event, "operation"));
	rc |= host_text_set(&record->stage, json_text(event, "stage"));
	rc |= host_text_set(&record->boot_id, json_text(event, "boot_id"));
	if (strcmp(record->plan, json_text(event, "plan")) != 0)
		record->plan_untouched = true;
	rc |= host_text_set(&record->plan, json_text(event, "plan"));
	if (*json_text(event, "token"))
		rc |= token_keep(record, json_text(event, "token"));
	record->operation_open = record->operation[0] != '\0';
	record->committing = *json_text(event, "commit") != '\0';
	record->verdict[0] = '\0';
	return rc;
}

static int fold_stage_result(struct host_record *record, const json_t *event)
{
	int rc = 0;

	if (strcmp(record->operation, json_text(event, "operation")) != 0)
		return 0;
	record->operation_open = false;
	if (json_is_true(json_object_get(event, "changed"))) {
		record->changed = true;
		record->plan_untouched = false;
	} else if (record->plan_untouched) {
		/* Refused, or nothing to do: the host is as the saved plan found it, which must be
		 * looked at again. */
		host_text_clear(&record->plan);
	}
	record->restarted |= json_is_true(json_object_get(event, "restarted"));
	if (json_is_true(json_object_get(event, "trial")))
		rc |= host_text_set(&record->trial, record->operation);
	if (json_is_true(json_object_get(event, "reboot"))) {
		record->reboot_owed = true;
		rc |= host_text_set(&record->reboot_boot_id, record->boot_id);
	}
	return rc;
}

static int fold_reboot_intent(struct host_record *record, const json_t *event)
{
	int rc = 0;

	record->reboot_open = true;
	record->down = true;
	record->nova_up |= json_is_true(json_object_get(event, "nova_up"));
	record->verdict[0] = '\0';
	record->plan_untouched = record->power_cycled = false;
	rc |= host_text_set(&record->plan, json_text(event, "plan"));
	rc |= host_text_set(&record->reboot_boot_id, json_text(event, "boot_id"));
	rc |= host_text_set(&record->cards_boot_id, json_text(event, "boot_id"));
	return rc;
}

static int fold_reboot_done(struct host_record *record, const json_t *event)
{
	record->reboot_open = record->reboot_owed = record->down = record->restarted = false;
	record->rebooted = true;
	host_text_clear(&record->reboot_boot_id);
	if (json_integer_value(json_object_get(event, "seconds")) > 0)
		record->reboot_s = (unsigned)json_integer_value(json_object_get(event, "seconds"));
	return host_text_set(&record->reboot_run, record->run);
}

static int fold_reboot_refused(struct host_record *record, const json_t *event)
{
	(void)event;
	record->reboot_open = record->down = false;
	host_text_clear(&record->cards_boot_id);
	return 0;
}

static int fold_drain_intent(struct host_record *record, const json_t *event)
{
	(void)event;
	record->drained = true;
	return 0;
}

static int fold_undrain_done(struct host_record *record, const json_t *event)
{
	if (json_is_true(json_object_get(event, "passed")))
		record->drained = false;
	return 0;
}

static int fold_power_cycle(struct host_record *record, const json_t *event)
{
	(void)event;
	record->power_cycled = true;
	return 0;
}

/* The facts of another boot are stored: nothing of before is left to compare with. */
static int fold_facts(struct host_record *record, const json_t *event)
{
	if (strcmp(record->cards_boot_id, json_text(event, "boot_id")) != 0)
		host_text_clear(&record->cards_boot_id);
	return 0;
}

static int fold_cards_changed(struct host_record *record, const json_t *event)
{
	char message[256];

	/* It is looked for in the message that the host ends with, which has an end, too. */
	copy(message, sizeof(message), json_text(event, "message"));
	host_text_clear(&record->cards_boot_id);
	return host_text_set(&record->cards_changed, message);
}

static int fold_trial_over(struct host_record *record, const json_t *event)
{
	if (strcmp(record->trial, json_text(event, "operation")) == 0)
		host_text_clear(&record->trial);
	return 0;
}

static int fold_state(struct host_record *record, const json_t *event)
{
	int rc = 0;

	copy(record->state, sizeof(record->state), json_text(event, "state"));
	if (*json_text(event, "lease"))
		rc |= host_text_set(&record->run, json_text(event, "lease"));
	if (strcmp(record->state, "connecting") == 0 && record->verdict[0]) {
		/* the first state of another run */
		record->verdict[0] = record->code[0] = '\0';
		host_text_clear(&record->message);
		record->changed = record->rebooted = false;
	}
	/* It let somebody log in: that is up, unless the boot may be the one that is to end. */
	if (strcmp(record->state, "starting") == 0 && !record->reboot_open)
		record->down = false;
	return rc;
}

/* Did it end because the host does not answer any more? */
static bool finished_lost(const struct host_record *record)
{
	if (strcmp(record->verdict, "unreachable") == 0)
		return true;
	return strcmp(record->verdict, "failed") == 0 &&
	       gf_code_exit_status(gf_code_from_name(record->code)) == 4;
}

static int fold_finished(struct host_record *record, const json_t *event)
{
	int rc = 0;

	copy(record->verdict, sizeof(record->verdict), json_text(event, "verdict"));
	copy(record->state, sizeof(record->state), record->verdict);
	copy(record->code, sizeof(record->code), json_text(event, "code"));
	rc |= host_text_set(&record->message, json_text(event, "message"));
	record->changed = json_is_true(json_object_get(event, "changed"));
	record->rebooted = json_is_true(json_object_get(event, "rebooted"));
	if (strcmp(record->verdict, "done") == 0) {
		host_text_clear(&record->plan);
		record->nova_up = record->restarted = false;
	}
	if (strstr(record->message, record->cards_changed))
		host_text_clear(&record->cards_changed); /* somebody was told */
	if (finished_lost(record))
		record->down = true;
	return rc;
}

int host_fold(struct host_record *record, const json_t *event)
{
	static const struct {
		const char *type;
		int (*fold)(struct host_record *record, const json_t *event);
	} folds[] = {
	    {"stage.intent", fold_stage_intent},
	    {"stage.result", fold_stage_result},
	    {"reboot.intent", fold_reboot_intent},
	    {"reboot.done", fold_reboot_done},
	    {"reboot.refused", fold_reboot_refused},
	    {"drain.intent", fold_drain_intent},
	    {"undrain.done", fold_undrain_done},
	    {"power.cycle", fold_power_cycle},
	    {"host.state", fold_state},
	    {"host.finished", fold_finished},
	    {"trial.over", fold_trial_over},
	    {"host.facts", fold_facts},
	    {"cards.changed", fold_cards_changed},
	};
	const char *type = json_text(event, "type");

	for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++)
		if (strcmp(folds[i].type, type) == 0)
			return folds[i].fold(record, event);
	return 0;
}

int host_event_take(json_int_t *last, json_int_t seq)
{
	if (seq > HOST_EVENTS_MAX)
		return -1;
	if (seq <= *last)
		return 0;
	*last = seq;
	return 1;
}
