/*
 * cpu.c - see cpu.h.  The compiler's runtime asks cpuid and checks that the system saves the wide registers.
 */
#include "cpu.h"

#include <string.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#if defined(__x86_64__)
#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The state component of tiles (Intel's Software Developer's Manual, volume 1, 13.1). */
#define XFEATURE_TILEDATA 18

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* Compilers before GCC 13 have no name for it: leaf 7, subleaf 1, EAX bit 4.  Its registers are AVX's. */
static bool has_avxvnni(void)
{
	unsigned int eax, ebx, ecx, edx;

	return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && eax & 1u << 4;
}

static bool has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static bool has_avx512vnni(void)
{
	return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

/*
 * Leaf 7, EDX bits 24 and 25: tiles, and their products of bytes.  Linux keeps the tiles only of processes that asked
 * for it, once for all of their threads; where it does not know them or must not, it says so.
 */
static bool has_amx(void)
{
	unsigned int eax, ebx, ecx, edx;

	if (!has_avx512vnni() || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		return false;
	return edx & 1u << 24 && edx & 1u << 25 && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILEDATA) == 0;
}

static bool has_x86_level(const char *level)
{
	__builtin_cpu_init();
	if (strcmp(level, "avx2") == 0)
		return has_avx2();
	if (strcmp(level, "avxvnni") == 0)
		return has_avxvnni();
	if (strcmp(level, "avx512") == 0)
		return has_avx512();
	if (strcmp(level, "avx512vnni") == 0)
		return has_avx512vnni();
	if (strcmp(level, "amx") == 0)
		return has_amx();
	return false;
}
#endif

bool cpu_has_level(const char *level)
{
	if (strcmp(level, "scalar") == 0)
		return true;
#if defined(__x86_64__)
	return has_x86_level(level);
#elif defined(__aarch64__)
	if (strcmp(level, "dotprod") == 0)
		return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
	/* Part of the architecture. */
	return strcmp(level, "neon") == 0;
#else
	return false;
#endif
}
