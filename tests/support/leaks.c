/*
 * leaks.c - a test that leaks on purpose: CTest expects it to fail, which shows that TEST_SUITE finds leaks.
 */
#include "support/test.h"

#include <stdlib.h>

TEST_SUITE(leaks);

Test(leaks, a_leak_fails_its_test)
{
	void *volatile block = malloc(4711);

	cr_assert_not_null(block);
	block = NULL;
}
