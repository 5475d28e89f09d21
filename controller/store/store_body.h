/* store_body.h: a facts document as the history keeps it: what it is known by, and its bytes made
 * small. Pure functions.
 */
#ifndef GPUFLEET_STORE_BODY_H
#define GPUFLEET_STORE_BODY_H

#include <stddef.h>
#include <zstd.h>

#include "node-agent/wire/sha256.h"

/* What TEXT (a facts document) is known by: the digest of all that it says but the time, process
 * ids, and whether a device that works sleeps at the moment, which change by themselves and which
 * no verdict rests on. Two documents with one digest say the same of a host. 0, or -1 when TEXT is
 * no JSON object or there is no memory. */
int store_body_digest(const char *text, char digest[SHA256_HEX_SIZE]);

/* The digest of TEXT as it stands, but for the time: one that is as the last one was need not be
 * parsed to be known. 0, or -1 where there is no memory. */
int store_body_raw_digest(const char *text, char digest[SHA256_HEX_SIZE]);

/* The time that store_body_raw_digest leaves out: where it lies in TEXT, and *LENGTH; NULL: none.
 */
const char *store_body_time(const char *text, size_t *length);

/* TEXT of SIZE bytes compressed with what it has in common with BASE (NULL: nothing to go by); the
 * caller frees it. *CONTEXT is made where it is NULL, for one call or several; the caller frees it
 * (ZSTD_freeCCtx). NULL when out of memory. */
void *store_body_pack(ZSTD_CCtx **context, const char *text, size_t size, const char *base,
                      size_t base_size, size_t *packed_size);

/* What store_body_pack was given, with a zero behind it; the caller frees it. *CONTEXT is made
 * where it is NULL, for one call or several; the caller frees it (ZSTD_freeDCtx). NULL when DATA or
 * BASE is not what it was, or out of memory. */
char *store_body_unpack(ZSTD_DCtx **context, const void *data, size_t size, const char *base,
                        size_t base_size, size_t *text_size);

#endif
