/*
 * Pipelines of real networks on photographs: of the detector of faces that the test data has, and of MediaPipe's own
 * files where they are below models/mediapipe, in the folders of its package (modules/).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/daemon_fixture.h"
#include "support/tiny_network.h"

TEST_SUITE(photographs);

#define PATH_BYTES 512

/* One buffer serves all paths of test_data(). */
static void find(const char *relative, char ret_path[PATH_BYTES])
{
	snprintf(ret_path, PATH_BYTES, "%s", test_data(relative));
}

static void submit(struct client *client, uint64_t seq, const char *photograph)
{
	FILE *file = fopen(photograph, "rb");
	size_t bytes;

	cr_assert(file, "%s", photograph);
	bytes = fread(client->pool, 1, client->stream.slot_bytes, file);
	cr_assert(feof(file), "%s is larger than a slot", photograph);
	fclose(file);
	client_submit(client, &(struct ipc_frame){.stream = client->stream.stream,
						  .seq = seq,
						  .format = IPC_JPEG,
						  .bytes = (uint32_t)bytes});
	client_expect_result(client, seq, IPC_OK);
}

/* The stage that looks at the face is a network that sees one in the middle half of whatever it is shown. */
Test(photographs, a_face_is_looked_at_where_the_detector_found_it)
{
	char network[PATH_BYTES], photograph[PATH_BYTES], models[4 * PATH_BYTES], stem[PATH_BYTES];
	struct ipc_stream_open finder = {.model = "finder", .full = true}, faces = {.model = "faces", .full = true};
	struct fixture fixture;
	struct client client;
	const float *box;
	float x, y, side;

#if defined(__SANITIZE_THREAD__)
	cr_skip_test("a frame takes more than the second after which a stream forgets what it follows");
#endif

	find("models/rfb320/rfb320_without_postprocessing.tflite", network);
	find("images/photos/face.jpg", photograph);
	fixture_init(&fixture);
	snprintf(stem, sizeof(stem), "%s/mesh", fixture.dir);
	tiny_mesh_write(stem, 32);
	snprintf(
		models, sizeof(models),
		"  - {name: finder, task: detect, detector: rfb, deadline_ms: 60000,\n"
		"     variants: [{name: d, file: '%s'}], preprocess: {mean: 127, scale: 0.0078125}}\n"
		"  - {name: mesh, task: landmarks, landmarks: face, score_min: 0, variants: [{name: m, file: mesh.param}]}\n"
		"  - {name: faces, pipeline: [finder, mesh], deadline_ms: 60000}\n",
		network);
	fixture_configure(&fixture, models);
	fixture_start(&fixture);
	client_connect(&client, &fixture);
	client_open_stream(&client, finder);
	/* Four people look at the camera, and the pipeline takes the one that the detector is surest of. */
	submit(&client, 1, photograph);
	cr_assert_eq((int)client.result.n_items, 4);
	box = client.result.items[0].box;
	x = (box[0] + box[2]) / 2;
	y = (box[1] + box[3]) / 2;
	side = fmaxf(box[2] - box[0], box[3] - box[1]);
	cr_assert(box[0] > 0 && box[1] > 0 && box[2] < 512 && box[3] < 355 && side > 50);
	client_open_stream(&client, faces);
	submit(&client, 1, photograph);
	cr_assert_eq((int)client.result.n_items, 1);
	box = client.result.items[0].box;
	/* Half of a square that is 1.5 times as large as what was found. */
	cr_assert_float_eq(box[0], x - 0.375f * side, 0.5);
	cr_assert_float_eq(box[1], y - 0.375f * side, 0.5);
	cr_assert_float_eq(box[2], x + 0.375f * side, 0.5);
	cr_assert_float_eq(box[3], y + 0.375f * side, 0.5);
	faces.full = false;
	client_open_stream(&client, faces);
	submit(&client, 1, photograph);
	cr_assert_neq(strncmp(client.result.rung.name, "tracked", 7), 0);
	submit(&client, 2, photograph);
	cr_assert_eq(strncmp(client.result.rung.name, "tracked", 7), 0);
	box = client.result.items[0].box;
	cr_assert_float_eq((box[0] + box[2]) / 2, x, 0.05 * side);
	cr_assert_float_eq(box[2] - box[0], 0.75 * 0.75 * side, 0.05 * side);
	fixture_end(&fixture, &client);
}

/* ---- MediaPipe's ----------------------------------------------------------------------------------- */

struct kind {
	const char *detector, *detector_file, *landmarks, *landmarks_file, *signed_input, *photograph;
	uint32_t n_points;
	int upper, lower; /* points of which one is above the other in the photograph */
};

/*
 * The first frame is looked at by both networks, the next one where the first one's landmarks say: of the same
 * photograph both answers are nearly the same.
 */
static void expect_followed(const struct kind *kind)
{
	char detector[PATH_BYTES], network[PATH_BYTES], photograph[PATH_BYTES], models[4 * PATH_BYTES];
	struct fixture fixture;
	struct client client;
	float first[4] = {0}, side;

	find(kind->detector_file, detector);
	find(kind->landmarks_file, network);
	find(kind->photograph, photograph);
	fixture_init(&fixture);
	snprintf(models, sizeof(models),
		 "  - {name: finder, task: detect, detector: %s, variants: [{name: d, file: '%s'}],\n"
		 "     preprocess: {fit: letterbox, sampling: point%s}}\n"
		 "  - {name: looker, task: landmarks, landmarks: %s, variants: [{name: m, file: '%s'}],\n"
		 "     preprocess: {sampling: point}}\n"
		 "  - {name: both, pipeline: [finder, looker], deadline_ms: 60000}\n",
		 kind->detector, detector, kind->signed_input, kind->landmarks, network);
	fixture_configure(&fixture, models);
	fixture_start(&fixture);
	client_connect(&client, &fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "both"});
	for (uint64_t seq = 1; seq <= 2; seq++) {
		const struct ipc_result_item *item;

		submit(&client, seq, photograph);
		cr_assert_eq(strncmp(client.result.rung.name, "tracked", 7) == 0, seq == 2);
		cr_assert_eq((int)client.result.n_items, 1);
		item = &client.result.items[0];
		cr_assert_eq(item->n_points, kind->n_points);
		cr_assert(item->points[kind->upper * IPC_POINT_FLOATS + 1] <
			  item->points[kind->lower * IPC_POINT_FLOATS + 1]);
		side = fmaxf(item->box[2] - item->box[0], item->box[3] - item->box[1]);
		for (int i = 0; i < 4; i++) {
			cr_assert(seq == 1 || fabsf(item->box[i] - first[i]) < 0.1f * side, "%d: %g after %g", i,
				  (double)item->box[i], (double)first[i]);
			first[i] = item->box[i];
		}
	}
	fixture_end(&fixture, &client);
}

#define MEDIAPIPE "models/mediapipe/"
#define SIGNED	  ", mean: 127.5, scale: 0.00784313725"

/* The forehead and the chin. */
Test(photographs, mediapipe_follows_a_face)
{
	expect_followed(&(struct kind){"blazeface", MEDIAPIPE "face_detection/face_detection_short_range.tflite",
				       "face", MEDIAPIPE "face_landmark/face_landmark.tflite", SIGNED,
				       "images/photos/face.jpg", 468, 10, 152});
}

/* The nose and the left hip. */
Test(photographs, mediapipe_follows_a_body)
{
	expect_followed(&(struct kind){"pose", MEDIAPIPE "pose_detection/pose_detection.tflite", "pose",
				       MEDIAPIPE "pose_landmark/pose_landmark_full.tflite", SIGNED,
				       "images/photos/face.jpg", 33, 0, 23});
}

/* The wrist and the tip of the middle finger, which hangs down. */
Test(photographs, mediapipe_follows_a_hand)
{
	expect_followed(&(struct kind){"palm", MEDIAPIPE "palm_detection/palm_detection_full.tflite", "hand",
				       MEDIAPIPE "hand_landmark/hand_landmark_full.tflite", "",
				       "images/imagenet/n02802426_basketball.JPEG", 21, 0, 12});
}
