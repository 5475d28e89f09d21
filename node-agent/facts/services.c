/* services.c: units that run instances or hold GPUs, where they are installed, and their state. */
#include "node-agent/facts/facts.h"

#include <stdio.h>
#include <string.h>

#include "node-agent/wire/frame.h"

static const char *const unit_names[] = {
    "nova-compute.service",
    "openstack-nova-compute.service",
    "kolla-nova_compute-container.service",
    "edpm_nova_compute.service",
    "tripleo_nova_compute.service",
    "nova-api.service",
    "nova-scheduler.service",
    "libvirtd.service",
    "virtqemud.service",
    "libvirt-guests.service",
    "nvidia-persistenced.service",
    "nvidia-fabricmanager.service",
    "nvidia-dcgm.service",
    "dcgm-exporter.service",
};

#define UNIT_COUNT (sizeof(unit_names) / sizeof(unit_names[0]))

static bool unit_installed(const struct root *root, const char *unit)
{
	static const char *const dirs[] = {"/etc/systemd/system", "/usr/lib/systemd/system",
	                                   "/lib/systemd/system", "/run/systemd/system"};
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char path[256];
		snprintf(path, sizeof(path), "%s/%s", dirs[i], unit);
		if (root_exists(root, path))
			return true;
	}
	return false;
}

/* `systemctl is-active A B` prints one state a line, in order, whatever it exits with. */
static void states_fill(const struct root *root, json_t *services, const char *const argv[])
{
	struct root_output output;
	if (!root_exists(root, "/run/systemd/system") || !root_program_exists(root, "systemctl"))
		return;
	if (root_run(root, argv, 10, &output, NULL) == 0) {
		const char *line = output.text;
		size_t i;
		json_t *service;
		json_array_foreach(services, i, service)
		{
			size_t length = strcspn(line, "\n");
			if (length == 0 || length > 32)
				break;
			json_object_set_new(service, "state", frame_text(line, length));
			line += length + (line[length] == '\n');
		}
	}
	root_output_free(&output);
}

json_t *service_facts(const struct root *root)
{
	const char *argv[UNIT_COUNT + 3] = {"systemctl", "is-active"};
	size_t n = 2;
	json_t *services = json_array();
	for (size_t i = 0; i < UNIT_COUNT; i++) {
		if (!unit_installed(root, unit_names[i]))
			continue;
		argv[n++] = unit_names[i];
		json_array_append_new(services,
		                      json_pack("{s:s,s:n}", "name", unit_names[i], "state"));
	}
	if (n > 2)
		states_fill(root, services, argv);
	return services;
}
