/* Whether Python's driver writes a BSON document as it has read it, byte for byte. It does not where it keeps one of two
 * fields of the same name, makes U+FFFD of bytes that are not UTF-8, or reads a type that MongoDB has given up as another
 * one. Where it is not sure, the answer is no.
 */
#ifndef OUTBOX_SAME_H
#define OUTBOX_SAME_H

#include "json.h"
#include "share.h"

static bool is_same_document(Span *from, bool is_array, int depth);

static bool is_same_value(uint8_t type, Span *from, int depth)
{
    Span text;
    int32_t size;
    const uint8_t *bytes;
    switch (type) {
    case 0x02:
        return read_string(from, &text) && is_utf8(text);
    case 0x03:
    case 0x04:
        return is_same_document(from, type == 0x04, depth + 1);
    case 0x05:
        return read_int32(from, &size) && size >= 0 && take(from, 1, &bytes) &&
               (*bytes == 0 || (*bytes == 4 && size == 16)) && take(from, (size_t)size, &bytes);
    case 0x08:
        return take(from, 1, &bytes) && *bytes <= 1;
    case 0x0A:
        return true;
    case 0x10:
        return take(from, 4, &bytes);
    case 0x07:
        return take(from, 12, &bytes);
    case 0x13:
        return take(from, 16, &bytes);
    case 0x01:
    case 0x09:
    case 0x11:
    case 0x12:
        return take(from, 8, &bytes);
    default:
        return false;
    }
}

static bool is_same_document(Span *from, bool is_array, int depth)
{
    Span inside, name, names[MOST_NAMES];
    int count = 0;
    if (depth > MOST_DEPTH || !read_document(from, &inside))
        return false;
    for (uint64_t index = 0; inside.at < inside.end; index++) {
        uint8_t type = *inside.at++;
        if (!read_name(&inside, &name) ||
            !(is_array ? is_index(&name, index) : is_plain_name(&name, names, &count) && is_utf8(name)) ||
            !is_same_value(type, &inside, depth))
            return false;
    }
    return true;
}

#endif
