/* host.c: the host itself: names, kernel, processor, distribution. */
#include "node-agent/facts/facts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "node-agent/wire/frame.h"

void host_boot_id(const struct root *root, char boot_id[HOST_BOOT_ID_SIZE])
{
	root_read_line(root, "/proc/sys/kernel/random/boot_id", boot_id, HOST_BOOT_ID_SIZE);
}

static void set_line(const struct root *root, json_t *host, const char *key, const char *path)
{
	char line[4096];
	root_read_line(root, path, line, sizeof(line));
	facts_set_text(host, key, line);
}

static void set_hostname(const struct root *root, json_t *host)
{
	char name[256];
	if (root_read_line(root, "/proc/sys/kernel/hostname", name, sizeof(name)) != 0)
		root_read_line(root, "/etc/hostname", name, sizeof(name));
	facts_set_text(host, "hostname", name);
}

/* The value of a "key : value" line of /proc/cpuinfo, or NULL. */
static const char *cpuinfo_value(const char *line, const char *key)
{
	size_t length = strlen(key);
	if (strncmp(line, key, length) != 0 ||
	    (line[length] != '\t' && line[length] != ' ' && line[length] != ':'))
		return NULL;
	const char *colon = strchr(line, ':');
	return colon ? colon + 1 + strspn(colon + 1, " \t") : NULL;
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);
	for (const char *p = text; (p = strstr(p, word)); p += length)
		if ((p == text || p[-1] == ' ') && (p[length] == ' ' || p[length] == '\0'))
			return true;
	return false;
}

static void set_cpu(const struct root *root, json_t *host)
{
	const char *vendor = NULL;
	bool virtualization = false;
	json_int_t cpus = 0;
	char *text = root_read_file(root, "/proc/cpuinfo", (size_t)16 << 20, NULL, NULL);
	char *save = NULL;
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *value;
		if ((value = cpuinfo_value(line, "processor")) && isdigit((unsigned char)*value))
			cpus++;
		else if ((value = cpuinfo_value(line, "vendor_id")) && !vendor)
			vendor = value;
		else if (cpus <= 1 && (value = cpuinfo_value(line, "flags")))
			virtualization = has_word(value, "vmx") || has_word(value, "svm");
	}
	const char *name = "other";
	if (vendor && strcmp(vendor, "GenuineIntel") == 0)
		name = "intel";
	else if (vendor &&
	         (strcmp(vendor, "AuthenticAMD") == 0 || strcmp(vendor, "HygonGenuine") == 0))
		name = "amd";
	json_object_set_new(host, "cpu_vendor", json_string(name));
	json_object_set_new(host, "cpu_virtualization",
	                    text ? json_boolean(virtualization) : json_null());
	json_object_set_new(host, "cpus", text ? json_integer(cpus) : json_null());
	free(text);
}

static void set_memory(const struct root *root, json_t *host)
{
	char *text = root_read_file(root, "/proc/meminfo", 65536, NULL, NULL);
	const char *total = text ? strstr(text, "MemTotal:") : NULL;
	json_object_set_new(host, "memory_kb",
	                    total ? json_integer(strtoll(total + strlen("MemTotal:"), NULL, 10))
	                          : json_null());
	free(text);
}

/* KEY=value, KEY="value" of os-release. */
static void set_os_release(json_t *distribution, const char *key, const char *text,
                           const char *variable)
{
	size_t length = strlen(variable);
	for (const char *line = text; line && *line;
	     line = strchr(line, '\n'), line += line ? 1 : 0) {
		if (strncmp(line, variable, length) != 0 || line[length] != '=')
			continue;
		const char *value = line + length + 1;
		size_t size = strcspn(value, "\n");
		if (size >= 2 && (*value == '"' || *value == '\'') && value[size - 1] == *value) {
			value++;
			size -= 2;
		}
		json_object_set_new(distribution, key, frame_text(value, size));
		return;
	}
	json_object_set_new(distribution, key, json_null());
}

static json_t *distribution_value(const struct root *root)
{
	char *text = root_read_file(root, "/etc/os-release", 65536, NULL, NULL);
	if (!text)
		text = root_read_file(root, "/usr/lib/os-release", 65536, NULL, NULL);
	json_t *distribution = json_object();
	set_os_release(distribution, "id", text, "ID");
	set_os_release(distribution, "version", text, "VERSION_ID");
	set_os_release(distribution, "name", text, "PRETTY_NAME");
	free(text);
	return distribution;
}

/* "none [integrity] confidentiality" */
static void set_lockdown(const struct root *root, json_t *host)
{
	char line[128];
	root_read_line(root, "/sys/kernel/security/lockdown", line, sizeof(line));
	char *mode = strchr(line, '[');
	if (mode) {
		mode++;
		mode[strcspn(mode, "]")] = '\0';
	}
	facts_set_text(host, "lockdown", mode);
}

/* "0 EFI VGA" lines. */
static json_t *framebuffers_value(const struct root *root)
{
	json_t *names = json_array();
	char *text = root_read_file(root, "/proc/fb", 65536, NULL, NULL);
	char *save = NULL;
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *name = strchr(line, ' ');
		if (name)
			json_array_append_new(names, frame_text(name + 1, strlen(name + 1)));
	}
	free(text);
	return names;
}

static void set_kernel(const struct root *root, json_t *host)
{
	char kernel[256], boot_id[HOST_BOOT_ID_SIZE], line[64];
	struct utsname uts;
	host_boot_id(root, boot_id);
	facts_set_text(host, "boot_id", boot_id);
	root_read_line(root, "/proc/sys/kernel/osrelease", kernel, sizeof(kernel));
	facts_set_text(host, "kernel", kernel);
	facts_set_text(host, "arch", uname(&uts) == 0 ? uts.machine : NULL);
	set_line(root, host, "cmdline", "/proc/cmdline");
	bool tainted = root_read_line(root, "/proc/sys/kernel/tainted", line, sizeof(line)) == 0;
	json_object_set_new(host, "taint",
	                    tainted ? json_integer(strtoll(line, NULL, 10)) : json_null());
	if (strchr(kernel, '/'))
		kernel[0] = '\0';
	json_object_set_new(host, "vfio", vfio_facts(root, kernel));
	json_object_set_new(host, "pending_reboot", reboot_facts(root, kernel));
	json_object_set_new(host, "early_binding", early_facts(root, kernel));
	json_object_set_new(host, "modules",
	                    json_pack("{s:o,s:o}", "loaded", module_list_loaded(root), "builtin",
	                              module_list_builtin(root, kernel)));
}

/* Who uses devices: one look at the open files of all processes. */
static void set_users(const struct root *root, json_t *host)
{
	struct holders *holders = holders_open(root);
	json_object_set_new(host, "guests", guest_facts(root, holders));
	json_t *list = holders_close(holders);
	/* Where /proc could not be listed, nobody was seen for that reason. */
	bool seen = json_is_array(json_object_get(host, "guests"));
	json_object_set(host, "holders", seen ? list : json_null());
	json_decref(list);
}

json_t *host_facts(const struct root *root)
{
	json_t *host = json_object();
	set_hostname(root, host);
	set_kernel(root, host);
	set_cpu(root, host);
	set_memory(root, host);
	json_object_set_new(host, "numa", numa_facts(root));
	json_object_set_new(host, "distribution", distribution_value(root));
	facts_set_text(host, "boot_loader", platform_boot_loader(root));
	facts_set_text(host, "boot_tool", platform_boot_tool(root));
	facts_set_text(host, "initramfs", platform_initramfs(root));
	json_object_set_new(host, "secure_boot", platform_secure_boot(root));
	set_lockdown(root, host);
	json_object_set_new(host, "iommu", platform_iommu(root));
	set_users(root, host);
	json_object_set_new(host, "services", service_facts(root));
	json_object_set_new(host, "framebuffers", framebuffers_value(root));
	return host;
}
