#include "support/test.h"

#include <stdlib.h>

TEST_SUITE(support);

Test(support, random_range_stays_inside)
{
	for (int i = 0; i < 1000; i++) {
		int64_t v = test_random_range(-3, 5);

		cr_assert(v >= -3 && v <= 5);
	}
}
