/*
 * test_npy.c - the .npy reader against good, odd and hostile files, and the writer against the reader.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"
#include "tools/inferd-model/npy.h"

TEST_SUITE(npy);

/* Lays out a file of this version with this dictionary and n_data bytes 0, 1, 2 ...; returns its size. */
static size_t build(uint8_t *file, int version, const char *dict, size_t n_data)
{
	size_t length = strlen(dict), start = version == 1 ? 10 : 12;

	memcpy(file, "\x93NUMPY", 6);
	file[6] = (uint8_t)version;
	file[7] = 0;
	for (size_t i = 8; i < start; i++)
		file[i] = (uint8_t)(length >> (8 * (i - 8)));
	memcpy(file + start, dict, length);
	for (size_t i = 0; i < n_data; i++)
		file[start + length + i] = (uint8_t)i;
	return start + length + n_data;
}

/* Parses a version 1 file from memory of exactly its size, so that a read beyond it is seen. */
static int parse(const char *dict, size_t n_data, struct npy *ret_array)
{
	uint8_t file[1024], *exact;
	size_t size = build(file, 1, dict, n_data);
	struct npy_error error = {""};
	int r;

	exact = malloc(size);
	memcpy(exact, file, size);
	r = npy_parse(exact, size, &error, ret_array);
	free(exact);
	cr_assert_eq(r < 0, error.text[0] != '\0', "an error has a sentence, a success none: %s", error.text);
	return r;
}

static void expect_error(int wanted, const char *dict, size_t n_data)
{
	struct npy array = {.rank = 77};
	int r = parse(dict, n_data, &array);

	cr_assert_eq(r, wanted, "%s gave %d, not %d", dict, r, wanted);
	cr_assert_eq(array.rank, 77, "the output was touched");
}

static void expect_array(const char *dict, size_t n_data, const char *type, int rank, const int32_t *dims)
{
	struct npy array = {0};

	cr_assert_eq(parse(dict, n_data, &array), 0, "%s", dict);
	cr_assert_str_eq(array.type, type);
	cr_assert_eq(array.rank, rank);
	for (int i = 0; i < rank; i++)
		cr_assert_eq(array.dims[i], dims[i]);
	cr_assert_eq(array.bytes, n_data);
	for (size_t i = 0; i < n_data; i++)
		cr_assert_eq(((uint8_t *)array.data)[i], (uint8_t)i);
	npy_finish(&array);
	cr_assert_null(array.data);
}

Test(npy, reads_types_and_shapes)
{
	expect_array("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }    \n", 24, "float32", 2,
		     (int32_t[]){2, 3});
	expect_array("{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }\n", 5, "uint8", 1, (int32_t[]){5});
	expect_array("{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n", 8, "int64", 0, NULL);
	expect_array("{'descr': '|b1', 'fortran_order': False, 'shape': (1, 2, 2, 1), }\n", 4, "bool", 4,
		     (int32_t[]){1, 2, 2, 1});
	expect_array("{'descr': '<f2', 'fortran_order': False, 'shape': (0, 7), }\n", 0, "float16", 2,
		     (int32_t[]){0, 7});
}

Test(npy, reads_any_order_and_spacing_of_the_header)
{
	expect_array("{\"shape\":(3,),\"fortran_order\":False,\"descr\":\"<i2\"}", 6, "int16", 1, (int32_t[]){3});
	expect_array("  { 'fortran_order' : False , 'shape' : ( 2 , 1 , ) , 'descr' : '=i4' } ", 8, "int32", 2,
		     (int32_t[]){2, 1});
}

Test(npy, reads_version_2)
{
	static const char dict[] = "{'descr': '|i1', 'fortran_order': False, 'shape': (4,), }\n";
	struct npy array = {0};
	uint8_t file[256];
	size_t size = build(file, 2, dict, 4);

	cr_assert_eq(npy_parse(file, size, NULL, &array), 0);
	cr_assert_str_eq(array.type, "int8");
	cr_assert_eq(array.bytes, 4);
	npy_finish(&array);
	file[6] = 3;
	cr_assert_eq(npy_parse(file, size, NULL, &array), -ENOTSUP);
}

Test(npy, refuses_fortran_order_and_foreign_types)
{
	expect_error(-ENOTSUP, "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", 4);
	expect_error(-ENOTSUP, "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", 4);
	expect_error(-ENOTSUP, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", 8);
	expect_error(-ENOTSUP, "{'descr': '?f4', 'fortran_order': False, 'shape': (1,), }", 4);
	expect_error(-ENOTSUP, "{'descr': '', 'fortran_order': False, 'shape': (1,), }", 4);
	expect_error(-ENOTSUP, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4);
	expect_error(-ENOTSUP, "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8);
}

Test(npy, refuses_wrong_amount_of_data)
{
	expect_error(-EINVAL, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 7);
	expect_error(-EINVAL, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 9);
	expect_error(-EINVAL, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 0);
}

Test(npy, refuses_shapes_that_overflow)
{
	expect_error(-EFBIG, "{'descr': '<f4', 'fortran_order': False, 'shape': (1073741824,), }", 4);
	expect_error(-EFBIG, "{'descr': '|u1', 'fortran_order': False, 'shape': (2147483648,), }", 4);
	expect_error(-EFBIG, "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999999,), }", 4);
	/* 2^64 bytes, and 2^64 + 4. */
	expect_error(-EFBIG, "{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536, 65536, 16384), }", 0);
	expect_error(-EFBIG, "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 1108378657, 3328151233), }", 4);
	expect_error(-EFBIG, "{'descr': '|u1', 'fortran_order': False, 'shape': (0, 2147483647, 2147483647), }", 0);
	expect_error(-EFBIG, "{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 1);
}

Test(npy, refuses_malformed_headers)
{
	static const char *const dicts[] = {
		"",
		"{",
		"}",
		"{}",
		"x",
		"{'descr'",
		"{'descr",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (1,",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
		"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}",
		"{'descr': '<f4', 'fortran_order': False}",
		"{'descr': '<f4', 'shape': (1,)}",
		"{'fortran_order': False, 'shape': (1,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
		"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} {",
		"{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
		"{'a key that is much too long for one of ours': 1}",
	};

	for (size_t i = 0; i < sizeof(dicts) / sizeof(dicts[0]); i++)
		expect_error(-EINVAL, dicts[i], 4);
}

Test(npy, every_truncation_is_an_error)
{
	static const char dict[] = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2), }\n";

	for (int version = 1; version <= 2; version++) {
		uint8_t file[256];
		size_t size = build(file, version, dict, 16);

		for (size_t cut = 0; cut < size; cut++) {
			uint8_t *exact = malloc(cut ? cut : 1);
			struct npy array = {0};

			memcpy(exact, file, cut);
			cr_assert_lt(npy_parse(exact, cut, NULL, &array), 0, "cut at %zu", cut);
			free(exact);
		}
	}
}

Test(npy, header_length_is_bounded)
{
	static const char dict[] = "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }\n";
	struct npy array = {0};
	uint8_t file[256];
	size_t size = build(file, 2, dict, 4);

	memset(file + 8, 0xff, 4);
	cr_assert_eq(npy_parse(file, size, NULL, &array), -EFBIG);
	size = build(file, 1, dict, 4);
	memset(file + 8, 0xff, 2);
	cr_assert_eq(npy_parse(file, size, NULL, &array), -EINVAL);
}

Test(npy, random_damage_never_reads_outside)
{
	static const char dict[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1), }\n";
	uint8_t good[256];
	size_t size = build(good, 1, dict, 12);

	for (int round = 0; round < 20000; round++) {
		uint8_t *file = malloc(size);
		struct npy array = {0};

		memcpy(file, good, size);
		for (int64_t n = test_random_range(1, 4); n > 0; n--)
			file[test_random_range(0, (int64_t)size - 1)] = (uint8_t)test_random_range(0, 255);
		if (npy_parse(file, size, NULL, &array) == 0) {
			cr_assert_leq(array.bytes, size);
			npy_finish(&array);
		}
		free(file);
	}
}

/* ---- files ------------------------------------------------------------------------------------- */

static void temporary(char path[32])
{
	int fd;

	strcpy(path, "/tmp/test_npy_XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	close(fd);
}

static void round_trip(const char *type, size_t size, int rank, const int32_t *dims)
{
	struct npy out = {.type = type, .rank = rank, .bytes = size}, in = {0};
	struct npy_error error = {""};
	char path[32];
	struct stat info;

	for (int i = 0; i < rank; i++) {
		out.dims[i] = dims[i];
		out.bytes *= (size_t)dims[i];
	}
	out.data = malloc(out.bytes);
	for (size_t i = 0; i < out.bytes; i++)
		((uint8_t *)out.data)[i] = (uint8_t)test_random();
	temporary(path);
	cr_assert_eq(npy_write(path, &out, &error), 0, "%s", error.text);
	cr_assert_eq(npy_read(path, &error, &in), 0, "%s", error.text);
	cr_assert_eq(stat(path, &info), 0);
	cr_assert_eq(((size_t)info.st_size - out.bytes) % 64, 0, "the elements are not aligned");
	cr_assert_str_eq(in.type, type);
	cr_assert_eq(in.rank, rank);
	cr_assert_arr_eq(in.dims, out.dims, sizeof(in.dims));
	cr_assert_eq(in.bytes, out.bytes);
	cr_assert_arr_eq(in.data, out.data, out.bytes);
	unlink(path);
	npy_finish(&in);
	npy_finish(&out);
}

Test(npy, what_is_written_is_read_back)
{
	round_trip("float32", 4, 4, (int32_t[]){1, 3, 5, 7});
	round_trip("uint8", 1, 1, (int32_t[]){1001});
	round_trip("int64", 8, 0, NULL);
	round_trip("int32", 4, 2, (int32_t[]){2, 9});
	round_trip("bool", 1, 8, (int32_t[]){1, 2, 1, 2, 1, 2, 1, 2});
}

Test(npy, header_is_as_numpy_writes_it)
{
	static const char wanted[] = "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, "
				     "'shape': (1, 2), }";
	float values[2] = {1, 2};
	struct npy array = {.type = "float32", .rank = 2, .dims = {1, 2}, .bytes = sizeof(values), .data = values};
	char path[32], file[256] = {0};
	FILE *stream;

	temporary(path);
	cr_assert_eq(npy_write(path, &array, NULL), 0);
	stream = fopen(path, "rb");
	cr_assert_not_null(stream);
	cr_assert_eq(fread(file, 1, sizeof(file), stream), 136);
	fclose(stream);
	unlink(path);
	cr_assert_arr_eq(file, wanted, sizeof(wanted) - 1);
	cr_assert_eq(file[127], '\n');
	cr_assert_arr_eq(file + 128, values, sizeof(values));
}

Test(npy, file_errors_are_forwarded)
{
	struct npy array = {.type = "float32", .rank = 0, .bytes = 4, .data = (float[]){1}};
	struct npy_error error = {""};

	cr_assert_eq(npy_read("/nonexistent/x.npy", &error, &array), -ENOENT);
	cr_assert_neq(error.text[0], '\0');
	cr_assert_eq(npy_read("/dev/null", &error, &array), -EINVAL);
	cr_assert_eq(npy_read("/tmp", &error, &array), -EINVAL);
	cr_assert_eq(npy_write("/nonexistent/x.npy", &array, &error), -ENOENT);
	array.type = "complex64";
	cr_assert_eq(npy_write("/tmp/test_npy_never", &array, &error), -EINVAL);
}
