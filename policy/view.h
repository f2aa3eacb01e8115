/*
 * view.h - everything one decision looks at, and the sentence that explains it.  Private to the policy.
 */
#ifndef INFERD_POLICY_VIEW_H
#define INFERD_POLICY_VIEW_H

#include "policy.h"

/* What running this frame on a rung would cost and bring. */
struct outlook {
	float us, wait_us; /* its time, median, and until its lane is free */
	float sure_us;	   /* its time, which it exceeds as rarely as the learned bound */
	float wait_price;  /* accuracy that frames which arrive meanwhile lose */
	float chance_once; /* like chance, of this frame, which pays for the change; the others speak of the frames
			      after it */
	float chance, chance_alone; /* to be in time: within its share of the deadline; with all that is left of it */
	bool bounded;		    /* the learned bound fits its share */
	float accuracy, energy;
	float utility; /* on a sharp frame */
};

/* Only the outlook of rungs that are eligible is filled in. */
struct view {
	const struct policy_params *params;
	const struct policy_rung *rungs;
	int n_rungs;
	const struct policy_latency *latency;
	const struct policy_sample *sample;
	int held;	    /* rung of the frames before; -1 none */
	int best, cheapest; /* rungs: most accurate; soonest done */
	float floor;	    /* accuracy of the least accurate */
	float dearest, slowest_us;
	/* what the device allows now */
	float temp_c, hot_c, critical_c;
	float felt_c; /* what heat is judged by */
	bool hot, critical;
	bool suspicious;  /* the held rung was just slow beyond doubt: chance, or a jump? */
	float heat_price; /* that heat adds to the price of energy */
	float work_ln;	  /* logarithm of how many times it does a rung's work */
	float left_us;	  /* to the deadline; INFINITY none */
	float budget_us;  /* of that, what this frame may take of it */
	float wait_us[POLICY_LANES_MAX], left_ln[POLICY_LANES_MAX]; /* of each lane; logarithm of its share */
	float alone_ln[POLICY_LANES_MAX];			    /* logarithm of all that is left on it */
	struct policy_lane_now lanes[POLICY_LANES_MAX];		    /* those that have rungs */
	float price;						    /* of energy */
	float blur;						    /* beyond what does no harm, 0..1 */
	struct outlook outlook[POLICY_RUNGS_MAX];
};

/* Whether this frame could run on it, and no other one is better in everything. */
static inline bool view_eligible(const struct view *view, int rung)
{
	return !view->rungs[rung].dominated && view->rungs[rung].phase == view->sample->phase;
}

/* Fills in the reason of a decision whose other members are set. */
void view_explain(const struct view *view, struct policy_decision *decision);

#endif
