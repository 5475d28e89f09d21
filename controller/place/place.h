/* place.h: where what belongs to this program lies: the agent's bundle and the shipped playbooks.
 *
 * They are looked for from the program's own place on, so that an installation may be moved as a
 * whole (PREFIX/bin/gpufleet with PREFIX/libexec and PREFIX/share), and a build runs in place, also
 * after its tree was copied. Only then do the folders count that were configured at build time.
 */
#ifndef GPUFLEET_PLACE_H
#define GPUFLEET_PLACE_H

#include <limits.h>

struct place {
	char bundle[PATH_MAX];    /* the folder of gpufleet-agent.tar.gz and .hash */
	char playbooks[PATH_MAX]; /* the folder of the shipped playbooks */
};

/* Fills *place for this program. Always ends with folders, if need be ones that do not exist. */
void place_find(struct place *place);

/* The same for a program that lies in FOLDER. */
void place_find_from(const char *folder, struct place *place);

#endif
