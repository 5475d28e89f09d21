/* checks_group.c: the group that a device will be in once the IOMMU is on, and whether the one that
 * it is in now is that one. A prediction is marked as such wherever it is told.
 */
#include <stdio.h>
#include <string.h>

#include "controller/readiness/checks.h"

#define NAMED_MEMBERS 4 /* of a group, in evidence */

bool checks_group_is_predicted(const struct host_facts *facts,
                               const struct host_facts_device *device)
{
	enum fact works = checks_iommu_works(facts);

	return works == FACT_NO || (works == FACT_UNKNOWN && device->group < 0);
}

/* Will a member keep ITEM's group from guests? The one that does most is *WORST. */
static bool predicted_hinderer(const struct check_subject *s, const struct selection_device *item,
                               const size_t *members, size_t count,
                               const struct host_facts_device **worst)
{
	int most = 0;

	for (size_t i = 0; i < count; i++) {
		const struct host_facts_device *other = &s->facts->devices[members[i]];
		int weight = checks_hinders(s, item, other);

		if (weight > most) {
			most = weight;
			*worst = other;
		}
	}
	return most > 0;
}

/* "0000:00:01.0, 0000:01:00.1 and 3 more": the members but DEVICE. */
static void members_name(const struct check_subject *s, const struct host_facts_device *device,
                         const size_t *members, size_t count, char *text, size_t size)
{
	size_t used = 0, named = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count && named < NAMED_MEMBERS; i++) {
		const struct host_facts_device *other = &s->facts->devices[members[i]];

		if (strcmp(other->address, device->address) == 0)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%.16s", named ? ", " : "",
		                         other->address);
		named++;
	}
	if (count - 1 > named)
		snprintf(text + used, size - used, " and %zu more", count - 1 - named);
}

static void predict_unknown(const struct check_subject *s, const struct host_facts_device *device,
                            struct check_list *list)
{
	const struct host_facts_device *doubt = iommu_prediction_doubt(s->prediction, device);

	if (s->prediction->token)
		check_add(list, CHECK_DEVICE_GROUP_VIABLE, device->address, CHECK_UNKNOWN,
		          "The kernel command line changes which devices are isolated, so the "
		          "groups can't be predicted.",
		          "Take the token off the kernel command line, or see after the reboot.",
		          "no groups yet; the command line holds %s", s->prediction->token);
	else
		check_add(list, CHECK_DEVICE_GROUP_VIABLE, device->address, CHECK_UNKNOWN,
		          "Groups are only known once the IOMMU is on, and the facts are not "
		          "enough to predict this one.",
		          "Run `gpufleet scan` again; if that does not help, see after the "
		          "reboot.",
		          "no groups yet; what kind of PCI device %.16s is, or what is above it, "
		          "is not known",
		          doubt ? doubt->address : device->address);
}

void checks_group_hindered(const struct check_subject *s, const struct selection_device *item,
                           const struct host_facts_device *hinderer, bool predicted,
                           const char **cause, const char **fix)
{
	const struct selection_device *other = selection_find(s->selection, hinderer->address);

	if (other && !other->primary && strcmp(other->card, item->card) == 0) {
		*cause = predicted ? "A function of the same card will share its IOMMU group and "
		                     "stays with the host."
		                   : "A function of the same card shares its IOMMU group and stays "
		                     "with the host.";
		*fix = "Set `functions` to \"all\" for the card in the inventory.";
	} else {
		*cause = predicted
		             ? "The IOMMU group will hold another device that serves the host."
		             : "The IOMMU group holds another device that serves the host.";
		*fix = "Move the card to a slot of its own (a port with ACS), enable ACS in the "
		       "firmware, or give up the other device: name it under `gpus` too, or take "
		       "its driver away.";
	}
}

void checks_group_predict(const struct check_subject *s, const struct selection_device *item,
                          const struct host_facts_device *device, struct check_list *list)
{
	size_t count;
	const size_t *members = iommu_prediction_group(s->prediction, device, &count);
	const struct host_facts_device *found = NULL;
	const char *cause, *fix;
	char names[160];
	bool hindered;

	if (!iommu_prediction_certain(s->prediction, device)) {
		predict_unknown(s, device, list);
		return;
	}
	hindered = predicted_hinderer(s, item, members, count, &found);
	if (!hindered && count == 1) {
		check_add(list, CHECK_DEVICE_GROUP_VIABLE, device->address, CHECK_PASS, NULL, NULL,
		          "predicted: will be alone in its group");
		return;
	}
	if (!hindered) {
		members_name(s, device, members, count, names, sizeof(names));
		check_add(list, CHECK_DEVICE_GROUP_VIABLE, device->address, CHECK_PASS, NULL, NULL,
		          "predicted: will share its group with %s; none of them serves the host",
		          names);
		return;
	}
	checks_group_hindered(s, item, found, true, &cause, &fix);
	check_add(list, CHECK_DEVICE_GROUP_VIABLE, device->address, CHECK_BLOCKED, cause, fix,
	          "predicted: will share its group with %s [%s:%s], driver %.40s", found->address,
	          found->vendor, found->device, found->driver);
}

void checks_group_compare(const struct check_subject *s, const struct host_facts_device *device,
                          struct check_list *list)
{
	const struct host_facts_device *other;
	bool joined = false;

	if (device->group < 0 || checks_iommu_works(s->facts) != FACT_YES ||
	    !iommu_prediction_certain(s->prediction, device))
		return;
	other = iommu_prediction_differs(s->prediction, device, &joined);
	if (!other)
		check_add(list, CHECK_DEVICE_GROUP_PREDICTED, device->address, CHECK_PASS, NULL,
		          NULL, "group %d is the one that the hardware gives reason to expect",
		          device->group);
	else
		check_add(list, CHECK_DEVICE_GROUP_PREDICTED, device->address, CHECK_WARN,
		          "The kernel grouped the devices otherwise than was predicted from the "
		          "hardware: what was predicted of this host's kind before its IOMMU was "
		          "on is not to be relied on.",
		          "Go by device.group-viable, which looks at the groups that are there. "
		          "Look for a patched kernel and for options of the firmware that change "
		          "ACS.",
		          joined ? "group %d also holds %s, which was not to be expected"
		                 : "group %d does not hold %s, as was to be expected",
		          device->group, other->address);
}
