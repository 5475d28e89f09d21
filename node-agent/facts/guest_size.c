/* guest_size.c: how much of the host a guest takes: virtual processors, memory and the NUMA nodes
 * that its memory is bound to, from QEMU's arguments or from libvirt's XML of a running domain.
 */
#include "node-agent/facts/facts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define VCPUS_MAX  65536
#define NODES_MAX  64
#define MEMORY_MAX ((json_int_t)1 << 40) /* MiB */

/* The value of KEY in "a,key=value,…". */
static const char *value_of(const char *options, const char *key)
{
	size_t length = strlen(key);
	for (const char *p = options; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, key, length) == 0 && p[length] == '=')
			return p + length + 1;
	}
	return NULL;
}

/* Digits that end at a comma or with the text; -1 for anything else. */
static json_int_t number_of(const char *text)
{
	char *end;
	if (!text || !isdigit((unsigned char)*text))
		return -1;
	long long number = strtoll(text, &end, 10);
	return (*end == ',' || *end == '\0') && number <= MEMORY_MAX ? number : -1;
}

/* -smp 8,sockets=2,…; -smp cpus=8; without a number of processors QEMU takes maxcpus, then the
 * product of the topology (machine_parse_smp_config in hw/core/machine-smp.c). */
static json_int_t smp_of(const char *value)
{
	static const char *const parts[] = {"sockets", "dies", "clusters", "cores", "threads"};
	json_int_t vcpus = number_of(value), product = 1;
	bool any = false;
	if (vcpus < 0)
		vcpus = number_of(value_of(value, "cpus"));
	if (vcpus < 0)
		vcpus = number_of(value_of(value, "maxcpus"));
	for (size_t i = 0; vcpus < 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		json_int_t part = number_of(value_of(value, parts[i]));
		if (part < 1 || part > VCPUS_MAX)
			continue;
		any = true;
		product *= part;
		if (product > VCPUS_MAX)
			return -1;
	}
	if (vcpus < 0 && any)
		vcpus = product;
	return vcpus > 0 && vcpus <= VCPUS_MAX ? vcpus : -1;
}

/* -m 4096; -m 4G; -m size=4194304k,slots=16: in MiB unless a suffix says otherwise, rounded up. */
static json_int_t memory_of(const char *value)
{
	const char *text = value_of(value, "size");
	char *end;
	if (!text)
		text = value;
	if (!isdigit((unsigned char)*text))
		return -1;
	long long number = strtoll(text, &end, 10);
	if (number < 0 || number > MEMORY_MAX)
		return -1;
	int unit = tolower((unsigned char)*end);
	if (strchr("bkmgt", unit) && unit)
		end++;
	if (*end != ',' && *end != '\0')
		return -1;
	switch (unit) {
	case 'b':
		number = (number + (1 << 20) - 1) >> 20;
		break;
	case 'k':
		number = (number + 1023) >> 10;
		break;
	case 'g':
		number = number > MEMORY_MAX >> 10 ? MEMORY_MAX + 1 : number << 10;
		break;
	case 't':
		number = number > MEMORY_MAX >> 20 ? MEMORY_MAX + 1 : number << 20;
		break;
	default:
		break;
	}
	return number <= MEMORY_MAX ? number : -1;
}

static void node_add(struct guest_size *size, json_int_t node)
{
	size_t i;
	json_t *known;
	if (node < 0 || node > 9999)
		return;
	if (!size->numa_nodes)
		size->numa_nodes = json_array();
	json_array_foreach(size->numa_nodes, i, known)
	{
		if (json_integer_value(known) == node)
			return;
	}
	if (json_array_size(size->numa_nodes) < NODES_MAX)
		json_array_append_new(size->numa_nodes, json_integer(node));
}

/* -object memory-backend-ram,id=ram-node0,size=…,host-nodes=0,policy=bind, or as JSON. A range such
 * as 0-1 names both of its ends and what is between. */
static void object_scan(struct guest_size *size, const char *value)
{
	size_t i;
	json_t *node, *object = *value == '{' ? json_loads(value, 0, NULL) : NULL;
	const char *type = json_string_value(json_object_get(object, "qom-type"));
	if (type && strncmp(type, "memory-backend-", 15) == 0) {
		json_array_foreach(json_object_get(object, "host-nodes"), i, node)
		{
			if (json_is_integer(node))
				node_add(size, json_integer_value(node));
		}
	}
	json_decref(object);
	const char *nodes =
	    strncmp(value, "memory-backend-", 15) == 0 ? value_of(value, "host-nodes") : NULL;
	if (!nodes || !isdigit((unsigned char)*nodes))
		return;
	char *end;
	long first = strtol(nodes, &end, 10);
	long last =
	    *end == '-' && isdigit((unsigned char)end[1]) ? strtol(end + 1, NULL, 10) : first;
	for (long n = first; n <= last && n - first < NODES_MAX; n++)
		node_add(size, n);
}

void guest_size_option(struct guest_size *size, const char *option, const char *value)
{
	option += strncmp(option, "--", 2) == 0; /* QEMU takes two, too */
	if (strcmp(option, "-smp") == 0)
		size->vcpus = smp_of(value);
	else if (strcmp(option, "-m") == 0)
		size->memory_mb = memory_of(value);
	else if (strcmp(option, "-object") == 0)
		object_scan(size, value);
}

/* The text of the first element NAME in XML: "<vcpu placement='static'>8</vcpu>". */
static const char *element_text(const char *xml, const char *name, const char **attributes)
{
	size_t length = strlen(name);
	for (const char *p = xml; (p = strchr(p, '<')); p++) {
		if (strncmp(p + 1, name, length) != 0 ||
		    (p[length + 1] != '>' && p[length + 1] != ' '))
			continue;
		*attributes = p + length + 1;
		p = strchr(p, '>');
		return p ? p + 1 : NULL;
	}
	return NULL;
}

static json_int_t element_number(const char *text)
{
	char *end;
	if (!text || !isdigit((unsigned char)*text))
		return -1;
	long long number = strtoll(text, &end, 10);
	return *end == '<' ? number : -1;
}

/* libvirt writes <memory unit='KiB'> and, where processors are not all plugged in, an attribute
 * current. */
void guest_size_domain(struct guest_size *size, const char *xml)
{
	const char *attributes, *domain = strstr(xml, "<domain ");
	const char *text = domain ? element_text(domain, "memory", &attributes) : NULL;
	json_int_t number = element_number(text);
	if (number > 0 && number >> 10 <= MEMORY_MAX &&
	    strncmp(attributes, " unit='KiB'>", strlen(" unit='KiB'>")) == 0)
		size->memory_mb = (number + 1023) >> 10;
	text = domain ? element_text(domain, "vcpu", &attributes) : NULL;
	number = element_number(text);
	if (number > 0) {
		const char *current = strstr(attributes, " current='");
		if (current && current < text)
			number = strtoll(current + strlen(" current='"), NULL, 10);
	}
	if (number > 0 && number <= VCPUS_MAX)
		size->vcpus = number;
}

static json_t *number_or_null(json_int_t number)
{
	return number > 0 ? json_integer(number) : json_null();
}

void guest_size_take(struct guest_size *size, json_t *guest)
{
	json_object_set_new(guest, "vcpus", number_or_null(size->vcpus));
	json_object_set_new(guest, "memory_mb", number_or_null(size->memory_mb));
	json_object_set_new(guest, "numa_nodes",
	                    size->numa_nodes ? size->numa_nodes : json_array());
	*size = (struct guest_size){-1, -1, NULL};
}
