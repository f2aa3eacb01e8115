/* report_page.c - see report_page.h. */
#include "report_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chart.h"

#define MODELS_MAX  6 /* with a section of their own */
#define DEVICES_MAX 4 /* with a timeline */
#define REASONS_MAX 30
#define FILES_MAX   40

struct page {
	const struct field *field;
	FILE *out;
	struct report_model models[MODELS_MAX];
	int n_models, n_models_left_out;
	uint64_t outcomes[FIELD_OUTCOMES];
	uint64_t frames, asked; /* frames; of them those that a client took back or replaced itself */
	uint64_t answered, bounded, covered;
	double accuracy_sum;
};

/* ---- what is shown -------------------------------------------------------------------------------- */

static double accuracy_of(const struct field_rung *rung)
{
	uint64_t answered = rung->measures[FIELD_TOTAL].count;

	return answered ? rung->accuracy_sum / (double)answered : 0;
}

/* Fewer answers make a curve that says nothing. */
static bool has_curve(const struct field_rung *rung)
{
	return rung->measures[FIELD_TOTAL].count >= REPORT_CURVE_FRAMES;
}

/* Rungs with a curve come first, the most accurate of them at the top. */
static int compare_rungs(const void *left, const void *right)
{
	const struct field_rung *a = *(const struct field_rung *const *)left,
				*b = *(const struct field_rung *const *)right;

	if (has_curve(a) != has_curve(b))
		return has_curve(a) ? -1 : 1;
	if (accuracy_of(a) != accuracy_of(b))
		return accuracy_of(a) > accuracy_of(b) ? -1 : 1;
	return strcmp(a->rung, b->rung);
}

/* More rungs than there are colours: the least used ones go to the end, without one. */
static void keep_most_used(struct report_model *model, int n_ran)
{
	while (n_ran > REPORT_SHOWN_RUNGS) {
		const struct field_rung *moved;
		int least = 0;

		for (int i = 1; i < n_ran; i++)
			if (model->rungs[i]->measures[FIELD_TOTAL].count <
			    model->rungs[least]->measures[FIELD_TOTAL].count)
				least = i;
		moved = model->rungs[least];
		memmove(&model->rungs[least], &model->rungs[least + 1],
			(size_t)(model->n_rungs - 1 - least) * sizeof(model->rungs[0]));
		model->rungs[model->n_rungs - 1] = moved;
		n_ran--;
	}
	model->n_shown = n_ran;
}

static void arrange(struct report_model *model, const struct field *field)
{
	int n_ran = 0;

	qsort(model->rungs, (size_t)model->n_rungs, sizeof(model->rungs[0]), compare_rungs);
	while (n_ran < model->n_rungs && has_curve(model->rungs[n_ran]))
		n_ran++;
	keep_most_used(model, n_ran);
	for (int i = 0; i < model->n_rungs; i++)
		for (int j = 0; j < field->n_rungs; j++)
			if (field->rungs[j] == model->rungs[i])
				model->index[i] = j;
}

static void collect_models(struct page *page)
{
	const struct field *field = page->field;

	for (int i = 0; i < field->n_rungs; i++) {
		struct report_model *model;
		int m = 0;

		while (m < page->n_models && strcmp(page->models[m].name, field->rungs[i]->model) != 0)
			m++;
		if (m == MODELS_MAX) {
			page->n_models_left_out++;
			continue;
		}
		model = &page->models[m];
		if (m == page->n_models) {
			page->n_models++;
			model->name = field->rungs[i]->model;
		}
		model->rungs[model->n_rungs++] = field->rungs[i];
	}
	for (int i = 0; i < page->n_models; i++)
		arrange(&page->models[i], field);
}

static void collect_sums(struct page *page)
{
	for (int i = 0; i < page->field->n_rungs; i++) {
		const struct field_rung *rung = page->field->rungs[i];

		for (int j = 0; j < FIELD_OUTCOMES; j++) {
			page->outcomes[j] += rung->outcomes[j];
			page->frames += rung->outcomes[j];
			page->asked += field_outcome_was_asked((enum field_outcome)j) ? rung->outcomes[j] : 0;
		}
		page->answered += rung->measures[FIELD_TOTAL].count;
		page->accuracy_sum += rung->accuracy_sum;
		page->bounded += rung->bounded;
		page->covered += rung->covered;
	}
}

/* ---- numbers and words ---------------------------------------------------------------------------- */

/* 1234567 as "1 234 567", with spaces that do not break. */
static void put_count(FILE *out, uint64_t count)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, count);

	for (int i = 0; i < n; i++)
		fprintf(out, "%c%s", digits[i], i + 1 < n && (n - i - 1) % 3 == 0 ? "&#8239;" : "");
}

static void put_share(FILE *out, double part, double whole)
{
	double percent = whole > 0 ? 100 * part / whole : 0;

	if (!(whole > 0))
		fputs("–", out);
	else if (percent > 0 && percent < 0.01)
		fputs("&lt;0.01%", out);
	else if (percent < 100 && percent >= 99.995)
		fputs("&gt;99.99%", out);
	else
		fprintf(out, "%.*f%%", percent < 1 || (percent > 99 && percent < 100) ? 2 : 1, percent);
}

/* Milliseconds of a sketch in microseconds, to three digits. */
static void put_ms(FILE *out, double us)
{
	double ms = us / 1000;

	fprintf(out, "%.*f", ms < 1 ? 2 : ms < 100 ? 1 : 0, ms);
}

static void put_span(FILE *out, double seconds)
{
	if (seconds < 120)
		fprintf(out, "%.0f s", seconds);
	else if (seconds < 7200)
		fprintf(out, "%.0f min", seconds / 60);
	else if (seconds < 2 * 86400)
		fprintf(out, "%.1f h", seconds / 3600);
	else
		fprintf(out, "%.1f days", seconds / 86400);
}

static void put_time(FILE *out, int64_t at)
{
	time_t seconds = (time_t)at;
	struct tm tm;
	char text[32];

	if (at > 0 && gmtime_r(&seconds, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
		fputs(text, out);
	else
		fputs("–", out);
}

static void put_cell(FILE *out, const char *text)
{
	fputs("<td class=\"t\">", out);
	html_text(out, text);
	fputs("</td>", out);
}

/* ---- sections ------------------------------------------------------------------------------------- */

static void put_head(const struct page *page)
{
	const struct field *field = page->field;
	double seconds = 0;
	int64_t began = 0, ended = 0;

	fprintf(page->out,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>inferd field record</title>\n"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		"<meta name=\"color-scheme\" content=\"light dark\">"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline'\">\n"
		"<style>%s</style></head><body>\n<header><h1>Field record</h1><p class=\"soft\">",
		report_style);
	for (int i = 0; i < field->n_devices; i++) {
		const struct field_device *device = &field->devices[i];

		seconds += device->seconds;
		if (device->began > 0 && (!began || device->began < began))
			began = device->began;
		if (device->ended > ended)
			ended = device->ended;
	}
	if (field->n_devices == 1) {
		html_text(page->out, field->devices[0].name[0] ? field->devices[0].name : field->devices[0].file);
		fputs(field->devices[0].machine[0] ? ", " : "", page->out);
		html_text(page->out, field->devices[0].machine);
	} else {
		fprintf(page->out, "%d devices", field->n_devices);
	}
	if (began) {
		fputs(" · ", page->out);
		put_time(page->out, began);
		fputs(" to ", page->out);
		put_time(page->out, ended);
		fputs(" UTC", page->out);
	}
	fputs(" · ", page->out);
	put_span(page->out, seconds);
	fputs(" recorded</p></header>\n", page->out);
}

static void put_cards(const struct page *page)
{
	uint64_t due = page->frames - page->asked - page->outcomes[FIELD_SKIPPED], missed = 0;
	FILE *out = page->out;

	for (int i = 0; i < FIELD_OUTCOMES; i++)
		missed += field_outcome_is_miss((enum field_outcome)i) ? page->outcomes[i] : 0;
	fputs("<div class=\"cards\"><div class=\"card\"><b>", out);
	put_count(out, page->frames);
	fputs("</b><span>frames</span></div><div class=\"card\"><b class=\"good\">", out);
	put_share(out, (double)page->outcomes[FIELD_ON_TIME], (double)due);
	fputs("</b><span>on time, of frames that were to be answered</span></div><div class=\"card\"><b class=\"bad\">",
	      out);
	put_share(out, (double)missed, (double)due);
	fputs("</b><span>missed: late, dropped or failed</span></div><div class=\"card\"><b>", out);
	if (page->answered)
		fprintf(out, "%.3f", page->accuracy_sum / (double)page->answered);
	else
		fputs("–", out);
	fputs("</b><span>accuracy expected of the answers</span></div><div class=\"card\"><b>", out);
	put_share(out, (double)page->covered, (double)page->bounded);
	fputs("</b><span>ran within the bound of the prediction</span></div></div>\n", out);
}

static void put_bar(FILE *out, double part, double whole, const char *class)
{
	fprintf(out, "<td class=\"b\"><span class=\"bar %s\" style=\"width:%.1f%%\"></span></td>", class,
		whole > 0 ? fmin(100 * part / whole, 100) : 0);
}

static void put_outcomes(const struct page *page)
{
	FILE *out = page->out;
	uint64_t most = 1;

	/* On time would dwarf what one looks for: bars are for the rest. */
	for (int i = FIELD_ON_TIME + 1; i < FIELD_OUTCOMES; i++)
		most = page->outcomes[i] > most ? page->outcomes[i] : most;
	fputs("<h2>What became of the frames</h2><div class=\"panel scroll\"><table><tr><th>outcome</th><th class=\"n\">frames</th>"
	      "<th class=\"n\">share</th><th></th></tr>\n",
	      out);
	for (int i = 0; i < FIELD_OUTCOMES; i++) {
		enum field_outcome outcome = (enum field_outcome)i;

		if (!page->outcomes[i] && outcome != FIELD_ON_TIME)
			continue;
		fputs("<tr>", out);
		put_cell(out, field_outcome_text(outcome));
		fputs("<td class=\"n\">", out);
		put_count(out, page->outcomes[i]);
		fputs("</td><td class=\"n\">", out);
		put_share(out, (double)page->outcomes[i], (double)page->frames);
		fputs("</td>", out);
		if (outcome == FIELD_ON_TIME)
			fputs("<td></td>", out);
		else
			put_bar(out, (double)page->outcomes[i], (double)most,
				field_outcome_is_miss(outcome) ? "bad" : "rest");
		fputs("</tr>\n", out);
	}
	fputs("</table></div>\n", out);
}

static void put_rung_row(const struct page *page, const struct field_rung *rung, double frames_of_model)
{
	static const double shares[] = {0.5, 0.9, 0.95, 0.99};
	const struct sketch *total = &rung->measures[FIELD_TOTAL];
	FILE *out = page->out;
	uint64_t frames = field_frames(rung);

	fputs("<tr>", out);
	put_cell(out, rung->rung[0] ? rung->rung : "(not run)");
	put_cell(out, rung->lane);
	fputs("<td class=\"n\">", out);
	put_count(out, frames);
	fputs("</td><td class=\"n\">", out);
	put_share(out, (double)frames, frames_of_model);
	fputs("</td><td class=\"n\">", out);
	if (total->count)
		fprintf(out, "%.3f", accuracy_of(rung));
	fputs("</td>", out);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		fputs("<td class=\"n\">", out);
		if (total->count)
			put_ms(out, (double)sketch_quantile(total, shares[i]));
		fputs("</td>", out);
	}
	fputs("<td class=\"n\">", out);
	if (total->count)
		put_ms(out, (double)total->max);
	fputs("</td><td class=\"n\">", out);
	put_share(out, (double)field_missed(rung), (double)frames);
	fputs("</td><td class=\"n\">", out);
	put_share(out, (double)rung->covered, (double)rung->bounded);
	fputs("</td></tr>\n", out);
}

static void put_rungs(const struct page *page, const struct report_model *model)
{
	FILE *out = page->out;
	double frames = 0;

	for (int i = 0; i < model->n_rungs; i++)
		frames += (double)field_frames(model->rungs[i]);
	fputs("<div class=\"panel scroll\"><table><tr><th>rung</th><th>lane</th><th class=\"n\">frames</th><th class=\"n\">share</th>"
	      "<th class=\"n\">accuracy</th><th class=\"n\">p50<br>ms</th><th class=\"n\">p90<br>ms</th><th class=\"n\">p95<br>ms</th>"
	      "<th class=\"n\">p99<br>ms</th><th class=\"n\">max<br>ms</th><th class=\"n\">missed</th>"
	      "<th class=\"n\">within<br>bound</th></tr>\n",
	      out);
	for (int i = 0; i < model->n_rungs; i++)
		put_rung_row(page, model->rungs[i], frames);
	fputs("</table></div>\n", out);
}

/* Whether inference was seen at two temperatures at least. */
static bool has_temps(const struct report_model *model)
{
	int n = 0;

	for (int band = 1; band < FIELD_TEMP_BANDS; band++)
		for (int i = 0; i < model->n_shown; i++)
			if (model->rungs[i]->by_temp[band]) {
				n++;
				break;
			}
	return n >= 2;
}

static bool band_is_used(const struct report_model *model, int band)
{
	for (int i = 0; i < model->n_shown; i++)
		if (model->rungs[i]->by_temp[band])
			return true;
	return false;
}

static void put_temps(const struct page *page, const struct report_model *model)
{
	static const char *const names[FIELD_TEMP_BANDS] = {"unknown", "below 40 °C", "40–50",	"50–60",       "60–70",
							    "70–80",   "80–90",	      "90–100", "100 and more"};
	FILE *out = page->out;

	if (!has_temps(model))
		return;
	fputs("<div class=\"panel scroll\"><h3>Inference by temperature</h3><p class=\"soft small\">p50 / p95 in ms, of the "
	      "hottest zone when the frame ended</p><table><tr><th>rung</th>",
	      out);
	for (int band = 0; band < FIELD_TEMP_BANDS; band++)
		if (names[band] && band_is_used(model, band))
			fprintf(out, "<th class=\"n\">%s</th>", names[band]);
	fputs("</tr>\n", out);
	for (int i = 0; i < model->n_shown; i++) {
		fputs("<tr>", out);
		put_cell(out, model->rungs[i]->rung);
		for (int band = 0; band < FIELD_TEMP_BANDS; band++) {
			const struct sketch *sketch = model->rungs[i]->by_temp[band];

			if (!names[band] || !band_is_used(model, band))
				continue;
			fputs("<td class=\"n\">", out);
			if (sketch) {
				put_ms(out, (double)sketch_quantile(sketch, 0.5));
				fputs(" / ", out);
				put_ms(out, (double)sketch_quantile(sketch, 0.95));
			}
			fputs("</td>", out);
		}
		fputs("</tr>\n", out);
	}
	fputs("</table></div>\n", out);
}

static void put_model(const struct page *page, const struct report_model *model)
{
	FILE *out = page->out;

	fputs("<h2>", out);
	html_text(out, model->name);
	fputs("</h2>\n", out);
	report_legend(model, out);
	fputs("<div class=\"two\"><div class=\"panel\"><h3>How long answers take</h3><p class=\"soft small\">Marks: "
	      "● p50, ■ p90, ▲ p95, ◆ p99</p>",
	      out);
	report_chart_latency(model, out);
	fputs("</div><div class=\"panel\"><h3>How much of the deadline they use</h3><p class=\"soft small\">What lies right of "
	      "the line was late</p>",
	      out);
	report_chart_deadline(model, out);
	fputs("</div></div>\n", out);
	put_rungs(page, model);
	fputs("<div class=\"two\"><div class=\"panel\"><h3>Predicted against measured</h3><p class=\"soft small\">Preprocessing "
	      "and inference; right of the line it took longer than predicted</p>",
	      out);
	report_chart_prediction(model, out);
	fputs("</div><div class=\"panel\"><h3>Where the time goes</h3><ul class=\"legend\">"
	      "<li><svg viewBox=\"0 0 30 12\"><path class=\"fill s3\" d=\"M14 0h16v12h-16z\"/></svg>queue</li>"
	      "<li><svg viewBox=\"0 0 30 12\"><path class=\"fill s1\" d=\"M14 0h16v12h-16z\"/></svg>preprocessing</li>"
	      "<li><svg viewBox=\"0 0 30 12\"><path class=\"fill s0\" d=\"M14 0h16v12h-16z\"/></svg>inference</li>"
	      "<li><svg viewBox=\"0 0 30 12\"><path class=\"fill s7\" d=\"M14 0h16v12h-16z\"/></svg>answering</li></ul>",
	      out);
	report_chart_time(model, out);
	fputs("</div></div>\n", out);
	put_temps(page, model);
}

static void put_timelines(const struct page *page)
{
	const struct field *field = page->field;
	FILE *out = page->out;
	int n = field->n_devices < DEVICES_MAX ? field->n_devices : DEVICES_MAX;

	fputs("<h2>Timeline</h2>\n", out);
	for (int i = 0; i < n; i++) {
		const struct field_device *device = &field->devices[i];

		fputs("<div class=\"panel wide\">", out);
		if (field->n_devices > 1) {
			fputs("<h3>", out);
			html_text(out, device->name[0] ? device->name : device->file);
			fputs("</h3>", out);
		}
		if (device->seconds > 0)
			report_chart_timeline(device, page->models, page->n_models, out);
		else
			fputs("<p class=\"soft\">Nothing of its timeline is left.</p>", out);
		fputs("</div>\n", out);
	}
	if (n < field->n_devices)
		fprintf(out, "<p class=\"soft\">%d more devices are counted above but have no timeline here.</p>\n",
			field->n_devices - n);
}

static int compare_reasons(const void *left, const void *right)
{
	const struct field_reason *a = left, *b = right;

	return a->frames < b->frames ? 1 : a->frames > b->frames ? -1 : strcmp(a->rung, b->rung);
}

static void put_reasons(const struct page *page)
{
	static struct field_reason reasons[FIELD_REASONS_MAX];
	int n = page->field->n_reasons;
	FILE *out = page->out;

	memcpy(reasons, page->field->reasons, sizeof(reasons));
	qsort(reasons, (size_t)n, sizeof(reasons[0]), compare_reasons);
	fputs("<h2>Why frames ran as they did</h2><div class=\"panel scroll\"><table><tr><th>cause</th><th>model</th>"
	      "<th>rung</th><th class=\"n\">frames</th><th></th><th>for example</th><th>parameters</th></tr>\n",
	      out);
	for (int i = 0; i < n && i < REASONS_MAX; i++) {
		fputs("<tr>", out);
		put_cell(out, reasons[i].cause);
		put_cell(out, reasons[i].model);
		put_cell(out, reasons[i].rung[0] ? reasons[i].rung : "(not run)");
		fputs("<td class=\"n\">", out);
		put_count(out, reasons[i].frames);
		fputs("</td>", out);
		put_bar(out, (double)reasons[i].frames, (double)reasons[0].frames, "");
		fputs("<td class=\"t e\">", out);
		html_text(out, reasons[i].example);
		fputs("</td>", out);
		put_cell(out, reasons[i].params);
		fputs("</tr>\n", out);
	}
	fputs("</table>", out);
	if (n > REASONS_MAX)
		fprintf(out, "<p class=\"soft small\">%d rarer ones are left out.</p>", n - REASONS_MAX);
	fputs("</div>\n", out);
}

static void put_devices(const struct page *page)
{
	const struct field *field = page->field;
	FILE *out = page->out;

	fputs("<h2>Records read</h2><div class=\"panel scroll\"><table><tr><th>file</th><th>device</th><th>machine</th>"
	      "<th>version</th><th class=\"n\">starts</th><th>from</th><th>to</th><th class=\"n\">recorded</th>"
	      "<th class=\"n\">frames lost</th></tr>\n",
	      out);
	for (int i = 0; i < field->n_devices && i < FILES_MAX; i++) {
		const struct field_device *device = &field->devices[i];

		fputs("<tr>", out);
		put_cell(out, device->file);
		put_cell(out, device->name);
		put_cell(out, device->machine);
		put_cell(out, device->version);
		fprintf(out, "<td class=\"n\">%d</td><td>", device->n_runs);
		put_time(out, device->began);
		fputs("</td><td>", out);
		put_time(out, device->ended);
		fputs("</td><td class=\"n\">", out);
		put_span(out, device->seconds);
		fputs("</td><td class=\"n\">", out);
		put_count(out, device->lost);
		fputs("</td></tr>\n", out);
	}
	fputs("</table>", out);
	if (field->n_devices > FILES_MAX)
		fprintf(out, "<p class=\"soft small\">%d more are counted but not listed.</p>",
			field->n_devices - FILES_MAX);
	fputs("</div>\n", out);
}

static void put_foot(const struct page *page)
{
	fputs("<footer><p>Quantiles are within 1.6% of the measured times; merging records adds nothing to that. A frame is on "
	      "time if it was answered within its deadline, or had none. Frames that a client replaced or took back, and those "
	      "that the policy skipped, count neither as on time nor as missed. Accuracy is what the configuration or a "
	      "calibration says of the rung that ran. The bound of a prediction is what preprocessing and inference were "
	      "expected not to exceed.</p></footer></body></html>\n",
	      page->out);
}

void report_page(const struct field *field, FILE *out)
{
	struct page page = {.field = field, .out = out};

	collect_models(&page);
	collect_sums(&page);
	put_head(&page);
	if (!page.frames) {
		fputs("<p>No frame was recorded. With <code>record: {enabled: true}</code> in the configuration, inferd records "
		      "what it serves, and writes it down every minute.</p>\n",
		      out);
		put_devices(&page);
		put_foot(&page);
		return;
	}
	put_cards(&page);
	put_outcomes(&page);
	for (int i = 0; i < page.n_models; i++)
		put_model(&page, &page.models[i]);
	if (page.n_models_left_out)
		fprintf(out, "<p class=\"soft\">%d rungs of further models are counted above and not drawn.</p>\n",
			page.n_models_left_out);
	put_timelines(&page);
	put_reasons(&page);
	put_devices(&page);
	put_foot(&page);
}
