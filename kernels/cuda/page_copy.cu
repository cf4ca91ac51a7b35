// Copies whole pages of the arena, e.g. when a sequence is branched: one block a page.
#include "primitives.h"

namespace kv {
struct CopyPagesArguments {
    u8* pool;
    const int* sources;
    const int* targets;
    i64 page_bytes;
};

KV_DEVICE void copy_page(const CopyPagesArguments& a) {
    const u8* source = a.pool + a.sources[block_x()] * a.page_bytes;
    u8* target = a.pool + a.targets[block_x()] * a.page_bytes;
    for (i64 at = thread_index() * 16; at < a.page_bytes; at += block_size() * 16) {
        store16(target + at, load16(source + at));
    }
}
}

KV_KERNEL void KV_BOUNDS(256) kv_copy_pages(kv::CopyPagesArguments a) { kv::copy_page(a); }
