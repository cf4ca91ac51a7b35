// Tiles of 32 KVs in shared memory as 16-bit numbers, whatever the format of their pages, and what belongs to their KVs beside the numbers.
#pragma once
#include "attention.h"

namespace kv {

// Rows of D 16-bit numbers in shared memory, so laid out that eight rows of 16 bytes lie in different banks: turned by the row where that is possible, else
// with 16 bytes more a row.
template <int D> struct TileRows {
    static constexpr bool TURNED = D % 64 == 0;
    static constexpr int STRIDE = TURNED ? D : D + 8;
    static constexpr int BYTES_OF_ROW = STRIDE * 2;
    static KV_DEVICE int at(int row, int chunk) { return row * STRIDE + ((TURNED ? chunk ^ (row & 7) : chunk) << 3); }
};

// What a tile's KVs have beside numbers. A number of a key is key_scale * stored + key_zero.
struct TileTable {
    u64 keys[kTile];  // addresses of rows
    u64 values[kTile];
    float key_scale[kTile];
    float key_zero[kTile];
    float value_scale[kTile];
    float value_zero[kTile];
    float log_weight[kTile];  // as a power of two
    int position[kTile];
};

// A place in a head: a tile of a segment of one of its ends.
struct TilePlace {
    End end;
    int first;  // KV, counted in the end
    int count;  // KVs of the tile that some row of the block sees, 0 to kTile
};

template <class T> struct StoredCodes;
template <> struct StoredCodes<F16> { static constexpr float UNIT = 16777216.0f; };  // a code's bits are a half of 2^-24 times the code
template <> struct StoredCodes<BF16> { static constexpr float UNIT = 1.0f; };

// One lane per KV fills the table.
template <class T> KV_DEVICE void fill_table(const Arena& arena, const TilePlace& place, TileTable& table, int lane) {
    const bool exists = lane < place.count;
    const PageLayout& layout = place.end.layout;
    int slot;
    u8* page = locate(arena, place.end, place.first + (exists ? lane : 0), slot);
    table.keys[lane] = (u64)key_row(layout, page, slot);
    table.values[lane] = (u64)value_row(layout, page, slot);
    table.position[lane] = *position_of(layout, page, slot);
    table.log_weight[lane] = layout.log_weights >= 0 ? *log_weight_of(layout, page, slot) * LOG2_OF_E : 0.0f;
    if (is_quantized(layout.format)) {
        const u16* scales = scales_of(layout, page, slot);
        const float key = F16::up(scales[0]), value = F16::up(scales[2]);
        table.key_scale[lane] = key * StoredCodes<T>::UNIT;
        table.key_zero[lane] = F16::up(scales[1]) - (turns_keys(layout) ? 0.0f : key * (float)key_offset(layout.format));
        table.value_scale[lane] = value;
        table.value_zero[lane] = F16::up(scales[3]) - value * (float)value_offset(layout.format);
    }
}

// Two codes in the halves of a word as two stored numbers.
KV_DEVICE u32 stored_pair(F16, u32 codes) { return codes; }
KV_DEVICE u32 stored_pair(BF16, u32 codes) { return BF16::pack((float)(codes & 0xffffu), (float)(codes >> 16)); }

// Two codes of turned keys as the levels that they name.
KV_DEVICE u32 level_bits(F16, u32 code) { return level_magnitude(code) | (code < 8u ? 0x8000u : 0u); }
KV_DEVICE u32 level_bits(BF16, u32 code) { return BF16::pack(normal_level(code), 0.0f) & 0xffffu; }
template <class T> KV_DEVICE u32 level_pair(u32 codes) { return level_bits(T{}, codes & 0xffffu) | level_bits(T{}, codes >> 16) << 16; }

// 16 numbers from words of codes: BITS / 2 words.
template <class T, int BITS, bool LEVELS> KV_DEVICE void store_chunk_of_codes(const u32* words, u16* low, u16* high) {
    constexpr u32 MASK = ((1u << BITS) - 1u) * 0x00010001u;
    u32 pairs[8];
    KV_UNROLL for (int i = 0; i < 8; i++) {
        constexpr int PAIRS_OF_WORD = 16 / BITS;
        const u32 codes = (words[i / PAIRS_OF_WORD] >> (i % PAIRS_OF_WORD * BITS)) & MASK;
        pairs[i] = LEVELS ? level_pair<T>(codes) : stored_pair(T{}, codes);
    }
    store16(low, Vector16{pairs[0], pairs[1], pairs[2], pairs[3]});
    store16(high, Vector16{pairs[4], pairs[5], pairs[6], pairs[7]});
}

template <class T, int D, int BITS, bool LEVELS = false>
KV_DEVICE void load_codes(const u64* rows, int count, int head_dim, u16* target, int thread, int threads) {
    for (int chunk = thread; chunk < kTile * (D / 16); chunk += threads) {
        const int row = chunk / (D / 16), inside = chunk % (D / 16);
        u32 words[4] = {0, 0, 0, 0};
        if (row < count && inside * 16 < head_dim) {
            const u8* source = (const u8*)rows[row] + inside * BITS * 2;
            if (BITS == 8) {
                const Vector16 v = load16(source);
                words[0] = v.x;
                words[1] = v.y;
                words[2] = v.z;
                words[3] = v.w;
            } else if (BITS == 4) {
                const u64 v = *(const u64*)source;
                words[0] = (u32)v;
                words[1] = (u32)(v >> 32);
            } else {
                words[0] = *(const u32*)source;
            }
        }
        store_chunk_of_codes<T, BITS, LEVELS>(words, target + TileRows<D>::at(row, 2 * inside), target + TileRows<D>::at(row, 2 * inside + 1));
    }
}

// Number by number, for heads whose rows cannot be loaded in wide pieces.
template <class T, int D>
KV_DEVICE void load_slowly(const u64* rows, int bits, bool levels, int count, int head_dim, u16* target, int thread, int threads) {
    for (int i = thread; i < kTile * D; i += threads) {
        const int row = i / D, dim = i % D;
        u16 number = 0;
        if (row < count && dim < head_dim) {
            const u8* source = (const u8*)rows[row];
            const u32 code = bits == 16 ? ((const u16*)source)[dim] : (u32)code_at(source, dim, bits, head_dim);
            number = (u16)(bits == 16 ? code : levels ? level_bits(T{}, code) : stored_pair(T{}, code));
        }
        target[TileRows<D>::at(row, dim >> 3) + (dim & 7)] = number;
    }
}

// Brings keys or values of a tile to shared memory; KVs that do not exist, and coordinates beyond the head's, become 0. Halves come asynchronously: they are
// there after a commit and a wait. `bits` is 16, 8, 4 or 2.
template <class T, int D> KV_DEVICE void load_tile(const u64* rows, int bits, int count, int head_dim, u16* target, int thread, int threads) {
    if ((head_dim & (bits == 16 ? 7 : 15)) != 0) {
        load_slowly<T, D>(rows, bits, false, count, head_dim, target, thread, threads);
    } else if (bits == 16) {
        for (int chunk = thread; chunk < kTile * (D / 8); chunk += threads) {
            const int row = chunk / (D / 8), inside = chunk % (D / 8);
            u16* to = target + TileRows<D>::at(row, inside);
            if (row < count && inside * 8 < head_dim) {
                copy_async16(to, (const u8*)rows[row] + inside * 16);
            } else {
                store16(to, Vector16{0, 0, 0, 0});
            }
        }
    } else if (bits == 8) {
        load_codes<T, D, 8>(rows, count, head_dim, target, thread, threads);
    } else if (bits == 4) {
        load_codes<T, D, 4>(rows, count, head_dim, target, thread, threads);
    } else {
        load_codes<T, D, 2>(rows, count, head_dim, target, thread, threads);
    }
}

template <class T, int D> KV_DEVICE void load_keys(const Arena& arena, const TilePlace& place, const TileTable& table, u16* target, int thread, int threads) {
    const int format = place.end.layout.format;
    if (turns_keys(place.end.layout)) {
        if ((arena.head_dim & 15) != 0) {
            load_slowly<T, D>(table.keys, 4, true, place.count, arena.head_dim, target, thread, threads);
        } else {
            load_codes<T, D, 4, true>(table.keys, place.count, arena.head_dim, target, thread, threads);
        }
        return;
    }
    load_tile<T, D>(table.keys, is_quantized(format) ? key_bits(format) : 16, place.count, arena.head_dim, target, thread, threads);
}

template <class T, int D> KV_DEVICE void load_values(const Arena& arena, const TilePlace& place, const TileTable& table, u16* target, int thread, int threads) {
    const int format = place.end.layout.format;
    load_tile<T, D>(table.values, is_quantized(format) ? value_bits(format) : 16, place.count, arena.head_dim, target, thread, threads);
}

}  // namespace kv
