/* chart.c - see chart.h. */
#include "chart.h"

#include <math.h>
#include <stdlib.h>

void html_text(FILE *out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		switch (*c) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(*c < 0x20 || *c == 0x7f ? ' ' : *c, out);
		}
	}
}

void chart_begin(struct chart *chart, FILE *out, double width, double height, const char *label)
{
	*chart = (struct chart){
		.out = out,
		.width = width,
		.height = height,
		.left = 52,
		.right = width - 14,
		.top = 14,
		.bottom = height - 44,
		.x_high = 1,
		.y_high = 1,
	};
	fprintf(out, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", width, height);
	html_text(out, label);
	fputs("\">\n", out);
}

void chart_end(struct chart *chart)
{
	fputs("</svg>\n", chart->out);
}

static double within(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

double chart_x(const struct chart *chart, double value)
{
	double share = chart->log_x ? log(value / chart->x_low) / log(chart->x_high / chart->x_low)
				    : (value - chart->x_low) / (chart->x_high - chart->x_low);

	return chart->left + within(share, 0, 1) * (chart->right - chart->left);
}

double chart_y(const struct chart *chart, double value)
{
	double share = (value - chart->y_low) / (chart->y_high - chart->y_low);

	return chart->bottom - within(share, 0, 1) * (chart->bottom - chart->top);
}

/* ---- axes ----------------------------------------------------------------------------------------- */

static void tick_x(const struct chart *chart, double value, const char *unit)
{
	double x = chart_x(chart, value);

	fprintf(chart->out,
		"<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/><text x=\"%.1f\" y=\"%.1f\" class=\"tick mid\">%g%s</text>\n",
		x, chart->top, chart->bottom, x, chart->bottom + 15, value, unit);
}

/* The next of 1, 2, 5, 10, ... from a power of ten on. */
static double next_good(double value)
{
	double power = pow(10, floor(log10(value) + 1e-9)), digit = value / power;

	return digit < 1.5 ? 2 * power : digit < 3 ? 5 * power : 10 * power;
}

static double good_step(double span, int n)
{
	double power = pow(10, floor(log10(span / n))), digit = span / n / power;

	return (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10) * power;
}

void chart_axis_x(const struct chart *chart, const char *unit, const char *name)
{
	FILE *out = chart->out;
	double last = -100;

	if (chart->log_x) {
		double value = pow(10, floor(log10(chart->x_low)));

		/* Where the numbers would touch, some are left out. */
		for (; value <= chart->x_high * 1.0001; value = next_good(value)) {
			if (value < chart->x_low * 0.9999 || chart_x(chart, value) - last < 34)
				continue;
			last = chart_x(chart, value);
			tick_x(chart, value, unit);
		}
	} else {
		double step = good_step(chart->x_high - chart->x_low, 6);

		for (double value = ceil(chart->x_low / step) * step; value <= chart->x_high + step / 1e3;
		     value += step)
			tick_x(chart, value, unit);
	}
	fprintf(out, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>", chart->left, chart->bottom, chart->right);
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"name mid\">", (chart->left + chart->right) / 2,
		chart->height - 8);
	html_text(out, name);
	fputs("</text>\n", out);
}

void chart_axis_y(const struct chart *chart, const char *unit, const char *name, int n_ticks)
{
	FILE *out = chart->out;
	double step = good_step(chart->y_high - chart->y_low, n_ticks), middle = (chart->top + chart->bottom) / 2;

	for (double value = ceil(chart->y_low / step) * step; value <= chart->y_high + step / 1e3; value += step) {
		double y = chart_y(chart, value);

		fprintf(out,
			"<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" class=\"tick end\">%g%s</text>\n",
			chart->left, y, chart->right, chart->left - 6, y + 4, fabs(value) < step / 1e3 ? 0 : value,
			unit);
	}
	fprintf(out, "<text transform=\"translate(12 %.1f) rotate(-90)\" class=\"name mid\">", middle);
	html_text(out, name);
	fputs("</text>\n", out);
}

/* ---- content -------------------------------------------------------------------------------------- */

void chart_line(const struct chart *chart, const double *x, const double *y, int n, const char *class, bool step)
{
	bool down = false;

	fprintf(chart->out, "<path class=\"line %s\" d=\"", class);
	for (int i = 0; i < n; i++) {
		if (isnan(y[i])) {
			down = false;
			continue;
		}
		if (down && step)
			fprintf(chart->out, "V%.1f", chart_y(chart, y[i]));
		else
			fprintf(chart->out, "%c%.1f %.1f", down ? 'L' : 'M', chart_x(chart, x[i]),
				chart_y(chart, y[i]));
		if (step)
			fprintf(chart->out, "H%.1f", chart_x(chart, x[i + 1]));
		else if (!down)
			fputs("h.1", chart->out); /* one point alone is still to be seen */
		down = true;
	}
	fputs("\"/>\n", chart->out);
}

void chart_mark(const struct chart *chart, double x, double y, int shape, const char *class, const char *tip)
{
	static const char *const shapes[] = {"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", "m-3.6 -3.6h7.2v7.2h-7.2z",
					     "m0 -4.6l4.6 8h-9.2z", "m0 -5l5 5l-5 5l-5 -5z"};

	fprintf(chart->out, "<path class=\"mark %s\" d=\"M%.1f %.1f%s\"><title>", class, chart_x(chart, x),
		chart_y(chart, y), shapes[shape & 3]);
	html_text(chart->out, tip);
	fputs("</title></path>\n", chart->out);
}

void chart_rule(const struct chart *chart, double x, bool low, const char *text)
{
	double at = chart_x(chart, x);

	fprintf(chart->out,
		"<path class=\"rule\" d=\"M%.1f %.1fV%.1f\"/><text x=\"%.1f\" y=\"%.1f\" class=\"tick end halo\">", at,
		chart->top, chart->bottom, at - 4, low ? chart->bottom - 8 : chart->top + 10);
	html_text(chart->out, text);
	fputs("</text>\n", chart->out);
}

void chart_columns(const struct chart *chart, const double *x, const double *y0, const double *y1, int n,
		   const char *class)
{
	fprintf(chart->out, "<path class=\"fill %s\" d=\"", class);
	for (int i = 0; i < n; i++) {
		double left = chart_x(chart, x[i]), low = chart_y(chart, y0[i]), high = chart_y(chart, y1[i]);

		if (low - high > 0.04)
			fprintf(chart->out, "M%.1f %.1fH%.1fV%.1fH%.1fz", left, low, chart_x(chart, x[i + 1]), high,
				left);
	}
	fputs("\"/>\n", chart->out);
}
