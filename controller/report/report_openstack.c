/* report_openstack.c: flavors as a script that an administrator reads, then runs. Everything from
 * the inventory is one quoted word in it; nothing that a host said gets in but a release number.
 * Here: the release, and what stands above the flavors.
 */
#include "controller/report/report_openstack.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "controller/report/report_openstack_script.h"
#include "controller/terminal/escape.h"
#include "inventory/nodeset.h"

/* ---- releases ---- */

#define RELEASE_FIRST 15

static const char *const release_names[] = {"ocata",     "pike",   "queens",   "rocky",   "stein",
                                            "train",     "ussuri", "victoria", "wallaby", "xena",
                                            "yoga",      "zed",    "antelope", "bobcat",  "caracal",
                                            "dalmatian", "epoxy",  "flamingo"};

#define RELEASE_COUNT (int)(sizeof(release_names) / sizeof(release_names[0]))

/* "zed", "26", "26.2.1" and "2023.1" as Nova's major version; 0: no release that is known. */
static int nova_release_number(const char *text)
{
	char *end;
	long number;

	for (int i = 0; i < RELEASE_COUNT; i++) {
		if (strcmp(text, release_names[i]) == 0)
			return RELEASE_FIRST + i;
	}
	if (!isdigit((unsigned char)*text))
		return 0;
	number = strtol(text, &end, 10);
	if (*end && *end != '.')
		return 0;
	/* Two releases a year since 2023.1, which is 27. */
	if (number >= 2023 && number < 2100 && (end[0] == '.' && (end[1] == '1' || end[1] == '2')))
		return (int)(27 + 2 * (number - 2023) + (end[1] - '1'));
	return number >= 1 && number < 100 ? (int)number : 0;
}

static const char *nova_release_name(int number)
{
	return number >= RELEASE_FIRST && number < RELEASE_FIRST + RELEASE_COUNT
	           ? release_names[number - RELEASE_FIRST]
	           : "";
}

/* Nova's release notes: the image property came with 16, the flavor's with 18, its name with "hw:"
 * before it (which no scheduler filter takes for a host's own) with 22. */
static enum hide hide_setting(int release)
{
	if (release == 0 || release >= 22)
		return HIDE_HW;
	return release >= 18 ? HIDE_FLAVOR : release >= 16 ? HIDE_IMAGE : HIDE_NONE;
}

/* ---- text ---- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

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
		    strcmp(text_of(device, "alias"), alias) == 0 &&
		    strcmp(text_of(device, "verdict"), verdict) == 0;
		if (count > before && string_list_append(&names, text_of(host, "name")) < 0)
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
		const char *name = text_of(alias, "alias");

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
		if (string_list_append(&names, text_of(host, "name")) < 0)
			break;
	}
	folded = nodeset_fold((const char *const *)names.items, names.count);
	fprintf(s->out, "#!/bin/sh\n# Flavors for the GPUs of the fleet ");
	put_text(text_of(s->report, "fleet"), s->out);
	fprintf(s->out, ", written by `gpufleet report --format openstack`\n# at ");
	put_text(text_of(s->report, "generated"), s->out);
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
	static const char *const ways[] = {
	    [HIDE_NONE] =
	        "# This release has no setting for it: Pike (16) brought the first one.\n",
	    [HIDE_IMAGE] = "# This release has it as a property of the image: see IMAGE below.\n",
	    [HIDE_FLAVOR] = "# This release has it as the flavor's property hide_hypervisor_id "
	                    "(Rocky, 18).\n# Where the scheduler has the "
	                    "AggregateInstanceExtraSpecsFilter on, that filter refuses the\n# "
	                    "property: set img_hide_hypervisor_id=true on the image instead.\n",
	    [HIDE_HW] = "# This release has it as the flavor's property hw:hide_hypervisor_id "
	                "(Victoria, 22).\n",
	};

	if (!s->nvidia)
		return;
	fprintf(s->out,
	        "#\n# The hypervisor is hidden where a flavor has an NVIDIA card: drivers of "
	        "NVIDIA's refuse to work in\n# a guest that sees KVM (`nvidia-smi`: unknown "
	        "error). Other flavors don't have it, because a\n# guest that doesn't see KVM also "
	        "does without what KVM makes faster.\n%s",
	        ways[s->hide]);
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

static void put_functions(const struct openstack_script *s)
{
	fprintf(s->out, "\nset -eu\n");
	if (s->hide == HIDE_IMAGE && s->nvidia)
		fprintf(
		    s->out,
		    "\n%sIMAGE=${1:?usage: sh $0 IMAGE, the name or id of the image that guests "
		    "with NVIDIA cards boot}\n",
		    s->prefix);
	fputs(functions, s->out);
}

/* The step that a release without a flavor's property for it needs. */
static void put_image(const struct openstack_script *s)
{
	if (s->hide != HIDE_IMAGE || !s->nvidia)
		return;
	fprintf(
	    s->out,
	    "\n# ---- The image: hide the hypervisor from all guests that boot it ----\n"
	    "# Do this for each image that guests with NVIDIA cards boot: run this again with "
	    "its name.\n%sopenstack image set --property img_hide_hypervisor_id=true \"$IMAGE\"\n",
	    s->prefix);
}

/* ---- all of it ---- */

/* The releases that the hosts' facts name: the oldest, and whether there are several. */
static int release_of_facts(const struct report_host *hosts, size_t count, bool *several)
{
	int oldest = 0;

	*several = false;
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(
		    json_object_get(json_object_get(hosts[i].facts, "nova"), "release"));
		int release = text ? nova_release_number(text) : 0;

		if (release == 0)
			continue;
		*several = *several || (oldest && release != oldest);
		if (oldest == 0 || release < oldest)
			oldest = release;
	}
	return oldest;
}

static void put_release(struct openstack_script *s, const struct report_host *hosts, size_t count)
{
	const char *given = s->inventory->nova_release;
	bool several = false;

	s->release = given ? nova_release_number(given) : release_of_facts(hosts, count, &several);
	fprintf(s->out, "#\n# Nova release: ");
	if (s->release)
		fprintf(s->out, "%d%s%s%s\n", s->release,
		        *nova_release_name(s->release) ? " (" : "", nova_release_name(s->release),
		        *nova_release_name(s->release) ? ")" : "");
	else
		fprintf(s->out, "unknown, and taken for the newest\n");
	if (s->release && !given)
		fprintf(s->out,
		        "# (%s; \"release\" under \"nova\" in the inventory goes before it)\n",
		        several ? "the oldest of those that hosts run" : "as the hosts run it");
	else if (!s->release)
		fprintf(s->out, "# (%s: give it, as in \"nova\": {\"release\": \"zed\"})\n",
		        given ? "the inventory's is not one that gpufleet knows"
		              : "neither the inventory nor a host says it");
	s->hide = hide_setting(s->release);
}

static bool any_nvidia(const struct openstack_script *s)
{
	const json_t *aliases = json_object_get(json_object_get(s->report, "capacity"), "aliases");
	const json_t *alias;
	size_t i, k;

	for (i = 0; i < s->inventory->flavor_count; i++) {
		for (k = 0; k < s->inventory->flavors[i].gpu_count; k++) {
			if (report_openstack_is_nvidia(s, s->inventory->flavors[i].gpus[k].alias))
				return true;
		}
	}
	if (s->inventory->flavor_count > 0)
		return false;
	json_array_foreach(aliases, i, alias)
	{
		if (report_openstack_is_nvidia(s, text_of(alias, "alias")))
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

	s.nvidia = any_nvidia(&s);
	put_head(&s);
	put_release(&s, hosts, count);
	put_hiding(&s);
	put_functions(&s);
	report_openstack_flavors(&s);
	put_image(&s);
	if (fflush(out) == EOF || ferror(out))
		return gf_err_errno(err, GF_E_IO, "cannot write the report");
	return 0;
}
