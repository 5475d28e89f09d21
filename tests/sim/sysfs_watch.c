/* sysfs_watch.c: what writing to a running host's sysfs does. unbind, bind and drivers_probe are
 * plain files here; the simulator sees that something was written and does what the driver core
 * would, some milliseconds after the write has returned (on a real host: before). A fault
 * "hang-unbind" makes `unbind` block for ever, as a driver that doesn't let go does.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

struct watch {
	struct sim_host *host; /* NULL: free */
	char driver[64];       /* "": sys/bus/pci itself; "*": sys/bus/pci/drivers */
};

/* Indexed by watch descriptor; only the server's thread comes here. */
static struct watch *watches;
static size_t watch_room;

static void watch_add(int inotify, struct sim_host *host, const char *directory, const char *driver,
                      uint32_t mask)
{
	int wd = inotify_add_watch(inotify, directory, mask | IN_ONLYDIR);

	if (wd < 0)
		return; /* gone again */
	if ((size_t)wd >= watch_room) {
		size_t room = (size_t)wd * 2 + 64;

		watches = realloc(watches, room * sizeof(*watches));
		if (!watches)
			sim_die("out of memory");
		memset(watches + watch_room, 0, (room - watch_room) * sizeof(*watches));
		watch_room = room;
	}
	watches[wd].host = host;
	snprintf(watches[wd].driver, sizeof(watches[wd].driver), "%s", driver);
}

static void driver_watch(int inotify, struct sim_host *host, const char *driver)
{
	char path[SIM_PATH];

	sim_path(path, "%.800s/sys/bus/pci/drivers/%s", host->root, driver);
	watch_add(inotify, host, path, driver, IN_CLOSE_WRITE);
}

void sysfs_watch_start(int inotify, struct sim_host *host)
{
	char path[SIM_PATH];

	sim_path(path, "%.900s/sys/bus/pci", host->root);
	watch_add(inotify, host, path, "", IN_CLOSE_WRITE);
	sim_path(path, "%.900s/sys/bus/pci/drivers", host->root);
	watch_add(inotify, host, path, "*", IN_CREATE);
	module_model_drivers(host->root, inotify, host, driver_watch);
}

void sysfs_watch_event(int inotify, const struct inotify_event *event)
{
	struct watch *watch =
	    event->wd >= 0 && (size_t)event->wd < watch_room ? &watches[event->wd] : NULL;
	char path[SIM_PATH], address[64], *text;
	struct sim_host *host;

	if (!watch || !watch->host)
		return;
	host = watch->host;
	if (event->mask & IN_IGNORED) {
		watch->host = NULL;
		return;
	}
	if (event->len == 0)
		return;
	if (!strcmp(watch->driver, "*")) {
		driver_watch(inotify, host, event->name);
		return;
	}
	if (*watch->driver)
		sim_path(path, "%.700s/sys/bus/pci/drivers/%s/%.100s", host->root, watch->driver,
		         event->name);
	else
		sim_path(path, "%.900s/sys/bus/pci/%.100s", host->root, event->name);
	if (strcmp(event->name, "bind") && strcmp(event->name, "unbind") &&
	    strcmp(event->name, "drivers_probe"))
		return;
	text = sim_read(path);
	snprintf(address, sizeof(address), "%s", text ? text : "");
	free(text);
	address[strcspn(address, "\n")] = '\0';
	if (!*address || strchr(address, '/'))
		return;
	sim_write(path, "%s", "");
	if (!strcmp(event->name, "unbind"))
		module_model_detach(host->root, watch->driver, address);
	else
		module_model_probe(host->root, !strcmp(event->name, "bind") ? watch->driver : NULL,
		                   address);
}
