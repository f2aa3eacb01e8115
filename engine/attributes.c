/* attributes.c - see attributes.h. */
#include "attributes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct attribute {
	char *name;
	int n;
	int64_t *integers; /* one of the three */
	double *numbers;
	char *text;
};

struct engine_attributes {
	struct attribute list[ATTRIBUTES_MAX];
	int n;
};

struct engine_attributes *attributes_new(void)
{
	return calloc(1, sizeof(struct engine_attributes));
}

void attributes_free(struct engine_attributes *attributes)
{
	if (!attributes)
		return;
	for (int i = 0; i < attributes->n; i++) {
		free(attributes->list[i].name);
		free(attributes->list[i].integers);
		free(attributes->list[i].numbers);
		free(attributes->list[i].text);
	}
	free(attributes);
}

/* Takes what the attribute points to, whether it succeeds or not. */
static int add(struct engine_attributes *attributes, const char *name, size_t name_bytes, struct attribute attribute)
{
	bool made = attribute.integers || attribute.numbers || attribute.text;
	int r = attributes->n == ATTRIBUTES_MAX ? -EFBIG : -ENOMEM;

	if (made && attributes->n < ATTRIBUTES_MAX) {
		attribute.name = strndup(name, name_bytes);
		if (attribute.name) {
			attributes->list[attributes->n++] = attribute;
			return 0;
		}
	}
	free(attribute.integers);
	free(attribute.numbers);
	free(attribute.text);
	return r;
}

static void *copy(const void *values, int n, size_t size)
{
	void *data = calloc((size_t)n + 1, size);

	if (data && n)
		memcpy(data, values, (size_t)n * size);
	return data;
}

int attributes_add_integers(struct engine_attributes *attributes, const char *name, size_t name_bytes,
			    const int64_t *values, int n)
{
	return add(attributes, name, name_bytes,
		   (struct attribute){.n = n, .integers = copy(values, n, sizeof(*values))});
}

int attributes_add_numbers(struct engine_attributes *attributes, const char *name, size_t name_bytes,
			   const double *values, int n)
{
	return add(attributes, name, name_bytes,
		   (struct attribute){.n = n, .numbers = copy(values, n, sizeof(*values))});
}

int attributes_add_text(struct engine_attributes *attributes, const char *name, size_t name_bytes, const char *text,
			size_t text_bytes)
{
	return add(attributes, name, name_bytes, (struct attribute){.text = strndup(text, text_bytes)});
}

static const struct attribute *find(const struct engine_attributes *attributes, const char *name)
{
	for (int i = 0; attributes && i < attributes->n; i++)
		if (!strcmp(attributes->list[i].name, name))
			return &attributes->list[i];
	return NULL;
}

int64_t engine_attribute_integer(const struct engine_attributes *attributes, const char *name, int64_t otherwise)
{
	int n;
	const int64_t *integers = engine_attribute_integers(attributes, name, &n);

	return n > 0 ? integers[0] : otherwise;
}

double engine_attribute_number(const struct engine_attributes *attributes, const char *name, double otherwise)
{
	int n;
	const double *numbers = engine_attribute_numbers(attributes, name, &n);

	return n > 0 ? numbers[0] : otherwise;
}

const char *engine_attribute_text(const struct engine_attributes *attributes, const char *name, const char *otherwise)
{
	const struct attribute *attribute = find(attributes, name);

	return attribute && attribute->text ? attribute->text : otherwise;
}

const int64_t *engine_attribute_integers(const struct engine_attributes *attributes, const char *name, int *ret_n)
{
	const struct attribute *attribute = find(attributes, name);

	*ret_n = attribute && attribute->integers ? attribute->n : 0;
	return attribute ? attribute->integers : NULL;
}

const double *engine_attribute_numbers(const struct engine_attributes *attributes, const char *name, int *ret_n)
{
	const struct attribute *attribute = find(attributes, name);

	*ret_n = attribute && attribute->numbers ? attribute->n : 0;
	return attribute ? attribute->numbers : NULL;
}

int attributes_count(const struct engine_attributes *attributes)
{
	return attributes ? attributes->n : 0;
}

void attributes_at(const struct engine_attributes *attributes, int i, struct attributes_entry *ret_entry)
{
	const struct attribute *attribute = &attributes->list[i];

	*ret_entry = (struct attributes_entry){attribute->name, attribute->n, attribute->integers, attribute->numbers,
					       attribute->text};
}

struct engine_attributes *attributes_copy(const struct engine_attributes *attributes)
{
	struct engine_attributes *to = attributes_new();
	int r = to ? 0 : -ENOMEM;

	for (int i = 0; i < attributes_count(attributes) && r == 0; i++) {
		const struct attribute *a = &attributes->list[i];
		size_t length = strlen(a->name);

		r = a->integers	 ? attributes_add_integers(to, a->name, length, a->integers, a->n)
		    : a->numbers ? attributes_add_numbers(to, a->name, length, a->numbers, a->n)
				 : attributes_add_text(to, a->name, length, a->text, strlen(a->text));
	}
	if (r == 0)
		return to;
	attributes_free(to);
	return NULL;
}
