/* iommu_predict.h: which devices will be one IOMMU group once the IOMMU is on, worked out from the
 * facts of a boot without it as the kernel does from the hardware (pci_device_group in
 * drivers/iommu/iommu.c). Nothing that this reads changes when the IOMMU is switched on, so the
 * facts of a boot with it give the same answer, and that boot's own groups show whether it was
 * right.
 */
#ifndef GPUFLEET_IOMMU_PREDICT_H
#define GPUFLEET_IOMMU_PREDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "controller/readiness/host_facts.h"

struct iommu_prediction {
	const struct host_facts *facts; /* borrowed */
	size_t group_count;
	size_t *groups; /* of each device, by its index in facts->devices */
	/* Group g is members[starts[g]] to members[starts[g + 1] - 1], by address. */
	size_t *starts, *members;
	size_t *doubts;    /* by group: the first device that the facts say too little of;
	                      facts->device_count: none, the group is certain */
	const char *token; /* on the kernel command line, changes what is switched on: then no
	                      group is certain; NULL */
};

/* Fills *out from FACTS (borrowed as long as *out lives). -1 only when out of memory. */
int iommu_predict(const struct host_facts *facts, struct iommu_prediction *out, struct gf_err *err);
void iommu_prediction_free(struct iommu_prediction *prediction);

/* The indexes of DEVICE's group, itself among them: *count of them, at least one. */
const size_t *iommu_prediction_group(const struct iommu_prediction *prediction,
                                     const struct host_facts_device *device, size_t *count);

/* What keeps DEVICE's group from being certain: a device (the first of them), or NULL. With a token
 * (see above) there may be none and yet no certainty. */
const struct host_facts_device *iommu_prediction_doubt(const struct iommu_prediction *prediction,
                                                       const struct host_facts_device *device);
bool iommu_prediction_certain(const struct iommu_prediction *prediction,
                              const struct host_facts_device *device);

/* DEVICE is in a group now. The first device that shares it although the prediction says that it
 * will not (*joined true), or does not although it should (*joined false); NULL: the two are equal.
 * Devices that are in no group at all (the IOMMU does not cover them) are not compared. */
const struct host_facts_device *iommu_prediction_differs(const struct iommu_prediction *prediction,
                                                         const struct host_facts_device *device,
                                                         bool *joined);

#endif
