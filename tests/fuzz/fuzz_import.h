/* fuzz_import.h - what the fuzz targets of the importers share. */
#ifndef INFERD_FUZZ_IMPORT_H
#define INFERD_FUZZ_IMPORT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

/* Above these a run would only take time. */
#define FUZZ_ARENA_MAX (8u << 20)
#define FUZZ_WORK_MAX  (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_require(int condition)
{
	if (!condition)
		abort();
}

static inline void fuzz_run(const struct engine_plan *plan)
{
	struct engine_team *team;
	struct engine_context *context;

	if (engine_plan_arena_bytes(plan) > FUZZ_ARENA_MAX || engine_plan_work(plan) > FUZZ_WORK_MAX)
		return;
	fuzz_require(engine_team_create(NULL, 0, 1, &team) == 0);
	fuzz_require(engine_context_create(team, &context) == 0);
	if (engine_context_reserve(context, plan) == 0)
		(void)engine_run(context, plan, 0); /* an operator may refuse the zeros it is given */
	engine_context_destroy(context);
	engine_team_destroy(team);
}

/* At two batches, and at other lengths of what is open; most files leave nothing open and refuse. */
static inline void fuzz_shapes(struct engine_model *model)
{
	struct engine_shape shapes[ENGINE_IO_MAX];
	struct engine_error error = {""};
	const struct engine_plan *plan;
	int n = engine_model_input_count(model), rc;

	for (int round = 1; round <= 2; round++) {
		for (int i = 0; i < n; i++) {
			struct engine_io io;

			engine_model_input(model, i, &io);
			shapes[i].rank = io.rank;
			for (int k = 0; k < io.rank; k++)
				shapes[i].dims[k] = k == 0 ? round : io.dims[k] < 0 ? 8 * round : io.dims[k];
		}
		error.text[0] = '\0';
		rc = engine_model_plan_shapes(model, shapes, n, &error, &plan);
		fuzz_require(rc == 0 || error.text[0] != '\0');
		if (rc < 0)
			continue;
		fuzz_run(plan);
		engine_model_release_plan(model, plan);
	}
}

static inline void fuzz_import(const uint8_t *data, size_t size, const uint8_t *weights, size_t weights_size)
{
	struct engine_plan_options options = {0};
	struct engine_error error = {""};
	const struct engine_plan *plan;
	struct engine_model *model;
	struct engine_io io;
	int rc = engine_model_load_memory("fuzz", data, size, weights, weights_size, &error, &model);

	if (rc < 0) {
		fuzz_require(error.text[0] != '\0');
		return;
	}
	memset(&io, 0, sizeof(io));
	if (engine_model_input_count(model) > 0)
		engine_model_input(model, 0, &io);
	if (io.rank == 4 && (io.dims[1] < 0 || io.dims[2] < 0))
		options.width = options.height = 16;
	rc = engine_model_plan(model, &options, &error, &plan);
	fuzz_require(rc == 0 || error.text[0] != '\0');
	if (rc == 0)
		fuzz_run(plan);
	fuzz_shapes(model);
	engine_model_destroy(model);
}

#endif
