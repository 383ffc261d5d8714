/* Part of kernel.c: all trees at once, split by split instead of tree by tree.
 *
 * QuickScorer (Lucchese et al., SIGIR 2015). Each tree has a word with a bit for each of its
 * leaves, from the left to the right. A split that sends the row to the right takes the leaves on
 * its left away; the first leaf that is left is the one to which the row comes. The splits of a
 * slot are sorted by threshold, so that those which send right are the first ones: nothing is
 * guessed, and memory is read in order.
 */
typedef struct Split {
    union {
        double threshold;
        uint64_t mask; /* of a small category: the codes that go left */
    };
    uint64_t leaves; /* that stay if it goes right */
    int32_t tree;
    int32_t nan_right;
} Split;

/* Slot j has its thresholds from begin[2j] on, its words from begin[2j + 1] on. */
static void scan(const Program *p, const double *z, uint64_t *alive)
{
    const Split *split = p->split;
    for (int64_t t = 0; t < p->trees; t++) alive[t] = ~(uint64_t)0;
    for (int64_t j = 0; j < p->slots; j++) {
        const Split *s = split + p->split_begin[2 * j], *words = split + p->split_begin[2 * j + 1];
        const Split *end = split + p->split_begin[2 * j + 2];
        double v = z[j];
        if (v == v) {
            while (words - s >= 4 && v > s[3].threshold) {
                alive[s[0].tree] &= s[0].leaves;
                alive[s[1].tree] &= s[1].leaves;
                alive[s[2].tree] &= s[2].leaves;
                alive[s[3].tree] &= s[3].leaves;
                s += 4;
            }
            for (; s < words && v > s->threshold; s++) alive[s->tree] &= s->leaves;
        } else {
            for (; s < words; s++)
                if (s->nan_right) alive[s->tree] &= s->leaves;
        }
        if (words == end) continue;
        uint64_t bit = code_bit(v);
        for (s = words; s < end; s++) alive[s->tree] &= s->leaves | -(uint64_t)((s->mask & bit) != 0);
    }
}

static void scanned(const Program *p, const double *z, double *out)
{
    uint64_t alive[p->trees];
    scan(p, z, alive);
    for (int64_t t = 0; t < p->trees; t++) {
        int64_t at = p->split_leaf[t] + __builtin_ctzll(alive[t]);
        if (p->width == 1) {
            out[p->output[t]] += p->ordered[at];
            continue;
        }
        const double *row = p->leaf + (int64_t)p->ordered[at] * p->width;
        for (int64_t k = 0; k < p->width; k++) out[k] += row[k];
    }
}
