/* Reading BSON. A Span is what is left of the bytes, and nothing is read without asking it; each function returns false
 * when the bytes are not there, or not as they should be.
 */
#ifndef OUTBOX_BSON_H
#define OUTBOX_BSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MOST_NAMES 64 /* of one document: each is compared with the ones before it */

typedef struct {
    const uint8_t *at, *end;
} Span;

static bool take(Span *from, size_t size, const uint8_t **found)
{
    if ((size_t)(from->end - from->at) < size)
        return false;
    *found = from->at;
    from->at += size;
    return true;
}

static bool expect(Span *from, const char *bytes, size_t size)
{
    const uint8_t *found;
    return take(from, size, &found) && memcmp(found, bytes, size) == 0;
}

/* The size is that of the text as written here: with the type byte in front and the zero byte at its end. */
#define EXPECT(from, name) expect((from), (name), sizeof(name))

static uint64_t little_endian(const uint8_t *bytes, int size)
{
    uint64_t value = 0;
    while (size-- > 0)
        value = value << 8 | bytes[size];
    return value;
}

static bool read_int32(Span *from, int32_t *value)
{
    const uint8_t *found;
    if (!take(from, 4, &found))
        return false;
    *value = (int32_t)little_endian(found, 4);
    return true;
}

static bool read_int64(Span *from, int64_t *value)
{
    const uint8_t *found;
    if (!take(from, 8, &found))
        return false;
    *value = (int64_t)little_endian(found, 8);
    return true;
}

/* A document or an array: `inside` are its elements, without its size and the zero byte that ends it. */
static bool read_document(Span *from, Span *inside)
{
    int32_t size;
    const uint8_t *found;
    if (!read_int32(from, &size) || size < 5 || !take(from, (size_t)size - 4, &found) || from->at[-1] != 0)
        return false;
    inside->at = found;
    inside->end = from->at - 1;
    return true;
}

static bool read_string(Span *from, Span *text)
{
    int32_t size;
    if (!read_int32(from, &size) || size < 1 || !take(from, (size_t)size, &text->at) || from->at[-1] != 0)
        return false;
    text->end = from->at - 1;
    return true;
}

static bool read_name(Span *from, Span *name)
{
    const uint8_t *zero = memchr(from->at, 0, (size_t)(from->end - from->at));
    if (zero == NULL)
        return false;
    name->at = from->at;
    name->end = zero;
    from->at = zero + 1;
    return true;
}

static bool is_same(const Span *one, const Span *other)
{
    size_t size = (size_t)(one->end - one->at);
    return (size_t)(other->end - other->at) == size && memcmp(one->at, other->at, size) == 0;
}

/* Whether Python would make a dict of these names as they are: it keeps one of two fields with the same name, and the
 * driver makes a DBRef of a document with `$ref`. Adds the name. */
static bool is_plain_name(const Span *name, Span *names, int *count)
{
    if (*count == MOST_NAMES || (name->at < name->end && *name->at == '$'))
        return false;
    for (int each = 0; each < *count; each++)
        if (is_same(name, &names[each]))
            return false;
    names[(*count)++] = *name;
    return true;
}

#endif
