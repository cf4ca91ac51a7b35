#pragma once
#include "pages.h"

namespace kv {

// KVs by page and slot, and a record per KV: its bytes as they lie in a page, or its numbers in single precision. Twin: KvListArguments.
struct KvListArguments {
    Arena arena;
    const int* slots;  // page and slot of KV i at i * stride
    u8* records;
    int format;
    int count;
    int stride;
    int record_bytes;
};

// One 4-byte field of the KVs of a list of pages: positions, scores or log-weights. Twin: FieldArguments.
struct FieldArguments {
    u8* pages;
    u64 page_stride;
    const int* table;
    u32* values;  // [count]
    int offset;   // of the field's array in a page
    int slots;
    int count;
    int padding;
};

// Keys or values of the KVs of a list of pages, in single precision. Twin: NumberArguments.
struct NumberArguments {
    Arena arena;
    const int* table;
    float* numbers;  // [count, head_dim]
    int format;
    int first;       // KV of the first row of numbers
    int count;
    int is_value;
};

}  // namespace kv
