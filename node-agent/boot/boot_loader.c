/* boot_loader.c: see boot_loader.h. */
#include "node-agent/boot/boot_loader.h"

#include <stdlib.h>
#include <string.h>

#define LOADER_INFO "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

/* The first that fits is taken. */
static const struct boot_loader *const loaders[] = {
    &boot_grubby, &boot_grub_bls, &boot_grub_mkconfig, &boot_grub_debian, &boot_kernel_install};

#define COUNT (sizeof(loaders) / sizeof(loaders[0]))

const struct boot_loader *boot_loader_find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(loaders[i]->name, name) == 0)
			return loaders[i];
	return NULL;
}

const struct boot_loader *boot_loader_detect(const struct root *root)
{
	for (size_t i = 0; i < COUNT; i++)
		if (loaders[i]->detect(root))
			return loaders[i];
	return NULL;
}

bool boot_loader_reads(const struct boot_loader *loader, const char *path)
{
	return strncmp(path, loader->reads, strlen(loader->reads)) == 0;
}

/* The loader's own word, in UTF-16 after four bytes of attributes: "systemd-boot 252.39". */
static bool loader_says_systemd(const struct root *root, bool *known)
{
	static const char name[] = "systemd-boot";
	size_t size = 0;
	char *data = root_read_file(root, LOADER_INFO, 4096, &size, NULL);
	bool same = data && size >= 4 + 2 * (sizeof(name) - 1);

	*known = data != NULL;
	for (size_t i = 0; same && i < sizeof(name) - 1; i++)
		same = data[4 + 2 * i] == name[i];
	free(data);
	return same;
}

bool boot_is_systemd_boot(const struct root *root)
{
	static const char *const grub[] = {"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg",
	                                   "/etc/default/grub"};
	static const char *const systemd[] = {"/boot/loader/loader.conf", "/efi/loader/loader.conf",
	                                      "/boot/efi/loader/loader.conf"};
	bool known = false, says = loader_says_systemd(root, &known);

	if (known)
		return says;
	for (size_t i = 0; i < sizeof(grub) / sizeof(grub[0]); i++)
		if (root_exists(root, grub[i]))
			return false;
	for (size_t i = 0; i < sizeof(systemd) / sizeof(systemd[0]); i++)
		if (root_exists(root, systemd[i]))
			return true;
	return false;
}

bool boot_is_image_based(const struct root *root)
{
	return root_exists(root, "/run/ostree-booted");
}

const char *boot_loader_why_none(const struct root *root)
{
	if (boot_is_image_based(root))
		return "it is an image-based system (ostree), whose kernel arguments belong to its "
		       "deployments: set them with rpm-ostree kargs or bootc, and leave "
		       "kernel_args "
		       "out of the playbook for this host";
	if (boot_is_systemd_boot(root))
		return "it boots with systemd-boot, whose entries are not kept by kernel-install: "
		       "set the arguments by hand (a unified kernel image must be signed again), "
		       "and "
		       "leave kernel_args out of the playbook for this host";
	return "none of update-grub, grubby, grub2-mkconfig and kernel-install keeps its boot "
	       "entries: set the arguments by hand, and leave kernel_args out of the playbook for "
	       "this host";
}
