/* test_import_caffe.c - Caffe networks made here, texts that are none, and weights that do not fit them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imported.h"
#include "protobuf_builder.h"
#include "support/test.h"

TEST_SUITE(import_caffe);

static struct message model;
static char text[4096];

#define INPUT "name: 'n' # a comment\ninput: \"x\" input_shape { dim: 1 dim: 2 dim: 2 dim: 2 }\n"

/* x: 1 x 2 x 2 x 2, channel by channel, which is how the engine takes it as 1 x 2 x 2 x 2 pixel by pixel. */
static const float pixels[8] = {1, -5, 2, 6, 3, 7, 4, -8};

static struct file network(const char *layers)
{
	snprintf(text, sizeof(text), INPUT "%s", layers);
	return (struct file){(const uint8_t *)text, strlen(text), model.data, model.size};
}

/* A layer of the .caffemodel with up to two blobs, one of which has its numbers packed and the other one by one. */
static void add_weights(const char *name, const float *a, int n_a, const float *b, int n_b)
{
	static struct message layer, blob, shape, packed;

	layer.size = 0;
	message_text(&layer, 1, name);
	for (int k = 0; k < 2 && (k ? b : a); k++) {
		blob.size = shape.size = packed.size = 0;
		message_varint(&shape, 1, (uint64_t)(k ? n_b : n_a));
		message_add(&blob, 7, &shape);
		if (k == 0)
			message_bytes(&blob, 5, a, (size_t)n_a * sizeof(*a));
		for (int i = 0; k && i < n_b; i++)
			message_f32(&blob, 5, b[i]);
		message_add(&layer, 7, &blob);
	}
	message_add(&model, 100, &layer);
}

static void expect(const char *layers, const float *answer, int n)
{
	struct file file = network(layers);
	float output[64];

	imported_run(&file, pixels, sizeof(pixels), output, (size_t)n * sizeof(float));
	for (int i = 0; i < n; i++)
		cr_assert_float_eq(output[i], answer[i], 1e-5, "output %d is %g, not %g", i, (double)output[i],
				   (double)answer[i]);
}

/* 1x1: out0 = c0 + 2 c1 + 1, out1 = -c0 - 1; rectified in place, then averaged. */
Test(import_caffe, a_small_network)
{
	static const float weights[] = {1, 2, -1, 0}, bias[] = {1, -1};
	/* c0 + 2 c1 + 1 of the pixels: -8, 15, 18, -11. */
	static const float rectified[] = {33.0f / 4, 0};

	model.size = 0;
	add_weights("c", weights, 4, bias, 2);
	expect("layer { name: 'c' type: 'Convolution' bottom: 'x' top: 'c' convolution_param { num_output: 2 kernel_size: 1 } }\n"
	       "layer { name: 'r' type: 'ReLU' bottom: 'c' top: 'c' }\n"
	       "layer { name: 'p' type: 'Pooling' bottom: 'c' top: 'p' pooling_param { pool: AVE global_pooling: true } }\n",
	       rectified, 2);
}

/* Older files: layers by number of enumeration, sizes in four fields, numbers one by one. */
Test(import_caffe, a_network_of_the_older_form)
{
	static struct message layer, blob;

	model.size = layer.size = blob.size = 0;
	message_text(&layer, 4, "i");
	message_varint(&blob, 1, 1);
	message_varint(&blob, 2, 1);
	message_varint(&blob, 3, 1);
	message_varint(&blob, 4, 4);
	for (int i = 0; i < 4; i++)
		message_f32(&blob, 5, i == 0);
	message_add(&layer, 6, &blob);
	message_add(&model, 2, &layer);
	expect("layers { name: 'p' type: POOLING bottom: 'x' top: 'p' pooling_param { pool: MAX kernel_size: 2 stride: 2 } }\n"
	       "layers { name: 's' type: SLICE bottom: 'p' top: 'a' top: 'b' slice_param { slice_dim: 1 } }\n"
	       "layers { name: 'e' type: ELTWISE bottom: 'a' bottom: 'b' top: 'y' eltwise_param { operation: SUM coeff: [1, -1] } }\n",
	       (const float[]){4 - 7}, 1);
}

/* Mean and variance are sums over as many as the third blob says. */
Test(import_caffe, batch_norm_and_scale)
{
	static struct message layer, blob;
	static const float mean[] = {2, 4}, variance[] = {8, 2}, factor[] = {2}, scale[] = {3, -1}, shift[] = {1, 0};
	const float *blobs[] = {mean, variance, factor};
	float expected[8];

	model.size = layer.size = 0;
	message_text(&layer, 1, "b");
	for (int i = 0; i < 3; i++) {
		blob.size = 0;
		message_bytes(&blob, 5, blobs[i], (i < 2 ? 2 : 1) * sizeof(float));
		message_varint(&blob, 4, i < 2 ? 2 : 1);
		message_varint(&blob, 1, 1);
		message_varint(&blob, 2, 1);
		message_varint(&blob, 3, 1);
		message_add(&layer, 7, &blob);
	}
	message_add(&model, 100, &layer);
	add_weights("s", scale, 2, shift, 2);
	/* Pixel by pixel: ((x - mean) / sqrt(variance)) * scale + shift; means 1 and 2, variances 4 and 1. */
	for (int i = 0; i < 8; i++) {
		int c = i & 1;
		float x = pixels[i];

		expected[i] = (c ? (x - 2) / 1 : (x - 1) / 2) * scale[c] + shift[c];
	}
	expect("layer { name: 'b' type: 'BatchNorm' bottom: 'x' top: 'x2' batch_norm_param { eps: 0 } }\n"
	       "layer { name: 's' type: 'Scale' bottom: 'x2' top: 'x2' scale_param { bias_term: true } }\n",
	       expected, 8);
}

Test(import_caffe, layers_of_training_are_left_out)
{
	model.size = 0;
	expect("layer { name: 't' type: 'Data' top: 'x' include { phase: TRAIN } }\n"
	       "layer { name: 'f' type: 'Flatten' bottom: 'x' top: 'y' }\n"
	       "layer { name: 'm' type: 'Power' bottom: 'y' top: 'z' power_param { power: 2 scale: 2 shift: 1 } }\n",
	       (const float[]){9, 25, 49, 81, 81, 169, 225, 225}, 8);
}

Test(import_caffe, refusals_name_the_line_or_the_layer)
{
	static const struct {
		const char *layers, *error;
		int rc;
	} cases[] = {
		{"layer { name: 'd' type: 'Dance' bottom: 'x' top: 'y' }", "layer 'd' (Dance): is an unknown layer",
		 -ENOTSUP},
		{"layer { name: 'r' type: 'ReLU' bottom: 'q' top: 'y' }",
		 "layer 'r' (ReLU): reads what nothing before it makes", -EINVAL},
		{"layer { name: 'c' type: 'Convolution' bottom: 'x' top: 'y' convolution_param { num_output: 1 kernel_size: 1 } }",
		 "layer 'c' (Convolution): has no weights in the .caffemodel", -EINVAL},
		{"layer { name: 'c' type: 'Softmax'", "line 3 of the network's text ends within a message", -EINVAL},
		{"layer { name: 'c\n }", "has a text without its end", -EINVAL},
		{"layer }", "has a name without a value", -EINVAL},
		{"layer { name: 's' type: 'ReLU' bottom: 'x' }", "has too few inputs or outputs", -EINVAL},
	};

	model.size = 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct file file = network(cases[i].layers);

		imported_refuse(&file, cases[i].rc, cases[i].error);
	}
}

Test(import_caffe, weights_that_do_not_fit_are_refused)
{
	static const float three[] = {1, 2, 3};
	struct file file;

	model.size = 0;
	add_weights("c", three, 3, NULL, 0);
	file = network("layer { name: 'c' type: 'Convolution' bottom: 'x' top: 'y' convolution_param { num_output: 2 "
		       "kernel_size: 1 bias_term: false } }");
	imported_refuse(&file, -EINVAL, "has weights of another size than it says");
}

Test(import_caffe, cuts_and_damage_are_survived)
{
	static const float weights[] = {1, 2, -1, 0}, bias[] = {1, -1};
	struct file file;

	model.size = 0;
	add_weights("c", weights, 4, bias, 2);
	file = network("layer { name: 'c' type: 'Convolution' bottom: 'x' top: 'c' convolution_param { num_output: 2 "
		       "kernel_size: 1 } }\nlayer { name: 's' type: 'ShuffleChannel' bottom: 'c' top: 'y' "
		       "shuffle_channel_param { group: 2 } }\n");
	imported_survive_cuts(&file, 300);
	imported_survive_damage(&file, 3000);
}
