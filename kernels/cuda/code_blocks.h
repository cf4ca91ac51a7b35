// Blocks of model files as tensor cores take them: whole codes, four of a row at a time, with what they are scaled by apart. Codes are exact as halves, so
// a product with a weight is as good as one in single precision. A code is brought above 0 where its format has negative ones; a weight is
// step * code + zero.
//
// An operand's 16 columns come in the order in which four codes leave a word: a quad's lane c has columns 4c, 4c + 2, 4c + 1, 4c + 3 (rows are laid out
// likewise, see products.h).
#pragma once
#include "weight_blocks.h"

namespace kv {

// The bits of a code are a half of 2^-24 times the code.
constexpr float kCodeUnit = 16777216.0f;

struct CodeScale {
    float step;
    float zero;
};

KV_DEVICE CodeScale code_scale(float step, float zero) { return CodeScale{step * kCodeUnit, zero}; }

template <int Align> KV_DEVICE u32 codes_at(const u8* p) { return Align >= 4 ? *(const u32*)p : word_at(p); }

// A row of an activation in two halves per number (hi 4c, 4c + 2; 4c + 1, 4c + 3; then the lower parts).
struct HalfOperand {
    typedef F16 Element;
    static constexpr int kParts = 2;
    u32 part[kParts][2];

    KV_DEVICE void take(Vector16 row) {
        part[0][0] = row.x; part[0][1] = row.y;
        part[1][0] = row.z; part[1][1] = row.w;
    }
};

// Singles as three brains per number, which have their range.
struct BrainOperand {
    typedef BF16 Element;
    static constexpr int kParts = 3;
    u32 part[kParts][2];

    KV_DEVICE void take(Vector16 row) {
        float x[4] = {float_of(row.x), float_of(row.z), float_of(row.y), float_of(row.w)};
        KV_UNROLL for (int p = 0; p < kParts; p++) {
            KV_UNROLL for (int i = 0; i < 2; i++) {
                part[p][i] = BF16::pack(x[2 * i], x[2 * i + 1]);
                const Float2 taken = BF16::unpack(part[p][i]);
                x[2 * i] -= taken.x;
                x[2 * i + 1] -= taken.y;
            }
        }
    }
};

// Columns and bytes of a chunk that is staged at once, columns that share a scale, and the alignment of a block.
template <int Columns, int Bytes, int Group, int Align> struct CodeFormat {
    typedef HalfOperand Operand;
    static constexpr bool kScaled = true;
    static constexpr int kColumns = Columns, kBytes = Bytes, kGroup = Group, kAlign = Align;
};

// Left operand of 16 outputs and 16 columns from the chunks of a lane's two outputs.
template <class Codes> KV_DEVICE Fragment code_fragment(const u8* first, const u8* second, int g, int c) {
    const u32 a = Codes::codes(first, g, c), b = Codes::codes(second, g, c);
    return Fragment{{a & 0x00ff00ffu, b & 0x00ff00ffu, (a >> 8) & 0x00ff00ffu, (b >> 8) & 0x00ff00ffu}};
}

template <class Operand_> struct PlainCodes {
    typedef Operand_ Operand;
    static constexpr bool kScaled = false;
    static constexpr int kColumns = 64, kBytes = 128, kGroup = 64, kAlign = 16;
    static KV_DEVICE CodeScale scale(const u8*, int) { return CodeScale{1.0f, 0.0f}; }
};
typedef PlainCodes<HalfOperand> CodesF16;
typedef PlainCodes<BrainOperand> CodesBF16;

template <class Operand> KV_DEVICE Fragment plain_fragment(const u8* first, const u8* second, int g, int c) {
    const u32* a = (const u32*)(first + g * 32 + c * 8);
    const u32* b = (const u32*)(second + g * 32 + c * 8);
    return Fragment{{(a[0] & 0xffffu) | a[1] << 16, (b[0] & 0xffffu) | b[1] << 16, a[0] >> 16 | (a[1] & 0xffff0000u), b[0] >> 16 | (b[1] & 0xffff0000u)}};
}

template <class Codes> KV_DEVICE Fragment weight_fragment(Codes, const u8* first, const u8* second, int g, int c) { return code_fragment<Codes>(first, second, g, c); }
template <class Operand> KV_DEVICE Fragment weight_fragment(PlainCodes<Operand>, const u8* first, const u8* second, int g, int c) {
    return plain_fragment<Operand>(first, second, g, c);
}

// Four bits as the lowest ones of four bytes.
KV_DEVICE u32 spread_bits(u32 bits) { return (bits & 15u) * 0x00204081u & 0x01010101u; }

template <bool HasMinimum, bool HasFifth, int Bytes = 18 + (HasMinimum ? 2 : 0) + (HasFifth ? 4 : 0)>
struct CodesNibbles : CodeFormat<256, 8 * Bytes, 32, Bytes % 4 == 0 ? 4 : 2> {
    static KV_DEVICE u32 codes(const u8* chunk, int g, int c) {
        const u8* block = chunk + (g >> 1) * Bytes;
        u32 codes = codes_at<Bytes % 4 == 0 ? 4 : 2>(block + Bytes - 16 + 4 * c) >> (4 * (g & 1)) & 0x0f0f0f0fu;
        if (HasFifth) {
            codes |= spread_bits(word_at(block + Bytes - 20) >> (16 * (g & 1) + 4 * c)) << 4;
        }
        return codes;
    }
    static KV_DEVICE CodeScale scale(const u8* chunk, int g) {
        const u8* block = chunk + (g >> 1) * Bytes;
        const float step = half_at(block);
        return code_scale(step, HasMinimum ? half_at(block + 2) : step * (HasFifth ? -16.0f : -8.0f));
    }
};
typedef CodesNibbles<false, false> CodesQ4_0;
typedef CodesNibbles<true, false> CodesQ4_1;
typedef CodesNibbles<false, true> CodesQ5_0;
typedef CodesNibbles<true, true> CodesQ5_1;

struct CodesQ8_0 : CodeFormat<128, 136, 32, 2> {
    static KV_DEVICE u32 codes(const u8* chunk, int g, int c) { return word_at(chunk + (g >> 1) * 34 + 2 + (g & 1) * 16 + 4 * c) ^ 0x80808080u; }
    static KV_DEVICE CodeScale scale(const u8* chunk, int g) {
        const float step = half_at(chunk + (g >> 1) * 34);
        return code_scale(step, -128.0f * step);
    }
};

// The uneven steps of the IQ4 formats, 128 above what they are.
KV_DEVICE u32 nonlinear_codes(u32 nibbles) {
    u32 codes = 0;
    KV_UNROLL for (int i = 0; i < 4; i++) {
        const u32 code = nibbles >> (8 * i);
        const u32 low = code & 4u ? 0xf6eaddcfu : 0xbfad9881u, high = code & 4u ? 0x71594535u : 0x26190d01u;
        codes |= ((code & 8u ? high : low) >> (8 * (code & 3u)) & 255u) << (8 * i);
    }
    return codes ^ 0x80808080u;
}

struct CodesIQ4_NL : CodeFormat<256, 144, 32, 2> {
    static KV_DEVICE u32 codes(const u8* chunk, int g, int c) { return nonlinear_codes(word_at(chunk + (g >> 1) * 18 + 2 + 4 * c) >> (4 * (g & 1)) & 0x0f0f0f0fu); }
    static KV_DEVICE CodeScale scale(const u8* chunk, int g) {
        const float step = half_at(chunk + (g >> 1) * 18);
        return code_scale(step, -128.0f * step);
    }
};

struct CodesIQ4_XS : CodeFormat<256, 136, 32, 4> {
    static KV_DEVICE u32 codes(const u8* chunk, int g, int c) { return nonlinear_codes(codes_at<4>(chunk + 8 + (g >> 1) * 16 + 4 * c) >> (4 * (g & 1)) & 0x0f0f0f0fu); }
    static KV_DEVICE CodeScale scale(const u8* chunk, int g) {
        const int part = g >> 1;
        const int high = (*(const u16*)(chunk + 2) >> (2 * part)) & 3, low = (chunk[4 + part / 2] >> (4 * (part & 1))) & 15;
        const float step = half_at(chunk) * (float)((low | (high << 4)) - 32);
        return code_scale(step, -128.0f * step);
    }
};

struct CodesQ2_K : CodeFormat<256, 84, 16, 4> {
    static KV_DEVICE u32 codes(const u8* chunk, int g, int c) { return codes_at<4>(chunk + 16 + (g >> 3) * 32 + (g & 1) * 16 + 4 * c) >> ((g >> 1 & 3) * 2) & 0x03030303u; }
    static KV_DEVICE CodeScale scale(const u8* chunk, int g) {
        return code_scale(half_at(chunk + 80) * (float)(chunk[g] & 15), half_at(chunk + 82) * -(float)(chunk[g] >> 4));
    }
};

struct CodesQ3_K : CodeFormat<256, 110, 16, 2> {
    static KV_DEVICE u32 codes(const u8* chunk, int g, int c) {
        const u32 low = word_at(chunk + 32 + (g >> 3) * 32 + (g & 1) * 16 + 4 * c) >> ((g >> 1 & 3) * 2) & 0x03030303u;
        return low | (word_at(chunk + (g & 1) * 16 + 4 * c) >> (g >> 1) & 0x01010101u) << 2;
    }
    static KV_DEVICE CodeScale scale(const u8* chunk, int g) {
        const u8* packed = chunk + 96;
        const int low = g < 8 ? packed[g] & 15 : packed[g - 8] >> 4, high = (packed[8 + (g & 3)] >> (2 * (g >> 2))) & 3;
        const float step = half_at(chunk + 108) * (float)((low | (high << 4)) - 32);
        return code_scale(step, -4.0f * step);
    }
};

template <bool HasFifth, int Codes = HasFifth ? 48 : 16> struct CodesParts : CodeFormat<256, Codes + 128, 32, 16> {
    static KV_DEVICE u32 codes(const u8* chunk, int g, int c) {
        const int part = g >> 1, at = (g & 1) * 16 + 4 * c;
        u32 codes = codes_at<4>(chunk + Codes + (part >> 1) * 32 + at) >> (4 * (part & 1)) & 0x0f0f0f0fu;
        if (HasFifth) {
            codes |= (codes_at<4>(chunk + 16 + at) >> part & 0x01010101u) << 4;
        }
        return codes;
    }
    static KV_DEVICE CodeScale scale(const u8* chunk, int g) {
        const PartScale scale = part_scale(chunk + 4, g >> 1);
        return code_scale(half_at(chunk) * (float)scale.step, half_at(chunk + 2) * -(float)scale.least);
    }
};
typedef CodesParts<false> CodesQ4_K;
typedef CodesParts<true> CodesQ5_K;

struct CodesQ6_K : CodeFormat<256, 210, 16, 2> {
    static KV_DEVICE u32 codes(const u8* chunk, int g, int c) {
        const int half = g >> 3, run = g >> 1 & 3, at = (g & 1) * 16 + 4 * c;
        const u32 low = word_at(chunk + half * 64 + (run & 1) * 32 + at) >> ((run >> 1) * 4) & 0x0f0f0f0fu;
        return low | (word_at(chunk + 128 + half * 32 + at) >> (run * 2) & 0x03030303u) << 4;
    }
    static KV_DEVICE CodeScale scale(const u8* chunk, int g) {
        const float step = half_at(chunk + 208) * (float)(i8)chunk[192 + g];
        return code_scale(step, -32.0f * step);
    }
};
}
