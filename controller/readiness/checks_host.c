/* checks_host.c: what must hold of the whole host before any device can be handed to a guest.
 * Effects decide (groups, interrupt names, firmware tables); settings are only quoted to explain
 * them.
 */
#include <string.h>

#include "controller/readiness/checks.h"

bool checks_cmdline_has(const struct host_facts *facts, const char *token)
{
	size_t length = strlen(token);
	const char *at = facts->cmdline;

	while (at && (at = strstr(at, token))) {
		bool starts = at == facts->cmdline || at[-1] == ' ';

		if (starts && (at[length] == '\0' || at[length] == ' ' || at[length] == '\n'))
			return true;
		at += length;
	}
	return false;
}

/* The token on the kernel command line that keeps the IOMMU off, or NULL. The shipped playbook
 * removes these. */
static const char *iommu_off_by(const struct host_facts *facts)
{
	static const char *const tokens[] = {"iommu=off", "intel_iommu=off", "amd_iommu=off"};

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		if (checks_cmdline_has(facts, tokens[i]))
			return tokens[i];
	}
	return NULL;
}

/* The same for interrupt remapping. Somebody had a reason: it goes only when the inventory says so.
 */
static const char *remapping_off_by(const struct host_facts *facts)
{
	if (checks_cmdline_has(facts, "intremap=off"))
		return "intremap=off";
	return checks_cmdline_has(facts, "nointremap") ? "nointremap" : NULL;
}

static bool is_removed(const struct inventory_host *host, const char *token)
{
	for (size_t i = 0; i < host->kernel_args_remove.count; i++) {
		if (strcmp(host->kernel_args_remove.items[i], token) == 0)
			return true;
	}
	return false;
}

enum fact checks_iommu_works(const struct host_facts *facts)
{
	if (facts->groups < 0)
		return FACT_UNKNOWN;
	/* Groups without a unit are what "no-IOMMU mode" leaves. */
	if (facts->groups > 0 && !facts->units)
		return FACT_UNKNOWN;
	if (facts->groups > 0 && json_array_size(facts->units) > 0)
		return FACT_YES;
	return FACT_NO;
}

static const char *by_cpu(const struct host_facts *facts, const char *intel, const char *amd,
                          const char *other)
{
	if (facts->cpu_vendor && strcmp(facts->cpu_vendor, "intel") == 0)
		return intel;
	if (facts->cpu_vendor && strcmp(facts->cpu_vendor, "amd") == 0)
		return amd;
	return other;
}

static void check_arch(const struct check_subject *s, struct check_list *list)
{
	if (!s->facts->arch)
		check_add(list, CHECK_HOST_ARCH, NULL, CHECK_UNKNOWN,
		          "The architecture was not reported.", "Run `gpufleet scan` again.",
		          "no architecture in the facts");
	else if (strcmp(s->facts->arch, "x86_64") == 0)
		check_add(list, CHECK_HOST_ARCH, NULL, CHECK_PASS, NULL, NULL, "x86_64");
	else
		check_add(list, CHECK_HOST_ARCH, NULL, CHECK_BLOCKED,
		          "This version prepares x86_64 hosts only.",
		          "Leave the host out of the inventory, or prepare it by hand.", "%s",
		          s->facts->arch);
}

static void check_virtualization(const struct check_subject *s, struct check_list *list)
{
	const char *flag = by_cpu(s->facts, "vmx", "svm", "vmx or svm");

	if (s->facts->virtualization == FACT_YES)
		check_add(list, CHECK_CPU_VIRTUALIZATION, NULL, CHECK_PASS, NULL, NULL,
		          "/proc/cpuinfo has the flag %s", flag);
	else if (s->facts->virtualization == FACT_UNKNOWN)
		check_add(list, CHECK_CPU_VIRTUALIZATION, NULL, CHECK_UNKNOWN,
		          "The CPU's flags could not be read.", "Run `gpufleet scan` again.",
		          "/proc/cpuinfo says nothing");
	else
		check_add(list, CHECK_CPU_VIRTUALIZATION, NULL, CHECK_BLOCKED,
		          "CPU virtualization is off in the firmware, or the CPU has none.",
		          by_cpu(s->facts, "Enable Intel VT-x in the firmware setup.",
		                 "Enable SVM (AMD-V) in the firmware setup.",
		                 "Enable CPU virtualization (VT-x or SVM) in the firmware setup."),
		          "/proc/cpuinfo lacks the flag %s", flag);
}

static void check_tables(const struct check_subject *s, struct check_list *list)
{
	size_t count = s->facts->tables ? json_array_size(s->facts->tables) : 0;
	const char *table = by_cpu(s->facts, "DMAR", "IVRS", "DMAR or IVRS");

	if (count > 0)
		check_add(list, CHECK_IOMMU_TABLES, NULL, CHECK_PASS, NULL, NULL,
		          "the firmware has the ACPI table %.16s",
		          json_string_value(json_array_get(s->facts->tables, 0)));
	else if (checks_iommu_works(s->facts) == FACT_YES)
		check_add(list, CHECK_IOMMU_TABLES, NULL, CHECK_PASS, NULL, NULL,
		          "no ACPI table %s was seen, but an IOMMU is at work", table);
	else if (!s->facts->tables)
		check_add(
		    list, CHECK_IOMMU_TABLES, NULL, CHECK_UNKNOWN,
		    "The firmware's tables could not be read (only root may).",
		    "Connect as root, or set `become` to \"sudo\", and run `gpufleet scan` again.",
		    "/sys/firmware/acpi/tables could not be read");
	else
		check_add(
		    list, CHECK_IOMMU_TABLES, NULL, CHECK_BLOCKED,
		    "The firmware offers no IOMMU: it is switched off there, or the board has "
		    "none.",
		    by_cpu(s->facts,
		           "Enable VT-d in the firmware setup, then run `gpufleet scan` again.",
		           "Enable IOMMU (AMD-Vi) in the firmware setup, then run `gpufleet scan` "
		           "again.",
		           "Enable the IOMMU (VT-d or AMD-Vi) in the firmware setup, then run "
		           "`gpufleet scan` again."),
		    "/sys/firmware/acpi/tables has no %s", table);
}

static void check_groups(const struct check_subject *s, struct check_list *list)
{
	const char *token = iommu_off_by(s->facts);

	switch (checks_iommu_works(s->facts)) {
	case FACT_YES:
		check_add(list, CHECK_IOMMU_GROUPS, NULL, CHECK_PASS, NULL, NULL,
		          "%d IOMMU groups, %zu units in /sys/class/iommu", s->facts->groups,
		          json_array_size(s->facts->units));
		break;
	case FACT_UNKNOWN:
		check_add(list, CHECK_IOMMU_GROUPS, NULL, CHECK_UNKNOWN,
		          "The IOMMU's groups could not be read.", "Run `gpufleet scan` again.",
		          "/sys/kernel/iommu_groups could not be read");
		break;
	case FACT_NO:
		check_add(list, CHECK_IOMMU_GROUPS, NULL, CHECK_PENDING,
		          token ? "The kernel command line keeps the IOMMU off."
		                : "The kernel does not use the IOMMU.",
		          "`gpufleet apply` turns it on and reboots.",
		          "%d IOMMU groups, %zu units in /sys/class/iommu%s%s", s->facts->groups,
		          json_array_size(s->facts->units), token ? "; command line: " : "",
		          token ? token : "");
		break;
	}
}

static void check_interrupts(const struct check_subject *s, struct check_list *list)
{
	const char *token = remapping_off_by(s->facts);

	if (s->facts->interrupt_remapping == FACT_UNKNOWN)
		check_add(list, CHECK_IOMMU_INTERRUPTS, NULL, CHECK_UNKNOWN,
		          "It could not be seen whether interrupts are remapped.",
		          "Run `gpufleet scan` again.", "/proc/interrupts says nothing");
	else if (s->facts->interrupt_remapping == FACT_YES)
		check_add(list, CHECK_IOMMU_INTERRUPTS, NULL, CHECK_PASS, NULL, NULL,
		          "/proc/interrupts has IR- interrupts");
	else if (s->facts->unsafe_interrupts == FACT_YES)
		check_add(
		    list, CHECK_IOMMU_INTERRUPTS, NULL, CHECK_WARN,
		    "vfio is told to go without interrupt remapping: a guest can send interrupts "
		    "to the host.",
		    "Enable interrupt remapping in the firmware (x2APIC, VT-d) and drop "
		    "vfio_iommu_type1 allow_unsafe_interrupts.",
		    "no IR- interrupts, allow_unsafe_interrupts=Y");
	else if (token)
		check_add(
		    list, CHECK_IOMMU_INTERRUPTS, NULL,
		    is_removed(s->host, token) ? CHECK_PENDING : CHECK_BLOCKED,
		    "The kernel command line keeps interrupts from being remapped.",
		    is_removed(s->host, token)
		        ? "`gpufleet apply` removes the token and reboots."
		        : "Name the token under `kernel_args`, `remove` in the inventory, then run "
		          "`gpufleet apply`.",
		    "no IR- interrupts in /proc/interrupts; command line: %s", token);
	else if (checks_iommu_works(s->facts) != FACT_YES)
		check_add(list, CHECK_IOMMU_INTERRUPTS, NULL, CHECK_PENDING,
		          "Interrupts are not remapped while the IOMMU is off.",
		          "`gpufleet apply` turns the IOMMU on and reboots.",
		          "no IR- interrupts in /proc/interrupts");
	else
		check_add(
		    list, CHECK_IOMMU_INTERRUPTS, NULL, CHECK_BLOCKED,
		    "The IOMMU works without interrupt remapping: QEMU will refuse every device "
		    "with \"Operation not permitted\".",
		    "Enable interrupt remapping (on some boards: x2APIC) in the firmware setup, or "
		    "update the firmware.",
		    "no IR- interrupts in /proc/interrupts");
}

static void check_guests(const struct check_subject *s, struct check_list *list)
{
	const json_t *first = json_array_get(s->facts->guests, 0);
	const char *name = json_string_value(json_object_get(first, "name"));
	size_t count = json_array_size(s->facts->guests);

	if (!s->facts->guests)
		check_add(list, CHECK_HOST_GUESTS, NULL, CHECK_UNKNOWN,
		          "It could not be seen whether guests run here.",
		          "Run `gpufleet scan` again.", "no guests in the facts");
	else if (count == 0)
		check_add(list, CHECK_HOST_GUESTS, NULL, CHECK_PASS, NULL, NULL,
		          "no guest is running");
	else
		check_add(list, CHECK_HOST_GUESTS, NULL, CHECK_WARN,
		          "Guests are running: the host is not rebooted.",
		          "Migrate or stop them first; or give --allow-running-guests, which takes "
		          "them down.",
		          "%zu running, the first is %.80s", count, name ? name : "unnamed");
}

static void check_lockdown(const struct check_subject *s, struct check_list *list)
{
	const char *lockdown = s->facts->lockdown;

	if (!lockdown)
		check_add(list, CHECK_HOST_LOCKDOWN, NULL, CHECK_UNKNOWN,
		          "The kernel does not say.", "",
		          "/sys/kernel/security/lockdown could not be read");
	else if (strcmp(lockdown, "confidentiality") == 0)
		check_add(list, CHECK_HOST_LOCKDOWN, NULL, CHECK_WARN,
		          "The kernel's strictest lockdown was never tried with GPU passthrough.",
		          "If a guest does not start, use lockdown=integrity.", "%s", lockdown);
	else
		check_add(list, CHECK_HOST_LOCKDOWN, NULL, CHECK_PASS, NULL, NULL,
		          "%.40s (vfio works under it)", lockdown);
}

static void check_secure_boot(const struct check_subject *s, struct check_list *list)
{
	if (s->facts->secure_boot == FACT_YES)
		check_add(list, CHECK_HOST_SECURE_BOOT, NULL, CHECK_WARN,
		          "Secure Boot loads signed modules only and locks the kernel down.",
		          "Nothing, as long as the distribution's own vfio modules are used.",
		          "Secure Boot is on");
	else if (s->facts->secure_boot == FACT_NO)
		check_add(list, CHECK_HOST_SECURE_BOOT, NULL, CHECK_PASS, NULL, NULL,
		          "Secure Boot is off");
	else
		check_add(list, CHECK_HOST_SECURE_BOOT, NULL, CHECK_UNKNOWN,
		          "The firmware does not say (it may not be EFI).", "",
		          "no SecureBoot variable was read");
}

static void check_gpus(const struct check_subject *s, struct check_list *list)
{
	size_t primaries = 0, wanted = 0;

	for (size_t i = 0; i < s->selection->count; i++) {
		primaries += s->selection->items[i].primary;
		wanted += s->selection->items[i].primary && !s->selection->items[i].ignored;
	}
	if (wanted > 0 || !s->host->gpus.given || s->host->role == ROLE_CONTROL)
		check_add(list, CHECK_HOST_GPUS, NULL, CHECK_PASS, NULL, NULL,
		          "%zu GPUs, %zu of them looked at", primaries, wanted);
	else
		check_add(list, CHECK_HOST_GPUS, NULL, CHECK_BLOCKED,
		          "The host has no device that the inventory's `gpus` names.",
		          "Compare `gpus` with what `gpufleet scan` prints; if the card should be "
		          "there, look "
		          "for it with lspci: it may have fallen off the bus.",
		          "%zu GPUs on the host, none of them named in the inventory", primaries);
}

void checks_host(const struct check_subject *subject, struct check_list *list)
{
	check_add(list, CHECK_HOST_FACTS, NULL, CHECK_PASS, NULL, NULL,
	          "%zu PCI devices observed at %.40s", subject->facts->device_count,
	          subject->facts->observed ? subject->facts->observed : "an unknown time");
	check_arch(subject, list);
	check_gpus(subject, list);
	check_virtualization(subject, list);
	check_tables(subject, list);
	check_groups(subject, list);
	check_interrupts(subject, list);
	check_guests(subject, list);
	check_lockdown(subject, list);
	check_secure_boot(subject, list);
	checks_state(subject, list);
}
