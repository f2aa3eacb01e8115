/*
 * cpu.c - see cpu.h.  x86 is asked here and not by the compiler's runtime, whose list of processors takes 5 KB.
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

/* Bits of leaf 7's EBX, ECX and EDX and subleaf 1's EAX, and of XCR0: the states that the system saves. */
#define AVX2	   (1u << 5)
#define AVX512	   (1u << 16 | 1u << 17 | 1u << 30 | 1u << 31) /* F, DQ, BW, VL */
#define AVX512VNNI (1u << 11)
#define AMX	   (1u << 24 | 1u << 25) /* tiles, and their products of bytes */
#define AVXVNNI	   (1u << 4)
#define XCR0_YMM   0x06u
#define XCR0_ZMM   0xe6u

struct x86 {
	unsigned int ebx, ecx, edx, subleaf_eax; /* of leaf 7 */
	unsigned int saved;
};

/* All 0 where AVX, FMA or F16C are missing, or the system does not save their registers. */
static struct x86 ask_x86(void)
{
	const unsigned int needed = bit_FMA | bit_F16C | bit_AVX | bit_OSXSAVE;
	unsigned int eax, ebx, ecx, edx, high;
	struct x86 x86 = {0};

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & needed) != needed)
		return x86;
	__asm__ volatile("xgetbv" : "=a"(x86.saved), "=d"(high) : "c"(0));
	if ((x86.saved & XCR0_YMM) != XCR0_YMM || !__get_cpuid_count(7, 0, &eax, &x86.ebx, &x86.ecx, &x86.edx))
		return (struct x86){0};
	if (eax >= 1)
		__get_cpuid_count(7, 1, &x86.subleaf_eax, &ebx, &ecx, &edx);
	return x86;
}

/* Linux keeps the tiles only of processes that asked for it, once for all of their threads; or it refuses. */
static bool may_use_tiles(void)
{
	return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILEDATA) == 0;
}

static bool has_x86_level(const char *level)
{
	struct x86 x86 = ask_x86();
	bool avx2 = x86.ebx & AVX2;
	bool avx512 = avx2 && (x86.ebx & AVX512) == AVX512 && (x86.saved & XCR0_ZMM) == XCR0_ZMM;

	if (strcmp(level, "avx2") == 0)
		return avx2;
	if (strcmp(level, "avxvnni") == 0)
		return avx2 && x86.subleaf_eax & AVXVNNI;
	if (strcmp(level, "avx512") == 0)
		return avx512;
	if (strcmp(level, "avx512vnni") == 0)
		return avx512 && x86.ecx & AVX512VNNI;
	if (strcmp(level, "amx") == 0)
		return avx512 && x86.ecx & AVX512VNNI && (x86.edx & AMX) == AMX && may_use_tiles();
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
	if (strcmp(level, "fp16") == 0)
		return getauxval(AT_HWCAP) & HWCAP_ASIMDHP;
	if (strcmp(level, "dotprod") == 0)
		return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
	if (strcmp(level, "i8mm") == 0)
		return getauxval(AT_HWCAP) & HWCAP_ASIMDDP && getauxval(AT_HWCAP2) & HWCAP2_I8MM;
	/* Part of the architecture. */
	return strcmp(level, "neon") == 0;
#else
	return false;
#endif
}
