/* host_states.h: between the files of the host's machine only: what the states do. */
#ifndef GPUFLEET_HOST_STATES_H
#define GPUFLEET_HOST_STATES_H

#include "controller/host/host_machine.h"

/* host_machine.c */
enum host_state host_finish(struct host *host, enum host_state verdict, const struct gf_err *err);
enum host_state host_fail(struct host *host, enum gf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* That is what is wrong with it from here on; NULL: nothing. */
void host_blame(struct host *host, const struct gf_err *err);
/* The verdict that an error means for a host that nothing was changed on; failed once something
 * was. */
enum host_state host_end(struct host *host, const struct gf_err *err);
/* The connection is gone: come back to the work, wait for the boot, or give up. */
enum host_state host_lost(struct host *host, const struct gf_err *err);
/* Sends REQUEST (stolen) to the agent; the state to go to when it can't be: HOST_STAY when it went.
 */
enum host_state host_request(struct host *host, json_t *request);
/* Appends EVENT (stolen) to the journal and folds it into the record; `ack`: an input follows when
 * it is on the disk. */
int host_record_event(struct host *host, json_t *event, bool ack, struct gf_err *err);
bool host_acked(const struct host *host);
void host_disconnect(struct host *host);
uint64_t host_now(const struct host *host);
/* Puts the deadline of the state off: something was heard. */
void host_heard(struct host *host);

/* host_connect.c */
enum host_state host_connecting_enter(struct host *host);
enum host_state host_connecting_input(struct host *host, const struct host_input *input);
enum host_state host_starting_input(struct host *host, const struct host_input *input);
enum host_state host_backoff_enter(struct host *host);
enum host_state host_backoff_input(struct host *host, const struct host_input *input);
enum host_state host_leasing_enter(struct host *host);
enum host_state host_leasing_input(struct host *host, const struct host_input *input);

/* host_plan.c */
enum host_state host_facts_enter(struct host *host);
enum host_state host_facts_input(struct host *host, const struct host_input *input);
enum host_state host_planning_enter(struct host *host);
enum host_state host_planning_input(struct host *host, const struct host_input *input);
/* The digest of the saved plan that is being applied, or NULL. */
const char *host_saved_plan(const struct host *host);
json_t *host_context(const struct host *host);
bool plan_stage_pending(const json_t *stage_plan);
const json_t *plan_stage_find(const json_t *plan, const char *name);

/* host_prove.c */
/* What the last apply left, into host->expected. */
int host_expected_load(struct host *host, struct gf_err *err);
void host_drift_add(struct host *host, const char *what, const char *message);
enum host_state host_proving_enter(struct host *host);
enum host_state host_proving_input(struct host *host, const struct host_input *input);

/* host_reboot.c: what was changed stays as it is, and the reboot is owed: another run does it. */
enum host_state host_reboot_put_off(struct host *host, const struct gf_err *err);

/* host_plan.c: is a reboot part of what it waits to be let do, as far as its plan shows? */
bool host_will_reboot(const struct host *host);

/* host_apply.c: may STAGE of a playbook end with a reboot, so that its change can be tried by one?
 */
bool host_stage_may_reboot(const json_t *stage);

/* host_cards.c: of which boot are FACTS (may be NULL)? "": they don't say. */
const char *host_facts_boot_id(const json_t *facts);

/* host_trial.c: does the host run a trial that is not to stay, because of ERR, and can it be sent
 * back now? Then it is so from here on: the next boot is the former entry, and the host has failed.
 */
bool host_trial_gives_up(struct host *host, const struct gf_err *err);

/* host_window.c: may no reboot of HOST be begun now? As host_window_forbids(). */
bool host_window_forbids_reboot(const struct host *host, struct gf_err *err);

/* host_guard.c: is HOST one that a run which would change it must not, as it was not named? Its
 * boot id is known. With *err: GF_E_BLOCKED. */
bool host_guard_forbids(const struct host *host, struct gf_err *err);

/* host_nova.c */
/* Its facts are new: the fleet's view of Nova takes them. -1 only when out of memory. */
int host_nova_put(const struct host *host, struct gf_err *err);
/* Fills host->nova, the plan's `context.nova`. -1: GF_E_BLOCKED when nothing may be written (*err
 * says why). */
int host_nova_look(struct host *host, struct gf_err *err);
/* Does a stage of its tell Nova anything? */
bool host_nova_told(const struct host *host);
/* Puts what Nova's rules have to say beside the plan: host->plan's `notes`. */
void host_nova_note(struct host *host);
/* Is a nova-compute up, by FACTS (may be NULL)? */
bool host_nova_up(const json_t *facts);
/* Does STAGE tell Nova of devices? They must be there to stay by then. */
bool host_nova_stage(const json_t *stage);
/* ERR blocks the host: where gpufleet's entries stand in its device_spec, says so, and how to take
 * them back. */
void host_nova_blocked(const struct host *host, struct gf_err *err);

/* host_cards.c */
/* FACTS have come and are not stored yet: after a reboot that gpufleet made, the cards are compared
 * with those of before, and a change goes on the record. -1 only when that can't be done. */
int host_cards_look(struct host *host, const json_t *facts, struct gf_err *err);
/* Is a change of its cards on the record that no run has ended with yet? *err says which. */
bool host_cards_changed(const struct host *host, struct gf_err *err);

/* host_trial.c */
/* The facts have come: is the boot the trial that was awaited, and is a commit to be finished?
 * HOST_STAY to go on as ever. */
enum host_state host_trial_look(struct host *host);
/* Does a proven trial wait for being made the default? */
bool host_trial_open(const struct host *host);
/* … and is it the boot that runs now? */
bool host_trial_runs(const struct host *host);
/* … and is it one of the stage of that name? */
bool host_trial_of(const struct host *host, const char *stage);
/* May STAGE (of the playbook) end with a reboot, or hand devices out, so that the open trial is to
 * be committed first? */
bool host_trial_blocks(const struct host *host, const json_t *stage);
enum host_state host_confirming_enter(struct host *host);
enum host_state host_confirming_input(struct host *host, const struct host_input *input);
enum host_state host_commit_intent_enter(struct host *host);
enum host_state host_commit_intent_input(struct host *host, const struct host_input *input);
enum host_state host_committing_enter(struct host *host);
enum host_state host_committing_input(struct host *host, const struct host_input *input);
/* A commit has ended with RESULT. */
enum host_state host_committed(struct host *host, const json_t *result);

/* host_apply.c */
/* An event of the operation under way; HOST_STAY unless there are too many. */
enum host_state host_operation_event(struct host *host, const json_t *event);
/* Records how it ended. */
int host_operation_result(struct host *host, const char *state, bool changed, bool reboot,
                          bool trial);
enum host_state host_intent_enter(struct host *host);
enum host_state host_intent_input(struct host *host, const struct host_input *input);
enum host_state host_applying_enter(struct host *host);
enum host_state host_applying_input(struct host *host, const struct host_input *input);

/* host_reboot.c */
enum host_state host_reboot_intent_enter(struct host *host);
enum host_state host_reboot_intent_input(struct host *host, const struct host_input *input);
enum host_state host_rebooting_enter(struct host *host);
enum host_state host_rebooting_input(struct host *host, const struct host_input *input);
enum host_state host_rebooted_enter(struct host *host);
enum host_state host_rebooted_input(struct host *host, const struct host_input *input);
enum host_state host_purging_enter(struct host *host);
enum host_state host_purging_input(struct host *host, const struct host_input *input);
/* Running guests, where nothing is going to move them, forbid a reboot: fills *err with their names
 * and returns true. */
bool host_guests_forbid(const struct host *host, struct gf_err *err);
/* … and that ends its host, for the reason in ERR. */
enum host_state host_guests_end(struct host *host, const struct gf_err *err);

/* host_hook.c: the operator's commands for one host. How long each may take, in seconds: */
#define HOST_DRAIN_S       3600
#define HOST_UNDRAIN_S     600
#define HOST_POWER_CYCLE_S 300

/* Runs ARGV with the host's name, address and STATE in the environment: an INPUT_HOOK follows.
 * -1 with *err: it can't be started. */
int host_hook_run(struct host *host, const struct string_list *argv, const char *state,
                  unsigned timeout_s, struct gf_err *err);
void host_hook_cancel(struct host *host);

/* host_drain.c */
/* Is rollout.drain to be run before the host may be rebooted? */
bool host_drain_due(const struct host *host);
/* Where guests run and it needs a reboot, its plan says what becomes of them: host->plan's `notes`.
 */
void host_drain_note(struct host *host);
/* Its trial is proven. Is it to go back into service before that is made the default, which takes
 * as long as images take to build? Not when its plan has another reboot for it. */
bool host_return_due(const struct host *host);
/* Where a host goes that has its verdict: to finishing, by way of undraining where it was drained.
 */
enum host_state host_way_out(struct host *host);
enum host_state host_draining_enter(struct host *host);
enum host_state host_draining_input(struct host *host, const struct host_input *input);
enum host_state host_undraining_enter(struct host *host);
enum host_state host_undraining_input(struct host *host, const struct host_input *input);

/* host_power.c */
/* The boot is overdue: is rollout.power_cycle to be run? Once for a reboot. */
bool host_power_cycle_due(const struct host *host);
enum host_state host_power_cycling_enter(struct host *host);
enum host_state host_power_cycling_input(struct host *host, const struct host_input *input);

#endif
