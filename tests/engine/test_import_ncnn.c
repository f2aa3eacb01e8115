/* test_import_ncnn.c - .param and .bin made here, and real ones cut and damaged. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imported.h"
#include "support/test.h"

TEST_SUITE(import_ncnn);

/*
 * A convolution of 1x1 from two channels to two, then ReLU: of an image of 2 x 2.  %s is what the layer says of its
 * weights.
 */
static const char conv_param[] = "7767517\n"
				 "3 3\n"
				 "Input in 0 1 data 0=2 1=2 2=2\n"
				 "Convolution conv 1 1 data sum 0=2 1=1 5=1 6=4%s\n"
				 "ReLU relu 1 1 sum out\n";

struct bytes {
	uint8_t data[4096];
	size_t size;
};

static void put(struct bytes *bytes, const void *data, size_t size)
{
	memcpy(bytes->data + bytes->size, data, size);
	bytes->size += size;
}

static void put_u32(struct bytes *bytes, uint32_t number)
{
	put(bytes, &number, sizeof(number));
}

static const float weights[] = {1, 0.5f, -1, 2}, biases[] = {0.25f, -1};
static const float image[] = {1, 2, 3, 4, -5, 6, 7, -8};
static const float answer[] = {2.25f, 2, 5.25f, 4, 0, 16, 3.25f, 0};

static char param[512];
static struct bytes bin;

static struct file make(const char *more)
{
	snprintf(param, sizeof(param), conv_param, more);
	return (struct file){(const uint8_t *)param, strlen(param), bin.data, bin.size};
}

static void expect_answer(const struct file *file, double tolerance)
{
	float output[8];

	imported_run(file, image, sizeof(image), output, sizeof(output));
	for (int i = 0; i < 8; i++)
		cr_assert_float_eq(output[i], answer[i], tolerance, "%d: %g", i, (double)output[i]);
}

static struct file make_float32(void)
{
	bin.size = 0;
	put_u32(&bin, 0);
	put(&bin, weights, sizeof(weights));
	put(&bin, biases, sizeof(biases));
	return make("");
}

Test(import_ncnn, float32)
{
	struct file file = make_float32();

	expect_answer(&file, 1e-6);
}

Test(import_ncnn, float16)
{
	static const uint16_t halves[] = {0x3c00, 0x3800, 0xbc00, 0x4000};
	struct file file;

	bin.size = 0;
	put_u32(&bin, 0x01306b47);
	put(&bin, halves, sizeof(halves));
	put(&bin, biases, sizeof(biases));
	file = make("");
	expect_answer(&file, 1e-6);
}

Test(import_ncnn, codebook)
{
	float book[256] = {0};
	static const uint8_t indexes[] = {7, 255, 0, 9};
	struct file file;

	book[7] = 1;
	book[255] = 0.5f;
	book[0] = -1;
	book[9] = 2;
	bin.size = 0;
	put_u32(&bin, 1);
	put(&bin, book, sizeof(book));
	put(&bin, indexes, sizeof(indexes));
	put(&bin, biases, sizeof(biases));
	file = make("");
	expect_answer(&file, 1e-6);
}

Test(import_ncnn, int8)
{
	static const int8_t stored[] = {120, 60, -50, 100};
	static const float scales[] = {120, 50}, input_scale = 10;
	struct file file;

	bin.size = 0;
	put_u32(&bin, 0x000d4b38);
	put(&bin, stored, sizeof(stored));
	put(&bin, biases, sizeof(biases));
	put(&bin, scales, sizeof(scales));
	put(&bin, &input_scale, sizeof(input_scale));
	file = make(" 8=2");
	expect_answer(&file, 1e-5);
}

Test(import_ncnn, float32_with_a_tag)
{
	struct file file;

	bin.size = 0;
	put_u32(&bin, 0x0002c056);
	put(&bin, weights, sizeof(weights));
	put(&bin, biases, sizeof(biases));
	file = make("");
	expect_answer(&file, 1e-6);
}

/* ---- the binary form ----------------------------------------------------------------------------- */

static struct bytes binary;

static void put_numbers(const int32_t *numbers, size_t n)
{
	put(&binary, numbers, n * sizeof(*numbers));
}

/* The network of conv_param, whose layers are numbers 16, 6 and 26 of ncnn's list; more parameters of the convolution.
 */
static struct file make_binary(const int32_t *more, size_t n_more)
{
	static const int32_t head[] = {7767517, 3, 3, 16, 0, 1, 0, 0, 2, 1, 2, 2, 2, -233};
	static const int32_t conv[] = {6, 1, 1, 0, 1, 0, 2, 1, 1, 5, 1, 6, 4};
	static const int32_t relu[] = {-233, 26, 1, 1, 1, 2, -233};

	binary.size = 0;
	put_numbers(head, sizeof(head) / 4);
	put_numbers(conv, sizeof(conv) / 4);
	if (n_more)
		put_numbers(more, n_more);
	put_numbers(relu, sizeof(relu) / 4);
	make_float32();
	return (struct file){binary.data, binary.size, bin.data, bin.size};
}

Test(import_ncnn, binary_form_is_the_same_network)
{
	struct file file = make_binary(NULL, 0);

	expect_answer(&file, 1e-6);
}

Test(import_ncnn, binary_form_has_arrays)
{
	/* A fused clip to -1e30..1e30. */
	const int32_t more[] = {9, 3, -23310, 2, (int32_t)0xf149f2cau, 0x7149f2ca};
	struct file file = make_binary(more, sizeof(more) / 4);

	expect_answer(&file, 1e-6);
}

Test(import_ncnn, binary_form_names_blobs_by_number)
{
	struct file file = make_binary(NULL, 0);
	struct engine_model *model;
	struct engine_io io;

	cr_assert_eq(engine_model_load_memory("file", file.data, file.size, file.weights, file.weights_size,
					      &imported_error, &model),
		     0, "%s", imported_error.text);
	engine_model_input(model, 0, &io);
	cr_expect_str_eq(io.name, "0");
	engine_model_output(model, 0, &io);
	cr_expect_str_eq(io.name, "2");
	engine_model_destroy(model);
}

Test(import_ncnn, binary_form_refused_with_a_cause)
{
	static const int32_t too_many[] = {-23310, 1025}, no_key[] = {64, 1}, no_string[] = {-23420, 5000};
	static const int32_t string[] = {-23420, 4, 0x61616161};
	struct file file = make_binary(too_many, 2);

	imported_refuse(&file, -EINVAL, "layer 1 (Convolution): its parameter -23310 is malformed");
	file = make_binary(no_key, 2);
	imported_refuse(&file, -EINVAL, "parameter 64");
	file = make_binary(string, 3);
	imported_refuse(&file, -ENOTSUP, "layer '1' (Convolution): has a parameter that is a text");
	file = make_binary(no_string, 2);
	imported_refuse(&file, -EINVAL, "parameter -23420");
	file = make_binary(NULL, 0);
	binary.data[12] = 200; /* the type of the first layer */
	imported_refuse(&file, -ENOTSUP, "layer '0' (type 200): is an unknown type of layer");
	file = make_binary(NULL, 0);
	file.size -= 4;
	imported_refuse(&file, -EINVAL, "ends among the parameters of layer 2");
}

Test(import_ncnn, binary_form_cut_anywhere_and_damaged)
{
	struct file file = make_binary(NULL, 0);

	imported_survive_cuts(&file, (int)file.size);
	imported_survive_damage(&file, 4000);
}

static void write_file(const char *dir, const char *name, const void *data, size_t size, char path[256])
{
	FILE *file;

	snprintf(path, 256, "%s/%s", dir, name);
	file = fopen(path, "wb");
	cr_assert_not_null(file);
	cr_assert_eq(fwrite(data, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
}

Test(import_ncnn, weights_of_param_bin_are_beside_it)
{
	char dir[] = "/tmp/test-import-XXXXXX", model_path[256], bin_path[256];
	struct file file = make_binary(NULL, 0);
	struct engine_model *model;

	cr_assert_not_null(mkdtemp(dir));
	write_file(dir, "x.param.bin", file.data, file.size, model_path);
	write_file(dir, "x.bin", file.weights, file.weights_size, bin_path);
	cr_expect_eq(engine_model_load(model_path, &imported_error, &model), 0, "%s", imported_error.text);
	if (!imported_error.text[0])
		engine_model_destroy(model);
	unlink(model_path);
	unlink(bin_path);
	rmdir(dir);
}

/* ---- parameters ---------------------------------------------------------------------------------- */

Test(import_ncnn, arrays_in_every_spelling)
{
	/* A fused slope of 0.5: counted, with commas, with one behind it, and as the bits of a float in an integer. */
	static const char *const spellings[] = {" 9=2 -23310=1,0.5", " 9=2 10=0.5,", " 9=2 10=0.5",
						" 9=2 -23310=1,1056964608"};
	static const char text[] = "7767517\n2 2\n"
				   "Input in 0 1 data 0=2 1=2 2=2\n"
				   "Convolution conv 1 1 data out 0=2 1=1 5=1 6=4%s\n";

	make_float32();
	for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++) {
		float output[8];
		struct file file;

		snprintf(param, sizeof(param), text, spellings[i]);
		file = (struct file){(const uint8_t *)param, strlen(param), bin.data, bin.size};
		imported_run(&file, image, sizeof(image), output, sizeof(output));
		/* The only two sums below zero are -1.75 and -24. */
		for (int k = 0; k < 8; k++) {
			float expected = k == 4 ? -0.875f : k == 7 ? -12.0f : answer[k];

			cr_assert_float_eq(output[k], expected, 1e-6, "%s: %g", spellings[i], (double)output[k]);
		}
	}
}

/* ---- layers -------------------------------------------------------------------------------------- */

struct layer_case {
	const char *text; /* behind the magic number */
	int n_in, n_out, n_bin;
	float in[16], out[32], bin[16];
};

static void expect_layer(const struct layer_case *c)
{
	float output[32];
	struct file file;

	bin.size = 0;
	put(&bin, c->bin, (size_t)c->n_bin * sizeof(float));
	put_u32(&bin, 0);
	snprintf(param, sizeof(param), "7767517\n%s", c->text);
	file = (struct file){(const uint8_t *)param, strlen(param), bin.data, bin.size};
	imported_run(&file, c->in, (size_t)c->n_in * sizeof(float), output, (size_t)c->n_out * sizeof(float));
	for (int i = 0; i < c->n_out; i++)
		cr_expect_float_eq(output[i], c->out[i], 1e-4, "%s%d: %g, not %g", c->text, i, (double)output[i],
				   (double)c->out[i]);
}

static void expect_layers(const struct layer_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_layer(&cases[i]);
}

#define EXPECT_LAYERS(cases) expect_layers(cases, sizeof(cases) / sizeof(*(cases)))
#define MATRIX		     "2 2\nInput in 0 1 x 0=3 1=2\n"
#define VECTOR		     "2 2\nInput in 0 1 x 0=4\n"

Test(import_ncnn, matrices_move)
{
	static const struct layer_case cases[] = {
		{MATRIX "Permute l 1 1 x y 0=1\n", 6, 6, 0, {1, 2, 3, 4, 5, 6}, {1, 4, 2, 5, 3, 6}, {0}},
		{MATRIX "Padding l 1 1 x y 2=1 3=1 4=2\n",
		 6,
		 10,
		 0,
		 {1, 2, 3, 4, 5, 6},
		 {2, 1, 2, 3, 2, 5, 4, 5, 6, 5},
		 {0}},
		{MATRIX "Crop l 1 1 x y -23309=1,-2 -23310=1,-233 -23311=1,1\n",
		 6,
		 4,
		 0,
		 {1, 2, 3, 4, 5, 6},
		 {2, 3, 5, 6},
		 {0}},
		{MATRIX "Tile l 1 1 x y 0=0 1=2\n",
		 6,
		 12,
		 0,
		 {1, 2, 3, 4, 5, 6},
		 {1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6},
		 {0}},
		{MATRIX "Reshape l 1 1 x y 0=0 1=1 2=-1\n", 6, 6, 0, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6}, {0}},
		{MATRIX "ExpandDims l 1 1 x y -23303=1,1\n", 6, 6, 0, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6}, {0}},
		{MATRIX "ArgMax l 1 1 x y 0=1 1=2\n", 6, 4, 0, {1, 6, 3, 4, 5, 6}, {6, 6, 5, 1}, {0}},
		{MATRIX "GLU l 1 1 x y 0=0\n", 6, 3, 0, {2, 4, 6, 0, 0, 0}, {1, 2, 3}, {0}},
	};

	EXPECT_LAYERS(cases);
}

Test(import_ncnn, matrices_compute)
{
	static const struct layer_case cases[] = {
		{MATRIX "LayerNorm l 1 1 x y 0=3 1=0. 2=0\n",
		 6,
		 6,
		 0,
		 {1, 2, 3, 5, 5, 8},
		 {-1.22474f, 0, 1.22474f, -0.70711f, -0.70711f, 1.41421f},
		 {0}},
		{MATRIX "Reduction l 1 1 x y 0=4 1=0 -23303=1,1 5=1\n", 6, 2, 0, {1, 2, 3, 9, 5, 6}, {3, 9}, {0}},
		{MATRIX "BatchNorm l 1 1 x y 0=2\n",
		 6,
		 6,
		 8,
		 {1, 2, 3, 4, 5, 6},
		 {1, 2, 3, 3, 3.5f, 4},
		 {1, 1, 0, 0, 1, 4, 0, 1}},
		{MATRIX "PReLU l 1 1 x y 0=2\n", 6, 6, 2, {-1, 2, -3, -4, 5, 6}, {-2, 2, -6, -12, 5, 6}, {2, 3}},
		{VECTOR "Power l 1 1 x y 0=2. 1=2. 2=1.\n", 4, 4, 0, {0, 1, 2, 3}, {1, 9, 25, 49}, {0}},
		{VECTOR "UnaryOp l 1 1 x y 0=18\n", 4, 4, 0, {0.5f, 1.5f, -0.4f, -2.6f}, {0, 2, 0, -3}, {0}},
		{VECTOR "Gemm l 1 1 x y 3=1 5=1 6=1 8=2 9=4 10=-1\n",
		 4,
		 2,
		 9,
		 {1, 2, 3, 4},
		 {30, 10},
		 {0, 1, 2, 3, 4, 1, 1, 1, 1}},
	};

	EXPECT_LAYERS(cases);
}

#define WITH_VECTOR "3 3\nInput in 0 1 x 0=3 1=3\nMemoryData m 0 1 m 0=3\n"

Test(import_ncnn, vectors_broadcast_over_outer_axes)
{
	static const struct layer_case cases[] = {
		{WITH_VECTOR "BinaryOp l 2 1 x m y 0=0\n", 9, 9, 3, {0}, {1, 1, 1, 2, 2, 2, 3, 3, 3}, {1, 2, 3}},
		{"3 3\nInput in 0 1 x 0=3 1=2\nMemoryData m 0 1 m 0=3\nBinaryOp l 2 1 x m y 0=7\n",
		 6,
		 6,
		 3,
		 {0},
		 {1, 2, 3, 1, 2, 3},
		 {1, 2, 3}},
		{"3 3\nInput in 0 1 x 0=1 1=2 2=2\nMemoryData m 0 1 m 0=2\nBinaryOp l 2 1 x m y 0=2\n",
		 4,
		 4,
		 2,
		 {1, 1, 1, 1},
		 {5, 6, 5, 6},
		 {5, 6}},
	};

	EXPECT_LAYERS(cases);
}

#define IMAGE "2 2\nInput in 0 1 x 0=2 1=1 2=1\n"

Test(import_ncnn, images_compute)
{
	static const struct layer_case cases[] = {
		{IMAGE "Deconvolution l 1 1 x y 0=1 1=2 11=1 3=2 5=1 6=2 9=1\n",
		 2,
		 4,
		 4,
		 {1, 2},
		 {2, 0, 3, 0},
		 {0, 1, -2, 1}},
		{IMAGE "Interp l 1 1 x y 0=1 1=1. 2=2.\n", 2, 4, 0, {1, 2}, {1, 1, 2, 2}, {0}},
		{IMAGE "Interp l 1 1 x y 0=3 3=1 4=2\n", 2, 2, 0, {1, 2}, {1, 2}, {0}},
		{IMAGE "Pooling l 1 1 x y 0=1 7=1 8=1\n", 2, 1, 0, {1, 2}, {1.5f}, {0}},
		{IMAGE "Pooling l 1 1 x y 0=0 7=1 8=3 18=1\n", 2, 3, 0, {1, 2}, {1, 2, 2}, {0}},
	};

	EXPECT_LAYERS(cases);
}

/* One cell with one box; what is found comes first, and the rest of the room is nobody's. */
Test(import_ncnn, yolo_finds_its_box)
{
	static const char text[] = "7767517\n2 2\nInput in 0 1 x 0=1 1=1 2=7\n"
				   "Yolov3DetectionOutput l 1 1 x y 0=2 1=1 2=0.3 3=0.45 -23304=2,16.,32. "
				   "-23305=1,0 -23306=1,32.\n";
	static const float cell[] = {0, 0, 0, 0, 20, -20, 20};
	static const float box[] = {2, 1, 0.25f, 0, 0.75f, 1};
	struct file file = {(const uint8_t *)text, strlen(text), NULL, 0};
	float output[6];

	imported_run(&file, cell, sizeof(cell), output, sizeof(output));
	for (int i = 0; i < 6; i++)
		cr_expect_float_eq(output[i], box[i], 1e-5, "%d: %g", i, (double)output[i]);
}

Test(import_ncnn, output_has_the_name_of_its_blob)
{
	static const char text[] = "7767517\n2 3\nInput in 0 1 x 0=4\nSplit l 1 2 x y z\n";
	struct engine_model *model;
	struct engine_io io;

	cr_assert_eq(engine_model_load_memory("file", text, strlen(text), NULL, 0, &imported_error, &model), 0, "%s",
		     imported_error.text);
	cr_assert_eq(engine_model_output_count(model), 2);
	engine_model_output(model, 0, &io);
	cr_expect_str_eq(io.name, "y");
	engine_model_output(model, 1, &io);
	cr_expect_str_eq(io.name, "z");
	engine_model_destroy(model);
}

/* ---- bad files ----------------------------------------------------------------------------------- */

static void refuse_text(const char *text, int rc, const char *part_of_text)
{
	struct file file = {(const uint8_t *)text, strlen(text), bin.data, bin.size};

	imported_refuse(&file, rc, part_of_text);
}

Test(import_ncnn, errors_name_the_cause)
{
	struct file file = make_float32();

	file.weights_size -= 1;
	imported_refuse(&file, -EINVAL, "layer 'conv' (Convolution): the .bin ends before its biases do");
	file.weights_size = 10;
	imported_refuse(&file, -EINVAL, "layer 'conv' (Convolution): the .bin ends before its weights do");
	refuse_text("7767517\n", -EINVAL, "");
	refuse_text("7767517\n2147483647 2147483647\n", -EINVAL, "");
	refuse_text("7767517\n1 1\nInput in 0 1 data 0=2 1=2 2=x\n", -EINVAL, "in");
	refuse_text("7767517\n2 2\nInput in 0 1 data 0=2 1=2 2=2\nMystery m 1 1 data out\n", -ENOTSUP, "Mystery");
	refuse_text("7767517\n2 2\nInput in 0 1 data 0=2 1=2 2=2\nReLU r 1 1 nobody out\n", -EINVAL, "nobody");
	refuse_text("7767517\n2 2\nInput in 0 1 data 0=2 1=2 2=2\nReLU r 1 1 data data\n", -EINVAL, "data");
}

Test(import_ncnn, layers_refuse_what_cannot_be)
{
	refuse_text("7767517\n2 4\nInput in 0 1 x 0=5 1=7 11=2 2=3\nSlice l 1 3 x a b c -23300=3,2,4,0 1=-1\n", -EINVAL,
		    "'l' (Slice)");
	refuse_text("7767517\n2 2\nInput in 0 1 x 0=5 1=2 2=3\nInterp l 1 1 x y 0=2 1=0. 2=2.\n", -EINVAL,
		    "'l' (Interp)");
	refuse_text("7767517\n2 2\nInput in 0 1 x 0=5\nCrop l 1 1 x y -23309=1,7 -23310=1,-233\n", -EINVAL,
		    "'l' (Crop)");
	refuse_text("7767517\n2 2\nInput in 0 1 x 0=5 1=1\nReshape l 1 1 x y 0=0 1=0 2=3\n", -EINVAL, "'l' (Reshape)");
	refuse_text("7767517\n2 2\nInput in 0 1 x 0=5 1=2\nSoftmax l 1 1 x y 0=1\n", -EINVAL,
		    "convert the network again");
	refuse_text("7767517\n2 2\nInput in 0 1 x 0=5 1=2\nLayerNorm l 1 1 x y 0=2147483647\n", -EINVAL,
		    "'l' (LayerNorm)");
	refuse_text("7767517\n2 2\nInput in 0 1 x 0=5 1=2\nReshape l 1 1 x y 0=-1 6=\"0w\"\n", -ENOTSUP, "a text");
	refuse_text("7767517\n2 2\nInput in 0 1 x 0=5 1=2\nMystery l 1 1 x y\n", -ENOTSUP, "layer 'l' (Mystery)");
}

Test(import_ncnn, small_file_cut_anywhere_and_damaged)
{
	struct file file = make_float32();

	imported_survive_cuts(&file, (int)file.size);
	imported_survive_damage(&file, 4000);
}

static void survive_real(const char *param_name, const char *bin_name)
{
	struct file file = {0};

	imported_map(param_name, &file.data, &file.size);
	imported_map(bin_name, &file.weights, &file.weights_size);
	imported_survive_cuts(&file, 64);
	imported_survive_damage(&file, 100);
}

Test(import_ncnn, squeezenet_cut_and_damaged)
{
	survive_real("models/ncnn/squeezenet_v1.1.param", "models/ncnn/squeezenet_v1.1.bin");
}

Test(import_ncnn, nanodet_cut_and_damaged)
{
	survive_real("models/ncnn/nanodet_m.param", "models/ncnn/nanodet_m.bin");
}
