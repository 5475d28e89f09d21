/* ssh_jump.c: see ssh_jump.h. Possible failure modes: bastions that lead to each other; one that
 * ~/.ssh/config reaches in a way that is not supported. */
#include "controller/ssh/ssh_jump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "inventory/inventory_fields.h"
#include "inventory/nodeset.h"
#include "inventory/shared_text.h"

#define HOPS_MAX 8

struct resolver {
	struct ssh_jumps *jumps;
	const struct ssh_config *config;
	const struct inventory *inventory;
	const struct inventory_host *target;
	ssh_config_warn_fn *warn;
	void *ctx;
};

/* One bastion as it is written. */
struct spec {
	char user[64], name[256];
	unsigned port;
};

static int no_memory(struct gf_err *err)
{
	return gf_err_set(err, GF_E_MEMORY, "out of memory");
}

/* TEXT keeps to rule_jump. */
static void read_spec(const char *text, struct spec *spec)
{
	const char *at = strrchr(text, '@'), *end;
	*spec = (struct spec){0};
	if (at)
		snprintf(spec->user, sizeof(spec->user), "%.*s", (int)(at - text), text);
	text = at ? at + 1 : text;
	if (*text == '[') {
		end = strchr(++text, ']');
		end = end ? end : text + strlen(text);
		snprintf(spec->name, sizeof(spec->name), "%.*s", (int)(end - text), text);
		end += *end == ']';
	} else {
		end = strrchr(text, ':');
		end = end ? end : text + strlen(text);
		snprintf(spec->name, sizeof(spec->name), "%.*s", (int)(end - text), text);
	}
	if (*end == ':')
		spec->port = (unsigned)atoi(end + 1);
}

static bool text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool host_same(const struct inventory_host *a, const struct inventory_host *b)
{
	if (a->port != b->port || a->host_keys != b->host_keys || a->bastion != b->bastion ||
	    a->identities_only != b->identities_only ||
	    a->identity_files.count != b->identity_files.count)
		return false;
	for (size_t i = 0; i < a->identity_files.count; i++)
		if (strcmp(a->identity_files.items[i], b->identity_files.items[i]) != 0)
			return false;
	return text_same(a->name, b->name) && text_same(a->address, b->address) &&
	       text_same(a->user, b->user) && text_same(a->identity_file, b->identity_file) &&
	       text_same(a->known_hosts, b->known_hosts) && text_same(a->host_key, b->host_key);
}

static int copy_text(char **to, const char *from)
{
	if (*to || !from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -1;
}

static void share_text(char **to, char *from)
{
	if (!*to)
		shared_text_share(to, from);
}

/* What the inventory says of the bastion, when it is one of its hosts. */
static int fill_known(struct inventory_host *hop, const struct inventory_host *known)
{
	hop->host_keys = known->host_keys;
	hop->address_given = known->address_given;
	hop->port = hop->port ? hop->port : known->port;
	share_text(&hop->user, known->user);
	share_text(&hop->identity_file, known->identity_file);
	share_text(&hop->known_hosts, known->known_hosts);
	share_text(&hop->jump, known->jump);
	return copy_text(&hop->address, known->address_given ? known->address : hop->name) |
	       copy_text(&hop->host_key, known->host_key);
}

/* HOP is filled but for what ~/.ssh/config and the target give. */
static int fill_rest(struct resolver *resolver, struct inventory_host *hop, struct gf_err *err)
{
	const struct inventory_host *target = resolver->target;
	bool known_hosts = hop->known_hosts != NULL;
	if (ssh_config_apply(resolver->config, hop, resolver->warn, resolver->ctx, err) != 0)
		return -1;
	if (!known_hosts && !hop->known_hosts_given)
		shared_text_drop(&hop->known_hosts);
	share_text(&hop->known_hosts, target->known_hosts);
	if (hop->identity_file || hop->identities_given)
		return 0;
	hop->identities_given = target->identities_given;
	hop->identities_only = hop->identities_only || target->identities_only;
	for (size_t i = 0; i < target->identity_files.count; i++)
		if (string_list_append(&hop->identity_files, target->identity_files.items[i]) != 0)
			return no_memory(err);
	share_text(&hop->identity_file, target->identity_file);
	return 0;
}

static struct inventory_host *keep_hop(struct ssh_jumps *jumps, struct inventory_host *hop,
                                       struct gf_err *err)
{
	for (struct ssh_jump *known = jumps->first; known; known = known->next)
		if (host_same(&known->host, hop)) {
			host_clear(hop);
			return &known->host;
		}
	struct ssh_jump *jump = calloc(1, sizeof(*jump));
	if (!jump) {
		no_memory(err);
		return NULL;
	}
	jump->host = *hop;
	*hop = (struct inventory_host){0};
	jump->next = jumps->first;
	jumps->first = jump;
	return &jump->host;
}

static char *before_comma(const char *jump, const char *comma)
{
	char *text = strndup(jump, (size_t)(comma - jump));
	char *shared = text ? shared_text_new(text) : NULL;
	free(text);
	return shared;
}

/* The bastion that JUMP ends in; *FOUND stays NULL when that is FROM itself. */
static int resolve(struct resolver *resolver, const struct inventory_host *from, const char *jump,
                   unsigned depth, struct inventory_host **found, struct gf_err *err)
{
	const char *comma = strrchr(jump, ',');
	struct spec spec;
	struct inventory_host hop = {0}, *before = NULL;
	read_spec(comma ? comma + 1 : jump, &spec);
	/* A bastion that a jump for all hosts applies to, too, is reached directly. */
	if (strcasecmp(spec.name, from->name) == 0 || (strcasecmp(spec.name, from->address) == 0 &&
	                                               (spec.port ? spec.port : 22) == from->port))
		return 0;
	if (depth >= HOPS_MAX)
		return gf_err_set(err, GF_E_INPUT,
		                  "the way to %s leads over more than %d bastions: do their jumps "
		                  "lead to each other?",
		                  resolver->target->name, HOPS_MAX);
	const struct inventory_host *known = inventory_host_find(resolver->inventory, spec.name);
	hop.name = strdup(spec.name);
	hop.address = known ? NULL : strdup(spec.name);
	hop.port = (uint16_t)spec.port;
	/* A pin is one host's: a bastion that the inventory does not have must be in known_hosts.
	 */
	hop.host_keys = resolver->target->host_keys == HOST_KEYS_PIN ? HOST_KEYS_STRICT
	                                                             : resolver->target->host_keys;
	if (spec.user[0])
		hop.user = shared_text_new(spec.user);
	if (comma)
		hop.jump = before_comma(jump, comma);
	int rc = !hop.name || (spec.user[0] && !hop.user) || (comma && !hop.jump) ||
	                 (known ? fill_known(&hop, known) != 0 : !hop.address)
	             ? no_memory(err)
	             : fill_rest(resolver, &hop, err);
	if (rc == 0 && hop.jump)
		rc = resolve(resolver, &hop, hop.jump, depth + 1, &before, err);
	hop.bastion = before;
	if (rc == 0) {
		*found = keep_hop(resolver->jumps, &hop, err);
		rc = *found ? 0 : -1;
	}
	host_clear(&hop);
	return rc;
}

int ssh_jumps_resolve(struct ssh_jumps *jumps, const struct ssh_config *config,
                      const struct inventory *inventory, struct inventory_host *host,
                      ssh_config_warn_fn *warn, void *ctx, struct gf_err *err)
{
	struct resolver resolver = {.jumps = jumps,
	                            .config = config,
	                            .inventory = inventory,
	                            .target = host,
	                            .warn = warn,
	                            .ctx = ctx};
	struct inventory_host *bastion = NULL;
	if (host->jump && resolve(&resolver, host, host->jump, 0, &bastion, err) != 0)
		return -1;
	host->bastion = bastion;
	if (!bastion)
		shared_text_drop(&host->jump);
	return 0;
}

void ssh_jumps_free(struct ssh_jumps *jumps)
{
	while (jumps->first) {
		struct ssh_jump *jump = jumps->first;
		jumps->first = jump->next;
		host_clear(&jump->host);
		free(jump);
	}
}
