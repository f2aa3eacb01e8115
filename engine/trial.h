/*
 * trial.h - in which of Winograd's blocks a convolution of 3x3 at stride 1 is done, if in any: by a rule where that is
 * plain, by a trial where it is not.
 *
 * A trial times a part of each way with made-up weights and remembers what it saw for as long as the process lives, so
 * that a layer of the same shape is done in the same way whenever it is planned for again.
 */
#ifndef INFERD_TRIAL_H
#define INFERD_TRIAL_H

#include <pthread.h>

#include "plan.h"

/* MEASURE: by rule and trial.  RULE: by a rule alone, the same on every machine.  Otherwise always in the same way. */
enum trial_mode { TRIAL_MEASURE, TRIAL_RULE, TRIAL_DIRECT, TRIAL_2X2, TRIAL_4X4, TRIAL_MODES };

/* Of the output's picture; what goes in has the same. */
struct trial_shape {
	int h, w, channels, outputs;
};

enum { TRIAL_OUTCOMES_MAX = 256 };

/* What each way took: direct, then in the order of the kernels' blocks. */
struct trial_outcome {
	const char *level;
	struct trial_shape shape;
	double ns[1 + WINOGRAD_SIZES];
};

struct trials {
	enum trial_mode mode;
	/* Nanoseconds of the processor's time that a run of all tiles of the step takes; tests have one of their own.
	 */
	double (*measure)(void *context, const struct step *step, const struct exec *exec);
	void *context;
	pthread_mutex_t lock; /* of what follows, and one trial at a time */
	int n;
	struct trial_outcome outcomes[TRIAL_OUTCOMES_MAX];
};

/* Those of the process, which the environment's INFERD_WINOGRAD gives a mode: trial (if unset), rule, off, 2 or 4. */
struct trials *trials_shared(void);

/* A mode as INFERD_WINOGRAD has it. */
const char *trials_mode_name(const struct trials *trials);

void trials_init(struct trials *trials, enum trial_mode mode);
void trials_finish(struct trials *trials);

/*
 * The blocks for this shape among those that memory allows, or NULL for none.  *spent_ns: what trials took of the plan
 * that asks; when it is too much the rule decides alone.
 */
const struct winograd *trial_choose(struct trials *trials, const struct kernels *kernels,
				    const struct trial_shape *shape, const bool fits[WINOGRAD_SIZES], double *spent_ns);

#endif
