// Copies whole pages, a block each: within the arena when sequences part, and between pages that lie anywhere and images that lie one behind the other on their way to host memory and back.
#include "page_copy.h"

namespace kv {

KV_DEVICE void copy_page(const CopyPagesArguments& a) {
    const u8* source = a.sources + (u64)(a.source_ids ? a.source_ids[block_x()] : block_x()) * a.page_bytes;
    u8* target = a.targets + (u64)(a.target_ids ? a.target_ids[block_x()] : block_x()) * a.page_bytes;
    for (u64 at = thread_index() * 16; at < a.page_bytes; at += block_size() * 16) {
        store16(target + at, load16(source + at));
    }
}

}  // namespace kv

KV_KERNEL void KV_BOUNDS(256) kv_copy_pages(kv::CopyPagesArguments a) { kv::copy_page(a); }
