/*
 * recurrent.c - RNN, GRU and LSTM: inputs x [time][batch][in], w [directions][gates * hidden][in], r [..][hidden],
 * biases, lengths and first states; outputs y [time][directions][batch][hidden] and the last states.
 */
#include <math.h>
#include <string.h>

#include "operators.h"

#define GATES_MAX 4

struct recurrent {
	const struct engine_tensor *x, *w, *r, *bias, *lengths, *first, *first_cell, *peephole;
	size_t time, batch, in, hidden, directions;
	int gates;
	bool batch_first;
};

static int read_recurrent(struct engine_call *call, int gates, struct recurrent *c)
{
	int64_t hidden = engine_attribute_integer(call->attributes, "hidden_size", 0);
	const char *direction = engine_attribute_text(call->attributes, "direction", "forward");
	int n;

	*c = (struct recurrent){
		.x = call->inputs[0],
		.w = call->inputs[1],
		.r = call->inputs[2],
		.bias = call_input(call, 3),
		.lengths = call_input(call, 4),
		.first = call_input(call, 5),
		.first_cell = gates == 4 ? call_input(call, 6) : NULL,
		.peephole = gates == 4 ? call_input(call, 7) : NULL,
		.gates = gates,
		.batch_first = engine_attribute_integer(call->attributes, "layout", 0) != 0,
		.directions = strcmp(direction, "bidirectional") ? 1 : 2,
	};
	engine_attribute_numbers(call->attributes, "activation_alpha", &n);
	if (n || engine_attribute_text(call->attributes, "activations", NULL))
		return call_fail(call, -ENOTSUP, "has activations of its own");
	if (engine_attribute_number(call->attributes, "clip", 0) > 0 ||
	    engine_attribute_integer(call->attributes, "input_forget", 0))
		return call_fail(call, -ENOTSUP, "clips, or couples its gates");
	if (c->x->rank != 3 || c->w->rank != 3 || c->r->rank != 3 || hidden < 1 || hidden > 1 << 16)
		return call_fail(call, -EINVAL, "has no sequences or no hidden size");
	c->time = (size_t)c->x->dims[c->batch_first ? 1 : 0];
	c->batch = (size_t)c->x->dims[c->batch_first ? 0 : 1];
	c->in = (size_t)c->x->dims[2];
	c->hidden = (size_t)hidden;
	if ((size_t)c->w->dims[0] != c->directions || (size_t)c->r->dims[0] != c->directions ||
	    c->w->dims[1] != gates * hidden || c->r->dims[1] != gates * hidden || (size_t)c->w->dims[2] != c->in ||
	    c->r->dims[2] != hidden ||
	    (c->bias && tensor_count(c->bias) != c->directions * 2 * (size_t)gates * c->hidden) ||
	    (c->lengths && tensor_count(c->lengths) != c->batch) ||
	    (c->first && tensor_count(c->first) != c->directions * c->batch * c->hidden) ||
	    (c->first_cell && tensor_count(c->first_cell) != c->directions * c->batch * c->hidden) ||
	    (c->peephole && tensor_count(c->peephole) != c->directions * 3 * c->hidden))
		return call_fail(call, -EINVAL, "has weights or states that do not fit its input");
	return 0;
}

static int infer_recurrent(struct engine_call *call, int gates)
{
	struct recurrent c;
	int r = read_recurrent(call, gates, &c);
	int32_t time, batch, hidden, directions;

	if (r < 0)
		return r;
	time = (int32_t)c.time;
	batch = (int32_t)c.batch;
	hidden = (int32_t)c.hidden;
	directions = (int32_t)c.directions;
	call->macs = (uint64_t)c.time * c.batch * (tensor_count(c.w) + tensor_count(c.r));
	call->scratch_bytes = (c.hidden * (GATES_MAX + 3)) * sizeof(double);
	r = c.batch_first ? call_set(call, 0, ENGINE_F32, 4, (int32_t[]){batch, time, directions, hidden})
			  : call_set(call, 0, ENGINE_F32, 4, (int32_t[]){time, directions, batch, hidden});
	for (int i = 1; i < 3 && r == 0; i++)
		r = c.batch_first ? call_set(call, i, ENGINE_F32, 3, (int32_t[]){batch, directions, hidden})
				  : call_set(call, i, ENGINE_F32, 3, (int32_t[]){directions, batch, hidden});
	return r;
}

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

/* Element of a state, whose order of batch and directions follows the layout. */
static size_t state_at(const struct recurrent *c, size_t direction, size_t b, size_t h)
{
	return ((c->batch_first ? b * c->directions + direction : direction * c->batch + b)) * c->hidden + h;
}

static size_t output_at(const struct recurrent *c, size_t t, size_t direction, size_t b, size_t h)
{
	size_t row = c->batch_first ? (b * c->time + t) * c->directions + direction
				    : (t * c->directions + direction) * c->batch + b;

	return row * c->hidden + h;
}

static double bias_of(const struct recurrent *c, size_t direction, bool recurrent, size_t gate_row)
{
	size_t rows = (size_t)c->gates * c->hidden;

	return c->bias ? tensor_real(c->bias, direction * 2 * rows + (recurrent ? rows : 0) + gate_row) : 0;
}

static double input_sum(const struct recurrent *c, size_t direction, size_t gate_row, size_t t, size_t b)
{
	size_t from = (c->batch_first ? b * c->time + t : t * c->batch + b) * c->in;
	size_t weight = (direction * (size_t)c->gates * c->hidden + gate_row) * c->in;
	double sum = bias_of(c, direction, false, gate_row);

	for (size_t i = 0; i < c->in; i++)
		sum += tensor_real(c->x, from + i) * tensor_real(c->w, weight + i);
	return sum;
}

static double state_sum(const struct recurrent *c, size_t direction, size_t gate_row, const double *state)
{
	size_t weight = (direction * (size_t)c->gates * c->hidden + gate_row) * c->hidden;
	double sum = bias_of(c, direction, true, gate_row);

	for (size_t i = 0; i < c->hidden; i++)
		sum += state[i] * tensor_real(c->r, weight + i);
	return sum;
}

static double peep(const struct recurrent *c, size_t direction, size_t which, size_t h, double cell)
{
	return c->peephole ? cell * tensor_real(c->peephole, (direction * 3 + which) * c->hidden + h) : 0;
}

/* Gates i, o, f, c. */
static void step_lstm(const struct recurrent *c, size_t d, size_t t, size_t b, double *state, double *cell,
		      double *scratch)
{
	for (size_t row = 0; row < 4 * c->hidden; row++)
		scratch[row] = input_sum(c, d, row, t, b) + state_sum(c, d, row, state);
	for (size_t h = 0; h < c->hidden; h++) {
		double in = sigmoid(scratch[h] + peep(c, d, 0, h, cell[h]));
		double forget = sigmoid(scratch[2 * c->hidden + h] + peep(c, d, 2, h, cell[h]));

		cell[h] = forget * cell[h] + in * tanh(scratch[3 * c->hidden + h]);
		state[h] = sigmoid(scratch[c->hidden + h] + peep(c, d, 1, h, cell[h])) * tanh(cell[h]);
	}
}

/* Gates z, r, h. */
static void step_gru(const struct recurrent *c, size_t d, size_t t, size_t b, double *state, double *scratch,
		     bool before_reset)
{
	double *z = scratch, *r = scratch + c->hidden, *next = scratch + 2 * c->hidden, *gated = next + c->hidden;

	for (size_t h = 0; h < c->hidden; h++) {
		z[h] = sigmoid(input_sum(c, d, h, t, b) + state_sum(c, d, h, state));
		r[h] = sigmoid(input_sum(c, d, c->hidden + h, t, b) + state_sum(c, d, c->hidden + h, state));
		gated[h] = r[h] * state[h];
	}
	for (size_t h = 0; h < c->hidden; h++) {
		size_t row = 2 * c->hidden + h;
		double from_state = before_reset ? r[h] * state_sum(c, d, row, state) : state_sum(c, d, row, gated);

		next[h] = tanh(input_sum(c, d, row, t, b) + from_state);
	}
	for (size_t h = 0; h < c->hidden; h++)
		state[h] = (1 - z[h]) * next[h] + z[h] * state[h];
}

static void step_rnn(const struct recurrent *c, size_t d, size_t t, size_t b, double *state, double *scratch)
{
	for (size_t h = 0; h < c->hidden; h++)
		scratch[h] = tanh(input_sum(c, d, h, t, b) + state_sum(c, d, h, state));
	memcpy(state, scratch, c->hidden * sizeof(*state));
}

static int run_sequence(struct engine_call *call, const struct recurrent *c, size_t d, size_t b, bool reverse)
{
	bool before_reset = engine_attribute_integer(call->attributes, "linear_before_reset", 0) != 0;
	int64_t length = c->lengths ? tensor_integer(c->lengths, b) : (int64_t)c->time;
	double *state = call->scratch, *cell = state + c->hidden, *scratch = cell + c->hidden;

	if (length < 0 || (size_t)length > c->time)
		return call_fail(call, -EDOM, "has a sequence of %lld", (long long)length);
	for (size_t h = 0; h < c->hidden; h++) {
		state[h] = c->first ? tensor_real(c->first, state_at(c, d, b, h)) : 0;
		cell[h] = c->first_cell ? tensor_real(c->first_cell, state_at(c, d, b, h)) : 0;
	}
	for (size_t step = 0; step < c->time; step++) {
		size_t t = reverse && step < (size_t)length ? (size_t)length - 1 - step : step;

		if (step < (size_t)length) {
			if (c->gates == 4)
				step_lstm(c, d, t, b, state, cell, scratch);
			else if (c->gates == 3)
				step_gru(c, d, t, b, state, scratch, before_reset);
			else
				step_rnn(c, d, t, b, state, scratch);
		}
		for (size_t h = 0; h < c->hidden; h++)
			tensor_put_real(call->outputs[0], output_at(c, t, d, b, h),
					step < (size_t)length ? state[h] : 0);
	}
	for (size_t h = 0; h < c->hidden; h++) {
		if (call->n_outputs > 1)
			tensor_put_real(call->outputs[1], state_at(c, d, b, h), state[h]);
		if (call->n_outputs > 2)
			tensor_put_real(call->outputs[2], state_at(c, d, b, h), cell[h]);
	}
	return 0;
}

static int run_recurrent(struct engine_call *call, int gates)
{
	bool reverse = !strcmp(engine_attribute_text(call->attributes, "direction", "forward"), "reverse");
	struct recurrent c;
	int r = read_recurrent(call, gates, &c);

	for (size_t d = 0; d < c.directions && r == 0; d++)
		for (size_t b = 0; b < c.batch && r == 0; b++)
			r = run_sequence(call, &c, d, b, reverse || d == 1);
	return r;
}

static int infer_rnn(struct engine_call *call)
{
	return infer_recurrent(call, 1);
}

static int run_rnn(struct engine_call *call)
{
	return run_recurrent(call, 1);
}

static int infer_gru(struct engine_call *call)
{
	return infer_recurrent(call, 3);
}

static int run_gru(struct engine_call *call)
{
	return run_recurrent(call, 3);
}

static int infer_lstm(struct engine_call *call)
{
	return infer_recurrent(call, 4);
}

static int run_lstm(struct engine_call *call)
{
	return run_recurrent(call, 4);
}

OPERATOR(GRU, 3, 6, 2, infer_gru, .run = run_gru);
OPERATOR(LSTM, 3, 8, 3, infer_lstm, .run = run_lstm);
OPERATOR(RNN, 3, 6, 2, infer_rnn, .run = run_rnn);
