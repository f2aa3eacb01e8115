/* crowd.c - see crowd.h. */
#include "crowd.h"

/* Less than this is what threads of one team wait for each other anyway, unequal cores and clocks included. */
#define CROWDED_SHARE 3 /* one part in so many of a run */
#define CROWDED_NS    500000
#define SCORE_ALONE   5
#define SCORE_AFTER   2 /* two more crowded runs make it enough again */
#define HOLD_MIN_NS   50000000
#define HOLD_MAX_NS   2000000000

static bool is_much(const struct crowd_run *run, int64_t lost_ns)
{
	return lost_ns >= CROWDED_NS && lost_ns > run->took_ns / CROWDED_SHARE;
}

void crowd_note(struct crowd *crowd, const struct crowd_run *run)
{
	/* What the first thread neither ran nor waited: it had no core itself, and the next one's is the better. */
	int64_t away_ns = run->took_ns - run->ran_ns - run->waited_ns;
	bool first = is_much(run, away_ns);

	if (!first && !is_much(run, run->waited_ns)) {
		crowd->score -= crowd->score > 0;
		if (!crowd->score)
			crowd->hold_ns = 0;
		return;
	}
	crowd->score += 2;
	if (crowd->score < SCORE_ALONE)
		return;
	crowd->score = SCORE_AFTER;
	crowd->hold_ns = crowd->hold_ns ? 2 * crowd->hold_ns : HOLD_MIN_NS;
	if (crowd->hold_ns > HOLD_MAX_NS)
		crowd->hold_ns = HOLD_MAX_NS;
	crowd->alone_until_ns = run->ended_ns + crowd->hold_ns;
	crowd->thread = first ? 1 : 0;
}

bool crowd_prefers_one(const struct crowd *crowd, int64_t now_ns)
{
	return now_ns < crowd->alone_until_ns;
}
