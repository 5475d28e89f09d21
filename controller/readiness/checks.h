/* checks.h: the single checks behind a verdict, and the list that their results go to.
 * docs/checks.md describes each for operators.
 */
#ifndef GPUFLEET_CHECKS_H
#define GPUFLEET_CHECKS_H

#include <stdbool.h>
#include <stddef.h>

#include "controller/readiness/host_facts.h"
#include "controller/readiness/iommu_predict.h"
#include "controller/readiness/selection.h"

#define CHECKS(X)                                                                                  \
	X(CHECK_HOST_FACTS, "host.facts")                                                          \
	X(CHECK_HOST_ARCH, "host.arch")                                                            \
	X(CHECK_HOST_GPUS, "host.gpus")                                                            \
	X(CHECK_HOST_GUESTS, "host.guests")                                                        \
	X(CHECK_HOST_LOCKDOWN, "host.lockdown")                                                    \
	X(CHECK_HOST_SECURE_BOOT, "host.secure-boot")                                              \
	X(CHECK_HOST_TAINT, "host.taint")                                                          \
	X(CHECK_HOST_REBOOT, "host.pending-reboot")                                                \
	X(CHECK_HOST_VFIO, "host.vfio")                                                            \
	X(CHECK_HOST_DMA_LIMIT, "host.dma-limit")                                                  \
	X(CHECK_CPU_VIRTUALIZATION, "cpu.virtualization")                                          \
	X(CHECK_IOMMU_TABLES, "iommu.tables")                                                      \
	X(CHECK_IOMMU_GROUPS, "iommu.groups")                                                      \
	X(CHECK_IOMMU_INTERRUPTS, "iommu.interrupt-remapping")                                     \
	X(CHECK_DEVICE_IN_USE, "device.in-use")                                                    \
	X(CHECK_DEVICE_HOLDERS, "device.holders")                                                  \
	X(CHECK_DEVICE_HOST_DEVICE, "device.host-device")                                          \
	X(CHECK_DEVICE_IOMMU_GROUP, "device.iommu-group")                                          \
	X(CHECK_DEVICE_GROUP_VIABLE, "device.group-viable")                                        \
	X(CHECK_DEVICE_GROUP_PREDICTED, "device.group-predicted")                                  \
	X(CHECK_DEVICE_DRIVER, "device.driver")                                                    \
	X(CHECK_DEVICE_EARLY, "device.early-binding")                                              \
	X(CHECK_DEVICE_SIBLINGS, "device.siblings")                                                \
	X(CHECK_DEVICE_RESERVED, "device.reserved-regions")                                        \
	X(CHECK_DEVICE_SRIOV, "device.sriov")                                                      \
	X(CHECK_DEVICE_VGPU, "device.vgpu")                                                        \
	X(CHECK_DEVICE_BARS, "device.bars")                                                        \
	X(CHECK_DEVICE_RESET, "device.reset")                                                      \
	X(CHECK_DEVICE_POWER, "device.power")                                                      \
	X(CHECK_DEVICE_ACS, "device.acs-path")                                                     \
	X(CHECK_DEVICE_CONSOLE, "device.boot-console")                                             \
	X(CHECK_DEVICE_TWIN, "device.twin")                                                        \
	X(CHECK_DEVICE_NUMA, "device.numa")                                                        \
	X(CHECK_DEVICE_NVSWITCH, "device.nvswitch")                                                \
	X(CHECK_DEVICE_PROBE, "device.probe")                                                      \
	X(CHECK_NOVA_RELEASE, "nova.release")                                                      \
	X(CHECK_NOVA_SERVICE, "nova.service")                                                      \
	X(CHECK_NOVA_FILES, "nova.files")                                                          \
	X(CHECK_NOVA_CONFIG, "nova.config")                                                        \
	X(CHECK_NOVA_ALIAS, "nova.alias")                                                          \
	X(CHECK_NOVA_FILTER, "nova.filter")

enum check_id {
#define X(id, name) id,
	CHECKS(X)
#undef X
	    CHECK_COUNT
};

enum check_status {
	CHECK_PASS,
	CHECK_WARN,
	CHECK_PENDING, /* fails now; apply mends it ("fail" in the report) */
	CHECK_BLOCKED, /* fails, and no stage of ours can mend it ("fail" in the report) */
	CHECK_UNKNOWN,
};

struct check {
	enum check_id id;
	const char *device; /* address, or NULL: about the host */
	enum check_status status;
	const char *evidence;    /* what was observed; printable ASCII; the list's */
	const char *cause, *fix; /* constants; "" when it passed */
};

struct check_list {
	struct check *items;
	size_t count, size;
	struct check_texts *texts; /* the evidence */
	bool failed;               /* out of memory */
};

/* What a check looks at. */
struct check_subject {
	const struct inventory_host *host;
	const struct host_facts *facts;
	const struct selection *selection;
	const struct iommu_prediction *prediction; /* of these facts */
	/* By selection index: cards that stay with the host since one of their functions is
	 * blocked; NULL: none. */
	const bool *left_out;
};

const char *check_name(enum check_id id);
void check_add(struct check_list *list, enum check_id id, const char *device,
               enum check_status status, const char *cause, const char *fix, const char *format,
               ...) __attribute__((format(printf, 7, 8)));
void check_list_free(struct check_list *list);

/* CHECK as the report has it, a new reference. */
json_t *check_json(const struct check *check);

/* Is the IOMMU at work? Its effects say so, never the command line. */
enum fact checks_iommu_works(const struct host_facts *facts);
bool checks_cmdline_has(const struct host_facts *facts, const char *token);

/* Is the device selected and not ignored? */
bool checks_is_wanted(const struct check_subject *subject, const char *address);

/* Does the device go to guests, seen from CARD (a primary's address; NULL: from anywhere): wanted,
 * and its card not left out? A card's own functions count as going with it, so that what blocks a
 * card is not that it is blocked. */
bool checks_goes_to_guests(const struct check_subject *subject, const char *address,
                           const char *card);

/* Does OTHER, of ITEM's group now or to come, keep it from guests? 2: a device that nobody wants;
 * 1: a card that is only left out because of it; 0: no. */
int checks_hinders(const struct check_subject *s, const struct selection_device *item,
                   const struct host_facts_device *other);

/* Is DEVICE's group only predicted so far, since no IOMMU is at work? */
bool checks_group_is_predicted(const struct host_facts *facts,
                               const struct host_facts_device *device);

/* Why ITEM's group can't go to guests, and what to do, where HINDERER is in it, or (PREDICTED) will
 * be: the cause and the fix of device.group-viable. */
void checks_group_hindered(const struct check_subject *s, const struct selection_device *item,
                           const struct host_facts_device *hinderer, bool predicted,
                           const char **cause, const char **fix);

/* device.group-viable for a device whose group is only predicted. */
void checks_group_predict(const struct check_subject *subject, const struct selection_device *item,
                          const struct host_facts_device *device, struct check_list *list);
/* device.group-predicted: is the group what was to be expected? Says nothing where it can't be
 * known.
 */
void checks_group_compare(const struct check_subject *subject,
                          const struct host_facts_device *device, struct check_list *list);

void checks_host(const struct check_subject *subject, struct check_list *list);
/* All checks of one device that is not ignored; what makes it unassignable first. */
void checks_device(const struct check_subject *subject, const struct selection_device *item,
                   struct check_list *list);
/* The parts of checks_device. checks_use.c: who uses it; checks_hardware.c: the card, its slot and
 * the firmware; checks_sharing.c: what divides a card, or ties it to others; checks_boot.c: what
 * binds it at the next boot. */
void checks_use(const struct check_subject *subject, const struct host_facts_device *device,
                struct check_list *list);
void checks_hardware(const struct check_subject *subject, const struct selection_device *item,
                     const struct host_facts_device *device, struct check_list *list);
void checks_sharing(const struct check_subject *subject, const struct selection_device *item,
                    const struct host_facts_device *device, struct check_list *list);
void checks_boot(const struct check_subject *subject, const struct host_facts_device *device,
                 struct check_list *list);
void check_probe(const struct host_facts_device *device, struct check_list *list);

/* The part of checks_host that is about the kernel's state (checks_state.c). */
void checks_state(const struct check_subject *subject, struct check_list *list);

/* A short text in parts: what does not fit is left out. */
struct check_text {
	char text[480];
	size_t used;
};
void check_text_add(struct check_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
