/* fuzz_json_share.c: any bytes as what a host says, told to a table that other hosts fill, too: it
 * is taken, refused and understood as jansson does without one.
 */
#include <stdint.h>
#include <stdlib.h>

#include "controller/store/json_share.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct json_share *share;
	json_t *wanted = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

	if (!share)
		share = json_share_new(1 << 16);
	/* What comes again is kept, and then found. */
	for (int i = 0; i < 3; i++) {
		json_t *got =
		    json_share_load(share, (const char *)data, size, JSON_REJECT_DUPLICATES);

		if (!got != !wanted || (got && !json_equal(got, wanted)))
			abort();
		json_decref(got);
	}
	json_decref(wanted);
	return 0;
}
