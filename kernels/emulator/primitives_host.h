// The primitives of kernels/cuda/primitives.h on the emulator. Only that header includes this one.
#pragma once
#include <cmath>
#include <cstring>
#include "emulator.h"

#define KV_DEVICE inline __attribute__((always_inline))
#define KV_KERNEL extern "C"
#define KV_BOUNDS(threads)
#define KV_DYNAMIC_SHARED(name) unsigned char* const name = kv::emulator::current()->block->shared
#define KV_UNROLL
#define KV_NO_UNROLL

#define KV_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define KV_HERE (emulator::Site{file, line})

namespace kv {
KV_DEVICE u32 bits_of(float value) { return __builtin_bit_cast(u32, value); }
KV_DEVICE float float_of(u32 bits) { return __builtin_bit_cast(float, bits); }

inline int thread_index() { return emulator::current()->thread; }
inline int block_x() { return (int)emulator::current()->block->id.x; }
inline int block_y() { return (int)emulator::current()->block->id.y; }
inline int block_z() { return (int)emulator::current()->block->id.z; }
inline int block_size() { return (int)emulator::current()->block->size.x; }
inline int grid_x() { return (int)emulator::current()->block->grid.x; }
inline int grid_y() { return (int)emulator::current()->block->grid.y; }
inline int grid_z() { return (int)emulator::current()->block->grid.z; }

inline void block_sync(KV_SITE) { emulator::block_barrier(KV_HERE); }
inline void warp_sync(KV_SITE) { emulator::warp_barrier(KV_HERE); }
inline void device_fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

namespace host {
template <class T> struct Exchange {
    T given, received;
    int selector;
};

template <class T> inline void exchange_xor(void** arguments) {
    for (int lane = 0; lane < 32; lane++) {
        Exchange<T>& mine = *(Exchange<T>*)arguments[lane];
        mine.received = ((Exchange<T>*)arguments[(lane ^ mine.selector) & 31])->given;
    }
}

template <class T> inline void exchange_index(void** arguments) {
    for (int lane = 0; lane < 32; lane++) {
        Exchange<T>& mine = *(Exchange<T>*)arguments[lane];
        mine.received = ((Exchange<T>*)arguments[mine.selector & 31])->given;
    }
}

template <class T> inline void exchange_up(void** arguments) {
    for (int lane = 0; lane < 32; lane++) {
        Exchange<T>& mine = *(Exchange<T>*)arguments[lane];
        const int from = lane - mine.selector;
        mine.received = from >= 0 ? ((Exchange<T>*)arguments[from])->given : mine.given;
    }
}

inline void gather_ballot(void** arguments) {
    u32 votes = 0;
    for (int lane = 0; lane < 32; lane++) {
        votes |= *(u32*)arguments[lane] << lane;
    }
    for (int lane = 0; lane < 32; lane++) {
        *(u32*)arguments[lane] = votes;
    }
}

inline void require_aligned(const void* address, size_t bytes, const char* what, emulator::Site site) {
    if ((uintptr_t)address % bytes != 0) {
        emulator::fail(std::string(what) + " at " + emulator::to_string(site) + " needs an address that is a multiple of "
            + std::to_string(bytes));
    }
}

struct MatrixLoad {
    const u16* row;
    Fragment result;
};

template <bool TRANSPOSED> inline void load_matrices(void** arguments) {
    for (int lane = 0; lane < 32; lane++) {
        const int row = lane >> 2, column = (lane & 3) * 2;
        for (int matrix = 0; matrix < 4; matrix++) {
            const auto element = [&](int r, int c) -> u32 { return ((MatrixLoad*)arguments[matrix * 8 + r])->row[c]; };
            ((MatrixLoad*)arguments[lane])->result.r[matrix] = TRANSPOSED
                ? element(column, row) | element(column + 1, row) << 16
                : element(row, column) | element(row, column + 1) << 16;
        }
    }
}

template <bool TRANSPOSED> inline Fragment load_matrix(const void* row, emulator::Site site) {
    require_aligned(row, 16, "ldmatrix", site);
    if (emulator::hooks.read) {
        emulator::hooks.read(row, 16, site);
    }
    MatrixLoad load{(const u16*)row, {}};
    emulator::warp_collective(load_matrices<TRANSPOSED>, &load, site);
    return load.result;
}

struct Product {
    Accumulator* sum;
    const Fragment* a;
    u32 b[2];
};

template <class Element> void multiply(void** arguments) {
    float a[16][16], b[16][8], product[16][8] = {};
    for (int lane = 0; lane < 32; lane++) {
        const Product& given = *(Product*)arguments[lane];
        const int row = lane >> 2, column = (lane & 3) * 2;
        for (int j = 0; j < 4; j++) {
            const Float2 pair = Element::unpack(given.a->r[j]);
            a[row + (j & 1) * 8][column + (j >> 1) * 8] = pair.x;
            a[row + (j & 1) * 8][column + (j >> 1) * 8 + 1] = pair.y;
        }
        for (int j = 0; j < 2; j++) {
            const Float2 pair = Element::unpack(given.b[j]);
            b[column + j * 8][row] = pair.x;
            b[column + j * 8 + 1][row] = pair.y;
        }
    }
    for (int row = 0; row < 16; row++) {
        for (int k = 0; k < 16; k++) {
            for (int column = 0; column < 8; column++) {
                product[row][column] += a[row][k] * b[k][column];
            }
        }
    }
    for (int lane = 0; lane < 32; lane++) {
        Accumulator& sum = *((Product*)arguments[lane])->sum;
        for (int j = 0; j < 4; j++) {
            sum.r[j] += product[(lane >> 2) + (j >> 1) * 8][(lane & 3) * 2 + (j & 1)];
        }
    }
}

/// Replaces a word by what a function makes of it, as one step that no other thread can cut in two; gives what was there.
template <class T, class Word, class Update> inline T replace(T* target, Update update, emulator::Site site) {
    require_aligned(target, sizeof(T), "atomic operation", site);
    if (emulator::hooks.atomic) {
        emulator::hooks.atomic(target, sizeof(T), site);
    }
    Word* word = (Word*)target;
    Word seen = __atomic_load_n(word, __ATOMIC_RELAXED), next;
    T before;
    do {
        before = __builtin_bit_cast(T, seen);
        next = __builtin_bit_cast(Word, update(before));
    } while (!__atomic_compare_exchange_n(word, &seen, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return before;
}

template <class T> inline T exchange(T value, int selector, emulator::Collective operation, emulator::Site site) {
    Exchange<T> mine{value, value, selector};
    emulator::warp_collective(operation, &mine, site);
    return mine.received;
}
}

template <class T> inline T shuffle_xor(T value, int mask, KV_SITE) { return host::exchange(value, mask, host::exchange_xor<T>, KV_HERE); }
template <class T> inline T shuffle(T value, int lane, KV_SITE) { return host::exchange(value, lane, host::exchange_index<T>, KV_HERE); }
template <class T> inline T shuffle_up(T value, int by, KV_SITE) { return host::exchange(value, by, host::exchange_up<T>, KV_HERE); }
inline u32 ballot(bool predicate, KV_SITE) {
    u32 votes = predicate;
    emulator::warp_collective(host::gather_ballot, &votes, KV_HERE);
    return votes;
}

inline float atomic_add(float* p, float v, KV_SITE) { return host::replace<float, u32>(p, [v](float x) { return x + v; }, KV_HERE); }
inline u32 atomic_add(u32* p, u32 v, KV_SITE) { return host::replace<u32, u32>(p, [v](u32 x) { return x + v; }, KV_HERE); }
inline int atomic_add(int* p, int v, KV_SITE) { return host::replace<int, u32>(p, [v](int x) { return (int)((u32)x + (u32)v); }, KV_HERE); }
inline u32 atomic_max(u32* p, u32 v, KV_SITE) { return host::replace<u32, u32>(p, [v](u32 x) { return x > v ? x : v; }, KV_HERE); }
inline int atomic_max(int* p, int v, KV_SITE) { return host::replace<int, u32>(p, [v](int x) { return x > v ? x : v; }, KV_HERE); }
inline u64 atomic_max(u64* p, u64 v, KV_SITE) { return host::replace<u64, u64>(p, [v](u64 x) { return x > v ? x : v; }, KV_HERE); }
inline u32 atomic_min(u32* p, u32 v, KV_SITE) { return host::replace<u32, u32>(p, [v](u32 x) { return x < v ? x : v; }, KV_HERE); }

KV_DEVICE int popcount(u32 value) { return __builtin_popcount(value); }
KV_DEVICE int leading_zeros(u32 value) { return value == 0 ? 32 : __builtin_clz(value); }
KV_DEVICE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
KV_DEVICE float exp2_fast(float x) { return ::exp2f(x); }
KV_DEVICE float sqrt(float x) { return __builtin_sqrtf(x); }

/// To the nearest whole number, ties to even; like the device, what does not fit ends at the nearest int and NaN becomes 0.
inline int round_to_int(float x) {
    if (x != x) {
        return 0;
    }
    return x >= 2147483648.0f ? 2147483647 : x <= -2147483648.0f ? -2147483647 - 1 : (int)__builtin_rintf(x);
}

struct F16 {
    static KV_DEVICE float up(u16 bits) { return (float)__builtin_bit_cast(_Float16, bits); }
    static KV_DEVICE u16 down(float value) { return __builtin_bit_cast(u16, (_Float16)value); }
    static KV_DEVICE u32 pack(float low, float high) { return down(low) | (u32)down(high) << 16; }
    static KV_DEVICE Float2 unpack(u32 bits) { return Float2{up((u16)bits), up((u16)(bits >> 16))}; }
};

struct BF16 {
    static KV_DEVICE float up(u16 bits) { return float_of((u32)bits << 16); }
    static KV_DEVICE u16 down(float value) {
        const u32 bits = bits_of(value);
        return value != value ? (u16)0x7fff : (u16)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
    }
    static KV_DEVICE u32 pack(float low, float high) { return down(low) | (u32)down(high) << 16; }
    static KV_DEVICE Float2 unpack(u32 bits) { return Float2{float_of(bits << 16), float_of(bits & 0xffff0000u)}; }
};

inline Vector16 load16(const void* address, KV_SITE) {
    host::require_aligned(address, 16, "load16", KV_HERE);
    return *(const Vector16*)address;
}
inline void store16(void* address, Vector16 value, KV_SITE) {
    host::require_aligned(address, 16, "store16", KV_HERE);
    *(Vector16*)address = value;
}

inline void copy_async16(void* shared, const void* global, KV_SITE) {
    host::require_aligned(shared, 16, "copy_async16 (target)", KV_HERE);
    host::require_aligned(global, 16, "copy_async16 (source)", KV_HERE);
    emulator::issue_copy(shared, global, KV_HERE);
}
inline void copy_commit() { emulator::commit_copies(); }
template <int N> inline void copy_wait(KV_SITE) { emulator::wait_copies(N, KV_HERE); }

inline Fragment ldmatrix4(const void* row, KV_SITE) { return host::load_matrix<false>(row, KV_HERE); }
inline Fragment ldmatrix4_transposed(const void* row, KV_SITE) { return host::load_matrix<true>(row, KV_HERE); }

template <class Element> inline void mma_16x8x16(Element, Accumulator& sum, const Fragment& a, u32 b0, u32 b1, KV_SITE) {
    host::Product product{&sum, &a, {b0, b1}};
    emulator::warp_collective(host::multiply<Element>, &product, KV_HERE);
}
}
