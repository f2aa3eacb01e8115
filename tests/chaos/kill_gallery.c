/*
 * kill_gallery.c - the test of tests/daemon/test_galleries.c that kills, as often as one likes.
 *
 *   kill_gallery DIR ROUNDS [SEED]
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/gallery_kill.h"

int main(int argc, char **argv)
{
	struct gallery_kill_counts counts;
	int rounds = argc > 2 ? atoi(argv[2]) : 0, rc;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;

	if (rounds < 1) {
		fprintf(stderr, "usage: %s DIR ROUNDS [SEED]\n", argv[0]);
		return 2;
	}
	rc = gallery_kill(argv[1], rounds, seed, &counts);
	printf("seed %llu: %d kills, %d of them before the galleries were open; %d pictures and %d removals were "
	       "acknowledged and found; %d changes under way were found on disk\n",
	       (unsigned long long)seed, counts.rounds, counts.while_loading, counts.pictures, counts.removals,
	       counts.in_flight);
	return rc < 0;
}
