/* boot_loader.c: see boot_loader.h. */
#include "node-agent/boot/boot_loader.h"

#include <string.h>

/* The first that fits is taken. */
static const struct boot_loader *const loaders[] = {&boot_grub_debian};

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

bool boot_loader_reads(const char *path)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strncmp(path, loaders[i]->reads, strlen(loaders[i]->reads)) == 0)
			return true;
	return false;
}
