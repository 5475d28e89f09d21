/* sim.h: what the parts of gpufleet-sim share.
 *
 * A host lives in STATE/hosts/NAME: root/ is its file system, control/ is how programs and tests
 * talk to the simulator (reboot, crash, fault/NAME, boots, programs.log), initramfs/ is its
 * unpacked image. A test program: what can't go on ends it (sim_die).
 */
#ifndef GPUFLEET_SIM_H
#define GPUFLEET_SIM_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_BARS         6
#define SIM_PATH         1024
#define SIM_SESSIONS_MAX 64

/* The kernel whose modules rootfs/ has. */
#define SIM_ROOTFS_KERNEL "6.1.0-28-amd64"

struct sim_bar {
	uint64_t size; /* 0: none */
	bool io, wide, prefetchable;
};

struct sim_device {
	char address[16];
	unsigned vendor, device, subsystem_vendor, subsystem_device, class_code, revision;
	int group;         /* the IOMMU group that it has when the IOMMU is on */
	int numa_node;     /* -1: unknown */
	int secondary_bus; /* of a bridge, else -1 */
	bool bridge, boot_vga, acs, pcie, power_management;
	unsigned sriov_total;
	uint64_t serial;   /* 0: no such capability */
	char reserved[64]; /* further lines of reserved_regions */
	char power_state[12];
	char reset_method[32];
	struct sim_bar bars[SIM_BARS];
};

struct sim_faults {
	bool refuse;          /* nobody listens */
	bool hang;            /* connections are taken, nothing is ever said */
	bool deny_auth;       /* no key is good enough */
	bool change_host_key; /* another key than known_hosts says */
	bool change_key_after_reboot;
	bool never_return; /* after a reboot nobody listens any more */
	bool read_only_etc, no_space;
	long cut_after; /* output bytes of a session after which the connection is dropped; 0: never
	                 */
	int cut_times;  /* how many sessions are cut */
	long bytes_per_second; /* 0: as fast as it goes */
};

/* SIM_SHUTTING: told to reboot, and whoever connects still gets in. */
enum sim_power { SIM_UP, SIM_SHUTTING, SIM_GOING_DOWN, SIM_DOWN };

struct sim_host {
	char name[64];
	char directory[SIM_PATH], root[SIM_PATH], control[SIM_PATH];
	char cpu[8]; /* intel, amd */
	char kernel[64];
	bool firmware_iommu;
	bool iommu_default; /* the kernel has it on without being told to */
	char address[48];
	uint16_t port;
	double boot_seconds;
	const json_t *kind, *scenario; /* borrowed from the documents */
	struct sim_device *devices;
	size_t device_count;
	struct sim_faults faults;
	unsigned boots;
	bool record;          /* every conversation */
	char agent[SIM_PATH]; /* where the agent is that was put there before; "": it wasn't */

	/* server.c, under its lock */
	enum sim_power power;
	bool crash;
	int listener, inotify_watch;
	int sessions[SIM_SESSIONS_MAX]; /* sockets, -1: free */
	void *bind;                     /* ssh_bind */
};

struct sim {
	char directory[SIM_PATH];
	struct sim_host *hosts;
	size_t host_count;
	json_t *scenario, *kinds;
	double boot_seconds, shutdown_seconds;
	const char *agent_bundle; /* borrowed from the scenario; NULL: hosts have no agent yet */
	bool quiet;
	void *client_key; /* ssh_key */
};

/* files.c: small helpers; what fails ends the program. */
void sim_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void sim_write(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_write_bytes(const char *path, const void *data, size_t size);
char *sim_read(const char *path); /* whole file, or NULL; the caller frees it */
char *sim_read_or_empty(const char *path);
void sim_mkdir(const char *path); /* with its parents */
void sim_path(char out[SIM_PATH], const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes LINK point to TARGET by a relative path, replacing a former link. */
void sim_link(const char *target, const char *link);
void sim_run(const char *const *argv, const char *const *env); /* waits; non-zero status ends us */
int sim_run_status(const char *const *argv, const char *const *env);

/* scenario.c */
void scenario_load(struct sim *sim, const char *path);

/* host_root.c: the root directory of a stock host, before its first boot. */
void host_root_create(struct sim_host *host);
/* Puts the agent of BUNDLE (a .tar.gz) there, as a former push would have. */
void host_root_put_agent(struct sim_host *host, const char *bundle);
/* The same for one more host of the same entry of the scenario, from the first, booted one. */
void host_root_clone(const struct sim_host *first, struct sim_host *host);

/* red_hat.c: hosts of a kind with "distribution": boot entries as files, dracut. */
bool red_hat_is(const struct sim_host *host);
/* Turns the copy of rootfs/ into such a host's. */
void red_hat_create(const struct sim_host *host);
void red_hat_build(const struct sim_host *host);
/* The default entry's arguments and image; -1: none. */
int red_hat_loader(const struct sim_host *host, char *cmdline, char *image, size_t room);
/* Runs the hooks of the unpacked image's PHASE (pre-udev, …), as dracut does. */
void red_hat_hooks(const char *image, const char *phase);

/* pci_layout.c: /sys of the host's devices. */
void pci_layout_create(const struct sim_host *host);
/* The IOMMU as the kernel found it at this boot: groups or none. */
void pci_layout_groups(const struct sim_host *host, bool on);

/* boot_model.c: one boot of the host, from its own boot loader's configuration on. */
enum boot_end {
	BOOT_UP,
	BOOT_HUNG,  /* a kernel panic: until somebody switches the power off and on */
	BOOT_AGAIN, /* the same with panic=SECONDS on the command line */
};
enum boot_end boot_model_run(struct sim_host *host);
void boot_model_boot_id(const struct sim_host *host);

/* loader_model.c: the command line and the image of the entry that boots now; -1: there is none. A
 * one-time choice is used up. */
int loader_model_choose(const struct sim_host *host, char *cmdline, char *image, size_t room);
/* LINE into TEXT, GRUB's variables replaced by what ENVIRONMENT (grubenv's path) says of them. */
void loader_model_expand(const char *environment, const char *line, char *text, size_t room);

/* unit_model.c: the units that TARGET wants. */
void unit_model_run(const struct sim_host *host, const char *target);

/* modprobe_config.c: kmod's configuration below ROOT: every file of modprobe.d, modules.softdep of
 * the KERNEL's, and the kernel command line. */
struct modprobe_config {
	char *text;
	char *cmdline;
};

void modprobe_config_open(struct modprobe_config *config, const char *root, const char *kernel);
void modprobe_config_close(struct modprobe_config *config);
/* The kernel itself refuses to load it (module_blacklist=). */
bool modprobe_kernel_refuses(const struct modprobe_config *config, const char *module);
bool modprobe_blacklisted(const struct modprobe_config *config, const char *module);
/* Is there an `install` line that runs nothing? */
bool modprobe_install_refused(const struct modprobe_config *config, const char *module);
/* What the module's parameter NAME is set to, "" for nothing: the last word on it counts, of the
 * `options` lines, the kernel command line, and MORE (what stands behind the module's name). */
void modprobe_option(const struct modprobe_config *config, const char *module, const char *name,
                     const char *more, char *value, size_t size);
/* The next line of *CURSOR that starts with KEYWORD, in LINE, split into at most 32 WORDS; *cursor
 * moves on. False: there is none. */
bool modprobe_line_next(const char **cursor, const char *keyword, char *line, size_t room,
                        char **words, size_t *count);
/* Dashes and underscores are the same to modprobe. */
void modprobe_name_normalise(char *out, size_t room, const char *name);
bool modprobe_name_equal(const char *a, const char *b);

/* module_model.c: what modprobe and udev do, on the files below ROOT (a host's root or its
 * initramfs). */
int module_model_load(const char *root, const char *module, const char *options);
/* The same as systemd-modules-load does it: a blacklist counts, and there are no options. */
int module_model_load_listed(const char *root, const char *module);
void module_model_coldplug(const char *root);
void module_model_forget(const char *root);
void module_model_attach(const char *root, const char *driver, const char *address);
void module_model_detach(const char *root, const char *driver, const char *address);
/* Offers the device to DRIVER, or (NULL) to every driver that is there. */
void module_model_probe(const char *root, const char *driver, const char *address);
/* Calls EACH for every driver of the host. */
void module_model_drivers(const char *root, int inotify, struct sim_host *host,
                          void (*each)(int inotify, struct sim_host *host, const char *driver));

/* sysfs_watch.c */
struct inotify_event;
void sysfs_watch_start(int inotify, struct sim_host *host);
void sysfs_watch_event(int inotify, const struct inotify_event *event);

/* udev_model.c */
void udev_rules_apply(const char *root, const char *device);

/* keys.c */
void keys_create(struct sim *sim);
void keys_host_load(struct sim_host *host, bool other);
void keys_write_inventory(const struct sim *sim);

/* server.c: listens, boots hosts, until SIGINT or SIGTERM. */
void server_open(struct sim *sim);
int server_run(struct sim *sim);

/* recorder.c: DATA, as it goes to the host or comes from it. NULL, where the host is not recorded,
 * does nothing. */
struct recorder *recorder_open(const struct sim_host *host);
void recorder_add(struct recorder *recorder, bool from_host, const void *data, size_t size);
void recorder_close(struct recorder *recorder);

/* session.c: one connection, on a thread of its own. Takes FD. */
struct session_start {
	struct sim *sim;
	struct sim_host *host;
	int held;      /* the socket once more, to cut the session by */
	void *session; /* ssh_session */
};
void session_serve(struct session_start *start);

#endif
