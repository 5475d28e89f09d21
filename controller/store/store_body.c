/* store_body.c: see store_body.h. zstd takes another document as a prefix that both sides know, so
 * that a document of which one word changed costs some dozens of bytes (what `zstd --patch-from`
 * does). zlib can't: its window of 32 KiB is shorter than the facts of a server. */
#include "controller/store/store_body.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define LEVEL        3
#define WINDOW_LEAST 10
#define WINDOW_MOST  27 /* what a decoder takes without being told */
#define TEXT_MOST    ((size_t)64 << 20)

/* A card that nobody uses goes to sleep and wakes by itself; one that is off, or does not answer,
 * is worth knowing. */
static void power_strip(json_t *device)
{
	const char *state = json_string_value(json_object_get(device, "power_state"));

	if (state && (strcmp(state, "D0") == 0 || strcmp(state, "D1") == 0 ||
	              strcmp(state, "D2") == 0 || strcmp(state, "D3hot") == 0))
		json_object_del(device, "power_state");
}

static void document_strip(json_t *document)
{
	json_t *item;
	size_t i;

	json_object_del(document, "observed");
	json_array_foreach(json_object_get(json_object_get(document, "host"), "guests"), i, item)
	    json_object_del(item, "pid");
	json_array_foreach(json_object_get(json_object_get(document, "nova"), "services"), i, item)
	    json_object_del(item, "pid");
	json_array_foreach(json_object_get(document, "pci"), i, item) power_strip(item);
}

int store_body_digest(const char *text, char digest[SHA256_HEX_SIZE])
{
	json_t *document = json_loads(text, 0, NULL);
	char *said = NULL;

	if (document) {
		document_strip(document);
		said = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS);
	}
	json_decref(document);
	if (!said)
		return -1;
	sha256_hex(said, strlen(said), digest);
	free(said);
	return 0;
}

const char *store_body_time(const char *text, size_t *length)
{
	static const char key[] = "\"observed\":\"";
	const char *time = strstr(text, key);

	if (!time)
		return NULL;
	time += sizeof(key) - 1;
	*length = strcspn(time, "\"");
	return time;
}

/* Of every host at every scan: libcrypto has the processor's own instructions for it. */
int store_body_raw_digest(const char *text, char digest[SHA256_HEX_SIZE])
{
	size_t length;
	const char *time = store_body_time(text, &length), *rest = text;
	EVP_MD_CTX *sha = EVP_MD_CTX_new();
	uint8_t bytes[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (time)
		rest = time + length;
	if (!sha || !EVP_DigestInit_ex(sha, EVP_sha256(), NULL) ||
	    !EVP_DigestUpdate(sha, text, time ? (size_t)(time - text) : 0) ||
	    !EVP_DigestUpdate(sha, rest, strlen(rest)) || !EVP_DigestFinal_ex(sha, bytes, &size))
		size = 0;
	EVP_MD_CTX_free(sha);
	if (size != SHA256_SIZE)
		return -1;
	sha256_to_hex(bytes, digest);
	return 0;
}

static int window_for(size_t size)
{
	int window = WINDOW_LEAST;

	while (window < WINDOW_MOST && ((size_t)1 << window) < size)
		window++;
	return window;
}

void *store_body_pack(ZSTD_CCtx **context, const char *text, size_t size, const char *base,
                      size_t base_size, size_t *packed_size)
{
	size_t room = ZSTD_compressBound(size);
	void *packed = malloc(room), *fitted;

	if (!*context)
		*context = ZSTD_createCCtx();
	if (!*context || !packed)
		goto err_free;
	ZSTD_CCtx_setParameter(*context, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(*context, ZSTD_c_windowLog, window_for(size + base_size));
	if (base && ZSTD_isError(ZSTD_CCtx_refPrefix(*context, base, base_size)))
		goto err_free;
	*packed_size = ZSTD_compress2(*context, packed, room, text, size);
	if (ZSTD_isError(*packed_size))
		goto err_free;
	fitted = realloc(packed, *packed_size);
	return fitted ? fitted : packed;

err_free:
	/* It may still refer to BASE. */
	ZSTD_freeCCtx(*context);
	*context = NULL;
	free(packed);
	return NULL;
}

char *store_body_unpack(ZSTD_DCtx **context, const void *data, size_t size, const char *base,
                        size_t base_size, size_t *text_size)
{
	unsigned long long length = ZSTD_getFrameContentSize(data, size);
	char *text;

	/* Both codes for "not known" are greater. */
	if (length > TEXT_MOST)
		return NULL;
	if (!*context)
		*context = ZSTD_createDCtx();
	text = malloc((size_t)length + 1);
	if (!*context || !text)
		goto err_free;
	if (base && ZSTD_isError(ZSTD_DCtx_refPrefix(*context, base, base_size)))
		goto err_free;
	if (ZSTD_decompressDCtx(*context, text, (size_t)length, data, size) != length)
		goto err_free;
	text[length] = '\0';
	*text_size = (size_t)length;
	return text;

err_free:
	/* It may still refer to BASE. */
	ZSTD_freeDCtx(*context);
	*context = NULL;
	free(text);
	return NULL;
}
