/* place.c: see place.h. The PLACE_… folders come from CMakeLists.txt. */
#include "controller/place/place.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHIPPED "gpu-passthrough.json" /* marks a folder of playbooks */
#define BUNDLE  "gpufleet-agent.tar.gz"

/* Takes FOLDER/RELATIVE as *found if it holds MARK. */
static int folder_take(char found[PATH_MAX], const char *folder, const char *relative,
                       const char *mark)
{
	char path[PATH_MAX], whole[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/%s", folder, relative);

	if (length < 0 || length >= (int)sizeof(path))
		return 0;
	length = snprintf(whole, sizeof(whole), "%s/%s", path, mark);
	if (length < 0 || length >= (int)sizeof(whole) || access(whole, R_OK))
		return 0;
	memcpy(found, path, sizeof(path));
	return 1;
}

void place_find_from(const char *folder, struct place *place)
{
	int built = folder_take(place->bundle, folder, ".", BUNDLE);

	if (!built && !folder_take(place->bundle, folder, PLACE_BUNDLE_RELATIVE, BUNDLE))
		snprintf(place->bundle, sizeof(place->bundle), "%s", PLACE_BUNDLE_INSTALLED);
	/* A build run in place, then one that was copied with its sources: build/PRESET. */
	if (strcmp(folder, PLACE_BUILD) == 0 &&
	    folder_take(place->playbooks, PLACE_SOURCE, "playbooks", SHIPPED))
		return;
	if (built && folder_take(place->playbooks, folder, "../../playbooks", SHIPPED))
		return;
	if (!folder_take(place->playbooks, folder, PLACE_PLAYBOOKS_RELATIVE, SHIPPED))
		snprintf(place->playbooks, sizeof(place->playbooks), "%s",
		         PLACE_PLAYBOOKS_INSTALLED);
}

void place_find(struct place *place)
{
	char folder[PATH_MAX] = "";
	ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	char *slash;

	folder[length > 0 ? length : 0] = '\0';
	slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
	place_find_from(folder, place);
}
