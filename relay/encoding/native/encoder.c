/* relay.encoding.encoder.Encoder in C, for plain batches: from a record batch's BSON to what a sink sends, with no objects
 * for the data in between. Whatever is not plain makes it give up, and then Python does that batch: so what comes out
 * is the same, byte for byte, and every error is Python's.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "same.h"

#define MOST_RECORDS 500 /* outbox.log.batch.MAX_RECORDS */
#define RESERVED 5 /* headers that the relay sets itself */
#define HIGHEST_SEQ (INT64_C(1) << 62)

/* What values are made of a type's messages: relay.encoding.values.Form.number. */
enum { AS_JSON, AS_EXTENDED_JSON, AS_BSON };

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
    PyObject *topics, *log_header;       /* borrowed */
    Share share;
    PyObject *id_name, *seq_name, *created_name;
    uint8_t *room;                       /* for one value's JSON, its size in bytes */
    size_t size;
    /* Of the record before: most have the same, and then its objects are used again. */
    Span type, headers;
    PyObject *known;                     /* (topic, ("type", type), form), borrowed from `topics` */
    long form;
    PyObject *own;                       /* a tuple of the message's own headers */
    bool has_compaction_id;              /* among them: outbox.messages.compaction.COMPACTION_ID */
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
    PyObject *form = self->known == NULL ? NULL : PyTuple_GetItem(self->known, 2);
    self->form = form == NULL ? -1 : PyLong_AsLong(form);
    return self->form != -1;
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

static bool is_text(const Span *name, const char *text)
{
    size_t size = (size_t)(name->end - name->at);
    return strlen(text) == size && memcmp(text, name->at, size) == 0;
}

/* Whether the relay sets a header of this name itself: outbox.messages.limits.RESERVED_HEADERS. */
static bool is_ours(const Span *name)
{
    static const char *const ours[RESERVED] = {"id", "seq", "log", "created", "type"};
    for (int each = 0; each < RESERVED; each++)
        if (is_text(name, ours[each]))
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
    self->has_compaction_id = false;
    while (is_plain && inside.at < inside.end) {
        is_plain = *inside.at++ == 0x02 && read_name(&inside, &name) && is_plain_name(&name, names, &count) &&
                   !is_ours(&name) && read_string(&inside, &text) &&
                   (found[made] = pair(text_object(name), text_object(text))) != NULL;
        made += is_plain;
        self->has_compaction_id |= is_plain && is_text(&name, "compaction-id");
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

/* What every record begins with. */
typedef struct {
    const uint8_t *id;
    int64_t created;
    Span type, key;
    bool has_key;
} Head;

static bool read_head(Span *from, Head *head)
{
    if (!EXPECT(from, "\x07" "id") || !take(from, 12, &head->id) || !EXPECT(from, "\x09" "created") ||
        !read_int64(from, &head->created) || !EXPECT(from, "\x02" "type") || !read_string(from, &head->type))
        return false;
    head->has_key = from->at == from->end || *from->at != 0x0A;
    if (!head->has_key)
        return EXPECT(from, "\x0a" "key");
    return EXPECT(from, "\x02" "key") && read_string(from, &head->key);
}

static bool is_taken(const Share *share, const Head *head, int64_t seq, bool *taken)
{
    *taken = true;
    if (share->count == 0)
        return true;
    Span id = {head->id, head->id + 12};
    return (!head->has_key || is_utf8(head->key)) && decide(share, head->has_key ? head->key : id, seq, taken);
}

static PyObject *value_object(Encoder *self, Span *from)
{
    if (from->at < from->end && *from->at == 0x0A)
        return !EXPECT(from, "\x0a" "data") ? NULL :
               self->has_compaction_id ? PyBytes_FromStringAndSize("null", self->form == AS_BSON ? 0 : 4) :
               Py_NewRef(Py_None);
    if (!EXPECT(from, "\x03" "data"))
        return NULL;
    if (self->form == AS_BSON) {
        const char *whole = (const char *)from->at;
        return !is_same_document(from, false, 0) ? NULL :
               PyBytes_FromStringAndSize(whole, (const char *)from->at - whole);
    }
    size_t needed = GROWTH * (size_t)(from->end - from->at);
    if (needed > self->size) {
        uint8_t *room = PyMem_Realloc(self->room, needed);
        if (room == NULL)
            return PyErr_NoMemory();
        self->room = room;
        self->size = needed;
    }
    uint8_t *end = write_document(self->room, from, false, self->form == AS_EXTENDED_JSON, 0);
    return end == NULL ? NULL : PyBytes_FromStringAndSize((const char *)self->room, end - self->room);
}

static PyObject *headers_object(Encoder *self, const uint8_t *id, int64_t seq)
{
    uint8_t text[24];
    Py_ssize_t own = PyTuple_Size(self->own);
    PyObject *list = PyList_New(RESERVED + own);
    if (list == NULL)
        return NULL;
    PyObject *first = pair(Py_NewRef(self->id_name), text_object((Span){text, write_hex(text, id, 12)}));
    PyObject *second = pair(Py_NewRef(self->seq_name), text_object((Span){text, write_integer(text, seq)}));
    PyList_SetItem(list, 0, first);
    PyList_SetItem(list, 1, second);
    PyList_SetItem(list, 2, Py_NewRef(self->log_header));
    PyList_SetItem(list, 3, Py_NewRef(self->created_header));
    PyList_SetItem(list, 4, Py_NewRef(PyTuple_GetItem(self->known, 1)));
    for (Py_ssize_t each = 0; each < own; each++)
        PyList_SetItem(list, RESERVED + each, Py_NewRef(PyTuple_GetItem(self->own, each)));
    if (first != NULL && second != NULL)
        return list;
    Py_DECREF(list);
    return NULL;
}

static PyObject *mark_object(const Head *head, int64_t seq, PyObject *created_ms)
{
    PyObject *number = PyLong_FromLongLong(seq);
    PyObject *id = PyBytes_FromStringAndSize((const char *)head->id, 12);
    PyObject *mark = number == NULL || id == NULL ? NULL : PyTuple_Pack(3, number, created_ms, id);
    Py_XDECREF(number);
    Py_XDECREF(id);
    return mark;
}

/* What follows the head of one element of `records`, as outbox.delivery.ports' Outgoing. */
static PyObject *outgoing_object(Encoder *self, const Head *head, Span rest, int64_t seq)
{
    PyObject *outgoing = NULL, *value = NULL, *headers = NULL, *number = NULL, *key;
    if (!find_topic(self, head->type) || !set_created(self, head->created) ||
        (key = head->has_key ? text_object(head->key) : Py_NewRef(Py_None)) == NULL)
        return NULL;
    if (EXPECT(&rest, "\x03" "headers") && set_headers(self, &rest) && (value = value_object(self, &rest)) != NULL &&
        rest.at == rest.end && (headers = headers_object(self, head->id, seq)) != NULL &&
        (number = PyLong_FromLongLong(seq)) != NULL)
        outgoing = PyTuple_Pack(5, number, PyTuple_GetItem(self->known, 0), key, value, headers);
    Py_DECREF(key);
    Py_XDECREF(value);
    Py_XDECREF(headers);
    Py_XDECREF(number);
    return outgoing;
}

/* Takes the reference, which may be NULL. */
static bool append(PyObject *list, PyObject *item)
{
    bool is_done = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return is_done;
}

/* `records` are as many as there are from the first to `last`. The mark of the last one is there also when it is not
 * taken. */
static bool encode_records(Encoder *self, Span records, int64_t first, int64_t last, int skip, PyObject *outgoing,
                           PyObject *marks)
{
    for (int64_t seq = first; seq <= last; seq++) {
        uint8_t name[8] = {0x03};
        Span record;
        Head head;
        bool taken;
        uint8_t *end = write_digits(name + 1, (uint64_t)(seq - first));
        *end++ = 0;
        if (!expect(&records, (const char *)name, (size_t)(end - name)) || !read_document(&records, &record))
            return false;
        if (seq < first + skip)
            continue;
        if (!read_head(&record, &head) || !is_taken(&self->share, &head, seq, &taken))
            return false;
        if (taken && !(append(outgoing, outgoing_object(self, &head, record, seq)) &&
                       append(marks, mark_object(&head, seq, self->created_ms))))
            return false;
        if (!taken && seq == last) {
            PyObject *created = PyLong_FromLongLong(head.created);
            if (created == NULL || !append(marks, mark_object(&head, seq, created)))
                return false;
            Py_DECREF(created);
        }
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
    PyObject *outgoing = PyList_New(0), *marks = PyList_New(0), *both = NULL;
    self->id_name = PyUnicode_InternFromString("id");
    self->seq_name = PyUnicode_InternFromString("seq");
    self->created_name = PyUnicode_InternFromString("created");
    if (outgoing != NULL && marks != NULL && self->id_name != NULL && self->seq_name != NULL &&
        self->created_name != NULL && encode_records(self, records, first, last, skip, outgoing, marks))
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
    PyObject *share = Py_None;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y#iO!O!|O:encode", &raw, &size, &skip, &PyDict_Type, &self.topics, &PyTuple_Type,
                          &self.log_header, &share) ||
        !read_share(share, &self.share))
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
    {"encode", encode, METH_VARARGS, "encode(raw, skip, topics, log, share): see _encoder.pyi."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "relay.encoding._encoder", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__encoder(void)
{
    return PyModuleDef_Init(&definition);
}
