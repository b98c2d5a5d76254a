/* Decimal128 as bson.Decimal128.__str__ has it; NULL for NaN and the infinities, which JSON does not have. */
#ifndef OUTBOX_DECIMAL_H
#define OUTBOX_DECIMAL_H

#include "text.h"

/* The decimal digits of a coefficient of 113 bits: at most 35. Returns how many. */
static int decimal_digits(uint64_t high, uint64_t low, uint8_t *digits)
{
    uint32_t words[4] = {(uint32_t)(high >> 32), (uint32_t)high, (uint32_t)(low >> 32), (uint32_t)low};
    uint8_t reversed[36];
    int count = 0;
    do { /* nine digits at a time */
        uint64_t rest = 0;
        for (int each = 0; each < 4; each++) {
            rest = rest << 32 | words[each];
            words[each] = (uint32_t)(rest / 1000000000);
            rest %= 1000000000;
        }
        for (int each = 0; each < 9; each++, rest /= 10)
            reversed[count++] = (uint8_t)('0' + rest % 10);
    } while (words[0] | words[1] | words[2] | words[3]);
    while (count > 1 && reversed[count - 1] == '0')
        count--;
    for (int each = 0; each < count; each++)
        digits[each] = reversed[count - 1 - each];
    return count;
}

/* The general decimal arithmetic's "to-scientific-string", which is Python's str of a Decimal. */
static uint8_t *write_scientific(uint8_t *to, const uint8_t *digits, int count, int exponent)
{
    int left = count + exponent; /* digits before the point, if it is written out */
    bool is_plain = exponent <= 0 && left > -6;
    int point = is_plain ? left : 1;
    if (point <= 0) {
        to = write_ascii(to, "0.");
        for (; point < 0; point++)
            *to++ = '0';
    }
    for (int each = 0; each < count; each++) {
        if (each == point && each > 0)
            *to++ = '.';
        *to++ = digits[each];
    }
    if (is_plain || left == 1)
        return to;
    *to++ = 'E';
    *to++ = left < 1 ? '-' : '+';
    return write_digits(to, (uint64_t)(left < 1 ? 1 - left : left - 1));
}

static uint8_t *write_decimal(uint8_t *to, const uint8_t *bytes)
{
    uint64_t low = little_endian(bytes, 8), high = little_endian(bytes + 8, 8);
    uint8_t digits[36];
    if ((high >> 59 & 15) == 15)
        return NULL;
    if (high >> 63)
        *to++ = '-';
    /* A coefficient that decimal128 does not have means zero: with both of these bits, or of more than 34 digits. */
    bool is_beyond = (high >> 61 & 3) == 3;
    int exponent = (int)(high >> (is_beyond ? 47 : 49) & 0x3FFF) - 6176;
    int count = is_beyond ? 35 : decimal_digits(high & ((UINT64_C(1) << 49) - 1), low, digits);
    if (count > 34) {
        count = 1;
        digits[0] = '0';
    }
    return write_scientific(to, digits, count, exponent);
}

/* Whether what write_decimal makes is read as these very bits: of a coefficient that means zero it is not. */
static bool is_canonical(const uint8_t *bytes)
{
    uint64_t low = little_endian(bytes, 8), high = little_endian(bytes + 8, 8);
    uint8_t digits[36];
    return (high >> 61 & 3) != 3 && decimal_digits(high & ((UINT64_C(1) << 49) - 1), low, digits) <= 34;
}

#endif
