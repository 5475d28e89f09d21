/* ssh_config_words.c: the keywords of ssh_config(5) (OpenSSH 10.0), and what each may say. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "controller/ssh/ssh_config_lines.h"
#include "inventory/suggest.h"
#include "inventory/text_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define BY_KEY "set identity_file, or add the key to an ssh-agent"

static const struct ssh_keyword keywords[] = {
    {"Host", KEY_HOST, NULL, NULL},
    {"Match", KEY_MATCH, NULL, NULL},
    {"Include", KEY_INCLUDE, NULL, NULL},
    {"HostName", KEY_HOST_NAME, NULL, NULL},
    {"Port", KEY_PORT, NULL, NULL},
    {"User", KEY_USER, NULL, NULL},
    {"IdentityFile", KEY_IDENTITY_FILE, NULL, NULL},
    {"IdentitiesOnly", KEY_IDENTITIES_ONLY, NULL, NULL},
    {"ProxyJump", KEY_PROXY_JUMP, "none", NULL},
    {"ProxyCommand", KEY_PROXY_COMMAND, "none",
     "name the bastion with ProxyJump, or with \"jump\" in the inventory"},
    {"UserKnownHostsFile", KEY_KNOWN_HOSTS, NULL, NULL},
    {"ServerAliveInterval", KEY_ALIVE_INTERVAL, NULL, NULL},
    {"ServerAliveCountMax", KEY_ALIVE_COUNT, NULL, NULL},
    {"IgnoreUnknown", KEY_IGNORE_UNKNOWN, NULL, NULL},
    {"HostKeyAlias", KEY_REFUSED, NULL,
     "record the host's key under its own name, or pin it with host_key in the inventory"},
    {"CanonicalizeHostname", KEY_REFUSED, "no", "give the host an address in the inventory"},
    {"KnownHostsCommand", KEY_REFUSED, "none", "write the keys to a file and set known_hosts"},
    {"RevokedHostKeys", KEY_REFUSED, "none", "write @revoked lines into the known_hosts file"},
    {"RefuseConnection", KEY_REFUSED, NULL, "leave the host out with --limit, or remove the line"},
    {"BindAddress", KEY_WARNED, NULL, "the route decides from where the host is reached"},
    {"BindInterface", KEY_WARNED, NULL, "the route decides from where the host is reached"},
    {"CertificateFile", KEY_WARNED, NULL,
     "user certificates are not supported: the host must take the plain key"},
    {"IdentityAgent", KEY_WARNED, "SSH_AUTH_SOCK", "the agent of SSH_AUTH_SOCK is asked instead"},
    {"PKCS11Provider", KEY_WARNED, "none", BY_KEY},
    {"SecurityKeyProvider", KEY_WARNED, "internal", BY_KEY},
    {"GlobalKnownHostsFile", KEY_WARNED, "none", "only the user's known_hosts file is read"},
    {"AddressFamily", KEY_WARNED, "any", "every address of the host is tried"},
    {"PubkeyAuthentication", KEY_WARNED, "yes", "keys are tried all the same"},
    {"Ciphers", KEY_WARNED, NULL, "gpufleet brings its own list"},
    {"KexAlgorithms", KEY_WARNED, NULL, "gpufleet brings its own list"},
    {"MACs", KEY_WARNED, NULL, "libssh's list is used"},
    {"HostKeyAlgorithms", KEY_WARNED, NULL, "gpufleet asks for the types that known_hosts records"},
    {"PubkeyAcceptedAlgorithms", KEY_WARNED, NULL, "every key that is there is tried"},
};

/* Forwarding, terminals, multiplexing, output, and rules that are stricter here anyway. */
static const char *const ignored[] = {
    "AddKeysToAgent",
    "BatchMode",
    "CanonicalDomains",
    "CanonicalizeFallbackLocal",
    "CanonicalizeMaxDots",
    "CanonicalizePermittedCNAMEs",
    "CASignatureAlgorithms",
    "ChallengeResponseAuthentication",
    "ChannelTimeout",
    "CheckHostIP",
    "Cipher",
    "ClearAllForwardings",
    "Compression",
    "CompressionLevel",
    "ConnectionAttempts",
    "ConnectTimeout",
    "ControlMaster",
    "ControlPath",
    "ControlPersist",
    "DSAAuthentication",
    "DynamicForward",
    "EnableEscapeCommandline",
    "EnableSSHKeysign",
    "EscapeChar",
    "ExitOnForwardFailure",
    "FingerprintHash",
    "ForkAfterAuthentication",
    "ForwardAgent",
    "ForwardX11",
    "ForwardX11Timeout",
    "ForwardX11Trusted",
    "GatewayPorts",
    "GSSAPIAuthentication",
    "GSSAPIClientIdentity",
    "GSSAPIDelegateCredentials",
    "GSSAPIKeyExchange",
    "GSSAPIRenewalForcesRekey",
    "GSSAPIServerIdentity",
    "GSSAPITrustDns",
    "GSSAPIKexAlgorithms",
    "HashKnownHosts",
    "HostbasedAcceptedAlgorithms",
    "HostbasedAuthentication",
    "HostbasedKeyTypes",
    "IPQoS",
    "KbdInteractiveAuthentication",
    "KbdInteractiveDevices",
    "KeepAlive",
    "LocalCommand",
    "LocalForward",
    "LogLevel",
    "LogVerbose",
    "NoHostAuthenticationForLocalhost",
    "NumberOfPasswordPrompts",
    "ObscureKeystrokeTiming",
    "PasswordAuthentication",
    "PermitLocalCommand",
    "PermitRemoteOpen",
    "PreferredAuthentications",
    "Protocol",
    "ProxyUseFdpass",
    "PubkeyAcceptedKeyTypes",
    "RekeyLimit",
    "RemoteCommand",
    "RemoteForward",
    "RequestTTY",
    "RequiredRSASize",
    "RhostsRSAAuthentication",
    "RSAAuthentication",
    "RSAMinSize",
    "SendEnv",
    "SessionType",
    "SetEnv",
    "StdinNull",
    "StreamLocalBindMask",
    "StreamLocalBindUnlink",
    "StrictHostKeyChecking",
    "SyslogFacility",
    "Tag",
    "TCPKeepAlive",
    "Tunnel",
    "TunnelDevice",
    "UpdateHostKeys",
    "UsePrivilegedPort",
    "UseRoaming",
    "VerifyHostKeyDNS",
    "VersionAddendum",
    "VisualHostKey",
    "WarnWeakCrypto",
    "XAuthLocation",
};

static const struct ssh_keyword ignored_keyword = {"", KEY_IGNORED, NULL, NULL};

static bool same_word(const char *a, const char *b)
{
	return (*a | 0x20) == (*b | 0x20) && strcasecmp(a, b) == 0;
}

const struct ssh_keyword *ssh_keyword_find(const char *name)
{
	for (size_t i = 0; i < COUNT(keywords); i++)
		if (same_word(keywords[i].name, name))
			return &keywords[i];
	for (size_t i = 0; i < COUNT(ignored); i++)
		if (same_word(ignored[i], name))
			return &ignored_keyword;
	return NULL;
}

const char *ssh_keyword_suggest(const char *name)
{
	const char *names[COUNT(keywords) + COUNT(ignored)];
	size_t count = 0;
	for (size_t i = 0; i < COUNT(keywords); i++)
		names[count++] = keywords[i].name;
	for (size_t i = 0; i < COUNT(ignored); i++)
		names[count++] = ignored[i];
	return suggest_nearest(name, names, count);
}

int ssh_config_fail(const struct ssh_config_line *line, size_t i, struct gf_err *err,
                    const char *format, ...)
{
	char text[sizeof(err->msg)];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return gf_err_set(err, GF_E_INPUT, "%s:%u:%u: %s", line->file, line->line,
	                  i < line->count ? line->words[i].column : line->column, text);
}

bool ssh_pattern_match(const char *pattern, const char *text)
{
	const char *star = NULL, *again = NULL;
	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			again = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool ssh_pattern_list_match(const char *list, const char *text)
{
	bool found = false;
	char *copy = strdup(list), *rest = copy, *pattern;
	while (copy && (pattern = strsep(&rest, ","))) {
		if (*pattern == '!' && ssh_pattern_match(pattern + 1, text)) {
			found = false;
			break;
		}
		found = found || (*pattern != '!' && ssh_pattern_match(pattern, text));
	}
	free(copy);
	return found;
}

/* Every % of a value begins one of the tokens in ALLOWED. */
static int check_tokens(const struct ssh_config_line *line, size_t i, const char *allowed,
                        struct gf_err *err)
{
	for (const char *at = line->words[i].text; (at = strchr(at, '%')); at += 2) {
		if (at[1] && strchr(allowed, at[1]))
			continue;
		return at[1] ? ssh_config_fail(line, i, err, "%s does not take the token %%%c here",
		                               line->keyword->name, at[1])
		             : ssh_config_fail(line, i, err, "a %% stands at the end of \"%s\"",
		                               line->words[i].text);
	}
	return 0;
}

static int check_host_name(const struct ssh_config_line *line, struct gf_err *err)
{
	if (check_tokens(line, 0, "h%", err) != 0)
		return -1;
	/* With a stand-in for what %h will be. */
	char probe[600], *to = probe;
	for (const char *at = line->words[0].text; *at && to < probe + sizeof(probe) - 1; at++) {
		if (*at == '%') {
			at++;
			*to++ = *at == 'h' ? 'h' : '%';
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';
	return host_name_valid(probe)
	           ? 0
	           : ssh_config_fail(line, 0, err, "\"%.80s\" is no host name or address",
	                             line->words[0].text);
}

/* "90", "1m30s", as in sshd_config(5), TIME FORMATS, but for weeks. */
bool ssh_config_seconds(const char *text, unsigned *seconds)
{
	static const char units[] = "smhd";
	static const unsigned lengths[] = {1, 60, 3600, 86400};
	uint64_t total = 0;
	do {
		size_t digits = strspn(text, "0123456789");
		if (digits < 1 || digits > 5)
			return false;
		const char *unit = text[digits] ? strchr(units, text[digits] | 0x20) : units;
		if (!unit)
			return false;
		total += (uint64_t)atoi(text) * lengths[unit - units];
		text += digits + (text[digits] != '\0');
	} while (*text && total <= SSH_CONFIG_SECONDS_MAX);
	*seconds = (unsigned)total;
	return total <= SSH_CONFIG_SECONDS_MAX;
}

static int check_alive(const struct ssh_config_line *line, struct gf_err *err)
{
	const char *text = line->words[0].text;
	unsigned seconds;
	if (line->keyword->key == KEY_ALIVE_INTERVAL)
		return strcasecmp(text, "none") == 0 || ssh_config_seconds(text, &seconds)
		           ? 0
		           : ssh_config_fail(
		                 line, 0, err,
		                 "ServerAliveInterval takes a time up to a day, such as "
		                 "30 or 2m, not \"%.40s\"",
		                 text);
	return strlen(text) <= 4 && !text[strspn(text, "0123456789")]
	           ? 0
	           : ssh_config_fail(line, 0, err,
	                             "ServerAliveCountMax takes a number up to 9999, not \"%.40s\"",
	                             text);
}

static int check_port(const struct ssh_config_line *line, struct gf_err *err)
{
	const char *text = line->words[0].text;
	if (strlen(text) > 5 || text[strspn(text, "0123456789")] || atoi(text) < 1 ||
	    atoi(text) > 65535)
		return ssh_config_fail(line, 0, err,
		                       "Port takes a number from 1 to 65535, not \"%.40s\"", text);
	return 0;
}

static int check_jump(const struct ssh_config_line *line, struct gf_err *err)
{
	const char *text = line->words[0].text;
	if (strcasecmp(text, "none") == 0 || rule_jump.valid(text))
		return 0;
	return ssh_config_fail(line, 0, err, "ProxyJump takes [user@]host[:port], not \"%.80s\"",
	                       text);
}

static int check_match(const struct ssh_config_line *line, struct gf_err *err)
{
	static const char *const with_value[] = {
	    "host",         "originalhost", "user",    "localuser",   "exec",
	    "localnetwork", "tagged",       "version", "sessiontype", "command"};
	static const char *const alone[] = {"all", "canonical", "final"};
	for (size_t i = 0; i < line->count; i++) {
		const char *word = line->words[i].text + (line->words[i].text[0] == '!');
		char name[32];
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
		bool known = false, joined = word[strlen(name)] == '=';
		for (size_t j = 0; j < COUNT(alone); j++)
			known |= strcasecmp(word, alone[j]) == 0;
		if (strcasecmp(word, "all") == 0 && line->count > 1 &&
		    strcasecmp(line->words[0].text, "canonical") != 0 &&
		    strcasecmp(line->words[0].text, "final") != 0)
			return ssh_config_fail(line, i, err,
			                       "Match all stands alone, without other criteria");
		if (known)
			continue;
		for (size_t j = 0; j < COUNT(with_value); j++)
			known |= strcasecmp(name, with_value[j]) == 0;
		if (!known)
			return ssh_config_fail(line, i, err, "Match has no criterion \"%.40s\"",
			                       word);
		if (!joined && ++i == line->count)
			return ssh_config_fail(line, i - 1, err, "Match %s needs a value", name);
	}
	return 0;
}

static int check_files(const struct ssh_config_line *line, struct gf_err *err)
{
	for (size_t i = 0; i < line->count; i++) {
		const char *text = line->words[i].text, *open = text;
		if (check_tokens(line, i, "%dhilLnpru", err) != 0)
			return -1;
		while ((open = strstr(open, "${"))) {
			if (!strchr(open, '}'))
				return ssh_config_fail(line, i, err, "${ without } in \"%.80s\"",
				                       text);
			open += 2;
		}
	}
	return 0;
}

/* Keywords with exactly one value; the others take one or more. */
static bool takes_one(enum ssh_key key)
{
	switch (key) {
	case KEY_HOST_NAME:
	case KEY_PORT:
	case KEY_USER:
	case KEY_IDENTITY_FILE:
	case KEY_IDENTITIES_ONLY:
	case KEY_PROXY_JUMP:
	case KEY_ALIVE_INTERVAL:
	case KEY_ALIVE_COUNT:
		return true;
	default:
		return false;
	}
}

int ssh_config_line_check(const struct ssh_config_line *line, struct gf_err *err)
{
	const struct ssh_keyword *keyword = line->keyword;
	if (keyword->key == KEY_IGNORED)
		return 0;
	if (line->count == 0)
		return ssh_config_fail(line, 0, err, "%s needs a value", keyword->name);
	for (size_t i = 0; i < line->count; i++)
		if (!line->words[i].text[0])
			return ssh_config_fail(line, i, err, "%s has an empty value",
			                       keyword->name);
	if (takes_one(keyword->key) && line->count > 1)
		return ssh_config_fail(line, 1, err, "%s takes one value: \"%.80s\" is too many",
		                       keyword->name, line->words[1].text);
	const char *text = line->words[0].text;
	switch (keyword->key) {
	case KEY_HOST_NAME:
		return check_host_name(line, err);
	case KEY_PORT:
		return check_port(line, err);
	case KEY_USER:
		return rule_user.valid(text)
		           ? 0
		           : ssh_config_fail(line, 0, err, "\"%.80s\" is no login name", text);
	case KEY_IDENTITIES_ONLY:
		return strcasecmp(text, "yes") == 0 || strcasecmp(text, "no") == 0 ||
		               strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0
		           ? 0
		           : ssh_config_fail(line, 0, err,
		                             "IdentitiesOnly takes yes or no, not \"%.40s\"", text);
	case KEY_PROXY_JUMP:
		return check_jump(line, err);
	case KEY_MATCH:
		return check_match(line, err);
	case KEY_ALIVE_INTERVAL:
	case KEY_ALIVE_COUNT:
		return check_alive(line, err);
	case KEY_IDENTITY_FILE:
	case KEY_KNOWN_HOSTS:
		return check_files(line, err);
	default:
		return 0;
	}
}
