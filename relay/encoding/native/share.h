/* Which records go out: outbox.shares.share.Share, as the tuple that it is. */
#ifndef OUTBOX_SHARE_H
#define OUTBOX_SHARE_H

#include "text.h"

typedef struct {
    unsigned long number, count; /* count 0: all records */
    PyObject *delivered;         /* borrowed: a tuple of layers, each a tuple of seqs */
} Share;

static uint32_t crc32_of(Span bytes)
{
    static const uint32_t halves[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = UINT32_MAX;
    for (; bytes.at < bytes.end; bytes.at++) {
        crc = halves[(crc ^ *bytes.at) & 15] ^ crc >> 4;
        crc = halves[(crc ^ *bytes.at >> 4) & 15] ^ crc >> 4;
    }
    return ~crc;
}

/* `from` is None, or a Share. */
static bool read_share(PyObject *from, Share *share)
{
    if (from == Py_None)
        return true;
    if (!PyTuple_Check(from) || PyTuple_Size(from) != 3) {
        PyErr_SetString(PyExc_TypeError, "a share is None or a outbox.shares.share.Share");
        return false;
    }
    share->number = PyLong_AsUnsignedLong(PyTuple_GetItem(from, 0));
    share->count = PyLong_AsUnsignedLong(PyTuple_GetItem(from, 1));
    share->delivered = PyTuple_GetItem(from, 2);
    return !PyErr_Occurred();
}

/* Of what Python would read otherwise than it stands there, the hash would be another. */
static bool is_utf8(Span text)
{
    size_t size;
    for (; text.at < text.end; text.at += size) {
        size = *text.at < 0x80 ? 1 : utf8_size(text.at, (size_t)(text.end - text.at));
        if (size == 0)
            return false;
    }
    return true;
}

/* False: not plain, or an exception. `hashed` is the key's text, or the id of a message without a key. */
static bool decide(const Share *share, Span hashed, int64_t seq, bool *is_taken)
{
    uint32_t hash = crc32_of(hashed);
    *is_taken = hash % share->count == share->number - 1;
    for (Py_ssize_t each = 0; *is_taken && each < PyTuple_Size(share->delivered); each++) {
        PyObject *layer = PyTuple_GetItem(share->delivered, each);
        Py_ssize_t size = PyTuple_Size(layer);
        if (size < 1)
            return false;
        *is_taken = seq > PyLong_AsLongLong(PyTuple_GetItem(layer, (Py_ssize_t)hash % size));
    }
    return !PyErr_Occurred();
}

#endif
