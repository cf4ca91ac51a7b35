// Bodies for nvcc and its headers. Nothing is shipped from here: it lets people who have the toolkit build the same sources.
#pragma once

#define KV_DEVICE __device__ __forceinline__
#define KV_KERNEL extern "C" __global__
#define KV_BOUNDS(threads) __launch_bounds__(threads)
#define KV_DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#define KV_UNROLL _Pragma("unroll")
#define KV_NO_UNROLL _Pragma("unroll 1")

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace kv {
KV_DEVICE u32 bits_of(float value) { return __float_as_uint(value); }
KV_DEVICE float float_of(u32 bits) { return __uint_as_float(bits); }

KV_DEVICE int thread_index() { return threadIdx.x; }
KV_DEVICE int block_x() { return blockIdx.x; }
KV_DEVICE int block_y() { return blockIdx.y; }
KV_DEVICE int block_z() { return blockIdx.z; }
KV_DEVICE int block_size() { return blockDim.x; }
KV_DEVICE int grid_x() { return gridDim.x; }
KV_DEVICE int grid_y() { return gridDim.y; }
KV_DEVICE int grid_z() { return gridDim.z; }

KV_DEVICE void block_sync() { __syncthreads(); }
KV_DEVICE void warp_sync() { __syncwarp(); }
KV_DEVICE void device_fence() { __threadfence(); }

template <class T> KV_DEVICE T shuffle_xor(T value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
template <class T> KV_DEVICE T shuffle(T value, int lane) { return __shfl_sync(0xffffffffu, value, lane); }
template <class T> KV_DEVICE T shuffle_up(T value, int by) { return __shfl_up_sync(0xffffffffu, value, by); }
KV_DEVICE u32 ballot(bool predicate) { return __ballot_sync(0xffffffffu, predicate); }

KV_DEVICE float atomic_add(float* target, float value) { return atomicAdd(target, value); }
KV_DEVICE u32 atomic_add(u32* target, u32 value) { return atomicAdd(target, value); }
KV_DEVICE int atomic_add(int* target, int value) { return atomicAdd(target, value); }
KV_DEVICE u32 atomic_max(u32* target, u32 value) { return atomicMax(target, value); }
KV_DEVICE int atomic_max(int* target, int value) { return atomicMax(target, value); }
KV_DEVICE u64 atomic_max(u64* target, u64 value) { return atomicMax(target, value); }
KV_DEVICE u32 atomic_min(u32* target, u32 value) { return atomicMin(target, value); }

KV_DEVICE int popcount(u32 value) { return __popc(value); }
KV_DEVICE int leading_zeros(u32 value) { return __clz((int)value); }
KV_DEVICE float fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
KV_DEVICE float sqrt(float x) { return __fsqrt_rn(x); }
KV_DEVICE int round_to_int(float x) { return __float2int_rn(x); }
KV_DEVICE float exp2_fast(float x) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

struct F16 {
    static KV_DEVICE float up(u16 bits) { return __half2float(__ushort_as_half(bits)); }
    static KV_DEVICE u16 down(float value) { return __half_as_ushort(__float2half_rn(value)); }
    static KV_DEVICE u32 pack(float low, float high) { return down(low) | (u32)down(high) << 16; }
    static KV_DEVICE Float2 unpack(u32 bits) { return Float2{up((u16)bits), up((u16)(bits >> 16))}; }
};

struct BF16 {
    static KV_DEVICE float up(u16 bits) { return float_of((u32)bits << 16); }
    static KV_DEVICE u16 down(float value) { return __bfloat16_as_ushort(__float2bfloat16_rn(value)); }
    static KV_DEVICE u32 pack(float low, float high) { return down(low) | (u32)down(high) << 16; }
    static KV_DEVICE Float2 unpack(u32 bits) { return Float2{float_of(bits << 16), float_of(bits & 0xffff0000u)}; }
};

KV_DEVICE Vector16 load16(const void* address) { return *(const Vector16*)address; }
KV_DEVICE void store16(void* address, Vector16 value) { *(Vector16*)address = value; }

KV_DEVICE u32 shared_address(const void* pointer) { return (u32)__cvta_generic_to_shared(pointer); }
KV_DEVICE void copy_async16(void* shared, const void* global) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(shared)), "l"(global) : "memory");
}
KV_DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> KV_DEVICE void copy_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

KV_DEVICE Fragment ldmatrix4(const void* row) {
    Fragment f;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(f.r[0]), "=r"(f.r[1]), "=r"(f.r[2]), "=r"(f.r[3]) : "r"(shared_address(row)) : "memory");
    return f;
}
KV_DEVICE Fragment ldmatrix4_transposed(const void* row) {
    Fragment f;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(f.r[0]), "=r"(f.r[1]), "=r"(f.r[2]), "=r"(f.r[3]) : "r"(shared_address(row)) : "memory");
    return f;
}

#define KV_MMA(Element, type)                                                                                                 \
    KV_DEVICE void mma_16x8x16(Element, Accumulator& sum, const Fragment& a, u32 b0, u32 b1) {                                \
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 "                                           \
                     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                                                  \
            : "+f"(sum.r[0]), "+f"(sum.r[1]), "+f"(sum.r[2]), "+f"(sum.r[3])                                                  \
            : "r"(a.r[0]), "r"(a.r[1]), "r"(a.r[2]), "r"(a.r[3]), "r"(b0), "r"(b1));                                          \
    }
KV_MMA(F16, "f16")
KV_MMA(BF16, "bf16")
#undef KV_MMA
}
