/* world_facts.c: what the agent on a scripted host observes, as text, and no more than is asked
 * for: most of what the hosts of a thousand worlds say is this.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/fleet/world.h"

#define TEXT_SIZE 512

static const char facts_format[] =
    "{\"facts\":1,\"observed\":\"2026-01-01T00:00:00Z\",\"host\":{\"boot_id\":\"%s\",\"kernel\":"
    "\"6.1.0\",\"arch\":\"x86_64\",\"cmdline\":\"ro quiet\",\"cpu_vendor\":\"intel\","
    "\"cpu_virtualization\":%s,\"distribution\":{\"id\":\"debian\",\"version\":\"12\",\"name\":"
    "\"Debian\"},\"boot_loader\":\"grub\",\"initramfs\":\"initramfs-tools\",\"lockdown\":\"none\","
    "\"taint\":0,\"vfio\":{\"pci\":\"module\",\"type1\":\"module\"},\"holders\":[],"
    "\"early_binding\":{\"state\":\"looked\",\"list\":[\"0000:01:00.0 10de 1b06 1462 3609 "
    "vfio-pci\","
    "\"0000:02:00.0 10de 1b06 1462 3609 vfio-pci\"]},"
    "\"iommu\":{\"tables\":[\"DMAR\"],\"units\":[\"dmar0\"],\"groups\":4,"
    "\"interrupt_remapping\":true},\"modules\":{\"builtin\":[\"vfio\"]},\"guests\":[%s]},"
    "\"pci\":[%s],\"trial\":%s}";

static const char card_format[] =
    "%s{\"address\":\"%s\",\"vendor\":\"10de\",\"device\":\"1b06\",\"subsystem_vendor\":\"1462\","
    "\"subsystem_device\":\"3609\",\"class\":\"0300\",\"header\":\"endpoint\",\"driver\":\"%s\","
    "\"iommu_group\":1,\"reserved_regions\":[\"msi\"],\"numa_node\":0,\"boot_vga\":false,"
    "\"bars\":[],\"sriov\":null,\"vgpu\":null,\"console_memory\":[],"
    "\"power_state\":\"D0\",\"reset_methods\":[\"bus\"],\"path\":[%s],\"siblings\":[]}";

void world_boot_id(const struct world_host *host, char *out, size_t size)
{
	snprintf(out, size, "boot-of-%s-%u", host->name, host->boot);
}

static void trial_text(const struct world_host *host, char *out, size_t size)
{
	static const char *const states[] = {"", "staged", "staged", "committing", "reverted"};
	static const char *const boots[] = {"", "before", "trial", "default", "default"};

	if (host->trial == TRIAL_NONE)
		snprintf(out, size, "null");
	else
		snprintf(out, size,
		         "{\"operation\":\"%s\",\"stage\":\"host\",\"state\":\"%s\",\"boot\":"
		         "\"%s\",\"message\":\"\",\"expired\":%s}",
		         host->tried, states[host->trial],
		         host->trial == TRIAL_COMMITTING && host->effective ? "trial"
		                                                            : boots[host->trial],
		         host->expired ? "true" : "false");
}

/* What the reboots have made of its two cards. */
static void cards_text(const struct world_host *host, char *out, size_t size)
{
	const char *driver = host->effective ? "vfio-pci" : "nouveau";
	bool vanished = host->card_vanishes && host->reboots;
	bool moved = host->card_moves && host->reboots;
	size_t used = (size_t)snprintf(out, size, card_format, "", "0000:01:00.0", driver, "");

	if (!vanished)
		used += (size_t)snprintf(out + used, size - used, card_format, ",",
		                         moved ? "0000:07:00.0" : "0000:02:00.0", driver,
		                         "\"0000:00:02.0\"");
	if (host->card_appears && host->reboots)
		snprintf(out + used, size - used, card_format, ",", "0000:03:00.0", driver,
		         "\"0000:00:03.0\"");
}

char *world_agent_facts(const struct world_host *host)
{
	char boot_id[64], trial[TEXT_SIZE], cards[3 * (sizeof(card_format) + 64)], *facts = NULL;

	world_boot_id(host, boot_id, sizeof(boot_id));
	trial_text(host, trial, sizeof(trial));
	cards_text(host, cards, sizeof(cards));
	if (asprintf(&facts, facts_format, boot_id, host->blocked ? "false" : "true",
	             host->guests ? "{\"pid\":1,\"name\":\"instance-1\",\"source\":\"qemu\","
	                            "\"devices\":[]}"
	                          : "",
	             cards, trial) < 0)
		abort();
	return facts;
}
