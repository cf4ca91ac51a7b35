#pragma once
#include "batch.h"

namespace kv {

// Twin: AppendArguments.
struct AppendArguments {
    Arena arena;
    Batch batch;
    float* rows;               // [rows, row_stride]: queries, keys and values
    const float* query_norm;   // [head_dim], [query_heads * head_dim], or null
    const float* key_norm;
    float* reciprocals;        // [rows, 2] of the norms that go over all heads
    const float* angles;       // [positions, 2 * pairs]: cosines, then sines; or null
    const float* long_angles;  // of sequences with kLongRotary, or null
    u64 row_stride;
    int first_row;             // of this launch
    int query_heads;
    int kv_heads;
    int pairs;
    int long_pairs;
    int query_norm_heads;      // heads that one norm goes over: 1 or all
    int key_norm_heads;
    float epsilon;
};

}  // namespace kv
