/* nova_checks.c: see nova_checks.h. */
#include "controller/nova/nova_checks.h"

#include <string.h>
#include <time.h>

#include "controller/nova/nova_checks_internal.h"
#include "controller/nova/nova_rules.h"
#include "controller/nova/nova_wanted.h"
#include "controller/readiness/check_pool.h"

#define PCI_FILTER "PciPassthroughFilter"

/* Up for less than this, and after so many restarts by systemd: it ends again and again, and is
 * looked at between two ends. A few at boot, until the message bus is there, are nothing. */
#define FLAPS_SECONDS 60
#define FLAPS_COUNT   3

/* For how long the service was up when the facts were taken; -1: unknown. */
static double up_seconds(const struct nova_subject *subject,
                         const struct nova_facts_service *service)
{
	const char *observed = subject->facts->observed;
	struct tm tm = {.tm_isdst = 0};
	double up;

	if (!observed || service->started <= 0 || !strptime(observed, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return -1;
	up = (double)timegm(&tm) - service->started;
	return up < 0 ? 0 : up; /* the observation is cut to whole seconds */
}

static void check_running(const struct nova_subject *subject,
                          const struct nova_facts_service *service)
{
	double up = up_seconds(subject, service);

	if (service->restarts >= FLAPS_COUNT && up >= 0 && up < FLAPS_SECONDS)
		check_add(subject->list, CHECK_NOVA_SERVICE, NULL, CHECK_BLOCKED,
		          "A service of Nova ends and is started again and again.",
		          "Look at its log (journalctl, /var/log/nova); an entry that Nova refuses "
		          "is named by the checks nova.config and nova.alias. If the host has just "
		          "booted, run `gpufleet scan` again.",
		          "%.40s: up for %.0f s, after %d restarts", service->name, up,
		          service->restarts);
	else if (service->unproven)
		check_add(subject->list, CHECK_NOVA_SERVICE, NULL, CHECK_PENDING,
		          "gpufleet restarted the service, and did not see it well after that: its "
		          "log had errors, or the run was cut off.",
		          "`gpufleet apply` restarts it again, and quotes what its log says.",
		          "%.40s: its last restart is not proven", service->name);
	else
		check_add(subject->list, CHECK_NOVA_SERVICE, NULL, CHECK_PASS, NULL, NULL,
		          "%.40s: %.20s, %.20s", service->name, service->state,
		          service->substate ? service->substate : "unknown");
}

static void check_service(const struct nova_subject *subject,
                          const struct nova_facts_service *service)
{
	const char *state = service->state ? service->state : "unknown";
	const char *substate = service->substate ? service->substate : "unknown";

	if (!service->state)
		check_add(subject->list, CHECK_NOVA_SERVICE, NULL, CHECK_UNKNOWN,
		          "It could not be seen whether the service runs.",
		          "Run `gpufleet scan` again.", "%.40s: no state in the facts",
		          service->name);
	else if (strcmp(state, "active") == 0 && strcmp(substate, "auto-restart") != 0)
		check_running(subject, service);
	else
		check_add(subject->list, CHECK_NOVA_SERVICE, NULL, CHECK_BLOCKED,
		          "A service of Nova does not run: no server is started here.",
		          "Look at its log (journalctl, /var/log/nova); an entry that Nova refuses "
		          "is named by the checks nova.config and nova.alias.",
		          "%.40s: %.20s, %.20s, %d restarts", service->name, state, substate,
		          service->restarts < 0 ? 0 : service->restarts);
}

/* What runs here, and is no part of the host's role in the inventory. */
static void check_others(const struct nova_subject *subject, bool control)
{
	char names[NOVA_OTHERS_SIZE];

	if (nova_facts_others(subject->nova, control, names) == 0)
		return;
	check_add(subject->list, CHECK_NOVA_SERVICE, NULL, CHECK_WARN,
	          "The host runs services of the other role, too: gpufleet tells them nothing.",
	          control ? "Give it the role compute if it offers cards."
	                  : "Give nova-api the alias and nova-scheduler PciPassthroughFilter by "
	                    "hand.",
	          "%s on a host whose role is %s", names, control ? "control" : "compute");
}

static void check_files(const struct nova_subject *subject)
{
	const struct nova_facts *nova = subject->nova;
	bool said = false;

	for (size_t i = 0; i < nova->problem_count; i++) {
		const struct nova_facts_problem *problem = &nova->problems[i];

		check_add(
		    subject->list, CHECK_NOVA_FILES, NULL, CHECK_WARN,
		    "Something in Nova's files can't be read or worked out as Nova does: what "
		    "it makes of it is not known.",
		    "Correct the file, or look at that line yourself.", "%.160s:%d: %.200s",
		    problem->file ? problem->file : "a file", problem->line < 0 ? 0 : problem->line,
		    problem->message);
		said = true;
	}
	for (size_t i = 0; i < nova->file_count; i++) {
		const struct nova_facts_file *file = &nova->files[i];

		if (!file->managed_by)
			continue;
		check_add(subject->list, CHECK_NOVA_FILES, NULL, CHECK_WARN,
		          "Another program writes this file, and takes changes back that are made "
		          "on the host.",
		          "Put the same lines where that program takes them from.",
		          "%.160s is managed by %.20s", file->path, file->managed_by);
		said = true;
	}
	if (!said)
		check_add(subject->list, CHECK_NOVA_FILES, NULL, CHECK_PASS, NULL, NULL,
		          "%zu files, none of them managed by another program", nova->file_count);
}

/* False: without the release nothing else can be judged. */
static bool check_release(struct nova_subject *subject)
{
	struct gf_err fault = {0};
	char shown[NOVA_RELEASE_SHOW_SIZE];
	int release = nova_wanted_release(subject->fleet->inventory, subject->nova,
	                                  &subject->target.said, &fault);

	if (release < 0)
		check_add(subject->list, CHECK_NOVA_RELEASE, NULL, CHECK_BLOCKED,
		          "The inventory names another release of Nova than the host has.",
		          "Correct nova.release in the inventory, or leave it out.", "%s",
		          fault.msg);
	else if (release == 0)
		check_add(subject->list, CHECK_NOVA_RELEASE, NULL, CHECK_UNKNOWN,
		          "The release of Nova is not known.",
		          "Name it as nova.release in the inventory.", "version %.60s",
		          subject->nova->release ? subject->nova->release : "unknown");
	else
		check_add(subject->list, CHECK_NOVA_RELEASE, NULL, CHECK_PASS, NULL, NULL,
		          "Nova %s", nova_release_show(release, shown));
	subject->target.release = release;
	subject->target.placement_wanted = subject->fleet->inventory->pci_in_placement == 1 &&
	                                   nova_rule_holds(NOVA_RULE_PCI_IN_PLACEMENT, release);
	return release > 0;
}

static void check_filter(const struct nova_subject *subject,
                         const struct nova_facts_service *scheduler)
{
	const struct nova_facts_option *option =
	    nova_facts_option(scheduler, "filter_scheduler.enabled_filters");
	const json_t *list = option && json_is_array(option->value) ? option->value : NULL, *item;
	char place[NOVA_PLACE_SIZE] = "Nova's default list", shown[NOVA_RELEASE_SHOW_SIZE];
	bool found = false;
	size_t i;

	if (option && option->count)
		nova_facts_place(&option->entries[option->count - 1], place);
	json_array_foreach(list, i, item)
	{
		int gone = nova_rule_filter_gone(json_string_value(item), subject->target.release);

		if (gone)
			check_add(subject->list, CHECK_NOVA_FILTER, NULL, CHECK_BLOCKED,
			          "A filter is listed that this Nova has no more: nova-scheduler "
			          "does not start (SchedulerHostFilterNotFound).",
			          "Take it out of enabled_filters.",
			          "%s: %.60s, gone since Nova %s", place, json_string_value(item),
			          nova_release_show(gone, shown));
		found = found || strcmp(json_string_value(item), PCI_FILTER) == 0;
	}
	if (found)
		check_add(subject->list, CHECK_NOVA_FILTER, NULL, CHECK_PASS, NULL, NULL,
		          "%s has " PCI_FILTER, place);
	else
		check_add(subject->list, CHECK_NOVA_FILTER, NULL, CHECK_PENDING,
		          "The scheduler does not look at PCI devices: servers are sent to hosts "
		          "without a free GPU.",
		          "`gpufleet apply` adds " PCI_FILTER " to the list.",
		          "%s lacks " PCI_FILTER, place);
}

static int check_control(struct nova_subject *subject, struct gf_err *err)
{
	const struct nova_facts_service *api = nova_facts_service(subject->nova, "nova-api");
	const struct nova_facts_service *scheduler =
	    nova_facts_service(subject->nova, "nova-scheduler");
	bool known = check_release(subject);

	if (api)
		check_service(subject, api);
	if (scheduler)
		check_service(subject, scheduler);
	check_others(subject, true);
	check_files(subject);
	if (!known || subject->fleet->alias_count == 0)
		return 0;
	if (scheduler)
		check_filter(subject, scheduler);
	return api ? nova_checks_alias(subject, api, false, err) : 0;
}

static int check_compute(struct nova_subject *subject, struct gf_err *err)
{
	const struct nova_facts_service *service =
	    nova_facts_service(subject->nova, "nova-compute");
	bool known = check_release(subject);

	if (!service) {
		check_add(subject->list, CHECK_NOVA_SERVICE, NULL, CHECK_UNKNOWN,
		          "No nova-compute was found on the host.",
		          "Install it, or name the host's role in the inventory.",
		          "%zu services of Nova", subject->nova->service_count);
		return 0;
	}
	check_service(subject, service);
	check_others(subject, false);
	check_files(subject);
	if (!known || !subject->host->gpus.given)
		return 0;
	if (nova_checks_config(subject, service, err) < 0)
		return -1;
	return nova_checks_alias(subject, service, true, err);
}

static void check_absent(struct nova_subject *subject)
{
	if (subject->fleet->inventory->nova_given)
		check_add(subject->list, CHECK_NOVA_SERVICE, NULL, CHECK_UNKNOWN,
		          "No Nova was found on the host.",
		          "Run `gpufleet scan` again once it is installed.",
		          "no part about Nova in the facts");
}

int nova_checks_add(const struct nova_fleet *fleet, const struct inventory_host *host,
                    const json_t *facts, json_t *entry, struct gf_err *err)
{
	return nova_checks_add_pooled(fleet, host, facts, NULL, NULL, entry, err);
}

int nova_checks_add_pooled(const struct nova_fleet *fleet, const struct inventory_host *host,
                           const json_t *facts, const struct host_facts *known,
                           struct check_pool *pool, json_t *entry, struct gf_err *err)
{
	const char *deployment = fleet->inventory->nova_deployment;
	struct check_list list = {0};
	struct host_facts parsed = {0};
	struct nova_facts nova = {0};
	struct nova_subject subject = {
	    .fleet = fleet, .host = host, .facts = &parsed, .nova = &nova, .list = &list};
	int rc = -1;

	if (!facts || (deployment && strcmp(deployment, "none") == 0))
		return 0;
	subject.devices = json_object_get(entry, "devices");
	if (host_facts_again(known, facts, &parsed, err) == 0 &&
	    nova_facts_parse(facts, &nova, err) == 0)
		rc = 0;
	if (rc == 0 && !nova.present)
		check_absent(&subject);
	else if (rc == 0)
		rc = host->role == ROLE_CONTROL ? check_control(&subject, err)
		                                : check_compute(&subject, err);
	if (rc == 0 && list.failed)
		rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	for (size_t i = 0; rc == 0 && i < list.count; i++)
		json_array_append_new(json_object_get(entry, "checks"),
		                      check_pool_json(pool, &list.items[i], check_json));
	check_list_free(&list);
	nova_facts_free(&nova);
	host_facts_free(&parsed);
	return rc;
}
