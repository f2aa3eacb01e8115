/*
 * font.h - letters of five by seven pixels for drawing on pictures: ASCII letters, digits and some signs.
 */
#ifndef INFERCTL_FONT_H
#define INFERCTL_FONT_H

#include <stdbool.h>

#define FONT_WIDTH  5
#define FONT_HEIGHT 7

/* Whether this pixel belongs to the letter; 0 <= column < FONT_WIDTH, 0 <= row < FONT_HEIGHT.  Unknown ones are blank,
 * those beyond ASCII question marks. */
bool font_pixel(char letter, int column, int row);

#endif
