/* From BSON to relaxed Extended JSON, as outbox/archive/extended_json.py has it. Each function returns where to write on;
 * NULL: not plain, or a Python exception.
 *
 * JSON takes at most GROWTH bytes for each byte of BSON: a control character becomes \u001f, and an empty binary under
 * a name of one letter takes 44 bytes for 8. So whoever calls makes that much room, and writing needs no checks.
 */
#ifndef OUTBOX_EXTENDED_H
#define OUTBOX_EXTENDED_H

#include "decimal.h"

#define GROWTH 6
#define MOST_DEPTH 32 /* a level takes about 1 KiB of the stack, and a thread may have little */
#define ID_SIZE 12

static uint8_t *write_named_number(uint8_t *to, int64_t value)
{
    return write_ascii(write_integer(write_ascii(to, "{\"$numberLong\":\""), value), "\"}");
}

/* A plain number only where nobody can take it for an int32. */
static uint8_t *write_long(uint8_t *to, int64_t value)
{
    return value < INT32_MIN || value > INT32_MAX ? write_integer(to, value) : write_named_number(to, value);
}

static uint8_t *write_moment(uint8_t *to, int64_t milliseconds)
{
    to = write_ascii(to, "{\"$date\":");
    if (milliseconds < 0 || milliseconds > LAST_DATE)
        return write_ascii(write_named_number(to, milliseconds), "}");
    *to++ = '"';
    to = write_date(to, milliseconds);
    if (milliseconds % 1000 == 0)
        to = write_ascii(to - strlen(".000Z"), "Z");
    return write_ascii(to, "\"}");
}

/* Whether these are the bits that Decimal128 makes of this number's text: some numbers have several forms, and some
 * bits are no number. */
static bool is_usual_decimal(const uint8_t *bytes)
{
    const uint64_t high_of_limit = UINT64_C(0x1ED09BEAD87C0), low_of_limit = UINT64_C(0x378D8E6400000000); /* 10^34 */
    uint64_t low = little_endian(bytes, 8), high = little_endian(bytes + 8, 8);
    uint64_t digits = high & ((UINT64_C(1) << 49) - 1);
    return (high >> 61 & 3) != 3 &&
           (digits < high_of_limit || (digits == high_of_limit && low < low_of_limit));
}

static uint8_t *write_binary(uint8_t *to, Span *from)
{
    int32_t size;
    const uint8_t *subtype, *bytes;
    if (!read_int32(from, &size) || size < 0 || !take(from, 1, &subtype) || !take(from, (size_t)size, &bytes) ||
        *subtype == 2) /* which has its size twice */
        return NULL;
    to = write_base64(write_ascii(to, "{\"$binary\":{\"base64\":\""), bytes, (size_t)size);
    return write_ascii(write_hex(write_ascii(to, "\",\"subType\":\""), subtype, 1), "\"}}");
}

static uint8_t *write_document(uint8_t *to, Span *from, bool is_array, int depth);

/* One value whose bytes have a fixed size. */
static uint8_t *write_fixed(uint8_t *to, uint8_t type, Span *from)
{
    const uint8_t *bytes;
    size_t size = type == 0x0A ? 0 : type == 0x08 ? 1 : type == 0x10 ? 4 : type == 0x07 ? ID_SIZE : 8;
    if (!take(from, type == 0x13 ? 16 : size, &bytes))
        return NULL;
    switch (type) {
    case 0x01:
        return write_double(to, bytes);
    case 0x07:
        return write_ascii(write_hex(write_ascii(to, "{\"$oid\":\""), bytes, ID_SIZE), "\"}");
    case 0x08:
        return *bytes > 1 ? NULL : write_ascii(to, *bytes ? "true" : "false");
    case 0x09:
        return write_moment(to, (int64_t)little_endian(bytes, 8));
    case 0x0A:
        return write_ascii(to, "null");
    case 0x10:
        return write_integer(to, (int32_t)little_endian(bytes, 4));
    case 0x12:
        return write_long(to, (int64_t)little_endian(bytes, 8));
    case 0x13:
        if (!is_usual_decimal(bytes))
            return NULL;
        return write_ascii(write_decimal(write_ascii(to, "{\"$numberDecimal\":\""), bytes), "\"}");
    }
    return NULL;
}

static uint8_t *write_value(uint8_t *to, uint8_t type, Span *from, int depth)
{
    Span text;
    switch (type) {
    case 0x02:
        return read_string(from, &text) ? write_text(to, text) : NULL;
    case 0x03:
    case 0x04:
        return write_document(to, from, type == 0x04, depth + 1);
    case 0x05:
        return write_binary(to, from);
    default:
        return write_fixed(to, type, from);
    }
}

static bool is_index(const Span *name, uint64_t expected)
{
    uint8_t digits[20];
    Span text = {digits, write_digits(digits, expected)};
    return is_same(name, &text);
}

static uint8_t *write_document(uint8_t *to, Span *from, bool is_array, int depth)
{
    Span inside, name, names[MOST_NAMES];
    int count = 0;
    uint64_t index = 0;
    if (depth > MOST_DEPTH || !read_document(from, &inside))
        return NULL;
    *to++ = is_array ? '[' : '{';
    for (bool is_first = true; inside.at < inside.end; is_first = false) {
        uint8_t type = *inside.at++;
        if (!read_name(&inside, &name) || !(is_array ? is_index(&name, index++) : is_plain_name(&name, names, &count)))
            return NULL;
        if (!is_first)
            *to++ = ',';
        if (!is_array) {
            if ((to = write_text(to, name)) == NULL)
                return NULL;
            *to++ = ':';
        }
        if ((to = write_value(to, type, &inside, depth)) == NULL)
            return NULL;
    }
    *to++ = is_array ? ']' : '}';
    return to;
}

#endif
