/* Writes the data of a message as BSON in one pass, by a layout: tuples that outbox/messages/writing/layout.py describes.
 * What is not plain is left: None is returned, and Python decides.
 *
 * A function that writes returns DONE, LEFT, or FAILED with a Python exception set. Functions of Python may be called
 * in between and change what is written, so each value is held while it is used, and lists are measured each time.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DEEPEST 100 /* documents and lists in each other, as many as MongoDB takes */
#define LARGEST INT32_MAX
#define DECIMAL_DIGITS 34
#define LEAST_EXPONENT -6176
#define MOST_EXPONENT 6111

enum { TEXT, INT, LONG, DOUBLE, DECIMAL, BOOL, DOCUMENT, LIST, BY_PYTHON };
enum { NOTHING_IS_LEFT, NOTHING_IS_LEFT_OUT, NOTHING_IS_NULL }; /* where there is no value, or None */
enum { FAILED = -1, LEFT = 0, DONE = 1 };
enum {
    AS_DOUBLE = 0x01,
    AS_TEXT,
    AS_DOCUMENT,
    AS_ARRAY,
    AS_BOOL = 0x08,
    AS_NULL = 0x0A,
    AS_INT = 0x10,
    AS_LONG = 0x12,
    AS_DECIMAL
};

typedef struct {
    char *bytes;
    size_t size, room;
} Buffer;

static int put(Buffer *to, const void *bytes, size_t size)
{
    if (size > LARGEST - to->size)
        return LEFT; /* the server would not take it, and whoever decides says so */
    if (to->size + size > to->room) {
        size_t room = 2 * (to->size + size);
        char *larger = PyMem_Realloc(to->bytes, room);
        if (larger == NULL) {
            PyErr_NoMemory();
            return FAILED;
        }
        to->bytes = larger;
        to->room = room;
    }
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
    return DONE;
}

static void little_endian(char *bytes, uint64_t value, size_t size)
{
    for (size_t at = 0; at < size; at++)
        bytes[at] = (char)(value >> 8 * at);
}

static int put_number(Buffer *to, uint64_t value, size_t size)
{
    char bytes[8];
    little_endian(bytes, value, size);
    return put(to, bytes, size);
}

typedef struct {
    const char *text;
    size_t size;
} Name;

/* A field's type and its name, which ends with a zero byte. */
static int put_head(Buffer *to, int type, Name name)
{
    char byte = (char)type;
    int done = put(to, &byte, 1);
    if (done == DONE)
        done = put(to, name.text, name.size);
    return done == DONE ? put(to, "", 1) : done;
}

/* Borrowed. A layout has what layout.py gave it, so that nothing is missing. */
#define PART(layout, at) PyTuple_GetItem((layout), (at))

/* Whether a value is among `choices`, None for any, and within all `bounds`: each is a way to compare and a value. */
static int within(PyObject *value, PyObject *bounds, PyObject *choices)
{
    int is = choices == Py_None ? 1 : PySet_Contains(choices, value);
    for (Py_ssize_t at = 0; is == 1 && at < PyTuple_Size(bounds); at++) {
        PyObject *bound = PART(bounds, at);
        is = PyObject_RichCompareBool(value, PART(bound, 1), (int)PyLong_AsLong(PART(bound, 0)));
    }
    return is; /* 1 is DONE, 0 LEFT, and -1 FAILED */
}

static int length_within(Py_ssize_t length, PyObject *shortest, PyObject *longest)
{
    if ((shortest != Py_None && length < PyLong_AsSsize_t(shortest)) ||
        (longest != Py_None && length > PyLong_AsSsize_t(longest)))
        return PyErr_Occurred() ? FAILED : LEFT;
    return DONE;
}

static int write_text(Buffer *to, Name name, PyObject *layout, PyObject *value)
{
    if (!PyUnicode_CheckExact(value))
        return LEFT;
    int done = length_within(PyUnicode_GetLength(value), PART(layout, 1), PART(layout, 2));
    if (done == DONE)
        done = PART(layout, 3) == Py_None ? DONE : PySet_Contains(PART(layout, 3), value);
    if (done != DONE)
        return done;
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(value, &size);
    if (text == NULL)
        return FAILED; /* half of a surrogate pair */
    if (size >= LARGEST)
        return LEFT;
    done = put_head(to, AS_TEXT, name);
    if (done == DONE)
        done = put_number(to, (uint64_t)size + 1, 4);
    return done == DONE ? put(to, text, (size_t)size + 1) : done; /* Python ends it with a zero byte, too */
}

static int write_whole(Buffer *to, Name name, PyObject *layout, PyObject *value, int is_long)
{
    if (!PyLong_CheckExact(value))
        return LEFT;
    int done = within(value, PART(layout, 1), PART(layout, 2));
    if (done != DONE)
        return done;
    int beyond;
    long long number = PyLong_AsLongLongAndOverflow(value, &beyond);
    if (beyond != 0)
        return LEFT;
    is_long = is_long || number < INT32_MIN || number > INT32_MAX;
    done = put_head(to, is_long ? AS_LONG : AS_INT, name);
    return done == DONE ? put_number(to, (uint64_t)number, is_long ? 8 : 4) : done;
}

static int write_double(Buffer *to, Name name, PyObject *layout, PyObject *value)
{
    if (!PyFloat_CheckExact(value))
        return LEFT;
    int done = within(value, PART(layout, 1), PART(layout, 2));
    double number = PyFloat_AsDouble(value);
    if (done != DONE || !isfinite(number))
        return done == FAILED ? FAILED : LEFT;
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    done = put_head(to, AS_DOUBLE, name);
    return done == DONE ? put_number(to, bits, 8) : done;
}

/* Of `Decimal.as_tuple()`: the sign, the digits and the exponent, which is text for what is no number. */
static int put_decimal(Buffer *to, Name name, PyObject *parts)
{
    uint32_t words[4] = {0};
    PyObject *digits = PyTuple_GetItem(parts, 1), *power = PyTuple_GetItem(parts, 2);
    if (digits == NULL || power == NULL)
        return FAILED;
    if (!PyLong_CheckExact(power) || PyTuple_Size(digits) > DECIMAL_DIGITS)
        return LEFT;
    int beyond, done;
    long long exponent = PyLong_AsLongLongAndOverflow(power, &beyond);
    if (beyond != 0 || exponent < LEAST_EXPONENT || exponent > MOST_EXPONENT)
        return LEFT;
    for (Py_ssize_t at = 0; at < PyTuple_Size(digits); at++) {
        uint64_t carry = (uint64_t)PyLong_AsLong(PyTuple_GetItem(digits, at));
        for (int word = 0; word < 4; word++) {
            carry += (uint64_t)words[word] * 10;
            words[word] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    words[3] |= (uint32_t)(exponent - LEAST_EXPONENT) << 17;
    words[3] |= (uint32_t)(PyLong_AsLong(PyTuple_GetItem(parts, 0)) != 0) << 31;
    if (PyErr_Occurred())
        return FAILED;
    done = put_head(to, AS_DECIMAL, name);
    for (int word = 0; word < 4 && done == DONE; word++)
        done = put_number(to, words[word], 4);
    return done;
}

static int write_decimal(Buffer *to, Name name, PyObject *layout, PyObject *value)
{
    if ((PyObject *)Py_TYPE(value) != PART(layout, 3))
        return LEFT;
    int done = within(value, PART(layout, 1), PART(layout, 2));
    if (done != DONE)
        return done;
    PyObject *parts = PyObject_CallMethod(value, "as_tuple", NULL);
    if (parts == NULL)
        return FAILED;
    done = put_decimal(to, name, parts);
    Py_DECREF(parts);
    return done;
}

static int write_bool(Buffer *to, Name name, PyObject *value)
{
    if (value != Py_True && value != Py_False)
        return LEFT;
    int done = put_head(to, AS_BOOL, name);
    return done == DONE ? put_number(to, value == Py_True, 1) : done;
}

/* The function returns the type byte and the value's bytes; it raises what Python knows how to take. */
static int write_by_python(Buffer *to, Name name, PyObject *layout, PyObject *value)
{
    PyObject *encoded = PyObject_CallFunctionObjArgs(PART(layout, 1), value, NULL);
    if (encoded == NULL)
        return FAILED;
    char *bytes;
    Py_ssize_t size;
    int done = FAILED;
    if (PyBytes_AsStringAndSize(encoded, &bytes, &size) == 0 && size > 0) {
        done = put_head(to, (unsigned char)bytes[0], name);
        if (done == DONE)
            done = put(to, bytes + 1, (size_t)size - 1);
    }
    Py_DECREF(encoded);
    return done;
}

static int write_element(Buffer *to, Name name, PyObject *layout, PyObject *value, int depth);

static int end(Buffer *to, size_t start)
{
    int done = put(to, "", 1);
    if (done == DONE)
        little_endian(to->bytes + start, to->size - start, 4);
    return done;
}

static int write_field(Buffer *to, PyObject *field, PyObject *values, int depth)
{
    Name name;
    char *text;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(PART(field, 1), &text, &size) < 0)
        return FAILED;
    name = (Name){text, (size_t)size};
    PyObject *value = PyDict_GetItemWithError(values, PART(field, 0));
    if (value == NULL && PyErr_Occurred())
        return FAILED;
    if (value == NULL || value == Py_None)
        switch (PyLong_AsLong(PART(field, value == NULL ? 2 : 3))) {
        case NOTHING_IS_LEFT_OUT:
            return DONE;
        case NOTHING_IS_NULL:
            return put_head(to, AS_NULL, name);
        default:
            return LEFT;
        }
    Py_INCREF(value);
    int done = write_element(to, name, PART(field, 4), value, depth);
    Py_DECREF(value);
    return done;
}

static int write_document(Buffer *to, PyObject *fields, PyObject *values, int depth)
{
    size_t start = to->size;
    if (!PyDict_CheckExact(values) || depth > DEEPEST)
        return LEFT;
    int done = put_number(to, 0, 4);
    Py_ssize_t count = PyTuple_Size(fields);
    for (Py_ssize_t at = 0; at < count && done == DONE; at++)
        done = write_field(to, PART(fields, at), values, depth + 1);
    return done == DONE ? end(to, start) : done;
}

static int write_inner_document(Buffer *to, Name name, PyObject *layout, PyObject *value, int depth)
{
    if ((PyObject *)Py_TYPE(value) != PART(layout, 1))
        return LEFT; /* one of a derived class has fields of its own */
    PyObject *values = PyObject_GetAttr(value, PART(layout, 2)); /* _data, __dict__ */
    if (values == NULL)
        return FAILED;
    int done = put_head(to, AS_DOCUMENT, name);
    if (done == DONE)
        done = write_document(to, PART(layout, 3), values, depth);
    Py_DECREF(values);
    return done;
}

static int write_list(Buffer *to, Name name, PyObject *layout, PyObject *value, int depth)
{
    size_t start;
    char index[24];
    PyObject *item_layout = PART(layout, 4);
    int is = PySet_Contains(PART(layout, 1), (PyObject *)Py_TYPE(value));
    if (is != 1 || depth > DEEPEST)
        return is < 0 ? FAILED : LEFT;
    int done = length_within(PyList_Size(value), PART(layout, 2), PART(layout, 3));
    if (done == DONE)
        done = put_head(to, AS_ARRAY, name);
    start = to->size;
    if (done == DONE)
        done = put_number(to, 0, 4);
    for (Py_ssize_t at = 0; done == DONE && at < PyList_Size(value); at++) {
        PyObject *item = PyList_GetItem(value, at);
        if (item == NULL)
            return FAILED;
        Py_INCREF(item);
        int size = snprintf(index, sizeof index, "%lld", (long long)at);
        done = write_element(to, (Name){index, (size_t)size}, item_layout, item, depth + 1);
        Py_DECREF(item);
    }
    return done == DONE ? end(to, start) : done;
}

static int write_element(Buffer *to, Name name, PyObject *layout, PyObject *value, int depth)
{
    switch (PyLong_AsLong(PART(layout, 0))) {
    case TEXT:
        return write_text(to, name, layout, value);
    case INT:
        return write_whole(to, name, layout, value, 0);
    case LONG:
        return write_whole(to, name, layout, value, 1);
    case DOUBLE:
        return write_double(to, name, layout, value);
    case DECIMAL:
        return write_decimal(to, name, layout, value);
    case BOOL:
        return write_bool(to, name, value);
    case DOCUMENT:
        return write_inner_document(to, name, layout, value, depth);
    case LIST:
        return write_list(to, name, layout, value, depth);
    case BY_PYTHON:
        return write_by_python(to, name, layout, value);
    }
    PyErr_SetString(PyExc_SystemError, "a layout has a kind of value that the writer does not know");
    return FAILED;
}

static PyObject *write_data(PyObject *module, PyObject *arguments)
{
    PyObject *layout, *values, *written = NULL;
    Buffer to = {0};
    (void)module;
    if (!PyArg_ParseTuple(arguments, "O!O:write", &PyTuple_Type, &layout, &values))
        return NULL;
    Py_INCREF(values);
    int done = write_document(&to, layout, values, 0);
    if (done == DONE)
        written = PyBytes_FromStringAndSize(to.bytes, (Py_ssize_t)to.size);
    else if (done == LEFT) {
        Py_INCREF(Py_None);
        written = Py_None;
    }
    Py_DECREF(values);
    PyMem_Free(to.bytes);
    return written;
}

static PyMethodDef methods[] = {
    {"write", write_data, METH_VARARGS, "write(layout, values): see _writer.pyi."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "outbox.messages.writing._writer", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__writer(void)
{
    return PyModuleDef_Init(&definition);
}
