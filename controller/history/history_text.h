/* history_text.h: kernel command lines, compared and told apart word by word. Pure.
 */
#ifndef GPUFLEET_HISTORY_TEXT_H
#define GPUFLEET_HISTORY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Do both say the same, but for what names the kernel's files (BOOT_IMAGE=, initrd=), which another
 * kernel alone changes? */
bool history_cmdline_same(const char *before, const char *after);

/* "-quiet +intel_iommu=on": the words that went and those that came; "the order of its words" where
 * neither did. Cut to SIZE. */
void history_cmdline_difference(const char *before, const char *after, char *text, size_t size);

#endif
