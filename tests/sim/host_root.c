/* host_root.c: a stock host's root directory: rootfs/ as it is in the sources, and what depends on
 * the host. */
#include "sim.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void modules_create(const struct sim_host *host)
{
	/* Every module that modules.dep names is an (almost) empty file. */
	static const char *const script =
	    "cd \"$1/lib/modules/$2\" && sed 's/:.*//' modules.dep | while read -r ko; do "
	    "mkdir -p \"${ko%/*}\" && echo \"$ko\" >\"$ko\"; done";
	const char *argv[] = {"sh", "-c", script, "sh", host->root, host->kernel, NULL};
	char from[SIM_PATH], to[SIM_PATH];

	sim_path(from, "%.900s/lib/modules/" SIM_ROOTFS_KERNEL, host->root);
	sim_path(to, "%.900s/lib/modules/%s", host->root, host->kernel);
	if (strcmp(from, to) != 0 && rename(from, to))
		sim_die("cannot make %s", to);
	sim_run(argv, NULL);
}

/* Two NUMA nodes on two sockets. */
static void numa_create(const struct sim_host *host)
{
	char path[SIM_PATH];

	for (int node = 0; node < 2; node++) {
		sim_path(path, "%.900s/sys/devices/system/node/node%d", host->root, node);
		sim_mkdir(path);
		sim_path(path, "%.900s/sys/devices/system/node/node%d/cpulist", host->root, node);
		sim_write(path, "%d-%d\n", 2 * node, 2 * node + 1);
		sim_path(path, "%.900s/sys/devices/system/node/node%d/meminfo", host->root, node);
		sim_write(path, "Node %d MemTotal:       32768000 kB\n", node);
	}
	for (int cpu = 0; cpu < 4; cpu++) {
		sim_path(path, "%.900s/sys/devices/system/cpu/cpu%d/topology", host->root, cpu);
		sim_mkdir(path);
		sim_path(path, "%.900s/sys/devices/system/cpu/cpu%d/topology/physical_package_id",
		         host->root, cpu);
		sim_write(path, "%d\n", cpu / 2);
	}
}

static void proc_create(const struct sim_host *host)
{
	bool amd = !strcmp(host->cpu, "amd");
	char path[SIM_PATH];

	sim_path(path, "%.900s/proc/sys/kernel/random", host->root);
	sim_mkdir(path);
	sim_path(path, "%.900s/proc/cpuinfo", host->root);
	sim_write(path, "%s", "");
	for (int cpu = 0; cpu < 4; cpu++) {
		FILE *file = fopen(path, "a");

		if (!file)
			sim_die("cannot write %s", path);
		fprintf(file,
		        "processor\t: %d\nvendor_id\t: %s\nmodel name\t: %s\nflags\t\t: fpu vme "
		        "pse msr pae "
		        "apic sep pge clflush mmx sse sse2 ht syscall nx rdtscp lm %s x2apic\n\n",
		        cpu, amd ? "AuthenticAMD" : "GenuineIntel",
		        amd ? "AMD EPYC 7302P 16-Core Processor"
		            : "Intel(R) Xeon(R) E-2278G CPU @ 3.40GHz",
		        amd ? "svm" : "vmx");
		fclose(file);
	}
	sim_path(path, "%.900s/proc/meminfo", host->root);
	sim_write(path, "MemTotal:       65536000 kB\nMemFree:        60000000 kB\n");
	numa_create(host);
	sim_path(path, "%.900s/proc/fb", host->root);
	sim_write(path, "0 EFI VGA\n");
	sim_path(path, "%.900s/proc/sys/kernel/osrelease", host->root);
	sim_write(path, "%s\n", host->kernel);
	sim_path(path, "%.900s/proc/sys/kernel/tainted", host->root);
	sim_write(path, "0\n");
	sim_path(path, "%.900s/proc/sys/kernel/hostname", host->root);
	sim_write(path, "%s\n", host->name);
}

/* Running instances: a qemu process as /proc shows it, with the devices that it holds on its
 * command line. */
static void guests_create(const struct sim_host *host)
{
	const json_t *guests = json_object_get(host->scenario, "guests"), *guest;
	char path[SIM_PATH], text[2048];
	size_t index;

	json_array_foreach(guests, index, guest)
	{
		const char *name = json_string_value(json_object_get(guest, "name"));
		const char *device = json_string_value(json_object_get(guest, "device"));
		int n;

		sim_path(path, "%.900s/proc/%zu/fd", host->root, 4000 + index);
		sim_mkdir(path);
		sim_path(path, "%.900s/proc/%zu/comm", host->root, 4000 + index);
		sim_write(path, "qemu-system-x86\n");
		n = snprintf(text, sizeof(text),
		             "/usr/bin/"
		             "qemu-system-x86_64%c-name%cguest=%s,debug-threads=on%c-machine%cq35%"
		             "c-m%c4096%c"
		             "-smp%c2,sockets=2%c-device%cvfio-pci,host=%s,id=hostdev0%c",
		             0, 0, name ? name : "instance-00000001", 0, 0, 0, 0, 0, 0, 0, 0,
		             device ? device : "0000:7f:00.0", 0);
		sim_path(path, "%.900s/proc/%zu/cmdline", host->root, 4000 + index);
		sim_write_bytes(path, text, (size_t)n);
		sim_path(path, "%.900s/proc/%zu/status", host->root, 4000 + index);
		sim_write(path, "Name:\tqemu-system-x86\nState:\tS (sleeping)\nPid:\t%zu\n",
		          4000 + index);
	}
}

static void control_create(const struct sim_host *host)
{
	const json_t *modules = json_object_get(host->kind, "initramfs"), *value;
	const json_t *services = json_object_get(host->kind, "services");
	char path[SIM_PATH], text[2048] = "", exe[SIM_PATH];
	const char *key;
	size_t index, used = 0;
	ssize_t n;

	sim_path(path, "%.900s/units", host->control);
	sim_mkdir(path);
	sim_path(path, "%.900s/fault", host->control);
	sim_mkdir(path);
	json_object_foreach((json_t *)(uintptr_t)services, key, value)
	{
		sim_path(path, "%.800s/lib/systemd/system", host->root);
		sim_mkdir(path);
		sim_path(path, "%.800s/lib/systemd/system/%s", host->root, key);
		sim_write(path, "[Service]\nExecStart=/bin/true\n");
		sim_path(path, "%.800s/units/%s", host->control, key);
		sim_write(path, "%s\n", json_string_value(value));
	}
	/* Command lines of the processes that units have while they are up. */
	json_object_foreach(json_object_get(host->kind, "launch"), key, value)
	{
		sim_path(path, "%.900s/launch", host->control);
		sim_mkdir(path);
		sim_path(path, "%.800s/launch/%s", host->control, key);
		sim_write(path, "%s\n", json_string_value(value));
	}
	json_array_foreach(modules, index, value) used +=
	    (size_t)snprintf(text + used, sizeof(text) - used, "%s\n", json_string_value(value));
	sim_path(path, "%.900s/initramfs-modules", host->control);
	sim_write(path, "%s", text);
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n < 0)
		sim_die("cannot find the simulator's own program");
	exe[n] = '\0';
	sim_path(path, "%.900s/sim", host->control);
	unlink(path);
	if (symlink(exe, path))
		sim_die("cannot link %s", path);
	sim_path(path, "%.900s/standin.sh", host->control);
	unlink(path);
	if (symlink(SIM_SOURCE_DIR "/standin.sh", path))
		sim_die("cannot link %s", path);
	/* Faults that strike when a program runs: "standin_faults": {"die-at-update-initramfs": ""}
	 */
	json_object_foreach(json_object_get(host->scenario, "standin_faults"), key, value)
	{
		sim_path(path, "%.800s/fault/%s", host->control, key);
		sim_write(path, "%s", json_string_value(value) ? json_string_value(value) : "");
	}
}

/* The scenario's and the kind's own files: {"etc/modprobe.d/x.conf": "text"}. */
static void files_create(const struct sim_host *host, const json_t *files)
{
	char path[SIM_PATH], dir[SIM_PATH];
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)files, key, value)
	{
		char *slash;

		sim_path(path, "%.800s/%s", host->root, key);
		sim_path(dir, "%s", path);
		slash = strrchr(dir, '/');
		*slash = '\0';
		sim_mkdir(dir);
		sim_write(path, "%s", json_string_value(value));
		if (!strncmp(json_string_value(value), "#!", 2))
			chmod(path, 0755);
	}
}

static void program_run(const struct sim_host *host, const char *program,
                        const char *const *arguments)
{
	char path[SIM_PATH], root[SIM_PATH + 32];
	const char *argv[8] = {path};
	const char *env[] = {root, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};

	sim_path(path, "%.900s/usr/sbin/%s", host->root, program);
	snprintf(root, sizeof(root), "GPUFLEET_SYSROOT=%s", host->root);
	for (size_t i = 0; i < 6 && arguments[i]; i++)
		argv[i + 1] = arguments[i];
	sim_run(argv, env);
}

/* A mount in the simulator's own mount namespace: it goes away with it. */
static void faults_mount(const struct sim_host *host)
{
	char path[SIM_PATH];

	if (host->faults.read_only_etc) {
		sim_path(path, "%.900s/etc", host->root);
		if (mount(path, path, NULL, MS_BIND, NULL) ||
		    mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL))
			sim_die("host %s: a read-only /etc needs root", host->name);
	}
	if (host->faults.no_space) {
		static const char *const script =
		    "cd \"$1\" && mkdir /tmp/boot.$$ && cp -a boot/. /tmp/boot.$$/ && "
		    "mount -t tmpfs -o size=$(($(du -sk boot | cut -f1) + 12))k none boot && "
		    "cp -a /tmp/boot.$$/. boot/ && rm -rf /tmp/boot.$$";
		const char *argv[] = {"sh", "-c", script, "sh", host->root, NULL};

		if (sim_run_status(argv, NULL))
			sim_die("host %s: a full /boot needs root", host->name);
	}
}

void host_root_create(struct sim_host *host)
{
	/* Modes are cut by our umask: in a clone made under 002 the group may write to all of it.
	 */
	static const char rootfs[] = SIM_SOURCE_DIR "/rootfs";
	const char *copy[] = {"cp", "-r", rootfs, host->root, NULL};
	static const char *const dirs[] = {"var/tmp",
	                                   "var/lib",
	                                   "var/cache",
	                                   "run",
	                                   "tmp",
	                                   "root",
	                                   "boot/grub",
	                                   "opt",
	                                   "dev",
	                                   "etc/systemd/system",
	                                   "etc/modules-load.d",
	                                   "etc/modprobe.d",
	                                   "etc/default/grub.d",
	                                   "etc/udev/rules.d",
	                                   "etc/initramfs-tools/hooks",
	                                   "etc/initramfs-tools/scripts/init-top",
	                                   "usr/share/initramfs-tools/hooks"};
	static const char *const none[] = {NULL}, *const all[] = {"-c", "-k", "all", NULL};
	char path[SIM_PATH];

	sim_mkdir(host->control);
	sim_run(copy, NULL);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		sim_path(path, "%.900s/%s", host->root, dirs[i]);
		sim_mkdir(path);
	}
	sim_path(path, "%.900s/etc/hostname", host->root);
	sim_write(path, "%s\n", host->name);
	sim_path(path, "%.900s/boot/vmlinuz-%s", host->root, host->kernel);
	sim_write(path, "a kernel\n");
	proc_create(host);
	guests_create(host);
	control_create(host);
	modules_create(host);
	if (red_hat_is(host))
		red_hat_create(host);
	files_create(host, json_object_get(host->kind, "files"));
	files_create(host, json_object_get(host->scenario, "files"));
	pci_layout_create(host);
	if (red_hat_is(host)) {
		red_hat_build(host);
	} else {
		program_run(host, "update-initramfs", all);
		program_run(host, "update-grub", none);
	}
	faults_mount(host);
}

void host_root_put_agent(struct sim_host *host, const char *bundle)
{
	static const char *const script =
	    "umask 077 && mkdir -p \"$1\" && cd \"$1\" && mkdir new && tar -xzf \"$2\" -C new "
	    "--no-same-owner && hash=$(sha256sum new/MANIFEST) && mv new \"${hash%% *}\"";
	char place[SIM_PATH], pattern[SIM_PATH];
	const char *argv[] = {"sh", "-c", script, "sh", place, bundle, NULL};
	glob_t found;

	sim_path(place, "%.900s/var/lib/gpufleet/agent", host->root);
	sim_run(argv, NULL);
	sim_path(pattern, "%.900s/*", place);
	if (glob(pattern, 0, NULL, &found) || found.gl_pathc != 1)
		sim_die("%s: no agent in it", bundle);
	sim_path(host->agent, "%s", found.gl_pathv[0]);
	globfree(&found);
}

void host_root_clone(const struct sim_host *first, struct sim_host *host)
{
	/* What nobody writes to is linked, the rest copied. */
	static const char *const script =
	    "mkdir -p \"$2/root\" && cp -a \"$1/control\" \"$2/\" && cd \"$1/root\" && "
	    "for d in *; do case $d in usr | lib) cp -al $d \"$2/root/\";; *) cp -a $d "
	    "\"$2/root/\";; "
	    "esac || exit; done; "
	    "a=var/lib/gpufleet/agent; "
	    "[ ! -d $a ] || { rm -r \"$2/root/$a\" && cp -al $a \"$2/root/$a\"; } || exit; "
	    "cd \"$2\"; "
	    "[ ! -d control/launch ] || GPUFLEET_SYSROOT=$2/root root/usr/bin/systemctl sim-boot";
	const char *argv[] = {"sh", "-c", script, "sh", first->directory, host->directory, NULL};
	char path[SIM_PATH];

	sim_run(argv, NULL);
	sim_path(path, "%.900s/etc/hostname", host->root);
	sim_write(path, "%s\n", host->name);
	sim_path(path, "%.900s/proc/sys/kernel/hostname", host->root);
	sim_write(path, "%s\n", host->name);
	boot_model_boot_id(host);
	host->boots = first->boots;
	if (*first->agent)
		sim_path(host->agent, "%.600s%.300s", host->root,
		         first->agent + strlen(first->root));
	faults_mount(host);
}
