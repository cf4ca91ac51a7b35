// Weights straight from the blocks of model files, 16 of a row at a time; each product and difference is rounded as the reference decoder does.
// A row starts at a multiple of kAlign bytes, if it has a multiple of 16 weights.
#pragma once
#include "primitives.h"

namespace kv {

struct Words4 {
    u32 word[4];

    KV_DEVICE u32 byte(int i) const { return (word[i >> 2] >> (8 * (i & 3))) & 255u; }
};

KV_DEVICE float half_at(const u8* p) { return F16::up(*(const u16*)p); }
KV_DEVICE u32 word_at(const u8* p) { return *(const u16*)p | ((u32)*(const u16*)(p + 2) << 16); }

// 16 bytes by the widest loads that the alignment allows.
template <int Align> KV_DEVICE Words4 bytes16(const u8* p) {
    Words4 w;
    if (Align >= 16) {
        const Vector16 v = load16(p);
        w.word[0] = v.x; w.word[1] = v.y; w.word[2] = v.z; w.word[3] = v.w;
    } else {
        KV_UNROLL for (int i = 0; i < 4; i++) {
            w.word[i] = Align >= 4 ? *(const u32*)(p + 4 * i) : word_at(p + 4 * i);
        }
    }
    return w;
}

struct WeightsF32 {
    static constexpr bool kPlain = true;
    static KV_DEVICE float at(const u8* row, int column) { return ((const float*)row)[column]; }
    static KV_DEVICE void group(const u8* row, int g, float* w) {
        KV_UNROLL for (int i = 0; i < 4; i++) {
            const Vector16 v = load16(row + g * 64 + i * 16);
            w[4 * i] = float_of(v.x); w[4 * i + 1] = float_of(v.y); w[4 * i + 2] = float_of(v.z); w[4 * i + 3] = float_of(v.w);
        }
    }
};

template <class Element> struct WeightsOfHalves {
    static constexpr bool kPlain = true;
    static KV_DEVICE float at(const u8* row, int column) { return Element::up(((const u16*)row)[column]); }
    static KV_DEVICE void group(const u8* row, int g, float* w) {
        KV_UNROLL for (int i = 0; i < 2; i++) {
            const Words4 v = bytes16<16>(row + g * 32 + i * 16);
            KV_UNROLL for (int j = 0; j < 4; j++) {
                const Float2 pair = Element::unpack(v.word[j]);
                w[8 * i + 2 * j] = pair.x;
                w[8 * i + 2 * j + 1] = pair.y;
            }
        }
    }
};
typedef WeightsOfHalves<F16> WeightsF16;
typedef WeightsOfHalves<BF16> WeightsBF16;

struct Blocks {
    static constexpr bool kPlain = false;
    static KV_DEVICE float at(const u8*, int) { return 0.0f; }
};

// Blocks of 32 with codes of 4 bits, a fifth one apart: byte l has weight l in its low half, weight l + 16 in its high half.
template <bool HasMinimum, bool HasFifth> struct WeightsNibbles : Blocks {
    static constexpr int kCodes = 2 + (HasMinimum ? 2 : 0) + (HasFifth ? 4 : 0);
    static KV_DEVICE void group(const u8* row, int g, float* w) {
        const u8* block = row + (g >> 1) * (kCodes + 16);
        const int half = g & 1;
        const float scale = half_at(block), least = HasMinimum ? half_at(block + 2) : 0.0f;
        const u32 fifth = HasFifth ? word_at(block + kCodes - 4) >> (16 * half) : 0u;
        const Words4 codes = bytes16<kCodes % 4 == 0 ? 4 : 2>(block + kCodes);
        KV_UNROLL for (int i = 0; i < 16; i++) {
            int code = (int)((codes.byte(i) >> (4 * half)) & 15u);
            if (HasFifth) {
                code |= (int)((fifth >> i) & 1u) << 4;
            }
            w[i] = HasMinimum ? scale * (float)code + least : scale * (float)(code - (HasFifth ? 16 : 8));
        }
    }
};
typedef WeightsNibbles<false, false> WeightsQ4_0;
typedef WeightsNibbles<true, false> WeightsQ4_1;
typedef WeightsNibbles<false, true> WeightsQ5_0;
typedef WeightsNibbles<true, true> WeightsQ5_1;

struct WeightsQ8_0 : Blocks {
    static KV_DEVICE void group(const u8* row, int g, float* w) {
        const u8* block = row + (g >> 1) * 34;
        const float scale = half_at(block);
        const Words4 codes = bytes16<2>(block + 2 + (g & 1) * 16);
        KV_UNROLL for (int i = 0; i < 16; i++) {
            w[i] = scale * (float)(i8)codes.byte(i);
        }
    }
};

// The 16 uneven steps of the IQ4 formats, a byte each.
KV_DEVICE float nonlinear_step(u32 code) {
    const u32 low = code & 4u ? 0xf6eaddcfu : 0xbfad9881u, high = code & 4u ? 0x71594535u : 0x26190d01u;
    return (float)(i8)((code & 8u ? high : low) >> (8 * (code & 3u)));
}

KV_DEVICE void nonlinear(float scale, const Words4& codes, int half, float* w) {
    KV_UNROLL for (int i = 0; i < 16; i++) {
        w[i] = scale * nonlinear_step((codes.byte(i) >> (4 * half)) & 15u);
    }
}

struct WeightsIQ4_NL : Blocks {
    static KV_DEVICE void group(const u8* row, int g, float* w) {
        const u8* block = row + (g >> 1) * 18;
        nonlinear(half_at(block), bytes16<2>(block + 2), g & 1, w);
    }
};

struct WeightsIQ4_XS : Blocks {
    static KV_DEVICE void group(const u8* row, int g, float* w) {
        const u8* block = row + (g >> 4) * 136;
        const int part = (g & 15) >> 1;
        const int high = (*(const u16*)(block + 2) >> (2 * part)) & 3, low = (block[4 + part / 2] >> (4 * (part & 1))) & 15;
        nonlinear(half_at(block) * (float)((low | (high << 4)) - 32), bytes16<4>(block + 8 + part * 16), g & 1, w);
    }
};

// 16 codes of 2 bits: two halves of 128, in each 32 bytes hold four runs of 32.
template <int Align> KV_DEVICE Words4 pairs_of_bits(const u8* codes, int c) { return bytes16<Align>(codes + (c >> 3) * 32 + (c & 1) * 16); }

struct WeightsQ2_K : Blocks {
    static KV_DEVICE void group(const u8* row, int g, float* w) {
        const u8* block = row + (g >> 4) * 84;
        const int c = g & 15, packed = block[c], shift = ((c >> 1) & 3) * 2;
        const float step = half_at(block + 80) * (float)(packed & 15), below = half_at(block + 82) * (float)(packed >> 4);
        const Words4 codes = pairs_of_bits<4>(block + 16, c);
        KV_UNROLL for (int i = 0; i < 16; i++) {
            w[i] = step * (float)((codes.byte(i) >> shift) & 3u) - below;
        }
    }
};

struct WeightsQ3_K : Blocks {
    static KV_DEVICE void group(const u8* row, int g, float* w) {
        const u8* block = row + (g >> 4) * 110;
        const u8* packed = block + 96;
        const int c = g & 15, shift = ((c >> 1) & 3) * 2;
        const int low = c < 8 ? packed[c] & 15 : packed[c - 8] >> 4, high = (packed[8 + (c & 3)] >> (2 * (c >> 2))) & 3;
        const float step = half_at(block + 108) * (float)((low | (high << 4)) - 32);
        const Words4 codes = pairs_of_bits<2>(block + 32, c), mask = bytes16<2>(block + (c & 1) * 16);
        KV_UNROLL for (int i = 0; i < 16; i++) {
            const int code = (int)((codes.byte(i) >> shift) & 3u), third = (int)((mask.byte(i) >> (c >> 1)) & 1u);
            w[i] = step * (float)((code | (third << 2)) - 4);
        }
    }
};

// Scale and minimum of one of 8 parts, 6 bits each, from 12 bytes.
struct PartScale {
    int step;
    int least;
};

KV_DEVICE PartScale part_scale(const u8* packed, int part) {
    if (part < 4) {
        return PartScale{packed[part] & 63, packed[part + 4] & 63};
    }
    return PartScale{(packed[part + 4] & 15) | (packed[part - 4] >> 6 << 4), (packed[part + 4] >> 4) | (packed[part] >> 6 << 4)};
}

// Blocks of 256 in 8 parts with scales and minima of 6 bits; the fifth bit of weight l of a part is bit `part` of byte l.
template <bool HasFifth> struct WeightsParts : Blocks {
    static constexpr int kCodes = HasFifth ? 48 : 16;
    static KV_DEVICE void group(const u8* row, int g, float* w) {
        const u8* block = row + (g >> 4) * (kCodes + 128);
        const int part = (g & 15) >> 1, off = (g & 1) * 16;
        const PartScale scale = part_scale(block + 4, part);
        const float step = half_at(block) * (float)scale.step, below = half_at(block + 2) * (float)scale.least;
        const Words4 codes = bytes16<16>(block + kCodes + (part >> 1) * 32 + off);
        Words4 fifth = {{0, 0, 0, 0}};
        if (HasFifth) {
            fifth = bytes16<16>(block + 16 + off);
        }
        KV_UNROLL for (int i = 0; i < 16; i++) {
            u32 code = (codes.byte(i) >> (4 * (part & 1))) & 15u;
            if (HasFifth) {
                code |= ((fifth.byte(i) >> part) & 1u) << 4;
            }
            w[i] = step * (float)code - below;
        }
    }
};
typedef WeightsParts<false> WeightsQ4_K;
typedef WeightsParts<true> WeightsQ5_K;

struct WeightsQ6_K : Blocks {
    static KV_DEVICE void group(const u8* row, int g, float* w) {
        const u8* block = row + (g >> 4) * 210;
        const int c = g & 15, half = c >> 3, run = (c >> 1) & 3, off = (c & 1) * 16;
        const float step = half_at(block + 208) * (float)(i8)block[192 + c];
        const Words4 low = bytes16<2>(block + half * 64 + (run & 1) * 32 + off), high = bytes16<2>(block + 128 + half * 32 + off);
        KV_UNROLL for (int i = 0; i < 16; i++) {
            const u32 code = ((low.byte(i) >> ((run >> 1) * 4)) & 15u) | (((high.byte(i) >> (run * 2)) & 3u) << 4);
            w[i] = step * (float)((int)code - 32);
        }
    }
};
}
