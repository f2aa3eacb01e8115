/*
 * recognise.h - whose frame it is: a frame's vector looked up in its stream's gallery, and the vote of its last
 * seconds.
 *
 * Runs on the lane's thread.  Frames of one stream may be on several lanes; the vote takes them one after the other.
 */
#ifndef INFERD_RECOGNISE_H
#define INFERD_RECOGNISE_H

#include "galleries.h"
#include "models.h"
#include "reply.h"

/* A stream's part. */
struct recognition;
/* 0 or -ENOMEM.  galleries is borrowed. */
int recognition_create(struct galleries *galleries, const char *gallery, struct recognition **ret_recognition);
void recognition_destroy(struct recognition *recognition); /* accepts NULL */

/* A lane's part, kept from frame to frame. */
struct recogniser;
int recogniser_create(struct recogniser **ret_recogniser); /* 0 or -ENOMEM */
void recogniser_destroy(struct recogniser *recogniser);	   /* accepts NULL */

/*
 * Puts names with scores and the verdict into the answer, whose vector is of this variant, in place of the vector.  at:
 * when the picture was taken, microseconds of any clock.  What the answer points to is valid until the next frame.  0;
 * negative errno with a sentence in ret_why (IPC_TEXT_MAX + 1 bytes).
 */
int recognise(struct recogniser *recogniser, struct recognition *recognition, const struct model *model, int variant,
	      int64_t at_us, int top_k, char *ret_why, struct reply_answer *answer);

/*
 * Whether streams of the model can use the gallery: 0; -ENOENT, -EINVAL (another model's) or -ESTALE (none of its
 * vectors are of the model's networks) with a sentence.
 */
int recognition_check(struct galleries *galleries, const char *gallery, const struct model *model,
		      char ret_why[IPC_TEXT_MAX + 1]);

#endif
