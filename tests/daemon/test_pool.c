#include "daemon/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ipc/ipc.h"
#include "support/test.h"

TEST_SUITE(pool);

Test(pool, size_can_not_change_and_the_daemon_sees_the_pixels)
{
	struct pool pool;
	uint8_t *client;
	int seals;

	cr_assert_eq(pool_create(3, 5000, &pool), 0);
	cr_assert_eq((int)pool.slot_bytes, 8192);
	seals = fcntl(pool.fd, F_GET_SEALS);
	cr_assert_eq(seals & (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	cr_assert_eq(ftruncate(pool.fd, 0), -1);
	cr_assert_eq(ftruncate(pool.fd, 1 << 20), -1);
	cr_assert_neq(fcntl(pool.fd, F_GETFD) & FD_CLOEXEC, 0);
	client = mmap(NULL, pool.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, pool.fd, 0);
	cr_assert_neq((void *)client, MAP_FAILED);
	client[2 * 8192] = 77;
	cr_assert_eq(pool_slot(&pool, 2)[0], 77);
	pool_forget_fd(&pool);
	cr_assert_eq(pool_slot(&pool, 2)[0], 77);
	munmap(client, pool.bytes);
	pool_finish(&pool);
	pool_finish(&pool);
}

Test(pool, limits_of_the_protocol_hold)
{
	struct pool pool;

	cr_assert_eq(pool_create(0, 1, &pool), -EINVAL);
	cr_assert_eq(pool_create(IPC_SLOTS_MAX + 1, 1, &pool), -EINVAL);
	cr_assert_eq(pool_create(1, 0, &pool), -EINVAL);
	cr_assert_eq(pool_create(1, IPC_SLOT_BYTES_MAX + 1, &pool), -EINVAL);
	cr_assert_eq(pool_create(1, UINT32_MAX, &pool), -EINVAL);
	cr_assert_eq(pool_bytes(IPC_SLOTS_MAX, IPC_SLOT_BYTES_MAX), (size_t)IPC_SLOTS_MAX * IPC_SLOT_BYTES_MAX);
}
