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
#define NAN_LEFT 1
#define CATEGORY 2
#define SMALL 4 /* a category whose codes fit one word; missing goes right */
#define DEEPEST 60

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

typedef struct {
    int64_t features, slots, outputs, trees, width, nodes, link, linear, categories;
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

/* One step down in each of eight trees, without a branch: leaves lead to themselves. */
#define STEP(RIGHT)                            \
    for (int32_t d = 0; d < depth; d++)        \
        for (int j = 0; j < TOGETHER; j++) {   \
            const Node *n = node + own[j];     \
            double v = z[n->slot];             \
            own[j] = n->child[RIGHT];          \
        }
#define WORD(n) (!((n)->mask & bit[(n)->slot]))
#define NUMBER(n) ((v > (n)->threshold) | ((v != v) & !((n)->flags & NAN_LEFT)))

static void walk(const Program *p, const double *z, const uint64_t *bit, int64_t t,
                 int whole, int64_t count, int32_t *at)
{
    const Node *node = p->node;
    int32_t depth = 0;
    int32_t own[TOGETHER];
    for (int64_t j = 0; j < TOGETHER; j++) {
        own[j] = p->root[j < count ? t + j : t];
        if (j < count && p->depth[t + j] > depth) depth = p->depth[t + j];
    }
    if (p->categories == 0 && whole) {
        STEP(v > n->threshold)
    } else if (p->categories == 0) {
        STEP(NUMBER(n))
    } else if (p->categories == 1 && whole) {
        STEP((n->flags & SMALL) ? WORD(n) : v > n->threshold)
    } else if (p->categories == 1) {
        STEP((n->flags & SMALL) ? WORD(n) : NUMBER(n))
    } else {
        STEP((n->flags & CATEGORY) ? goes_right(p, n, v) : NUMBER(n))
    }
    memcpy(at, own, sizeof own);
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
    int32_t at[TOGETHER];
    uint64_t bit[p->slots];
    int whole = 1; /* nothing is missing in this row */
    for (int64_t j = 0; j < p->slots; j++) whole &= z[j] == z[j];
    if (p->categories == 1)
        for (int64_t j = 0; j < p->slots; j++) bit[j] = code_bit(z[j]);
    for (int64_t t = 0; t < p->trees; t += TOGETHER) {
        int64_t count = p->trees - t < TOGETHER ? p->trees - t : TOGETHER;
        walk(p, z, bit, t, whole, count, at);
        for (int64_t j = 0; j < count; j++) {
            const double *leaf = p->leaf + (at[j] - p->nodes) * p->width;
            if (p->width == 1) {
                out[p->output[t + j]] += leaf[0];
                continue;
            }
            for (int64_t k = 0; k < p->width; k++) out[k] += leaf[k];
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

/* SHAP values along the paths of trees: Lundberg et al. (2020), algorithm 2. */
static void extend(Entry *path, int64_t depth, double zero, double one, int64_t feature)
{
    path[depth] = (Entry){feature, zero, one, depth == 0 ? 1.0 : 0.0};
    for (int64_t i = depth - 1; i >= 0; i--) {
        path[i + 1].weight += one * path[i].weight * (double)(i + 1) / (double)(depth + 1);
        path[i].weight = zero * path[i].weight * (double)(depth - i) / (double)(depth + 1);
    }
}

static void unwind(Entry *path, int64_t depth, int64_t index)
{
    double zero = path[index].zero, one = path[index].one, carried = path[depth].weight;
    for (int64_t i = depth - 1; i >= 0; i--) {
        if (one != 0.0) {
            double before = path[i].weight;
            path[i].weight = carried * (double)(depth + 1) / ((double)(i + 1) * one);
            carried = before - path[i].weight * zero * (double)(depth - i) / (double)(depth + 1);
        } else {
            path[i].weight = path[i].weight * (double)(depth + 1) / (zero * (double)(depth - i));
        }
    }
    for (int64_t i = index; i < depth; i++) {
        path[i].feature = path[i + 1].feature;
        path[i].zero = path[i + 1].zero;
        path[i].one = path[i + 1].one;
    }
}

static double unwound_sum(const Entry *path, int64_t depth, int64_t index)
{
    double zero = path[index].zero, one = path[index].one, carried = path[depth].weight;
    double total = 0.0;
    for (int64_t i = depth - 1; i >= 0; i--) {
        if (one != 0.0) {
            double part = carried * (double)(depth + 1) / ((double)(i + 1) * one);
            total += part;
            carried = path[i].weight - part * zero * (double)(depth - i) / (double)(depth + 1);
        } else {
            total += path[i].weight / (zero * (double)(depth - i) / (double)(depth + 1));
        }
    }
    return total;
}

static void down(const Program *p, const double *z, int32_t at, Entry *parent, int64_t depth,
                 double zero, double one, int64_t feature, double *out)
{
    Entry *own = parent + depth;
    for (int64_t i = 0; i < depth; i++) own[i] = parent[i];
    extend(own, depth, zero, one, feature);
    if (at >= p->nodes) {
        double leaf = p->leaf[at - p->nodes];
        for (int64_t i = 1; i <= depth; i++)
            out[own[i].feature] += unwound_sum(own, depth, i) * (own[i].one - own[i].zero) * leaf;
        return;
    }
    const Node *n = p->node + at;
    int right = goes_right(p, n, z[n->slot]);
    double zero_before = 1.0, one_before = 1.0;
    for (int64_t i = 1; i <= depth; i++) {
        if (own[i].feature != n->slot) continue;
        zero_before = own[i].zero;
        one_before = own[i].one;
        unwind(own, depth, i);
        depth--;
        break;
    }
    int32_t hot = n->child[right], cold = n->child[!right];
    double hot_share = p->cover[hot] / p->cover[at], cold_share = p->cover[cold] / p->cover[at];
    down(p, z, hot, own, depth + 1, hot_share * zero_before, one_before, n->slot, out);
    down(p, z, cold, own, depth + 1, cold_share * zero_before, 0.0, n->slot, out);
}

/* For programs that may be explained so: a slot for each feature, counted rows, width 1, and no
 * tree deeper than DEEPEST. `out` holds a number for each feature, zero at first. */
void tamid_shap(const Program *p, const char *row, int64_t output, double *out)
{
    double x[p->features > 0 ? p->features : 1], z[p->slots > 0 ? p->slots : 1];
    Entry path[(DEEPEST + 2) * (DEEPEST + 3) / 2];
    memcpy(x, row, (size_t)p->features * sizeof(double));
    prepare(p, x, z);
    for (int64_t t = 0; t < p->trees; t++)
        if (p->output[t] == output && p->root[t] < p->nodes)
            down(p, z, p->root[t], path, 0, 1.0, 1.0, -1, out);
}

/* The size of what the caller must agree on. */
int64_t tamid_sizes(void) { return (int64_t)(sizeof(Program) * 1000 + sizeof(Node)); }

void tamid_many(const Program *p, const char *rows, int64_t n, double *out)
{
    double x[p->features > 0 ? p->features : 1], z[p->slots > 0 ? p->slots : 1];
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
