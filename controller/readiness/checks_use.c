/* checks_use.c: who uses a device now, and what the kernel answered when it was asked for it. */
#include <string.h>

#include "controller/readiness/checks.h"

#define HOLDERS_SHOWN 4

static void check_in_use(const struct check_subject *s, const struct host_facts_device *device,
                         struct check_list *list)
{
	const char *guest = host_facts_guest_of(s->facts, device->address);

	if (!s->facts->guests)
		check_add(list, CHECK_DEVICE_IN_USE, device->address, CHECK_UNKNOWN,
		          "It could not be seen whether guests run here.",
		          "Run `gpufleet scan` again.", "no guests in the facts");
	else if (guest)
		check_add(list, CHECK_DEVICE_IN_USE, device->address, CHECK_BLOCKED,
		          "A running guest holds the device.",
		          "Nothing, if that is intended; else migrate or stop the guest.",
		          "held by the guest %.80s", guest);
	else
		check_add(list, CHECK_DEVICE_IN_USE, device->address, CHECK_PASS, NULL, NULL,
		          "no running guest holds it");
}

static void check_holders(const struct check_subject *s, const struct host_facts_device *device,
                          struct check_list *list)
{
	struct check_text text = {.used = 0};
	const json_t *holder;
	size_t i, count = 0;

	json_array_foreach(s->facts->holders, i, holder)
	{
		const char *name = json_string_value(json_object_get(holder, "name"));
		const char *node = json_string_value(json_object_get(holder, "node"));

		if (!host_facts_has(json_object_get(holder, "devices"), device->address))
			continue;
		if (count++ < HOLDERS_SHOWN)
			check_text_add(
			    &text, "%s%.40s (pid %lld, %.40s)", count > 1 ? ", " : "",
			    name ? name : "unnamed",
			    (long long)json_integer_value(json_object_get(holder, "pid")),
			    node ? node : "?");
	}
	if (count > HOLDERS_SHOWN)
		check_text_add(&text, " and %zu more", count - HOLDERS_SHOWN);
	if (!s->facts->holders)
		check_add(list, CHECK_DEVICE_HOLDERS, device->address, CHECK_UNKNOWN,
		          "It could not be seen which processes use the device.",
		          "Run `gpufleet scan` again.", "no holders in the facts");
	else if (count)
		check_add(list, CHECK_DEVICE_HOLDERS, device->address, CHECK_PENDING,
		          "Programs of the host's use the device through its driver: to take it "
		          "from them while they run can hang for ever.",
		          "`gpufleet apply` reboots the host instead; or stop them first.",
		          "open in /proc/PID/fd: %s", text.text);
	else
		check_add(list, CHECK_DEVICE_HOLDERS, device->address, CHECK_PASS, NULL, NULL,
		          "no program of the host's has it open");
}

void checks_use(const struct check_subject *subject, const struct host_facts_device *device,
                struct check_list *list)
{
	check_in_use(subject, device, list);
	check_holders(subject, device, list);
}

void check_probe(const struct host_facts_device *device, struct check_list *list)
{
	const char *result = device->probe_result;
	const char *step = device->probe_step ? device->probe_step : "?";
	const char *message = device->probe_message ? device->probe_message : "";

	if (!result)
		return; /* nobody asked */
	if (strcmp(result, "ok") == 0)
		check_add(list, CHECK_DEVICE_PROBE, device->address, CHECK_PASS, NULL, NULL,
		          "the kernel gave it away and took it back: %.160s", message);
	else if (strcmp(result, "skipped") == 0)
		check_add(list, CHECK_DEVICE_PROBE, device->address, CHECK_UNKNOWN,
		          "The device was not asked for: the other checks say why it could not be.",
		          "", "%.160s", message);
	else if (strcmp(result, "hung") == 0)
		check_add(list, CHECK_DEVICE_PROBE, device->address, CHECK_BLOCKED,
		          "The kernel did not come back from the request for the device.",
		          "Look into the kernel log; power-cycle the host (a reboot may hang, "
		          "too).",
		          "%.40s: %.160s", step, message);
	else
		check_add(list, CHECK_DEVICE_PROBE, device->address, CHECK_BLOCKED,
		          "The kernel refuses the device to whoever asks, as it would to a guest.",
		          "The kernel log says why (`dmesg | grep -i vfio`); the other checks may, "
		          "too.",
		          "%.40s: %.160s", step, message);
}
