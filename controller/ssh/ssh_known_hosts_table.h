/* ssh_known_hosts_table.h: the table of ssh_known_hosts.h from within: ssh_known_hosts.c fills it,
 * ssh_known_hosts_look.c looks things up in it.
 */
#ifndef GPUFLEET_SSH_KNOWN_HOSTS_TABLE_H
#define GPUFLEET_SSH_KNOWN_HOSTS_TABLE_H

#include <string.h>

#include "controller/ssh/ssh_hmac.h"
#include "controller/ssh/ssh_known_hosts.h"

#define KNOWN_HOSTS_BUCKETS 4096

enum known_hosts_marker { MARKER_NONE, MARKER_REVOKED, MARKER_AUTHORITY };
enum known_hosts_naming { NAMING_PLAIN, NAMING_PATTERN, NAMING_HASHED };

/* A file may have a line for each of tens of thousands of hosts: narrow numbers, and no room. */
struct known_hosts_line {
	const char *names; /* plain and pattern: comma list */
	const char *type, *key;
	uint32_t number;
	uint32_t hashed;   /* hashed: index into the table's hashed names */
	uint32_t next_key; /* index + 1 in the chain of the same bucket */
	uint8_t marker, naming;
};

struct known_hosts_name {
	const char *name; /* ends at a comma or NUL */
	uint32_t line, next;
};

/* Not changed once the file is read: what is added later has plain names. So the pool may walk them
 * while the loop goes on. */
struct known_hosts_hashed {
	struct ssh_hmac_key salt;
	uint8_t hash[SSH_HMAC_SIZE];
	size_t line;
};

struct ssh_known_hosts {
	unsigned references;
	char *path;
	char **texts; /* what the lines point into */
	size_t text_count;
	struct known_hosts_line *lines;
	size_t line_count, line_room;
	struct known_hosts_name *names;
	size_t name_count, name_room;
	struct known_hosts_hashed *hashed;
	size_t hashed_count, hashed_room;
	size_t *patterns; /* lines with wildcards */
	size_t pattern_count, pattern_room;
	/* index + 1; 0: empty */
	uint32_t by_key[KNOWN_HOSTS_BUCKETS], by_name[KNOWN_HOSTS_BUCKETS];
	unsigned last_number;
	bool revoked;   /* a line revokes some key */
	bool ends_open; /* the file does not end with a newline */
};

static inline bool known_hosts_name_is(const struct known_hosts_name *name, const char *text,
                                       size_t length)
{
	return strcspn(name->name, ",") == length && memcmp(name->name, text, length) == 0;
}

static inline size_t known_hosts_bucket(const char *text, size_t size)
{
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)text[i]) * 16777619u;
	return hash % KNOWN_HOSTS_BUCKETS;
}

#endif
