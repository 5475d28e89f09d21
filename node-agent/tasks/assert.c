/* assert.c: what must hold before a stage may change anything, or must hold in the end. Effects are
 * looked at, never settings. What is unknown (null in the facts) is not held against the host. */
#include <stdio.h>
#include <string.h>

#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"
#include "node-agent/wire/json_text.h"

struct check {
	const char *name;
	bool late; /* only true after the stages before it: not asked by plan */
	/* 1 holds, 0 does not (WHY says what to do), -1 unknown */
	int (*holds)(const struct task_run *run, char *why, size_t size);
};

static const json_t *host_fact(const struct task_run *run, const char *key)
{
	return json_object_get(json_object_get(run->ctx->facts, "host"), key);
}

static int cpu_virtualization(const struct task_run *run, char *why, size_t size)
{
	const json_t *fact = host_fact(run, "cpu_virtualization");

	snprintf(
	    why, size,
	    "the CPU offers no virtualization: enable VT-x or AMD-V (SVM) in the firmware setup");
	return json_is_boolean(fact) ? json_is_true(fact) : -1;
}

static int iommu_tables(const struct task_run *run, char *why, size_t size)
{
	const json_t *fact = json_object_get(host_fact(run, "iommu"), "tables");

	snprintf(why, size,
	         "the firmware describes no IOMMU (no DMAR or IVRS table): enable VT-d or AMD-Vi "
	         "(IOMMU) "
	         "in the firmware setup");
	return json_is_array(fact) ? json_array_size(fact) > 0 : -1;
}

static int interrupt_remapping(const struct task_run *run, char *why, size_t size)
{
	const json_t *fact = json_object_get(host_fact(run, "iommu"), "interrupt_remapping");

	snprintf(why, size,
	         "interrupts are not remapped: enable it in the firmware setup (x2APIC or VT-d "
	         "settings)");
	return json_is_boolean(fact) ? json_is_true(fact) : -1;
}

static const json_t *device_fact(const struct task_run *run, const char *address)
{
	size_t i;
	const json_t *device;

	json_array_foreach(fact_devices(run->ctx), i, device)
	{
		if (strcmp(json_text(device, "address"), address) == 0)
			return device;
	}
	return NULL;
}

static int iommu_groups(const struct task_run *run, char *why, size_t size)
{
	for (size_t i = 0; i < wanted_count(run->ctx); i++) {
		struct wanted_device device;
		if (wanted_get(run->ctx, i, &device, NULL) != 0)
			return 0;
		snprintf(why, size,
		         "%s is in no IOMMU group: the IOMMU is off; look at the kernel command "
		         "line and the "
		         "firmware setup",
		         device.address);
		const json_t *group =
		    json_object_get(device_fact(run, device.address), "iommu_group");
		if (!json_is_integer(group))
			return 0;
	}
	return 1;
}

static bool driver_is_safe(const char *driver)
{
	return !*driver || strncmp(driver, "vfio", 4) == 0 || strcmp(driver, "pci-stub") == 0 ||
	       strstr(driver, "vfio") != NULL;
}

/* Does no other driver of the host share a group with a wanted device? */
static int groups_viable(const struct task_run *run, char *why, size_t size)
{
	size_t j;
	const json_t *other;

	for (size_t i = 0; i < wanted_count(run->ctx); i++) {
		struct wanted_device device;
		if (wanted_get(run->ctx, i, &device, NULL) != 0)
			return 0;
		const json_t *group =
		    json_object_get(device_fact(run, device.address), "iommu_group");
		json_array_foreach(fact_devices(run->ctx), j, other)
		{
			const char *address = json_text(other, "address");
			char driver[64];
			if (!json_is_integer(group) || wanted_has(run->ctx, address) ||
			    !json_equal(json_object_get(other, "iommu_group"), group) ||
			    strcmp(json_text(other, "header"), "bridge") == 0)
				continue;
			wanted_driver(run->ctx, address, driver, sizeof(driver));
			if (driver_is_safe(driver))
				continue;
			snprintf(why, size,
			         "%s shares its IOMMU group with %s, which the host uses (%s): "
			         "move the card to "
			         "another slot",
			         device.address, address, driver);
			return 0;
		}
	}
	return 1;
}

static int devices_driver(const struct task_run *run, char *why, size_t size)
{
	const char *driver = task_text(run, "driver", "vfio-pci");

	for (size_t i = 0; i < wanted_count(run->ctx); i++) {
		struct wanted_device device;
		char now[64];
		if (wanted_get(run->ctx, i, &device, NULL) != 0)
			return 0;
		wanted_driver(run->ctx, device.address, now, sizeof(now));
		snprintf(why, size, "%s is on %s instead of %s: look at \"dmesg | grep %s\"",
		         device.address, *now ? now : "no driver", driver, device.address);
		if (strcmp(now, driver) != 0)
			return 0;
	}
	return 1;
}

static const struct check checks[] = {
    {"cpu.virtualization", false, cpu_virtualization},
    {"iommu.tables", false, iommu_tables},
    {"iommu.firmware", false, iommu_tables},
    {"iommu.enabled", true, iommu_groups},
    {"iommu.groups", true, iommu_groups},
    {"iommu.group_viable", true, groups_viable},
    {"iommu.interrupt_remapping", true, interrupt_remapping},
    {"devices.driver", true, devices_driver},
};

int assert_task(struct task_run *run, struct gf_err *err)
{
	const char *name = task_text(run, "check", "");

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		char why[400] = "";
		if (strcmp(checks[i].name, name) != 0)
			continue;
		if (wanted_count(run->ctx) == 0)
			return task_say(run, TASK_OK, "no wanted device on this host");
		if (checks[i].late && run->mode == TASK_PLAN)
			return task_say(run, TASK_OK, "%s is proven when this stage is applied",
			                name);
		int holds = checks[i].holds(run, why, sizeof(why));
		if (holds != 0)
			return task_say(run, TASK_OK, "%s%s", name,
			                holds < 0 ? ": unknown on this host" : "");
		const char *message =
		    task_text(run, "message", NULL); /* the playbook's own words */
		if (message)
			snprintf(why, sizeof(why), "%s", message);
		if (run->mode == TASK_VERIFY)
			return task_say(run, TASK_CHANGE, "%s", why);
		return task_say(run, checks[i].late ? TASK_FAILED : TASK_BLOCKED, "%s", why);
	}
	return gf_err_set(err, GF_E_TASK, "there is no check \"%s\"", name);
}
