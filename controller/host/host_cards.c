/* host_cards.c: after each reboot that gpufleet made, once: has the host the cards that it had
 * before? All that follows goes by what the fresh facts show, so without this question a host that
 * lost a card would be done with fewer, and Nova be told of fewer.
 *
 * The facts from before are the store's; `cards.changed` goes into the journal before the new ones
 * take their place. So a controller that is killed between the two, or a scan that comes in
 * between, hides nothing: the change stays on the record until a run has ended with it.
 */
#include <string.h>

#include "controller/host/host_states.h"
#include "controller/readiness/cards.h"

const char *host_facts_boot_id(const json_t *facts)
{
	const char *boot_id =
	    json_string_value(json_object_get(json_object_get(facts, "host"), "boot_id"));

	return boot_id ? boot_id : "";
}

static int change_record(struct host *host, const char *message, struct gf_err *err)
{
	return host_record_event(host,
	                         json_pack("{s:s, s:s, s:s}", "type", "cards.changed", "boot_id",
	                                   host->boot_id, "message", message),
	                         false, err);
}

/* How the cards of FACTS differ from those of the boot that the reboot ended; 0: not at all. */
static int cards_look(const struct host *host, const json_t *facts, struct gf_err *err)
{
	struct journal *journal = host->shared->journal;
	struct gf_err fault = {0};
	json_t *before = journal->facts_get(journal, host->inventory->name, &fault);
	int rc = 0;

	/* Said once, like a change: a record that can't be read must not stop the host for good. */
	if (fault.code)
		rc =
		    gf_err_set(err, GF_E_REBOOT,
		               "which cards it had before the reboot can't be read (%.100s): look "
		               "at the host (lspci); the next run goes by the cards that are there",
		               fault.msg);
	else if (before && strcmp(host_facts_boot_id(before), host->record.cards_boot_id) == 0)
		rc = cards_compare(before, facts, host->inventory, err);
	json_decref(before);
	return rc;
}

int host_cards_look(struct host *host, const json_t *facts, struct gf_err *err)
{
	const struct host_record *record = &host->record;
	struct gf_err change = {0};

	/* Back from a trial that was given up, for its cards perhaps: that is told already. */
	if (host->work->rolled_back)
		return 0;
	if (!record->cards_boot_id[0] || strcmp(record->cards_boot_id, host->boot_id) == 0 ||
	    cards_look(host, facts, &change) == 0)
		return 0;
	if (change.code == GF_E_REBOOT)
		return change_record(host, change.msg, err);
	*err = change;
	return -1;
}

bool host_cards_changed(const struct host *host, struct gf_err *err)
{
	/* Who only looks finds the host as it is, whatever it was. */
	if (host->shared->job < JOB_APPLY || !host->record.cards_changed[0])
		return false;
	/* The host was sent back for it: how that ended is what is told, with this as the cause. */
	if (host->work->rolled_back)
		return false;
	gf_err_set(err, GF_E_REBOOT, "%s", host->record.cards_changed);
	return true;
}
