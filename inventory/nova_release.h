/* nova_release.h: OpenStack's releases as Nova numbers them: names, and the number that a package
 * version or a container image's tag stands for. Pure.
 *
 * Sources: https://releases.openstack.org (names and series), Nova's tags (numbers).
 */
#ifndef GPUFLEET_NOVA_RELEASE_H
#define GPUFLEET_NOVA_RELEASE_H

#include <stddef.h>

#include "node-agent/wire/error.h"

#define NOVA_RELEASE_FIRST 16 /* Pike */
#define NOVA_RELEASE_LAST  32 /* 2025.2 Flamingo */

/* The number of a release as an inventory names it: "zed", "antelope", "2023.1", "26" or "26.2.1".
 * One that is not known: -1, GF_E_INPUT, with the nearest name or all that are known. */
int nova_release_parse(const char *text, struct gf_err *err);

/* The number that a package version ("2:26.2.1-1~deb12u5", "1:27.1.0-1.el9s"), a bare version or a
 * container image ("quay.io/openstack.kolla/nova-compute:2023.1-ubuntu-jammy") stands for; -1 when
 * it stands for none that is known (NULL, too). */
int nova_release_from_version(const char *version);

/* "Zed", "2023.1 Antelope"; "?" for a number that is not known. */
const char *nova_release_name(int number);

/* "26 (Zed)", as messages name a release; into BUFFER, which is returned. */
#define NOVA_RELEASE_SHOW_SIZE 32
const char *nova_release_show(int number, char buffer[NOVA_RELEASE_SHOW_SIZE]);

#endif
