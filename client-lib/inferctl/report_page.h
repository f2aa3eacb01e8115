/*
 * report_page.h - a field record as one page of HTML that needs nothing else: no script, no link, no font.
 *
 * report_page.c puts it together, report_charts.c draws, report_style.c holds the style sheet.
 */
#ifndef INFERCTL_REPORT_PAGE_H
#define INFERCTL_REPORT_PAGE_H

#include <stdio.h>

#include "field.h"

#define REPORT_SHOWN_RUNGS  8  /* of a model, as curves */
#define REPORT_CURVE_FRAMES 10 /* answered, for a curve */

/* A model's rungs, the most accurate first; those not run at all are kept apart. */
struct report_model {
	const char *name;
	const struct field_rung *rungs[FIELD_RUNGS_MAX];
	int index[FIELD_RUNGS_MAX]; /* of each within the field */
	int n_rungs;
	int n_shown; /* have a colour and a curve: the first of them, with answers enough */
};

void report_page(const struct field *field, FILE *out);

/* ---- report_charts.c ------------------------------------------------------------------------------ */

void report_chart_latency(const struct report_model *model, FILE *out);
void report_chart_deadline(const struct report_model *model, FILE *out);
void report_chart_prediction(const struct report_model *model, FILE *out);
void report_chart_time(const struct report_model *model, FILE *out);
/* All models of one device, one below the other. */
void report_chart_timeline(const struct field_device *device, const struct report_model *models, int n_models,
			   FILE *out);

/* The colours and shapes of a model's curves. */
void report_legend(const struct report_model *model, FILE *out);

extern const char report_style[];

#endif
