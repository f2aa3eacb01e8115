/* record.c - see record.h.  Counting and handing over; record_write.c knows the tables. */
#include "record.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>

static const char other[] = "other";

struct record {
	struct store *store;
	bool enabled;
	int64_t began_us, flush_us, flushed_us;
	char params[RECORD_NAME_BYTES];
	char run[33]; /* random, so that records of many devices can be told apart */
	struct utsname system;
	int temp_band, pressure_band; /* now */
	struct {
		double temp_c, temp_limit_c, cpu_pressure, cpu_load, battery, freq_cap;
		int n_temp, n_limit, n_pressure, n_load, n_battery, n_cap;
	} sums; /* of the slice under way */
	struct record_slice slice;
	bool in_slice;
	uint64_t frames, other;
	_Atomic uint64_t lost;
	struct record_batch *now, *next; /* fills; is with the store, or empty */
};

const char *record_outcome_name(enum record_outcome outcome)
{
	static const char *const names[RECORD_OUTCOMES] = {"on_time",	"late_queued", "late_slow", "late_infeasible",
							   "expired",	"hopeless",    "skipped",   "replaced",
							   "cancelled", "closed",      "failed"};

	return names[outcome];
}

bool record_is_miss(enum record_outcome outcome)
{
	return (outcome >= RECORD_LATE_QUEUED && outcome <= RECORD_HOPELESS) || outcome == RECORD_FAILED;
}

static enum record_outcome judge_answered(const struct record_frame *frame)
{
	if (!frame->deadline_us || frame->total_us <= frame->deadline_us)
		return RECORD_ON_TIME;
	if (frame->predicted_us > (float)frame->deadline_us)
		return RECORD_LATE_INFEASIBLE;
	if (frame->bound_us > 0 && (float)(frame->preprocess_us + frame->inference_us) > frame->bound_us)
		return RECORD_LATE_SLOW;
	return RECORD_LATE_QUEUED;
}

enum record_outcome record_judge(const struct record_frame *frame)
{
	switch (frame->status) {
	case IPC_OK:
		return judge_answered(frame);
	case IPC_DROPPED_DEADLINE:
		/* Only the policy gives a reason; a frame that waited too long was never decided about. */
		return frame->reason[0] ? RECORD_HOPELESS : RECORD_EXPIRED;
	case IPC_DROPPED_SKIPPED:
		return RECORD_SKIPPED;
	case IPC_DROPPED_REPLACED:
		return RECORD_REPLACED;
	case IPC_DROPPED_CANCELLED:
		return RECORD_CANCELLED;
	case IPC_DROPPED_CLOSED:
		return RECORD_CLOSED;
	default:
		return RECORD_FAILED;
	}
}

int record_temp_band(float temp_c)
{
	if (!isfinite(temp_c))
		return RECORD_UNKNOWN;
	return temp_c < 40 ? 0 : temp_c >= 100 ? 100 : (int)(temp_c / 10) * 10;
}

int record_pressure_band(float cpu_pressure)
{
	if (!isfinite(cpu_pressure))
		return RECORD_UNKNOWN;
	return cpu_pressure >= 0.5f ? 50 : cpu_pressure >= 0.2f ? 20 : cpu_pressure >= 0.05f ? 5 : 0;
}

/* ---- groups --------------------------------------------------------------------------------------- */

static uint32_t hash_text(uint32_t hash, const char *text)
{
	/* FNV-1a; the zero at the end keeps "ab", "c" apart from "a", "bc". */
	do
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	while (*text++);
	return hash;
}

static bool is_group(const struct record *record, const struct record_group *group, const struct record_frame *frame)
{
	return group->temp_band == record->temp_band && group->pressure_band == record->pressure_band &&
	       !strcmp(group->rung, frame->rung) && !strcmp(group->model, frame->model) &&
	       !strcmp(group->params, record->params);
}

static struct record_group *other_group(struct record *record)
{
	struct record_group *group = &record->now->groups[RECORD_GROUPS_MAX];

	snprintf(group->model, sizeof(group->model), "%s", other);
	snprintf(group->rung, sizeof(group->rung), "%s", other);
	snprintf(group->lane, sizeof(group->lane), "%s", other);
	snprintf(group->params, sizeof(group->params), "%s", other);
	group->temp_band = group->pressure_band = RECORD_UNKNOWN;
	record->other++;
	return group;
}

static struct record_group *find_group(struct record *record, const struct record_frame *frame)
{
	const size_t mask = 2 * RECORD_GROUPS_MAX - 1;
	struct record_batch *batch = record->now;
	struct record_group *group;
	size_t at = hash_text(hash_text(2166136261u, frame->model), frame->rung) +
		    (size_t)(record->temp_band + 31 * record->pressure_band);

	for (at &= mask; batch->index[at]; at = (at + 1) & mask)
		if (is_group(record, &batch->groups[batch->index[at] - 1], frame))
			return &batch->groups[batch->index[at] - 1];
	if (batch->n_groups == RECORD_GROUPS_MAX)
		return other_group(record);
	group = &batch->groups[batch->n_groups++];
	batch->index[at] = (uint8_t)batch->n_groups;
	snprintf(group->model, sizeof(group->model), "%s", frame->model);
	snprintf(group->rung, sizeof(group->rung), "%s", frame->rung);
	snprintf(group->lane, sizeof(group->lane), "%s", frame->lane);
	snprintf(group->params, sizeof(group->params), "%s", record->params);
	group->temp_band = record->temp_band;
	group->pressure_band = record->pressure_band;
	group->accuracy = frame->accuracy;
	return group;
}

static uint64_t ratio(double part, double whole)
{
	double parts = part / whole * SKETCH_RATIO_ONE;

	return parts < (double)SKETCH_VALUE_MAX ? (uint64_t)(parts + 0.5) : SKETCH_VALUE_MAX;
}

static void count_answered(struct record_group *group, const struct record_frame *frame)
{
	uint64_t ran_us = (uint64_t)frame->preprocess_us + frame->inference_us;

	sketch_add(&group->measures[RECORD_QUEUE], frame->queue_us);
	sketch_add(&group->measures[RECORD_PREPROCESS], frame->preprocess_us);
	sketch_add(&group->measures[RECORD_INFERENCE], frame->inference_us);
	sketch_add(&group->measures[RECORD_TOTAL], frame->total_us);
	if (frame->deadline_us)
		sketch_add(&group->measures[RECORD_OF_DEADLINE],
			   ratio((double)frame->total_us, (double)frame->deadline_us));
	if (frame->predicted_us > 0)
		sketch_add(&group->measures[RECORD_OF_PREDICTED], ratio((double)ran_us, (double)frame->predicted_us));
	if (frame->bound_us > 0) {
		group->bounded++;
		group->covered += (float)ran_us <= frame->bound_us;
	}
}

static void count_reason(struct record_group *group, const struct record_frame *frame)
{
	int cause = (int)frame->cause;

	if (!frame->reason[0] || cause < 0 || cause >= RECORD_CAUSES_MAX)
		return;
	group->causes[cause].frames++;
	snprintf(group->causes[cause].example, sizeof(group->causes[cause].example), "%s", frame->reason);
}

/* ---- slices --------------------------------------------------------------------------------------- */

static struct record_slice_rung *find_slice_rung(struct record_slice *slice, const char *model, const char *rung)
{
	struct record_slice_rung *found;

	for (int i = 0; i < slice->n_rungs; i++)
		if (!strcmp(slice->rungs[i].rung, rung) && !strcmp(slice->rungs[i].model, model))
			return &slice->rungs[i];
	if (slice->n_rungs == RECORD_RUNGS_MAX)
		return find_slice_rung(slice, other, other);
	/* The last place is for all others. */
	if (slice->n_rungs == RECORD_RUNGS_MAX - 1)
		model = rung = other;
	found = &slice->rungs[slice->n_rungs++];
	*found = (struct record_slice_rung){.frames = 0};
	snprintf(found->model, sizeof(found->model), "%s", model);
	snprintf(found->rung, sizeof(found->rung), "%s", rung);
	return found;
}

static void begin_slice(struct record *record, int64_t now_us)
{
	if (record->in_slice)
		return;
	record->in_slice = true;
	record->slice.began_us = now_us - record->began_us;
	record->slice.n_rungs = 0;
	memset(&record->sums, 0, sizeof(record->sums));
}

static void add_reading(float reading, double *sum, int *n)
{
	if (!isfinite(reading))
		return;
	*sum += (double)reading;
	*n += 1;
}

static float mean(double sum, int n)
{
	return n ? (float)(sum / n) : NAN;
}

static void end_slice(struct record *record, int64_t now_us)
{
	struct record_batch *batch = record->now;
	struct record_slice *slice = &record->slice;

	if (!record->in_slice)
		return;
	record->in_slice = false;
	slice->ended_us = now_us - record->began_us;
	slice->temp_c = mean(record->sums.temp_c, record->sums.n_temp);
	slice->temp_limit_c = mean(record->sums.temp_limit_c, record->sums.n_limit);
	slice->cpu_pressure = mean(record->sums.cpu_pressure, record->sums.n_pressure);
	slice->cpu_load = mean(record->sums.cpu_load, record->sums.n_load);
	slice->battery = mean(record->sums.battery, record->sums.n_battery);
	slice->freq_cap = mean(record->sums.freq_cap, record->sums.n_cap);
	batch->slices[batch->n_slices++] = *slice;
}

static float lowest_cap(const struct policy_sample *sample)
{
	float lowest = NAN;

	for (int i = 0; i < sample->n_lanes; i++)
		if (!(sample->freq_cap[i] >= lowest) && isfinite(sample->freq_cap[i]))
			lowest = sample->freq_cap[i];
	return lowest;
}

/* ---- handing over --------------------------------------------------------------------------------- */

static void empty_batch(struct record_batch *batch)
{
	for (int i = 0; i <= RECORD_GROUPS_MAX; i++) {
		struct record_group *group = &batch->groups[i];

		/* What was never used stays memory that the kernel has not given yet. */
		if (!group->model[0])
			continue;
		memset(group, 0, offsetof(struct record_group, measures));
		for (int j = 0; j < RECORD_MEASURES; j++)
			sketch_reset(&group->measures[j]);
	}
	memset(batch->index, 0, sizeof(batch->index));
	batch->n_groups = batch->n_slices = 0;
}

static uint64_t count_frames(const struct record_batch *batch)
{
	uint64_t frames = 0;

	for (int i = 0; i <= RECORD_GROUPS_MAX; i++)
		for (int j = 0; batch->groups[i].model[0] && j < RECORD_OUTCOMES; j++)
			frames += batch->groups[i].outcomes[j];
	return frames;
}

static int batch_run(struct store_task *task, struct sqlite3 *db)
{
	return record_write(db, (const struct record_batch *)task);
}

static void batch_done(struct store_task *task, int rc)
{
	struct record_batch *batch = (struct record_batch *)task;

	if (rc < 0)
		atomic_fetch_add(&batch->record->lost, count_frames(batch));
	empty_batch(batch);
	atomic_store(&batch->busy, false);
}

/* Where the store cannot take it yet, the batch goes on filling. */
static void hand_over(struct record *record, int64_t now_us)
{
	struct record_batch *batch = record->now;

	if (!batch->n_slices && !batch->n_groups)
		return;
	batch->epoch = (now_us - record->began_us) / RECORD_EPOCH_US;
	batch->flushed_us = now_us - record->began_us;
	batch->lost = record->lost;
	atomic_store(&batch->busy, true);
	if (store_submit(record->store, &batch->task) < 0) {
		atomic_store(&batch->busy, false);
		return;
	}
	record->now = record->next;
	record->next = batch;
	record->flushed_us = now_us;
}

static void advance(struct record *record, int64_t now_us)
{
	if (record->in_slice && now_us - record->began_us - record->slice.began_us >= RECORD_SLICE_US &&
	    record->now->n_slices < RECORD_SLICES_MAX)
		end_slice(record, now_us);
	if (now_us - record->flushed_us >= record->flush_us && !atomic_load(&record->next->busy)) {
		if (record->now->n_slices < RECORD_SLICES_MAX)
			end_slice(record, now_us);
		hand_over(record, now_us);
	}
}

void record_sense(struct record *record, const struct policy_sample *sample, int64_t now_us)
{
	record->temp_band = record_temp_band(sample->temp_c);
	record->pressure_band = record_pressure_band(sample->cpu_pressure);
	if (!record->enabled)
		return;
	begin_slice(record, now_us);
	add_reading(sample->temp_c, &record->sums.temp_c, &record->sums.n_temp);
	add_reading(sample->temp_limit_c, &record->sums.temp_limit_c, &record->sums.n_limit);
	add_reading(sample->cpu_pressure, &record->sums.cpu_pressure, &record->sums.n_pressure);
	add_reading(sample->cpu_load, &record->sums.cpu_load, &record->sums.n_load);
	add_reading(sample->battery, &record->sums.battery, &record->sums.n_battery);
	add_reading(lowest_cap(sample), &record->sums.freq_cap, &record->sums.n_cap);
	advance(record, now_us);
}

void record_frame(struct record *record, const struct record_frame *frame, int64_t now_us)
{
	enum record_outcome outcome = record_judge(frame);
	struct record_slice_rung *rung;
	struct record_group *group;

	if (!record->enabled)
		return;
	begin_slice(record, now_us);
	group = find_group(record, frame);
	group->outcomes[outcome]++;
	if (frame->status == IPC_OK)
		count_answered(group, frame);
	count_reason(group, frame);
	rung = find_slice_rung(&record->slice, frame->model, frame->rung);
	rung->frames++;
	rung->on_time += outcome == RECORD_ON_TIME;
	rung->missed += record_is_miss(outcome);
	record->frames++;
}

/* ---- life ----------------------------------------------------------------------------------------- */

void record_configure(struct record *record, bool enabled, int64_t flush_us, const char *params, int64_t now_us)
{
	if (record->enabled && !enabled)
		record_rest(record, now_us);
	if (!record->enabled && enabled)
		record->flushed_us = now_us;
	record->enabled = enabled;
	record->flush_us = flush_us;
	snprintf(record->params, sizeof(record->params), "%s", params);
}

static struct record_batch *create_batch(struct record *record)
{
	struct record_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->task = (struct store_task){.run = batch_run, .done = batch_done};
	batch->record = record;
	batch->run = record->run;
	batch->device = record->system.nodename;
	batch->machine = record->system.machine;
	return batch;
}

int record_create(struct store *store, int64_t now_us, struct record **ret_record)
{
	struct record *record = calloc(1, sizeof(*record));
	uint8_t noise[16];

	if (!record)
		return -ENOMEM;
	record->store = store;
	record->began_us = record->flushed_us = now_us;
	record->temp_band = record->pressure_band = RECORD_UNKNOWN;
	uname(&record->system);
	if (getrandom(noise, sizeof(noise), 0) != (ssize_t)sizeof(noise))
		memset(noise, 0, sizeof(noise));
	for (size_t i = 0; i < sizeof(noise); i++)
		snprintf(record->run + 2 * i, 3, "%02x", noise[i]);
	record->now = create_batch(record);
	record->next = create_batch(record);
	if (!record->now || !record->next) {
		record_destroy(record);
		return -ENOMEM;
	}
	*ret_record = record;
	return 0;
}

void record_end(struct record *record, int64_t now_us)
{
	if (record->now->n_slices < RECORD_SLICES_MAX)
		end_slice(record, now_us);
	record->in_slice = false;
	/* Without regard to the other batch: the store takes both. */
	hand_over(record, now_us);
}

void record_rest(struct record *record, int64_t now_us)
{
	/* Where the other batch is still being written, this one waits in memory for the next occasion. */
	if (!atomic_load(&record->next->busy))
		record_end(record, now_us);
}

void record_destroy(struct record *record)
{
	if (!record)
		return;
	free(record->now);
	free(record->next);
	free(record);
}

struct record_info record_describe(const struct record *record)
{
	return (struct record_info){
		.enabled = record->enabled,
		.frames = record->frames,
		.lost = record->lost,
		.other = record->other,
	};
}
