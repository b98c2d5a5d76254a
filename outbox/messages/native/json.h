/* From a BSON document to JSON, as orjson writes what outbox.messages.json_value gives it, or to relaxed Extended JSON, as
 * outbox.archive.extended_json has it. Each function returns where to write on; NULL: not plain, or (write_double only) a Python
 * exception.
 *
 * JSON takes at most GROWTH bytes for each byte of BSON: a control character becomes \u001f, and a field of no bytes,
 * which takes 7, {"$binary":{"base64":"","subType":"00"}}; every other value takes less. So whoever calls makes that much
 * room, and writing needs no checks.
 */
#ifndef OUTBOX_JSON_H
#define OUTBOX_JSON_H

#include "extended.h"

#define GROWTH 7
#define MOST_DEPTH 32 /* a level takes about 1 KiB of the stack, and a thread may have little */

static uint8_t *write_uuid(uint8_t *to, const uint8_t *bytes)
{
    static const int sizes[] = {4, 2, 2, 2, 6};
    for (int part = 0; part < 5; bytes += sizes[part++]) {
        if (part > 0)
            *to++ = '-';
        to = write_hex(to, bytes, sizes[part]);
    }
    return to;
}

/* JSON has bytes (subtype 0) and UUIDs (4); the driver makes objects of its own of the others. Extended JSON has all; of
 * subtype 2, which has its size twice, the driver makes something else. */
static uint8_t *write_binary(uint8_t *to, Span *from, bool is_extended)
{
    int32_t size;
    const uint8_t *subtype, *bytes;
    if (!read_int32(from, &size) || size < 0 || !take(from, 1, &subtype) || !take(from, (size_t)size, &bytes))
        return NULL;
    if (is_extended) {
        if (*subtype == 2)
            return NULL;
        to = write_base64(write_ascii(to, "{\"$binary\":{\"base64\":\""), bytes, (size_t)size);
        return write_ascii(write_hex(write_ascii(to, "\",\"subType\":\""), subtype, 1), "\"}}");
    }
    if (*subtype != 0 && !(*subtype == 4 && size == 16))
        return NULL;
    *to++ = '"';
    to = *subtype == 0 ? write_base64(to, bytes, (size_t)size) : write_uuid(to, bytes);
    *to++ = '"';
    return to;
}

static uint8_t *write_document(uint8_t *to, Span *from, bool is_array, bool is_extended, int depth);

/* The values that Extended JSON has otherwise. */
static uint8_t *write_plain(uint8_t *to, uint8_t type, const uint8_t *bytes)
{
    if (type == 0x12)
        return write_integer(to, (int64_t)little_endian(bytes, 8));
    *to++ = '"';
    switch (type) {
    case 0x07:
        to = write_hex(to, bytes, 12);
        break;
    case 0x09:
        if ((to = write_date(to, (int64_t)little_endian(bytes, 8))) == NULL)
            return NULL;
        break;
    case 0x13:
        if ((to = write_decimal(to, bytes)) == NULL)
            return NULL;
        break;
    default: /* no type of JSON's, or none that there is */
        return NULL;
    }
    *to++ = '"';
    return to;
}

/* One value whose bytes have a fixed size. */
static uint8_t *write_fixed(uint8_t *to, uint8_t type, Span *from, bool is_extended)
{
    const uint8_t *bytes;
    size_t size = type == 0x0A ? 0 : type == 0x08 ? 1 : type == 0x10 ? 4 : type == 0x07 ? 12 : type == 0x13 ? 16 : 8;
    if (!take(from, size, &bytes))
        return NULL;
    switch (type) {
    case 0x01:
        return write_double(to, bytes);
    case 0x08:
        return *bytes > 1 ? NULL : write_ascii(to, *bytes ? "true" : "false");
    case 0x0A:
        return write_ascii(to, "null");
    case 0x10:
        return write_integer(to, (int32_t)little_endian(bytes, 4));
    default:
        return is_extended ? write_extended(to, type, bytes) : write_plain(to, type, bytes);
    }
}

static uint8_t *write_value(uint8_t *to, uint8_t type, Span *from, bool is_extended, int depth)
{
    Span text;
    switch (type) {
    case 0x02:
        return read_string(from, &text) ? write_text(to, text) : NULL;
    case 0x03:
    case 0x04:
        return write_document(to, from, type == 0x04, is_extended, depth + 1);
    case 0x05:
        return write_binary(to, from, is_extended);
    default:
        return write_fixed(to, type, from, is_extended);
    }
}

static bool is_index(const Span *name, uint64_t index)
{
    uint8_t text[20];
    Span digits = {text, write_digits(text, index)};
    return is_same(name, &digits);
}

static uint8_t *write_document(uint8_t *to, Span *from, bool is_array, bool is_extended, int depth)
{
    Span inside, name, names[MOST_NAMES];
    int count = 0;
    uint64_t index = 0;
    if (depth > MOST_DEPTH || !read_document(from, &inside))
        return NULL;
    *to++ = is_array ? '[' : '{';
    for (bool is_first = true; inside.at < inside.end; is_first = false) {
        uint8_t type = *inside.at++;
        /* What is odd in the names of an array's elements would not come back. */
        if (!read_name(&inside, &name) ||
            (is_array ? is_extended && !is_index(&name, index++) : !is_plain_name(&name, names, &count)))
            return NULL;
        if (!is_first)
            *to++ = ',';
        if (!is_array) {
            if ((to = write_text(to, name)) == NULL)
                return NULL;
            *to++ = ':';
        }
        if ((to = write_value(to, type, &inside, is_extended, depth)) == NULL)
            return NULL;
    }
    *to++ = is_array ? ']' : '}';
    return to;
}

#endif
