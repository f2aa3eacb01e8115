#include "daemon/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

	cr_assert_eq(pool_create(3, 5000, false, &pool), 0);
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
	pool_settle(&pool);
	cr_assert_eq(pool_slot(&pool, 2)[0], 77);
	munmap(client, pool.bytes);
	pool_finish(&pool);
	pool_finish(&pool);
}

Test(pool, limits_of_the_protocol_hold)
{
	struct pool pool;

	cr_assert_eq(pool_create(0, 1, false, &pool), -EINVAL);
	cr_assert_eq(pool_create(IPC_SLOTS_MAX + 1, 1, false, &pool), -EINVAL);
	cr_assert_eq(pool_create(1, 0, false, &pool), -EINVAL);
	cr_assert_eq(pool_create(1, IPC_SLOT_BYTES_MAX + 1, false, &pool), -EINVAL);
	cr_assert_eq(pool_create(1, UINT32_MAX, false, &pool), -EINVAL);
	cr_assert_eq(pool_bytes(IPC_SLOTS_MAX, IPC_SLOT_BYTES_MAX), (size_t)IPC_SLOTS_MAX * IPC_SLOT_BYTES_MAX);
}

static int client_memory(unsigned flags, off_t size, int seals)
{
	int fd = memfd_create("client", MFD_CLOEXEC | flags);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, size), 0);
	if (seals)
		cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

Test(pool, memory_of_a_client_must_be_sealed_and_large_enough)
{
	const int all = F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	const struct {
		off_t size;
		int seals, rc;
	} cases[] = {
		{8192, 0, -EPERM},
		{8192, F_SEAL_GROW | F_SEAL_SHRINK, -EPERM},
		{8192, F_SEAL_GROW | F_SEAL_SEAL, -EPERM},
		{8192, F_SEAL_SHRINK | F_SEAL_SEAL, -EPERM},
		{8191, all, -EINVAL},
		{4096, all, -EINVAL},
		{0, all, -EINVAL},
		{8192, all, 0},
		{8192, all | F_SEAL_WRITE, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = client_memory(MFD_ALLOW_SEALING, cases[i].size, cases[i].seals);
		const char *reason = NULL;
		struct pool pool;

		cr_assert_eq(pool_import(fd, 2, 4096, false, &reason, &pool), cases[i].rc, "case %zu: %s", i, reason);
		close(fd);
		if (cases[i].rc < 0)
			continue;
		cr_assert_eq(pool_slot(&pool, 1)[4095], 0);
		pool_finish(&pool);
	}
}

Test(pool, punched_memory_of_a_client_reads_as_zeros)
{
	int fd = client_memory(MFD_ALLOW_SEALING, 8192, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	const char *reason;
	struct pool pool;

	cr_assert_eq(pwrite(fd, "x", 1, 5000), 1);
	cr_assert_eq(pool_import(fd, 2, 4096, false, &reason, &pool), 0);
	cr_assert_eq(pool_slot(&pool, 1)[5000 - 4096], 'x');
	cr_assert_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
	cr_assert_eq(ftruncate(fd, 0), -1);
	cr_assert_eq(pool_slot(&pool, 1)[5000 - 4096], 0);
	close(fd);
	pool_finish(&pool);
}

Test(pool, what_is_no_memory_is_refused)
{
	int ends[2];
	const char *reason;
	struct pool pool;
	FILE *file = tmpfile();
	int device = open("/dev/zero", O_RDWR | O_CLOEXEC);

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	cr_assert_eq(pool_import(ends[0], 1, 4096, false, &reason, &pool), -EINVAL);
	cr_assert_eq(pool_import(device, 1, 4096, false, &reason, &pool), -EINVAL);
	cr_assert_eq(ftruncate(fileno(file), 1 << 20), 0);
	cr_assert_lt(pool_import(fileno(file), 1, 4096, false, &reason, &pool), 0);
	cr_assert_lt(pool_import(client_memory(0, 1 << 20, 0), 1, 4096, false, &reason, &pool), 0);
	cr_assert_eq(pool_import(client_memory(MFD_ALLOW_SEALING, 1 << 20, 0), 0, 4096, false, &reason, &pool),
		     -EINVAL);
	close(ends[0]);
	close(ends[1]);
	close(device);
	fclose(file);
}
