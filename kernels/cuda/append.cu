// Norms and rotation of queries and keys, and KVs into pages. One warp has one head of one row: nothing that it computes depends on other rows.
#include "append.h"

namespace kv {

constexpr int kAppendWarps = 4;


KV_DEVICE float reciprocal_root(const float* x, int count, float epsilon, int lane) {
    float squares = 0.f;
    for (int i = lane; i < count; i += 32) squares += x[i] * x[i];
    return 1.f / sqrt(warp_sum(squares) / (float)count + epsilon);
}

// Writes the transformed head to target, which may be where it comes from: each number and its partner belong to one lane.
KV_DEVICE void transform(const float* source, float* target, int head_dim, const float* norm, float reciprocal, const float* angles, int pairs, int lane) {
    for (int i = lane; i < pairs; i += 32) {
        float a = source[i], b = source[i + pairs];
        if (norm) {
            a = a * reciprocal * norm[i];
            b = b * reciprocal * norm[i + pairs];
        }
        float cosine = angles[i], sine = angles[i + pairs];
        target[i] = a * cosine - b * sine;
        target[i + pairs] = b * cosine + a * sine;
    }
    for (int i = 2 * pairs + lane; i < head_dim; i += 32) target[i] = norm ? source[i] * reciprocal * norm[i] : source[i];
}

KV_DEVICE void append(const AppendArguments& a) {
    KV_DYNAMIC_SHARED(shared);
    const int warp = thread_index() >> 5, lane = thread_index() & 31, head = block_y() * kAppendWarps + warp, row = a.first_row + block_x();
    const int head_dim = a.arena.head_dim;
    if (head >= a.query_heads + a.kv_heads) return;
    const int index = a.batch.row_sequences[row];
    const Sequence& sequence = a.batch.sequences[index];
    const bool is_query = head < a.query_heads, is_long = (sequence.flags & kLongRotary) && a.long_angles;
    const int kv_head = head - a.query_heads, norm_head = is_query ? head : kv_head;
    float* source = a.rows + (u64)row * a.row_stride + head * head_dim;
    float* key = (float*)shared + warp * 2 * head_dim;

    const float* norm = is_query ? a.query_norm : a.key_norm;
    float reciprocal = 1.f;
    if (norm) {
        bool over_all = (is_query ? a.query_norm_heads : a.key_norm_heads) > 1;
        reciprocal = over_all ? a.reciprocals[2 * row + (is_query ? 0 : 1)] : reciprocal_root(source, head_dim, a.epsilon, lane);
        if (over_all) norm += norm_head * head_dim;
        warp_sync();  // queries change in place what other lanes have read for the norm
    }

    const float* angles = is_long ? a.long_angles : a.angles;
    const int pairs = is_long ? a.long_pairs : angles ? a.pairs : 0;
    const int position = a.batch.positions[row];
    if (angles) angles += (u64)position * (2 * pairs);
    transform(source, is_query ? source : key, head_dim, norm, reciprocal, angles, pairs, lane);
    if (is_query) return;

    warp_sync();
    const Head& place = a.batch.heads[index * a.kv_heads + kv_head];
    const PageLayout& layout = a.arena.layouts[sequence.format];
    const int kv = place.length + row - sequence.first_row;
    u8* page = page_at(a.arena, a.batch.pages[place.pages + kv / layout.slots]);
    const int slot = kv % layout.slots;
    const float* value = source + a.kv_heads * head_dim;
    if (turns_values(layout)) {
        for (int i = lane; i < head_dim; i += 32) key[head_dim + i] = value[i];
        value = key + head_dim;
        turn(key + head_dim, head_dim, a.arena.signs, lane);
    }
    if (turns_keys(layout)) turn(key, head_dim, a.arena.signs, lane);
    store_numbers(layout, page, slot, key, value, head_dim, lane);
    if (lane == 0) store_metadata(layout, page, slot, position, 0.f, 0.f);
}

// Norms over all heads of a row come first: append changes queries in place. One warp per row and kind.
KV_DEVICE void append_norms(const AppendArguments& a) {
    const int lane = thread_index() & 31, row = a.first_row + block_x(), kind = thread_index() >> 5;
    const float* source = a.rows + (u64)row * a.row_stride + (kind ? a.query_heads * a.arena.head_dim : 0);
    const int heads = kind ? a.key_norm_heads : a.query_norm_heads;
    if (heads <= 1) return;
    float reciprocal = reciprocal_root(source, heads * a.arena.head_dim, a.epsilon, lane);
    if (lane == 0) a.reciprocals[2 * row + kind] = reciprocal;
}

}  // namespace kv

KV_KERNEL void KV_BOUNDS(128) kv_append(kv::AppendArguments a) { kv::append(a); }
KV_KERNEL void KV_BOUNDS(64) kv_append_norms(kv::AppendArguments a) { kv::append_norms(a); }
