/* tensors.c - see tensors.h. */
#include "tensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define SHOWN 6 /* numbers of a tensor, for people */

static double half_to_double(uint16_t half)
{
	int exponent = half >> 10 & 31, fraction = half & 1023;
	double value = exponent == 31 ? (fraction ? NAN : INFINITY)
		       : exponent     ? ldexp(1024 + fraction, exponent - 25)
				      : ldexp(fraction, -24);

	return half & 0x8000 ? -value : value;
}

static double element(const struct inferd_tensor *tensor, size_t index)
{
	switch (tensor->type) {
	case INFERD_F16:
		return half_to_double(((const uint16_t *)tensor->data)[index]);
	case INFERD_S8:
		return ((const int8_t *)tensor->data)[index];
	case INFERD_S16:
		return ((const int16_t *)tensor->data)[index];
	case INFERD_U16:
		return ((const uint16_t *)tensor->data)[index];
	case INFERD_S32:
		return ((const int32_t *)tensor->data)[index];
	case INFERD_U32:
		return ((const uint32_t *)tensor->data)[index];
	case INFERD_U8:
	case INFERD_BOOL:
		return ((const uint8_t *)tensor->data)[index];
	default:
		return (double)((const float *)tensor->data)[index];
	}
}

/* A float has nine digits; integers of 64 bits have more than a double. */
static void print_element(const struct inferd_tensor *tensor, size_t index)
{
	double value;

	if (tensor->type == INFERD_S64) {
		printf("%" PRId64, ((const int64_t *)tensor->data)[index]);
	} else if (tensor->type == INFERD_U64) {
		printf("%" PRIu64, ((const uint64_t *)tensor->data)[index]);
	} else {
		value = element(tensor, index);
		if (isfinite(value))
			printf("%.9g", value);
		else
			fputs("null", stdout);
	}
}

/* 1 for a scalar. */
static size_t count_elements(const struct inferd_tensor *tensor)
{
	size_t count = 1;

	for (uint32_t i = 0; i < tensor->rank; i++)
		count *= tensor->dims[i];
	return count;
}

static void json_tensor(const struct inferd_tensor *tensor)
{
	size_t count = count_elements(tensor);

	fputs("{\"name\":", stdout);
	cli_json_text(tensor->name);
	printf(",\"type\":\"%s\",\"shape\":[", inferd_type_name(tensor->type));
	for (uint32_t i = 0; i < tensor->rank; i++)
		printf("%s%" PRIu32, i ? "," : "", tensor->dims[i]);
	putchar(']');
	if (tensor->scale > 0)
		printf(",\"scale\":%.9g,\"zero_point\":%" PRId32, (double)tensor->scale, tensor->zero_point);
	fputs(",\"data\":[", stdout);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? "," : "", stdout);
		print_element(tensor, i);
	}
	fputs("]}", stdout);
}

void tensors_json(const struct inferd_result *result)
{
	if (!result->n_tensors)
		return;
	for (size_t i = 0; i < result->n_tensors; i++) {
		fputs(i ? "," : ",\"tensors\":[", stdout);
		json_tensor(&result->tensors[i]);
	}
	putchar(']');
}

void tensors_print(const struct inferd_result *result)
{
	for (size_t i = 0; i < result->n_tensors; i++) {
		const struct inferd_tensor *tensor = &result->tensors[i];
		size_t count = count_elements(tensor);

		printf("  tensor %s, %s", tensor->name, inferd_type_name(tensor->type));
		for (uint32_t j = 0; j < tensor->rank; j++)
			printf("%s%" PRIu32, j ? "x" : " of ", tensor->dims[j]);
		putchar(':');
		for (size_t j = 0; j < count && j < SHOWN; j++) {
			putchar(' ');
			print_element(tensor, j);
		}
		puts(count > SHOWN ? " ..." : "");
	}
}
