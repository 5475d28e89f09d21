/* boot_model.c: one boot of a simulated host, as GRUB, the kernel, initramfs-tools, udev and
 * systemd would do it from the host's own files: the boot loader's choice (loader_model.c) gives
 * command line and image; the image's init-top scripts really run, in ORDER, with udev's turn where
 * `udev` stands; then the image's conf/modules; then, on the real root, early units, udev once more
 * and systemd-modules-load. Shares nothing with gpufleet. Happy path: BOOT_UP; no image or no boot
 * entry, or no first
 * program in it: a panic, which ends in another boot where the command line
 * asks for that.
 */
#include "sim.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

void boot_model_boot_id(const struct sim_host *host)
{
	unsigned char b[16];
	char path[SIM_PATH];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		sim_die("no random numbers");
	sim_path(path, "%.900s/proc/sys/kernel/random/boot_id", host->root);
	sim_write(path, "%02x%02x%02x%02x-%02x%02x-4%01x%02x-a%01x%02x-%02x%02x%02x%02x%02x%02x\n",
	          b[0], b[1], b[2], b[3], b[4], b[5], b[6] & 0xf, b[7], b[8] & 0xf, b[9], b[10],
	          b[11], b[12], b[13], b[14], b[15]);
}

/* Does one of the words of LIST, which commas part, start with WORD? The kernel looks no further.
 */
static bool list_has_word(const char *list, const char *word)
{
	while (list && strncmp(list, word, strlen(word)) != 0) {
		list = strchr(list, ',');
		list += list ? 1 : 0;
	}
	return list != NULL;
}

/* The kernel's view: iommu=off is for good (no_iommu in arch/x86/kernel/pci-dma.c), of intel_iommu=
 * the last on or off counts (drivers/iommu/intel/iommu.c), what it doesn't know it ignores.
 * Debian's kernels have both makes' on by default, Ubuntu's only AMD's. For AMD's there is no "on",
 * and "off" ends interrupt remapping, too. */
static bool iommu_on(const struct sim_host *host, const char *cmdline, bool *remapping)
{
	char copy[2048], *save = NULL;
	bool intel = !strcmp(host->cpu, "intel"), off = false, on = host->iommu_default;

	*remapping = host->firmware_iommu;
	snprintf(copy, sizeof(copy), "%s", cmdline);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (!strncmp(word, "iommu=", 6) && list_has_word(word + 6, "off"))
			off = true;
		else if (intel && !strncmp(word, "intel_iommu=", 12))
			on = list_has_word(word + 12, "off")  ? false
			     : list_has_word(word + 12, "on") ? true
			                                      : on;
		else if (!intel && !strncmp(word, "amd_iommu=", 10) &&
		         list_has_word(word + 10, "off"))
			off = true, *remapping = false;
		if (!strcmp(word, "intremap=off") || !strcmp(word, "nointremap"))
			*remapping = false;
	}
	return host->firmware_iommu && on && !off;
}

static void kernel_start(struct sim_host *host, const char *cmdline)
{
	char path[SIM_PATH];
	bool remapping, on = iommu_on(host, cmdline, &remapping);

	boot_model_boot_id(host);
	sim_path(path, "%.900s/proc/stat", host->root);
	sim_write(path, "cpu  1 0 1 1 0 0 0 0 0 0\nbtime %lld\nprocesses 1\n",
	          (long long)time(NULL));
	sim_path(path, "%.900s/proc/iomem", host->root);
	sim_write(path, "00001000-0009fbff : System RAM\n00100000-7ffdffff : System RAM\n");
	sim_path(path, "%.900s/proc/cmdline", host->root);
	sim_write(path, "%s\n", cmdline);
	sim_path(path, "%.900s/proc/interrupts", host->root);
	sim_write(path,
	          "            CPU0       CPU1\n   0:         40          0  %sIO-APIC    2-edge   "
	          "   timer\n"
	          "  16:          0          0  %sIO-APIC   16-fasteoi   ehci_hcd:usb1\n NMI:      "
	          "    0          0   "
	          "Non-maskable interrupts\n",
	          remapping ? "IR-" : "", remapping ? "IR-" : "");
	module_model_forget(host->root);
	pci_layout_groups(host, on);
	for (size_t i = 0; i < host->device_count; i++)
		if (host->devices[i].bridge)
			module_model_attach(host->root, "pcieport", host->devices[i].address);
}

static int image_unpack(const struct sim_host *host, const char *image, char *root)
{
	static const char *const script =
	    "rm -rf \"$2\" && mkdir -p \"$2/sbin\" \"$2/usr/sbin\" \"$2/run\" && tar -C \"$2\" -xf "
	    "\"$1/$3\" && "
	    "ln -s ../root/sys ../root/proc \"$2/\" && cp \"$1/usr/sbin/modprobe\" \"$2/sbin/\" && "
	    "cp \"$1/usr/sbin/modprobe\" \"$2/usr/sbin/\"";
	const char *argv[] = {"sh", "-c", script, "sh", host->root, root, image, NULL};

	sim_path(root, "%.900s/initramfs", host->directory);
	return sim_run_status(argv, NULL) ? -1 : 0;
}

/* Runs the scripts of one part in the image's ORDER. */
static void scripts_run(const char *root, const char *part)
{
	char path[SIM_PATH], *order, *save = NULL;

	sim_path(path, "%.900s/scripts/%s/ORDER", root, part);
	order = sim_read(path);
	for (char *line = order ? strtok_r(order, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char name[128], sysroot[SIM_PATH + 32], programs[SIM_PATH + 64];
		const char *argv[] = {"/bin/sh", path, NULL};
		const char *env[] = {sysroot, programs, "rootmnt=/root", NULL};

		if (sscanf(line, "/scripts/%*[^/]/%127[^ ]", name) != 1)
			continue;
		if (!strcmp(part, "init-top") && !strcmp(name, "udev")) {
			module_model_coldplug(root);
			continue;
		}
		sim_path(path, "%.700s/scripts/%s/%s", root, part, name);
		snprintf(sysroot, sizeof(sysroot), "GPUFLEET_SYSROOT=%s", root);
		snprintf(programs, sizeof(programs), "PATH=%s/sbin:/usr/bin:/bin", root);
		sim_run_status(argv, env);
	}
	free(order);
}

/* The lines of the files that match PATTERN, without comments, one after the other to EACH. */
static void lists_read(const char *root, const char *pattern,
                       void (*each)(const char *root, char *line))
{
	char path[SIM_PATH];
	glob_t files;

	sim_path(path, "%.900s/%s", root, pattern);
	if (glob(path, 0, NULL, &files))
		return;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		char *text = sim_read_or_empty(files.gl_pathv[i]), *save = NULL;

		for (char *line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			line += strspn(line, " \t");
			if (*line && *line != '#' && *line != ';')
				each(root, line);
		}
		free(text);
	}
	globfree(&files);
}

/* initramfs-tools: `modprobe LINE`, so that options may follow the name. */
static void initramfs_list_load(const char *root, char *line)
{
	char *options = line + strcspn(line, " \t");

	if (*options)
		*options++ = '\0';
	module_model_load(root, line, options);
}

/* systemd-modules-load: all of the line is the name. */
static void systemd_list_load(const char *root, char *line)
{
	module_model_load_listed(root, line);
}

/* What a tmpfs held is gone. */
static void tmpfs_clear(const struct sim_host *host)
{
	static const char *const script =
	    "rm -rf \"$1\"/run/* \"$1\"/tmp/*; mkdir -p \"$1\"/run/systemd/system";
	const char *argv[] = {"sh", "-c", script, "sh", host->root, NULL};

	sim_run(argv, NULL);
}

/* Services that are enabled are active after a boot, unless something holds them; guests are gone.
 */
static void services_start(const struct sim_host *host)
{
	static const char *const script =
	    "for u in \"$2\"/units/*; do read -r e a <\"$u\" || continue; "
	    "echo \"$e inactive\" >\"$u\"; done; "
	    "[ \"$3\" = 1 ] || rm -rf \"$1\"/proc/4[0-9][0-9][0-9]; "
	    "GPUFLEET_SYSROOT=$1 \"$1/usr/bin/systemctl\" sim-boot";
	char boots[16];
	const char *argv[] = {"sh", "-c", script, "sh", host->root, host->control, boots, NULL};

	snprintf(boots, sizeof(boots), "%u", host->boots);
	sim_run(argv, NULL);
}

/* The value of the last NAME=VALUE word of the line, or "". */
static void cmdline_value(const char *cmdline, const char *name, char *value, size_t size)
{
	char copy[2048], *save = NULL;
	size_t length = strlen(name);

	*value = '\0';
	snprintf(copy, sizeof(copy), "%s", cmdline);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (!strncmp(word, name, length) && word[length] == '=')
			snprintf(value, size, "%s", word + length + 1);
}

/* Does the line name a first program that the image does not have? Then the kernel looks for the
 * root file system itself, without the drivers that are in the image. (A wrong init= does no harm:
 * initramfs-tools falls back to /sbin/init.) */
static bool no_first_program(const char *image_root, const char *cmdline)
{
	char program[256], path[SIM_PATH];

	cmdline_value(cmdline, "rdinit", program, sizeof(program));
	sim_path(path, "%.700s%.300s", image_root, program);
	return *program && access(path, X_OK);
}

enum boot_end boot_model_run(struct sim_host *host)
{
	char cmdline[2048], image[2048], root[SIM_PATH], wait[32];
	enum boot_end panic;

	host->boots++;
	if (loader_model_choose(host, cmdline, image, sizeof(cmdline)))
		return BOOT_HUNG;
	cmdline_value(cmdline, "panic", wait, sizeof(wait));
	panic = atoi(wait) > 0 ? BOOT_AGAIN : BOOT_HUNG;
	kernel_start(host, cmdline);
	if (image_unpack(host, image, root) || no_first_program(root, cmdline))
		return panic;
	if (red_hat_is(host)) {
		red_hat_hooks(root, "pre-udev");
		module_model_coldplug(root);
	}
	scripts_run(root, "init-top");
	lists_read(root, "conf/modules", initramfs_list_load);
	scripts_run(root, "init-premount");
	scripts_run(root, "init-bottom");
	tmpfs_clear(host);
	unit_model_run(host, "sysinit.target");
	module_model_coldplug(host->root);
	lists_read(host->root, "etc/modules-load.d/*.conf", systemd_list_load);
	lists_read(host->root, "etc/modules", systemd_list_load);
	services_start(host);
	unit_model_run(host, "multi-user.target");
	return BOOT_UP;
}
