/*
 * npy.c - reading and writing .npy files.
 *
 * A file is the magic, two version bytes, the length of the header (2 bytes in version 1, 4 in version 2, little
 * endian), the header, a Python dictionary in ASCII with the keys descr, fortran_order and shape, and the elements.
 */
#include "npy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	    "\x93NUMPY"
#define MAGIC_BYTES 6
/* The elements start at a multiple of this, as NumPy aligns them. */
#define DATA_ALIGN 64

static const struct npy_type {
	const char *name;
	const char *code; /* of the descr, after the byte order */
	size_t size;
} npy_types[] = {
	{"float32", "f4", 4}, {"float16", "f2", 2}, {"int8", "i1", 1},	{"uint8", "u1", 1},
	{"int16", "i2", 2},   {"int32", "i4", 4},   {"int64", "i8", 8}, {"bool", "b1", 1},
};
#define N_TYPES (sizeof(npy_types) / sizeof(npy_types[0]))

struct cursor {
	const char *at, *end;
};

/* What the dictionary says; seen has a bit for each key. */
struct header {
	const struct npy_type *type;
	int rank;
	int32_t dims[NPY_RANK_MAX];
	unsigned seen;
};
enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

__attribute__((format(printf, 3, 4))) static int fail(struct npy_error *ret_error, int code, const char *format, ...)
{
	va_list arguments;

	if (ret_error) {
		va_start(arguments, format);
		vsnprintf(ret_error->text, sizeof(ret_error->text), format, arguments);
		va_end(arguments);
	}
	return code;
}

static void skip_space(struct cursor *cursor)
{
	while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\t'))
		cursor->at++;
}

static bool take(struct cursor *cursor, char wanted)
{
	skip_space(cursor);
	if (cursor->at == cursor->end || *cursor->at != wanted)
		return false;
	cursor->at++;
	return true;
}

static bool take_word(struct cursor *cursor, const char *word)
{
	size_t length = strlen(word);

	skip_space(cursor);
	if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0)
		return false;
	cursor->at += length;
	return true;
}

/* A quoted string without escapes, which neither a key nor a type of ours needs. */
static bool take_string(struct cursor *cursor, char *ret_text, size_t size)
{
	const char *start;
	char quote;
	size_t length;

	skip_space(cursor);
	if (cursor->at == cursor->end || (*cursor->at != '\'' && *cursor->at != '"'))
		return false;
	quote = *cursor->at++;
	start = cursor->at;
	while (cursor->at < cursor->end && *cursor->at != quote)
		cursor->at++;
	length = (size_t)(cursor->at - start);
	if (cursor->at == cursor->end || length >= size || memchr(start, '\0', length) || memchr(start, '\\', length))
		return false;
	cursor->at++;
	memcpy(ret_text, start, length);
	ret_text[length] = '\0';
	return true;
}

static int parse_descr(struct cursor *cursor, struct header *header, struct npy_error *ret_error)
{
	char descr[16];
	size_t i;

	if (!take_string(cursor, descr, sizeof(descr)))
		return fail(ret_error, -ENOTSUP, "the type is not a plain one (structured or malformed descr)");
	for (i = 0; i < N_TYPES; i++) {
		if (descr[0] == '\0' || strcmp(descr + 1, npy_types[i].code) != 0)
			continue;
		if (descr[0] == '>' && npy_types[i].size > 1)
			return fail(ret_error, -ENOTSUP, "the elements are big-endian (descr '%s')", descr);
		if (!strchr("<>|=", descr[0]))
			break;
		header->type = &npy_types[i];
		return 0;
	}
	return fail(ret_error, -ENOTSUP, "elements of type '%s' are not supported", descr);
}

static int parse_order(struct cursor *cursor, struct npy_error *ret_error)
{
	if (take_word(cursor, "False"))
		return 0;
	if (take_word(cursor, "True"))
		return fail(ret_error, -ENOTSUP, "the array is in Fortran order; save numpy.ascontiguousarray of it");
	return fail(ret_error, -EINVAL, "fortran_order is neither True nor False");
}

static int parse_side(struct cursor *cursor, int32_t *ret_side)
{
	int64_t side = 0;
	const char *start;

	skip_space(cursor);
	for (start = cursor->at; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++) {
		side = side * 10 + (*cursor->at - '0');
		if (side > INT32_MAX)
			return -EFBIG;
	}
	if (cursor->at == start)
		return -EINVAL;
	*ret_side = (int32_t)side;
	return 0;
}

static int parse_shape(struct cursor *cursor, struct header *header, struct npy_error *ret_error)
{
	int err, rank = 0;

	if (!take(cursor, '('))
		return fail(ret_error, -EINVAL, "shape is not a tuple");
	while (!take(cursor, ')')) {
		if (rank == NPY_RANK_MAX)
			return fail(ret_error, -EFBIG, "the array has more than %d axes", NPY_RANK_MAX);
		err = parse_side(cursor, &header->dims[rank]);
		if (err < 0)
			return fail(ret_error, err, "axis %d of shape is %s", rank,
				    err == -EFBIG ? "too long" : "not a number");
		rank++;
		if (take(cursor, ','))
			continue;
		/* (3) is a number in Python, (3,) a tuple. */
		if (rank == 1 || !take(cursor, ')'))
			return fail(ret_error, -EINVAL, "shape is not a tuple");
		break;
	}
	header->rank = rank;
	return 0;
}

static int parse_entry(struct cursor *cursor, struct header *header, struct npy_error *ret_error)
{
	unsigned bit;
	char key[16];
	int err;

	if (!take_string(cursor, key, sizeof(key)) || !take(cursor, ':'))
		return fail(ret_error, -EINVAL, "the header is not a dictionary");
	if (strcmp(key, "descr") == 0) {
		bit = SEEN_DESCR;
		err = parse_descr(cursor, header, ret_error);
	} else if (strcmp(key, "fortran_order") == 0) {
		bit = SEEN_ORDER;
		err = parse_order(cursor, ret_error);
	} else if (strcmp(key, "shape") == 0) {
		bit = SEEN_SHAPE;
		err = parse_shape(cursor, header, ret_error);
	} else {
		return fail(ret_error, -EINVAL, "the header has an unknown key");
	}
	if (err == 0 && (header->seen & bit))
		return fail(ret_error, -EINVAL, "the header says %s twice", key);
	header->seen |= bit;
	return err;
}

static int parse_header(const char *text, size_t length, struct npy_error *ret_error, struct header *header)
{
	struct cursor cursor = {text, text + length};
	int err;

	if (!take(&cursor, '{'))
		return fail(ret_error, -EINVAL, "the header is not a dictionary");
	while (!take(&cursor, '}')) {
		err = parse_entry(&cursor, header, ret_error);
		if (err < 0)
			return err;
		if (take(&cursor, ','))
			continue;
		if (!take(&cursor, '}'))
			return fail(ret_error, -EINVAL, "the header's dictionary does not end");
		break;
	}
	skip_space(&cursor);
	if (cursor.at != cursor.end)
		return fail(ret_error, -EINVAL, "the header goes on after its dictionary");
	if (header->seen != SEEN_ALL)
		return fail(ret_error, -EINVAL, "the header lacks descr, fortran_order or shape");
	return 0;
}

/* Where the header's text lies in the file. */
static int find_header(const uint8_t *file, size_t size, struct npy_error *ret_error, size_t *ret_start,
		       size_t *ret_length)
{
	size_t start, length;

	if (size < MAGIC_BYTES + 4 || memcmp(file, MAGIC, MAGIC_BYTES) != 0)
		return fail(ret_error, -EINVAL, "not an .npy file");
	length = file[8] | (size_t)file[9] << 8;
	if (file[6] == 1) {
		start = 10;
	} else if (file[6] == 2) {
		start = 12;
		if (size < start)
			return fail(ret_error, -EINVAL, "the file ends inside its header");
		length |= (size_t)file[10] << 16 | (size_t)file[11] << 24;
	} else {
		return fail(ret_error, -ENOTSUP, "version %d.%d of .npy is not supported", file[6], file[7]);
	}
	if (length > NPY_HEADER_MAX)
		return fail(ret_error, -EFBIG, "the header of %zu bytes is over the limit of %d", length,
			    NPY_HEADER_MAX);
	if (length > size - start)
		return fail(ret_error, -EINVAL, "the file ends inside its header");
	*ret_start = start;
	*ret_length = length;
	return 0;
}

static int count_bytes(const struct header *header, struct npy_error *ret_error, size_t *ret_bytes)
{
	size_t bytes = header->type->size;
	bool empty = false;
	int i;

	/* A long axis is refused beside an empty one too: the limit holds for what callers multiply. */
	for (i = 0; i < header->rank; i++) {
		empty |= header->dims[i] == 0;
		if (header->dims[i] == 0)
			continue;
		if (__builtin_mul_overflow(bytes, (size_t)header->dims[i], &bytes) || bytes > NPY_BYTES_MAX)
			return fail(ret_error, -EFBIG, "the array is over the limit of %u bytes", NPY_BYTES_MAX);
	}
	*ret_bytes = empty ? 0 : bytes;
	return 0;
}

int npy_parse(const void *file, size_t size, struct npy_error *ret_error, struct npy *ret_array)
{
	size_t start = 0, length = 0, bytes = 0;
	struct header header = {0};
	struct npy array = {0};
	int err;

	err = find_header(file, size, ret_error, &start, &length);
	if (err < 0)
		return err;
	err = parse_header((const char *)file + start, length, ret_error, &header);
	if (err < 0)
		return err;
	err = count_bytes(&header, ret_error, &bytes);
	if (err < 0)
		return err;
	start += length;
	if (size - start != bytes)
		return fail(ret_error, -EINVAL, "the array needs %zu bytes, the file holds %zu", bytes, size - start);
	array.data = malloc(bytes ? bytes : 1);
	if (!array.data)
		return fail(ret_error, -ENOMEM, "out of memory");
	memcpy(array.data, (const uint8_t *)file + start, bytes);
	array.type = header.type->name;
	array.rank = header.rank;
	memcpy(array.dims, header.dims, sizeof(array.dims));
	array.bytes = bytes;
	*ret_array = array;
	return 0;
}

static int read_all(FILE *stream, struct npy_error *ret_error, void **ret_bytes, size_t *ret_size)
{
	struct stat info;
	size_t size;
	void *bytes;

	if (fstat(fileno(stream), &info) < 0)
		return fail(ret_error, -errno, "%s", strerror(errno));
	if (!S_ISREG(info.st_mode))
		return fail(ret_error, -EINVAL, "not a regular file");
	if (info.st_size > (off_t)NPY_BYTES_MAX + NPY_HEADER_MAX + 12)
		return fail(ret_error, -EFBIG, "the file is over the limit of %u bytes", NPY_BYTES_MAX);
	size = (size_t)info.st_size;
	bytes = malloc(size ? size : 1);
	if (!bytes)
		return fail(ret_error, -ENOMEM, "out of memory");
	if (fread(bytes, 1, size, stream) != size) {
		free(bytes);
		return fail(ret_error, -EIO, "could not be read whole");
	}
	*ret_bytes = bytes;
	*ret_size = size;
	return 0;
}

int npy_read(const char *path, struct npy_error *ret_error, struct npy *ret_array)
{
	FILE *stream = fopen(path, "rbe");
	void *bytes = NULL;
	size_t size = 0;
	int err;

	if (!stream)
		return fail(ret_error, -errno, "%s", strerror(errno));
	err = read_all(stream, ret_error, &bytes, &size);
	fclose(stream);
	if (err < 0)
		return err;
	err = npy_parse(bytes, size, ret_error, ret_array);
	free(bytes);
	return err;
}

/* Magic, version, length and dictionary, padded with spaces and ended by a newline.  Returns the bytes written. */
static size_t format_header(const struct npy *array, const struct npy_type *type, char ret_text[512])
{
	char dict[256];
	size_t length, total;
	int i, n;

	n = snprintf(dict, sizeof(dict), "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
		     type->size == 1 ? '|' : '<', type->code);
	for (i = 0; i < array->rank; i++)
		n += snprintf(dict + n, sizeof(dict) - (size_t)n, "%s%d%s", i ? " " : "", array->dims[i],
			      i + 1 < array->rank || array->rank == 1 ? "," : "");
	n += snprintf(dict + n, sizeof(dict) - (size_t)n, "), }");
	total = ((size_t)n + 11 + DATA_ALIGN - 1) / DATA_ALIGN * DATA_ALIGN;
	length = total - 10;
	memset(ret_text, ' ', total);
	memcpy(ret_text, MAGIC "\x01", MAGIC_BYTES + 2); /* version 1, and 0 from the literal's end */
	ret_text[8] = (char)(length & 0xff);
	ret_text[9] = (char)(length >> 8);
	memcpy(ret_text + 10, dict, (size_t)n);
	ret_text[total - 1] = '\n';
	return total;
}

int npy_write(const char *path, const struct npy *array, struct npy_error *ret_error)
{
	const struct npy_type *type = NULL;
	char header[512];
	size_t i, length;
	FILE *stream;
	bool good;

	for (i = 0; i < N_TYPES; i++)
		if (strcmp(npy_types[i].name, array->type) == 0)
			type = &npy_types[i];
	if (!type || array->rank < 0 || array->rank > NPY_RANK_MAX)
		return fail(ret_error, -EINVAL, "an array of type %s and %d axes cannot be written", array->type,
			    array->rank);
	stream = fopen(path, "wbe");
	if (!stream)
		return fail(ret_error, -errno, "%s", strerror(errno));
	length = format_header(array, type, header);
	good = fwrite(header, 1, length, stream) == length &&
	       fwrite(array->data, 1, array->bytes, stream) == array->bytes;
	/* The close flushes, so it is where a full disk may show. */
	if (fclose(stream) != 0)
		good = false;
	if (good)
		return 0;
	unlink(path);
	return fail(ret_error, -EIO, "could not be written whole");
}

void npy_finish(struct npy *array)
{
	free(array->data);
	array->data = NULL;
}
