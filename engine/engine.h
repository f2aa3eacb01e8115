/*
 * engine.h - neural networks on the CPU: load a file, plan it for one input size, run it.
 *
 * The only header of engine/ that others include.  The engine knows nothing of sockets, clients or
 * clocks; it links libc, libm and OpenMP, and it never logs: every failure is a return value plus a
 * sentence in struct engine_error.
 *
 * Life of a network:
 *
 *   engine_model_load      file  -> engine_model    graph, fused; weights packed once, on first use
 *   engine_model_plan      size  -> engine_plan     shapes, steps and arena offsets; immutable, cached
 *   engine_context_reserve plan  -> memory          the arena of a lane, grown to the largest plan
 *   engine_run             input -> output          no allocation, one parallel region
 *
 * Return values: 0; a negative errno otherwise.  -EINVAL the file or argument is malformed, -ENOTSUP
 * well-formed but not something this engine runs, -EFBIG over a limit below, -ENOMEM, -EIO, -ENOENT ...
 * Outputs (ret_*) are untouched on failure.  ret_error may be NULL.
 *
 * Tensors: images are NHWC with N = 1.  Other tensors keep their own axes.  Dense, row-major.
 */
#ifndef INFERD_ENGINE_H
#define INFERD_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "operator.h"

#define ENGINE_IO_MAX		64    /* inputs or outputs of one network */
#define ENGINE_THREADS_MAX	64    /* threads of one team */
#define ENGINE_PLANS_MAX	64    /* cached plans of one model */
#define ENGINE_SIDE_MAX		16384 /* width or height of an image, in pixels */
#define ENGINE_TENSOR_BYTES_MAX (1u << 30)
#define ENGINE_FILE_BYTES_MAX	(1ull << 31)
#define ENGINE_WINOGRAD_BYTES	(16u << 20) /* see engine_model_limit_winograd() */

/* real = scale * (stored - zero_point); scale 0 means the tensor is not quantised. */
struct engine_quant {
	float scale;
	int32_t zero_point;
};

/*
 * One input or output as a caller sees it.  dims are NHWC for images whatever the file's own order;
 * channels_first says that the file orders this tensor (N)CHW, and file_rank how many axes it has there
 * (ncnn has no batch axis), so that a tool can present it as the file does.
 */
struct engine_io {
	const char *name; /* borrowed from the model */
	enum engine_type type;
	int rank;
	int32_t dims[ENGINE_RANK_MAX];
	struct engine_quant quant;
	bool channels_first;
	int file_rank;
	size_t bytes;
};

/* ---- model: immutable after load; may be used by many threads at once ------------------------- */

struct engine_model;

/*
 * Loads a network.  The format is told from the content: TFLite ("TFL3" at byte 4), ONNX or ncnn text
 * .param ("7767517"), whose weights are read from the same path with the suffix .bin, or a file of
 * engine_model_pack().  The files are mapped read-only, and a plan packs their weights from there; they must
 * not be truncated or written to while the model lives, so replace them by rename.
 */
int engine_model_load(const char *path, struct engine_error *ret_error, struct engine_model **ret_model);

/*
 * The same from memory.  weights is NULL for formats of one file.  Borrows both buffers: they must
 * outlive the model.  name is used in error messages only.
 */
int engine_model_load_memory(const char *name, const void *data, size_t size, const void *weights, size_t weights_size,
			     struct engine_error *ret_error, struct engine_model **ret_model);

/*
 * The network as a file of the engine's own, which engine_model_load() maps and runs without parsing or packing; its
 * passes are done, and processes that load it share its pages.  PANELS: packed for the kernels of this machine, after a
 * plan was made (at any size).  PORTABLE: for any machine, packed on first use.  HALF: the same, weights as float16.
 * *ret_data is the caller's to free.  0, -EINVAL, -ENOMEM, -EFBIG.
 */
enum engine_pack { ENGINE_PACK_PANELS, ENGINE_PACK_PORTABLE, ENGINE_PACK_HALF };
int engine_model_pack(struct engine_model *model, enum engine_pack kind, struct engine_error *ret_error,
		      uint8_t **ret_data, size_t *ret_size);

/*
 * As engine_model_load(), by way of a folder where networks are kept as files of engine_model_pack(): what is not there
 * yet is converted and put there, and processes that load it share its pages.  Files are named by what the network's
 * own files hold and by the level of the kernels.  The folder is made where it is missing, and it and its files have to
 * belong to the caller and to be writable by no one else; a file that is not so, or damaged, is made anew.  Together
 * they take at most max_bytes: those not loaded for longest are removed.  winograd_bytes is as of
 * engine_model_limit_winograd(); a network is kept for each number of them that it is loaded with.
 *
 * Whatever is wrong with the folder, the network is loaded.  ret_note, which may be NULL, tells why it was not found,
 * or not put, there; "" for nothing to tell.  Networks that leave their size open, that name further files or are
 * converted already are not kept.
 */
int engine_model_load_cached(const char *path, const char *folder, uint64_t max_bytes, size_t winograd_bytes,
			     struct engine_error *ret_error, struct engine_error *ret_note,
			     struct engine_model **ret_model);

/*
 * Convolutions of 3x3 in float32 are done by Winograd's method where that is faster, which a trial tells where no rule
 * does; it takes a plan up to some 20 ms, and is remembered for as long as the process lives.  Weights take up to four
 * times their memory then: what that is more in all, for this model, is at most so many bytes (ENGINE_WINOGRAD_BYTES
 * unless it is said; 0: the method is not used).  Layers come in the network's order.  Call it before the first plan,
 * which decides how a layer is done for all others; in a converted file with panels that is decided.
 *
 * Results of the methods differ by rounding: the environment's INFERD_WINOGRAD chooses without a trial, the same on
 * every machine (rule), never (off), or always the blocks named (2, 4).
 */
void engine_model_limit_winograd(struct engine_model *model, size_t bytes);

/* Accepts NULL.  Destroys the model's plans too; no context may still be running one of them. */
void engine_model_destroy(struct engine_model *model);

int engine_model_input_count(const struct engine_model *model);
int engine_model_output_count(const struct engine_model *model);
/*
 * What simplified the network, pass by pass: how many nodes a pass took out, and in words that the number stands
 * before. NULL behind the last.
 */
const char *engine_model_pass(const struct engine_model *model, int index, int *ret_count);
/* At the size the file was made for.  A dimension the file leaves open is -1. */
void engine_model_input(const struct engine_model *model, int index, struct engine_io *ret_io);
void engine_model_output(const struct engine_model *model, int index, struct engine_io *ret_io);

/* Bytes the model holds: packed weights and graph (not the mapped source pages). */
size_t engine_model_bytes(const struct engine_model *model);

/* ---- plan: a model at one input size ---------------------------------------------------------- */

struct engine_plan;

/*
 * What to plan for.  Zero width and height mean the file's own.  channels 0 means the file's own; 1 on a
 * network of three channels means gray: the first convolution's weights are summed over the colour
 * channels, and the input becomes one plane.
 *
 * gray_gain and gray_bias say how the network's colour input c follows from the gray input x, both after
 * normalisation: colour_c = gray_gain[c] * x + gray_bias[c].  All gains 0 is read as "1, 1, 1 and no
 * bias".  Where any bias is not 0 the planned input has two channels, x and a constant 1, because only a
 * channel is zero in the padding where a folded bias would not be.  Quantised networks take only gain 1
 * and bias 0.
 */
struct engine_plan_options {
	int width, height, channels;
	float gray_gain[3], gray_bias[3];
	int keep_tensors; /* not 0: memory of tensors is not used again within a run, so that all can be looked at */
	/*
	 * Not 0: convolutions and fully connected layers of floats may multiply in float16, where the processor has
	 * arithmetic on it (engine_cpu_half_arithmetic()) and they are large enough.  Answers differ a little from
	 * those in float32.  Such weights are packed a second time, in half the memory.  Elsewhere it is as if it were
	 * 0.
	 */
	int half_arithmetic;
};

/*
 * The plan for these options, made on first use and kept by the model (borrowed; lives as long as the
 * model).  Takes a lock; call it outside of the frame path the first time.  -ENOTSUP when the network
 * does not allow the size or gray, with the node that forbids it; -ENOSPC over ENGINE_PLANS_MAX.  A batch is 1;
 * where the file leaves more open than the sides of the first input's images, engine_model_plan_shapes() is needed.
 */
int engine_model_plan(struct engine_model *model, const struct engine_plan_options *options,
		      struct engine_error *ret_error, const struct engine_plan **ret_plan);

struct engine_shape {
	int rank;
	int32_t dims[ENGINE_RANK_MAX];
};

/*
 * The plan for these shapes of all inputs, in the axis order of engine_model_input(), where the file leaves them open
 * (a batch too).  Shapes that nodes compute follow: the file is read anew where it has to be, and its packed weights
 * are shared.  The caller holds the plan until engine_model_release_plan(); of those that nobody holds the model keeps
 * the ones used last.  Takes a lock, and time: the steps are chosen anew for each shape.  -ENOTSUP for a length that
 * the file fixes, -EINVAL for another rank, and otherwise as engine_model_plan().
 */
int engine_model_plan_shapes(struct engine_model *model, const struct engine_shape *shapes, int n_shapes,
			     struct engine_error *ret_error, const struct engine_plan **ret_plan);

/* No context may be running the plan, nor be asked for its tensors any more. */
void engine_model_release_plan(struct engine_model *model, const struct engine_plan *plan);

int engine_plan_input_count(const struct engine_plan *plan);
int engine_plan_output_count(const struct engine_plan *plan);
void engine_plan_input(const struct engine_plan *plan, int index, struct engine_io *ret_io);
void engine_plan_output(const struct engine_plan *plan, int index, struct engine_io *ret_io);
/* What a context of one thread reserves; each further thread takes what single steps need of its own. */
size_t engine_plan_arena_bytes(const struct engine_plan *plan);
uint64_t engine_plan_macs(const struct engine_plan *plan); /* multiply-adds of one run */
/* Multiply-adds and what steps read, for those who bound what a run may cost; the rest is linear in the outputs. */
uint64_t engine_plan_work(const struct engine_plan *plan);

/* What spared steps at this size beyond what engine_model_pass() tells; in the same manner. */
const char *engine_plan_pass(const struct engine_plan *plan, int index, int *ret_count);

/* One step of a plan, for inspection and per-layer profiles.  Strings are borrowed from the plan. */
struct engine_step_info {
	const char *name;   /* of the node in the file */
	const char *op;	    /* "conv", "dwconv", "add", ... */
	const char *kernel; /* chosen kernel, e.g. "igemm_s8_avx2"; "" for structural steps */
	const char *fused;  /* what was folded in, e.g. "relu6,add"; "" for nothing */
	enum engine_type type;
	int rank;
	int32_t dims[ENGINE_RANK_MAX]; /* of the first output */
	uint64_t macs;
	uint64_t params; /* weights and biases, in elements */
};
int engine_plan_step_count(const struct engine_plan *plan);
void engine_plan_step(const struct engine_plan *plan, int index, struct engine_step_info *ret_info);

/*
 * The operators without which a build of the engine can neither read the network at these sizes nor run it, as the
 * option INFERD_OPERATORS names them: number `index`, each once; NULL behind the last.  Not among them are those that
 * others register, and those that come with a format.
 */
const char *engine_plan_operator(const struct engine_plan *plan, int index);

/* ---- team and context: what one lane owns ------------------------------------------------------ */

struct engine_team;
struct engine_context;

/*
 * For main(), first of all: left alone, the OpenMP runtime's threads spin for a while after every inference.  It reads
 * its environment when it is loaded, so this sets OMP_WAIT_POLICY (unless it is set) and starts the program anew, once.
 * GCC's runtime still spins for some tens of microseconds (GOMP_SPINCOUNT), as the team's barrier does: to sleep and be
 * woken takes a small network longer than a step.
 */
void engine_calm_threads(char **argv);

/*
 * A team of n_threads threads (1..ENGINE_THREADS_MAX), thread i pinned to cpus[i % n_cpus]; n_cpus 0 pins
 * nothing.  Thread 0 is the caller of engine_run, which must be the same thread for the team's whole
 * life: it is pinned on the first run.  Threads sleep between runs.  A CPU that cannot be had is not an
 * error: the thread then runs where the kernel puts it.
 */
int engine_team_create(const int *cpus, int n_cpus, int n_threads, struct engine_team **ret_team);
void engine_team_destroy(struct engine_team *team); /* accepts NULL */

/* One inference at a time.  Borrows the team, which must outlive it. */
int engine_context_create(struct engine_team *team, struct engine_context **ret_context);
void engine_context_destroy(struct engine_context *context); /* accepts NULL */

/*
 * Grows the arena for the plan and touches its pages; afterwards engine_run does not allocate.  Costs next to nothing
 * where it is large enough already.
 */
int engine_context_reserve(struct engine_context *context, const struct engine_plan *plan);

/* Gives the arena back; every plan has to be reserved again. */
void engine_context_release(struct engine_context *context);

/*
 * Where to write the inputs and read the outputs of a plan that has been reserved.  Valid until the next
 * reserve; outputs until the next run of any plan in this context.
 */
void *engine_context_input(struct engine_context *context, const struct engine_plan *plan, int index);
const void *engine_context_output(struct engine_context *context, const struct engine_plan *plan, int index);

/*
 * The rank and dims of an output in the last run.  Those of engine_plan_output(), unless the network decides its size
 * as it runs (a list of detections): then those are the most there can be.
 */
int engine_context_output_dims(struct engine_context *context, const struct engine_plan *plan, int index,
			       int32_t dims[ENGINE_RANK_MAX]);

/*
 * Runs one inference on the first n_threads threads of the team (0: all), or on one of them for a while after another
 * program was seen to take the core of one (crowd.h).  Inputs are consumed: their memory may be reused by later steps.
 * -EINVAL when the plan was not reserved; -EDOM and others where an operator refuses its data, such as an index outside
 * of a tensor.
 */
int engine_run(struct engine_context *context, const struct engine_plan *plan, int n_threads);

/* The next runs also record nanoseconds per step into ns[engine_plan_step_count()]; NULL stops it. */
void engine_context_profile(struct engine_context *context, uint64_t *ns);

/* ---- quantisation ------------------------------------------------------------------------------ */

/*
 * Post-training quantisation to int8.  create; for each of some tens of typical inputs fill the input of the plan, run
 * it and observe; finish; then for other inputs run both plans and compare.  One thread.
 */
struct engine_quantizer;

/* How the range of a tensor is chosen from what was observed; see histogram.h. */
enum engine_range { ENGINE_RANGE_MINMAX, ENGINE_RANGE_PERCENTILE, ENGINE_RANGE_KL };

/* width and height 0: the file's own. */
int engine_quantizer_create(const char *path, int width, int height, struct engine_error *ret_error,
			    struct engine_quantizer **ret_quantizer);
void engine_quantizer_destroy(struct engine_quantizer *quantizer); /* accepts NULL */
/* The float network's plan; and after finish that of the int8 network.  Both keep all tensors. */
const struct engine_plan *engine_quantizer_plan(const struct engine_quantizer *quantizer);
const struct engine_plan *engine_quantizer_int8_plan(const struct engine_quantizer *quantizer);
/* Takes in all tensors of the context's last run, which was of engine_quantizer_plan(). */
void engine_quantizer_observe(struct engine_quantizer *quantizer, struct engine_context *context);
/*
 * Makes the network in int8, as a file like engine_model_pack()'s portable one; *ret_data is the caller's to free.
 * Inputs and outputs stay float.  percentile: the share of numbers a range covers, 0..100, of ENGINE_RANGE_PERCENTILE.
 * May be called again with another method.
 */
int engine_quantizer_finish(struct engine_quantizer *quantizer, enum engine_range method, double percentile,
			    struct engine_error *ret_error, uint8_t **ret_data, size_t *ret_size);

/* How far the tensors of two runs on the same input are apart; summed over calls since finish. */
void engine_quantizer_compare(struct engine_quantizer *quantizer, struct engine_context *real,
			      struct engine_context *int8);
struct engine_layer_error {
	const char *name, *op; /* borrowed from the quantizer */
	float lo, hi;	       /* the range of its int8 */
	double decibels;       /* energy of the signal over that of the error; larger is better */
};
int engine_quantizer_layer_count(const struct engine_quantizer *quantizer);
void engine_quantizer_layer(const struct engine_quantizer *quantizer, int index, struct engine_layer_error *ret_error);

/* ---- pixels to input tensor -------------------------------------------------------------------- */

enum engine_pixels {
	ENGINE_NV12, /* 4:2:0, plane 0 Y, plane 1 interleaved U V */
	ENGINE_NV21, /* 4:2:0, plane 0 Y, plane 1 interleaved V U */
	ENGINE_I420, /* 4:2:0, planes Y, U, V */
	ENGINE_YUYV, /* 4:2:2 packed */
	ENGINE_RGB,
	ENGINE_BGR,
	ENGINE_RGBA, /* alpha is ignored */
	ENGINE_BGRA,
	ENGINE_GRAY8,
	ENGINE_PIXELS_COUNT
};

/*
 * An image in memory.  Strides in bytes, at least the row's length.  4:2:0 and 4:2:2 sides may be odd:
 * chroma is (side + 1) / 2.  full_range: YUV as in JPEG (BT.601 full range) and not video range.
 */
struct engine_image {
	enum engine_pixels format;
	bool full_range;
	int width, height;
	const uint8_t *plane[3];
	size_t stride[3];
};

enum engine_fit {
	ENGINE_FIT_STRETCH,  /* whole picture to the whole input */
	ENGINE_FIT_CROP,     /* centre square-to-input aspect, of crop * the larger possible part */
	ENGINE_FIT_LETTERBOX /* whole picture inside, borders filled with pad */
};

/*
 * AREA: each input pixel is the mean of what lies under it, as Pillow's BILINEAR.  POINT: it is sampled between the
 * four nearest pixels, as MediaPipe's CPU path does; its networks find what they find with the noise that this leaves.
 */
enum engine_sampling { ENGINE_SAMPLING_AREA, ENGINE_SAMPLING_POINT };

/* How pixels become numbers: value = (pixel - mean[c]) * scale[c], pixel in 0..255, c in input order. */
struct engine_normalize {
	enum engine_fit fit;
	float crop; /* ENGINE_FIT_CROP: share of the side kept, 0 < crop <= 1 */
	enum engine_sampling sampling;
	bool bgr;   /* order of the input's channels */
	bool given; /* false: a quantised input takes pixels by its own parameters (stored = pixel for
		       uint8, pixel - 128 for int8); a float input gets 0..1 */
	float mean[3], scale[3];
	uint8_t pad[3]; /* letterbox colour, RGB */
};

/*
 * The gray_gain and gray_bias that make a gray plan exact for this normalisation, given that the gray
 * plane itself is normalised with channel 0's mean and scale.
 */
void engine_gray_options(const struct engine_normalize *normalize, struct engine_plan_options *options);

/* Where the picture lies in the input: input = picture * scale + offset, in pixels of either. */
struct engine_placement {
	float scale_x, scale_y, offset_x, offset_y;
};

/*
 * A rectangle of the picture turned about its centre, clockwise as one sees it, since y points down.  Pixels, of which
 * the first covers 0..1.
 */
struct engine_region {
	float x, y, width, height; /* centre and size; may reach beyond the picture */
	float angle;		   /* radians */
};

struct engine_preprocess;

/*
 * Prepares one pass from images of this format, size and range (planes and strides of `image` are not
 * looked at) to input 0 of `plan`: crop or letterbox, area-antialiased bilinear resize (a triangle filter widened by
 * the reduction factor, as Pillow's BILINEAR), colour conversion, channel reduction, normalisation and quantisation.  A
 * plan of one or two channels takes luma only (of RGB: BT.601 weights 0.299, 0.587, 0.114).  The object holds
 * coefficient tables and line buffers, belongs to one thread at a time, and borrows nothing.
 */
int engine_preprocess_create(const struct engine_image *image, const struct engine_normalize *normalize,
			     const struct engine_plan *plan, struct engine_error *ret_error,
			     struct engine_preprocess **ret_preprocess);
void engine_preprocess_destroy(struct engine_preprocess *preprocess); /* accepts NULL */
struct engine_placement engine_preprocess_placement(const struct engine_preprocess *preprocess);

/*
 * Fills dst (the plan's input 0).  image must have the format and size prepared for; planes must be
 * readable over height rows of stride (the last row: its own length).  The pixels may change while they
 * are read: the result is then wrong and nothing else happens.  Does not allocate.
 */
int engine_preprocess_run(struct engine_preprocess *preprocess, const struct engine_image *image, void *dst);

/*
 * The same of a region, whatever the fit, straight from the image's own format.  The object must have been created with
 * ENGINE_SAMPLING_POINT (-EINVAL otherwise, and for a region that is not of finite numbers).
 */
int engine_preprocess_run_region(struct engine_preprocess *preprocess, const struct engine_image *image,
				 const struct engine_region *region, void *dst);

/* ---- search among vectors ---------------------------------------------------------------------- */

/*
 * Vectors by their dot product with another one; of vectors of length 1 that is the cosine.  They are searched as
 * bytes, and the few that may win are scored again from their originals: the answer is that of scoring all originals
 * with engine_search_score(), proven in search.c.
 */
#define ENGINE_SEARCH_ALIGN	 64
#define ENGINE_SEARCH_LENGTH_MAX 65536

/* What is known of a vector beside its bytes. */
struct engine_search_code {
	float scale; /* of its bytes */
	float norm;  /* length of what the bytes stand for */
	float error; /* length of the difference to the vector */
};

/* Bytes of a vector of this many numbers, the zeros at its end included. */
size_t engine_search_stride(int length);
/* Fills engine_search_stride() bytes.  -EINVAL: a number is not finite, or the vector is too long to be multiplied. */
int engine_search_encode(const float *vector, int length, int8_t *ret_codes, struct engine_search_code *ret_code);
/* The dot product, summed in double precision. */
float engine_search_score(const float *a, const float *b, int length);

/* Vectors that lie behind each other.  A group is what is asked for, such as all views of one thing. */
struct engine_search_block {
	const int8_t *codes;			/* n times the stride, in any alignment */
	const struct engine_search_code *about; /* of each */
	const uint32_t *groups;			/* of each, below n_groups */
	size_t n;
};

struct engine_search_query {
	const float *vector; /* `length` numbers */
	int length;	     /* 1..ENGINE_SEARCH_LENGTH_MAX */
	int k;		     /* groups wanted, at least 1 */
	const struct engine_search_block *blocks;
	int n_blocks;
	size_t n_groups;
	/* Reads the original of a block's row into `length` floats.  0, or a negative errno that ends the search. */
	int (*read)(void *user, int block, size_t row, float *ret_vector);
	void *user;
};

struct engine_search_hit {
	uint32_t group;
	float score; /* of the best of its vectors */
};

/* Memory that is kept from search to search, so that nothing is allocated once it is large enough.  One thread. */
struct engine_search;
int engine_search_create(struct engine_search **ret_search); /* 0 or -ENOMEM */
void engine_search_destroy(struct engine_search *search);    /* accepts NULL */

/*
 * The k best groups, best first, equal ones in their order; fewer where fewer have vectors.  0; -EINVAL for a vector
 * that is not of finite numbers; -ENOMEM; what read said.
 */
int engine_search_run(struct engine_search *search, const struct engine_search_query *query,
		      struct engine_search_hit *ret_hits, int *ret_n_hits);
/*
 * After engine_search_run() of the same query: calls take for every vector of a group, in their order, with its score
 * as its bytes give it.  That is off by what the bytes lost at most, some thousandths of the lengths' product; it is
 * never more than the score of the group's best, where that was among the hits.
 */
void engine_search_visit(const struct engine_search *search, const struct engine_search_query *query, uint32_t group,
			 void (*take)(void *user, int block, size_t row, float score), void *user);

/* ---- what can be read -------------------------------------------------------------------------- */

struct engine_operator_info {
	const char *format;  /* "ONNX", "TFLite", "ncnn", "Caffe" */
	const char *name;    /* of the operator or layer there */
	bool fast;	     /* there is a fast path for the shapes that are common */
	const char *without; /* what of its definition is not supported; "" for nothing */
};
/* Number `index` of all; false behind the last. */
bool engine_operator_at(int index, struct engine_operator_info *ret_info);

/* ---- the CPU ----------------------------------------------------------------------------------- */

/*
 * Name of the kernel level in use: "scalar", "avx2", "neon", ...  Detected once; the environment variable
 * INFERD_CPU_MASK (a level's name) forces a lower one, for tests.
 */
const char *engine_cpu_level(void);
/* Whether plans of half_arithmetic differ from others on this processor, in this build. */
bool engine_cpu_half_arithmetic(void);

#endif
