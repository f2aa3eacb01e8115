#include "daemon/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
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

		cr_assert_eq(pool_import(&fd, 1, 2, 4096, false, &reason, &pool), cases[i].rc, "case %zu: %s", i,
			     reason);
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
	cr_assert_eq(pool_import(&fd, 1, 2, 4096, false, &reason, &pool), 0);
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
	cr_assert_eq(pool_import(&ends[0], 1, 1, 4096, false, &reason, &pool), -EINVAL);
	cr_assert_eq(pool_import(&device, 1, 1, 4096, false, &reason, &pool), -EINVAL);
	cr_assert_eq(ftruncate(fileno(file), 1 << 20), 0);
	cr_assert_lt(pool_import((int[]){fileno(file)}, 1, 1, 4096, false, &reason, &pool), 0);
	cr_assert_lt(pool_import((int[]){client_memory(0, 1 << 20, 0)}, 1, 1, 4096, false, &reason, &pool), 0);
	cr_assert_eq(
		pool_import((int[]){client_memory(MFD_ALLOW_SEALING, 1 << 20, 0)}, 1, 0, 4096, false, &reason, &pool),
		-EINVAL);
	close(ends[0]);
	close(ends[1]);
	close(device);
	fclose(file);
}

/* ---- a memory for each slot ----------------------------------------------------------------------- */

#define ALL_SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/* Mappings of the memory that clients have here. */
static int count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int count = 0;

	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "/memfd:client") != NULL;
	fclose(maps);
	return count;
}

/* Sealed memories that begin with their number. */
static void make_memories(int *fds, int n)
{
	for (int i = 0; i < n; i++) {
		uint8_t number = (uint8_t)(10 + i);

		fds[i] = client_memory(MFD_ALLOW_SEALING, 8192, 0);
		cr_assert_eq(pwrite(fds[i], &number, 1, 0), 1);
		cr_assert_eq(fcntl(fds[i], F_ADD_SEALS, ALL_SEALS), 0);
	}
}

static void close_memories(const int *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

Test(pool, each_slot_may_have_a_memory)
{
	int fds[IPC_SLOTS_MAX], before = test_count_fds();
	uint8_t last[IPC_SLOTS_MAX] = {0};
	const char *reason = "";
	struct pool pool;

	make_memories(fds, IPC_SLOTS_MAX);
	cr_assert_eq(pool_import(fds, IPC_SLOTS_MAX, IPC_SLOTS_MAX, 8000, true, &reason, &pool), 0, "%s", reason);
	cr_assert_eq(pool.bytes, (size_t)IPC_SLOTS_MAX * 8192);
	for (uint32_t i = 0; i < IPC_SLOTS_MAX; i++) {
		cr_assert_eq(pool_slot(&pool, i)[0], 10 + i);
		cr_assert(!pool_is_device(&pool, i));
		/* Nothing to be done for plain memory. */
		pool_begin_read(&pool, i);
		pool_end_read(&pool, i);
		pool_slot_for_writing(&pool, i)[8191] = (uint8_t)(100 + i);
	}
	for (uint32_t i = 0; i < IPC_SLOTS_MAX; i++) {
		cr_assert_eq(pread(fds[i], &last[i], 1, 8191), 1);
		cr_assert_eq(last[i], 100 + i);
	}
	close_memories(fds, IPC_SLOTS_MAX);
	cr_assert_eq(test_count_fds(), before, "plain memory needs no descriptor");
	cr_assert_eq(pool_slot(&pool, 3)[0], 13);
	pool_settle(&pool);
	pool_finish(&pool);
	cr_assert_eq(count_mappings(), 0);
	cr_assert_eq(test_count_fds(), before);
}

Test(pool, no_memory_of_several_may_be_wrong)
{
	const char *const cases[] = {"short", "unsealed", "pipe", "file", "the same", "a copy", "closed"};
	FILE *file = tmpfile();
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	cr_assert_eq(ftruncate(fileno(file), 8192), 0);
	for (int i = 0; i < (int)(sizeof(cases) / sizeof(cases[0])); i++) {
		for (int at = 0; at < 3; at++) {
			int fds[3], made[3],
				wrong[] = {client_memory(MFD_ALLOW_SEALING, 4096, ALL_SEALS),
					   client_memory(MFD_ALLOW_SEALING, 8192, 0),
					   ends[0],
					   fileno(file),
					   -1,
					   -1,
					   -1};
			int before, rc;
			const char *reason = "";
			struct pool pool;

			make_memories(made, 3);
			memcpy(fds, made, sizeof(fds));
			wrong[4] = made[(at + 1) % 3];
			wrong[5] = fcntl(made[(at + 1) % 3], F_DUPFD_CLOEXEC, 0);
			fds[at] = wrong[i];
			before = test_count_fds();
			rc = pool_import(fds, 3, 3, 8192, false, &reason, &pool);
			cr_assert_eq(rc,
				     i == 1   ? -EPERM
				     : i == 6 ? -EBADF
					      : -EINVAL,
				     "%s at %d: %d, %s", cases[i], at, rc, reason);
			cr_assert_eq(strcmp(reason, "two slots have the same memory") == 0, i == 4 || i == 5,
				     "%s at %d: %s", cases[i], at, reason);
			cr_assert_eq(test_count_fds(), before, "%s at %d", cases[i], at);
			cr_assert_eq(count_mappings(), 0, "%s at %d", cases[i], at);
			close_memories(made, 3);
			close_memories(wrong, 2);
			close(wrong[5]);
		}
	}
	close_memories(ends, 2);
	fclose(file);
}

Test(pool, too_many_or_too_few_memories_are_refused)
{
	int fds[IPC_SLOTS_MAX], before = test_count_fds();

	make_memories(fds, IPC_SLOTS_MAX);
	for (uint32_t n_slots = 1; n_slots <= IPC_SLOTS_MAX; n_slots++) {
		for (uint32_t n_fds = 2; n_fds <= IPC_SLOTS_MAX; n_fds++) {
			const char *reason = "";
			struct pool pool;
			int rc = pool_import(fds, n_fds, n_slots, 4096, false, &reason, &pool);

			cr_assert_eq(rc, n_fds == n_slots ? 0 : -EINVAL, "%u of %u: %s", n_fds, n_slots, reason);
			if (rc == 0)
				pool_finish(&pool);
		}
	}
	close_memories(fds, IPC_SLOTS_MAX);
	cr_assert_eq(count_mappings(), 0);
	cr_assert_eq(test_count_fds(), before);
}

/* A dma-buf that lies in this memory; -1 where the kernel makes none. */
static int make_dma_buf(int memory, uint64_t size)
{
	struct udmabuf_create create = {.memfd = (uint32_t)memory, .flags = UDMABUF_FLAGS_CLOEXEC, .size = size};
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd;

	if (device < 0)
		return -1;
	fd = ioctl(device, UDMABUF_CREATE, &create);
	close(device);
	return fd;
}

Test(pool, dma_bufs_are_kept_and_let_go)
{
	int memories[2], fds[2], before = test_count_fds();
	const char *reason = "";
	struct pool pool;

	for (int i = 0; i < 2; i++) {
		uint8_t number = (uint8_t)(10 + i);

		memories[i] = client_memory(MFD_ALLOW_SEALING, 8192, F_SEAL_SHRINK);
		cr_assert_eq(pwrite(memories[i], &number, 1, 0), 1);
		fds[i] = make_dma_buf(memories[i], 8192);
		if (fds[i] < 0)
			cr_skip_test("no dma-buf can be made here (/dev/udmabuf: %s)", strerror(errno));
	}
	cr_assert_eq(pool_import(fds, 2, 2, 8192, true, &reason, &pool), -ENOTSUP);
	cr_assert_eq(pool_import(fds, 2, 2, 8192, false, &reason, &pool), 0, "%s", reason);
	close_memories(fds, 2);
	for (uint32_t i = 0; i < 2; i++) {
		cr_assert(pool_is_device(&pool, i));
		pool_begin_read(&pool, i);
		cr_assert_eq(pool_slot(&pool, i)[0], 10 + i);
		pool_end_read(&pool, i);
	}
	pool_finish(&pool);
	close_memories(memories, 2);
	cr_assert_eq(test_count_fds(), before);
}
