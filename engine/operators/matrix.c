/* matrix.c - products of matrices, of any rank and type, and what is computed of one matrix. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "operators.h"

/* ---- MatMul and its integer forms --------------------------------------------------------------- */

struct product {
	const struct engine_tensor *a, *b;
	struct engine_tensor batch; /* shape of the axes before the matrices, broadcast */
	int32_t m, n, k;
	bool a_vector, b_vector; /* an axis of one is added, and is not in the output */
};

static int read_product(struct engine_call *call, int a, int b, struct product *p)
{
	struct engine_tensor lead_a, lead_b;
	int r;

	p->a = call->inputs[a];
	p->b = call->inputs[b];
	if (p->a->rank < 1 || p->b->rank < 1)
		return call_fail(call, -EINVAL, "multiplies single numbers");
	p->a_vector = p->a->rank == 1;
	p->b_vector = p->b->rank == 1;
	p->k = p->a->dims[p->a->rank - 1];
	p->m = p->a_vector ? 1 : p->a->dims[p->a->rank - 2];
	p->n = p->b_vector ? 1 : p->b->dims[p->b->rank - 1];
	if (p->b->dims[p->b_vector ? 0 : p->b->rank - 2] != p->k)
		return call_fail(call, -EINVAL, "multiplies rows of %d by columns of %d", p->k,
				 p->b->dims[p->b_vector ? 0 : p->b->rank - 2]);
	lead_a = *p->a;
	lead_b = *p->b;
	lead_a.rank = p->a_vector ? 0 : lead_a.rank - 2;
	lead_b.rank = p->b_vector ? 0 : lead_b.rank - 2;
	p->batch = lead_a;
	r = call_broadcast(call, &p->batch, &lead_b);
	return r;
}

static int set_product(struct engine_call *call, const struct product *p, enum engine_type type)
{
	int32_t dims[ENGINE_RANK_MAX + 2];
	int rank = p->batch.rank, r;

	memcpy(dims, p->batch.dims, (size_t)rank * sizeof(*dims));
	if (!p->a_vector)
		dims[rank++] = p->m;
	if (!p->b_vector)
		dims[rank++] = p->n;
	r = call_set(call, 0, type, rank, dims);
	call->macs = r == 0 ? (uint64_t)tensor_count(call->outputs[0]) * (uint64_t)p->k : 0;
	return r;
}

/* Walks the products of a stack. */
static void open_batch(const struct product *p, struct odometer *o)
{
	struct engine_tensor lead_a = *p->a, lead_b = *p->b;

	lead_a.rank = p->a_vector ? 0 : lead_a.rank - 2;
	lead_b.rank = p->b_vector ? 0 : lead_b.rank - 2;
	odometer_init(o, p->batch.rank, p->batch.dims);
	odometer_add(o, &lead_a);
	odometer_add(o, &lead_b);
}

/* Floats, row by row; double sums would not be worth their time here. */
static void multiply_f32(const struct product *p, const float *a, const float *b, float *y)
{
	for (int32_t i = 0; i < p->m; i++) {
		float *row = y + (size_t)i * (size_t)p->n;

		memset(row, 0, (size_t)p->n * sizeof(*row));
		for (int32_t k = 0; k < p->k; k++) {
			float factor = a[(size_t)i * (size_t)p->k + (size_t)k];
			const float *from = b + (size_t)k * (size_t)p->n;

			for (int32_t j = 0; j < p->n; j++)
				row[j] += factor * from[j];
		}
	}
}

/* Zero points and scales of rows of a and of columns of b; NULL: none. */
struct parameters {
	const struct engine_tensor *a_zero, *b_zero, *a_scale, *b_scale;
};

static double at_or_first(const struct engine_tensor *list, size_t i, double otherwise)
{
	size_t n = list ? tensor_count(list) : 0;

	return n ? tensor_real(list, n == 1 ? 0 : i % n) : otherwise;
}

static double dot(const struct product *p, const struct parameters *q, size_t a, size_t b, size_t row, size_t column)
{
	double sum = 0, a_zero = at_or_first(q->a_zero, row, 0), b_zero = at_or_first(q->b_zero, column, 0);

	for (size_t k = 0; k < (size_t)p->k; k++)
		sum += (tensor_real(p->a, a + row * (size_t)p->k + k) - a_zero) *
		       (tensor_real(p->b, b + k * (size_t)p->n + column) - b_zero);
	return sum;
}

static int run_products(struct engine_call *call, const struct product *p, const struct parameters *q,
			const struct engine_tensor *y_scale, const struct engine_tensor *y_zero)
{
	struct engine_tensor *y = call->outputs[0];
	size_t m = (size_t)p->m, n = (size_t)p->n, each = m * n;
	struct odometer o;

	/* However many of nothing there are. */
	if (!each)
		return 0;
	for (open_batch(p, &o); !o.done; odometer_next(&o)) {
		size_t a = (size_t)o.offset[0] * m * (size_t)p->k, b = (size_t)o.offset[1] * (size_t)p->k * n;

		if (p->a->type == ENGINE_F32 && p->b->type == ENGINE_F32 && !q->a_zero && !q->b_zero && !y_scale) {
			multiply_f32(p, (const float *)p->a->data + a, (const float *)p->b->data + b,
				     (float *)y->data + o.index * each);
			continue;
		}
		for (size_t i = 0; i < each; i++) {
			double value = dot(p, q, a, b, i / n, i % n);

			if (y_scale)
				value = rint(value * at_or_first(q->a_scale, i / n, 1) *
					     at_or_first(q->b_scale, i % n, 1) / tensor_real(y_scale, 0)) +
					tensor_real(y_zero, 0);
			tensor_put_real(y, o.index * each + i, value);
		}
	}
	return 0;
}

static int infer_matmul(struct engine_call *call)
{
	struct product p;
	int r = read_product(call, 0, 1, &p);

	return r < 0 ? r : set_product(call, &p, p.a->type);
}

static int run_matmul(struct engine_call *call)
{
	struct product p;

	read_product(call, 0, 1, &p);
	return run_products(call, &p, &(struct parameters){0}, NULL, NULL);
}

static int infer_matmul_integer(struct engine_call *call)
{
	struct product p;
	int r = read_product(call, 0, 1, &p);

	return r < 0 ? r : set_product(call, &p, ENGINE_S32);
}

static int run_matmul_integer(struct engine_call *call)
{
	struct product p;

	read_product(call, 0, 1, &p);
	return run_products(call, &p, &(struct parameters){call_input(call, 2), call_input(call, 3), NULL, NULL}, NULL,
			    NULL);
}

/* a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero. */
static int infer_qlinear_matmul(struct engine_call *call)
{
	struct product p;
	int r = read_product(call, 0, 3, &p);

	if (r == 0 && (tensor_count(call->inputs[6]) != 1 || tensor_count(call->inputs[7]) != 1))
		return call_fail(call, -ENOTSUP, "quantises its output by row");
	for (int i = 1; i < 6 && r == 0; i++)
		if (i != 3 && !tensor_count(call->inputs[i]))
			return call_fail(call, -EINVAL, "has no scale or zero point");
	return r < 0 ? r : set_product(call, &p, call->inputs[7]->type);
}

static int run_qlinear_matmul(struct engine_call *call)
{
	struct parameters q = {call->inputs[2], call->inputs[5], call->inputs[1], call->inputs[4]};
	struct product p;

	read_product(call, 0, 3, &p);
	return run_products(call, &p, &q, call->inputs[6], call->inputs[7]);
}

/* ---- Gemm --------------------------------------------------------------------------------------- */

static int infer_gemm(struct engine_call *call)
{
	const struct engine_tensor *a = call->inputs[0], *b = call->inputs[1];
	bool turn_a = engine_attribute_integer(call->attributes, "transA", 0) != 0;
	bool turn_b = engine_attribute_integer(call->attributes, "transB", 0) != 0;
	struct engine_tensor shape = {.type = a->type, .rank = 2};
	int r = 0;

	if (a->rank != 2 || b->rank != 2 || a->type != b->type || a->dims[turn_a ? 0 : 1] != b->dims[turn_b ? 1 : 0])
		return call_fail(call, -EINVAL, "multiplies matrices that do not fit");
	shape.dims[0] = a->dims[turn_a ? 1 : 0];
	shape.dims[1] = b->dims[turn_b ? 0 : 1];
	if (call_input(call, 2)) {
		struct engine_tensor whole = shape;

		r = call_broadcast(call, &whole, call->inputs[2]);
		if (r == 0 && memcmp(whole.dims, shape.dims, sizeof(whole.dims)) != 0)
			r = call_fail(call, -EINVAL, "adds something larger than the product");
	}
	call->macs = (uint64_t)tensor_count(a) * (uint64_t)shape.dims[1];
	return r < 0 ? r : call_set_like(call, 0, &shape);
}

static int run_gemm(struct engine_call *call)
{
	const struct engine_tensor *a = call->inputs[0], *b = call->inputs[1], *c = call_input(call, 2);
	double alpha = engine_attribute_number(call->attributes, "alpha", 1);
	double beta = engine_attribute_number(call->attributes, "beta", 1);
	bool turn_a = engine_attribute_integer(call->attributes, "transA", 0) != 0;
	bool turn_b = engine_attribute_integer(call->attributes, "transB", 0) != 0;
	size_t m = (size_t)call->outputs[0]->dims[0], n = (size_t)call->outputs[0]->dims[1];
	size_t count = (size_t)a->dims[turn_a ? 0 : 1];
	struct odometer o;

	odometer_init(&o, 2, call->outputs[0]->dims);
	if (c)
		odometer_add(&o, c);
	for (; !o.done; odometer_next(&o)) {
		size_t row = o.index / n, column = o.index % n;
		double sum = 0;

		for (size_t k = 0; k < count; k++)
			sum += tensor_real(a, turn_a ? k * m + row : row * count + k) *
			       tensor_real(b, turn_b ? column * count + k : k * n + column);
		tensor_put_real(call->outputs[0], o.index,
				alpha * sum + (c ? beta * tensor_real(c, (size_t)o.offset[0]) : 0));
	}
	return 0;
}

/* ---- Einsum ------------------------------------------------------------------------------------- */

#define LABELS_MAX    12 /* different ones, those of an ellipsis included */
#define OPERANDS_MAX  3
#define ELLIPSIS_BASE 200 /* labels of the axes of an ellipsis, counted from the last */

struct einsum {
	int n_labels, n_out; /* the first n_out labels are the output's */
	unsigned char labels[LABELS_MAX];
	int32_t dims[LABELS_MAX];
	ptrdiff_t stride[OPERANDS_MAX][LABELS_MAX];
};

static int label_index(struct engine_call *call, struct einsum *e, unsigned char label)
{
	for (int i = 0; i < e->n_labels; i++)
		if (e->labels[i] == label)
			return i;
	if (e->n_labels == LABELS_MAX)
		return call_fail(call, -ENOTSUP, "has over %d labels", LABELS_MAX);
	e->labels[e->n_labels] = label;
	e->dims[e->n_labels] = -1;
	return e->n_labels++;
}

/* The labels of one operand's axes, an ellipsis standing for those that are left; their number. */
static int read_term(struct engine_call *call, const char *term, size_t length, int rank, unsigned char *ret)
{
	int n = 0, letters = 0;

	for (size_t i = 0; i < length; i++)
		letters += isalpha((unsigned char)term[i]) != 0;
	for (size_t i = 0; i < length; i++) {
		if (isspace((unsigned char)term[i]))
			continue;
		if (term[i] == '.') {
			for (int k = rank - letters; k > 0 && n < ENGINE_RANK_MAX; k--)
				ret[n++] = (unsigned char)(ELLIPSIS_BASE + k);
			i += 2;
			continue;
		}
		if (!isalpha((unsigned char)term[i]) || n == ENGINE_RANK_MAX)
			return call_fail(call, -EINVAL, "has an equation that cannot be read");
		ret[n++] = (unsigned char)term[i];
	}
	return n;
}

static int add_operand(struct engine_call *call, struct einsum *e, int operand, const unsigned char *term, int n)
{
	const struct engine_tensor *x = call->inputs[operand];
	ptrdiff_t dense[ENGINE_RANK_MAX];

	if (n != x->rank)
		return call_fail(call, -EINVAL, "has %d labels for %d axes", n, x->rank);
	tensor_strides(x, dense);
	for (int i = 0; i < n; i++) {
		int label = label_index(call, e, term[i]);

		if (label < 0)
			return label;
		if (e->dims[label] >= 0 && e->dims[label] != x->dims[i] && e->dims[label] != 1 && x->dims[i] != 1)
			return call_fail(call, -EINVAL, "has a label of %d and %d", e->dims[label], x->dims[i]);
		if (e->dims[label] < x->dims[i])
			e->dims[label] = x->dims[i];
		if (x->dims[i] != 1)
			e->stride[operand][label] += dense[i];
	}
	return 0;
}

/* Without "->" the output has the labels that come once, in order of the alphabet, behind an ellipsis. */
static int implicit_output(const char *inputs, size_t length, unsigned char *ret, int most_dots)
{
	int n = 0;

	for (int k = most_dots; k > 0 && n < ENGINE_RANK_MAX; k--)
		ret[n++] = (unsigned char)(ELLIPSIS_BASE + k);
	for (int label = 'A'; label <= 'z'; label++) {
		int count = 0;

		for (size_t i = 0; i < length; i++)
			count += inputs[i] == label;
		if (count == 1 && isalpha(label) && n < ENGINE_RANK_MAX)
			ret[n++] = (unsigned char)label;
	}
	return n;
}

static int read_einsum(struct engine_call *call, struct einsum *e)
{
	const char *equation = engine_attribute_text(call->attributes, "equation", ""), *arrow = strstr(equation, "->");
	size_t length = arrow ? (size_t)(arrow - equation) : strlen(equation);
	unsigned char terms[OPERANDS_MAX][ENGINE_RANK_MAX], out[ENGINE_RANK_MAX];
	int n_terms[OPERANDS_MAX], n_out, dots = 0, r = 0;
	const char *term = equation;

	*e = (struct einsum){0};
	if (call->n_inputs > OPERANDS_MAX)
		return call_fail(call, -ENOTSUP, "has over %d operands", OPERANDS_MAX);
	for (int i = 0; i < call->n_inputs; i++) {
		const char *end = memchr(term, ',', (size_t)(equation + length - term));
		size_t bytes = end ? (size_t)(end - term) : (size_t)(equation + length - term);
		int most = 0;

		if (!end && i + 1 < call->n_inputs)
			return call_fail(call, -EINVAL, "has an equation of fewer operands");
		n_terms[i] = read_term(call, term, bytes, call->inputs[i]->rank, terms[i]);
		for (int k = 0; k < n_terms[i]; k++)
			most += terms[i][k] > ELLIPSIS_BASE;
		dots = most > dots ? most : dots;
		if (n_terms[i] < 0)
			return n_terms[i];
		term = end ? end + 1 : term + bytes;
	}
	if (arrow) {
		const char *t = arrow + 2;
		int letters = 0;

		for (const char *c = t; *c; c++)
			letters += isalpha((unsigned char)*c) != 0;
		n_out = read_term(call, t, strlen(t), letters + dots, out);
	} else {
		n_out = implicit_output(equation, length, out, dots);
	}
	for (int i = 0; i < n_out; i++)
		if (label_index(call, e, out[i]) != i)
			return call_fail(call, -EINVAL, "has an output with a label twice");
	e->n_out = n_out;
	for (int i = 0; i < call->n_inputs && n_out >= 0 && r == 0; i++)
		r = add_operand(call, e, i, terms[i], n_terms[i]);
	for (int i = 0; i < e->n_labels && r == 0; i++)
		if (e->dims[i] < 0)
			r = call_fail(call, -EINVAL, "has an output label that no operand has");
	return n_out < 0 ? n_out : r;
}

static int infer_einsum(struct engine_call *call)
{
	struct einsum e;
	int r = read_einsum(call, &e);
	double products = 1;

	for (int i = 0; r == 0 && i < e.n_labels; i++)
		products *= e.dims[i];
	if (products > 1e12)
		return call_fail(call, -EFBIG, "has %g products", products);
	call->macs = (uint64_t)products;
	return r < 0 ? r : call_set(call, 0, call->inputs[0]->type, e.n_out, e.dims);
}

static int run_einsum(struct engine_call *call)
{
	struct engine_tensor *y = call->outputs[0];
	struct einsum e;
	size_t inner = 1;

	read_einsum(call, &e);
	for (int i = e.n_out; i < e.n_labels; i++)
		inner *= (size_t)e.dims[i];
	for (size_t i = 0; i < tensor_count(y); i++) {
		double sum = 0;

		for (size_t k = 0; k < inner; k++) {
			size_t outer_rest = i, inner_rest = k;
			ptrdiff_t at[OPERANDS_MAX] = {0};
			double product = 1;

			for (int l = e.n_labels - 1; l >= 0; l--) {
				size_t *rest = l < e.n_out ? &outer_rest : &inner_rest;
				ptrdiff_t index = (ptrdiff_t)(*rest % (size_t)e.dims[l]);

				*rest /= (size_t)e.dims[l];
				for (int o = 0; o < call->n_inputs; o++)
					at[o] += index * e.stride[o][l];
			}
			for (int o = 0; o < call->n_inputs; o++)
				product *= tensor_real(call->inputs[o], (size_t)at[o]);
			sum += product;
		}
		tensor_put_real(y, i, sum);
	}
	return 0;
}

/* ---- Det ---------------------------------------------------------------------------------------- */

static int infer_det(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];

	if (x->rank < 2 || x->dims[x->rank - 1] != x->dims[x->rank - 2] || x->dims[x->rank - 1] > 1 << 12)
		return call_fail(call, -EINVAL, "has no square matrices");
	call->scratch_bytes = (size_t)x->dims[x->rank - 1] * (size_t)x->dims[x->rank - 1] * sizeof(double);
	return call_set(call, 0, x->type, x->rank - 2, x->dims);
}

/* Gaussian elimination with the largest pivot. */
static double determinant(double *a, size_t n)
{
	double det = 1;

	for (size_t c = 0; c < n; c++) {
		size_t pivot = c;

		for (size_t r = c + 1; r < n; r++)
			if (fabs(a[r * n + c]) > fabs(a[pivot * n + c]))
				pivot = r;
		if (a[pivot * n + c] == 0)
			return 0;
		det *= a[pivot * n + c] * (pivot == c ? 1 : -1);
		for (size_t k = c; k < n && pivot != c; k++) {
			double kept = a[c * n + k];

			a[c * n + k] = a[pivot * n + k];
			a[pivot * n + k] = kept;
		}
		for (size_t r = c + 1; r < n; r++) {
			double factor = a[r * n + c] / a[c * n + c];

			for (size_t k = c; k < n; k++)
				a[r * n + k] -= factor * a[c * n + k];
		}
	}
	return det;
}

static int run_det(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	size_t n = (size_t)x->dims[x->rank - 1];
	double *matrix = call->scratch;

	for (size_t i = 0; i < tensor_count(call->outputs[0]); i++) {
		for (size_t k = 0; k < n * n; k++)
			matrix[k] = tensor_real(x, i * n * n + k);
		tensor_put_real(call->outputs[0], i, determinant(matrix, n));
	}
	return 0;
}

OPERATOR(Det, 1, 1, 1, infer_det, .run = run_det);
OPERATOR(Einsum, 1, OPERANDS_MAX, 1, infer_einsum, .run = run_einsum);
OPERATOR(Gemm, 2, 3, 1, infer_gemm, .run = run_gemm);
OPERATOR(MatMul, 2, 2, 1, infer_matmul, .run = run_matmul);
OPERATOR(MatMulInteger, 2, 4, 1, infer_matmul_integer, .run = run_matmul_integer);
OPERATOR(QLinearMatMul, 8, 8, 1, infer_qlinear_matmul, .run = run_qlinear_matmul);
