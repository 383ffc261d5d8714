/* Part of kernel.c where Python's headers are: from the bytes of a request straight to its score.
 *
 * A form is what all requests of one client have in common: the bytes between their values, and
 * what is packed behind. Whoever makes one has read such a request by other means; here it is only
 * seen that the next one differs in nothing but plain values. All else gives None.
 */
#include "number.c"

enum { DOUBLES, WHOLES, TEXTS };

typedef struct {
    int kind;
    Py_ssize_t size, count;
} Part;

typedef struct {
    PyObject_HEAD
    Lane *lane;
    PyObject *between; /* one more than values in JSON; empty where all values are packed */
    Py_ssize_t slots, parts;
    Py_ssize_t *place; /* which field each value is, those in JSON first */
    Part *part;
} Form;

typedef struct {
    const char *at, *end;
} Text;

static int has(const Text *t, const char *word, Py_ssize_t size)
{
    return t->end - t->at >= size && memcmp(t->at, word, (size_t)size) == 0;
}

/* As for number_of: 1 with the number, 0 if the ordinary road must decide, -1 on an error. */
static int within(const Field *f, double v, double *found)
{
    *found = v;
    return !(v < f->low || v > f->high || v - v != 0.0);
}

static int missing(const Field *f, double *found)
{
    *found = NAN;
    return f->nullable;
}

static int word_of(const Field *f, const char *text, Py_ssize_t size, double *found)
{
    PyObject *word = PyUnicode_DecodeUTF8(text, size, NULL);
    if (word == NULL) {
        PyErr_Clear();
        return 0;
    }
    PyObject *code = PyDict_GetItemWithError(f->codes, word);
    Py_DECREF(word);
    if (code == NULL) {
        *found = NAN;
        return PyErr_Occurred() ? -1 : f->kind == WORD_ANY;
    }
    *found = PyFloat_AS_DOUBLE(code);
    return 1;
}

/* Reads a number as Python does: 1 if all of it is one. */
static int read_elsewhere(const char *at, const char *end, double *found)
{
    char *behind;
    *found = PyOS_string_to_double(at, &behind, NULL);
    if (*found == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return behind == end;
}

/* Reads one value in JSON and stands behind it. */
static int value_of(const Field *f, Text *t, double *found)
{
    if (has(t, "null", 4)) {
        t->at += 4;
        return missing(f, found);
    }
    if (f->kind == WORD_KNOWN || f->kind == WORD_ANY) {
        if (t->at >= t->end || *t->at != '"') return 0;
        const char *begin = ++t->at;
        while (t->at < t->end && *t->at != '"' && *t->at != '\\' && (unsigned char)*t->at >= 0x20)
            t->at++;
        if (t->at >= t->end || *t->at != '"') return 0;
        return word_of(f, begin, t->at++ - begin, found);
    }
    if (f->kind == BOOLEAN) {
        int yes = has(t, "true", 4);
        if (!yes && !has(t, "false", 5)) return 0;
        t->at += yes ? 4 : 5;
        *found = yes ? 1.0 : 0.0;
        return 1;
    }
    Number n = number_at(t->at);
    /* Eighteen digits are below WHOLE: what is longer is counted exactly, elsewhere. */
    if (n.end == NULL || (f->kind == INTEGER && (!n.whole || n.end - t->at > 18))) return 0;
    double v;
    if (!nearest(&n, &v) && !read_elsewhere(t->at, n.end, &v)) return 0;
    t->at = n.end;
    /* As a whole number, -0 is 0. */
    return within(f, n.whole ? v + 0.0 : v, found);
}

/* Reads one packed value and stands behind it. */
static int packed_of(const Field *f, int kind, Text *t, double *found)
{
    if (kind == TEXTS) {
        uint32_t size;
        if (t->end - t->at < 4) return 0;
        memcpy(&size, t->at, 4);
        t->at += 4;
        if (f->kind < WORD_KNOWN || (uint64_t)(t->end - t->at) < size) return 0;
        t->at += size;
        return word_of(f, t->at - size, (Py_ssize_t)size, found);
    }
    int64_t n;
    double v;
    memcpy(&n, t->at, 8);
    memcpy(&v, t->at, 8);
    t->at += 8;
    if (kind == WHOLES)
        return f->kind == INTEGER && n > -(int64_t)WHOLE && n < (int64_t)WHOLE
               && within(f, (double)n, found);
    if (f->kind != NUMBER) return 0;
    return v != v ? missing(f, found) : within(f, v, found);
}

static int keep(const Lane *lane, const Field *f, int fit, double v)
{
    if (fit > 0 && f->feature >= 0) lane->x[f->feature] = v;
    return fit;
}

/* Returns 1 if a body is one of this form and plain; its values are in the lane then. */
static int read_form(const Form *form, Text t)
{
    const Lane *lane = form->lane;
    int fit = 1;
    double v;
    const Py_ssize_t *place = form->place;
    for (Py_ssize_t i = 0; fit > 0 && i < PyTuple_GET_SIZE(form->between); i++) {
        PyObject *same = PyTuple_GET_ITEM(form->between, i);
        if (!has(&t, PyBytes_AS_STRING(same), PyBytes_GET_SIZE(same))) return 0;
        t.at += PyBytes_GET_SIZE(same);
        if (i == form->slots) break;
        const Field *f = lane->field + *place++;
        fit = value_of(f, &t, &v);
        fit = keep(lane, f, fit, v);
    }
    for (Py_ssize_t i = 0; fit > 0 && i < form->parts; i++) {
        const Part *part = form->part + i;
        if (t.end - t.at < part->size) return 0;
        Text own = {t.at, t.at + part->size};
        for (Py_ssize_t j = 0; fit > 0 && j < part->count; j++) {
            const Field *f = lane->field + *place++;
            fit = packed_of(f, part->kind, &own, &v);
            fit = keep(lane, f, fit, v);
        }
        if (fit > 0 && own.at != own.end) return 0;
        t.at = own.end;
    }
    return fit > 0 ? t.at == t.end : fit;
}

static PyObject *form_read(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    const Form *form = (Form *)self;
    if (count != 2 || !PyBytes_CheckExact(args[0]) || !PyLong_CheckExact(args[1])) {
        PyErr_SetString(PyExc_TypeError, "bytes, and where to begin, are wanted");
        return NULL;
    }
    Py_ssize_t size = PyBytes_GET_SIZE(args[0]), at = PyLong_AsSsize_t(args[1]);
    if (at == -1 && PyErr_Occurred()) return NULL;
    if (at < 0 || at > size) Py_RETURN_FALSE;
    const char *bytes = PyBytes_AS_STRING(args[0]);
    int fit = read_form(form, (Text){bytes + at, bytes + size});
    return fit < 0 ? NULL : PyBool_FromLong(fit);
}

static PyObject *form_score(PyObject *self, PyObject *nothing)
{
    const Lane *lane = ((Form *)self)->lane;
    return PyFloat_FromDouble(tamid_one(lane->program, (const char *)lane->x));
}

static void form_free(PyObject *self)
{
    Form *form = (Form *)self;
    PyMem_Free(form->place);
    PyMem_Free(form->part);
    Py_XDECREF(form->between);
    Py_XDECREF(form->lane);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Reads (kind, bytes, values) of what is packed; returns how many values, -1 on an error. */
static Py_ssize_t parts_read(Form *form, PyObject *parts)
{
    Py_ssize_t values = 0;
    for (Py_ssize_t i = 0; i < form->parts; i++) {
        Part *p = form->part + i;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(parts, i), "inn", &p->kind, &p->size, &p->count))
            return -1;
        int fits = p->kind >= DOUBLES && p->kind <= TEXTS && p->size >= 0 && p->count >= 0
                   && p->count <= form->lane->count
                   && (p->kind == TEXTS || p->size == 8 * p->count);
        if (!fits) return -1;
        values += p->count;
    }
    return values;
}

/* Sees that each value is another field, and each field one of the values. */
static int places_read(Form *form, PyObject *places)
{
    Py_ssize_t count = form->lane->count;
    char *seen = PyMem_Calloc((size_t)count + 1, 1);
    int fits = seen != NULL;
    for (Py_ssize_t i = 0; fits && i < count; i++) {
        Py_ssize_t place = PyLong_AsSsize_t(PyTuple_GET_ITEM(places, i));
        fits = place >= 0 && place < count && !seen[place];
        if (fits) seen[place] = 1;
        form->place[i] = place;
    }
    PyMem_Free(seen);
    return fits;
}

/* Returns a type of the module that another one belongs to, borrowed; NULL with an error. */
static PyObject *of_module(PyTypeObject *type, const char *name)
{
    PyObject *module = PyType_GetModule(type);
    PyObject *found = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(found); /* the module holds it */
    return found;
}

static PyObject *form_make(PyTypeObject *type, PyObject *args, PyObject *names)
{
    PyObject *lane, *between, *places, *parts;
    if (!PyArg_ParseTuple(args, "OO!O!O!", &lane, &PyTuple_Type, &between, &PyTuple_Type, &places,
                          &PyTuple_Type, &parts))
        return NULL;
    PyObject *kind = of_module(type, LANE);
    int is_lane = kind == NULL ? -1 : PyObject_IsInstance(lane, kind);
    if (is_lane <= 0) {
        if (is_lane == 0) PyErr_SetString(PyExc_TypeError, "a lane is wanted");
        return NULL;
    }
    Form *form = (Form *)type->tp_alloc(type, 0);
    if (form == NULL) return NULL;
    form->lane = (Lane *)Py_NewRef(lane);
    form->between = Py_NewRef(between);
    form->parts = PyTuple_GET_SIZE(parts);
    form->slots = PyTuple_GET_SIZE(between) ? PyTuple_GET_SIZE(between) - 1 : 0;
    form->place = PyMem_Calloc((size_t)form->lane->count + 1, sizeof(Py_ssize_t));
    form->part = PyMem_Calloc((size_t)form->parts + 1, sizeof(Part));
    int fits = form->place != NULL && form->part != NULL
               && PyTuple_GET_SIZE(places) == form->lane->count;
    for (Py_ssize_t i = 0; fits && i < PyTuple_GET_SIZE(between); i++)
        fits = PyBytes_CheckExact(PyTuple_GET_ITEM(between, i));
    if (fits) {
        Py_ssize_t values = parts_read(form, parts);
        fits = values >= 0 && values + form->slots == form->lane->count && places_read(form, places);
    }
    if (!fits) {
        Py_DECREF(form);
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a form that no lane knows");
        return NULL;
    }
    return (PyObject *)form;
}

static PyMethodDef form_methods[] = {
    {"read", (PyCFunction)(void (*)(void))form_read, METH_FASTCALL,
     "Say whether bytes are a plain request of this form from a place on, and keep its row."},
    {"score", form_score, METH_NOARGS, "Return the score of the row that was read last."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot form_slots[] = {
    {Py_tp_new, form_make}, {Py_tp_dealloc, form_free}, {Py_tp_methods, form_methods}, {0, NULL},
};

static PyType_Spec form_spec = {
    "tamid_kernel.Form", sizeof(Form), 0, Py_TPFLAGS_DEFAULT, form_slots,
};

/* Returns the form of requests that are laid out as (between, places, parts). */
static PyObject *lane_form(PyObject *self, PyObject *laid)
{
    PyObject *type = of_module(Py_TYPE(self), FORM);
    if (type == NULL) return NULL;
    PyObject *own = PyTuple_Pack(1, self);
    PyObject *all = own == NULL ? NULL : PySequence_Concat(own, laid);
    PyObject *form = all == NULL ? NULL : PyObject_CallObject(type, all);
    Py_XDECREF(own);
    Py_XDECREF(all);
    return form;
}
