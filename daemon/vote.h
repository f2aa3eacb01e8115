/*
 * vote.h - which name of a gallery a stream shows, from what its frames of the last seconds were like: sure, maybe, or
 * none of them.
 *
 * A frame brings the names most like it with their scores.  Scores of different networks are not on one scale, so each
 * becomes evidence by the thresholds of the variant that ran: 0 is that variant's `maybe`, 1 its `sure`.  Over the
 * window, the evidence for a name is the mean of its frames' (docs/gallery.md says why), where a frame that does not
 * list it counts as evidence against it.  Of a video the gallery knows when each picture was, and frames count for it
 * only as far as they come in its order: for the place where the video would be now, whichever is best, a frame counts
 * by the pictures from about then, and by others no more than VOTE_OUT_OF_ORDER.  What is none of them is like one name
 * about as much as like another, and the more so the more names there are; so evidence alone names nothing, it takes a
 * lead over the second name too.
 *
 * A pure function of what it was told; no clock, no memory beyond the struct.  One thread at a time.
 */
#ifndef INFERD_VOTE_H
#define INFERD_VOTE_H

#include <stdint.h>

#define VOTE_FRAMES_MAX 64 /* of a window; of more the latest count */
#define VOTE_NAMES	4  /* of a frame */
#define VOTE_MOMENTS	24 /* of a name in a frame */
/* How far a picture's moment may be from where the video would be; clocks differ, and frames fall between pictures. */
#define VOTE_TOLERANCE_MS 250
/*
 * What a frame may say at most for a video that would have to be elsewhere.  Less than `maybe`, so that order is
 * needed, and more than VOTE_LEAST, so that a video that begins anew or is wound is not lost for the length of the
 * window.
 */
#define VOTE_OUT_OF_ORDER (-0.25f)
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

/* How like a part of a video a frame is.  Sources and times are below 2^31; those of different sources are unrelated.
 */
struct vote_moment {
	uint32_t source, from_ms, to_ms;
	float score;
};

/* A name and how like it a frame is.  Ids are never used again for another name; 0 is none. */
struct vote_name {
	uint64_t id;
	float score; /* wherever its videos are: of its photographs, and no less than of moments that are not listed */
	int n_moments;
	const struct vote_moment *moments; /* in any order; of more than VOTE_MOMENTS the first count */
};

/* With evidence in place of the scores. */
struct vote_entry {
	uint64_t id;
	float evidence;
	int n_moments;
	struct vote_moment moments[VOTE_MOMENTS];
};

struct vote_frame {
	int64_t at_us;
	int n;
	struct vote_entry names[VOTE_NAMES];
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

/* The score that is no evidence for a name, nor is any lower one. */
float vote_least_score(const struct vote_scale *scale);

/*
 * Takes in a frame of this time, which is not negative, best name first (n may be 0), and says what the window that
 * ends with it shows. Frames may come out of order by as much as the window; a frame older than that begins anew, as
 * after a jump of the client's clock.
 */
struct vote_outcome vote_add(struct vote *vote, const struct vote_rules *rules, const struct vote_scale *scale,
			     int64_t at_us, const struct vote_name *names, int n);

#endif
