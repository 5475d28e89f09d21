/* json_share.h: loads many JSON documents that are alike, and keeps what is equal in them once. The
 * facts of a fleet are: its hosts are of a few makes, and most of their devices differ in nothing.
 */
#ifndef GPUFLEET_JSON_SHARE_H
#define GPUFLEET_JSON_SHARE_H

#include <jansson.h>
#include <stddef.h>

struct json_share;

/* MOST: how many bytes of text it keeps; 0: what it is given, all of it. With a bound, only what
 * came twice within a few hundred documents is kept at all: a document that comes again and again
 * from a host that is like no other must not push out what thousands have in common. NULL when out
 * of memory. */
struct json_share *json_share_new(size_t most);
void json_share_free(struct json_share *share);

/* What json_loadb(TEXT, LENGTH, FLAGS) gives (FLAGS of JSON_DECODE_ANY, JSON_REJECT_DUPLICATES; a
 * new reference; NULL: it is no JSON, or memory is short), but objects and arrays in it may be
 * those of documents that were loaded before: nobody may change them. They outlive SHARE. */
json_t *json_share_load(struct json_share *share, const char *text, size_t length, size_t flags);

#endif
