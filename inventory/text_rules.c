/* text_rules.c: see text_rules.h. */
#include "inventory/text_rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* LENGTH or fewer characters, letters and digits or one of OTHERS; begins with a letter or digit.
 */
static bool word_valid(const char *text, const char *others, size_t length)
{
	if (!*text || strlen(text) > length || !strchr(alnum, *text))
		return false;
	for (; *text; text++)
		if (!strchr(alnum, *text) && !strchr(others, *text))
			return false;
	return true;
}

static bool name_valid(const char *text)
{
	return word_valid(text, "._-", 63);
}

static bool ipv6_valid(const char *text)
{
	char address[64];
	struct in6_addr parsed;
	size_t length = strcspn(text, "%");
	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return inet_pton(AF_INET6, address, &parsed) == 1 &&
	       (!text[length] || word_valid(text + length + 1, "._-", 15));
}

bool host_name_valid(const char *text)
{
	return word_valid(text, "._-", 253) || ipv6_valid(text);
}

static bool user_valid(const char *text)
{
	return (*text == '_' ? word_valid(text + 1, "._-", 31) : word_valid(text, "._-", 32));
}

static bool port_valid(const char *text)
{
	return *text && strlen(text) <= 5 && text[strspn(text, "0123456789")] == '\0' &&
	       atoi(text) > 0 && atoi(text) <= 65535;
}

static bool one_jump_valid(char *hop)
{
	char *at = strrchr(hop, '@');
	if (at) {
		*at = '\0';
		if (!user_valid(hop))
			return false;
		hop = at + 1;
	}
	char *colon = strrchr(hop, ':');
	if (*hop == '[') {
		char *close = strchr(hop, ']');
		if (!close || (close[1] && (close[1] != ':' || !port_valid(close + 2))))
			return false;
		*close = '\0';
		return ipv6_valid(hop + 1);
	}
	if (colon) {
		*colon = '\0';
		if (!port_valid(colon + 1))
			return false;
	}
	return word_valid(hop, "._-", 253);
}

static bool jump_valid(const char *text)
{
	char copy[512], *rest = copy, *hop;
	if (!*text || strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	while ((hop = strsep(&rest, ",")))
		if (!one_jump_valid(hop))
			return false;
	return true;
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static bool line_valid(const char *text)
{
	return *text && printable(text);
}

static bool path_valid(const char *text)
{
	return line_valid(text) && *text != '-' && (*text != '~' || text[1] == '/' || !text[1]);
}

/* No way up, so that a path says where it leads. */
static bool absolute_path_valid(const char *text)
{
	return *text == '/' && text[1] && printable(text) && !strstr(text, "/../") &&
	       !strstr(text, "//") && text[strlen(text) - 1] != '/' &&
	       (strlen(text) < 3 || strcmp(text + strlen(text) - 3, "/.."));
}

char *path_expand(const char *path)
{
	char *expanded = NULL;
	if (*path != '~')
		return strdup(path);
	const char *home = getenv("HOME");
	if (!home || !*home) {
		const struct passwd *me = getpwuid(getuid());
		home = me ? me->pw_dir : "/";
	}
	return asprintf(&expanded, "%s%s", home, path + 1) < 0 ? NULL : expanded;
}

static bool host_key_valid(const char *text)
{
	static const char base64[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
	if (strncmp(text, "SHA256:", 7))
		return false;
	size_t length = strspn(text + 7, base64);
	return length == 43 && (!text[50] || !strcmp(text + 50, "="));
}

static char *host_key_normal(const char *text)
{
	return strndup(text, 50); /* without the padding, as ssh-keygen prints it */
}

/* GRUB and the shell that reads its defaults must take a token as it is. */
static bool kernel_arg_valid(const char *text)
{
	return word_valid(text, "._-=,:/+@%", 256) ||
	       (*text == '_' && word_valid(text + 1, "._-=", 255));
}

static bool hex_run(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isxdigit((unsigned char)text[i]))
			return false;
	return true;
}

static bool hex4_valid(const char *text)
{
	return strlen(text) == 4 && hex_run(text, 4);
}

static char *lower_copy(const char *text)
{
	char *copy = strdup(text);
	for (char *c = copy; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

static bool subsystem_valid(const char *text)
{
	return strlen(text) == 9 && hex_run(text, 4) && text[4] == ':' && hex_run(text + 5, 4);
}

static bool pci_address_valid(const char *text)
{
	size_t length = strlen(text);
	if (length == 12) {
		if (!hex_run(text, 4) || text[4] != ':')
			return false;
		text += 5;
	} else if (length != 7) {
		return false;
	}
	return hex_run(text, 2) && text[2] == ':' && hex_run(text + 3, 2) &&
	       strtoul(text + 3, NULL, 16) < 32 && text[5] == '.' && text[6] >= '0' &&
	       text[6] <= '7';
}

static char *pci_address_normal(const char *text)
{
	char full[16];
	snprintf(full, sizeof(full), "%s%s", strlen(text) == 7 ? "0000:" : "", text);
	return lower_copy(full);
}

static bool resource_valid(const char *text)
{
	if (!*text || strlen(text) > 255)
		return false;
	return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

static bool module_valid(const char *text)
{
	return word_valid(text, "_-", 63);
}

static bool unit_valid(const char *text)
{
	static const char *const kinds[] = {".service", ".socket", ".timer",
	                                    ".target",  ".path",   ".mount"};
	const char *kind = strrchr(text, '.');
	if (!word_valid(text, "._-@:", 255))
		return false;
	if (!kind)
		return true; /* systemd adds .service */
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kind, kinds[i]))
			return true;
	return false;
}

static bool playbook_valid(const char *text)
{
	return strchr(text, '/') ? path_valid(text) : name_valid(text);
}

static bool clock_valid(const char *text)
{
	return strlen(text) == 5 && isdigit((unsigned char)text[0]) &&
	       isdigit((unsigned char)text[1]) && text[2] == ':' &&
	       isdigit((unsigned char)text[3]) && isdigit((unsigned char)text[4]) &&
	       atoi(text) < 24 && atoi(text + 3) < 60;
}

static bool time_zone_valid(const char *text)
{
	char path[128];
	if (!word_valid(text, "_+-/", 60) || strstr(text, "//") || text[strlen(text) - 1] == '/')
		return false;
	if (!strcmp(text, "UTC") || access("/usr/share/zoneinfo/UTC", R_OK) != 0)
		return true; /* a machine without the tables cannot tell */
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", text);
	return access(path, R_OK) == 0;
}

static bool mode_valid(const char *text)
{
	size_t length = strlen(text);
	return (length == 3 || (length == 4 && *text == '0')) &&
	       text[strspn(text, "01234567")] == '\0';
}

static bool owner_valid(const char *text)
{
	char copy[80];
	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	char *group = strchr(copy, ':');
	if (group) {
		*group++ = '\0';
		if (!user_valid(group))
			return false;
	}
	return user_valid(copy);
}

#define RULE(name, what, valid, normal) const struct text_rule rule_##name = {what, valid, normal}

RULE(name, "a name: letters, digits, '.', '_' and '-', beginning with a letter or digit",
     name_valid, NULL);
RULE(host_name, "a host name or an IP address (a leading '-' or shell text is refused)",
     host_name_valid, NULL);
RULE(user, "a login name: letters, digits, '.', '_' and '-', not beginning with '-'", user_valid,
     NULL);
RULE(jump, "a jump host as [user@]host[:port]; several stand with ',' between them", jump_valid,
     NULL);
RULE(path, "a path that does not begin with '-' (\"~/\" is your home)", path_valid, path_expand);
RULE(absolute_path, "an absolute path without \"..\"", absolute_path_valid, NULL);
RULE(host_key, "a key's fingerprint as `ssh-keygen -lf` prints it, \"SHA256:\" and 43 characters",
     host_key_valid, host_key_normal);
RULE(kernel_arg, "one kernel argument such as \"intel_iommu=on\", without blanks or quotes",
     kernel_arg_valid, NULL);
RULE(hex4, "four hex digits such as \"10de\"", hex4_valid, lower_copy);
RULE(subsystem, "two ids such as \"1462:3609\"", subsystem_valid, lower_copy);
RULE(pci_address, "a PCI address such as \"0000:01:00.0\"", pci_address_valid, pci_address_normal);
RULE(resource, "upper-case letters, digits and '_', such as \"CUSTOM_GPU\"", resource_valid, NULL);
RULE(line, "one line of text", line_valid, NULL);
RULE(text, "text", NULL, NULL);
RULE(module, "a kernel module's name such as \"vfio_pci\"", module_valid, NULL);
RULE(unit, "a systemd unit such as \"nvidia-persistenced.service\"", unit_valid, NULL);
RULE(argument, "an argument without control characters", printable, NULL);
RULE(playbook, "a shipped playbook's name, or a path with a '/' in it", playbook_valid, NULL);
RULE(clock, "a time of day such as \"22:00\"", clock_valid, NULL);
RULE(time_zone, "a time zone such as \"Europe/Berlin\" or \"UTC\"", time_zone_valid, NULL);
RULE(mode, "an octal mode such as \"0644\"", mode_valid, NULL);
RULE(owner, "a user, or user:group", owner_valid, NULL);
