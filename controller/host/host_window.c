/* host_window.c: rollout.windows, as far as one host is concerned: nothing is begun outside them,
 * and no reboot that may not be over when the window closes.
 */
#include <stdio.h>
#include <time.h>

#include "controller/clock/windows.h"
#include "controller/host/host_states.h"

#define HOW_TO_GO_ON                                                                               \
	"the same command goes on in the next window%s%s (to act now, take rollout.windows out "   \
	"of "                                                                                      \
	"the inventory)"

static int64_t host_wall(const struct host *host)
{
	return host->shared->clock->wall(host->shared->clock);
}

/* How long its reboot may take: half as long again as its last one and a minute, or what a boot is
 * waited for at most. */
static unsigned reboot_bound(const struct host *host)
{
	unsigned most = host->shared->rollout->boot_timeout_s;
	unsigned last = host->record.reboot_s, bound = last + last / 2 + 60;

	return last && bound < most ? bound : most;
}

/* "Sat 2026-01-03 22:00 CET", in the controller's own zone. */
static void instant_show(int64_t instant, char *text, size_t size)
{
	time_t when = (time_t)instant;
	struct tm tm;

	if (strftime(text, size, "%a %Y-%m-%d %H:%M %Z", localtime_r(&when, &tm)) == 0)
		*text = '\0';
}

static bool forbids(const struct host *host, unsigned needed_s, struct gf_err *err)
{
	const struct windows *windows = host->shared->windows;
	int64_t now = host_wall(host), close, next;
	char opens[64] = "", closes[64];

	if (!windows)
		return false;
	close = windows_close(windows, now);
	if (close && now + (int64_t)needed_s <= close)
		return false;
	next = windows_next(windows, now);
	if (next)
		instant_show(next, opens, sizeof(opens));
	instant_show(close, closes, sizeof(closes));
	if (!close)
		gf_err_set(err, GF_E_WINDOW, "no window of rollout.windows is open: " HOW_TO_GO_ON,
		           next ? ", from " : "", opens);
	else
		gf_err_set(
		    err, GF_E_WINDOW,
		    "its reboot may take %u minutes, and the window closes at %s: " HOW_TO_GO_ON,
		    (needed_s + 59) / 60, closes, next ? ", from " : "", opens);
	return true;
}

bool host_window_forbids_reboot(const struct host *host, struct gf_err *err)
{
	return forbids(host, reboot_bound(host), err);
}

bool host_window_forbids(const struct host *host, struct gf_err *err)
{
	const struct host_record *record = &host->record;

	if (record->operation_open || record->reboot_open || record->drained ||
	    (record->trial[0] && !record->reboot_owed))
		return false;
	return forbids(host, host_will_reboot(host) ? reboot_bound(host) : 0, err);
}
