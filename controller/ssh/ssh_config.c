/* ssh_config.c: what the lines say of one host: the first value of each keyword, in the blocks that
 * match it.
 *
 * Possible failure modes: a keyword that gpufleet cannot follow applies to the host, or may apply
 * (a Match that cannot be decided here): an error that names the line.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "controller/ssh/ssh_config.h"
#include "controller/ssh/ssh_config_lines.h"
#include "inventory/nodeset.h"
#include "inventory/shared_text.h"
#include "inventory/text_rules.h"

enum active { INACTIVE, ACTIVE, MAYBE }; /* MAYBE: a Match that cannot be decided */

struct lookup {
	const struct ssh_config *config;
	struct inventory_host *host;
	ssh_config_warn_fn *warn;
	void *ctx;
	const struct ssh_config_line *maybe; /* the Match of MAYBE */
	/* The first line of each, or NULL. */
	const struct ssh_config_line *host_name, *port, *user, *only, *proxy, *known_hosts;
	const struct ssh_config_line *alive_interval, *alive_count;
	const struct ssh_config_line **files; /* IdentityFile adds up */
	size_t file_count;
	const struct ssh_keyword *seen[64];
	size_t seen_count;
};

static const char *home_folder(void)
{
	const char *home = getenv("HOME");
	if (home && *home)
		return home;
	const struct passwd *me = getpwuid(getuid());
	return me ? me->pw_dir : "/";
}

/* Looked up once: it is asked for every host. */
static const char *local_user(void)
{
	static char name[64];
	const struct passwd *me = name[0] ? NULL : getpwuid(getuid());
	if (!name[0])
		snprintf(name, sizeof(name), "%s", me ? me->pw_name : "root");
	return name;
}

/* The name that HostName makes of the host's, %h being the latter. */
static void host_name_value(const struct ssh_config_line *line, const char *name, char *to,
                            size_t size)
{
	size_t used = 0;
	to[0] = '\0';
	for (const char *at = line->words[0].text; *at && used + 1 < size; at++) {
		if (*at == '%' && at[1] == 'h') {
			used += (size_t)snprintf(to + used, size - used, "%s", name);
			at++;
		} else {
			to[used++] = *at;
			if (*at == '%')
				at++;
		}
		if (used >= size)
			used = size - 1;
		to[used] = '\0';
	}
}

static bool criterion_matches(const struct lookup *lookup, const char *name, const char *value)
{
	const struct inventory_host *host = lookup->host;
	if (strcasecmp(name, "originalhost") == 0)
		return ssh_pattern_list_match(value, host->name);
	if (strcasecmp(name, "host") == 0) {
		char real[512];
		snprintf(real, sizeof(real), "%s", host->address);
		if (!host->address_given && lookup->host_name)
			host_name_value(lookup->host_name, host->name, real, sizeof(real));
		return ssh_pattern_list_match(value, real);
	}
	if (strcasecmp(name, "localuser") == 0)
		return ssh_pattern_list_match(value, local_user());
	const char *user = host->user     ? host->user
	                   : lookup->user ? lookup->user->words[0].text
	                                  : local_user();
	return ssh_pattern_list_match(value, user);
}

/* All criteria must hold. One that cannot be decided here leaves MAYBE, unless another fails. */
static enum active match_line(const struct lookup *lookup, const struct ssh_config_line *line)
{
	static const char *const decided[] = {"host", "originalhost", "user", "localuser"};
	enum active result = ACTIVE;
	for (size_t i = 0; i < line->count; i++) {
		const char *word = line->words[i].text;
		bool negated = *word == '!', known = false;
		word += negated;
		if (strcasecmp(word, "all") == 0) {
			if (negated)
				return INACTIVE;
			continue;
		}
		if (strcasecmp(word, "canonical") == 0 || strcasecmp(word, "final") == 0) {
			/* Of a second pass through the file, which there is none of. */
			if (!negated)
				result = MAYBE;
			continue;
		}
		char name[32];
		size_t size = strcspn(word, "=");
		snprintf(name, sizeof(name), "%.*s", (int)size, word);
		const char *value = word[size] ? word + size + 1 : line->words[++i].text;
		for (size_t j = 0; j < sizeof(decided) / sizeof(decided[0]); j++)
			known |= strcasecmp(name, decided[j]) == 0;
		if (!known)
			result = MAYBE;
		else if (criterion_matches(lookup, name, value) == negated)
			return INACTIVE;
	}
	return result;
}

static enum active host_line(const struct lookup *lookup, const struct ssh_config_line *line)
{
	enum active result = INACTIVE;
	for (size_t i = 0; i < line->count; i++) {
		const char *pattern = line->words[i].text;
		bool negated = *pattern == '!';
		if (!ssh_pattern_match(pattern + negated, lookup->host->name))
			continue;
		if (negated)
			return INACTIVE;
		result = ACTIVE;
	}
	return result;
}

/* Is there nothing left for this keyword to say? */
static bool settled(struct lookup *lookup, const struct ssh_keyword *keyword, enum active active)
{
	const struct inventory_host *host = lookup->host;
	switch (keyword->key) {
	case KEY_HOST_NAME:
		return host->address_given || lookup->host_name;
	case KEY_PORT:
		return host->port || lookup->port;
	case KEY_USER:
		return host->user || lookup->user;
	case KEY_IDENTITY_FILE:
		return host->identity_file != NULL;
	case KEY_IDENTITIES_ONLY:
		return host->identity_file || lookup->only;
	case KEY_PROXY_JUMP:
	case KEY_PROXY_COMMAND:
		return host->jump || lookup->proxy;
	case KEY_KNOWN_HOSTS:
		return host->known_hosts || lookup->known_hosts;
	/* Where it cannot be known whether they apply, our own values will do. */
	case KEY_ALIVE_INTERVAL:
		return lookup->alive_interval || active == MAYBE;
	case KEY_ALIVE_COUNT:
		return lookup->alive_count || active == MAYBE;
	case KEY_REFUSED:
	case KEY_WARNED:
		for (size_t i = 0; i < lookup->seen_count; i++)
			if (lookup->seen[i] == keyword)
				return true;
		if (lookup->seen_count < sizeof(lookup->seen) / sizeof(lookup->seen[0]))
			lookup->seen[lookup->seen_count++] = keyword;
		return false;
	default:
		return true;
	}
}

static int undecided(const struct lookup *lookup, const struct ssh_config_line *line,
                     struct gf_err *err)
{
	const struct ssh_config_line *match = lookup->maybe;
	return ssh_config_fail(
	    match, 0, err,
	    "whether this Match applies to %s cannot be decided here, and its %s "
	    "(line %u) would change how the host is reached: write it as a Host "
	    "block, or set the value in the inventory",
	    lookup->host->name, line->keyword->name, line->line);
}

static int out_of_memory(struct gf_err *err)
{
	return gf_err_set(err, GF_E_MEMORY, "out of memory");
}

static int add_file(struct lookup *lookup, const struct ssh_config_line *line, struct gf_err *err)
{
	const struct ssh_config_line **grown =
	    realloc(lookup->files, (lookup->file_count + 1) * sizeof(*grown));
	if (!grown)
		return out_of_memory(err);
	lookup->files = grown;
	grown[lookup->file_count++] = line;
	return 0;
}

static int take_line(struct lookup *lookup, const struct ssh_config_line *line, enum active active,
                     struct gf_err *err)
{
	const struct ssh_keyword *keyword = line->keyword;
	const char *value = line->words[0].text;
	if (settled(lookup, keyword, active))
		return 0;
	if (active == MAYBE && keyword->key != KEY_WARNED)
		return undecided(lookup, line, err);
	bool neutral = keyword->neutral && strcasecmp(value, keyword->neutral) == 0;
	switch (keyword->key) {
	case KEY_HOST_NAME:
		lookup->host_name = line;
		break;
	case KEY_PORT:
		lookup->port = line;
		break;
	case KEY_USER:
		lookup->user = line;
		break;
	case KEY_IDENTITY_FILE:
		return add_file(lookup, line, err);
	case KEY_IDENTITIES_ONLY:
		lookup->only = line;
		break;
	case KEY_PROXY_JUMP:
		lookup->proxy = line;
		break;
	case KEY_ALIVE_INTERVAL:
		lookup->alive_interval = line;
		break;
	case KEY_ALIVE_COUNT:
		lookup->alive_count = line;
		break;
	case KEY_KNOWN_HOSTS:
		lookup->known_hosts = line;
		if (line->count > 1 && lookup->warn)
			lookup->warn(lookup->ctx, line->file, line->line, lookup->host->name,
			             "of UserKnownHostsFile only the first file is read");
		break;
	case KEY_PROXY_COMMAND:
		lookup->proxy = line;
		if (neutral)
			break;
		/* fall through */
	case KEY_REFUSED:
		if (!neutral)
			return ssh_config_fail(line, (size_t)-1, err,
			                       "%s applies to %s and is not supported: %s",
			                       keyword->name, lookup->host->name, keyword->advice);
		break;
	case KEY_WARNED:
		if (!neutral && lookup->warn) {
			char message[300];
			snprintf(message, sizeof(message), "%s is left out: %s", keyword->name,
			         keyword->advice);
			lookup->warn(lookup->ctx, line->file, line->line, lookup->host->name,
			             message);
		}
		break;
	default:
		break;
	}
	return 0;
}

static int walk(struct lookup *lookup, struct gf_err *err)
{
	enum active base[SSH_CONFIG_DEPTH_MAX + 2], active[SSH_CONFIG_DEPTH_MAX + 2];
	const struct ssh_config_line *maybe[SSH_CONFIG_DEPTH_MAX + 2] = {0};
	for (size_t i = 0; i < lookup->config->count; i++) {
		const struct ssh_config_line *line = &lookup->config->lines[i];
		unsigned depth = line->depth;
		if (!line->keyword) {
			base[depth] = active[depth] = depth ? active[depth - 1] : ACTIVE;
			maybe[depth] = depth ? maybe[depth - 1] : NULL;
		} else if (line->keyword->key == KEY_HOST || line->keyword->key == KEY_MATCH) {
			enum active own = base[depth] == INACTIVE ? INACTIVE
			                  : line->keyword->key == KEY_HOST
			                      ? host_line(lookup, line)
			                      : match_line(lookup, line);
			active[depth] = own == ACTIVE ? base[depth] : own;
			maybe[depth] = own == MAYBE ? line : depth ? maybe[depth - 1] : NULL;
		} else if (active[depth] != INACTIVE) {
			lookup->maybe = maybe[depth];
			if (take_line(lookup, line, active[depth], err) != 0)
				return -1;
		}
	}
	return 0;
}

static const char *token_value(char token, const struct inventory_host *host, char *room,
                               size_t size)
{
	switch (token) {
	case 'd':
		return home_folder();
	case 'h':
		return host->address;
	case 'i':
		snprintf(room, size, "%u", (unsigned)getuid());
		return room;
	case 'l':
	case 'L':
		if (gethostname(room, size - 1) != 0)
			room[0] = '\0';
		room[size - 1] = '\0';
		if (token == 'L')
			room[strcspn(room, ".")] = '\0';
		return room;
	case 'n':
		return host->name;
	case 'p':
		snprintf(room, size, "%u", host->port);
		return room;
	case 'r':
		return host->user;
	case 'u':
		return local_user();
	default:
		return "%";
	}
}

/* ~, ${VARIABLE} and % tokens of the file that LINE (NULL: built in) names. NULL with *err. */
static char *expand_file(const char *text, const struct ssh_config_line *line,
                         const struct inventory_host *host, struct gf_err *err)
{
	static const struct ssh_config_line built_in = {.file = "(built in)"};
	char *path = NULL, room[300];
	line = line ? line : &built_in;
	size_t size = 0;
	FILE *out = open_memstream(&path, &size);
	if (!out) {
		out_of_memory(err);
		return NULL;
	}
	const char *at = text;
	if (*at == '~') {
		char name[64];
		size_t length = strcspn(at + 1, "/");
		snprintf(name, sizeof(name), "%.*s", (int)length, at + 1);
		const struct passwd *owner = *name ? getpwnam(name) : NULL;
		if (*name && !owner)
			ssh_config_fail(line, 0, err, "there is no user %s, whom \"%.80s\" names",
			                name, text);
		fputs(!*name ? home_folder() : owner ? owner->pw_dir : "", out);
		at += 1 + length;
		if (*name && !owner)
			goto err_close;
	}
	for (; *at; at++) {
		if (*at == '%' && at[1]) {
			fputs(token_value(*++at, host, room, sizeof(room)), out);
		} else if (at[0] == '$' && at[1] == '{') {
			char name[128];
			size_t length = strcspn(at + 2, "}");
			snprintf(name, sizeof(name), "%.*s", (int)(length < 127 ? length : 127),
			         at + 2);
			const char *value = getenv(name);
			if (!value) {
				ssh_config_fail(line, 0, err,
				                "the environment has no %s, which \"%.80s\" needs",
				                name, text);
				goto err_close;
			}
			fputs(value, out);
			at += 2 + length;
		} else {
			fputc(*at, out);
		}
	}
	fclose(out);
	if (!path)
		out_of_memory(err);
	return path;
err_close:
	fclose(out);
	free(path);
	return NULL;
}

static int set_shared(char **to, const char *text, struct gf_err *err)
{
	char *shared = shared_text_new(text);
	if (!shared)
		return out_of_memory(err);
	shared_text_drop(to);
	*to = shared;
	return 0;
}

static int set_text(char **to, const char *text, struct gf_err *err)
{
	char *copy = strdup(text);
	if (!copy)
		return out_of_memory(err);
	free(*to);
	*to = copy;
	return 0;
}

static int fill_names(struct lookup *lookup, struct gf_err *err)
{
	struct inventory_host *host = lookup->host;
	if (lookup->host_name) {
		char name[512];
		host_name_value(lookup->host_name, host->name, name, sizeof(name));
		if (!host_name_valid(name))
			return ssh_config_fail(lookup->host_name, 0, err,
			                       "what HostName makes of %s is no host name",
			                       host->name);
		if (set_text(&host->address, name, err) != 0)
			return -1;
	}
	if (lookup->user && set_shared(&host->user, lookup->user->words[0].text, err) != 0)
		return -1;
	if (!host->user && set_shared(&host->user, local_user(), err) != 0)
		return -1;
	if (lookup->port)
		host->port = (uint16_t)atoi(lookup->port->words[0].text);
	if (!host->port)
		host->port = 22;
	if (lookup->alive_interval) /* "none" leaves it 0 */
		ssh_config_seconds(lookup->alive_interval->words[0].text, &host->alive_interval_s);
	if (lookup->alive_count)
		host->alive_count = (unsigned)atoi(lookup->alive_count->words[0].text);
	if (lookup->proxy && lookup->proxy->keyword->key == KEY_PROXY_JUMP &&
	    set_shared(&host->jump, lookup->proxy->words[0].text, err) != 0)
		return -1;
	/* "none" says that there is no jump, as it does for ssh. */
	if (host->jump && strcasecmp(host->jump, "none") == 0)
		shared_text_drop(&host->jump);
	return 0;
}

static int fill_files(struct lookup *lookup, struct gf_err *err)
{
	struct inventory_host *host = lookup->host;
	if (!host->known_hosts) {
		host->known_hosts_given = lookup->known_hosts != NULL;
		const char *text =
		    lookup->known_hosts ? lookup->known_hosts->words[0].text : "~/.ssh/known_hosts";
		if (strcasecmp(text, "none") == 0)
			text = "/dev/null";
		char *path = expand_file(text, lookup->known_hosts, host, err);
		int rc = path ? set_shared(&host->known_hosts, path, err) : -1;
		free(path);
		if (rc != 0)
			return -1;
	}
	if (host->identity_file)
		return 0;
	host->identities_given = lookup->file_count > 0;
	host->identities_only =
	    lookup->only &&
	    (lookup->only->words[0].text[0] == 'y' || lookup->only->words[0].text[0] == 'Y' ||
	     lookup->only->words[0].text[0] == 't' || lookup->only->words[0].text[0] == 'T');
	for (size_t i = 0; i < lookup->file_count; i++) {
		const char *text = lookup->files[i]->words[0].text;
		if (strcasecmp(text, "none") == 0)
			continue;
		char *path = expand_file(text, lookup->files[i], host, err);
		int rc = path ? string_list_append(&host->identity_files, path) : -1;
		if (path && rc != 0)
			out_of_memory(err);
		free(path);
		if (rc != 0)
			return -1;
	}
	return 0;
}

int ssh_config_apply(const struct ssh_config *config, struct inventory_host *host,
                     ssh_config_warn_fn *warn, void *ctx, struct gf_err *err)
{
	struct lookup lookup = {.config = config, .host = host, .warn = warn, .ctx = ctx};
	int rc = config ? walk(&lookup, err) : 0;
	if (rc == 0)
		rc = fill_names(&lookup, err);
	if (rc == 0)
		rc = fill_files(&lookup, err);
	free(lookup.files);
	return rc;
}
