/* live.c - see live.h. */
#include "live.h"

#include <stdio.h>
#include <string.h>

static int64_t window_of(int64_t now_us)
{
	return now_us / LIVE_WINDOW_US;
}

static void empty(struct live_window *window)
{
	memset(window->outcomes, 0, sizeof(window->outcomes));
	sketch_reset(&window->total);
}

/* The entry of these names, or the place of the one that was used longest ago, emptied. */
static struct live_entry *find(struct live_entry *entries, int n, const char *model, const char *rung)
{
	struct live_entry *oldest = &entries[0];

	for (int i = 0; i < n; i++) {
		if (!strcmp(entries[i].rung, rung) && !strcmp(entries[i].model, model))
			return &entries[i];
		if (entries[i].used_us < oldest->used_us)
			oldest = &entries[i];
	}
	empty(&oldest->windows[0]);
	empty(&oldest->windows[1]);
	snprintf(oldest->model, sizeof(oldest->model), "%s", model);
	snprintf(oldest->rung, sizeof(oldest->rung), "%s", rung);
	oldest->lane[0] = '\0';
	oldest->used_us = 0;
	return oldest;
}

static void count(struct live_entry *entry, const struct record_frame *frame, int64_t now_us)
{
	int64_t window = window_of(now_us);
	struct live_window *counted = &entry->windows[window % 2];

	if (entry->window != window) {
		/* Of the last window, the other half is still of use. */
		if (entry->window != window - 1)
			empty(&entry->windows[(window + 1) % 2]);
		empty(counted);
	}
	entry->window = window;
	entry->used_us = now_us;
	counted->outcomes[record_judge(frame)]++;
	if (frame->status == IPC_OK)
		sketch_add(&counted->total, frame->total_us);
}

static void note_change(struct live *live, const struct record_frame *frame, int64_t now_us)
{
	struct live_change *change = &live->changes[live->next_change];

	live->next_change = (live->next_change + 1) % LIVE_CHANGES_MAX;
	change->at_us = now_us;
	snprintf(change->model, sizeof(change->model), "%s", frame->model);
	snprintf(change->rung, sizeof(change->rung), "%s", frame->rung);
	snprintf(change->reason, sizeof(change->reason), "%s", frame->reason);
}

void live_frame(struct live *live, const struct record_frame *frame, int64_t now_us)
{
	struct live_entry *model = find(live->models, LIVE_MODELS_MAX, frame->model, ""),
			  *rung = find(live->rungs, LIVE_RUNGS_MAX, frame->model, frame->rung);
	size_t place = (size_t)(model - live->models);

	if (!model->used_us)
		live->last[place].rung[0] = live->last[place].reason[0] = '\0';
	count(model, frame, now_us);
	count(rung, frame, now_us);
	snprintf(rung->lane, sizeof(rung->lane), "%s", frame->lane);
	if (!frame->reason[0])
		return;
	if (frame->rung[0] && strcmp(live->last[place].rung, frame->rung) != 0) {
		note_change(live, frame, now_us);
		snprintf(live->last[place].rung, sizeof(live->last[place].rung), "%s", frame->rung);
	}
	snprintf(live->last[place].reason, sizeof(live->last[place].reason), "%s", frame->reason);
}

bool live_is_used(const struct live_entry *entry, int64_t now_us)
{
	return entry->model[0] && entry->window >= window_of(now_us) - 1;
}

double live_sum(const struct live_entry *entry, int64_t now_us, struct live_window *ret_sum)
{
	memset(ret_sum, 0, sizeof(*ret_sum));
	for (int i = 0; i < 2; i++) {
		const struct live_window *part = &entry->windows[i];

		/* The half that is not of the last window that counted is of the one before, which may be too old. */
		if (entry->window != window_of(now_us) && i != entry->window % 2)
			continue;
		for (int j = 0; j < RECORD_OUTCOMES; j++)
			ret_sum->outcomes[j] += part->outcomes[j];
		sketch_merge(&ret_sum->total, &part->total);
	}
	return (double)(LIVE_WINDOW_US + now_us % LIVE_WINDOW_US) / 1e6;
}
