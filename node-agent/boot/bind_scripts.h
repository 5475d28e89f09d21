/* bind_scripts.h: what runs in and goes into an initramfs, so that devices are kept before udev is
 * there. */
#ifndef GPUFLEET_BOOT_BIND_SCRIPTS_H
#define GPUFLEET_BOOT_BIND_SCRIPTS_H

extern const char bind_list_head[];
extern const char bind_script[]; /* POSIX sh, for the initramfs's busybox */
extern const char bind_hook[];   /* of initramfs-tools */
extern const char bind_dracut_module[], bind_dracut_hook[], bind_dracut_settings[];

#endif
