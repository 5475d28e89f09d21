/* task_table.c: see task_table.h. Values are only checked here: tasks go to the agent as JSON. */
#include "playbooks/task_table.h"

#include <string.h>

#include "inventory/text_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIST_MAX     1000
#define CONTENT_MAX  (1u << 20)

static const char *const cpu_vendors[] = {"intel", "amd", "other", NULL};
static const char *const boot_loaders[] = {"grub", "systemd-boot", NULL};
static const char *const boot_tools[] = {"update-grub",    "grubby",         "grub2-mkconfig-bls",
                                         "grub2-mkconfig", "kernel-install", NULL};
static const char *const initramfs_tools[] = {"initramfs-tools", "dracut", "mkinitcpio", NULL};
static const char *const checks[] = {"cpu.virtualization",
                                     "iommu.tables",
                                     "iommu.firmware",
                                     "iommu.enabled",
                                     "iommu.groups",
                                     "iommu.group_viable",
                                     "iommu.interrupt_remapping",
                                     "devices.driver",
                                     NULL};
static const char *const states[] = {"started", "stopped", NULL};
static const char *const nova_services[] = {"nova-compute", "nova-api", "nova-scheduler",
                                            "nova-conductor", NULL};

/* One value or a list of them. */
static int read_condition(struct field_reader *reader, const struct json_path *at,
                          const json_t *value, const struct field *field, void *out)
{
	size_t i;
	const json_t *item;
	field_read_fn *read = field->max ? field_choice : field_text;
	if (!json_is_array(value))
		return read(reader, at, value, field, out);
	if (json_array_size(value) == 0)
		return field_mismatch(reader, at, value, "a value or a list of at least one");
	json_array_foreach(value, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		if (read(reader, &here, item, field, out) < 0)
			return -1;
	}
	return 0;
}

/* max 1: rule is a list of choices; 0: a text_rule. */
static const struct field when_fields[] = {
    {.name = "cpu_vendor", .read = read_condition, .rule = cpu_vendors, .max = 1},
    {.name = "distribution", .read = read_condition, .rule = &rule_name},
    {.name = "boot_loader", .read = read_condition, .rule = boot_loaders, .max = 1},
    {.name = "boot_tool", .read = read_condition, .rule = boot_tools, .max = 1},
    {.name = "initramfs", .read = read_condition, .rule = initramfs_tools, .max = 1},
};
static const struct field_set when_set = {when_fields, COUNT(when_fields)};

static bool never_blacklisted(const char *text)
{
	static const char *const kept[] = {"snd_hda_intel", "snd-hda-intel", "xhci",     "xhci_hcd",
	                                   "xhci-hcd",      "xhci_pci",      "xhci-pci", "nvme",
	                                   "nvme_core",     "nvme-core"};
	for (size_t i = 0; i < COUNT(kept); i++)
		if (!strcmp(text, kept[i]))
			return true;
	return false;
}

static bool blacklist_valid(const char *text)
{
	return rule_module.valid(text) && !never_blacklisted(text);
}

static bool modprobe_line_valid(const char *text)
{
	static const char *const verbs[] = {"options ",   "softdep ", "alias ",
	                                    "blacklist ", "install ", "remove "};
	if (!rule_line.valid(text) || strlen(text) > 1000)
		return false;
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (!strncmp(text, verbs[i], strlen(verbs[i])))
			return strcmp(verbs[i], "blacklist ") || !never_blacklisted(text + 10);
	return false;
}

static bool driver_valid(const char *text)
{
	return !strcmp(text, "vfio-pci");
}

static bool program_valid(const char *text)
{
	return *text != '-' && rule_line.valid(text);
}

static const struct text_rule rule_blacklist = {
    "a kernel module that may be blacklisted (snd_hda_intel, xhci and nvme never)", blacklist_valid,
    NULL};
static const struct text_rule rule_modprobe = {
    "a modprobe.d line: options, softdep, alias, blacklist, install or remove with what follows "
    "(snd_hda_intel, xhci and nvme are never blacklisted)",
    modprobe_line_valid, NULL};
static const struct text_rule rule_driver = {"\"vfio-pci\"", driver_valid, NULL};
static const struct text_rule rule_program = {"an argument of a program", program_valid, NULL};

static int read_argv(struct field_reader *reader, const struct json_path *at, const json_t *value,
                     const struct field *field, void *out)
{
	if (field_argv(reader, at, value, field, out) < 0)
		return -1;
	struct json_path first = {.parent = at, .index = 0};
	if (!program_valid(json_string_value(json_array_get(value, 0))))
		return field_mismatch(reader, &first, json_array_get(value, 0), rule_program.what);
	return 0;
}

static int read_content(struct field_reader *reader, const struct json_path *at,
                        const json_t *value, const struct field *field, void *out)
{
	(void)field, (void)out;
	if (!json_is_string(value) || json_string_length(value) > CONTENT_MAX)
		return field_mismatch(reader, at, value, "the file's text, at most 1 MiB");
	return 0;
}

/* Seconds, or "90s", "10m", "1h": what the agent takes. */
static int read_timeout(struct field_reader *reader, const struct json_path *at,
                        const json_t *value, const struct field *field, void *out)
{
	static const char what[] = "seconds from 1 to 86400, or such as \"90s\", \"10m\" or \"1h\"";
	const char *text = json_string_value(value);
	unsigned seconds = 0;
	(void)out;
	if (json_is_integer(value) && json_integer_value(value) >= 1 &&
	    json_integer_value(value) <= 86400)
		return 0;
	if (!text || !*text || text[strlen(text) - 1] == 'd')
		return field_mismatch(reader, at, value, what);
	struct gf_err ignored;
	struct field_reader quiet = {.source = reader->source, .err = &ignored};
	if (field_duration(&quiet, at, value, field, &seconds) < 0 || seconds > 86400)
		return field_mismatch(reader, at, value, what);
	return 0;
}

#define COMMON                                                                                     \
	{.name = "type", .read = field_any, .required = true},                                     \
	    {.name = "name", .read = field_text, .rule = &rule_line, .required = true},            \
	{                                                                                          \
		.name = "when", .read = field_object, .rule = &when_set                            \
	}

static const struct field load_modules_fields[] = {
    COMMON,
    {.name = "modules",
     .read = field_texts,
     .rule = &rule_module,
     .min = 1,
     .max = LIST_MAX,
     .required = true},
};
static const struct field modprobe_fields[] = {
    COMMON,
    {.name = "lines",
     .read = field_texts,
     .rule = &rule_modprobe,
     .min = 1,
     .max = LIST_MAX,
     .required = true},
};
static const struct field blacklist_fields[] = {
    COMMON,
    {.name = "modules", .read = field_texts, .rule = &rule_blacklist, .min = 1, .max = LIST_MAX},
};
static const struct field vendor_services_fields[] = {
    COMMON,
    {.name = "services",
     .read = field_texts,
     .rule = &rule_unit,
     .min = 1,
     .max = LIST_MAX,
     .required = true},
    {.name = "vendor", .read = field_text, .rule = &rule_hex4, .required = true},
};
static const struct field kernel_args_fields[] = {
    COMMON,
    {.name = "add", .read = field_texts, .rule = &rule_kernel_arg, .max = LIST_MAX},
    {.name = "remove", .read = field_texts, .rule = &rule_kernel_arg, .max = LIST_MAX},
};
static const struct field bind_fields[] = {
    COMMON,
    {.name = "driver", .read = field_text, .rule = &rule_driver},
};
static const struct field plain_fields[] = {COMMON};
static const struct field file_fields[] = {
    COMMON,
    {.name = "path", .read = field_text, .rule = &rule_absolute_path, .required = true},
    {.name = "content", .read = read_content, .required = true},
    {.name = "mode", .read = field_text, .rule = &rule_mode},
    {.name = "owner", .read = field_text, .rule = &rule_owner},
};
static const struct field service_fields[] = {
    COMMON,
    {.name = "unit", .read = field_text, .rule = &rule_unit, .required = true},
    {.name = "enabled", .read = field_bool},
    {.name = "state", .read = field_choice, .rule = states},
};
static const struct field command_fields[] = {
    COMMON,
    {.name = "argv",
     .read = read_argv,
     .rule = &rule_argument,
     .min = 1,
     .max = 256,
     .required = true},
    {.name = "creates", .read = field_text, .rule = &rule_absolute_path},
    {.name = "timeout", .read = read_timeout},
};
static const struct field assert_fields[] = {
    COMMON,
    {.name = "check", .read = field_choice, .rule = checks, .required = true},
    {.name = "driver", .read = field_text, .rule = &rule_driver},
    {.name = "message", .read = field_text, .rule = &rule_line},
};
static const struct field unbind_fields[] = {
    COMMON,
    {.name = "driver", .read = field_text, .rule = &rule_driver},
    {.name = "timeout", .read = read_timeout},
};
static const struct field nova_config_fields[] = {
    COMMON,
    {.name = "service", .read = field_choice, .rule = nova_services, .required = true},
};
static const struct field nova_service_fields[] = {
    COMMON,
    {.name = "service", .read = field_choice, .rule = nova_services, .required = true},
    {.name = "timeout", .read = read_timeout},
    {.name = "settle", .read = read_timeout},
};

#define ROW(name, ...)                                                                             \
	{                                                                                          \
#name, {name##_fields, COUNT(name##_fields) },                                     \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static const struct task_type_row rows[] = {
    ROW(load_modules, NULL),
    ROW(modprobe, NULL),
    ROW(blacklist, NULL),
    ROW(vendor_services, NULL),
    ROW(kernel_args, "add", "remove"),
    ROW(bind, NULL),
    {"initramfs", {plain_fields, COUNT(plain_fields)}, {NULL}},
    ROW(file, NULL),
    ROW(service, "enabled", "state"),
    ROW(command, NULL),
    ROW(assert, NULL),
    ROW(unbind, NULL),
    ROW(nova_config, NULL),
    ROW(nova_service, NULL),
    {"reboot", {plain_fields, COUNT(plain_fields)}, {NULL}},
};

const char *const task_type_names[] = {
    "load_modules", "modprobe",     "blacklist", "vendor_services",
    "kernel_args",  "bind",         "initramfs", "file",
    "service",      "command",      "assert",    "unbind",
    "nova_config",  "nova_service", "reboot",    NULL};

_Static_assert(COUNT(rows) + 1 == COUNT(task_type_names), "a row for each type");

const struct task_type_row *task_type_row_find(const char *type)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (!strcmp(rows[i].type, type))
			return &rows[i];
	return NULL;
}
