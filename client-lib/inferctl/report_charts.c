/* report_charts.c - the pictures of the report.  Values come checked from field.c; texts are escaped by chart.c. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "chart.h"
#include "report_page.h"

#define WIDTH	   480
#define HEIGHT	   300
#define POINTS_MAX (SKETCH_BUCKETS + 2)
/* Points of a curve that are closer than this (in the picture's units) are one. */
#define NEAR 1.5

/* At which quantiles the curves are marked. */
static const double marks[] = {0.5, 0.9, 0.95, 0.99};
#define N_MARKS (int)(sizeof(marks) / sizeof(marks[0]))

static void series_class(int i, char class[8])
{
	snprintf(class, 8, "s%d", i % CHART_SERIES);
}

/* ---- distributions -------------------------------------------------------------------------------- */

/* The axis that shows all shown rungs' values but for the last thousandth. */
static bool fit_x(struct chart *chart, const struct report_model *model, enum field_measure measure, double unit)
{
	double low = INFINITY, high = 0;

	for (int i = 0; i < model->n_shown; i++) {
		const struct sketch *sketch = &model->rungs[i]->measures[measure];

		if (!sketch->count)
			continue;
		low = fmin(low, (double)sketch_quantile(sketch, 0.002) / unit);
		high = fmax(high, (double)sketch_quantile(sketch, 0.998) / unit);
	}
	if (high <= 0)
		return false;
	low = fmax(low, high / 1e5);
	chart->log_x = high > 8 * low;
	chart->x_low = chart->log_x ? low * 0.9 : 0;
	chart->x_high = high * (chart->log_x ? 1.15 : 1.05);
	return true;
}

static void draw_curve(const struct chart *chart, const struct sketch *sketch, double unit, const char *class)
{
	struct sketch_step step = {0};
	double x[POINTS_MAX], y[POINTS_MAX];
	int n = 0;

	x[n] = (double)sketch->min / unit;
	y[n++] = 0;
	while (sketch_next(sketch, &step)) {
		uint64_t end = step.high < sketch->max ? step.high : sketch->max;

		x[n] = (double)end / unit;
		y[n] = 100 * (double)step.upto / (double)sketch->count;
		n += n == 1 || step.upto == sketch->count ||
		     fabs(chart_x(chart, x[n]) - chart_x(chart, x[n - 1])) > NEAR ||
		     fabs(chart_y(chart, y[n]) - chart_y(chart, y[n - 1])) > NEAR;
	}
	chart_line(chart, x, y, n, class, false);
}

static void draw_marks(const struct chart *chart, const struct field_rung *rung, enum field_measure measure,
		       double unit, const char *unit_text, const char *class)
{
	for (int i = 0; i < N_MARKS; i++) {
		double value = (double)sketch_quantile(&rung->measures[measure], marks[i]) / unit;
		char tip[160];

		snprintf(tip, sizeof(tip), "%s: %g%% of frames within %.3g%s", rung->rung, 100 * marks[i], value,
			 unit_text);
		chart_mark(chart, value, 100 * marks[i], i, class, tip);
	}
}

static void draw_distribution(struct chart *chart, const struct report_model *model, enum field_measure measure,
			      double unit, const char *unit_text)
{
	char class[8];

	for (int i = 0; i < model->n_shown; i++) {
		if (!model->rungs[i]->measures[measure].count)
			continue;
		series_class(i, class);
		draw_curve(chart, &model->rungs[i]->measures[measure], unit, class);
	}
	for (int i = 0; i < model->n_shown; i++) {
		if (!model->rungs[i]->measures[measure].count)
			continue;
		series_class(i, class);
		draw_marks(chart, model->rungs[i], measure, unit, unit_text, class);
	}
}

static const char too_few[] = "Too few frames were answered for a curve.";

static void draw_nothing(const struct chart *chart, const char *why)
{
	fprintf(chart->out, "<text x=\"%g\" y=\"%g\" class=\"mid\">", chart->width / 2, chart->height / 2);
	html_text(chart->out, why);
	fputs("</text>\n", chart->out);
}

void report_chart_latency(const struct report_model *model, FILE *out)
{
	struct chart chart;

	chart_begin(&chart, out, WIDTH, HEIGHT, "Share of frames answered within a time, by rung");
	chart.y_high = 100;
	if (fit_x(&chart, model, FIELD_TOTAL, 1000)) {
		chart_axis_y(&chart, "%", "frames answered within", 5);
		chart_axis_x(&chart, "", "arrival to answer, ms");
		draw_distribution(&chart, model, FIELD_TOTAL, 1000, " ms");
	} else {
		draw_nothing(&chart, too_few);
	}
	chart_end(&chart);
}

void report_chart_deadline(const struct report_model *model, FILE *out)
{
	struct chart chart;

	chart_begin(&chart, out, WIDTH, HEIGHT, "Share of frames answered within a part of their deadline, by rung");
	chart.y_high = 100;
	if (fit_x(&chart, model, FIELD_OF_DEADLINE, SKETCH_RATIO_ONE / 100.0)) {
		/* The deadline itself is always in sight. */
		chart.log_x = false;
		chart.x_low = 0;
		chart.x_high = fmin(fmax(chart.x_high, 110), 300);
		chart_axis_y(&chart, "%", "frames answered within", 5);
		chart_axis_x(&chart, "%", "part of the deadline used");
		chart_rule(&chart, 100, true, "deadline");
		draw_distribution(&chart, model, FIELD_OF_DEADLINE, SKETCH_RATIO_ONE / 100.0, "% of the deadline");
	} else {
		draw_nothing(&chart, "No frame had a deadline.");
	}
	chart_end(&chart);
}

/* ---- predicted against measured ------------------------------------------------------------------- */

#define RATIO_BINS 48
#define RATIO_LOW  0.35
#define RATIO_HIGH 2.9

static double ratio_edge(int bin)
{
	return RATIO_LOW * pow(RATIO_HIGH / RATIO_LOW, (double)bin / RATIO_BINS);
}

/* Percent of frames in each bin; a bucket that lies in several of them is divided among them. */
static void bin_ratios(const struct sketch *sketch, double bins[RATIO_BINS])
{
	struct sketch_step step = {0};

	memset(bins, 0, RATIO_BINS * sizeof(*bins));
	while (sketch_next(sketch, &step)) {
		double low = (double)step.low / SKETCH_RATIO_ONE, high = ((double)step.high + 1) / SKETCH_RATIO_ONE;

		for (int i = 0; i < RATIO_BINS; i++) {
			double common = fmin(ratio_edge(i + 1), high) - fmax(ratio_edge(i), low);

			if (common > 0)
				bins[i] += 100 * (double)step.count / (double)sketch->count * common / (high - low);
		}
	}
}

/* Says what share of the frames lies beside the picture. */
static void put_outside(const struct chart *chart, const struct report_model *model, double (*y)[RATIO_BINS])
{
	double frames = 0, inside = 0;

	for (int i = 0; i < model->n_shown; i++) {
		double count = (double)model->rungs[i]->measures[FIELD_OF_PREDICTED].count;

		frames += count;
		for (int j = 0; j < RATIO_BINS; j++)
			inside += y[i][j] / 100 * count;
	}
	if (frames - inside > 0.0005 * frames)
		fprintf(chart->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"tick halo\">%.1f%% lie outside</text>\n",
			chart->left + 6, chart->top + 10, 100 * (1 - inside / frames));
}

void report_chart_prediction(const struct report_model *model, FILE *out)
{
	double x[RATIO_BINS], y[REPORT_SHOWN_RUNGS][RATIO_BINS], highest = 0;
	struct chart chart;
	char class[8];

	for (int i = 0; i < RATIO_BINS; i++)
		x[i] = sqrt(ratio_edge(i) * ratio_edge(i + 1));
	for (int i = 0; i < model->n_shown; i++) {
		bin_ratios(&model->rungs[i]->measures[FIELD_OF_PREDICTED], y[i]);
		for (int j = 0; j < RATIO_BINS; j++)
			highest = fmax(highest, y[i][j]);
	}
	chart_begin(&chart, out, WIDTH, HEIGHT, "How measured times compare with predicted ones, by rung");
	chart.log_x = true;
	chart.x_low = RATIO_LOW;
	chart.x_high = RATIO_HIGH;
	chart.y_high = highest * 1.1;
	if (highest > 0) {
		chart_axis_y(&chart, "%", "share of frames", 5);
		chart_axis_x(&chart, "×", "measured / predicted");
		chart_rule(&chart, 1, false, "as predicted");
		for (int i = 0; i < model->n_shown; i++) {
			series_class(i, class);
			if (model->rungs[i]->measures[FIELD_OF_PREDICTED].count)
				chart_line(&chart, x, y[i], RATIO_BINS, class, false);
		}
		put_outside(&chart, model, y);
	} else {
		draw_nothing(&chart, "Nothing was predicted.");
	}
	chart_end(&chart);
}

/* ---- where the time goes -------------------------------------------------------------------------- */

#define ROW 40

/* Means in ms: queue, preprocessing, inference, and what is left of the total. */
static void mean_parts(const struct field_rung *rung, double ret_parts[4])
{
	double total = sketch_mean(&rung->measures[FIELD_TOTAL]) / 1000;

	ret_parts[3] = total;
	for (int i = 0; i < 3; i++) {
		ret_parts[i] = sketch_mean(&rung->measures[FIELD_QUEUE + i]) / 1000;
		ret_parts[3] -= ret_parts[i];
	}
	ret_parts[3] = fmax(ret_parts[3], 0);
}

static void draw_row(const struct chart *chart, const struct field_rung *rung, double top)
{
	static const char *const classes[] = {"s3", "s1", "s0", "s7"};
	static const char *const names[] = {"queue", "preprocessing", "inference", "answering"};
	double parts[4], at = 0;

	mean_parts(rung, parts);
	fprintf(chart->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"strong\">", chart->left, top + 12);
	html_text(chart->out, rung->rung);
	fputs("</text>", chart->out);
	for (int i = 0; i < 4; i++) {
		double left = chart_x(chart, at), right = chart_x(chart, at + parts[i]);

		at += parts[i];
		fprintf(chart->out,
			"<path class=\"fill %s\" d=\"M%.1f %.1fH%.1fv14H%.1fz\"><title>%s: %.3g ms</title></path>",
			classes[i], left, top + 18, right, left, names[i], parts[i]);
	}
	fprintf(chart->out, "<text x=\"%.1f\" y=\"%.1f\">%.3g ms</text>\n", chart_x(chart, at) + 5, top + 29, at);
}

void report_chart_time(const struct report_model *model, FILE *out)
{
	struct chart chart;
	double longest = 0;

	for (int i = 0; i < model->n_shown; i++)
		longest = fmax(longest, sketch_mean(&model->rungs[i]->measures[FIELD_TOTAL]) / 1000);
	chart_begin(&chart, out, WIDTH, fmax(14 + ROW * model->n_shown + 44, 120), "Where the time goes, by rung");
	chart.left = 10;
	/* Room for the number behind the longest bar. */
	chart.right = WIDTH - 70;
	chart.x_high = longest;
	if (longest > 0) {
		chart_axis_x(&chart, "", "mean over answered frames, ms");
		for (int i = 0; i < model->n_shown; i++)
			draw_row(&chart, model->rungs[i], 10 + ROW * i);
	} else {
		draw_nothing(&chart, too_few);
	}
	chart_end(&chart);
}

/* ---- the timeline --------------------------------------------------------------------------------- */

#define TIMELINE_WIDTH 1060
#define PANEL_GAP      26
/* Heights of panels: of two sizes, and of one that only says what could not be read. */
#define TALL   90
#define LOW    56
#define ABSENT 10

struct timeline {
	struct chart chart;
	const struct field_device *device;
	double x[FIELD_BINS + 1];
};

/* The next panel, this high, with a title above it. */
static void begin_panel(struct timeline *timeline, double height, const char *title, const char *detail)
{
	struct chart *chart = &timeline->chart;

	chart->top = chart->bottom + PANEL_GAP;
	chart->bottom = chart->top + height;
	fprintf(chart->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"strong title\">", chart->left, chart->top - 7);
	html_text(chart->out, title);
	fputs("<tspan class=\"soft\" font-weight=\"400\"> ", chart->out);
	html_text(chart->out, detail);
	fputs("</tspan></text>\n", chart->out);
}

static void draw_frame(const struct timeline *timeline)
{
	const struct chart *chart = &timeline->chart;

	fprintf(chart->out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", chart->left, chart->bottom, chart->right);
	for (int i = 0; i < timeline->device->n_bins; i++)
		if (timeline->device->bins[i].after_gap)
			fprintf(chart->out, "<path class=\"rule\" d=\"M%.1f %.1fV%.1f\" opacity=\".45\"/>\n",
				chart_x(chart, timeline->x[i]), chart->top, chart->bottom);
}

static void draw_temperature(struct timeline *timeline)
{
	const struct field_bin *bins = timeline->device->bins;
	double mean[FIELD_BINS], limit[FIELD_BINS], low = INFINITY, high = -INFINITY, trip = NAN;
	struct chart *chart = &timeline->chart;
	char detail[96] = "°C, hottest zone";

	for (int i = 0; i < timeline->device->n_bins; i++) {
		mean[i] = bins[i].temp_c;
		limit[i] = bins[i].temp_limit_c;
		low = fmin(low, isnan(mean[i]) ? low : mean[i]);
		high = fmax(high, isnan(mean[i]) ? high : mean[i]);
		trip = isnan(limit[i]) ? trip : limit[i];
	}
	if (low > high) {
		begin_panel(timeline, ABSENT, "Temperature", "no zone could be read");
		draw_frame(timeline);
		return;
	}
	/* The trip point belongs in the picture unless it is far away. */
	if (trip <= high + 30)
		high = fmax(high, trip);
	if (!isnan(trip))
		snprintf(detail, sizeof(detail), "°C, hottest zone; dashed: where the kernel begins to throttle%s",
			 trip <= high ? "" : " (above the picture)");
	begin_panel(timeline, TALL, "Temperature", detail);
	chart->y_low = floor((low - 2) / 5) * 5;
	chart->y_high = ceil((high + 2) / 5) * 5;
	chart_axis_y(chart, "°", "", 4);
	draw_frame(timeline);
	if (trip <= high)
		chart_line(chart, timeline->x, limit, timeline->device->n_bins, "limit", true);
	chart_line(chart, timeline->x, mean, timeline->device->n_bins, "s5solid", true);
}

static void draw_share(struct timeline *timeline, const char *title, const char *detail, const char *absent,
		       double (*value_of)(const struct field_bin *bin), const char *class)
{
	double values[FIELD_BINS];
	struct chart *chart = &timeline->chart;
	bool any = false;

	for (int i = 0; i < timeline->device->n_bins; i++) {
		values[i] = 100 * value_of(&timeline->device->bins[i]);
		any = any || !isnan(values[i]);
	}
	begin_panel(timeline, any ? LOW : ABSENT, title, any ? detail : absent);
	chart->y_low = 0;
	chart->y_high = 100;
	if (any)
		chart_axis_y(chart, "%", "", 2);
	draw_frame(timeline);
	if (any)
		chart_line(chart, timeline->x, values, timeline->device->n_bins, class, true);
}

static double temp_of(const struct field_bin *bin)
{
	return bin->temp_c;
}

static double cap_of(const struct field_bin *bin)
{
	return bin->freq_cap;
}

static double pressure_of(const struct field_bin *bin)
{
	return bin->cpu_pressure;
}

/* Shares of a model's rungs, stacked from the most accurate down; what has no colour of its own is gray. */
static void draw_rungs(struct timeline *timeline, const struct report_model *model)
{
	const struct field_bin *bins = timeline->device->bins;
	double all[FIELD_BINS] = {0}, low[FIELD_BINS] = {0}, high[FIELD_BINS];
	struct chart *chart = &timeline->chart;
	char class[8];

	begin_panel(timeline, TALL, model->name,
		    "share of frames by rung, colours as above; gray: other rungs, or not run");
	chart->y_low = 0;
	chart->y_high = 100;
	chart_axis_y(chart, "%", "", 4);
	for (int i = 0; i < timeline->device->n_bins; i++)
		for (int j = 0; j < model->n_rungs; j++)
			all[i] += (double)bins[i].frames[model->index[j]];
	for (int j = 0; j <= model->n_shown; j++) {
		for (int i = 0; i < timeline->device->n_bins; i++) {
			double share = !all[i]		     ? 0
				       : j == model->n_shown ? 100 - low[i]
							     : 100 * (double)bins[i].frames[model->index[j]] / all[i];

			high[i] = fmin(low[i] + share, 100);
		}
		series_class(j, class);
		chart_columns(chart, timeline->x, low, high, timeline->device->n_bins,
			      j == model->n_shown ? "rest" : class);
		memcpy(low, high, sizeof(low));
	}
	draw_frame(timeline);
}

static void draw_misses(struct timeline *timeline)
{
	const struct field_bin *bins = timeline->device->bins;
	double none[FIELD_BINS] = {0}, missed[FIELD_BINS], highest = 0;
	struct chart *chart = &timeline->chart;
	char detail[96];

	for (int i = 0; i < timeline->device->n_bins; i++) {
		double frames = 0;

		for (int j = 0; j < FIELD_RUNGS_MAX; j++)
			frames += (double)bins[i].frames[j];
		missed[i] = frames > 0 ? fmin(100 * (double)bins[i].missed / frames, 100) : 0;
		highest = fmax(highest, missed[i]);
	}
	snprintf(detail, sizeof(detail),
		 "late, dropped for the deadline or failed; at most %.3g%% of a column's frames", highest);
	begin_panel(timeline, LOW, "Misses", detail);
	chart->y_low = 0;
	chart->y_high = highest > 40 ? 100 : highest > 8 ? 50 : 10;
	chart_axis_y(chart, "%", "", 2);
	chart_columns(chart, timeline->x, none, missed, timeline->device->n_bins, "miss");
	draw_frame(timeline);
}

/* Times of day below the last panel, as the device's clock showed them. */
static void draw_clock(const struct timeline *timeline)
{
	const struct field_device *device = timeline->device;
	const struct chart *chart = &timeline->chart;
	bool days = (double)device->ended - (double)device->began > 86400;

	for (int i = 0; i < device->n_bins; i += device->n_bins / 8 + 1) {
		time_t at = (time_t)device->bins[i].ended;
		struct tm tm;
		char text[32];

		if (!at || !gmtime_r(&at, &tm) || !strftime(text, sizeof(text), days ? "%m-%d %H:%M" : "%H:%M:%S", &tm))
			continue;
		fprintf(chart->out,
			"<path class=\"axis\" d=\"M%.1f %.1fv4\"/><text x=\"%.1f\" y=\"%.1f\" class=\"tick %s\">%s</text>\n",
			chart_x(chart, timeline->x[i]), chart->bottom, chart_x(chart, timeline->x[i]),
			chart->bottom + 17, i ? "mid" : "", text);
	}
	fprintf(chart->out,
		"<text x=\"%.1f\" y=\"%.1f\" class=\"mid\">time of day, UTC; left out: when nobody streamed</text>\n",
		(chart->left + chart->right) / 2, chart->bottom + 36);
}

static bool is_read(const struct field_device *device, double (*value_of)(const struct field_bin *bin))
{
	for (int i = 0; i < device->n_bins; i++)
		if (!isnan(value_of(&device->bins[i])))
			return true;
	return false;
}

static bool is_model_of(const struct report_model *model, const struct field_device *device)
{
	for (int i = 0; i < device->n_bins; i++)
		for (int j = 0; j < model->n_rungs; j++)
			if (device->bins[i].frames[model->index[j]])
				return true;
	return false;
}

void report_chart_timeline(const struct field_device *device, const struct report_model *models, int n_models,
			   FILE *out)
{
	struct timeline timeline = {.device = device};
	struct chart *chart = &timeline.chart;

	double height = LOW + PANEL_GAP + 44; /* misses, and the clock below them */

	height += PANEL_GAP + (is_read(device, temp_of) ? TALL : ABSENT);
	height += PANEL_GAP + (is_read(device, cap_of) ? LOW : ABSENT);
	height += PANEL_GAP + (is_read(device, pressure_of) ? LOW : ABSENT);
	for (int i = 0; i < n_models; i++)
		height += is_model_of(&models[i], device) ? TALL + PANEL_GAP : 0;
	chart_begin(chart, out, TIMELINE_WIDTH, height,
		    "Temperature, frequency cap, pressure, rungs and misses over time");
	chart->bottom = 0;
	chart->x_high = device->n_bins;
	for (int i = 0; i <= device->n_bins; i++)
		timeline.x[i] = i;
	draw_temperature(&timeline);
	draw_share(&timeline, "Frequency cap", "highest clock allowed, of the lane that is capped most",
		   "the kernel does not say", cap_of, "s2");
	draw_share(&timeline, "CPU pressure", "share of time in which some task waited for a core",
		   "the kernel does not say", pressure_of, "s3");
	for (int i = 0; i < n_models; i++)
		if (is_model_of(&models[i], device))
			draw_rungs(&timeline, &models[i]);
	draw_misses(&timeline);
	draw_clock(&timeline);
	chart_end(chart);
}

/* ---- legend --------------------------------------------------------------------------------------- */

void report_legend(const struct report_model *model, FILE *out)
{
	fputs("<ul class=\"legend\">", out);
	for (int i = 0; i < model->n_shown; i++) {
		fprintf(out,
			"<li><svg viewBox=\"0 0 30 12\" aria-hidden=\"true\"><path class=\"line s%d\" d=\"M1 6H29\"/></svg>",
			i % CHART_SERIES);
		html_text(out, model->rungs[i]->rung);
		fputs("</li>", out);
	}
	fputs("</ul>\n", out);
}
