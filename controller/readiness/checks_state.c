/* checks_state.c: the state of the kernel that runs: whether it is whole, has vfio, lets guests map
 * their memory, and is the one that the next boot brings. */
#include <string.h>

#include "controller/readiness/checks.h"

/* A guest maps its memory in some thirty pieces: below and above 4 GiB, around the old VGA and ROM
 * ranges, and each BAR. */
#define DMA_ENTRIES_NEEDED  32
#define DMA_ENTRIES_DEFAULT 65535 /* drivers/vfio/vfio_iommu_type1.c */

#define RESCAN "Run `gpufleet scan` again."

/* Documentation/admin-guide/tainted-kernels.rst. */
static const struct {
	int bit;
	char letter;
	bool broken; /* what the kernel does from here on is no longer to be relied on */
	const char *meaning;
} taints[] = {
    {7, 'D', true, "the kernel died (an oops)"},
    {5, 'B', true, "a bad page"},
    {4, 'M', true, "a machine check"},
    {14, 'L', false, "a soft lockup"},
    {9, 'W', false, "a kernel warning"},
    {1, 'F', false, "a module was forced in"},
    {3, 'R', false, "a module was forced out"},
    {0, 'P', false, "a proprietary module"},
    {12, 'O', false, "a module from out of tree"},
    {13, 'E', false, "an unsigned module"},
};

static void check_taint(const struct check_subject *s, struct check_list *list)
{
	struct check_text text = {.used = 0};
	bool broken = false, any = false;

	if (s->facts->taint < 0) {
		check_add(list, CHECK_HOST_TAINT, NULL, CHECK_UNKNOWN,
		          "The kernel's state was not reported.", RESCAN,
		          "/proc/sys/kernel/tainted was not read");
		return;
	}
	for (size_t i = 0; i < sizeof(taints) / sizeof(taints[0]); i++) {
		if (!(s->facts->taint >> taints[i].bit & 1))
			continue;
		check_text_add(&text, "%s%c %s", any ? ", " : "", taints[i].letter,
		               taints[i].meaning);
		any = true;
		broken = broken || taints[i].broken;
	}
	if (broken)
		check_add(list, CHECK_HOST_TAINT, NULL, CHECK_BLOCKED,
		          "The running kernel is damaged: a guest's memory is not safe in it.",
		          "Look into the kernel log for the cause (after a machine check: at the "
		          "hardware), then reboot the host.",
		          "/proc/sys/kernel/tainted is %lld: %s", (long long)s->facts->taint,
		          text.text);
	else if (any)
		check_add(list, CHECK_HOST_TAINT, NULL, CHECK_WARN,
		          "The kernel is tainted: it runs, but its makers would not look at its "
		          "faults.",
		          "Nothing, if you know of it; else look into the kernel log.",
		          "/proc/sys/kernel/tainted is %lld: %s", (long long)s->facts->taint,
		          text.text);
	else
		check_add(list, CHECK_HOST_TAINT, NULL, CHECK_PASS, NULL, NULL,
		          "/proc/sys/kernel/tainted is %lld", (long long)s->facts->taint);
}

static void check_reboot(const struct check_subject *s, struct check_list *list)
{
	struct check_text text = {.used = 0};
	size_t count = json_array_size(s->facts->reboot);

	for (size_t i = 0; i < count && i < 4; i++)
		check_text_add(&text, "%s%.110s", i ? "; " : "",
		               json_string_value(json_array_get(s->facts->reboot, i)));
	if (count > 4)
		check_text_add(&text, "; and %zu more", count - 4);
	if (!s->facts->reboot)
		check_add(list, CHECK_HOST_REBOOT, NULL, CHECK_UNKNOWN,
		          "It could not be seen whether a reboot is pending.", RESCAN,
		          "no pending_reboot in the facts");
	else if (count)
		check_add(list, CHECK_HOST_REBOOT, NULL, CHECK_WARN,
		          "The next boot is not like this one: something was changed since.",
		          "Reboot the host when it suits, and scan again: what is reported here is "
		          "of the boot that runs.",
		          "%s", text.text);
	else
		check_add(list, CHECK_HOST_REBOOT, NULL, CHECK_PASS, NULL, NULL,
		          "nothing that counts at boot is newer than this one");
}

static bool is(const char *text, const char *other)
{
	return text && strcmp(text, other) == 0;
}

static void check_vfio(const struct check_subject *s, struct check_list *list)
{
	const char *pci = s->facts->vfio_pci, *type1 = s->facts->vfio_type1;

	if (!s->facts->vfio_known)
		check_add(list, CHECK_HOST_VFIO, NULL, CHECK_UNKNOWN,
		          "It could not be seen whether the kernel has vfio.", RESCAN,
		          "no vfio in the facts");
	else if (is(pci, "absent") || is(type1, "absent"))
		check_add(list, CHECK_HOST_VFIO, NULL, CHECK_BLOCKED,
		          "No kernel that is installed has all of vfio.",
		          "Install the distribution's full kernel (Debian: linux-image-amd64 "
		          "instead of -cloud-; Ubuntu: linux-modules-extra), then run `gpufleet "
		          "scan` again.",
		          "in /lib/modules: vfio-pci %.20s, vfio_iommu_type1 %.20s", pci, type1);
	else if (is(pci, "other") || is(type1, "other"))
		check_add(list, CHECK_HOST_VFIO, NULL, CHECK_PENDING,
		          "The running kernel has no vfio; another one that is installed has.",
		          "Have the host boot the other kernel: `gpufleet apply` reboots it.",
		          "in /lib/modules: vfio-pci %.20s, vfio_iommu_type1 %.20s", pci, type1);
	else
		check_add(list, CHECK_HOST_VFIO, NULL, CHECK_PASS, NULL, NULL,
		          "vfio-pci: %.20s, vfio_iommu_type1: %.20s", pci, type1);
}

static void check_dma_limit(const struct check_subject *s, struct check_list *list)
{
	static const char file[] = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";
	int limit = s->facts->dma_entry_limit;

	if (!s->facts->vfio_known)
		check_add(list, CHECK_HOST_DMA_LIMIT, NULL, CHECK_UNKNOWN,
		          "The limit of DMA mappings was not reported.", RESCAN,
		          "no vfio in the facts");
	else if (limit < 0)
		check_add(list, CHECK_HOST_DMA_LIMIT, NULL, CHECK_PASS, NULL, NULL,
		          "%s is not there (yet): the kernel's own limit holds", file);
	else if (limit < DMA_ENTRIES_NEEDED)
		check_add(list, CHECK_HOST_DMA_LIMIT, NULL, CHECK_BLOCKED,
		          "vfio lets a guest make so few DMA mappings that none can start.",
		          "Take `options vfio_iommu_type1 dma_entry_limit=` out of /etc/modprobe.d "
		          "and off the kernel command line, and reboot.",
		          "%s is %d", file, limit);
	else if (limit < DMA_ENTRIES_DEFAULT)
		check_add(
		    list, CHECK_HOST_DMA_LIMIT, NULL, CHECK_WARN,
		    "vfio lets a guest make fewer DMA mappings than the kernel's default: a "
		    "large or much divided guest may not start.",
		    "Take `options vfio_iommu_type1 dma_entry_limit=` out of /etc/modprobe.d.",
		    "%s is %d", file, limit);
	else
		check_add(list, CHECK_HOST_DMA_LIMIT, NULL, CHECK_PASS, NULL, NULL, "%s is %d",
		          file, limit);
}

void checks_state(const struct check_subject *subject, struct check_list *list)
{
	check_taint(subject, list);
	check_reboot(subject, list);
	check_vfio(subject, list);
	check_dma_limit(subject, list);
}
