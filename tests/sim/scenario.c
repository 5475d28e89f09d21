/* scenario.c: reads a scenario and the host kinds it names into struct sim_host. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text(const json_t *object, const char *key, const char *fallback)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : fallback;
}

static long number(const json_t *object, const char *key, long fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? (long)json_integer_value(value) : fallback;
}

static bool flag(const json_t *object, const char *key, bool fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

static json_t *load(const char *path)
{
	json_error_t error;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		sim_die("%s:%d: %s", path, error.line, error.text);
	return root;
}

/* "mem32:16M", "pref64:256M", "io:128", "" */
static void bar_parse(struct sim_bar *bar, const char *spec)
{
	const char *colon = strchr(spec, ':');
	char *unit;

	if (!colon)
		return;
	bar->size = strtoull(colon + 1, &unit, 10);
	bar->size <<= *unit == 'G' ? 30 : *unit == 'M' ? 20 : *unit == 'K' ? 10 : 0;
	bar->io = !strncmp(spec, "io:", 3);
	bar->prefetchable = !strncmp(spec, "pref", 4);
	bar->wide = strstr(spec, "64:") != NULL;
}

static const char *const *default_bars(unsigned class_code)
{
	static const char *const none[SIM_BARS] = {"", "", "", "", "", ""};
	static const char *const gpu[SIM_BARS] = {"mem32:16M", "pref64:256M", "", "pref64:32M",
	                                          "",          "io:128"};
	static const char *const small[SIM_BARS] = {"mem32:16K", "", "", "", "", ""};

	if (class_code >> 16 == 0x06)
		return none;
	return class_code >> 16 == 0x03 ? gpu : small;
}

static void device_parse(struct sim_device *device, const json_t *spec, const char *where)
{
	const json_t *bars = json_object_get(spec, "bars");
	const char *const *standard;

	snprintf(device->address, sizeof(device->address), "%s", text(spec, "address", ""));
	if (sscanf(text(spec, "id", ""), "%x:%x", &device->vendor, &device->device) != 2 ||
	    strlen(device->address) != 12)
		sim_die("kind %s: a device needs address and id", where);
	sscanf(text(spec, "subsystem", "0000:0000"), "%x:%x", &device->subsystem_vendor,
	       &device->subsystem_device);
	device->class_code = (unsigned)strtoul(text(spec, "class", "000000"), NULL, 16);
	device->revision = (unsigned)strtoul(text(spec, "revision", "a1"), NULL, 16);
	device->group = (int)number(spec, "group", -1);
	device->numa_node = (int)number(spec, "numa_node", -1);
	device->secondary_bus = (int)number(spec, "secondary", -1);
	device->bridge = device->secondary_bus >= 0;
	device->boot_vga = flag(spec, "boot_vga", false);
	device->acs = flag(spec, "acs", false);
	device->pcie = flag(spec, "pcie", true);
	device->power_management = flag(spec, "power_management", true);
	device->sriov_total = (unsigned)number(spec, "sriov", 0);
	device->serial = strtoull(text(spec, "serial", "0"), NULL, 16);
	snprintf(device->reserved, sizeof(device->reserved), "%s", text(spec, "reserved", ""));
	snprintf(device->power_state, sizeof(device->power_state), "%s",
	         text(spec, "power_state", "D0"));
	snprintf(device->reset_method, sizeof(device->reset_method), "%s",
	         text(spec, "reset_method", device->bridge ? "" : "flr bus"));
	standard = default_bars(device->class_code);
	for (size_t i = 0; i < SIM_BARS; i++) {
		const char *bar = json_string_value(json_array_get(bars, i));

		bar_parse(&device->bars[i], bar ? bar : json_is_array(bars) ? "" : standard[i]);
	}
}

static void faults_parse(struct sim_faults *faults, const json_t *spec)
{
	faults->refuse = flag(spec, "refuse", false);
	faults->hang = flag(spec, "hang", false);
	faults->deny_auth = flag(spec, "deny_auth", false);
	faults->change_host_key = flag(spec, "change_host_key", false);
	faults->change_key_after_reboot = flag(spec, "change_key_after_reboot", false);
	faults->never_return = flag(spec, "never_return", false);
	faults->read_only_etc = flag(spec, "read_only_etc", false);
	faults->no_space = flag(spec, "no_space", false);
	faults->cut_after = number(spec, "cut_after", 0);
	faults->cut_times = (int)number(spec, "cut_times", 1);
	faults->bytes_per_second = number(spec, "bytes_per_second", 0);
}

static void host_parse(struct sim *sim, struct sim_host *host, const json_t *spec)
{
	const char *kind = text(spec, "kind", "");
	const json_t *devices, *value;

	host->scenario = spec;
	host->kind = json_object_get(sim->kinds, kind);
	if (!host->kind)
		sim_die("host %s: there is no kind '%s' in kinds.json", host->name, kind);
	sim_path(host->directory, "%.800s/hosts/%s", sim->directory, host->name);
	sim_path(host->root, "%.900s/root", host->directory);
	sim_path(host->control, "%.900s/control", host->directory);
	snprintf(host->cpu, sizeof(host->cpu), "%s", text(host->kind, "cpu", "intel"));
	snprintf(host->kernel, sizeof(host->kernel), "%s",
	         text(host->kind, "kernel", SIM_ROOTFS_KERNEL));
	host->firmware_iommu = flag(host->kind, "firmware_iommu", true);
	host->iommu_default = flag(host->kind, "iommu_default", true);
	value = json_object_get(spec, "boot_seconds");
	host->boot_seconds = json_is_number(value) ? json_number_value(value) : sim->boot_seconds;
	snprintf(host->address, sizeof(host->address), "%s", text(spec, "address", "127.0.0.1"));
	host->port = (uint16_t)number(spec, "port", 0);
	host->record = flag(spec, "record", false);
	faults_parse(&host->faults, json_object_get(spec, "faults"));
	devices = json_object_get(host->kind, "devices");
	if (json_is_string(devices)) /* those of another kind */
		devices = json_object_get(json_object_get(sim->kinds, json_string_value(devices)),
		                          "devices");
	host->device_count = json_array_size(devices);
	host->devices = calloc(host->device_count + 1, sizeof(*host->devices));
	if (!host->devices)
		sim_die("out of memory");
	for (size_t i = 0; i < host->device_count; i++)
		device_parse(&host->devices[i], json_array_get(devices, i), kind);
	host->listener = -1;
	host->power = SIM_DOWN;
	for (size_t i = 0; i < SIM_SESSIONS_MAX; i++)
		host->sessions[i] = -1;
}

void scenario_load(struct sim *sim, const char *path)
{
	const json_t *hosts, *spec, *value;
	size_t index, total = 0;

	sim->scenario = load(path);
	sim->kinds = load(SIM_SOURCE_DIR "/kinds.json");
	value = json_object_get(sim->scenario, "boot_seconds");
	sim->boot_seconds = json_is_number(value) ? json_number_value(value) : 1;
	value = json_object_get(sim->scenario, "shutdown_seconds");
	sim->shutdown_seconds = json_is_number(value) ? json_number_value(value) : 0.3;
	sim->agent_bundle = text(sim->scenario, "agent_bundle", NULL);
	hosts = json_object_get(sim->scenario, "hosts");
	json_array_foreach(hosts, index, spec) total += (size_t)number(spec, "count", 1);
	if (total == 0)
		sim_die("%s: no hosts", path);
	sim->hosts = calloc(total, sizeof(*sim->hosts));
	if (!sim->hosts)
		sim_die("out of memory");
	json_array_foreach(hosts, index, spec)
	{
		long count = number(spec, "count", 0), first = number(spec, "first", 1);
		int digits = (int)number(spec, "digits", 2);
		const char *name = text(spec, "name", "");

		if (!*name)
			sim_die("%s: host %zu has no name", path, index);
		for (long i = 0; i < (count ? count : 1); i++) {
			struct sim_host *host = &sim->hosts[sim->host_count++];

			if (count)
				snprintf(host->name, sizeof(host->name), "%.40s%0*ld", name, digits,
				         first + i);
			else
				snprintf(host->name, sizeof(host->name), "%s", name);
			host_parse(sim, host, spec);
		}
	}
}
