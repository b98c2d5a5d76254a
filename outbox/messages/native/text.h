/* Writing text as JSON has it: numbers, dates, decimals, strings. Each function returns where to write on;
 * NULL: not plain, or (write_double only) a Python exception.
 *
 * Nothing checks for room: whoever calls has made it. Python.h comes before this.
 */
#ifndef OUTBOX_TEXT_H
#define OUTBOX_TEXT_H

#include "bson.h"

#define FIRST_DATE INT64_C(-62135596800000) /* 0001-01-01T00:00:00.000Z, in milliseconds since 1970 */
#define LAST_DATE INT64_C(253402300799999)  /* 9999-12-31T23:59:59.999Z */
#define DATE_SIZE 24

static uint8_t *write_ascii(uint8_t *to, const char *text)
{
    size_t size = strlen(text);
    memcpy(to, text, size);
    return to + size;
}

static uint8_t *write_digits(uint8_t *to, uint64_t value)
{
    uint8_t digits[20], *first = digits + sizeof digits;
    do
        *--first = (uint8_t)('0' + value % 10);
    while (value /= 10);
    size_t size = (size_t)(digits + sizeof digits - first);
    memcpy(to, first, size);
    return to + size;
}

static uint8_t *write_padded(uint8_t *to, unsigned value, int width)
{
    for (int each = width - 1; each >= 0; each--, value /= 10)
        to[each] = (uint8_t)('0' + value % 10);
    return to + width;
}

static uint8_t *write_integer(uint8_t *to, int64_t value)
{
    if (value < 0)
        *to++ = '-';
    return write_digits(to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static uint8_t *write_hex(uint8_t *to, const uint8_t *bytes, int size)
{
    for (int each = 0; each < size; each++) {
        *to++ = (uint8_t)"0123456789abcdef"[bytes[each] >> 4];
        *to++ = (uint8_t)"0123456789abcdef"[bytes[each] & 15];
    }
    return to;
}

static uint8_t *write_double(uint8_t *to, const uint8_t *bytes)
{
    uint64_t bits = little_endian(bytes, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    if ((bits >> 52 & 0x7FF) == 0x7FF) /* NaN, infinity */
        return NULL;
    char *text = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL)
        return NULL;
    /* Both take the shortest digits that are this very number; they differ in where and how an exponent is written. */
    to = strchr(text, 'e') == NULL ? write_ascii(to, text) : NULL;
    PyMem_Free(text);
    return to;
}

static uint8_t *write_base64(uint8_t *to, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < size; at += 3) {
        unsigned three = (unsigned)bytes[at] << 16;
        three |= at + 1 < size ? (unsigned)bytes[at + 1] << 8 : 0;
        three |= at + 2 < size ? bytes[at + 2] : 0;
        *to++ = (uint8_t)digits[three >> 18];
        *to++ = (uint8_t)digits[three >> 12 & 63];
        *to++ = (uint8_t)(at + 1 < size ? digits[three >> 6 & 63] : '=');
        *to++ = (uint8_t)(at + 2 < size ? digits[three & 63] : '=');
    }
    return to;
}

static bool is_tail(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* The bytes of the character of two or more bytes that begins here; 0 when this is not UTF-8. */
static size_t utf8_size(const uint8_t *at, size_t left)
{
    if (at[0] >= 0xC2 && at[0] <= 0xDF)
        return left >= 2 && is_tail(at[1]) ? 2 : 0;
    if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        bool is_short = at[0] == 0xE0 && left >= 2 && at[1] < 0xA0;
        bool is_surrogate = at[0] == 0xED && left >= 2 && at[1] >= 0xA0;
        return left >= 3 && !is_short && !is_surrogate && is_tail(at[1]) && is_tail(at[2]) ? 3 : 0;
    }
    if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        bool is_short = at[0] == 0xF0 && left >= 2 && at[1] < 0x90;
        bool is_beyond = at[0] == 0xF4 && left >= 2 && at[1] >= 0x90;
        return left >= 4 && !is_short && !is_beyond && is_tail(at[1]) && is_tail(at[2]) && is_tail(at[3]) ? 4 : 0;
    }
    return 0;
}

static uint8_t *write_escaped(uint8_t *to, uint8_t byte)
{
    const char *shorts = "b\bt\tn\nf\fr\r\"\"\\\\";
    *to++ = '\\';
    for (; *shorts; shorts += 2)
        if ((uint8_t)shorts[1] == byte) {
            *to++ = (uint8_t)shorts[0];
            return to;
        }
    return write_hex(write_ascii(to, "u00"), &byte, 1);
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether all eight bytes go out as they are: ASCII, no control characters, no quote, no backslash. */
static bool is_plain_text(uint64_t eight)
{
    uint64_t quotes = eight ^ EACH('"'), backslashes = eight ^ EACH('\\');
    return ((eight | (eight - EACH(0x20)) | (quotes - EACH(1)) | (backslashes - EACH(1))) & EACH(0x80)) == 0;
}

static uint8_t *write_text(uint8_t *to, Span text)
{
    *to++ = '"';
    while (text.at < text.end) {
        uint64_t eight;
        while (text.end - text.at >= 8 && (memcpy(&eight, text.at, 8), is_plain_text(eight))) {
            memcpy(to, text.at, 8);
            to += 8, text.at += 8;
        }
        if (text.at == text.end)
            break;
        size_t size = 1;
        if (*text.at >= 0x80) {
            if ((size = utf8_size(text.at, (size_t)(text.end - text.at))) == 0)
                return NULL;
            memcpy(to, text.at, size);
            to += size;
        } else if (*text.at < 0x20 || *text.at == '"' || *text.at == '\\')
            to = write_escaped(to, *text.at);
        else
            *to++ = *text.at;
        text.at += size;
    }
    *to++ = '"';
    return to;
}

/* DATE_SIZE characters, without quotes. */
static uint8_t *write_date(uint8_t *to, int64_t milliseconds)
{
    if (milliseconds < FIRST_DATE || milliseconds > LAST_DATE)
        return NULL;
    /* Counted from 0000-03-01, so that a leap day is the last of its year; 400 years are 146,097 days. */
    uint64_t since = (uint64_t)(milliseconds + INT64_C(719468) * 86400000);
    unsigned day = (unsigned)(since / 86400000), rest = (unsigned)(since % 86400000);
    unsigned cycle = day / 146097, of_cycle = day % 146097;
    unsigned of_400 = (of_cycle - of_cycle / 1460 + of_cycle / 36524 - of_cycle / 146096) / 365;
    unsigned of_year = of_cycle - (365 * of_400 + of_400 / 4 - of_400 / 100);
    unsigned month = (5 * of_year + 2) / 153; /* from March */
    unsigned date = of_year - (153 * month + 2) / 5 + 1;
    to = write_padded(to, cycle * 400 + of_400 + (month >= 10), 4);
    *to++ = '-';
    to = write_padded(to, month < 10 ? month + 3 : month - 9, 2);
    *to++ = '-';
    to = write_padded(to, date, 2);
    *to++ = 'T';
    to = write_padded(to, rest / 3600000, 2);
    *to++ = ':';
    to = write_padded(to, rest / 60000 % 60, 2);
    *to++ = ':';
    to = write_padded(to, rest / 1000 % 60, 2);
    *to++ = '.';
    to = write_padded(to, rest % 1000, 3);
    *to++ = 'Z';
    return to;
}

#endif
