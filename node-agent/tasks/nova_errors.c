/* nova_errors.c: see nova_errors.h. Names and texts are those of nova/exception.py, nova/pci
 * and oslo_config/cfg.py; both are looked for, because a log may have either. */
#include "node-agent/tasks/nova_errors.h"

#include <stdio.h>
#include <string.h>

#include "node-agent/tasks/config_mask.h"

#define ALIAS_MEANING "an entry of [pci] alias is none that this release of Nova takes"
#define ALIAS_FIX                                                                                  \
	"correct or remove that line (gpufleet report names its file); a key that a newer "        \
	"release "                                                                                 \
	"has is refused, too"
#define SPEC_MEANING "an entry of [pci] device_spec is none that this release of Nova takes"
#define SPEC_FIX     "correct or remove that line (gpufleet report names its file)"

static const struct nova_error errors[] = {
    {"PciInvalidAlias", ALIAS_MEANING, ALIAS_FIX, false},
    {"Invalid PCI alias definition", ALIAS_MEANING, ALIAS_FIX, false},
    {"PciConfigInvalidSpec", SPEC_MEANING, SPEC_FIX, false},
    {"PciConfigInvalidWhitelist", SPEC_MEANING, SPEC_FIX, false},
    {"Invalid [pci]device_spec config", SPEC_MEANING, SPEC_FIX, false},
    {"Invalid PCI devices Whitelist config", SPEC_MEANING, SPEC_FIX, false},
    {"PciDeviceInvalidAddress", "an address in [pci] device_spec is out of its limits", SPEC_FIX,
     false},
    {"PciDeviceWrongAddressFormat",
     "an address in [pci] device_spec is not written as "
     "0000:00:00.0",
     SPEC_FIX, false},
    {"PciDeviceInvalidDeviceName", "an entry of [pci] device_spec has both devname and address",
     "leave devname out", false},
    {"PciDeviceInvalidPFRemoteManaged", "a physical function is marked remote_managed",
     "leave remote_managed out of that entry", false},
    {"PciDeviceRemoteManagedNotPresent", "a device marked remote_managed is not on the host",
     SPEC_FIX, false},
    {"Invalid PCI Whitelist", SPEC_MEANING, SPEC_FIX, false},
    {"PlacementPciDependentDeviceException",
     "a card and its virtual functions are both offered, which Placement cannot hold",
     "offer either the card or its virtual functions", false},
    {"PlacementPciMixedResourceClassException",
     "virtual functions of one card have different resource classes",
     "give them the same resource_class", false},
    {"PlacementPciMixedTraitsException", "virtual functions of one card have different traits",
     "give them the same traits", false},
    {"InventoryInUse",
     "Placement still has guests on devices that the configuration no longer offers",
     "offer those devices as before until their guests are gone", false},
    {"PlacementPciException", "the PCI devices could not be reported to Placement",
     "once reported, devices in use cannot be left out, and reporting cannot be turned off", false},
    {"SchedulerHostFilterNotFound", "a filter in enabled_filters does not exist in this release",
     "remove it from [filter_scheduler] enabled_filters", false},
    {"PciRequestAliasNotDefined", "a flavor asks for an alias that this service does not know",
     "give nova-api and nova-compute the same [pci] alias", false},
    {"ConfigFileParseError", "a configuration file cannot be read as such",
     "correct the line that it names", false},
    {"ConfigFileValueError", "an option has a value that Nova does not take",
     "correct the line that it names", false},
    {"ConfigFilesNotFoundError", "a configuration file is missing", "put it back", false},
    {"ConfigFilesPermissionDeniedError", "the service may not read its configuration file",
     "give it back its group and mode (0640 root:nova on Debian)", false},
    {"unable to load app", "the web server could not start Nova's API",
     "look for the error before it in the log", false},
    {"Unable to remove device with",
     "a device that is no longer offered is still in use: Nova keeps it until its guest is gone",
     "nothing to do now", true},
};

#define COUNT (sizeof(errors) / sizeof(errors[0]))

/* The line that AT is in, from AT on, without what does not belong on a terminal. */
static void quote_take(const char *at, char quote[NOVA_QUOTE_SIZE])
{
	size_t length = strcspn(at, "\n");
	snprintf(quote, NOVA_QUOTE_SIZE, "%.*s", (int)(length < 1000 ? length : 1000), at);
	for (char *p = quote; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	/* A character of several bytes that was cut through at the end. */
	size_t end = strlen(quote), start = end;
	while (end == NOVA_QUOTE_SIZE - 1 && start > 0 && ((unsigned char)quote[start - 1] & 0x80))
		start--;
	quote[start < end ? start : end] = '\0';
	config_mask_urls(quote);
}

static const char *last_of(const char *text, const char *pattern)
{
	const char *last = NULL;
	for (const char *at = text; (at = strstr(at, pattern)); at += strlen(pattern))
		last = at;
	return last;
}

const struct nova_error *nova_error_find(const char *log, bool harmless,
                                         char quote[NOVA_QUOTE_SIZE])
{
	for (size_t i = 0; i < COUNT; i++) {
		const char *at =
		    errors[i].harmless == harmless ? last_of(log, errors[i].pattern) : NULL;
		if (!at)
			continue;
		quote_take(at, quote);
		return &errors[i];
	}
	*quote = '\0';
	return NULL;
}

void nova_error_last(const char *log, char quote[NOVA_QUOTE_SIZE])
{
	static const char *const words[] = {" CRITICAL ", " ERROR ", "Error: ", "Exception: "};
	const char *last = NULL;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *at = last_of(log, words[i]);
		last = at && (!last || at > last) ? at : last;
	}
	*quote = '\0';
	if (!last)
		return;
	while (last > log && last[-1] != '\n')
		last--;
	quote_take(last, quote);
}
