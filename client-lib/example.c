/*
 * example.c - a client in 20 lines: what is on a photograph?
 *
 *     cc example.c $(pkg-config --cflags --libs inferd) && ./a.out MODEL PHOTO.jpg
 */
#include <inferd.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	static char photo[8 << 20];
	FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
	size_t bytes = file ? fread(photo, 1, sizeof(photo), file) : 0;
	struct inferd_stream_options options = {.model = argv[1], .buffer_bytes = sizeof(photo), .n_buffers = 1};
	struct inferd_frame frame = {.format = INFERD_JPEG, .data = photo, .bytes = bytes};
	const struct inferd_result *result;
	struct inferd_stream *stream;
	struct inferd *client;

	if (!bytes || inferd_connect(NULL, "example", &client) < 0)
		return 1;
	if (inferd_stream_open(client, &options, &stream) < 0 || inferd_run(stream, &frame, 5000, &result) < 0)
		return fprintf(stderr, "%s\n", inferd_error(client)), 1;
	for (size_t i = 0; i < result->n_items; i++)
		printf("%5.1f%%  %s\n", 100 * result->items[i].score, result->items[i].label);
	inferd_close(client);
	return 0;
}
