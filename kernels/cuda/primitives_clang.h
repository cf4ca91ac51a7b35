// Bodies for clang without an SDK. Typed intrinsics, not inline assembly: a wrong type or target then fails at compile time.
#pragma once

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))

#define KV_DEVICE __attribute__((device)) inline __attribute__((always_inline))
#define KV_KERNEL extern "C" __attribute__((global))
#define KV_BOUNDS(threads) __attribute__((launch_bounds(threads)))
#define KV_DYNAMIC_SHARED(name) extern __attribute__((shared)) __attribute__((aligned(16))) unsigned char name[]
#define KV_UNROLL _Pragma("unroll")
#define KV_NO_UNROLL _Pragma("nounroll")

#define KV_GLOBAL_SPACE __attribute__((address_space(1)))
#define KV_SHARED_SPACE __attribute__((address_space(3)))

namespace kv {
namespace intrinsics {
typedef _Float16 Half2 __attribute__((ext_vector_type(2)));
struct Words4 { u32 x, y, z, w; };
struct Floats4 { float x, y, z, w; };

extern "C" __attribute__((device)) Words4 load_matrix(const KV_SHARED_SPACE void*)
    __asm__("llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3");
extern "C" __attribute__((device)) Words4 load_matrix_transposed(const KV_SHARED_SPACE void*)
    __asm__("llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.trans.b16.p3");
extern "C" __attribute__((device)) Floats4 multiply_f16(Half2, Half2, Half2, Half2, Half2, Half2, float, float, float, float)
    __asm__("llvm.nvvm.mma.m16n8k16.row.col.f32.f32");
extern "C" __attribute__((device)) Floats4 multiply_bf16(u32, u32, u32, u32, u32, u32, float, float, float, float)
    __asm__("llvm.nvvm.mma.m16n8k16.row.col.bf16");

KV_DEVICE Half2 halves(u32 bits) { return __builtin_bit_cast(Half2, bits); }
}

KV_DEVICE u32 bits_of(float value) { return __builtin_bit_cast(u32, value); }
KV_DEVICE float float_of(u32 bits) { return __builtin_bit_cast(float, bits); }

KV_DEVICE int thread_index() { return __nvvm_read_ptx_sreg_tid_x(); }
KV_DEVICE int block_x() { return __nvvm_read_ptx_sreg_ctaid_x(); }
KV_DEVICE int block_y() { return __nvvm_read_ptx_sreg_ctaid_y(); }
KV_DEVICE int block_z() { return __nvvm_read_ptx_sreg_ctaid_z(); }
KV_DEVICE int block_size() { return __nvvm_read_ptx_sreg_ntid_x(); }
KV_DEVICE int grid_x() { return __nvvm_read_ptx_sreg_nctaid_x(); }
KV_DEVICE int grid_y() { return __nvvm_read_ptx_sreg_nctaid_y(); }
KV_DEVICE int grid_z() { return __nvvm_read_ptx_sreg_nctaid_z(); }

KV_DEVICE void block_sync() { __syncthreads(); }
KV_DEVICE void warp_sync() { __nvvm_bar_warp_sync(0xffffffffu); }
KV_DEVICE void device_fence() { __nvvm_membar_gl(); }

KV_DEVICE float shuffle_xor(float value, int mask) { return __nvvm_shfl_sync_bfly_f32(0xffffffffu, value, mask, 31); }
KV_DEVICE int shuffle_xor(int value, int mask) { return __nvvm_shfl_sync_bfly_i32(0xffffffffu, value, mask, 31); }
KV_DEVICE u32 shuffle_xor(u32 value, int mask) { return (u32)shuffle_xor((int)value, mask); }
KV_DEVICE float shuffle(float value, int lane) { return __nvvm_shfl_sync_idx_f32(0xffffffffu, value, lane, 31); }
KV_DEVICE int shuffle(int value, int lane) { return __nvvm_shfl_sync_idx_i32(0xffffffffu, value, lane, 31); }
KV_DEVICE u32 shuffle(u32 value, int lane) { return (u32)shuffle((int)value, lane); }
KV_DEVICE float shuffle_up(float value, int by) { return __nvvm_shfl_sync_up_f32(0xffffffffu, value, by, 0); }
KV_DEVICE int shuffle_up(int value, int by) { return __nvvm_shfl_sync_up_i32(0xffffffffu, value, by, 0); }
KV_DEVICE u32 shuffle_up(u32 value, int by) { return (u32)shuffle_up((int)value, by); }
KV_DEVICE u32 ballot(bool predicate) { return __nvvm_vote_ballot_sync(0xffffffffu, predicate); }

KV_DEVICE float atomic_add(float* target, float value) { return __nvvm_atom_add_gen_f(target, value); }
KV_DEVICE u32 atomic_add(u32* target, u32 value) { return (u32)__nvvm_atom_add_gen_i((int*)target, (int)value); }
KV_DEVICE int atomic_add(int* target, int value) { return __nvvm_atom_add_gen_i(target, value); }
KV_DEVICE u32 atomic_max(u32* target, u32 value) { return __nvvm_atom_max_gen_ui(target, value); }
KV_DEVICE int atomic_max(int* target, int value) { return __nvvm_atom_max_gen_i(target, value); }
KV_DEVICE u64 atomic_max(u64* target, u64 value) { return __nvvm_atom_max_gen_ull(target, value); }
KV_DEVICE u32 atomic_min(u32* target, u32 value) { return __nvvm_atom_min_gen_ui(target, value); }

KV_DEVICE int popcount(u32 value) { return __builtin_popcount(value); }
KV_DEVICE int leading_zeros(u32 value) { return value == 0 ? 32 : __builtin_clz(value); }
KV_DEVICE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
KV_DEVICE float exp2_fast(float x) { return __nvvm_ex2_approx_ftz_f(x); }
KV_DEVICE float sqrt(float x) { return __nvvm_sqrt_rn_f(x); }
KV_DEVICE int round_to_int(float x) { return __nvvm_f2i_rn(x); }

struct F16 {
    static KV_DEVICE float up(u16 bits) { return (float)__builtin_bit_cast(_Float16, bits); }
    static KV_DEVICE u16 down(float value) { return __builtin_bit_cast(u16, (_Float16)value); }
    static KV_DEVICE u32 pack(float low, float high) { return __builtin_bit_cast(u32, __nvvm_ff2f16x2_rn(high, low)); }
    static KV_DEVICE Float2 unpack(u32 bits) { return Float2{up((u16)bits), up((u16)(bits >> 16))}; }
};

struct BF16 {
    static KV_DEVICE float up(u16 bits) { return float_of((u32)bits << 16); }
    static KV_DEVICE u16 down(float value) { return __builtin_bit_cast(u16, __nvvm_f2bf16_rn(value)); }
    static KV_DEVICE u32 pack(float low, float high) { return __builtin_bit_cast(u32, __nvvm_ff2bf16x2_rn(high, low)); }
    static KV_DEVICE Float2 unpack(u32 bits) { return Float2{float_of(bits << 16), float_of(bits & 0xffff0000u)}; }
};

KV_DEVICE Vector16 load16(const void* address) { return *(const Vector16*)address; }
KV_DEVICE void store16(void* address, Vector16 value) { *(Vector16*)address = value; }

KV_DEVICE void copy_async16(void* shared, const void* global) {
    __nvvm_cp_async_cg_shared_global_16((KV_SHARED_SPACE void*)shared, (const KV_GLOBAL_SPACE void*)global);
}
KV_DEVICE void copy_commit() { __nvvm_cp_async_commit_group(); }
template <int N> KV_DEVICE void copy_wait() { __nvvm_cp_async_wait_group(N); }

KV_DEVICE Fragment ldmatrix4(const void* row) {
    const intrinsics::Words4 words = intrinsics::load_matrix((const KV_SHARED_SPACE void*)row);
    return Fragment{{words.x, words.y, words.z, words.w}};
}
KV_DEVICE Fragment ldmatrix4_transposed(const void* row) {
    const intrinsics::Words4 words = intrinsics::load_matrix_transposed((const KV_SHARED_SPACE void*)row);
    return Fragment{{words.x, words.y, words.z, words.w}};
}

KV_DEVICE void mma_16x8x16(F16, Accumulator& sum, const Fragment& a, u32 b0, u32 b1) {
    using intrinsics::halves;
    const intrinsics::Floats4 d = intrinsics::multiply_f16(halves(a.r[0]), halves(a.r[1]), halves(a.r[2]), halves(a.r[3]),
        halves(b0), halves(b1), sum.r[0], sum.r[1], sum.r[2], sum.r[3]);
    sum = Accumulator{{d.x, d.y, d.z, d.w}};
}
KV_DEVICE void mma_16x8x16(BF16, Accumulator& sum, const Fragment& a, u32 b0, u32 b1) {
    const intrinsics::Floats4 d = intrinsics::multiply_bf16(a.r[0], a.r[1], a.r[2], a.r[3], b0, b1,
        sum.r[0], sum.r[1], sum.r[2], sum.r[3]);
    sum = Accumulator{{d.x, d.y, d.z, d.w}};
}
}
