/* view.c - a decision in words. */
#include "view.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const char *rung_text(const struct view *v, int rung, char text[32])
{
	const struct policy_rung *r = &v->rungs[rung];

	snprintf(text, 32, "%dx%d%s", r->width, r->height, r->channels == 1 ? " gray" : "");
	return text;
}

static double ms(float us)
{
	return (double)us / 1000;
}

static void say(struct policy_decision *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Cut where figures are absurd. */
static void say(struct policy_decision *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(d->reason, sizeof(d->reason), format, args);
	va_end(args);
}

static double percent(float share)
{
	return 100 * (double)share;
}

static void explain_skip(const struct view *v, struct policy_decision *d, const char *cheapest)
{
	const struct outlook *o = &v->outlook[v->cheapest];

	if (d->cause == POLICY_SKIP)
		say(d, "%.1f C is over critical %.1f: only %.1f frames a second", (double)v->temp_c,
		    (double)v->critical_c, (double)v->params->min_fps);
	else if (d->cause == POLICY_STILL)
		say(d, "the scene moved by %.3f, less than %.3f, and energy is short: the last answer holds",
		    (double)v->sample->motion, (double)v->params->still_motion);
	else
		say(d, "not even %s can answer: %.1f ms, %.1f ms are left", cheapest, ms(o->wait_us + o->us),
		    ms(v->left_us));
}

static void explain_run(const struct view *v, struct policy_decision *d, const char *this, const char *best)
{
	const struct outlook *o = &v->outlook[d->rung], *b = &v->outlook[v->best];

	switch (d->cause) {
	case POLICY_BEST:
		if (isfinite(v->left_us))
			say(d, "the best fits: %.1f ms of %.0f ms", ms(o->us), ms(v->left_us));
		else
			say(d, "the best fits: %.1f ms", ms(o->us));
		break;
	case POLICY_HOT:
		say(d, "%.1f C%s is over %.1f: %s %.1f ms, %s would cost %.1f ms", (double)v->felt_c,
		    v->felt_c > v->temp_c ? " of late" : "", (double)v->hot_c, this, ms(o->us), best, ms(b->us));
		break;
	case POLICY_CRITICAL:
		say(d, "%.1f C is over critical %.1f: the cheapest, %s %.1f ms", (double)v->temp_c,
		    (double)v->critical_c, this, ms(o->us));
		break;
	case POLICY_THROTTLED:
		say(d, "clocks are capped: %s %.1f ms, %s would take %.1f of %.0f ms", this, ms(o->us), best, ms(b->us),
		    ms(v->left_us));
		break;
	case POLICY_BUSY:
		if (v->sample->share_us > 0 && b->us > v->sample->share_us)
			say(d, "its share is %.1f ms a frame: %s %.1f ms, %s would take %.1f ms",
			    ms(v->sample->share_us), this, ms(o->us), best, ms(b->us));
		else
			say(d, "busy, %d wait: %s %.1f ms, %s would take %.1f ms", v->sample->queue_depth, this,
			    ms(o->us), best, ms(b->us));
		break;
	case POLICY_SETTLING:
		say(d, "%s %.1f ms; %s %.1f ms fits, but not for long yet", this, ms(o->us), best, ms(b->us));
		break;
	case POLICY_BATTERY:
		say(d, "%.0f%% of the battery is left: %s %.1f ms, %s would take %.1f ms", percent(v->sample->battery),
		    this, ms(o->us), best, ms(b->us));
		break;
	case POLICY_BLURRED:
		say(d, "blurred by %.2f: %s %.1f ms, %s waits for a sharp frame", (double)v->sample->blur, this,
		    ms(o->us), best);
		break;
	case POLICY_EXPLORE:
		say(d, "little is known of %s: tried, %.1f ms of %.0f ms", this, ms(o->us), ms(v->left_us));
		break;
	default:
		say(d, "%.0f ms are left: %s %.1f ms, %s would take %.1f ms and be late in %.1f%%", ms(v->left_us),
		    this, ms(o->us), best, ms(b->us), percent(1 - b->chance_alone));
	}
}

void view_explain(const struct view *v, struct policy_decision *d)
{
	char best[32], this[32];

	rung_text(v, v->best, best);
	rung_text(v, d->rung < 0 ? v->cheapest : d->rung, this);
	if (d->rung < 0)
		explain_skip(v, d, this);
	else
		explain_run(v, d, this, best);
}
