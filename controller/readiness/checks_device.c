/* checks_device.c: can this device be handed to a guest, as the host stands now? */
#include <string.h>

#include "controller/readiness/checks.h"

#define MEMBERS_SHOWN 8

/* Disks, network cards and bridges that a driver of the host's serves: whoever selects one by
 * mistake loses the host. */
static void check_host_device(const struct host_facts_device *device, struct check_list *list)
{
	bool hosts_own = strncmp(device->class_code, "01", 2) == 0 ||
	                 strncmp(device->class_code, "02", 2) == 0 ||
	                 strncmp(device->class_code, "06", 2) == 0;

	if (hosts_own && device->driver && !host_facts_is_vfio(device->driver))
		check_add(list, CHECK_DEVICE_HOST_DEVICE, device->address, CHECK_BLOCKED,
		          "The inventory selects a disk controller, network card or bridge that "
		          "the host uses.",
		          "Correct the `gpus` entry that matches it, or name the address under its "
		          "`except`.",
		          "class %s, driver %.40s", device->class_code, device->driver);
	else
		check_add(list, CHECK_DEVICE_HOST_DEVICE, device->address, CHECK_PASS, NULL, NULL,
		          "class %s, not a disk or network device that the host uses",
		          device->class_code);
}

static void check_iommu_group(const struct check_subject *s, const struct host_facts_device *device,
                              struct check_list *list)
{
	if (device->group >= 0)
		check_add(list, CHECK_DEVICE_IOMMU_GROUP, device->address, CHECK_PASS, NULL, NULL,
		          "IOMMU group %d", device->group);
	else if (checks_iommu_works(s->facts) == FACT_YES)
		check_add(list, CHECK_DEVICE_IOMMU_GROUP, device->address, CHECK_BLOCKED,
		          "The IOMMU is at work but does not cover this device.",
		          "Move the card to another slot, or update the firmware.",
		          "no iommu_group link");
	else
		check_add(list, CHECK_DEVICE_IOMMU_GROUP, device->address, CHECK_PENDING,
		          "There are no groups while the IOMMU is off.",
		          "`gpufleet apply` turns the IOMMU on and reboots.",
		          "no iommu_group link");
}

/* The kernel's own rule (vfio_dev_viable): bridges don't count; nothing else in the group may serve
 * the host. */
static bool serves_host(const struct host_facts_device *other)
{
	return other->endpoint && other->driver && !host_facts_is_vfio(other->driver) &&
	       strcmp(other->driver, "pci-stub") != 0;
}

int checks_hinders(const struct check_subject *s, const struct selection_device *item,
                   const struct host_facts_device *other)
{
	if (strcmp(other->address, item->address) == 0 || !serves_host(other))
		return 0;
	if (!checks_is_wanted(s, other->address))
		return 2;
	return checks_goes_to_guests(s, other->address, item->card) ? 0 : 1;
}

static void member_add(struct check_text *text, const struct host_facts_device *other)
{
	check_text_add(text, "%s%s [%s:%s]%s%.40s", text->used ? ", " : "", other->address,
	               other->vendor, other->device, other->driver ? ", driver " : "",
	               other->driver ? other->driver : "");
}

/* The endpoints of the group beside ITEM, in two texts: those that keep it from guests (the worse
 * first), and the rest. Returns the first of the worse, or NULL. */
static const struct host_facts_device *members(const struct check_subject *s,
                                               const struct selection_device *item, int group,
                                               struct check_text *bad, struct check_text *rest)
{
	const struct host_facts_device *worst = NULL;
	size_t count, shown = 0, more = 0;
	const struct host_facts_device *const *group_members =
	    host_facts_group(s->facts, group, &count);

	for (int weight = 2; weight >= 0; weight--) {
		for (size_t i = 0; i < count; i++) {
			const struct host_facts_device *other = group_members[i];

			if (!other->endpoint || strcmp(other->address, item->address) == 0 ||
			    checks_hinders(s, item, other) != weight)
				continue;
			if (weight && !worst)
				worst = other;
			if (shown < MEMBERS_SHOWN)
				member_add(weight ? bad : rest, other);
			more += shown++ >= MEMBERS_SHOWN;
		}
	}
	if (more)
		check_text_add(rest->used ? rest : bad, " and %zu more", more);
	return worst;
}

static void check_group_viable(const struct check_subject *s, const struct selection_device *item,
                               const struct host_facts_device *device, struct check_list *list)
{
	struct check_text bad = {.used = 0}, rest = {.used = 0};
	const struct host_facts_device *found;
	const char *cause, *fix;

	if (checks_group_is_predicted(s->facts, device)) {
		checks_group_predict(s, item, device, list);
		return;
	}
	if (device->group < 0) {
		check_add(list, CHECK_DEVICE_GROUP_VIABLE, device->address, CHECK_UNKNOWN,
		          "Groups are only known once the IOMMU is on.", "See device.iommu-group.",
		          "no iommu_group link");
		return;
	}
	found = members(s, item, device->group, &bad, &rest);
	if (!found && !s->facts->groups_said) {
		check_add(list, CHECK_DEVICE_GROUP_VIABLE, device->address, CHECK_UNKNOWN,
		          "Not every device says its group and its driver.",
		          "Run `gpufleet scan` again.", "group %d may hold more than was seen",
		          device->group);
		return;
	}
	if (!found) {
		check_add(list, CHECK_DEVICE_GROUP_VIABLE, device->address, CHECK_PASS, NULL, NULL,
		          "no other member of group %d serves the host%s%s", device->group,
		          rest.used ? ": " : "", rest.text);
		return;
	}
	checks_group_hindered(s, item, found, false, &cause, &fix);
	check_add(list, CHECK_DEVICE_GROUP_VIABLE, device->address, CHECK_BLOCKED, cause, fix,
	          "group %d also holds %s%s%s", device->group, bad.text,
	          rest.used ? "; not in the way: " : "", rest.text);
}

static void check_driver(const struct host_facts_device *device, struct check_list *list)
{
	/* Variants know the device: most can move a guest that has it to another host. */
	const char *variant = device->vfio_driver;

	if (host_facts_is_vfio(device->driver))
		check_add(list, CHECK_DEVICE_DRIVER, device->address, CHECK_PASS, NULL, NULL,
		          variant && strcmp(device->driver, "vfio-pci") == 0 &&
		                  strcmp(variant, "vfio_pci") != 0
		              ? "driver %.40s; modules.alias has a variant for it, %.40s"
		              : "driver %.40s%.0s",
		          device->driver, variant ? variant : "");
	else if (device->driver && strcmp(device->driver, "pci-stub") == 0)
		check_add(list, CHECK_DEVICE_DRIVER, device->address, CHECK_PENDING,
		          "pci-stub keeps the host's drivers away, but no guest can be given the "
		          "device.",
		          "`gpufleet apply` binds it to vfio-pci.", "driver pci-stub");
	else if (device->driver)
		check_add(list, CHECK_DEVICE_DRIVER, device->address, CHECK_PENDING,
		          "A driver of the host's holds the device.",
		          "`gpufleet apply` binds it to vfio-pci.", "driver %.40s", device->driver);
	else
		check_add(list, CHECK_DEVICE_DRIVER, device->address, CHECK_PENDING,
		          "No driver holds the device.", "`gpufleet apply` binds it to vfio-pci.",
		          "no driver");
}

static void check_siblings(const struct check_subject *s, const struct selection_device *item,
                           struct check_list *list)
{
	const struct host_facts_device *card = host_facts_find(s->facts, item->address);
	size_t bound = 0;

	if (!card->siblings) {
		check_add(list, CHECK_DEVICE_SIBLINGS, item->address, CHECK_UNKNOWN,
		          "The card's other functions were not reported.",
		          "Run `gpufleet scan` again.", "no siblings in the facts");
		return;
	}
	for (size_t i = 0; i < s->selection->count; i++) {
		const struct selection_device *other = &s->selection->items[i];
		const struct host_facts_device *device;

		if (other->primary || strcmp(other->card, item->address) != 0)
			continue;
		device = host_facts_find(s->facts, other->address);
		if (host_facts_is_vfio(device->driver) || (other->ignored && !device->driver)) {
			bound++;
			continue;
		}
		if (other->ignored)
			check_add(
			    list, CHECK_DEVICE_SIBLINGS, item->address, CHECK_WARN,
			    "Another function of the card stays with the host; resetting the card "
			    "resets it, too.",
			    "Set `functions` to \"all\" for the card in the inventory.",
			    "%s, driver %.40s", other->address, device->driver);
		else
			check_add(list, CHECK_DEVICE_SIBLINGS, item->address, CHECK_PENDING,
			          "Another function of the card is not on vfio-pci.",
			          "`gpufleet apply` binds it to vfio-pci.", "%s, driver %.40s",
			          other->address, device->driver ? device->driver : "none");
		return;
	}
	check_add(list, CHECK_DEVICE_SIBLINGS, item->address, CHECK_PASS, NULL, NULL,
	          "%zu other functions of the card, none of them on a driver of the host's", bound);
}

static void check_numa(const struct selection_device *item, const struct host_facts_device *device,
                       struct check_list *list)
{
	const char *policy = item->gpu ? item->gpu->numa_policy : NULL;

	if (device->numa_node >= 0)
		check_add(list, CHECK_DEVICE_NUMA, device->address, CHECK_PASS, NULL, NULL,
		          "NUMA node %d", device->numa_node);
	else if (policy && strcmp(policy, "required") == 0)
		check_add(
		    list, CHECK_DEVICE_NUMA, device->address, CHECK_BLOCKED,
		    "The firmware names no NUMA node, and the alias requires one: Nova would never "
		    "give the device to a guest.",
		    "Set `numa_policy` to \"preferred\" or \"legacy\", or update the firmware.",
		    "numa_node is -1, numa_policy is required");
	else
		check_add(list, CHECK_DEVICE_NUMA, device->address, CHECK_PASS, NULL, NULL,
		          "no NUMA node, and the alias does not require one");
}

void checks_device(const struct check_subject *subject, const struct selection_device *item,
                   struct check_list *list)
{
	const struct host_facts_device *device = host_facts_find(subject->facts, item->address);

	checks_use(subject, device, list);
	check_host_device(device, list);
	check_iommu_group(subject, device, list);
	check_group_viable(subject, item, device, list);
	checks_group_compare(subject, device, list);
	check_driver(device, list);
	checks_boot(subject, device, list);
	if (item->primary)
		check_siblings(subject, item, list);
	checks_hardware(subject, item, device, list);
	checks_sharing(subject, item, device, list);
	if (item->primary)
		check_numa(item, device, list);
	check_probe(device, list);
}
