/* make_record.c - writes a made-up field record for looking at reports: make_record DIR [MODEL [MINUTES [SEED]]]. */
#include <stdio.h>
#include <stdlib.h>

#include "made_record.h"

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("usage: make_record DIR [MODEL [MINUTES [SEED]]]\n", stderr);
		return 2;
	}
	made_record_write(argv[1], argc > 2 ? argv[2] : "imagenet", argc > 3 ? atoi(argv[3]) : 60,
			  argc > 4 ? strtoull(argv[4], NULL, 10) : 1);
	return 0;
}
