/* checksum.c - see checksum.h. */
#include "checksum.h"

#include <string.h>

/* Four sums of products over words, folded, each step invertible. */
uint64_t checksum(const uint8_t *data, size_t size, uint64_t seed)
{
	uint64_t lanes[4] = {seed + 1, seed + 2, seed + 3, seed + 4}, word, sum = size;
	size_t i = 0;

	for (; i + 32 <= size; i += 32)
		for (size_t k = 0; k < 4; k++) {
			memcpy(&word, data + i + 8 * k, 8);
			lanes[k] = (lanes[k] ^ word) * 0x9e3779b97f4a7c15u;
			lanes[k] ^= lanes[k] >> 29;
		}
	for (; i < size; i++)
		lanes[0] = (lanes[0] ^ data[i]) * 0x9e3779b97f4a7c15u;
	for (size_t k = 0; k < 4; k++)
		sum = (sum ^ lanes[k] ^ lanes[k] >> 32) * 0xd6e8feb86659fd93u;
	return sum;
}
