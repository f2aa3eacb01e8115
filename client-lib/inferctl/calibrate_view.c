/*
 * calibrate_view.c - what was measured: as a table and a front for people, as JSON for programs, and as a profile for
 * the daemon.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"

double calibrate_accuracy(const struct calibrate_rung *rung)
{
	return (rung->right + CALIBRATE_ESTIMATE_PHOTOS * rung->estimated) /
	       (rung->photographs + CALIBRATE_ESTIMATE_PHOTOS);
}

double calibrate_energy_mj(const struct calibrate_rung *rung)
{
	return rung->energy_runs ? (double)rung->energy_uj / 1e3 / rung->energy_runs : (double)NAN;
}

/* ---- the front ------------------------------------------------------------------------------------ */

/* As the policy has it: within a lane, for another may be free while this one is busy. */
static bool beats(const struct calibrate_rung *a, const struct calibrate_rung *b)
{
	double more = calibrate_accuracy(a) - calibrate_accuracy(b), less = b->paced.p50_us - a->paced.p50_us;

	return !strcmp(a->lane, b->lane) && more >= 0 && less >= 0 && (more > 0 || less > 0 || a < b);
}

void calibrate_find_front(struct calibrate *calibrate)
{
	for (int i = 0; i < calibrate->n_rungs; i++) {
		struct calibrate_rung *rung = &calibrate->rungs[i];

		rung->dominated = false;
		for (int k = 0; k < calibrate->n_rungs; k++)
			rung->dominated |= k != i && beats(&calibrate->rungs[k], rung);
	}
}

/* Their numbers from the quickest to the slowest; returns how many. */
static int front(const struct calibrate *calibrate, int ret_order[CALIBRATE_RUNGS_MAX])
{
	int n = 0;

	for (int i = 0; i < calibrate->n_rungs; i++) {
		int at = n;

		if (calibrate->rungs[i].dominated)
			continue;
		for (; at > 0 && calibrate->rungs[ret_order[at - 1]].paced.p50_us > calibrate->rungs[i].paced.p50_us;
		     at--)
			ret_order[at] = ret_order[at - 1];
		ret_order[at] = i;
		n++;
	}
	return n;
}

/* ---- for programs --------------------------------------------------------------------------------- */

static void json_times(const char *key, const struct calibrate_times *times)
{
	printf("\"%s\":{\"p50\":%.0f,\"p90\":%.0f,\"p99\":%.0f,\"runs\":%u},", key, times->p50_us, times->p90_us,
	       times->p99_us, times->runs);
}

static void print_json(const struct calibrate *calibrate, const struct calibrate_rung *rung)
{
	fputs("{\"model\":", stdout);
	cli_json_text(calibrate->model);
	fputs(",\"rung\":", stdout);
	cli_json_text(rung->name);
	fputs(",\"variant\":", stdout);
	cli_json_text(rung->variant);
	printf(",\"width\":%u,\"height\":%u,\"channels\":%u,\"lane\":", rung->width, rung->height, rung->channels);
	cli_json_text(rung->lane);
	printf(",\"threads\":%u,", rung->threads);
	json_times("cold_us", &rung->cold);
	json_times("paced_us", &rung->paced);
	json_times("busy_us", &rung->busy);
	fputs("\"millijoules\":", stdout);
	cli_json_number(calibrate_energy_mj(rung), 3);
	printf(",\"accuracy\":%.4f,\"photographs\":%u,\"right\":%u,\"front\":%s,\"waited\":%u,\"other_streams\":%u}\n",
	       calibrate_accuracy(rung), rung->photographs, rung->right, rung->dominated ? "false" : "true",
	       rung->waited, calibrate->other_streams);
}

/* ---- for people ----------------------------------------------------------------------------------- */

static void print_times(const struct calibrate_times *times)
{
	printf("  %8.2f %8.2f %8.2f", times->p50_us / 1e3, times->p90_us / 1e3, times->p99_us / 1e3);
}

static int name_width(const struct calibrate *calibrate)
{
	size_t width = strlen("rung");

	for (int i = 0; i < calibrate->n_rungs; i++)
		if (strlen(calibrate->rungs[i].name) > width)
			width = strlen(calibrate->rungs[i].name);
	return (int)width;
}

static void print_table(const struct calibrate *calibrate)
{
	int width = name_width(calibrate);
	char paced[32];

	snprintf(paced, sizeof(paced), "at %.3g a second", calibrate->fps);
	printf("%-*s  %-26s  %-26s  %-26s\n", width, "", "ms after a rest", paced, "back to back");
	printf("%-*s", width, "rung");
	for (int i = 0; i < 3; i++)
		printf("  %8s %8s %8s", "p50", "p90", "p99");
	printf("  %9s  %9s\n", "right", "expected");
	for (int i = 0; i < calibrate->n_rungs; i++) {
		const struct calibrate_rung *rung = &calibrate->rungs[i];

		printf("%-*s", width, rung->name);
		print_times(&rung->cold);
		print_times(&rung->paced);
		print_times(&rung->busy);
		if (rung->photographs)
			printf("  %7.1f %%", 100.0 * rung->right / rung->photographs);
		else
			printf("  %9s", "-");
		printf("  %7.1f %%%s\n", 100 * calibrate_accuracy(rung), rung->dominated ? "  dominated" : "");
	}
}

/* Whether there is a meter. */
static bool knows_energy(const struct calibrate *calibrate)
{
	bool known = false;

	for (int i = 0; i < calibrate->n_rungs; i++)
		known |= calibrate->rungs[i].energy_runs > 0;
	return known;
}

static void print_front(const struct calibrate *calibrate)
{
	int order[CALIBRATE_RUNGS_MAX], n = front(calibrate, order);

	printf("\nfront: expected accuracy against the median at %.3g a second%s\n", calibrate->fps,
	       knows_energy(calibrate) ? ", and energy back to back" : "");
	for (int i = 0; i < n; i++) {
		const struct calibrate_rung *rung = &calibrate->rungs[order[i]];

		printf("  %8.2f ms  %5.1f %%", rung->paced.p50_us / 1e3, 100 * calibrate_accuracy(rung));
		if (rung->energy_runs)
			printf("  %8.1f mJ", calibrate_energy_mj(rung));
		printf("  %s\n", rung->name);
	}
}

void calibrate_print(const struct calibrate *calibrate)
{
	if (!calibrate->cli->json) {
		print_table(calibrate);
		print_front(calibrate);
		return;
	}
	for (int i = 0; i < calibrate->n_rungs; i++)
		print_json(calibrate, &calibrate->rungs[i]);
}

/* ---- for the daemon ------------------------------------------------------------------------------- */

static void put_times(FILE *file, const struct calibrate_times *times)
{
	/* A time below the clock's step is not nothing. */
	fprintf(file, " %.0f %.0f %.0f", times->p50_us < 1 ? 1 : times->p50_us, times->p90_us < 1 ? 1 : times->p90_us,
		times->p99_us < 1 ? 1 : times->p99_us);
}

char *calibrate_profile(const struct calibrate *calibrate)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	fprintf(file, "inferd-profile 1\nidentity %s\n", calibrate->identity);
	for (int i = 0; i < calibrate->n_rungs; i++) {
		const struct calibrate_rung *rung = &calibrate->rungs[i];

		fputs("rung", file);
		put_times(file, &rung->cold);
		put_times(file, &rung->paced);
		put_times(file, &rung->busy);
		if (rung->photographs)
			fprintf(file, " %.4f", calibrate_accuracy(rung));
		else
			fputs(" -", file);
		fprintf(file, " %u %s\n", rung->photographs, rung->name);
	}
	if (fclose(file) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
