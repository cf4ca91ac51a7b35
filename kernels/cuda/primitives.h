// What a kernel may use of the machine: ids, barriers, warp collectives, asynchronous copies, tensor cores, conversions.
// Three bodies stand behind the same names: clang without an SDK (what is shipped), nvcc, and the emulator on the CPU
// (KV_EMULATOR). Kernels know only this header and hold no #ifdef.
#pragma once

namespace kv {
typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

/// 16 bytes that are loaded and stored at once; the address must be a multiple of 16.
struct alignas(16) Vector16 { u32 x, y, z, w; };

struct Float2 { float x, y; };

/// A 16 by 16 operand of a tensor core (A), or two 16 by 8 ones (B): what one lane holds of it, two 16-bit elements a word.
struct Fragment { u32 r[4]; };

/// A 16 by 8 result: a lane holds rows lane / 4 (r[0], r[1]) and lane / 4 + 8 (r[2], r[3]), columns lane % 4 * 2 and the next.
struct Accumulator { float r[4]; };
}

#if defined(KV_EMULATOR)
#include "../emulator/primitives_host.h"
#elif defined(__clang__)
#include "primitives_clang.h"
#else
#include "primitives_nvcc.h"
#endif

#include "mathematics.h"
