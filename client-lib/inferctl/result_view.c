/* result_view.c - see result_view.h. */
#include "result_view.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "names.h"
#include "tensors.h"

#define PIXEL_DECIMALS 2
#define BAR_CELLS      ((RESULT_BAR_BYTES - 1) / 3)

/* ---- for programs --------------------------------------------------------------------------------- */

static void json_place(const struct inferd_place *place)
{
	const float corners[4] = {place->x0, place->y0, place->x1, place->y1};

	for (int i = 0; i < 4; i++) {
		fputs(i ? "," : ",\"box\":[", stdout);
		cli_json_number(corners[i], PIXEL_DECIMALS);
	}
	putchar(']');
	for (size_t i = 0; i < place->n_points; i++) {
		fputs(i ? ",[" : ",\"points\":[[", stdout);
		cli_json_number(place->points[i].x, PIXEL_DECIMALS);
		putchar(',');
		cli_json_number(place->points[i].y, PIXEL_DECIMALS);
		putchar(']');
	}
	if (place->n_points)
		putchar(']');
}

static void json_gesture(const struct inferd_gesture *gesture)
{
	fputs(",\"gesture\":{\"name\":", stdout);
	cli_json_text(gesture->name);
	fputs(",\"score\":", stdout);
	cli_json_number(gesture->score, 6);
	putchar('}');
}

static void json_results(const struct inferd_result *result)
{
	fputs("\"results\":[", stdout);
	for (size_t i = 0; i < result->n_items; i++) {
		printf("%s{\"index\":%u,\"label\":", i ? "," : "", result->items[i].index);
		cli_json_text(result->items[i].label);
		fputs(",\"score\":", stdout);
		cli_json_number(result->items[i].score, 6);
		if (result->places)
			json_place(&result->places[i]);
		if (result->gestures)
			json_gesture(&result->gestures[i]);
		putchar('}');
	}
	putchar(']');
	tensors_json(result);
	if (result->mask)
		printf(",\"mask\":{\"width\":%u,\"height\":%u}", result->mask->width, result->mask->height);
	if (!result->n_embedding)
		return;
	fputs(",\"embedding\":[", stdout);
	for (size_t i = 0; i < result->n_embedding; i++) {
		fputs(i ? "," : "", stdout);
		cli_json_number(result->embedding[i], 7);
	}
	putchar(']');
}

static void json_rung(const struct inferd_rung *rung)
{
	if (!rung) {
		fputs("null", stdout);
		return;
	}
	fputs("{\"name\":", stdout);
	cli_json_text(rung->name);
	fputs(",\"variant\":", stdout);
	cli_json_text(rung->variant);
	printf(",\"width\":%u,\"height\":%u,\"channels\":%u,\"lane\":", rung->width, rung->height, rung->channels);
	cli_json_text(rung->lane);
	printf(",\"threads\":%u}", rung->threads);
}

void result_print_json(const struct stream_options *options, const struct feed_job *job,
		       const struct inferd_result *result)
{
	fputs("{\"file\":", stdout);
	cli_json_text(job->file);
	printf(",\"frame\":%u,\"model\":", job->number);
	cli_json_text(options->model);
	putchar(',');
	if (options->gallery)
		names_json(result);
	else
		json_results(result);
	fputs(",\"rung\":", stdout);
	json_rung(result->rung);
	if (result->status == INFERD_FAILED) {
		fputs(",\"failed\":", stdout);
		cli_json_text(result->text);
	} else if (result->status != INFERD_OK) {
		fputs(",\"dropped\":", stdout);
		cli_json_text(inferd_status_name(result->status));
	}
	fputs(",\"reason\":", stdout);
	cli_json_text(result->reason);
	if (result->advice_width)
		printf(",\"advice\":{\"width\":%u,\"height\":%u,\"channels\":%u}", result->advice_width,
		       result->advice_height, result->advice_channels);
	printf(",\"us\":{\"queue\":%u,\"preprocess\":%u,\"inference\":%u,\"total\":%u}}\n", result->queue_us,
	       result->preprocess_us, result->inference_us, result->total_us);
}

/* ---- for people ------------------------------------------------------------------------------------ */

void result_bar(float score, char ret_bar[RESULT_BAR_BYTES])
{
	static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	double share = score > 0 ? score < 1 ? score : 1 : 0;
	int eighths = (int)(share * BAR_CELLS * 8 + 0.5);

	*ret_bar = '\0';
	for (int cell = 0; cell < BAR_CELLS; cell++) {
		int filled = eighths - 8 * cell;

		strcat(ret_bar, filled >= 8 ? "█" : filled > 0 ? parts[filled] : " ");
	}
}

static void print_place(const struct inferd_place *place)
{
	printf("  at %.0f,%.0f to %.0f,%.0f", place->x0, place->y0, place->x1, place->y1);
	if (place->n_points)
		printf(", %zu points", place->n_points);
}

void result_print(const struct feed_job *job, const struct inferd_result *result)
{
	const struct inferd_rung *rung = result->rung;
	char verdict[NAMES_VERDICT_BYTES];

	printf("%s", job->file);
	if (job->number)
		printf(" frame %u", job->number);
	putchar('\n');
	for (size_t i = 0; i < result->n_items; i++) {
		char bar[RESULT_BAR_BYTES];

		result_bar(result->items[i].score, bar);
		printf("  %s %5.1f %%  %s", bar, 100.0 * result->items[i].score, result->items[i].label);
		if (!*result->items[i].label)
			printf("#%u", result->items[i].index);
		if (result->places)
			print_place(&result->places[i]);
		if (result->gestures)
			printf(", %s %.1f %%", result->gestures[i].name, 100.0 * result->gestures[i].score);
		putchar('\n');
	}
	if (result->verdict != INFERD_VERDICT_NONE)
		printf("  %s\n", names_verdict(result, verdict));
	tensors_print(result);
	if (result->mask)
		printf("  mask of %ux%u\n", result->mask->width, result->mask->height);
	if (result->n_embedding) {
		printf("  embedding of %zu:", result->n_embedding);
		for (size_t i = 0; i < result->n_embedding && i < 6; i++)
			printf(" %.4f", result->embedding[i]);
		puts(result->n_embedding > 6 ? " ..." : "");
	}
	if (result->status == INFERD_FAILED)
		printf("  failed: %s\n", result->text);
	else if (result->status != INFERD_OK)
		printf("  dropped: %s\n", inferd_status_name(result->status));
	if (rung)
		printf("  rung %s: %s at %ux%u, %s, lane %s, %u thread%s\n", rung->name, rung->variant, rung->width,
		       rung->height, rung->channels == 1 ? "gray" : "colour", rung->lane, rung->threads,
		       rung->threads == 1 ? "" : "s");
	if (*result->reason)
		printf("  why: %s\n", result->reason);
	printf("  us: queue %u, preprocess %u, inference %u, total %u\n", result->queue_us, result->preprocess_us,
	       result->inference_us, result->total_us);
}
