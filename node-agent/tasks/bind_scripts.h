/* bind_scripts.h: the files of the bind task, as they stand on a host. */
#ifndef GPUFLEET_TASKS_BIND_SCRIPTS_H
#define GPUFLEET_TASKS_BIND_SCRIPTS_H

#include <stdbool.h>

extern const char bind_list_head[];
extern const char bind_script[]; /* POSIX sh, for the initramfs's busybox */
extern const char bind_hook[];

bool bind_driver_is_valid(const char *driver);

#endif
