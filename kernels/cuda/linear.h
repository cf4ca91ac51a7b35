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

/// The same on tensor cores, with rows as kv_prepare leaves them (as they are for BF16).
struct ProductArguments {
    const u8* weights;
    const u8* input;       // 4 bytes a column
    const float* sums;     // [rows][sums_stride] of groups of 16 columns
    const float* factors;  // of the rows; null for 1
    const float* bias;     // null for none
    float* output;
    i64 row_bytes;
    int rows;
    int outputs;
    int columns;
    int sums_stride;  // a multiple of 4
    int output_stride;
    int adds;
    float scale;
    float cap;  // 0 for none
};

/// Products of few rows with the weights of the experts that they chose: slot i is row i / per_row of the rows, and row i of the output.
struct ExpertProductArguments {
    ProductArguments product;  // its weights are not looked at, its rows are the slots
    const u64* weights;        // addresses by expert
    const int* chosen;         // by slot
    int per_row;
    int padding;
};

/// A row's experts in descending order of their logits, of equal ones the first, and the shares of their results: scale * softmax.
struct ChooseArguments {
    const float* logits;
    int* chosen;
    float* shares;
    int rows;
    int experts;
    int per_row;
    int normalises;  // the softmax is over the chosen
    float scale;
    int padding;
};

/// Rows as products take them: numbers in two halves each, sums of groups of 16, the factor that the products of a row are multiplied with.
struct PrepareArguments {
    const float* input;
    const float* weights;  // of an RMS norm before it; null for none
    u8* output;
    float* sums;
    float* factors;
    int columns;
    int sums_stride;
    float epsilon;
    int padding;
};

/// Rows in the format of a library's products: halves with a factor each, or brains.
struct RoundArguments {
    const float* input;
    const float* weights;  // of an RMS norm before it; null for none
    u8* output;            // 2 bytes a column
    float* factors;        // what the products of a row are multiplied with; null for none
    int columns;
    float epsilon;
};

/// What a library leaves to be done: output[r * output_stride + o] from factors[r] * products[r, o], with bias, scale and the rest of `ProductArguments`.
struct FinishArguments {
    const float* products;  // [rows][outputs]
    const float* factors;   // null for 1
    const float* bias;      // null for none
    float* output;
    int outputs;
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

/// The largest numbers of rows as keys, `count` of each block's columns.
struct TopArguments {
    const float* values;  // [rows][columns]; null where keys are given
    const u64* keys;
    u64* output;  // [rows][blocks in x][count]
    int columns;
    int count;
};

template <class Arguments> KV_DEVICE void finish(const Arguments& a, int row, int output, float y) {
    if (a.bias) {
        y = y + a.bias[output];
    }
    float* target = a.output + (u64)row * a.output_stride + output;
    if (a.adds) {
        *target = fma(y, a.scale, *target);
    } else {
        *target = a.cap != 0.0f ? a.cap * tanh(y * a.scale / a.cap) : y * a.scale;
    }
}

#define KV_ALL_FORMATS(KERNEL) \
    KERNEL(F32) KERNEL(F16) KERNEL(BF16) KERNEL(Q4_0) KERNEL(Q4_1) KERNEL(Q5_0) KERNEL(Q5_1) KERNEL(Q8_0) \
    KERNEL(IQ4_NL) KERNEL(Q2_K) KERNEL(Q3_K) KERNEL(Q4_K) KERNEL(Q5_K) KERNEL(Q6_K) KERNEL(IQ4_XS)
}
