/* report_libvirt.c: cards are taken from the facts (which functions are one card) and the report
 * (which of them are ready). Element and attribute names: libvirt's docs/formatdomain.rst.
 */
#include "controller/report/report_libvirt.h"

#include <stdlib.h>
#include <string.h>

#include "controller/readiness/host_facts.h"
#include "controller/readiness/selection.h"
#include "controller/terminal/escape.h"
#include "node-agent/wire/json_text.h"

#define FUNCTIONS_MAX 8   /* of one slot */
#define BUS_MAX       255 /* a guest's last bus number; card N of a host is on bus N */
#define NVIDIA        "10de"

struct function {
	const char *address;
	unsigned guest; /* its function number in the guest */
};

struct card {
	const json_t *device; /* the primary's entry in the report */
	struct function functions[FUNCTIONS_MAX];
	size_t count;
	bool too_many;         /* functions, for one slot */
	const char *not_ready; /* a function that is not; NULL: none */
};

/* Inside a comment: no "--", and only what XML knows as characters (U+FFFE and U+FFFF are none). */
static void put_comment(const char *text, FILE *out)
{
	const char *end = text + strlen(text);

	for (char last = ' '; *text; last = *(text - 1)) {
		size_t length = escape_length(text, (size_t)(end - text));

		if (length == 3 && memcmp(text, "\xef\xbf", 2) == 0 &&
		    ((unsigned char)text[2] == 0xbe || (unsigned char)text[2] == 0xbf))
			length = 0;
		if (*text == '-' && last == '-')
			fputc(' ', out);
		if (length)
			fwrite(text, 1, length, out);
		else
			fprintf(out, "\\x%02x", (unsigned char)*text);
		text += length ? length : 1;
	}
}

static const json_t *device_find(const json_t *host, const char *address)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(host, "devices"), i, device)
	{
		if (strcmp(json_text(device, "address"), address) == 0)
			return device;
	}
	return NULL;
}

/* The guest's driver looks for a card's functions where they are on the host: their numbers stay.
 * Where they can't (no function 0 among them, another slot), the primary becomes 0. */
static void number_functions(struct card *card)
{
	const char *primary = json_text(card->device, "address");
	bool keep = false;
	unsigned next = 1;

	for (size_t i = 0; i < card->count; i++)
		keep = keep || strcmp(strrchr(card->functions[i].address, '.'), ".0") == 0;
	for (size_t i = 0; i < card->count; i++)
		keep = keep && host_facts_same_slot(card->functions[i].address, primary);
	for (size_t i = 0; i < card->count; i++) {
		struct function *function = &card->functions[i];

		if (keep)
			function->guest = (unsigned)(strrchr(function->address, '.')[1] - '0');
		else
			function->guest = strcmp(function->address, primary) == 0 ? 0 : next++;
	}
}

static void collect_card(const struct selection *selection, const json_t *host,
                         const json_t *primary, struct card *card)
{
	*card = (struct card){.device = primary};
	for (size_t i = 0; i < selection->count; i++) {
		const struct selection_device *item = &selection->items[i];

		if (item->ignored || strcmp(item->card, json_text(primary, "address")) != 0)
			continue;
		if (strcmp(json_text(device_find(host, item->address), "verdict"), "ready") != 0)
			card->not_ready = item->address;
		if (card->count == FUNCTIONS_MAX) {
			card->too_many = true;
			return;
		}
		card->functions[card->count++].address = item->address;
	}
	number_functions(card);
}

static void put_function(const struct card *card, const struct function *function, size_t bus,
                         FILE *out)
{
	const char *a = function->address;
	int domain = (int)strlen(a) - 8; /* digits; "01:00.0" and a colon follow */

	fprintf(out,
	        "    <hostdev mode='subsystem' type='pci' managed='no'>\n      <source>\n"
	        "        <address domain='0x%.*s' bus='0x%.2s' slot='0x%.2s' function='0x%.1s'/>\n"
	        "      </source>\n"
	        "      <address type='pci' domain='0x0000' bus='0x%02zx' slot='0x00' "
	        "function='0x%u'%s/>\n    </hostdev>\n",
	        domain, a, a + domain + 1, a + domain + 4, a + domain + 7, bus, function->guest,
	        card->count > 1 && function->guest == 0 ? " multifunction='on'" : "");
}

static void put_card(const json_t *host, const struct card *card, size_t bus, FILE *out)
{
	const json_t *node = json_object_get(card->device, "numa_node");
	bool written = !card->too_many && !card->not_ready && bus <= BUS_MAX;

	fprintf(out, "    <!-- ");
	put_comment(json_text(host, "name"), out);
	fputc(' ', out);
	put_comment(json_text(card->device, "address"), out);
	fprintf(out, ": ");
	put_comment(json_text(card->device, "name"), out);
	fprintf(out, " [%s:%s]", json_text(card->device, "vendor"),
	        json_text(card->device, "device"));
	if (*json_text(card->device, "alias")) {
		fprintf(out, ", alias ");
		put_comment(json_text(card->device, "alias"), out);
	}
	if (json_is_integer(node))
		fprintf(out, ", NUMA node %d", (int)json_integer_value(node));
	if (card->not_ready) {
		fprintf(out, "; left out: its function ");
		put_comment(card->not_ready, out);
		fprintf(out, " is not ready");
	} else if (!written) {
		fprintf(out, "; left out: a guest has no place for so many %s",
		        card->too_many ? "functions" : "cards");
	}
	fprintf(out, " -->\n");
	for (size_t i = 0; written && i < card->count; i++)
		put_function(card, &card->functions[i], bus, out);
}

static bool is_ready_card(const json_t *device)
{
	return json_is_true(json_object_get(device, "primary")) &&
	       strcmp(json_text(device, "verdict"), "ready") == 0;
}

static int put_host(const json_t *entry, const struct report_host *host, FILE *out,
                    struct gf_err *err)
{
	struct selection selection;
	const json_t *device;
	size_t i, bus = 1;

	/* A host of which nothing is known, or nonsense, has no devices in the report. */
	if (json_array_size(json_object_get(entry, "devices")) == 0)
		return 0;
	if (selection_compute(host->facts, host->host, &selection, err) < 0)
		return -1;
	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		struct card card;

		if (!is_ready_card(device))
			continue;
		collect_card(&selection, entry, device, &card);
		put_card(entry, &card, bus, out);
		bus += !card.not_ready && !card.too_many;
	}
	selection_free(&selection);
	return 0;
}

/* How many ready cards the host with most of them has, and is one NVIDIA's? */
static size_t count_buses(const json_t *report, bool *nvidia)
{
	const json_t *host, *device;
	size_t most = 0, i, k;

	*nvidia = false;
	json_array_foreach(json_object_get(report, "hosts"), i, host)
	{
		size_t cards = 0;

		json_array_foreach(json_object_get(host, "devices"), k, device)
		{
			if (!is_ready_card(device))
				continue;
			cards++;
			*nvidia = *nvidia || strcmp(json_text(device, "vendor"), NVIDIA) == 0;
		}
		most = cards > most ? cards : most;
	}
	return most > BUS_MAX ? BUS_MAX : most;
}

static long long total_of(const json_t *report, const char *key)
{
	return (long long)json_integer_value(
	    json_object_get(json_object_get(report, "totals"), key));
}

static void put_head(const json_t *report, FILE *out)
{
	static const char how[] =
	    "\n"
	    "  For a guest that you have (`virsh edit`): copy what is inside the features, and "
	    "all\n"
	    "  hostdev elements of a card with the controller whose index is their bus. Where the\n"
	    "  guest has something on that bus already, take a free one, the same for all "
	    "functions\n"
	    "  of the card: in one slot, the guest's driver finds them as they are on the host.\n"
	    "\n"
	    "  managed='no': the cards are on vfio-pci from the host's boot on. libvirt is neither "
	    "to\n"
	    "  take them from a driver nor to give them back to one when the guest ends.\n"
	    "-->\n";
	size_t hosts = json_array_size(json_object_get(report, "hosts"));

	fprintf(out, "<?xml version='1.0' encoding='UTF-8'?>\n<!--\n  GPUs of the fleet ");
	put_comment(json_text(report, "fleet"), out);
	fprintf(out, ", for libvirt. Written by `gpufleet report` at ");
	put_comment(json_text(report, "generated"), out);
	fprintf(out,
	        ".\n  %lld on %zu host%s: %lld ready, which are below; %lld in use by guests; "
	        "`gpufleet report` says what\n  keeps the others.\n\n",
	        total_of(report, "gpus") - total_of(report, "ignored"), hosts,
	        hosts == 1 ? "" : "s", total_of(report, "ready"), total_of(report, "in_use"));
	if (hosts == 1)
		fprintf(out,
		        "  A guest to start from: give it its name, memory and disks, and keep "
		        "the cards that it is to\n  have.\n");
	else
		fprintf(out, "  A list to take from, not a guest: a guest can only have the cards "
		             "of its own host. The report\n  of one host (option limit) is a guest "
		             "to start from.\n");
	fputs(how, out);
}

static void put_features(bool nvidia, FILE *out)
{
	fprintf(out, "  <features>\n    <acpi/>\n    <apic/>\n"
	             "    <!-- For NVIDIA's drivers, some of which refuse to work in a guest that "
	             "sees a hypervisor.\n         A guest with other cards alone is faster "
	             "without. -->\n");
	if (nvidia)
		fprintf(out, "    <hyperv>\n      <vendor_id state='on' value='gpufleet'/>\n"
		             "    </hyperv>\n");
	fprintf(out, "    <kvm>\n      <hidden state='on'/>\n    </kvm>\n  </features>\n");
}

int report_libvirt(const json_t *report, const struct report_host *hosts, size_t count, FILE *out,
                   struct gf_err *err)
{
	const json_t *entries = json_object_get(report, "hosts");
	bool nvidia;
	size_t buses = count_buses(report, &nvidia);
	int rc = 0;

	put_head(report, out);
	fprintf(out, "<domain type='kvm'>\n  <name>gpu-guest</name>\n"
	             "  <memory unit='GiB'>8</memory>\n  <vcpu>4</vcpu>\n  <os>\n"
	             "    <type arch='x86_64' machine='q35'>hvm</type>\n  </os>\n");
	put_features(nvidia, out);
	fprintf(out, "  <devices>\n    <controller type='pci' index='0' model='pcie-root'/>\n");
	for (size_t i = 1; i <= buses; i++)
		fprintf(out, "    <controller type='pci' index='%zu' model='pcie-root-port'/>\n",
		        i);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = put_host(json_array_get(entries, i), &hosts[i], out, err);
	fprintf(out, "  </devices>\n</domain>\n");
	if (rc == 0 && (fflush(out) == EOF || ferror(out)))
		rc = gf_err_errno(err, GF_E_IO, "cannot write the report");
	return rc;
}
