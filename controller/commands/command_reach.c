/* command_reach.c: how hosts are reached: what ~/.ssh/config adds to the inventory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/commands/command.h"
#include "controller/ssh/ssh_jump.h"
#include "controller/terminal/escape.h"
#include "inventory/inventory_fields.h"
#include "inventory/nodeset.h"
#include "inventory/text_rules.h"

#define WARNINGS_MAX 50

/* One message of one line, and the hosts that it concerns. */
struct warning {
	const char *file;
	unsigned line;
	char *message;
	const char **hosts;
	size_t count;
};

struct warnings {
	struct warning items[WARNINGS_MAX];
	size_t count, hosts;
};

static void keep_warning(void *ctx, const char *file, unsigned line, const char *host,
                         const char *message)
{
	struct warnings *warnings = ctx;
	struct warning *warning = NULL;
	for (size_t i = 0; i < warnings->count && !warning; i++)
		if (warnings->items[i].line == line && warnings->items[i].file == file &&
		    strcmp(warnings->items[i].message, message) == 0)
			warning = &warnings->items[i];
	if (!warning && warnings->count < WARNINGS_MAX) {
		warning = &warnings->items[warnings->count];
		*warning = (struct warning){.file = file, .line = line};
		warning->message = strdup(message);
		warning->hosts = calloc(warnings->hosts, sizeof(*warning->hosts));
		if (!warning->message || !warning->hosts) {
			free(warning->message);
			free(warning->hosts);
			return;
		}
		warnings->count++;
	}
	if (warning && warning->count < warnings->hosts)
		warning->hosts[warning->count++] = host;
}

static void print_warnings(struct warnings *warnings)
{
	for (size_t i = 0; i < warnings->count; i++) {
		struct warning *warning = &warnings->items[i];
		char *names = nodeset_fold(warning->hosts, warning->count), text[1024], shown[1024];
		snprintf(text, sizeof(text), "%s:%u: %s (%s)", warning->file, warning->line,
		         warning->message, names ? names : "some hosts");
		fprintf(stderr, "%s\n", escape_text(text, shown, sizeof(shown), 0));
		free(names);
		free(warning->message);
		free(warning->hosts);
	}
}

int command_fleet_reach(struct command_fleet *fleet, struct gf_err *err)
{
	struct warnings warnings = {.hosts = fleet->count + 1};
	char *path = path_expand("~/.ssh/config");
	struct ssh_config *config = path ? ssh_config_read(path, err) : NULL;
	int rc = config ? 0 : path ? -1 : gf_err_set(err, GF_E_MEMORY, "out of memory");
	const struct inventory_host *former = NULL;
	for (size_t i = 0; rc == 0 && i < fleet->count; i++) {
		struct inventory_host *host = &fleet->inventory->hosts[fleet->selected[i]];
		rc = ssh_config_apply(config, host, keep_warning, &warnings, err);
		if (rc == 0)
			rc = ssh_jumps_resolve(&fleet->jumps, config, fleet->inventory, host,
			                       keep_warning, &warnings, err);
		if (former)
			setting_texts_share(former, host);
		former = host;
	}
	print_warnings(&warnings);
	ssh_config_free(config);
	free(path);
	return rc;
}

struct secrets *command_secrets_new(const struct command_context *context, uv_loop_t *loop,
                                    const struct secret_hooks *hooks, struct gf_err *err)
{
	struct secrets *secrets = secrets_new(loop, hooks, err);
	if (secrets && context->become_fd_given &&
	    secrets_read_sudo(secrets, (int)context->become_fd, err) != 0) {
		secrets_free(secrets);
		return NULL;
	}
	return secrets;
}
