// Scores of KVs from the attention of observed rows, in single precision for pages of singles (attention_scores.h has them on tensor cores), and the pooling
// of a window's sums. A lane has one KV, so that sums run over rows and members in an order that nothing else changes, and no two threads write the same score.
#include "scores.h"

namespace kv {

struct Observed {
    End end;
    Sequence sequence;
    u8* page;
    const float* key;  // in shared memory
    float log_weight;
    int kv;
    int slot;
    int position;
    bool exists;
};

// What one query gives to the lane's KV: 0 where it does not see it.
KV_DEVICE float attention_of(const AttendArguments& a, const Observed& o, int kv_head, int row, int member) {
    const int batch_row = o.sequence.first_row + row, query_head = kv_head * a.group + member;
    const float* query = query_for(a, o.end.layout, batch_row, query_head);
    const float* statistics = a.statistics + 2 * ((u64)batch_row * a.query_heads + query_head);
    float product = 0.0f;
    for (int i = 0; i < a.arena.head_dim; i++) {
        product = fma(query[i] * a.factor, o.key[i], product);
    }
    const bool seen = o.exists && o.kv < visible_kvs(o.end, row) && (a.sliding_window == 0 || o.position > a.batch.positions[batch_row] - a.sliding_window);
    const float logit = finish_logit(product, a.cap) + o.log_weight;
    return seen && logit != -INFINITE ? exp2_fast(logit - statistics[0]) * recorded_reciprocal(a.batch, batch_row, statistics[1]) : 0.0f;
}

// Window mode: the sum over the window's rows for each member of the group; pool_scores goes on from there.
KV_DEVICE void observe_window(const ScoreArguments& a, const ScoreItem& item, const Observed& o) {
    for (int member = 0; member < a.attend.group; member++) {
        float sum = 0.0f;
        for (int row = o.sequence.row_count - o.sequence.observed_rows; row < o.sequence.row_count; row++) {
            sum = combine(sum, attention_of(a.attend, o, item.kv_head, row, member), o.sequence.flags);
        }
        if (o.exists) {
            a.sums[item.sums + (u64)member * item.sum_stride + o.kv] = sum;
        }
    }
}

// Each row adds the sum over its group to the score, or raises it.
KV_DEVICE void observe_rows(const ScoreArguments& a, const ScoreItem& item, const Observed& o) {
    float score = o.exists ? *score_of(o.end.layout, o.page, o.slot) : 0.0f;
    for (int row = o.sequence.row_count - o.sequence.observed_rows; row < o.sequence.row_count; row++) {
        float sum = 0.0f;
        for (int member = 0; member < a.attend.group; member++) {
            sum = combine(sum, attention_of(a.attend, o, item.kv_head, row, member), first_flags(o.sequence));
        }
        score = o.sequence.flags & kLargest ? maximum(sum, score) : score + sum;
    }
    if (o.exists) {
        *score_of(o.end.layout, o.page, o.slot) = score;
    }
}

KV_DEVICE void observe(const ScoreArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    const ScoreItem item = a.items[a.attend.first_item + block_x()];
    const Arena& arena = a.attend.arena;
    const int lane = lane_index(), head_dim = arena.head_dim, first = item.first + warp_index() * kTile;
    Observed o;
    o.sequence = a.attend.batch.sequences[item.sequence];
    const Head head = a.attend.batch.heads[item.sequence * a.attend.kv_heads + item.kv_head];
    o.end = end_of(arena, a.attend.batch, o.sequence, head, item.is_low != 0);
    const int count = visible_kvs(o.end, o.sequence.row_count - 1);
    if (first >= count) {
        return;
    }
    float* keys = (float*)shared + warp_index() * kTile * (head_dim + 1);
    for (int j = 0; j < kTile && first + j < count; j++) {
        int slot;
        u8* page = locate(arena, o.end, first + j, slot);
        for (int i = lane; i < head_dim; i += 32) {
            keys[j * (head_dim + 1) + i] = key_number(o.end.layout, page, slot, i, head_dim);
        }
    }
    warp_sync();
    o.kv = first + lane;
    o.exists = o.kv < count;
    o.page = locate(arena, o.end, o.exists ? o.kv : first, o.slot);
    o.position = *position_of(o.end.layout, o.page, o.slot);
    o.log_weight = o.end.layout.log_weights >= 0 ? *log_weight_of(o.end.layout, o.page, o.slot) * LOG2_OF_E : 0.0f;
    o.key = keys + (o.exists ? lane : 0) * (head_dim + 1);
    if (o.sequence.observation == kObserveWindow) {
        observe_window(a, item, o);
    } else {
        observe_rows(a, item, o);
    }
}

// Window mode: the largest, or the mean, of neighbouring sums of each member, then the sum or the largest over the group. Beyond an end's borders lie zeros.
KV_DEVICE float pooled_score(const ScoreArguments& a, const ScoreItem& item, const Sequence& sequence, int kv, int count) {
    const int reach = sequence.pool_width / 2, from = maximum(kv - reach, 0), to = minimum(kv + reach, count - 1);
    const float part = 1.0f / (float)(2 * reach + 1);
    float score = 0.0f;
    for (int member = 0; member < a.attend.group; member++) {
        const float* sums = a.sums + item.sums + (u64)member * item.sum_stride;
        float pooled = 0.0f;
        for (int i = from; i <= to; i++) {
            pooled = sequence.flags & kAveragePool ? pooled + sums[i] : maximum(sums[i], pooled);
        }
        pooled = sequence.flags & kAveragePool ? pooled * part : pooled;
        score = sequence.flags & (kLargest | kLargestOfGroup) ? maximum(pooled, score) : score + pooled;
    }
    return score;
}

KV_DEVICE void pool_scores(const ScoreArguments& a) {
    const ScoreItem item = a.items[a.attend.first_item + block_x()];
    const Sequence sequence = a.attend.batch.sequences[item.sequence];
    if (sequence.observation != kObserveWindow) {
        return;
    }
    const Head head = a.attend.batch.heads[item.sequence * a.attend.kv_heads + item.kv_head];
    const End end = end_of(a.attend.arena, a.attend.batch, sequence, head, item.is_low != 0);
    const int count = visible_kvs(end, sequence.row_count - 1), limit = minimum(count, item.first + a.run);
    for (int kv = item.first + thread_index(); kv < limit; kv += block_size()) {
        int slot;
        u8* page = locate(a.attend.arena, end, kv, slot);
        *score_of(end.layout, page, slot) = pooled_score(a, item, sequence, kv, count);
    }
}

}  // namespace kv

KV_KERNEL void KV_BOUNDS(64) kv_observe(kv::ScoreArguments a) { kv::observe(a); }
KV_KERNEL void KV_BOUNDS(64) kv_pool_scores(kv::ScoreArguments a) { kv::pool_scores(a); }
