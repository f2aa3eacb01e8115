/*
 * pipeline.h - what a lane does with a frame of a pipeline: find places, or take those that are followed; look at each;
 * and say where to look in the next frame.
 *
 * A detector finds boxes in the whole picture; a landmark network sees a turned square about each, cut straight from
 * the frame's pixels where they lie.  Of what it recognises, the landmarks give the square for the next frame, in which
 * the detector then has nothing to do.  Where all of that is lost, the detector looks at the same frame still, if the
 * deadline allows.
 */
#ifndef INFERD_PIPELINE_H
#define INFERD_PIPELINE_H

#include "answer.h"
#include "picture.h"

/*
 * Runs the job's rung; on return job->rung is what was run in the end, job->track what to follow, and the times are
 * set.  0; negative errno with job->text.
 */
int pipeline_run(struct job *job, struct picture *picture, struct answer *answer, struct engine_context *context,
		 struct reply_answer *ret_reply);

#endif
