/*
 * raw.h - a network's outputs as they are.
 *
 * Few bytes go back with the reply, many through the frame's slot; which it is depends on the plan alone, so that a
 * stream's slots are made large enough when it is opened.  Owns nothing and allocates nothing.
 */
#ifndef INFERD_RAW_H
#define INFERD_RAW_H

#include "engine/engine.h"
#include "ipc/ipc.h"
#include "outputs.h"

/* 0 and raw_slot_bytes(); -ENOTSUP with a sentence: more outputs, or larger ones, than a reply can have. */
int raw_check(const struct engine_plan *plan, size_t *ret_slot_bytes, char ret_why[OUTPUTS_WHY_BYTES]);

/* What the outputs take of a slot, a multiple of 64; 0 where they go back with the reply.  The plan was checked. */
size_t raw_slot_bytes(const struct engine_plan *plan);

/*
 * The outputs of the context's last run, which was of this plan.  copy: into the slot, where `room` is at this offset;
 * refer: to where they lie until the next run.  ret_tensors: as many as the plan has outputs.
 */
void raw_copy(struct engine_context *context, const struct engine_plan *plan, uint8_t *room, uint32_t offset,
	      struct ipc_tensor *ret_tensors);
void raw_refer(struct engine_context *context, const struct engine_plan *plan, struct ipc_tensor *ret_tensors);

#endif
