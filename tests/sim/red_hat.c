/* red_hat.c: what a host of a kind with "distribution" has instead of Debian's programs: the
 * written layout of that name (tests/layouts), grubby and dracut, and their part of a boot: the
 * entry that grubenv names, the arguments' variables, the pre-udev hooks. The kernel and its
 * modules are those of all simulated hosts. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool red_hat_is(const struct sim_host *host)
{
	return json_object_get(host->kind, "distribution") != NULL;
}

void red_hat_create(const struct sim_host *host)
{
	/* The layout's entries, of this kernel. */
	static const char *const script =
	    "set -e; cd \"$1\"; layout=$2/../layouts/$3; "
	    "rm -rf usr/sbin/update-* usr/sbin/mkinitramfs usr/bin/lsinitramfs "
	    "usr/bin/unmkinitramfs "
	    "usr/sbin/grub-probe usr/share/initramfs-tools etc/initramfs-tools etc/default "
	    "boot/grub; "
	    "cp -r \"$layout\"/etc/. etc/; mkdir -p boot/loader/entries etc/dracut.conf.d; "
	    "cp -r \"$layout\"/boot/grub2 boot/; "
	    "for p in $(cat \"$layout/PROGRAMS\"); do cp \"$2/programs/$p\" usr/sbin/; done; "
	    "id=$(cat etc/machine-id); "
	    "set -- \"$4\" \"$(sed -n \"s/^saved_entry=$id-//p\" boot/grub2/grubenv)\" \"$layout\" "
	    "\"$id\"; "
	    "sed \"s/$2/$1/g\" \"$3/boot/loader/entries/$4-$2.conf\" "
	    ">boot/loader/entries/$4-$1.conf; "
	    "sed -i \"s/$2/$1/g\" boot/grub2/grubenv";
	const char *argv[] = {"sh",
	                      "-c",
	                      script,
	                      "sh",
	                      host->root,
	                      SIM_SOURCE_DIR,
	                      json_string_value(json_object_get(host->kind, "distribution")),
	                      host->kernel,
	                      NULL};

	sim_run(argv, NULL);
}

void red_hat_build(const struct sim_host *host)
{
	char program[SIM_PATH], image[SIM_PATH], root[SIM_PATH + 32], path[SIM_PATH + 64];
	const char *argv[] = {program, "--force", image, host->kernel, NULL};
	const char *env[] = {root, path, NULL};

	sim_path(program, "%.900s/usr/sbin/dracut", host->root);
	sim_path(image, "%.900s/boot/initramfs-%s.img", host->root, host->kernel);
	snprintf(root, sizeof(root), "GPUFLEET_SYSROOT=%s", host->root);
	snprintf(path, sizeof(path), "PATH=%s/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin", host->root);
	sim_run(argv, env);
}

/* The rest of the line of TEXT that begins with KEY: false when there is none. */
static bool value_of(const char *text, const char *key, char *value, size_t room)
{
	*value = '\0';
	for (const char *line = text; line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		if (strncmp(line, key, strlen(key)))
			continue;
		line += strlen(key);
		line += strspn(line, " \t");
		snprintf(value, room, "%.*s", (int)strcspn(line, "\n"), line);
		return true;
	}
	return false;
}

int red_hat_loader(const struct sim_host *host, char *cmdline, char *image, size_t room)
{
	char path[SIM_PATH], id[256], options[2048], initrd[512], kernel[256], line[2400];

	sim_path(path, "%.900s/boot/grub2/grubenv", host->root);
	char *environment = sim_read(path);
	value_of(environment, "saved_entry=", id, sizeof(id));
	free(environment);
	sim_path(path, "%.700s/boot/loader/entries/%.250s.conf", host->root, id);
	char *entry = sim_read(path);
	bool good = entry && value_of(entry, "options", options, sizeof(options)) &&
	            value_of(entry, "initrd", initrd, sizeof(initrd)) &&
	            value_of(entry, "linux", kernel, sizeof(kernel));
	if (good) {
		initrd[strcspn(initrd, " ")] = '\0';
		snprintf(image, room, "/boot%s", initrd);
		snprintf(line, sizeof(line), "BOOT_IMAGE=($root)%s %s", kernel, options);
		sim_path(path, "%.900s/boot/grub2/grubenv", host->root);
		loader_model_expand(path, line, cmdline, room);
	}
	free(entry);
	return good ? 0 : -1;
}

void red_hat_hooks(const char *image, const char *phase)
{
	/* Sourced one after the other by one shell, which a hook must not end. */
	static const char *const script = "for hook in \"$1\"/usr/lib/dracut/hooks/\"$2\"/*.sh; do "
	                                  "[ ! -e \"$hook\" ] || . \"$hook\"; done";
	char root[SIM_PATH + 32], programs[SIM_PATH + 64];
	const char *argv[] = {"/bin/sh", "-c", script, "sh", image, phase, NULL};
	const char *env[] = {root, programs, NULL};

	snprintf(root, sizeof(root), "GPUFLEET_SYSROOT=%s", image);
	snprintf(programs, sizeof(programs), "PATH=%s/sbin:/usr/bin:/bin", image);
	sim_run_status(argv, env);
}
