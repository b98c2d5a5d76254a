/* outbox.archive.line.lines in C, for plain records: from a record's BSON to its line of relaxed Extended JSON, with no
 * objects for the data in between. Whatever is not plain is left, and then Python writes that line: so the lines are
 * the same, byte for byte.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "json.h"

#define ID_SIZE 12
#define HEAD_SIZE 128 /* of a line, beside what its BSON grows to */
#define LARGEST (SIZE_MAX / GROWTH - HEAD_SIZE)

/* What comes before a record: its seq, its id and `created` in milliseconds. Borrowed. */
typedef struct {
    PyObject *seq, *created;
    int64_t number, milliseconds;
    const uint8_t *id;
} Head;

/* False: with an exception. */
static bool read_head(PyObject *from, Head *head)
{
    char *id;
    Py_ssize_t size;
    PyObject *id_object;
    if (!PyTuple_Check(from) || PyTuple_Size(from) != 3 || !PyLong_Check(head->seq = PyTuple_GetItem(from, 0)) ||
        !PyLong_Check(head->created = PyTuple_GetItem(from, 2))) {
        PyErr_SetString(PyExc_TypeError, "a head is (seq, id, created)");
        return false;
    }
    id_object = PyTuple_GetItem(from, 1);
    head->number = PyLong_AsLongLong(head->seq);
    head->milliseconds = PyLong_AsLongLong(head->created);
    if (PyErr_Occurred() || PyBytes_AsStringAndSize(id_object, &id, &size) < 0)
        return false;
    if (size != ID_SIZE) {
        PyErr_SetString(PyExc_ValueError, "an id has 12 bytes");
        return false;
    }
    head->id = (const uint8_t *)id;
    return true;
}

/* The record's own fields, in the order in which messages are put. `type` is set to its text. */
static uint8_t *write_fields(uint8_t *to, Span fields, Span *type)
{
    Span key;
    if (!EXPECT(&fields, "\x02" "type") || !read_string(&fields, type) ||
        (to = write_text(write_ascii(to, ",\"type\":"), *type)) == NULL)
        return NULL;
    to = write_ascii(to, ",\"key\":");
    if (fields.at < fields.end && *fields.at == 0x0A) {
        if (!EXPECT(&fields, "\x0a" "key"))
            return NULL;
        to = write_ascii(to, "null");
    } else if (!EXPECT(&fields, "\x02" "key") || !read_string(&fields, &key) || (to = write_text(to, key)) == NULL)
        return NULL;
    if (!EXPECT(&fields, "\x03" "headers") ||
        (to = write_document(write_ascii(to, ",\"headers\":"), &fields, false, true, 0)) == NULL)
        return NULL;
    to = write_ascii(to, ",\"data\":");
    if (fields.at < fields.end && *fields.at == 0x0A) {
        if (!EXPECT(&fields, "\x0a" "data"))
            return NULL;
        to = write_ascii(to, "null");
    } else if (!EXPECT(&fields, "\x03" "data") || (to = write_document(to, &fields, false, true, 0)) == NULL)
        return NULL;
    return fields.at == fields.end ? to : NULL;
}

static uint8_t *write_line(uint8_t *to, const Head *head, Span fields, Span *type)
{
    to = write_integer(write_ascii(to, "{\"seq\":"), head->number);
    to = write_hex(write_ascii(to, ",\"id\":\""), head->id, ID_SIZE);
    to = write_date(write_ascii(to, "\",\"created\":\""), head->milliseconds);
    if (to == NULL || (to = write_fields(write_ascii(to, "\""), fields, type)) == NULL)
        return NULL;
    return write_ascii(to, "}\n");
}

typedef struct {
    uint8_t *room;
    size_t size;
    /* Of the record before: most have the same. */
    PyObject *type;
    Span type_text; /* lives as long as the caller's list of documents */
} Writer;

static bool has_room(Writer *self, size_t needed)
{
    if (needed <= self->size)
        return true;
    uint8_t *room = PyMem_Realloc(self->room, needed);
    if (room == NULL) {
        PyErr_NoMemory();
        return false;
    }
    self->room = room;
    self->size = needed;
    return true;
}

static bool set_type(Writer *self, Span text)
{
    if (self->type != NULL && is_same(&text, &self->type_text))
        return true;
    PyObject *type = PyUnicode_FromStringAndSize((const char *)text.at, text.end - text.at);
    if (type == NULL)
        return false;
    Py_XDECREF(self->type);
    self->type = type;
    self->type_text = text;
    return true;
}

/* A new reference: `(seq, line, created, type)`, None for what is left to Python, NULL with an exception. */
static PyObject *line_object(Writer *self, PyObject *from, PyObject *document)
{
    char *bytes;
    Py_ssize_t size;
    Head head;
    Span whole, fields, type;
    if (!read_head(from, &head) || PyBytes_AsStringAndSize(document, &bytes, &size) < 0)
        return NULL;
    whole = (Span){(const uint8_t *)bytes, (const uint8_t *)bytes + size};
    if ((size_t)size > LARGEST || !read_document(&whole, &fields) || whole.at != whole.end)
        Py_RETURN_NONE;
    if (!has_room(self, GROWTH * (size_t)size + HEAD_SIZE))
        return NULL;
    uint8_t *end = write_line(self->room, &head, fields, &type);
    if (end == NULL) {
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    PyObject *line = PyBytes_FromStringAndSize((const char *)self->room, end - self->room);
    PyObject *made = NULL;
    if (line != NULL && set_type(self, type))
        made = PyTuple_Pack(4, head.seq, line, head.created, self->type);
    Py_XDECREF(line);
    return made;
}

static PyObject *write_lines(PyObject *module, PyObject *arguments)
{
    PyObject *heads, *documents;
    Writer self = {0};
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!O!:write", &PyList_Type, &heads, &PyList_Type, &documents))
        return NULL;
    Py_ssize_t count = PyList_Size(heads);
    if (PyList_Size(documents) != count) {
        PyErr_SetString(PyExc_ValueError, "there are not as many heads as documents");
        return NULL;
    }
    PyObject *lines = PyList_New(count);
    for (Py_ssize_t at = 0; lines != NULL && at < count; at++) {
        PyObject *line = line_object(&self, PyList_GetItem(heads, at), PyList_GetItem(documents, at));
        if (line == NULL)
            Py_CLEAR(lines);
        else
            PyList_SetItem(lines, at, line);
    }
    PyMem_Free(self.room);
    Py_XDECREF(self.type);
    return lines;
}

static PyMethodDef methods[] = {
    {"write", write_lines, METH_VARARGS, "write(heads, documents): see _lines.pyi."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "outbox.archive._lines", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__lines(void)
{
    return PyModuleDef_Init(&definition);
}
