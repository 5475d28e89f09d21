/* waves.c: see waves.h. */
#include "controller/fleet/waves.h"

#include <stdlib.h>

static size_t wave_share(const struct inventory_wave *wave, size_t count)
{
	size_t share;

	if (!wave->percent)
		return wave->value < count ? wave->value : count;
	if (wave->value >= 100)
		return count;
	share = (count * wave->value + 99) / 100;
	return share < count ? share : count;
}

size_t *waves_compute(const struct inventory_rollout *rollout, size_t count, size_t *wave_count)
{
	size_t *waves = calloc(rollout->wave_count + 1, sizeof(*waves));
	size_t reached = 0;

	if (!waves)
		return NULL;
	*wave_count = 0;
	for (size_t i = 0; i < rollout->wave_count && reached < count; i++) {
		size_t share = wave_share(&rollout->waves[i], count);

		if (share <= reached)
			continue;
		reached = share;
		waves[(*wave_count)++] = reached;
	}
	if (reached < count ||
	    *wave_count == 0) /* the last wave is everybody, whatever the file says */
		waves[(*wave_count)++] = count;
	return waves;
}

size_t waves_limit(unsigned value, bool percent, size_t count, size_t least)
{
	size_t limit = percent ? count * value / 100 : value;

	return limit > least ? limit : least;
}
