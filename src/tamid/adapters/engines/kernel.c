/* Runs compiled models (tamid.core.compiled) over rows of doubles.
 *
 * Every array was checked before it came here: indices lie in range, children lie behind their
 * parents, slots and outputs are bounded. Nothing is allocated, nothing is written but `out`.
 * Compiled without contraction and without fast-math: answers are those of the reference.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define TOGETHER 8
#define BURST 4 /* steps after which it is seen whether all have come to a leaf */
#define NAN_LEFT 1
#define CATEGORY 2
#define SMALL 4 /* a category whose codes fit one word; missing goes right */
#define DEEPEST 60
#define SCANNED 2

typedef struct {
    union {
        double threshold;
        uint64_t mask; /* of a small category: the codes that go left */
    };
    int32_t slot;
    int32_t flags;
    int32_t child[2]; /* left, right; a leaf leads to itself */
    int32_t inside;
    int32_t known;
} Node;

/* A node as it is walked. Right stands behind left; a leaf is its own left child, reads the slot
 * behind all others, which is below any number, and holds its answer, or where its answers stand. */
typedef struct {
    union {
        double threshold;
        uint64_t mask;
    };
    int32_t left;
    int16_t slot;
    uint8_t nan_left, small;
} Quick;

typedef struct {
    int64_t features, slots, outputs, trees, width, nodes, link, linear, categories, quick;
    double factor;
    const int32_t *source, *begin, *op;
    const double *argument;
    const int32_t *table_begin;
    const double *table;
    const double *weights, *bias;
    const Node *node;
    const int32_t *root, *output, *depth;
    const double *leaf, *base;
    const int32_t *set_begin; /* in words of 64 codes */
    const uint64_t *set;
    const double *cover; /* rows of nodes, then of leaves */
    const Quick *pair; /* roots, then the two children of each node */
    const struct Split *split; /* as scan.c reads them */
    const int32_t *split_begin, *split_leaf;
    const double *ordered; /* leaves, or where their answers stand, from the left to the right */
} Program;

typedef struct {
    int64_t feature;
    double zero, one, weight;
} Entry;

enum { FILL, SUBTRACT, DIVIDE, MULTIPLY, ADD, EQUALS, ISNAN, AT_LEAST, AT_MOST, SINGLE, MAP };
enum { IDENTITY, SIGMOID, SOFTMAX, EXP, DIVIDED };

static double looked_up(const Program *p, int64_t which, double v)
{
    const double *t = p->table + p->table_begin[which];
    int64_t n = p->table_begin[which + 1] - p->table_begin[which] - 2;
    if (v != v) return t[0];
    if (v >= 0 && v < (double)n) {
        int64_t i = (int64_t)v;
        if ((double)i == v) return t[i + 2];
    }
    return t[1];
}

static void prepare(const Program *p, const double *x, double *z)
{
    for (int64_t j = 0; j < p->slots; j++) {
        double v = x[p->source[j]];
        if (!(v - v == 0.0)) v = NAN;
        for (int32_t o = p->begin[j]; o < p->begin[j + 1]; o++) {
            double a = p->argument[o];
            switch (p->op[o]) {
            case FILL: v = v != v ? a : v; break;
            case SUBTRACT: v = v - a; break;
            case DIVIDE: v = v / a; break;
            case MULTIPLY: v = v * a; break;
            case ADD: v = v + a; break;
            case EQUALS: v = v == a ? 1.0 : 0.0; break;
            case ISNAN: v = v != v ? 1.0 : 0.0; break;
            case AT_LEAST: v = v < a ? a : v; break;
            case AT_MOST: v = v > a ? a : v; break;
            case SINGLE: v = (double)(float)v; break;
            case MAP: v = looked_up(p, (int64_t)a, v); break;
            }
        }
        z[j] = v;
    }
    z[p->slots] = -INFINITY;
}

static int holds(const Program *p, int32_t set, double v)
{
    if (!(v > -1.0 && v < 2147483648.0)) return 0;
    int64_t code = (int64_t)v, words = p->set_begin[set + 1] - p->set_begin[set];
    if ((code >> 6) >= words) return 0;
    return (int)((p->set[p->set_begin[set] + (code >> 6)] >> (code & 63)) & 1);
}

static uint64_t code_bit(double v)
{
    return v > -1.0 && v < 64.0 ? (uint64_t)1 << (int)v : 0;
}

static int goes_right(const Program *p, const Node *n, double v)
{
    int nan_right = !(n->flags & NAN_LEFT);
    if (!(n->flags & CATEGORY)) return (v > n->threshold) | ((v != v) & nan_right);
    if (v != v) return nan_right;
    if (n->flags & SMALL) return !(n->mask & code_bit(v));
    if (holds(p, n->inside, v)) return 0;
    if (n->known >= 0 && !holds(p, n->known, v)) return nan_right;
    return 1;
}

#include "scan.c"

/* Down in eight trees side by side, without a branch but one in four steps: leaves lead to
 * themselves, and reading one of them again costs less than a wrong guess. */
#define STEPS(RIGHT)                                             \
    for (int32_t down = 0, more = 1; more && down < depth;) {    \
        for (int d = 0; d < BURST; d++, down++)                  \
            for (int j = 0; j < TOGETHER; j++) {                 \
                const Quick *n = pair + own[j];                  \
                double v = z[n->slot];                           \
                own[j] = n->left + (RIGHT);                      \
            }                                                    \
        more = 0;                                                \
        for (int j = 0; j < TOGETHER; j++)                       \
            more |= pair[own[j]].left ^ own[j];                  \
    }
#define BEYOND (v > n->threshold)
#define MISSING ((v != v) & !n->nan_left)
#define WORD (!(n->mask & bit[n->slot]))

static void walk(const Program *p, const double *z, const uint64_t *bit, int64_t t, int whole,
                 int64_t count, double *leaf)
{
    const Quick *pair = p->pair;
    int32_t own[TOGETHER], depth = 0;
    for (int64_t j = 0; j < TOGETHER; j++) {
        own[j] = (int32_t)(j < count ? t + j : t);
        if (j < count && p->depth[t + j] > depth) depth = p->depth[t + j];
    }
    if (p->categories == 0 && whole) {
        STEPS(BEYOND)
    } else if (p->categories == 0) {
        STEPS(BEYOND | MISSING)
    } else if (whole) {
        STEPS(n->small ? WORD : BEYOND)
    } else {
        STEPS(n->small ? WORD : (BEYOND | MISSING))
    }
    for (int j = 0; j < TOGETHER; j++) leaf[j] = pair[own[j]].threshold;
}

/* Where sets of words are large: node by node. */
static void walk_slowly(const Program *p, const double *z, double *out)
{
    for (int64_t t = 0; t < p->trees; t++) {
        int32_t at = p->root[t];
        while (at < p->nodes) at = p->node[at].child[goes_right(p, p->node + at, z[p->node[at].slot])];
        const double *leaf = p->leaf + (at - p->nodes) * p->width;
        if (p->width == 1) out[p->output[t]] += leaf[0];
        else
            for (int64_t k = 0; k < p->width; k++) out[k] += leaf[k];
    }
}

static void sums(const Program *p, const double *z, double *out)
{
    if (p->linear) {
        for (int64_t k = 0; k < p->outputs; k++) {
            const double *w = p->weights + k * p->slots;
            double total = p->bias[k];
            for (int64_t j = 0; j < p->slots; j++) total += w[j] * z[j];
            out[k] = total;
        }
        return;
    }
    for (int64_t k = 0; k < p->outputs; k++) out[k] = p->base[k];
    if (!p->quick) {
        walk_slowly(p, z, out);
        return;
    }
    if (p->quick == SCANNED) {
        scanned(p, z, out);
        return;
    }
    double leaf[TOGETHER];
    uint64_t bit[p->categories ? p->slots + 1 : 1];
    int whole = 1; /* nothing is missing in this row */
    for (int64_t j = 0; j < p->slots; j++) whole &= z[j] == z[j];
    if (p->categories)
        for (int64_t j = 0; j <= p->slots; j++) bit[j] = code_bit(z[j]);
    for (int64_t t = 0; t < p->trees; t += TOGETHER) {
        int64_t count = p->trees - t < TOGETHER ? p->trees - t : TOGETHER;
        walk(p, z, bit, t, whole, count, leaf);
        for (int64_t j = 0; j < count; j++) {
            if (p->width == 1) {
                out[p->output[t + j]] += leaf[j];
                continue;
            }
            const double *row = p->leaf + (int64_t)leaf[j] * p->width;
            for (int64_t k = 0; k < p->width; k++) out[k] += row[k];
        }
    }
}

static void linked(const Program *p, double *out)
{
    double largest = out[0], total = 0.0;
    for (int64_t k = 0; k < p->outputs; k++) {
        switch (p->link) {
        case SIGMOID: out[k] = 1.0 / (1.0 + exp(-(p->factor * out[k]))); break;
        case EXP: out[k] = exp(out[k]); break;
        case DIVIDED: out[k] = out[k] / p->factor; break;
        case SOFTMAX: if (out[k] > largest) largest = out[k]; break;
        default: break;
        }
    }
    if (p->link != SOFTMAX) return;
    for (int64_t k = 0; k < p->outputs; k++) {
        out[k] = exp(out[k] - largest);
        total += out[k];
    }
    for (int64_t k = 0; k < p->outputs; k++) out[k] /= total;
}

#include "shap.c"

/* The size of what the caller must agree on. */
int64_t tamid_sizes(void) { return (int64_t)(sizeof(Program) * 10000 + sizeof(Node) * 100 + sizeof(Quick) + sizeof(Split)); }

void tamid_many(const Program *p, const char *rows, int64_t n, double *out)
{
    double x[p->features > 0 ? p->features : 1], z[p->slots + 1];
    for (int64_t i = 0; i < n; i++) {
        memcpy(x, rows + i * p->features * (int64_t)sizeof(double),
               (size_t)p->features * sizeof(double));
        prepare(p, x, z);
        sums(p, z, out + i * p->outputs);
        linked(p, out + i * p->outputs);
    }
}

double tamid_one(const Program *p, const char *row)
{
    double out;
    tamid_many(p, row, 1, &out);
    return out;
}

#ifdef TAMID_PYTHON
#include "lane.c"
#endif
