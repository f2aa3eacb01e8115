/* watch_view.c - see watch_view.h. */
#include "watch_view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "names.h"
#include "result_view.h"

#define ITEMS_SHOWN    5
#define REDRAW_NS      40000000u /* a panel that changes more often cannot be read */
#define PLAIN_ITEMS    3
#define RATE_WINDOW_NS 2000000000u

/* ---- lines ----------------------------------------------------------------------------------------- */

/* Adds to a line, as much as there is room for. */
__attribute__((format(printf, 2, 3))) static void add(char line[WATCH_LINE_BYTES], const char *format, ...)
{
	size_t length = strlen(line);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line + length, WATCH_LINE_BYTES - length, format, arguments);
	va_end(arguments);
}

/* A line's first `columns` characters, none of which moves the cursor.  One column for each code point. */
static void put_line(FILE *out, const char *line, int columns)
{
	for (; *line; line++) {
		unsigned char c = (unsigned char)*line;

		if ((c & 0xc0) != 0x80 && columns-- <= 0)
			break;
		putc(c < 0x20 || c == 0x7f ? ' ' : c, out);
	}
}

static void add_item(char line[WATCH_LINE_BYTES], const struct inferd_result *result, size_t i)
{
	if (*result->items[i].label)
		add(line, "%.80s", result->items[i].label);
	else
		add(line, "#%u", result->items[i].index);
}

/* ---- counting -------------------------------------------------------------------------------------- */

/* Of the last answers; 0: unknown. */
static double answers_per_second(const struct watch_view *view)
{
	uint64_t kept = view->n_times < WATCH_TIMES ? view->n_times : WATCH_TIMES, newest, oldest, n = 0;

	if (kept < 2)
		return 0;
	newest = oldest = view->times_ns[(view->n_times - 1) % WATCH_TIMES];
	/* The rate of now: at most the last seconds, but two answers in any case. */
	while (n + 1 < kept && (n == 0 || newest - oldest < RATE_WINDOW_NS))
		oldest = view->times_ns[(view->n_times - 1 - ++n) % WATCH_TIMES];
	return newest > oldest ? (double)n * 1e9 / (double)(newest - oldest) : 0;
}

void watch_view_count(struct watch_view *view, const struct inferd_result *result, uint64_t now_ns)
{
	view->by_status[(unsigned)result->status < WATCH_STATUSES ? result->status : INFERD_FAILED]++;
	if (result->status != INFERD_OK)
		return;
	view->late += view->deadline_us && result->total_us > view->deadline_us;
	view->sum_us += result->total_us;
	if (result->total_us > view->max_us)
		view->max_us = result->total_us;
	view->times_ns[view->n_times++ % WATCH_TIMES] = now_ns;
}

static uint64_t count_dropped(const struct watch_view *view)
{
	uint64_t n = 0;

	for (int status = INFERD_DROPPED_DEADLINE; status <= INFERD_DROPPED_CLOSED; status++)
		n += view->by_status[status];
	return n;
}

/* ---- the panel ------------------------------------------------------------------------------------- */

static void write_items(struct watch_view *view, const struct inferd_result *result)
{
	for (size_t i = 0; i < result->n_items && i < ITEMS_SHOWN; i++) {
		char bar[RESULT_BAR_BYTES], *line = view->body[view->n_body++];

		result_bar(result->items[i].score, bar);
		add(line, "  %s %5.1f %%  ", bar, 100.0 * (double)result->items[i].score);
		add_item(line, result, i);
		if (result->places)
			add(line, "  at %.0f,%.0f to %.0f,%.0f", (double)result->places[i].x0,
			    (double)result->places[i].y0, (double)result->places[i].x1, (double)result->places[i].y1);
	}
}

static void write_body(struct watch_view *view, const struct inferd_result *result)
{
	char *line, verdict[NAMES_VERDICT_BYTES];

	memset(view->body, 0, sizeof(view->body));
	view->n_body = 0;
	write_items(view, result);
	line = view->body[view->n_body++];
	if (result->verdict != INFERD_VERDICT_NONE)
		add(line, "  %s", names_verdict(result, verdict));
	else if (result->mask)
		add(line, "  mask of %ux%u", result->mask->width, result->mask->height);
	else if (result->n_embedding)
		add(line, "  embedding of %zu", result->n_embedding);
	else if (!result->n_items)
		add(line, "  nothing found");
	else
		view->n_body--;
	line = view->body[view->n_body++];
	if (result->rung)
		add(line, "  rung %s", result->rung->name);
	add(line, "  %.200s", result->reason);
	line = view->body[view->n_body++];
	add(line, "  us: queue %u, preprocess %u, inference %u, total %u", result->queue_us, result->preprocess_us,
	    result->inference_us, result->total_us);
}

static void write_status(struct watch_view *view, const struct feed_job *job)
{
	*view->status = '\0';
	add(view->status, "%.200s  frame %u  %.1f fps  late %" PRIu64 "  dropped %" PRIu64, job->file, job->number,
	    answers_per_second(view), view->late, count_dropped(view));
	if (view->broken || view->missed)
		add(view->status, "  broken %" PRIu64 "  missed %" PRIu64, view->broken, view->missed);
}

static void draw(struct watch_view *view, uint64_t now_ns)
{
	if (view->n_drawn)
		fprintf(view->out, "\033[%dA\r\033[J", view->n_drawn);
	put_line(view->out, view->status, view->columns);
	putc('\n', view->out);
	for (int i = 0; i < view->n_body; i++) {
		put_line(view->out, view->body[i], view->columns);
		putc('\n', view->out);
	}
	fflush(view->out);
	view->n_drawn = view->n_body + 1;
	view->drawn_ns = now_ns;
}

/* ---- plain lines ----------------------------------------------------------------------------------- */

static void print_plain(struct watch_view *view, const struct feed_job *job, const struct inferd_result *result)
{
	char line[WATCH_LINE_BYTES] = "", verdict[NAMES_VERDICT_BYTES];

	add(line, "%.200s frame %u:", job->file, job->number);
	if (result->status != INFERD_OK)
		add(line, " %s: %s", result->status == INFERD_FAILED ? "failed" : "dropped",
		    result->status == INFERD_FAILED ? result->text : inferd_status_name(result->status));
	for (size_t i = 0; i < result->n_items && i < PLAIN_ITEMS; i++) {
		add(line, i ? ", " : " ");
		add_item(line, result, i);
		add(line, " %.1f %%", 100.0 * (double)result->items[i].score);
	}
	if (result->verdict != INFERD_VERDICT_NONE)
		add(line, "  %s", names_verdict(result, verdict));
	if (result->status == INFERD_OK)
		add(line, "%s  %.1f fps  %u us",
		    result->n_items || result->mask || result->n_embedding ? "" : " nothing", answers_per_second(view),
		    result->total_us);
	if (result->rung)
		add(line, "  %s", result->rung->name);
	put_line(view->out, line, WATCH_LINE_BYTES);
	putc('\n', view->out);
	fflush(view->out);
}

/* ---- outside --------------------------------------------------------------------------------------- */

void watch_view_answer(struct watch_view *view, const struct feed_job *job, const struct inferd_result *result,
		       uint64_t now_ns)
{
	watch_view_count(view, result, now_ns);
	if (!view->panel) {
		print_plain(view, job, result);
		return;
	}
	/* A frame that was dropped leaves what was seen last. */
	if (result->status == INFERD_OK)
		write_body(view, result);
	write_status(view, job);
	if (!view->drawn_ns || now_ns - view->drawn_ns >= REDRAW_NS)
		draw(view, now_ns);
}

void watch_view_interrupt(struct watch_view *view)
{
	view->n_drawn = 0;
}

void watch_view_summary(struct watch_view *view, uint64_t now_ns)
{
	uint64_t ok = view->by_status[INFERD_OK];
	double seconds = (double)(now_ns - view->began_ns) / 1e9;

	if (view->panel && *view->status)
		draw(view, now_ns);
	fprintf(view->out,
		"%" PRIu64 " frames in %.1f s: %" PRIu64 " answered (%.1f a second), %" PRIu64 " of them late",
		view->submitted, seconds, ok, seconds > 0 ? (double)ok / seconds : 0.0, view->late);
	for (int status = INFERD_DROPPED_DEADLINE; status <= INFERD_LOST; status++)
		if (view->by_status[status])
			fprintf(view->out, ", %" PRIu64 " %s", view->by_status[status],
				inferd_status_name((enum inferd_status)status));
	if (view->broken)
		fprintf(view->out, ", %" PRIu64 " broken", view->broken);
	if (view->missed)
		fprintf(view->out, ", %" PRIu64 " missed at the camera", view->missed);
	putc('\n', view->out);
	if (ok)
		fprintf(view->out, "us: mean %" PRIu64 ", most %u\n", view->sum_us / ok, view->max_us);
	if (view->direct)
		fputs("frames were read in the camera's buffers, none was copied\n", view->out);
	fflush(view->out);
}
