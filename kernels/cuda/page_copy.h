#pragma once
#include "primitives.h"

namespace kv {

// Page i goes from source_ids[i] to target_ids[i]; without ids, pages lie in order. Twin: CopyPagesArguments.
struct CopyPagesArguments {
    const u8* sources;
    u8* targets;
    const int* source_ids;
    const int* target_ids;
    u64 page_bytes;  // a multiple of 16
};

}  // namespace kv
