/*
 * chart.h - draws a chart as inline SVG: a frame, two axes with units, and what lies within.
 *
 * Colours and line styles come from the page's style sheet (report_style.c): series 0..CHART_SERIES-1 have classes s0,
 * s1, ...  Positions are in the units of the axes and are kept within the frame.  Texts are escaped here.
 */
#ifndef INFERCTL_CHART_H
#define INFERCTL_CHART_H

#include <stdbool.h>
#include <stdio.h>

#define CHART_SERIES 8

struct chart {
	FILE *out;
	double width, height;		 /* of the picture */
	double left, right, top, bottom; /* of the frame within it */
	double x_low, x_high, y_low, y_high;
	bool log_x;
};

/* Text as HTML: no markup of its own, and no control characters. */
void html_text(FILE *out, const char *text);

/*
 * Begins a picture of this size whose content is said by `label` to those who cannot see it.  Axes are set by the
 * caller in the struct before chart_axis_x() and chart_axis_y().
 */
void chart_begin(struct chart *chart, FILE *out, double width, double height, const char *label);
void chart_end(struct chart *chart);

/* Ticks at good places with a unit behind their numbers, and the name of the axis. */
void chart_axis_x(const struct chart *chart, const char *unit, const char *name);
void chart_axis_y(const struct chart *chart, const char *unit, const char *name, int n_ticks);

double chart_x(const struct chart *chart, double value);
double chart_y(const struct chart *chart, double value);

/* A line through points; NAN in y breaks it.  step: each value holds up to the next x, of which there are n + 1. */
void chart_line(const struct chart *chart, const double *x, const double *y, int n, const char *class, bool step);
/* A mark with a sentence that is shown when one points at it.  shape: 0 circle, 1 square, 2 triangle, 3 diamond. */
void chart_mark(const struct chart *chart, double x, double y, int shape, const char *class, const char *tip);
/* A vertical line with a word at its upper or lower end. */
void chart_rule(const struct chart *chart, double x, bool low, const char *text);
/* Rectangles of one class between y0[i] and y1[i], from x[i] to x[i + 1]; none where both are equal. */
void chart_columns(const struct chart *chart, const double *x, const double *y0, const double *y1, int n,
		   const char *class);

#endif
