/* recognise.c - see recognise.h. */
#include "recognise.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recognition {
	struct galleries *galleries;
	char gallery[IPC_NAME_MAX + 1];
	pthread_mutex_t lock; /* taken last */
	struct vote vote;
};

struct recogniser {
	struct gallery_searcher *searcher;
	struct gallery *gallery; /* that the last answer points into */
	struct engine_search_hit hits[IPC_RESULTS_MAX];
	struct ipc_result_item items[IPC_RESULTS_MAX];
	struct vote_moment moments[VOTE_NAMES][VOTE_MOMENTS];
};

int recognition_create(struct galleries *galleries, const char *gallery, struct recognition **ret_recognition)
{
	struct recognition *recognition = calloc(1, sizeof(*recognition));

	if (!recognition)
		return -ENOMEM;
	recognition->galleries = galleries;
	snprintf(recognition->gallery, sizeof(recognition->gallery), "%s", gallery);
	pthread_mutex_init(&recognition->lock, NULL);
	*ret_recognition = recognition;
	return 0;
}

void recognition_destroy(struct recognition *recognition)
{
	if (!recognition)
		return;
	pthread_mutex_destroy(&recognition->lock);
	free(recognition);
}

int recogniser_create(struct recogniser **ret_recogniser)
{
	struct recogniser *recogniser = calloc(1, sizeof(*recogniser));
	int rc = recogniser ? gallery_searcher_create(&recogniser->searcher) : -ENOMEM;

	if (rc < 0) {
		free(recogniser);
		return rc;
	}
	*ret_recogniser = recogniser;
	return 0;
}

void recogniser_destroy(struct recogniser *recogniser)
{
	if (!recogniser)
		return;
	gallery_searcher_destroy(recogniser->searcher);
	gallery_unref(recogniser->gallery);
	free(recogniser);
}

static int fail(char *why, int error, const char *format, const char *name)
{
	snprintf(why, IPC_TEXT_MAX + 1, format, name);
	return error;
}

static const char unknown[] = "there is no gallery '%s'";
static const char replaced[] =
	"the gallery '%s' has no vectors of this network: it, or how pictures are prepared for it, "
	"was changed since they were added; add the pictures again";

int recognition_check(struct galleries *galleries, const char *name, const struct model *model,
		      char ret_why[IPC_TEXT_MAX + 1])
{
	struct gallery *gallery = galleries_get(galleries, name);
	size_t n = 0;
	int rc = 0;

	if (!gallery && galleries_moved_aside(galleries)) {
		snprintf(ret_why, IPC_TEXT_MAX + 1, "there is no gallery '%s'; %.120s was damaged and is kept as .bad",
			 name, galleries_path(galleries));
		return -ENOENT;
	}
	if (!gallery)
		return fail(ret_why, -ENOENT, unknown, name);
	if (strcmp(gallery->model, model->name) != 0) {
		snprintf(ret_why, IPC_TEXT_MAX + 1,
			 "the gallery '%s' has vectors of the model '%s', which those of '%s' cannot be compared with",
			 name, gallery->model, model->name);
		rc = -EINVAL;
	}
	for (int i = 0; rc == 0 && i < model->ladder->n_variants; i++) {
		int space = gallery_find_space(gallery, model->ladder->variants[i].space);

		n += space >= 0 ? gallery->spaces[space].n_vectors : 0;
	}
	if (rc == 0 && !n && !gallery_is_empty(gallery))
		rc = fail(ret_why, -ESTALE, replaced, name);
	gallery_unref(gallery);
	return rc;
}

/* ---- frames --------------------------------------------------------------------------------------- */

static int look_up(struct recogniser *recogniser, const struct gallery *gallery, uint64_t space_id,
		   const struct reply_answer *answer, int k, char *why, int *ret_n)
{
	int space = gallery_find_space(gallery, space_id), rc;

	*ret_n = 0;
	if (space < 0 || !gallery->spaces[space].n_vectors)
		return gallery_is_empty(gallery) ? 0 : fail(why, -ESTALE, replaced, gallery->name);
	if (gallery->spaces[space].length != (int)answer->n_embedding)
		return fail(why, -EINVAL, "the gallery '%s' has vectors of another length", gallery->name);
	rc = gallery_search(recogniser->searcher, gallery, space, answer->embedding, k, recogniser->hits, ret_n);
	return rc < 0 ? fail(why, rc, "the gallery cannot be searched: %s", strerror(-rc)) : 0;
}

/* What of a name's vectors the vote looks at: the moments most like the frame, and the best of all others. */
struct collection {
	const struct gallery *gallery;
	float least; /* that a moment has to score to be evidence */
	float others;
	int n;
	struct vote_moment *moments;
};

static void collect_moment(struct collection *collection, struct vote_moment moment)
{
	int weakest = 0;

	for (int i = 0; i < collection->n; i++) {
		struct vote_moment *kept = &collection->moments[i];

		/* Views of one picture. */
		if (kept->source == moment.source && kept->from_ms == moment.from_ms && kept->to_ms == moment.to_ms) {
			kept->score = fmaxf(kept->score, moment.score);
			return;
		}
		if (kept->score < collection->moments[weakest].score)
			weakest = i;
	}
	if (collection->n < VOTE_MOMENTS) {
		collection->moments[collection->n++] = moment;
		return;
	}
	if (moment.score > collection->moments[weakest].score) {
		struct vote_moment displaced = collection->moments[weakest];

		collection->moments[weakest] = moment;
		moment = displaced;
	}
	collection->others = fmaxf(collection->others, moment.score);
}

static void collect(void *user, uint32_t place, float score)
{
	struct collection *collection = user;
	const struct gallery_moment *moment;

	if (score <= collection->least)
		return;
	if (place == GALLERY_NO_MOMENT) {
		collection->others = fmaxf(collection->others, score);
		return;
	}
	moment = &collection->gallery->moments[place];
	collect_moment(collection, (struct vote_moment){moment->source, moment->from_ms, moment->to_ms, score});
}

/* Scores of vectors are as near as their bytes tell; that of the best is known. */
static void correct_best(struct collection *collection, float score)
{
	float *best = &collection->others;

	for (int i = 0; i < collection->n; i++)
		if (collection->moments[i].score > *best)
			best = &collection->moments[i].score;
	if (*best > -INFINITY)
		*best = score;
}

/* A hit as the vote has it; storage holds VOTE_MOMENTS. */
static struct vote_name describe(struct recogniser *recogniser, const struct engine_search_hit *hit,
				 const struct vote_scale *scale, struct vote_moment *storage)
{
	const struct gallery *gallery = recogniser->gallery;
	struct collection collection = {
		.gallery = gallery, .least = vote_least_score(scale), .others = -INFINITY, .moments = storage};

	if (!gallery->n_moments)
		return (struct vote_name){.id = gallery->names[hit->group].id, .score = hit->score};
	gallery_visit(recogniser->searcher, hit->group, collect, &collection);
	correct_best(&collection, hit->score);
	return (struct vote_name){gallery->names[hit->group].id, collection.others, collection.n, storage};
}

static struct vote_outcome vote(struct recognition *recognition, struct recogniser *recogniser,
				const struct model *model, int variant, int64_t at_us, int n)
{
	struct vote_name names[VOTE_NAMES];
	struct vote_outcome outcome;

	n = n < VOTE_NAMES ? n : VOTE_NAMES;
	for (int i = 0; i < n; i++)
		names[i] = describe(recogniser, &recogniser->hits[i], &model->vote_scales[variant],
				    recogniser->moments[i]);
	pthread_mutex_lock(&recognition->lock);
	outcome = vote_add(&recognition->vote, &model->vote_rules, &model->vote_scales[variant], at_us, names, n);
	pthread_mutex_unlock(&recognition->lock);
	return outcome;
}

static void fill_answer(struct recogniser *recogniser, const struct vote_outcome *outcome, int n,
			struct reply_answer *answer)
{
	static const enum ipc_verdict verdicts[] = {
		[VOTE_ABSENT] = IPC_VERDICT_ABSENT, [VOTE_MAYBE] = IPC_VERDICT_MAYBE, [VOTE_SURE] = IPC_VERDICT_SURE};
	/* A name that was removed within the window is none any more. */
	const char *name = outcome->id ? gallery_name_of(recogniser->gallery, outcome->id) : NULL;

	for (int i = 0; i < n; i++)
		recogniser->items[i] = (struct ipc_result_item){
			.index = recogniser->hits[i].group,
			.score = recogniser->hits[i].score,
			.label = recogniser->gallery->names[recogniser->hits[i].group].text,
		};
	*answer = (struct reply_answer){
		.items = recogniser->items,
		.n_items = (uint32_t)n,
		.verdict = name ? verdicts[outcome->verdict] : IPC_VERDICT_ABSENT,
		.name = name,
	};
}

int recognise(struct recogniser *recogniser, struct recognition *recognition, const struct model *model, int variant,
	      int64_t at_us, int top_k, char *ret_why, struct reply_answer *answer)
{
	int k = top_k > VOTE_NAMES ? top_k : VOTE_NAMES, n, rc;
	struct vote_outcome outcome;

	gallery_unref(recogniser->gallery);
	recogniser->gallery = galleries_get(recognition->galleries, recognition->gallery);
	if (!recogniser->gallery)
		return fail(ret_why, -ENOENT, unknown, recognition->gallery);
	k = k < IPC_RESULTS_MAX ? k : IPC_RESULTS_MAX;
	rc = look_up(recogniser, recogniser->gallery, model->ladder->variants[variant].space, answer, k, ret_why, &n);
	if (rc < 0)
		return rc;
	outcome = vote(recognition, recogniser, model, variant, at_us, n);
	fill_answer(recogniser, &outcome, n < top_k ? n : top_k, answer);
	return 0;
}
