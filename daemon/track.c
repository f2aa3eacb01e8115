/* track.c - see track.h. */
#include "track.h"

#include "regions.h"

/* Regions that overlap more are of the same thing; as MediaPipe's AssociationNormRectCalculator is set. */
#define SAME_OVERLAP 0.5f

struct track track_recall(const struct track *track, uint64_t ladder, int width, int height, int limit, int64_t now_us)
{
	struct track now = *track;
	bool same_size = !width || (width == now.width && height == now.height);

	if (now.ladder != ladder || !same_size || now_us - now.seen_us > TRACK_KEEP_US)
		return (struct track){.ladder = ladder, .seen_us = now_us, .looked_us = now_us};
	if (now.n > limit)
		now.n = limit;
	now.seen_us = now_us;
	return now;
}

bool track_needs_look(const struct track *track, int limit, int64_t now_us)
{
	if (!track->n)
		return true;
	return track->n < limit && now_us - track->looked_us >= TRACK_LOOK_US;
}

void track_add(struct track *track, const struct engine_region *region, uint32_t body, int n_firm, int limit)
{
	int kept = 0;

	if (track->n >= limit || track->n >= CONFIG_PLACES_MAX)
		return;
	for (int i = 0; i < track->n; i++) {
		bool same = regions_overlap(&track->regions[i], region) > SAME_OVERLAP;

		if (same && i < n_firm)
			return;
		if (same)
			continue;
		track->regions[kept] = track->regions[i];
		track->bodies[kept++] = track->bodies[i];
	}
	track->regions[kept] = *region;
	track->bodies[kept] = body;
	track->n = kept + 1;
}
