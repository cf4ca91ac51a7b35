// Arguments of dense kernels; their twins are in KvChat.Kernels/Cuda/Arguments/DenseArguments.cs.
#pragma once
#include "weight_blocks.h"

namespace kv {

/// output[r * output_stride + o] = scale * (input[r] . weights[o] + bias[o]), added to what is there or capped.
struct LinearArguments {
    const u8* weights;
    const float* input;
    const float* bias;  // null for none
    float* output;
    i64 row_bytes;
    int rows;
    int outputs;
    int columns;
    int output_stride;
    int adds;
    float scale;
    float cap;  // 0 for none
    int padding;
};

/// output[r, i] = activation(products[r, i]) * products[r, columns + i].
struct GateArguments {
    const float* products;
    float* output;
    int rows;
    int columns;
    int gelu;
    int padding;
};

/// output[i] = scale * table[tokens[i]] for the tokens from first_row on that the part has.
struct EmbedArguments {
    const u8* weights;
    const int* tokens;
    float* output;
    i64 row_bytes;
    int count;
    int first_row;
    int rows;
    int columns;
    float scale;
    int padding;
};

/// output[r] (+)= scale * norm(input[r]).
struct NormArguments {
    const float* input;
    const float* weights;
    float* output;
    int rows;
    int columns;
    int adds;
    float epsilon;
    float scale;
    int padding;
};

/// output[r] (+)= sum over i < per_row of shares[r * per_row + i] * results[r * per_row + i].
struct ExpertArguments {
    const float* results;
    const float* shares;
    float* output;
    int rows;
    int columns;
    int per_row;
    int adds;
};

#define KV_ALL_FORMATS(KERNEL) \
    KERNEL(F32) KERNEL(F16) KERNEL(BF16) KERNEL(Q4_0) KERNEL(Q4_1) KERNEL(Q5_0) KERNEL(Q5_1) KERNEL(Q8_0) \
    KERNEL(IQ4_NL) KERNEL(Q2_K) KERNEL(Q3_K) KERNEL(Q4_K) KERNEL(Q5_K) KERNEL(Q6_K) KERNEL(IQ4_XS)
}
