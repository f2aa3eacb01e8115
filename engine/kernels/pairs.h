/*
 * pairs.h - panels for vpmaddubsw, which adds two products of an unsigned and a signed byte in 16 bits.
 *
 * Where the weights of a pair are so large that the sum would not fit, a part of them is left to an extra: four
 * channels that are multiplied once more.  Panels with too many of these, or with weights that are no bytes even in
 * two parts, hold 16-bit words instead.  Inputs are taken 128 higher than they are, to be unsigned, which the bias
 * makes up for; not in panels of words.
 *
 *   int32 bias[nr], multiplier[nr], shift[nr]
 *   int32 extras, PAIRS_WORDS for words; 15 more that are zero
 *   int8 [taps][ceil(kc / 4)][nr][4]; int8 [pairs_room()][nr][4]; struct pairs_place [pairs_room()]
 *   or int16 [taps][ceil(kc / 2)][nr][2]
 */
#ifndef INFERD_PAIRS_H
#define INFERD_PAIRS_H

#include <stddef.h>
#include <stdint.h>

#define PAIRS_KR    4
#define PAIRS_WORDS (-1)
#define PAIRS_INFO  16
#define PAIRS_REACH 128 /* of the sum of a pair's positive weights, and of the negative ones: 255 times it fits */

/* Which four channels an extra multiplies. */
struct pairs_place {
	uint32_t tap, k;
};

/* Extras at most: more would take longer than words. */
static inline size_t pairs_room(size_t taps, size_t kc)
{
	return taps * ((kc + PAIRS_KR - 1) / PAIRS_KR) * 3 / 10;
}

#endif
