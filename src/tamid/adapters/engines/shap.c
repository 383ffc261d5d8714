/* Part of kernel.c: what each feature moved. */

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
    double x[p->features > 0 ? p->features : 1], z[p->slots + 1];
    Entry path[(DEEPEST + 2) * (DEEPEST + 3) / 2];
    memcpy(x, row, (size_t)p->features * sizeof(double));
    prepare(p, x, z);
    for (int64_t t = 0; t < p->trees; t++)
        if (p->output[t] == output && p->root[t] < p->nodes)
            down(p, z, p->root[t], path, 0, 1.0, 1.0, -1, out);
}
