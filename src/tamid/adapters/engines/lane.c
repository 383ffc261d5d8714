/* Part of kernel.c where Python's headers are: from a decoded row straight to its score.
 *
 * What a row may hold is said by fields; whatever is not plainly allowed by them gives None, and
 * the ordinary road decides about it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define LANE "Lane"
#define FORM "Form"

enum { NUMBER, INTEGER, BOOLEAN, WORD_KNOWN, WORD_ANY };

typedef struct {
    int kind, nullable;
    Py_ssize_t feature; /* -1: the model does not read it */
    double low, high;
    PyObject *codes; /* of a word: the number that it becomes */
} Field;

typedef struct {
    PyObject_HEAD
    const Program *program;
    PyObject *owner, *unset;
    Py_ssize_t count;
    Field *field;
    double *x;
} Lane;

/* Whole numbers beyond this are for the ordinary road, which counts exactly. */
#define WHOLE 9.2e18

/* Returns 1 with the number of a value, 0 if the ordinary road must decide, -1 on an error. */
static int number_of(const Lane *lane, const Field *f, PyObject *given, double *found)
{
    double v;
    if (given == Py_None || given == lane->unset) {
        *found = NAN;
        return f->nullable;
    }
    switch (f->kind) {
    case NUMBER:
        if (!PyFloat_CheckExact(given)) return 0;
        v = PyFloat_AS_DOUBLE(given);
        break;
    case INTEGER:
        if (!PyLong_CheckExact(given)) return 0;
        v = PyLong_AsDouble(given);
        if (v == -1.0 && PyErr_Occurred()) {
            PyErr_Clear();
            return 0;
        }
        if (!(v > -WHOLE && v < WHOLE)) return 0;
        break;
    case BOOLEAN:
        if (given != Py_True && given != Py_False) return 0;
        *found = given == Py_True ? 1.0 : 0.0;
        return 1;
    default: {
        if (!PyUnicode_CheckExact(given)) return 0;
        PyObject *code = PyDict_GetItemWithError(f->codes, given);
        if (code == NULL) {
            if (PyErr_Occurred()) return -1;
            *found = NAN;
            return f->kind == WORD_ANY;
        }
        *found = PyFloat_AS_DOUBLE(code);
        return 1;
    }
    }
    if (v < f->low || v > f->high || v - v != 0.0) return 0;
    *found = v;
    return 1;
}

/* Returns a new score, None, or NULL with an error. */
static PyObject *score_of(const Lane *lane, PyObject *values)
{
    if (!PyTuple_CheckExact(values) || PyTuple_GET_SIZE(values) < lane->count) {
        PyErr_SetString(PyExc_TypeError, "a tuple with a value for each field is wanted");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < lane->count; i++) {
        double v;
        int fit = number_of(lane, lane->field + i, PyTuple_GET_ITEM(values, i), &v);
        if (fit < 0) return NULL;
        if (fit == 0) Py_RETURN_NONE;
        if (lane->field[i].feature >= 0) lane->x[lane->field[i].feature] = v;
    }
    return PyFloat_FromDouble(tamid_one(lane->program, (const char *)lane->x));
}

#include "form.c"

static PyObject *lane_score(PyObject *self, PyObject *values)
{
    return score_of((Lane *)self, values);
}

static PyObject *lane_scores(PyObject *self, PyObject *rows)
{
    if (!PyList_CheckExact(rows)) {
        PyErr_SetString(PyExc_TypeError, "a list of rows is wanted");
        return NULL;
    }
    PyObject *found = PyList_New(PyList_GET_SIZE(rows));
    for (Py_ssize_t i = 0; found != NULL && i < PyList_GET_SIZE(rows); i++) {
        PyObject *score = score_of((Lane *)self, PyList_GET_ITEM(rows, i));
        if (score == NULL) Py_CLEAR(found);
        else PyList_SET_ITEM(found, i, score);
    }
    return found;
}

static void lane_free(PyObject *self)
{
    Lane *lane = (Lane *)self;
    for (Py_ssize_t i = 0; i < lane->count; i++) Py_XDECREF(lane->field[i].codes);
    PyMem_Free(lane->field);
    PyMem_Free(lane->x);
    Py_XDECREF(lane->owner);
    Py_XDECREF(lane->unset);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Reads one field: (kind, feature, nullable, low, high, codes). */
static int field_read(Lane *lane, Py_ssize_t i, PyObject *given)
{
    Field *f = lane->field + i;
    PyObject *codes;
    if (!PyArg_ParseTuple(given, "inpddO!", &f->kind, &f->feature, &f->nullable, &f->low, &f->high,
                          &PyDict_Type, &codes))
        return -1;
    Py_ssize_t at = 0;
    PyObject *word, *code;
    int fits = f->kind >= NUMBER && f->kind <= WORD_ANY && f->feature >= -1;
    while (fits && PyDict_Next(codes, &at, &word, &code)) fits = PyFloat_CheckExact(code);
    if (!fits || f->feature >= lane->program->features) {
        PyErr_SetString(PyExc_ValueError, "a field that no lane knows");
        return -1;
    }
    /* A copy of its own: nobody else may put something else in. */
    f->codes = PyDict_Copy(codes);
    return f->codes == NULL ? -1 : 0;
}

static PyObject *lane_make(PyTypeObject *type, PyObject *args, PyObject *names)
{
    unsigned long long where;
    PyObject *owner, *unset, *fields;
    if (!PyArg_ParseTuple(args, "KOOO!", &where, &owner, &unset, &PyTuple_Type, &fields)) return NULL;
    const Program *program = (const Program *)(uintptr_t)where;
    Lane *lane = (Lane *)type->tp_alloc(type, 0);
    if (lane == NULL) return NULL;
    Py_ssize_t count = PyTuple_GET_SIZE(fields);
    lane->program = program;
    lane->owner = Py_NewRef(owner);
    lane->unset = Py_NewRef(unset);
    lane->field = PyMem_Calloc((size_t)count + 1, sizeof(Field));
    lane->x = PyMem_Calloc((size_t)program->features + 1, sizeof(double));
    if (lane->field == NULL || lane->x == NULL) {
        Py_DECREF(lane);
        return PyErr_NoMemory();
    }
    for (int64_t i = 0; i < program->features; i++) lane->x[i] = NAN;
    for (lane->count = 0; lane->count < count; lane->count++)
        if (field_read(lane, lane->count, PyTuple_GET_ITEM(fields, lane->count)) < 0) {
            Py_DECREF(lane);
            return NULL;
        }
    return (PyObject *)lane;
}

static PyMethodDef lane_methods[] = {
    {"score", lane_score, METH_O, "Return the score of a row, or None."},
    {"scores", lane_scores, METH_O, "Return what `score` says of each row of a list."},
    {"form", lane_form, METH_O, "Return a form of requests."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lane_slots[] = {
    {Py_tp_new, lane_make}, {Py_tp_dealloc, lane_free}, {Py_tp_methods, lane_methods}, {0, NULL},
};

static PyType_Spec lane_spec = {
    "tamid_kernel.Lane", sizeof(Lane), 0, Py_TPFLAGS_DEFAULT, lane_slots,
};

static int type_added(PyObject *module, PyType_Spec *spec, const char *name)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL) return -1;
    int done = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return done;
}

static int module_fill(PyObject *module)
{
    int done = type_added(module, &lane_spec, LANE);
    return done < 0 ? done : type_added(module, &form_spec, FORM);
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_fill}, {0, NULL}};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "tamid_kernel", NULL, 0, NULL, module_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_tamid_kernel(void) { return PyModuleDef_Init(&module); }
