/*
 * vote.h - which name of a gallery a stream shows, from what its frames of the last seconds were like: sure, maybe, or
 * none of them.
 *
 * A frame brings the names most like it with their scores.  Scores of different networks are not on one scale, so each
 * becomes evidence by the thresholds of the variant that ran: 0 is that variant's `maybe`, 1 its `sure`.  Over the
 * window, the evidence for a name is the mean of its frames' (docs/gallery.md says why), where a frame that does not
 * list it counts as evidence against it.  What is none of them is like one name about as much as like another, and the
 * more so the more names there are; so evidence alone names nothing, it takes a lead over the second name too.
 *
 * A pure function of what it was told; no clock, no memory beyond the struct.  One thread at a time.
 */
#ifndef INFERD_VOTE_H
#define INFERD_VOTE_H

#include <stdint.h>

#define VOTE_FRAMES_MAX 64 /* of a window; of more the latest count */
#define VOTE_NAMES	4  /* of a frame */
/* Evidence is kept within these, so that no single frame outweighs the others. */
#define VOTE_LEAST (-1.0f)
#define VOTE_MOST  2.0f

/* Of the variant that ran.  maybe < sure. */
struct vote_scale {
	float maybe, sure;
};

struct vote_rules {
	int64_t window_us;
	/* Evidence by which the first name has to be ahead of the second: to be named at all, and for `sure`. */
	float maybe_lead, lead;
};

/* A name and how like it a frame is.  Ids are never used again for another name; 0 is none. */
struct vote_name {
	uint64_t id;
	float score;
};

struct vote_frame {
	int64_t at_us;
	int n;
	struct vote_name names[VOTE_NAMES]; /* with evidence in place of the score */
};

/* All zero: nothing was seen. */
struct vote {
	int n, next; /* frames kept, and where the next goes */
	struct vote_frame frames[VOTE_FRAMES_MAX];
};

enum vote_verdict { VOTE_ABSENT, VOTE_MAYBE, VOTE_SURE };

struct vote_outcome {
	enum vote_verdict verdict;
	uint64_t id;	/* of the name; 0 where the verdict is that none is there */
	float evidence; /* for it */
	float lead;	/* over the second */
};

/*
 * Takes in a frame of this time, best name first (n may be 0), and says what the window that ends with it shows.
 * Frames may come out of order by as much as the window; a frame older than that begins anew, as after a jump of the
 * client's clock.
 */
struct vote_outcome vote_add(struct vote *vote, const struct vote_rules *rules, const struct vote_scale *scale,
			     int64_t at_us, const struct vote_name *names, int n);

#endif
