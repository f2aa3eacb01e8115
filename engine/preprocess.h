/*
 * preprocess.h - private to preprocess*.c and their tests: what they hand each other, and creation from plain geometry.
 * The public side is in engine.h.
 */
#ifndef INFERD_PREPROCESS_H
#define INFERD_PREPROCESS_H

#include "engine.h"
#include "kernels/kernels.h"

#define PREPROCESS_LINES_MAX	   3
#define PREPROCESS_SAMPLES_MAX	   4 /* of a pixel, interleaved */
#define PREPROCESS_PIXEL_BYTES_MAX (3 * sizeof(float))

/* ---- weights (preprocess_taps.c) --------------------------------------------------------------- */

/*
 * Triangle filter from source samples [from, from + span) of 0..source to n outputs.  width becomes a multiple of step.
 *
 * exact: weights have `bits` bits, each rounded by itself, as Pillow has them (bits = 22).  Otherwise they fit 16 bits,
 * of which as many are used as the largest weight allows, up to `bits`, and each output's add up to exactly 1 <<
 * taps->bits. 0 or -ENOMEM.
 */
int preprocess_taps_init(struct resample_taps *taps, int source, double from, double span, int n, int step, int bits,
			 bool exact);
void preprocess_taps_finish(struct resample_taps *taps);
/* The samples that have weights: first..end - 1. */
void preprocess_taps_range(const struct resample_taps *taps, int *ret_first, int *ret_end);
/* Makes sample number `samples` number 0. */
void preprocess_taps_move(struct resample_taps *taps, int samples);
/* One past the last sample that a kernel reads, those without weight included. */
int preprocess_taps_reach(const struct resample_taps *taps);

/* ---- pixel formats (preprocess_format.c) ------------------------------------------------------- */

/* What one plane holds: interleaved samples, and which line (R, G, B or Y, U, V) each feeds; -1 none. */
struct layer_layout {
	int plane, samples;
	int line[PREPROCESS_SAMPLES_MAX];
	bool chroma_x, chroma_y; /* at half the resolution of that axis */
};

struct pixels_layout {
	bool yuv;
	int n_layers;
	int unit; /* bytes that only come together */
	struct layer_layout layers[3];
};

const struct pixels_layout *preprocess_layout(enum engine_pixels format);

/* ---- one plane (preprocess_layer.c) ------------------------------------------------------------ */

/* Where in the picture, in its pixels, and how large the result is. */
struct preprocess_box {
	double x, y, width, height;
	int out_width, out_height;
};

/* One plane on its way to output rows; lines are by sample of the plane, NULL where it feeds none. */
struct layer {
	const struct resample_kernels *kernels;
	const struct layer_layout *layout;
	int rows_in; /* of the source plane */
	struct resample_taps across, down;
	size_t first_byte, n_bytes; /* of each row, those that have weights */
	size_t n_pixels;
	bool merge_luma; /* its three lines become one, the first, before they go across */
	bool down_first;
	bool enlarge; /* down */
	int fraction; /* bits that lines keep below a whole level between the axes */

	int16_t *packed; /* down_first: a row of bytes after going down; borrowed from the layer before in `shared` ones
			  */
	bool shared;
	int16_t *line[PREPROCESS_SAMPLES_MAX]; /* what goes across */
	size_t pitch;			       /* values of a resampled line */
	int n_lines;
	int32_t *held[2]; /* resampled lines: those going down, or of the output row */
	int held_row[2];  /* enlarging: of which rows; -1 none */
	int32_t *sum[2];  /* of output rows */
	int next;	  /* reducing: first source row not yet spread */

	const uint8_t *pixels; /* of the image of this run */
	size_t stride;
};

/*
 * Prepares the first n layers of a format for pictures of width x height.  luma_only: lines of R, G and B become one.
 * Layers are zeroed before; 0 or -ENOMEM, and preprocess_layer_finish() takes what is half made.
 */
int preprocess_layers_init(struct layer *layers, int n, const struct pixels_layout *layout, int width, int height,
			   const struct preprocess_box *box, bool luma_only, const struct resample_kernels *kernels);
void preprocess_layer_finish(struct layer *layer);
void preprocess_layer_begin(struct layer *layer, const struct engine_image *image);
/* Output row y, the rows before it having been made, as levels 0..255. */
void preprocess_layer_row(struct layer *layer, int y, float *const lines[PREPROCESS_LINES_MAX]);

/* ---- the object -------------------------------------------------------------------------------- */

/* The tensor to fill: NHWC with N = 1. */
struct preprocess_target {
	int width, height, channels;
	enum engine_type type;
	struct engine_quant quant;
};

/* Room for one row of single samples. */
struct preprocess_samples {
	int32_t *left, *top;
	float *u, *v;
	uint32_t *corner[4];
};

struct engine_preprocess {
	enum engine_pixels format;
	const struct pixels_layout *layout;
	bool full_range;
	int width, height;
	const struct resample_kernels *kernels;
	struct preprocess_target target;
	struct engine_placement placement;
	int left, top, picture_width, picture_height; /* where the picture goes in the input */

	int n_layers; /* ENGINE_SAMPLING_AREA */
	struct layer layers[3];
	bool point; /* ENGINE_SAMPLING_POINT: these instead */
	struct engine_region region;
	struct preprocess_samples samples;
	float pad[3]; /* beyond the picture, in its own lines */
	bool padded;

	bool bgr;
	float gain[3], shift[3];	 /* stored = pixel * gain + shift, by channel of the input */
	float low, high;		 /* range of the stored type */
	uint8_t constant[sizeof(float)]; /* second channel of a two-channel input, as stored */
	union {
		float aligned;
		uint8_t bytes[PREPROCESS_PIXEL_BYTES_MAX];
	} border;			   /* a stored pixel of the letterbox colour */
	float *line[PREPROCESS_LINES_MAX]; /* one output row in levels 0..255 */
};

/* Which part of the picture goes to which part of the input (preprocess_place.c). */
struct preprocess_box preprocess_place(struct engine_preprocess *p, const struct engine_normalize *normalize);
/* For single samples: the part of the picture that the whole input shows; may reach beyond it. */
void preprocess_place_region(struct engine_preprocess *p, const struct engine_normalize *normalize);

/* Numbers (preprocess_store.c).  Folds normalisation and quantisation; false where they are not finite or scale is 0.
 */
bool preprocess_set_numbers(struct engine_preprocess *p, const struct engine_normalize *normalize);
/* The letterbox colour as a stored pixel and as levels of the picture's format. */
void preprocess_set_border(struct engine_preprocess *p, const struct engine_normalize *normalize);
/* n pixels of p->line to dst. */
void preprocess_store_row(struct engine_preprocess *p, size_t n, uint8_t *dst);
void preprocess_store_border(const struct engine_preprocess *p, size_t n, uint8_t *dst);
size_t preprocess_pixel_bytes(const struct preprocess_target *target);

/*
 * Single samples (preprocess_sample.c).  One row of the input as the region shows it (line.down tells which), in
 * p->line in the picture's own lines: R, G, B or Y, U, V of 0..255, gray in the first.  Input pixel (0, 0) is the pixel
 * at the region's corner, and the others follow in steps of the region's size by the input's, where MediaPipe's CPU
 * path takes its samples.
 */
int preprocess_samples_init(struct preprocess_samples *samples, int n);
void preprocess_samples_finish(struct preprocess_samples *samples);
struct resample_line preprocess_sample_line(const struct engine_preprocess *p, const struct engine_region *region);
void preprocess_sample_row(struct engine_preprocess *p, const struct engine_image *image,
			   const struct resample_line *line);

/* engine_preprocess_create() without a plan, on given kernels. */
int preprocess_create(const struct engine_image *image, const struct engine_normalize *normalize,
		      const struct preprocess_target *target, const struct kernels *kernels,
		      struct engine_error *ret_error, struct engine_preprocess **ret_preprocess);

#endif
