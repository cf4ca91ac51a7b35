// Where things are in a page, and how single numbers are written and read. Host code fills PageLayout (CudaPageLayout.cs); kernels take offsets from it alone.
//
// A page: keys token by token, values token by token; at its end positions (i32), scores (f32), log-weights (f32), and before those, for codes, four halves
// per KV: scale and zero of the key, scale and zero of the value. So keys and values start where wide loads may start, whatever the number of slots.
//
// Codes are stored unsigned: a number is scale * (code - offset) + zero. Codes of b bits stand in words of 32 / b, numbers 2i and 2i + 1 at the bits b * i and
// b * i + 16: one shift and one mask give a pair of neighbours in the two halves of a register, where a code is read as a half of code * 2^-24. Where a head
// does not fill such words, codes follow each other from the lowest bit on. Where keys or values are turned (turning.h), pages hold the turned numbers, and
// codes of turned keys name the levels of a normal distribution.
#pragma once
#include "turning.h"

namespace kv {

enum KvFormat { kF16, kF32, kBF16, kK8V8, kK8V4, kK4V4, kK4V2, kFormatCount };

// Offsets in bytes from a page's start. Twin: PageLayoutArguments.
struct PageLayout {
    int format;
    int slots;
    int key_bytes;
    int value_bytes;
    int values;
    int scales;       // codes only
    int positions;
    int scores;
    int log_weights;  // -1 in an arena without
    int turns;        // TurnFlags
};

enum TurnFlags { kTurnsKeys = 1, kTurnsValues = 2 };

// All pages of an arena. Twin: ArenaArguments.
struct Arena {
    u8* pages;
    u64 stride;
    int head_dim;
    int padding;
    PageLayout layouts[kFormatCount];
    TurningSigns signs;
};

KV_DEVICE u8* page_at(const Arena& arena, int page) { return arena.pages + (u64)page * arena.stride; }

KV_DEVICE bool is_quantized(int format) { return format >= kK8V8; }
KV_DEVICE int key_bits(int format) { return format >= kK4V4 ? 4 : 8; }
KV_DEVICE int value_bits(int format) { return format == kK8V8 ? 8 : format == kK4V2 ? 2 : 4; }
KV_DEVICE int key_offset(int format) { return format >= kK4V4 ? 8 : 128; }
KV_DEVICE int value_offset(int format) { return format == kK8V8 ? 128 : 0; }

// Bit of a code in the row of its key or value.
KV_DEVICE int code_bit(int index, int bits, int head_dim) {
    const int of_word = 32 / bits, inside = index & (of_word - 1);
    return (head_dim & (of_word - 1)) == 0 ? index / of_word * 32 + (inside >> 1) * bits + (inside & 1) * 16 : index * bits;
}

// The number whose code stands at a bit, the inverse of code_bit.
KV_DEVICE int code_index(int bit, int bits, int head_dim) {
    const int of_word = 32 / bits, inside = bit & 31;
    return (head_dim & (of_word - 1)) == 0 ? (bit >> 5) * of_word + (inside & 15) / bits * 2 + (inside >> 4) : bit / bits;
}

KV_DEVICE u8* key_row(const PageLayout& layout, u8* page, int slot) { return page + slot * layout.key_bytes; }
KV_DEVICE u8* value_row(const PageLayout& layout, u8* page, int slot) { return page + layout.values + slot * layout.value_bytes; }
KV_DEVICE u16* scales_of(const PageLayout& layout, u8* page, int slot) { return (u16*)(page + layout.scales) + 4 * slot; }
KV_DEVICE int* position_of(const PageLayout& layout, u8* page, int slot) { return (int*)(page + layout.positions) + slot; }
KV_DEVICE float* score_of(const PageLayout& layout, u8* page, int slot) { return (float*)(page + layout.scores) + slot; }
KV_DEVICE float* log_weight_of(const PageLayout& layout, u8* page, int slot) { return (float*)(page + layout.log_weights) + slot; }

KV_DEVICE int code_at(const u8* row, int index, int bits, int head_dim) {
    int bit = code_bit(index, bits, head_dim);
    return (row[bit >> 3] >> (bit & 7)) & ((1 << bits) - 1);
}

KV_DEVICE bool turns_keys(const PageLayout& layout) { return layout.turns & kTurnsKeys; }
KV_DEVICE bool turns_values(const PageLayout& layout) { return layout.turns & kTurnsValues; }

// A number of a key or value as it is stored, turned or not, in any format; slow, for kernels that are not in a hurry.
KV_DEVICE float number_at(int format, const u8* row, int index, int bits, int offset, int head_dim, float scale, float zero) {
    if (format == kF16) return F16::up(((const u16*)row)[index]);
    if (format == kBF16) return BF16::up(((const u16*)row)[index]);
    if (format == kF32) return ((const float*)row)[index];
    return (float)(code_at(row, index, bits, head_dim) - offset) * scale + zero;
}

KV_DEVICE float key_number(const PageLayout& layout, u8* page, int slot, int index, int head_dim) {
    bool codes = is_quantized(layout.format);
    const u16* scales = scales_of(layout, page, slot);
    float scale = codes ? F16::up(scales[0]) : 0.f, zero = codes ? F16::up(scales[1]) : 0.f;
    if (turns_keys(layout)) return normal_level((u32)code_at(key_row(layout, page, slot), index, key_bits(layout.format), head_dim)) * scale + zero;
    return number_at(layout.format, key_row(layout, page, slot), index, key_bits(layout.format), key_offset(layout.format), head_dim, scale, zero);
}

KV_DEVICE float value_number(const PageLayout& layout, u8* page, int slot, int index, int head_dim) {
    bool codes = is_quantized(layout.format);
    const u16* scales = scales_of(layout, page, slot);
    float scale = codes ? F16::up(scales[2]) : 0.f, zero = codes ? F16::up(scales[3]) : 0.f;
    return number_at(layout.format, value_row(layout, page, slot), index, value_bits(layout.format), value_offset(layout.format), head_dim, scale, zero);
}

KV_DEVICE float clamp_to_half(float x) { return x > 65504.f ? 65504.f : x < -65504.f ? -65504.f : x; }

// The smallest half that is no less, for steps: codes must reach both ends of the range.
KV_DEVICE u16 half_at_least(float value) {
    u16 half = F16::down(clamp_to_half(value));
    return F16::up(half) < value && half < 0x7bff ? (u16)(half + 1) : half;
}

struct Ends {
    float least, most;
};

KV_DEVICE Ends warp_ends(const float* numbers, int head_dim, int lane) {
    const float infinity = __builtin_inff();
    float least = infinity, most = -infinity;
    for (int i = lane; i < head_dim; i += 32) {
        float x = numbers[i];
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    KV_UNROLL for (int mask = 16; mask; mask >>= 1) {
        float a = shuffle_xor(least, mask), b = shuffle_xor(most, mask);
        least = a < least ? a : least;
        most = b > most ? b : most;
    }
    return {clamp_to_half(least), clamp_to_half(most)};
}

KV_DEVICE float code_within(float t, float levels) {
    t = t > 0.f ? t : 0.f;
    return t > levels ? levels : t;
}

// Codes of head_dim numbers for a step and a zero point as they are stored.
KV_DEVICE void pack_codes(u8* row, u16* scale_and_zero, u16 scale, u16 zero, const float* numbers, int bits, int offset, int head_dim, int lane) {
    if (lane == 0) {
        scale_and_zero[0] = scale;
        scale_and_zero[1] = zero;
    }
    const float step = F16::up(scale), start = F16::up(zero), inverse = step > 0.f ? 1.f / step : 0.f, shift = (float)offset + 0.5f, levels = (float)((1 << bits) - 1);
    int per_byte = 8 / bits, bytes = head_dim * bits / 8;
    for (int byte = lane; byte < bytes; byte += 32) {
        int packed = 0;
        for (int part = 0; part < per_byte; part++)
            packed |= (int)code_within((numbers[code_index(byte * 8 + part * bits, bits, head_dim)] - start) * inverse + shift, levels) << (part * bits);
        row[byte] = (u8)packed;
    }
}

// One warp makes codes of head_dim numbers that reach from the smallest to the largest: the step is a half, the zero point is a half, and codes are chosen for them as they are stored.
KV_DEVICE void store_codes(u8* row, u16* scale_and_zero, const float* numbers, int bits, int offset, int head_dim, int lane) {
    const Ends ends = warp_ends(numbers, head_dim, lane);
    u16 scale = half_at_least((ends.most - ends.least) / (float)((1 << bits) - 1));
    u16 zero = F16::down(clamp_to_half(ends.least + (float)offset * F16::up(scale)));
    pack_codes(row, scale_and_zero, scale, zero, numbers, bits, offset, head_dim, lane);
}

struct FittedLine {
    float slope, start, gain;
};

// Least squares of the numbers, less their middle, over their codes in a range of so much to either side; the gain is what the line takes off the squared error.
KV_DEVICE FittedLine fit_line(const float* numbers, float middle, float reach, float levels, int head_dim, int lane) {
    const float inverse = levels / (2.f * reach), shift = reach * inverse + 0.5f, count = (float)head_dim;
    float number_sum = 0.f, code_sum = 0.f, squares = 0.f, products = 0.f;
    for (int i = lane; i < head_dim; i += 32) {
        const float number = numbers[i] - middle, code = (float)(int)code_within(number * inverse + shift, levels);
        number_sum += number;
        code_sum += code;
        squares = fma(code, code, squares);
        products = fma(number, code, products);
    }
    number_sum = warp_sum(number_sum);
    code_sum = warp_sum(code_sum);
    squares = warp_sum(squares);
    products = warp_sum(products);
    const float slope = (products * count - code_sum * number_sum) / (squares * count - code_sum * code_sum), start = (number_sum - slope * code_sum) / count;
    return {slope, start, slope * products + start * number_sum};
}

// One warp makes codes of 2 bits of turned values: of six ranges, the widest of which holds every number, the one whose codes with the line that fits them best come nearest.
KV_DEVICE void store_fitted_codes(u8* row, u16* scale_and_zero, const float* numbers, int bits, int head_dim, int lane) {
    const Ends ends = warp_ends(numbers, head_dim, lane);
    const float levels = (float)((1 << bits) - 1), middle = (ends.least + ends.most) * 0.5f, half = (ends.most - ends.least) * 0.5f;
    FittedLine best = {2.f * half / levels, -half, -1.f};
    for (int range = 0; range < kRanges; range++) {
        const FittedLine line = fit_line(numbers, middle, half * ((float)(kWidestRange - 2 * range) * kRangeStep), levels, head_dim, lane);
        if (line.gain > best.gain) best = line;
    }
    pack_codes(row, scale_and_zero, F16::down(clamp_to_half(best.slope)), F16::down(clamp_to_half(middle + best.start)), numbers, bits, 0, head_dim, lane);
}

// One warp makes codes of 4 bits of a turned key: the nearest levels of a normal distribution, for the one of kLevelSizes sizes about the key's own that comes nearest to it; then the
// scale that fits these levels best.
KV_DEVICE void store_levels(u8* row, u16* scale_and_zero, const float* numbers, int head_dim, int lane) {
    float squares = 0.f;
    for (int i = lane; i < head_dim; i += 32) squares = fma(numbers[i], numbers[i], squares);
    squares = warp_sum(squares);
    const float own = squares > 0.f ? kLevelsPerDeviation / sqrt(squares / (float)head_dim) : 0.f;
    float chosen = 0.f, scale = 0.f, best = -1.f;
    for (int size = 0; size < kLevelSizes; size++) {
        const float factor = own * ((kLeastSize + (float)size) * kSizeStep);
        float product = 0.f, norm = 0.f;
        for (int i = lane; i < head_dim; i += 32) {
            const float level = normal_level(normal_code(numbers[i] * factor));
            product = fma(numbers[i], level, product);
            norm = fma(level, level, norm);
        }
        product = warp_sum(product);
        norm = warp_sum(norm);
        const float gain = product * (product / norm);  // what these levels take off the squared error
        if (gain <= best) continue;
        best = gain;
        chosen = factor;
        scale = product / norm;
    }
    if (lane == 0) {
        scale_and_zero[0] = F16::down(clamp_to_half(scale));
        scale_and_zero[1] = 0;
    }
    for (int byte = lane; byte < head_dim / 2; byte += 32) {
        const u32 low = normal_code(numbers[code_index(byte * 8, 4, head_dim)] * chosen), high = normal_code(numbers[code_index(byte * 8 + 4, 4, head_dim)] * chosen);
        row[byte] = (u8)(low | high << 4);
    }
}

// One warp writes a key and a value of head_dim numbers, turned where the format turns them, into a slot.
KV_DEVICE void store_numbers(const PageLayout& layout, u8* page, int slot, const float* key, const float* value, int head_dim, int lane) {
    u8 *keys = key_row(layout, page, slot), *values = value_row(layout, page, slot);
    int format = layout.format;
    if (is_quantized(format)) {
        u16* scales = scales_of(layout, page, slot);
        if (turns_keys(layout)) {
            store_levels(keys, scales, key, head_dim, lane);
        } else {
            store_codes(keys, scales, key, key_bits(format), key_offset(format), head_dim, lane);
        }
        if (turns_values(layout) && value_bits(format) == 2) {
            store_fitted_codes(values, scales + 2, value, value_bits(format), head_dim, lane);
        } else {
            store_codes(values, scales + 2, value, value_bits(format), value_offset(format), head_dim, lane);
        }
        return;
    }
    for (int i = lane; i < head_dim; i += 32) {
        if (format == kF32) {
            ((float*)keys)[i] = key[i];
            ((float*)values)[i] = value[i];
        } else if (format == kF16) {
            ((u16*)keys)[i] = F16::down(clamp_to_half(key[i]));
            ((u16*)values)[i] = F16::down(clamp_to_half(value[i]));
        } else {
            ((u16*)keys)[i] = BF16::down(key[i]);
            ((u16*)values)[i] = BF16::down(value[i]);
        }
    }
}

// What belongs to a KV beside its numbers; one thread writes it.
KV_DEVICE void store_metadata(const PageLayout& layout, u8* page, int slot, int position, float score, float log_weight) {
    *position_of(layout, page, slot) = position;
    *score_of(layout, page, slot) = score;
    if (layout.log_weights >= 0) *log_weight_of(layout, page, slot) = log_weight;
}

}  // namespace kv
