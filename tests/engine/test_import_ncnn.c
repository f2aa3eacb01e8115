/* test_import_ncnn.c - .param and .bin made here, and real ones cut and damaged. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

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
