/* checks_sharing.c: is the card divided among several users, or one of several that belong
 * together? */
#include <string.h>

#include "controller/readiness/checks.h"

static void check_sriov(const struct host_facts_device *device, struct check_list *list)
{
	if (!device->sriov_known)
		check_add(list, CHECK_DEVICE_SRIOV, device->address, CHECK_UNKNOWN,
		          "SR-IOV was not reported.", "Run `gpufleet scan` again.",
		          "no sriov in the facts");
	else if (device->sriov_used > 0)
		check_add(
		    list, CHECK_DEVICE_SRIOV, device->address, CHECK_BLOCKED,
		    "Virtual functions are enabled: vfio refuses the physical function.",
		    "Write 0 to the device's sriov_numvfs, and disable what enables them at boot.",
		    "sriov_numvfs is %d of %d", device->sriov_used, device->sriov_total);
	else if (device->sriov_total > 0)
		check_add(list, CHECK_DEVICE_SRIOV, device->address, CHECK_PASS, NULL, NULL,
		          "0 of %d virtual functions enabled; Nova will see it as type-PF",
		          device->sriov_total);
	else if (device->physical_function)
		check_add(list, CHECK_DEVICE_SRIOV, device->address, CHECK_PASS, NULL, NULL,
		          "a virtual function of %s; Nova will see it as type-VF",
		          device->physical_function);
	else
		check_add(list, CHECK_DEVICE_SRIOV, device->address, CHECK_PASS, NULL, NULL,
		          "no SR-IOV; Nova will see it as type-PCI");
}

static void check_vgpu(const struct host_facts_device *device, struct check_list *list)
{
	if (!device->vgpu_known)
		check_add(list, CHECK_DEVICE_VGPU, device->address, CHECK_UNKNOWN,
		          "It could not be seen whether the card is divided into virtual ones.",
		          "Run `gpufleet scan` again.", "no vgpu in the facts");
	else if (device->vgpu_instances > 0)
		check_add(list, CHECK_DEVICE_VGPU, device->address, CHECK_BLOCKED,
		          "The card is divided into virtual GPUs, which guests may hold.",
		          "Remove the instances (mdevctl, or current_vgpu_type in the device's "
		          "nvidia folder) and what makes them at boot, or leave the card out of "
		          "`gpus`.",
		          "%d virtual GPUs exist (mdev_supported_types, nvidia)",
		          device->vgpu_instances);
	else if (device->mig_instances > 0)
		check_add(list, CHECK_DEVICE_VGPU, device->address, CHECK_BLOCKED,
		          "The card is divided into MIG instances.",
		          "Remove them and switch MIG off (nvidia-smi mig, nvidia-smi -mig 0): the "
		          "mode outlives the driver, and a guest would find it on.",
		          "%d GPU instances in /proc/driver/nvidia/capabilities",
		          device->mig_instances);
	else if (device->vgpu_types > 0)
		check_add(list, CHECK_DEVICE_VGPU, device->address, CHECK_PASS, NULL, NULL,
		          "the driver offers %d types of virtual GPUs, none exists",
		          device->vgpu_types);
	else
		check_add(list, CHECK_DEVICE_VGPU, device->address, CHECK_PASS, NULL, NULL,
		          "no virtual GPUs; MIG shows only under NVIDIA's driver");
}

/* How many of the host's NVSwitches are on vfio? They go with all of the board, then. */
static size_t switches_given_away(const struct host_facts *facts)
{
	size_t count = 0;

	for (size_t i = 0; i < facts->device_count; i++) {
		const struct host_facts_device *other = &facts->devices[i];

		count += other->ids >> 16 == 0x10de && strcmp(other->class_code, "0680") == 0 &&
		         host_facts_is_vfio(other->driver);
	}
	return count;
}

/* Somebody sees to it that GPUs of a board can go to guests one by one: the inventory says so. */
static bool is_split(const struct selection_device *item)
{
	const char *nvswitch = item->gpu ? item->gpu->nvswitch : NULL;

	return nvswitch && strcmp(nvswitch, "split") == 0;
}

static void check_nvswitch(const struct check_subject *s, const struct selection_device *item,
                           const struct host_facts_device *device, struct check_list *list)
{
	size_t switches = s->facts->nvswitches, away;

	if (device->ids >> 16 != 0x10de)
		return;
	if (switches == 0) {
		check_add(list, CHECK_DEVICE_NVSWITCH, device->address, CHECK_PASS, NULL, NULL,
		          "no NVSwitch on the host");
		return;
	}
	away = switches_given_away(s->facts);
	if (away == switches)
		check_add(list, CHECK_DEVICE_NVSWITCH, device->address, CHECK_WARN,
		          "The GPUs are joined by NVSwitch: a guest gets all of the board, or the "
		          "guest that holds the switches manages them.",
		          "Offer no single GPUs of this host unless a Fabric Manager runs in a "
		          "guest of its own.",
		          "%zu NVSwitch devices on the host, all of them on vfio-pci", switches);
	else if (is_split(item))
		check_add(
		    list, CHECK_DEVICE_NVSWITCH, device->address, CHECK_WARN,
		    "The GPUs are joined by NVSwitch; the inventory says that somebody divides "
		    "it.",
		    "Nothing, while a Fabric Manager does.",
		    "%zu NVSwitch devices on the host; `nvswitch` is split", switches);
	else if (host_facts_service_runs(s->facts, "nvidia-fabricmanager.service"))
		check_add(
		    list, CHECK_DEVICE_NVSWITCH, device->address, CHECK_WARN,
		    "The GPUs are joined by NVSwitch, which the host's Fabric Manager divides.",
		    "Nothing, if its partitions fit the flavors.",
		    "%zu NVSwitch devices on the host; nvidia-fabricmanager.service is active",
		    switches);
	else if (!s->facts->services)
		check_add(list, CHECK_DEVICE_NVSWITCH, device->address, CHECK_UNKNOWN,
		          "The GPUs are joined by NVSwitch, and it could not be seen whether a "
		          "Fabric Manager runs.",
		          "Run `gpufleet scan` again.", "no services in the facts");
	else
		check_add(list, CHECK_DEVICE_NVSWITCH, device->address, CHECK_BLOCKED,
		          "The GPUs are joined by NVSwitch and nobody manages it: a guest with a "
		          "single GPU of such a board finds it unusable.",
		          "Run nvidia-fabricmanager on the host (shared NVSwitch), or name the "
		          "NVSwitches under `gpus`, too, so that a guest gets all of the board; or "
		          "say \"nvswitch\": \"split\" where a Fabric Manager runs elsewhere.",
		          "%zu NVSwitch devices on the host, %zu of them on vfio-pci; "
		          "nvidia-fabricmanager.service is not active",
		          switches, away);
}

void checks_sharing(const struct check_subject *subject, const struct selection_device *item,
                    const struct host_facts_device *device, struct check_list *list)
{
	check_sriov(device, list);
	if (!item->primary)
		return;
	check_vgpu(device, list);
	check_nvswitch(subject, item, device, list);
}
