/* report_openstack.c: flavors as a script that an administrator reads, then runs. Everything from
 * the inventory is one quoted word in it; nothing that a host said gets in but a release number.
 * Here: the release, and what stands above the flavors.
 */
#include "controller/report/report_openstack.h"

#include <stdlib.h>
#include <string.h>

#include "controller/report/report_openstack_script.h"
#include "controller/terminal/escape.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"

/* ---- text ---- */

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

void report_openstack_inside(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	}
}

void report_openstack_quote(const char *text, FILE *out)
{
	fputc('\'', out);
	report_openstack_inside(text, out);
	fputc('\'', out);
}

/* For a comment: a line must stay one. */
static void put_text(const char *text, FILE *out)
{
	const char *end = text + strlen(text);

	while (*text) {
		size_t length = escape_length(text, (size_t)(end - text));

		if (length)
			fwrite(text, 1, length, out);
		else
			fprintf(out, "\\x%02x", (unsigned char)*text);
		text += length ? length : 1;
	}
}

/* ---- the script's head ---- */

static void put_hosts(const struct openstack_script *s, const char *alias, const char *verdict,
                      const char *words, const char *what_to_do)
{
	const json_t *host, *device;
	struct string_list names = {0};
	size_t i, k, count = 0;
	char *folded;

	json_array_foreach(json_object_get(s->report, "hosts"), i, host)
	{
		size_t before = count;

		json_array_foreach(json_object_get(host, "devices"), k, device) count +=
		    json_is_true(json_object_get(device, "primary")) &&
		    strcmp(json_text(device, "alias"), alias) == 0 &&
		    strcmp(json_text(device, "verdict"), verdict) == 0;
		if (count > before && string_list_append(&names, json_text(host, "name")) < 0)
			break;
	}
	if (count) {
		folded = nodeset_fold((const char *const *)names.items, names.count);
		fprintf(s->out, "#     %zu %s on ", count, words);
		put_text(folded ? folded : "some hosts", s->out);
		fprintf(s->out, "%s\n", what_to_do);
		free(folded);
	}
	string_list_free(&names);
}

static void put_aliases(const struct openstack_script *s)
{
	const json_t *aliases = json_object_get(json_object_get(s->report, "capacity"), "aliases");
	const json_t *alias;
	size_t i;

	if (json_array_size(aliases) == 0)
		fprintf(s->out, "#\n# The inventory names no GPUs: `gpufleet scan` prints a block "
		                "to paste into it.\n");
	else
		fprintf(s->out, "#\n# GPUs by alias, as last seen:\n");
	json_array_foreach(aliases, i, alias)
	{
		const char *name = json_text(alias, "alias");

		fprintf(s->out, "#   ");
		put_text(name, s->out);
		fprintf(s->out, "\n");
		if (number_of(alias, "ready") + number_of(alias, "in_use") == 0)
			fprintf(s->out, "#     WARNING: no host offers one yet\n");
		put_hosts(s, name, "ready", "ready", "");
		put_hosts(s, name, "in_use", "in use by guests", "");
		put_hosts(s, name, "pending", "pending", " (`gpufleet apply` makes them ready)");
		put_hosts(s, name, "blocked", "blocked", " (`gpufleet report` says by what)");
	}
	if (json_array_size(aliases) > 0)
		fprintf(s->out, "# Nova must know these aliases: [pci] alias, for nova-api and for "
		                "nova-compute. Its scheduler must\n# have the PciPassthroughFilter "
		                "on.\n");
}

static void put_head(const struct openstack_script *s)
{
	const json_t *host;
	struct string_list names = {0};
	char *folded;
	size_t i;

	json_array_foreach(json_object_get(s->report, "hosts"), i, host)
	{
		if (string_list_append(&names, json_text(host, "name")) < 0)
			break;
	}
	folded = nodeset_fold((const char *const *)names.items, names.count);
	fprintf(s->out, "#!/bin/sh\n# Flavors for the GPUs of the fleet ");
	put_text(json_text(s->report, "fleet"), s->out);
	fprintf(s->out, ", written by `gpufleet report --format openstack`\n# at ");
	put_text(json_text(s->report, "generated"), s->out);
	fprintf(s->out,
	        ".\n#\n# Run it where the `openstack` command has an administrator's credentials. "
	        "Running it again is\n# harmless: a flavor that is there is kept, and its "
	        "properties are set to what stands here.\n#\n# Hosts looked at: ");
	put_text(folded ? folded : "some", s->out);
	fputc('\n', s->out);
	free(folded);
	string_list_free(&names);
	put_aliases(s);
}

static void put_hiding(const struct openstack_script *s)
{
	const struct nova_rule *rule = nova_rule(s->hide);
	char since[NOVA_RELEASE_SHOW_SIZE];

	if (!s->nvidia)
		return;
	fprintf(s->out,
	        "#\n# The hypervisor is hidden where a flavor has an NVIDIA card: drivers of "
	        "NVIDIA's refuse to work in\n# a guest that sees KVM (`nvidia-smi`: unknown "
	        "error). Other flavors don't have it, because a\n# guest that doesn't see KVM also "
	        "does without what KVM makes faster.\n");
	if (s->hide == NOVA_RULE_HIDE_IMAGE_PROPERTY)
		fprintf(s->out, "# This release has it as a property of the image: see IMAGE "
		                "below.\n");
	else
		fprintf(s->out,
		        "# This release has it as the flavor's property %s, since Nova %s.\n",
		        rule->name, nova_release_show(rule->first, since));
	if (s->hide == NOVA_RULE_HIDE_FLAVOR_OLD)
		fprintf(s->out,
		        "# Where the scheduler has the AggregateInstanceExtraSpecsFilter on, that "
		        "filter refuses the\n# property: set %s=true on the image instead.\n",
		        nova_rule(NOVA_RULE_HIDE_IMAGE_PROPERTY)->name);
}

static void put_numa(const struct openstack_script *s)
{
	if (!s->numa)
		return;
	fprintf(s->out,
	        "#\n# Nova looks at the NUMA policy of a guest's GPUs only if the guest has a NUMA "
	        "topology. So a flavor\n# whose GPUs have a policy gets a topology of one node "
	        "(hw:numa_nodes=1): its guests' processors and\n# memory then come from one NUMA "
	        "node of the host, and must fit there. A flavor that has\n# hw:numa_nodes keeps "
	        "it. Nova's scheduler should have the NUMATopologyFilter on.\n");
}

static const char functions[] =
    "\n"
    "command -v openstack >/dev/null || {\n"
    "	echo \"the openstack command is missing (Debian's package: python3-openstackclient)\" >&2\n"
    "	exit 1\n"
    "}\n"
    "\n"
    "# What is the matter, then the flavor.\n"
    "warn() {\n"
    "	printf 'WARNING: flavor %s: %s\\n' \"$2\" \"$1\" >&2\n"
    "}\n"
    "\n"
    "# NAME VCPUS RAM_MB DISK_GB: makes the flavor unless it is there.\n"
    "flavor() {\n"
    "	if have=$(openstack flavor show -f shell -c vcpus -c ram -c disk \"$1\" 2>/dev/null); "
    "then\n"
    "		printf 'flavor %s: there\\n' \"$1\"\n"
    "		for want in \"vcpus=\\\"$2\\\"\" \"ram=\\\"$3\\\"\" \"disk=\\\"$4\\\"\"; do\n"
    "			case $have in\n"
    "			*\"$want\"*) ;;\n"
    "			*) warn \"it has not $want; Nova can't change that: delete it, then run "
    "this again\" \"$1\" ;;\n"
    "			esac\n"
    "		done\n"
    "	else\n"
    "		openstack flavor create --vcpus \"$2\" --ram \"$3\" --disk \"$4\" \"$1\" "
    ">/dev/null\n"
    "		printf 'flavor %s: created\\n' \"$1\"\n"
    "	fi\n"
    "}\n";

/* Whoever chose another number of nodes meant it. */
static const char numa_function[] =
    "\n"
    "# NAME: gives the flavor a NUMA topology of one node, unless it has one by hw:numa_nodes.\n"
    "numa_topology() {\n"
    "	have=$(openstack flavor show -f value -c properties \"$1\")\n"
    "	case $have in\n"
    "	*hw:numa_nodes*) ;;\n"
    "	*) openstack flavor set --property hw:numa_nodes=1 \"$1\" ;;\n"
    "	esac\n"
    "}\n";

static void put_functions(const struct openstack_script *s)
{
	fprintf(s->out, "\nset -eu\n");
	if (s->hide == NOVA_RULE_HIDE_IMAGE_PROPERTY && s->nvidia)
		fprintf(
		    s->out,
		    "\n%sIMAGE=${1:?usage: sh $0 IMAGE, the name or id of the image that guests "
		    "with NVIDIA cards boot}\n",
		    s->prefix);
	fputs(functions, s->out);
	if (s->numa)
		fputs(numa_function, s->out);
}

/* The step that a release without a flavor's property for it needs. */
static void put_image(const struct openstack_script *s)
{
	if (s->hide != NOVA_RULE_HIDE_IMAGE_PROPERTY || !s->nvidia)
		return;
	fprintf(s->out,
	        "\n# ---- The image: hide the hypervisor from all guests that boot it ----\n"
	        "# Do this for each image that guests with NVIDIA cards boot: run this again with "
	        "its name.\n%sopenstack image set --property %s=true \"$IMAGE\"\n",
	        s->prefix, nova_rule(s->hide)->name);
}

/* ---- all of it ---- */

/* What the hosts' facts say of the release. */
struct host_releases {
	int oldest;   /* 0: none that is known */
	bool several; /* known ones */
	bool unknown; /* some host has one that is not known */
};

static struct host_releases releases_of(const struct report_host *hosts, size_t count)
{
	struct host_releases found = {0};

	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(
		    json_object_get(json_object_get(hosts[i].facts, "nova"), "release"));
		int release = nova_release_from_version(text);

		if (release < 0) {
			found.unknown = found.unknown || text;
			continue;
		}
		found.several = found.several || (found.oldest && release != found.oldest);
		if (found.oldest == 0 || release < found.oldest)
			found.oldest = release;
	}
	return found;
}

/* The newest that the release takes. No scheduler's filter takes a name with "hw:" before it for a
 * host's own. */
static enum nova_rule_id hiding_of(int release)
{
	if (nova_rule_holds(NOVA_RULE_HIDE_FLAVOR, release))
		return NOVA_RULE_HIDE_FLAVOR;
	return nova_rule_holds(NOVA_RULE_HIDE_FLAVOR_OLD, release) ? NOVA_RULE_HIDE_FLAVOR_OLD
	                                                           : NOVA_RULE_HIDE_IMAGE_PROPERTY;
}

static void put_release(struct openstack_script *s, const struct report_host *hosts, size_t count)
{
	struct host_releases found = releases_of(hosts, count);
	int given = s->inventory->nova_number, known = given ? given : found.oldest;
	char shown[NOVA_RELEASE_SHOW_SIZE];

	fprintf(s->out, "#\n# Nova release: %s\n",
	        known ? nova_release_show(known, shown) : "unknown, and taken for the newest");
	if (!known)
		fprintf(s->out, "# (%s: give it, as in \"nova\": {\"release\": \"zed\"})\n",
		        found.unknown ? "gpufleet doesn't know the one that hosts run"
		                      : "neither the inventory nor a host says it");
	else if (!given)
		fprintf(
		    s->out, "# (%s; \"release\" under \"nova\" in the inventory goes before it)\n",
		    found.several ? "the oldest of those that hosts run" : "as the hosts run it");
	if (known && !given && found.unknown)
		fprintf(s->out, "# (some hosts run one that gpufleet doesn't know: those are left "
		                "out here)\n");
	s->release = known ? known : NOVA_RELEASE_LAST;
	s->hide = hiding_of(s->release);
}

/* Does it hold for an alias of some flavor? Without flavors: for any alias? */
static bool any_alias(const struct openstack_script *s,
                      bool (*holds)(const struct openstack_script *s, const char *alias))
{
	const json_t *aliases = json_object_get(json_object_get(s->report, "capacity"), "aliases");
	const json_t *alias;
	size_t i, k;

	for (i = 0; i < s->inventory->flavor_count; i++) {
		for (k = 0; k < s->inventory->flavors[i].gpu_count; k++) {
			if (holds(s, s->inventory->flavors[i].gpus[k].alias))
				return true;
		}
	}
	if (s->inventory->flavor_count > 0)
		return false;
	json_array_foreach(aliases, i, alias)
	{
		if (holds(s, json_text(alias, "alias")))
			return true;
	}
	return false;
}

int report_openstack(const json_t *report, const struct inventory *inventory,
                     const struct report_host *hosts, size_t count, FILE *out, struct gf_err *err)
{
	struct openstack_script s = {
	    .report = report,
	    .inventory = inventory,
	    .prefix = inventory->flavor_count > 0 ? "" : "# ",
	    .out = out,
	};

	put_head(&s);
	put_release(&s, hosts, count);
	s.nvidia = any_alias(&s, report_openstack_is_nvidia);
	s.numa = any_alias(&s, report_openstack_has_policy);
	put_hiding(&s);
	put_numa(&s);
	put_functions(&s);
	report_openstack_flavors(&s);
	put_image(&s);
	if (fflush(out) == EOF || ferror(out))
		return gf_err_errno(err, GF_E_IO, "cannot write the report");
	return 0;
}
