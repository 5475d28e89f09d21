/* host_fold.c: see host_fold.h. */
#include "controller/host/host_fold.h"

#include <stdio.h>
#include <string.h>

#include "node-agent/wire/error.h"
#include "node-agent/wire/json_text.h"

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

static void token_keep(struct host_record *record, const char *token)
{
	memmove(&record->tokens[1], &record->tokens[0],
	        sizeof(record->tokens) - sizeof(record->tokens[0]));
	copy(record->tokens[0].operation, OPERATION_SIZE, record->operation);
	copy(record->tokens[0].token, SHA256_HEX_SIZE, token);
}

const char *host_record_token(const struct host_record *record, const char *operation)
{
	for (size_t i = 0; i < HOST_TOKENS; i++)
		if (*operation && strcmp(record->tokens[i].operation, operation) == 0)
			return record->tokens[i].token;
	return NULL;
}

static void fold_stage_intent(struct host_record *record, const json_t *event)
{
	copy(record->operation, sizeof(record->operation), json_text(event, "operation"));
	copy(record->stage, sizeof(record->stage), json_text(event, "stage"));
	copy(record->boot_id, sizeof(record->boot_id), json_text(event, "boot_id"));
	if (strcmp(record->plan, json_text(event, "plan")) != 0)
		record->plan_untouched = true;
	copy(record->plan, sizeof(record->plan), json_text(event, "plan"));
	if (*json_text(event, "token"))
		token_keep(record, json_text(event, "token"));
	record->operation_open = record->operation[0] != '\0';
	record->committing = *json_text(event, "commit") != '\0';
	record->verdict[0] = '\0';
}

static void fold_stage_result(struct host_record *record, const json_t *event)
{
	if (strcmp(record->operation, json_text(event, "operation")) != 0)
		return;
	record->operation_open = false;
	if (json_is_true(json_object_get(event, "changed"))) {
		record->changed = true;
		record->plan_untouched = false;
	} else if (record->plan_untouched) {
		/* Refused, or nothing to do: the host is as the saved plan found it, which must be
		 * looked at again. */
		record->plan[0] = '\0';
	}
	record->restarted |= json_is_true(json_object_get(event, "restarted"));
	if (json_is_true(json_object_get(event, "trial")))
		copy(record->trial, sizeof(record->trial), record->operation);
	if (json_is_true(json_object_get(event, "reboot"))) {
		record->reboot_owed = true;
		copy(record->reboot_boot_id, sizeof(record->reboot_boot_id), record->boot_id);
	}
}

static void fold_reboot_intent(struct host_record *record, const json_t *event)
{
	record->reboot_open = true;
	record->down = true;
	record->nova_up |= json_is_true(json_object_get(event, "nova_up"));
	record->verdict[0] = '\0';
	record->plan_untouched = record->power_cycled = false;
	copy(record->plan, sizeof(record->plan), json_text(event, "plan"));
	copy(record->reboot_boot_id, sizeof(record->reboot_boot_id), json_text(event, "boot_id"));
	copy(record->cards_boot_id, sizeof(record->cards_boot_id), json_text(event, "boot_id"));
}

static void fold_reboot_done(struct host_record *record, const json_t *event)
{
	record->reboot_open = record->reboot_owed = record->down = record->restarted = false;
	record->rebooted = true;
	copy(record->reboot_run, sizeof(record->reboot_run), record->run);
	record->reboot_boot_id[0] = '\0';
	if (json_integer_value(json_object_get(event, "seconds")) > 0)
		record->reboot_s = (unsigned)json_integer_value(json_object_get(event, "seconds"));
}

static void fold_reboot_refused(struct host_record *record, const json_t *event)
{
	(void)event;
	record->reboot_open = record->down = false;
	record->cards_boot_id[0] = '\0';
}

static void fold_drain_intent(struct host_record *record, const json_t *event)
{
	(void)event;
	record->drained = true;
}

static void fold_undrain_done(struct host_record *record, const json_t *event)
{
	if (json_is_true(json_object_get(event, "passed")))
		record->drained = false;
}

static void fold_power_cycle(struct host_record *record, const json_t *event)
{
	(void)event;
	record->power_cycled = true;
}

/* The facts of another boot are stored: nothing of before is left to compare with. */
static void fold_facts(struct host_record *record, const json_t *event)
{
	if (strcmp(record->cards_boot_id, json_text(event, "boot_id")) != 0)
		record->cards_boot_id[0] = '\0';
}

static void fold_cards_changed(struct host_record *record, const json_t *event)
{
	copy(record->cards_changed, sizeof(record->cards_changed), json_text(event, "message"));
	record->cards_boot_id[0] = '\0';
}

static void fold_trial_over(struct host_record *record, const json_t *event)
{
	if (strcmp(record->trial, json_text(event, "operation")) == 0)
		record->trial[0] = '\0';
}

static void fold_state(struct host_record *record, const json_t *event)
{
	copy(record->state, sizeof(record->state), json_text(event, "state"));
	if (*json_text(event, "lease"))
		copy(record->run, sizeof(record->run), json_text(event, "lease"));
	if (strcmp(record->state, "connecting") == 0 && record->verdict[0]) {
		/* the first state of another run */
		record->verdict[0] = record->code[0] = record->message[0] = '\0';
		record->changed = record->rebooted = false;
	}
	/* It let somebody log in: that is up, unless the boot may be the one that is to end. */
	if (strcmp(record->state, "starting") == 0 && !record->reboot_open)
		record->down = false;
}

/* Did it end because the host does not answer any more? */
static bool finished_lost(const struct host_record *record)
{
	if (strcmp(record->verdict, "unreachable") == 0)
		return true;
	return strcmp(record->verdict, "failed") == 0 &&
	       gf_code_exit_status(gf_code_from_name(record->code)) == 4;
}

static void fold_finished(struct host_record *record, const json_t *event)
{
	copy(record->verdict, sizeof(record->verdict), json_text(event, "verdict"));
	copy(record->state, sizeof(record->state), record->verdict);
	copy(record->code, sizeof(record->code), json_text(event, "code"));
	copy(record->message, sizeof(record->message), json_text(event, "message"));
	record->changed = json_is_true(json_object_get(event, "changed"));
	record->rebooted = json_is_true(json_object_get(event, "rebooted"));
	if (strcmp(record->verdict, "done") == 0) {
		record->plan[0] = '\0';
		record->nova_up = record->restarted = false;
	}
	if (strstr(record->message, record->cards_changed))
		record->cards_changed[0] = '\0'; /* somebody was told */
	if (finished_lost(record))
		record->down = true;
}

void host_fold(struct host_record *record, const json_t *event)
{
	static const struct {
		const char *type;
		void (*fold)(struct host_record *record, const json_t *event);
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

	for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++) {
		if (strcmp(folds[i].type, type) == 0) {
			folds[i].fold(record, event);
			return;
		}
	}
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
