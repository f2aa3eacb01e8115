/* camera_format.c - see camera_format.h. */
#include "camera_format.h"

#include "client-lib/inferd.h"
#include "source_kind.h"

#define RAW_PIXELS_MAX	(640u * 480u) /* what USB 2 carries raw at 30 frames a second */
#define FRAME_BYTES_MAX (64u << 20)   /* the daemon's limit of a frame */

static const struct form {
	uint32_t fourcc;
	enum inferd_format format;
	uint32_t bytes;		/* of a pixel in the first plane; YUYV: of each of a pair */
	uint32_t chroma_planes; /* of half the height behind it */
} forms[] = {
	{V4L2_PIX_FMT_NV12, INFERD_NV12, 1, 1},	  {V4L2_PIX_FMT_NV21, INFERD_NV21, 1, 1},
	{V4L2_PIX_FMT_YUV420, INFERD_I420, 1, 2}, {V4L2_PIX_FMT_YUYV, INFERD_YUYV, 2, 0},
	{V4L2_PIX_FMT_RGB24, INFERD_RGB, 3, 0},	  {V4L2_PIX_FMT_BGR24, INFERD_BGR, 3, 0},
	{V4L2_PIX_FMT_GREY, INFERD_GRAY8, 1, 0},  {V4L2_PIX_FMT_MJPEG, INFERD_JPEG, 0, 0},
	{V4L2_PIX_FMT_JPEG, INFERD_JPEG, 0, 0},
};

static const struct form *find_form(uint32_t fourcc)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (forms[i].fourcc == fourcc)
			return &forms[i];
	return NULL;
}

/* ---- formats --------------------------------------------------------------------------------------- */

static bool is_offered(const uint32_t *offered, int n_offered, uint32_t fourcc)
{
	for (int i = 0; i < n_offered; i++)
		if (offered[i] == fourcc)
			return true;
	return false;
}

int camera_format_order(const uint32_t *offered, int n_offered, uint32_t width, uint32_t height,
			uint32_t ret_formats[CAMERA_FORMATS_MAX])
{
	bool jpeg_first = (uint64_t)width * height > RAW_PIXELS_MAX;
	int n = 0;

	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
			if ((forms[i].format == INFERD_JPEG) == (jpeg_first == (round == 0)) &&
			    is_offered(offered, n_offered, forms[i].fourcc))
				ret_formats[n++] = forms[i].fourcc;
	return n;
}

/* Planes with the driver's stride, one behind the other.  Sizes are at most SOURCE_SIDE_MAX here. */
static bool lay_planes(const struct form *form, const struct v4l2_pix_format *pix, struct source_frame *frame,
		       uint64_t *ret_bytes)
{
	uint32_t half_width = (pix->width + 1) / 2, half_height = (pix->height + 1) / 2;
	uint32_t row = form->bytes == 2 ? half_width * 4 : pix->width * form->bytes;
	uint64_t stride = pix->bytesperline ? pix->bytesperline : row, chroma, end;

	if (stride < row || stride > FRAME_BYTES_MAX)
		return false;
	/* A chroma plane that holds both has rows of U and V in turn; those of one each are half as long. */
	chroma = form->chroma_planes == 2 ? (stride + 1) / 2 : stride;
	if (form->chroma_planes == 1 && stride < 2 * (uint64_t)half_width)
		return false;
	end = stride * pix->height;
	frame->stride[0] = (uint32_t)stride;
	for (uint32_t i = 1; i <= form->chroma_planes; i++) {
		if (end > FRAME_BYTES_MAX)
			return false;
		frame->offset[i] = (uint32_t)end;
		frame->stride[i] = (uint32_t)chroma;
		end += chroma * half_height;
	}
	*ret_bytes = end;
	return end <= FRAME_BYTES_MAX;
}

bool camera_format_layout(const struct v4l2_pix_format *pix, struct source_frame *ret_frame, size_t *ret_bytes)
{
	const struct form *form = find_form(pix->pixelformat);
	struct source_frame frame = {.width = pix->width, .height = pix->height};
	uint64_t bytes = 1;

	if (!form || !source_size_allowed(pix->width, pix->height))
		return false;
	/* Every second row of a picture alone, or in halves, is not what a network knows. */
	if (pix->field != V4L2_FIELD_NONE && pix->field != V4L2_FIELD_ANY && pix->field != V4L2_FIELD_INTERLACED)
		return false;
	frame.format = (int)form->format;
	frame.full_range = form->format >= INFERD_RGB || pix->quantization == V4L2_QUANTIZATION_FULL_RANGE;
	if (form->format != INFERD_JPEG && !lay_planes(form, pix, &frame, &bytes))
		return false;
	*ret_frame = frame;
	*ret_bytes = (size_t)bytes;
	return true;
}

/* ---- sizes ----------------------------------------------------------------------------------------- */

/* The smallest value of a range with steps that is not below `need`, else the largest. */
static uint32_t step_up(uint32_t min, uint32_t max, uint32_t step, uint32_t need)
{
	uint64_t value;

	if (need <= min || max <= min)
		return min;
	if (need >= max)
		return max;
	step = step ? step : 1;
	value = min + ((uint64_t)need - min + step - 1) / step * step;
	return value < max ? (uint32_t)value : max;
}

void camera_size_of(const struct v4l2_frmsizeenum *entry, uint32_t width, uint32_t height, uint32_t *ret_width,
		    uint32_t *ret_height)
{
	const struct v4l2_frmsize_stepwise *range = &entry->stepwise;

	if (entry->type == V4L2_FRMSIZE_TYPE_DISCRETE) {
		*ret_width = entry->discrete.width;
		*ret_height = entry->discrete.height;
		return;
	}
	*ret_width = step_up(range->min_width, range->max_width, range->step_width, width);
	*ret_height = step_up(range->min_height, range->max_height, range->step_height, height);
}

bool camera_size_better(const uint32_t a[2], const uint32_t b[2], uint32_t width, uint32_t height)
{
	bool a_serves = a[0] >= width && a[1] >= height, b_serves = b[0] >= width && b[1] >= height;
	uint64_t a_pixels = (uint64_t)a[0] * a[1], b_pixels = (uint64_t)b[0] * b[1];

	if (a_serves != b_serves)
		return a_serves;
	return a_serves ? a_pixels < b_pixels : a_pixels > b_pixels;
}
