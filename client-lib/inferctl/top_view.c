/* top_view.c - see top_view.h. */
#include "top_view.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 1024
#define NAME_WIDTH 34

struct printer {
	const struct top_view *view;
	FILE *out;
	int row; /* lines begun so far */
};

static double number_of(const struct json *object, const char *key)
{
	const struct json *value = json_find(object, key);

	return value && value->kind == JSON_NUMBER ? strtod(value->text, NULL) : NAN;
}

static const char *text_of(const struct json *object, const char *key)
{
	const struct json *value = json_find(object, key);

	return value && value->kind == JSON_TEXT ? value->text : "";
}

/* ---- lines ---------------------------------------------------------------------------------------- */

/* At most `columns` characters of a line, without what a terminal would act upon. */
static void put_clean(const char *text, int columns, FILE *out)
{
	int used = 0;

	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		used += (*c & 0xc0) != 0x80;
		if (used > columns)
			return;
		/* 0xc2 begins the second set of control characters. */
		if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) {
			fputc(' ', out);
			c++;
		} else {
			fputc(*c < 0x20 || *c == 0x7f ? ' ' : *c, out);
		}
	}
}

/* One line; nothing once the rows are used up.  style: of SGR, e.g. "1" for bold, or "". */
__attribute__((format(printf, 3, 4))) static void line(struct printer *printer, const char *style, const char *format,
						       ...)
{
	const struct top_view *view = printer->view;
	char text[LINE_BYTES];
	va_list arguments;

	if (view->rows && printer->row >= view->rows)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (view->rows && printer->row)
		fputs(view->colour ? "\r\n" : "\n", printer->out);
	printer->row++;
	if (view->colour && *style)
		fprintf(printer->out, "\033[%sm", style);
	put_clean(text, view->columns, printer->out);
	if (view->colour)
		fputs(*style ? "\033[0m\033[K" : "\033[K", printer->out);
	if (!view->rows)
		fputc('\n', printer->out);
}

/* A number in so many columns; "-" where it is not known. */
static const char *cell(char text[24], double value, int decimals, const char *unit)
{
	if (isfinite(value))
		snprintf(text, 24, "%.*f%s", decimals, value, unit);
	else
		snprintf(text, 24, "-");
	return text;
}

static int ms_decimals(double us)
{
	return us < 1000 ? 2 : us < 100000 ? 1 : 0;
}

/* ---- parts ---------------------------------------------------------------------------------------- */

static void put_span(double seconds, char text[24])
{
	unsigned whole = seconds >= 0 && seconds < 4e9 ? (unsigned)seconds : 0;

	if (whole < 60)
		snprintf(text, 24, "%u s", whole);
	else if (whole < 3600)
		snprintf(text, 24, "%u min", whole / 60);
	else
		snprintf(text, 24, "%u h %02u min", whole / 3600, whole / 60 % 60);
}

static void put_head(struct printer *printer, const struct json *report)
{
	const struct json *sensors = json_find(report, "sensors");
	double limit = number_of(sensors, "temp_limit_c"), temp = number_of(sensors, "temp_c");
	char up[24], heat[24], trip[24], pressure[24], load[24], battery[24];

	put_span(number_of(report, "uptime_s"), up);
	line(printer, "1", "inferd, up %s: %.0f clients, %.0f streams, %.0f frames waiting", up,
	     number_of(report, "clients"), number_of(report, "streams"), number_of(report, "waiting"));
	line(printer, temp >= limit ? "31" : "",
	     "temperature %s (throttles at %s)   pressure %s   load of others %s   battery %s",
	     cell(heat, temp, 1, " C"), cell(trip, limit, 0, " C"),
	     cell(pressure, 100 * number_of(sensors, "cpu_pressure"), 0, "%"),
	     cell(load, 100 * number_of(sensors, "cpu_load"), 0, "%"),
	     cell(battery, 100 * number_of(sensors, "battery"), 0, "%"));
}

/* A lane's share of time since the report before, in percent. */
static double lane_use(const struct json *lane, const struct json *report, const struct json *before)
{
	double seconds = number_of(report, "uptime_s") - number_of(before, "uptime_s");

	const struct json *lanes = before ? json_find(before, "lanes") : NULL;

	for (const struct json *was = lanes ? lanes->first : NULL; was; was = was->next)
		if (!strcmp(text_of(was, "name"), text_of(lane, "name")) && seconds > 0)
			return fmin((number_of(lane, "busy_ms") - number_of(was, "busy_ms")) / seconds / 10, 100);
	return NAN;
}

static void put_lanes(struct printer *printer, const struct json *report, const struct json *before)
{
	const struct json *lanes = json_find(report, "lanes");

	line(printer, "", "%s", "");
	line(printer, "7", "%-*s %8s %8s %10s", NAME_WIDTH, "LANE", "FPS", "BUSY", "CLOCK CAP");
	for (const struct json *lane = lanes ? lanes->first : NULL; lane; lane = lane->next) {
		char fps[24], use[24], cap[24];
		double share = number_of(lane, "freq_cap");

		line(printer, share < 1 ? "33" : "", "%-*.*s %8s %8s %10s", NAME_WIDTH, NAME_WIDTH,
		     text_of(lane, "name"), cell(fps, number_of(lane, "fps"), 1, ""),
		     cell(use, lane_use(lane, report, before), 0, "%"), cell(cap, 100 * share, 0, "%"));
	}
}

/* Of a model as a whole, or of one of its rungs. */
static void put_entry(struct printer *printer, const char *style, const char *indent, const struct json *entry,
		      double share)
{
	char fps[24], p50[24], p95[24], p99[24], name[NAME_WIDTH + 8], part[24];
	double answered = number_of(entry, "fps");
	const char *given = text_of(entry, "name");

	snprintf(name, sizeof(name), "%s%.*s", indent, NAME_WIDTH, *given ? given : "(not run)");
	line(printer, number_of(entry, "missed") > 0 && !*style ? "31" : style,
	     "%-*.*s %8s %6s %8s %8s %8s %8.0f %8.0f", NAME_WIDTH, NAME_WIDTH, name, cell(fps, answered, 1, ""),
	     cell(part, 100 * share, 0, "%"),
	     answered > 0 ? cell(p50, number_of(entry, "p50_us") / 1000, ms_decimals(number_of(entry, "p50_us")), "")
			  : "-",
	     answered > 0 ? cell(p95, number_of(entry, "p95_us") / 1000, ms_decimals(number_of(entry, "p95_us")), "")
			  : "-",
	     answered > 0 ? cell(p99, number_of(entry, "p99_us") / 1000, ms_decimals(number_of(entry, "p99_us")), "")
			  : "-",
	     number_of(entry, "missed"), number_of(entry, "skipped"));
}

static void put_models(struct printer *printer, const struct json *report)
{
	const struct json *models = json_find(report, "models");

	line(printer, "", "%s", "");
	line(printer, "7", "%-*s %8s %6s %8s %8s %8s %8s %8s", NAME_WIDTH, "MODEL and rungs, last 10..20 s", "FPS",
	     "SHARE", "p50 ms", "p95 ms", "p99 ms", "MISSED", "SKIPPED");
	if (!models || !models->first)
		line(printer, "", "no frames");
	for (const struct json *model = models ? models->first : NULL; model; model = model->next) {
		const struct json *rungs = json_find(model, "rungs");

		put_entry(printer, "1", "", model, NAN);
		for (const struct json *rung = rungs ? rungs->first : NULL; rung; rung = rung->next)
			put_entry(printer, "", "  ", rung, number_of(rung, "frames") / number_of(model, "frames"));
		if (*text_of(model, "reason"))
			line(printer, "2", "  now %s: %s", text_of(model, "rung"), text_of(model, "reason"));
	}
}

static void put_changes(struct printer *printer, const struct json *report)
{
	const struct json *changes = json_find(report, "changes");

	if (!changes || !changes->first)
		return;
	line(printer, "", "%s", "");
	line(printer, "7", "%-*s", NAME_WIDTH, "CHANGES OF RUNG");
	for (const struct json *change = changes->first; change; change = change->next) {
		char ago[24];

		put_span(number_of(change, "ago_s"), ago);
		line(printer, "", "%14s ago  %s -> %s: %s", ago, text_of(change, "model"), text_of(change, "rung"),
		     text_of(change, "reason"));
	}
}

void top_view_print(const struct top_view *view, const struct json *report, const struct json *before, FILE *out)
{
	struct printer printer = {.view = view, .out = out};

	put_head(&printer, report);
	put_lanes(&printer, report, before);
	put_models(&printer, report);
	put_changes(&printer, report);
}
