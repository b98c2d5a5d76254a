/* relay.encoding.Encoder in C, for plain batches: from a record batch's BSON to what a sink sends, with no objects
 * for the data in between. Whatever is not plain makes it give up, and then Python does that batch: so what comes out
 * is the same, byte for byte, and every error is Python's.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "json.h"

#define MOST_RECORDS 500 /* outbox.batch.MAX_RECORDS */
#define HIGHEST_SEQ (INT64_C(1) << 62)

/* Making Python's objects: each returns a new reference, or NULL: with an exception, or not plain. */

static PyObject *text_object(Span text)
{
    return PyUnicode_FromStringAndSize((const char *)text.at, text.end - text.at);
}

/* Takes both references, also when it fails. */
static PyObject *pair(PyObject *one, PyObject *other)
{
    PyObject *made = one == NULL || other == NULL ? NULL : PyTuple_Pack(2, one, other);
    Py_XDECREF(one);
    Py_XDECREF(other);
    return made;
}

typedef struct {
    PyObject *topics;                    /* borrowed */
    PyObject *id_name, *seq_name, *created_name;
    uint8_t *room;                       /* for one value's JSON, its size in bytes */
    size_t size;
    /* Of the record before: most have the same, and then its objects are used again. */
    Span type, headers;
    PyObject *known;                     /* (topic, ("type", type)), borrowed from `topics` */
    PyObject *own;                       /* a tuple of the message's own headers */
    int64_t created;
    PyObject *created_ms, *created_header;
} Encoder;

static bool find_topic(Encoder *self, Span type)
{
    if (self->known != NULL && is_same(&type, &self->type))
        return true;
    PyObject *text = text_object(type);
    if (text == NULL)
        return false;
    self->known = PyDict_GetItemWithError(self->topics, text);
    self->type = type;
    Py_DECREF(text);
    return self->known != NULL;
}

static bool set_created(Encoder *self, int64_t created)
{
    uint8_t text[DATE_SIZE];
    if (self->created_header != NULL && created == self->created)
        return true;
    if (write_date(text, created) == NULL)
        return false;
    Py_CLEAR(self->created_ms);
    Py_CLEAR(self->created_header);
    self->created = created;
    self->created_ms = PyLong_FromLongLong(created);
    self->created_header = pair(Py_NewRef(self->created_name), text_object((Span){text, text + DATE_SIZE}));
    return self->created_ms != NULL && self->created_header != NULL;
}

/* Whether the relay sets a header of this name itself: outbox.limits.RESERVED_HEADERS. */
static bool is_ours(const Span *name)
{
    static const char *const ours[] = {"id", "seq", "created", "type"};
    size_t size = (size_t)(name->end - name->at);
    for (int each = 0; each < 4; each++)
        if (strlen(ours[each]) == size && memcmp(ours[each], name->at, size) == 0)
            return true;
    return false;
}

static bool set_headers(Encoder *self, Span *from)
{
    Span inside, whole = *from, name, text, names[MOST_NAMES];
    int count = 0;
    if (!read_document(from, &inside))
        return false;
    whole.end = from->at;
    if (self->own != NULL && is_same(&whole, &self->headers))
        return true;
    PyObject *found[MOST_NAMES];
    bool is_plain = true;
    int made = 0;
    while (is_plain && inside.at < inside.end) {
        is_plain = *inside.at++ == 0x02 && read_name(&inside, &name) && is_plain_name(&name, names, &count) &&
                   !is_ours(&name) && read_string(&inside, &text) &&
                   (found[made] = pair(text_object(name), text_object(text))) != NULL;
        made += is_plain;
    }
    Py_CLEAR(self->own);
    if (is_plain)
        self->own = PyTuple_New(made);
    self->headers = whole;
    for (int each = 0; each < made; each++) {
        if (self->own != NULL)
            PyTuple_SetItem(self->own, each, found[each]);
        else
            Py_DECREF(found[each]);
    }
    return self->own != NULL;
}

static PyObject *key_object(Span *from)
{
    Span text;
    if (from->at < from->end && *from->at == 0x0A)
        return EXPECT(from, "\x0a" "key") ? Py_NewRef(Py_None) : NULL;
    return EXPECT(from, "\x02" "key") && read_string(from, &text) ? text_object(text) : NULL;
}

static PyObject *value_object(Encoder *self, Span *from)
{
    if (from->at < from->end && *from->at == 0x0A)
        return EXPECT(from, "\x0a" "data") ? Py_NewRef(Py_None) : NULL;
    size_t needed = GROWTH * (size_t)(from->end - from->at);
    if (needed > self->size) {
        uint8_t *room = PyMem_Realloc(self->room, needed);
        if (room == NULL)
            return PyErr_NoMemory();
        self->room = room;
        self->size = needed;
    }
    if (!EXPECT(from, "\x03" "data"))
        return NULL;
    uint8_t *end = write_document(self->room, from, false, 0);
    return end == NULL ? NULL : PyBytes_FromStringAndSize((const char *)self->room, end - self->room);
}

static PyObject *headers_object(Encoder *self, const uint8_t *id, int64_t seq)
{
    uint8_t text[24];
    Py_ssize_t own = PyTuple_Size(self->own);
    PyObject *list = PyList_New(4 + own);
    if (list == NULL)
        return NULL;
    PyObject *first = pair(Py_NewRef(self->id_name), text_object((Span){text, write_hex(text, id, 12)}));
    PyObject *second = pair(Py_NewRef(self->seq_name), text_object((Span){text, write_integer(text, seq)}));
    PyList_SetItem(list, 0, first);
    PyList_SetItem(list, 1, second);
    PyList_SetItem(list, 2, Py_NewRef(self->created_header));
    PyList_SetItem(list, 3, Py_NewRef(PyTuple_GetItem(self->known, 1)));
    for (Py_ssize_t each = 0; each < own; each++)
        PyList_SetItem(list, 4 + each, Py_NewRef(PyTuple_GetItem(self->own, each)));
    if (first != NULL && second != NULL)
        return list;
    Py_DECREF(list);
    return NULL;
}

/* One element of `records`, without its name, as relay.encoding's Outgoing and Mark. */
static bool encode_record(Encoder *self, Span record, int64_t seq, PyObject **outgoing, PyObject **mark)
{
    Span type;
    const uint8_t *id;
    int64_t created;
    PyObject *key, *value = NULL, *headers = NULL, *number = NULL, *id_bytes = NULL;
    if (!EXPECT(&record, "\x07" "id") || !take(&record, 12, &id) || !EXPECT(&record, "\x09" "created") ||
        !read_int64(&record, &created) || !EXPECT(&record, "\x02" "type") || !read_string(&record, &type) ||
        !find_topic(self, type) || !set_created(self, created) || (key = key_object(&record)) == NULL)
        return false;
    if (EXPECT(&record, "\x03" "headers") && set_headers(self, &record) &&
        (value = value_object(self, &record)) != NULL && record.at == record.end &&
        (headers = headers_object(self, id, seq)) != NULL && (number = PyLong_FromLongLong(seq)) != NULL &&
        (id_bytes = PyBytes_FromStringAndSize((const char *)id, 12)) != NULL) {
        *outgoing = PyTuple_Pack(5, number, PyTuple_GetItem(self->known, 0), key, value, headers);
        *mark = PyTuple_Pack(3, number, self->created_ms, id_bytes);
    }
    Py_DECREF(key);
    Py_XDECREF(value);
    Py_XDECREF(headers);
    Py_XDECREF(number);
    Py_XDECREF(id_bytes);
    return *outgoing != NULL && *mark != NULL;
}

/* `records` has as many as the lists have room for, after the `skip` first. */
static bool encode_records(Encoder *self, Span records, int64_t first, int skip, PyObject *outgoing, PyObject *marks)
{
    int count = skip + (int)PyList_Size(outgoing);
    for (int index = 0; index < count; index++) {
        uint8_t name[8] = {0x03};
        Span record;
        uint8_t *end = write_digits(name + 1, (uint64_t)index);
        *end++ = 0;
        if (!expect(&records, (const char *)name, (size_t)(end - name)) || !read_document(&records, &record))
            return false;
        if (index < skip)
            continue;
        PyObject *one = NULL, *its = NULL;
        bool is_plain = encode_record(self, record, first + index, &one, &its);
        PyList_SetItem(outgoing, index - skip, one);
        PyList_SetItem(marks, index - skip, its);
        if (!is_plain)
            return false;
    }
    return records.at == records.end;
}

/* The whole document: `records` are the elements of that array. */
static bool read_batch(Span raw, int64_t *first, int64_t *last, Span *records)
{
    Span inside;
    int64_t unused;
    return read_document(&raw, &inside) && raw.at == raw.end && EXPECT(&inside, "\x12_id") &&
           read_int64(&inside, first) && EXPECT(&inside, "\x12last") && read_int64(&inside, last) &&
           EXPECT(&inside, "\x12" "fence") && read_int64(&inside, &unused) && EXPECT(&inside, "\x12undeleted") &&
           read_int64(&inside, &unused) && EXPECT(&inside, "\x04records") && read_document(&inside, records) &&
           inside.at == inside.end && *first >= 0 && *first <= *last && *last < HIGHEST_SEQ &&
           *last - *first < MOST_RECORDS;
}

static PyObject *encode_batch(Encoder *self, Span raw, int skip)
{
    int64_t first, last;
    Span records;
    if (!read_batch(raw, &first, &last, &records) || skip < 0 || skip > last - first)
        return NULL;
    Py_ssize_t count = (Py_ssize_t)(last - first) + 1 - skip;
    PyObject *outgoing = PyList_New(count), *marks = PyList_New(count), *both = NULL;
    self->id_name = PyUnicode_InternFromString("id");
    self->seq_name = PyUnicode_InternFromString("seq");
    self->created_name = PyUnicode_InternFromString("created");
    if (outgoing != NULL && marks != NULL && self->id_name != NULL && self->seq_name != NULL &&
        self->created_name != NULL && encode_records(self, records, first, skip, outgoing, marks))
        both = PyTuple_Pack(2, outgoing, marks);
    Py_XDECREF(outgoing);
    Py_XDECREF(marks);
    return both;
}

static PyObject *encode(PyObject *module, PyObject *arguments)
{
    const char *raw;
    Py_ssize_t size;
    int skip;
    Encoder self = {0};
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y#iO!:encode", &raw, &size, &skip, &PyDict_Type, &self.topics))
        return NULL;
    PyObject *both = encode_batch(&self, (Span){(const uint8_t *)raw, (const uint8_t *)raw + size}, skip);
    PyMem_Free(self.room);
    Py_XDECREF(self.own);
    Py_XDECREF(self.created_ms);
    Py_XDECREF(self.created_header);
    Py_XDECREF(self.id_name);
    Py_XDECREF(self.seq_name);
    Py_XDECREF(self.created_name);
    if (both != NULL)
        return both;
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) /* there was no memory */
        return NULL;
    PyErr_Clear();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"encode", encode, METH_VARARGS, "encode(raw, skip, topics): see _encoder.pyi."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "relay._encoder", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__encoder(void)
{
    return PyModuleDef_Init(&definition);
}
