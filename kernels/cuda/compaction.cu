// What an arena does with KVs beside attention (CudaArena.cs): moves, changes of format, positions, scores and log-weights, and numbers read back. One warp
// has one KV. Moves go by way of records, first all out of the pages and then all into them, so that no warp writes what another has still to read.
#include "compaction.h"

namespace kv {

constexpr int kCompactionWarps = 4;

// A record of bytes: key, value, each filled up to 16 bytes; then scales, position, score and log-weight. CudaArena.cs knows its size.
KV_DEVICE int padded(int bytes) { return (bytes + 15) & ~15; }

KV_DEVICE void copy_bytes(u8* target, const u8* source, int bytes, int lane) {
    const u32 alignment = (u32)((u64)target | (u64)source | (u64)bytes);
    if ((alignment & 15) == 0) {
        for (int at = lane * 16; at < bytes; at += 512) store16(target + at, load16(source + at));
    } else if ((alignment & 3) == 0) {
        for (int at = lane * 4; at < bytes; at += 128) *(u32*)(target + at) = *(const u32*)(source + at);
    } else {
        for (int at = lane; at < bytes; at += 32) target[at] = source[at];
    }
}

// Scales of a KV; null where the format has none.
KV_DEVICE u16* tail_scales(const PageLayout& layout, u8* page, int slot) { return is_quantized(layout.format) ? scales_of(layout, page, slot) : nullptr; }

KV_DEVICE void gather_kv(const KvListArguments& a) {
    const int index = block_x() * kCompactionWarps + warp_index(), lane = lane_index();
    if (index >= a.count) return;
    const PageLayout& layout = a.arena.layouts[a.format];
    u8* page = page_at(a.arena, a.slots[index * a.stride]);
    const int slot = a.slots[index * a.stride + 1];
    u8* record = a.records + (u64)index * a.record_bytes;
    u8* tail = record + padded(layout.key_bytes) + padded(layout.value_bytes);
    copy_bytes(record, key_row(layout, page, slot), layout.key_bytes, lane);
    copy_bytes(record + padded(layout.key_bytes), value_row(layout, page, slot), layout.value_bytes, lane);
    const u16* scales = tail_scales(layout, page, slot);
    if (lane < 4) ((u16*)tail)[lane] = scales ? scales[lane] : 0;
    if (lane == 4) {
        *(int*)(tail + 8) = *position_of(layout, page, slot);
        *(float*)(tail + 12) = *score_of(layout, page, slot);
        *(float*)(tail + 16) = layout.log_weights >= 0 ? *log_weight_of(layout, page, slot) : 0.f;
    }
}

KV_DEVICE void scatter_kv(const KvListArguments& a) {
    const int index = block_x() * kCompactionWarps + warp_index(), lane = lane_index();
    if (index >= a.count) return;
    const PageLayout& layout = a.arena.layouts[a.format];
    u8* page = page_at(a.arena, a.slots[index * a.stride]);
    const int slot = a.slots[index * a.stride + 1];
    const u8* record = a.records + (u64)index * a.record_bytes;
    const u8* tail = record + padded(layout.key_bytes) + padded(layout.value_bytes);
    copy_bytes(key_row(layout, page, slot), record, layout.key_bytes, lane);
    copy_bytes(value_row(layout, page, slot), record + padded(layout.key_bytes), layout.value_bytes, lane);
    u16* scales = tail_scales(layout, page, slot);
    if (scales && lane < 4) scales[lane] = ((const u16*)tail)[lane];
    if (lane == 4) store_metadata(layout, page, slot, *(const int*)(tail + 8), *(const float*)(tail + 12), *(const float*)(tail + 16));
}

// A record of numbers: position, score, log-weight and nothing; then key and value.
KV_DEVICE void stage_kv(const KvListArguments& a) {
    const int index = block_x() * kCompactionWarps + warp_index(), lane = lane_index(), head_dim = a.arena.head_dim;
    if (index >= a.count) return;
    const PageLayout& layout = a.arena.layouts[a.format];
    u8* page = page_at(a.arena, a.slots[index * a.stride]);
    const int slot = a.slots[index * a.stride + 1];
    float* record = (float*)(a.records + (u64)index * a.record_bytes);
    if (lane == 0) {
        *(int*)record = *position_of(layout, page, slot);
        record[1] = *score_of(layout, page, slot);
        record[2] = layout.log_weights >= 0 ? *log_weight_of(layout, page, slot) : 0.f;
        record[3] = 0.f;
    }
    for (int i = lane; i < head_dim; i += 32) {
        record[4 + i] = key_number(layout, page, slot, i, head_dim);
        record[4 + head_dim + i] = value_number(layout, page, slot, i, head_dim);
    }
    if (turns_keys(layout)) turn_back(record + 4, head_dim, a.arena.signs, lane);
    if (turns_values(layout)) turn_back(record + 4 + head_dim, head_dim, a.arena.signs, lane);
}

KV_DEVICE void unstage_kv(const KvListArguments& a) {
    const int index = block_x() * kCompactionWarps + warp_index(), lane = lane_index(), head_dim = a.arena.head_dim;
    if (index >= a.count) return;
    const PageLayout& layout = a.arena.layouts[a.format];
    u8* page = page_at(a.arena, a.slots[index * a.stride]);
    const int slot = a.slots[index * a.stride + 1];
    float* record = (float*)(a.records + (u64)index * a.record_bytes);
    if (turns_keys(layout)) turn(record + 4, head_dim, a.arena.signs, lane);
    if (turns_values(layout)) turn(record + 4 + head_dim, head_dim, a.arena.signs, lane);
    store_numbers(layout, page, slot, record + 4, record + 4 + head_dim, head_dim, lane);
    if (lane == 0) store_metadata(layout, page, slot, *(const int*)record, record[1], record[2]);
}

KV_DEVICE u32* field_of(const FieldArguments& a, int index) {
    u8* page = a.pages + (u64)a.table[index / a.slots] * a.page_stride;
    return (u32*)(page + a.offset) + index % a.slots;
}

KV_DEVICE void read_field(const FieldArguments& a) {
    const int index = block_x() * block_size() + thread_index();
    if (index < a.count) a.values[index] = *field_of(a, index);
}

KV_DEVICE void write_field(const FieldArguments& a) {
    const int index = block_x() * block_size() + thread_index();
    if (index < a.count) *field_of(a, index) = a.values[index];
}

KV_DEVICE void read_numbers(const NumberArguments& a) {
    const int row = block_x() * kCompactionWarps + warp_index(), lane = lane_index(), head_dim = a.arena.head_dim;
    if (row >= a.count) return;
    const PageLayout& layout = a.arena.layouts[a.format];
    const int index = a.first + row, slot = index % layout.slots;
    u8* page = page_at(a.arena, a.table[index / layout.slots]);
    float* numbers = a.numbers + (u64)row * head_dim;
    for (int i = lane; i < head_dim; i += 32) {
        numbers[i] = a.is_value ? value_number(layout, page, slot, i, head_dim) : key_number(layout, page, slot, i, head_dim);
    }
    if (a.is_value ? turns_values(layout) : turns_keys(layout)) turn_back(numbers, head_dim, a.arena.signs, lane);
}

}  // namespace kv

KV_KERNEL void KV_BOUNDS(128) kv_gather(kv::KvListArguments a) { kv::gather_kv(a); }
KV_KERNEL void KV_BOUNDS(128) kv_scatter(kv::KvListArguments a) { kv::scatter_kv(a); }
KV_KERNEL void KV_BOUNDS(128) kv_stage(kv::KvListArguments a) { kv::stage_kv(a); }
KV_KERNEL void KV_BOUNDS(128) kv_unstage(kv::KvListArguments a) { kv::unstage_kv(a); }
KV_KERNEL void KV_BOUNDS(256) kv_read_field(kv::FieldArguments a) { kv::read_field(a); }
KV_KERNEL void KV_BOUNDS(256) kv_write_field(kv::FieldArguments a) { kv::write_field(a); }
KV_KERNEL void KV_BOUNDS(128) kv_read_numbers(kv::NumberArguments a) { kv::read_numbers(a); }
