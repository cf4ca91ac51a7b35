// Rows of embedding tables: a block has a token, a thread 16 columns at a time.
#include "linear.h"

namespace kv {

template <class Weights> KV_DEVICE void embed(const EmbedArguments& a) {
    const int row = a.tokens[block_x()] - a.first_row;
    if (row < 0 || row >= a.rows) {
        return;
    }
    const u8* weights = a.weights + row * a.row_bytes;
    float* output = a.output + (u64)block_x() * a.columns;
    if (Weights::kPlain) {
        for (int k = thread_index(); k < a.columns; k += block_size()) {
            output[k] = Weights::at(weights, k) * a.scale;
        }
        return;
    }
    for (int group = thread_index(); group * 16 < a.columns; group += block_size()) {
        float w[16];
        Weights::group(weights, group, w);
        KV_UNROLL for (int i = 0; i < 16; i += 4) {
            store16(output + group * 16 + i, Vector16{bits_of(w[i] * a.scale), bits_of(w[i + 1] * a.scale), bits_of(w[i + 2] * a.scale), bits_of(w[i + 3] * a.scale)});
        }
    }
}
}

#define KV_EMBED(format) KV_KERNEL void KV_BOUNDS(128) kv_embed_##format(kv::EmbedArguments a) { kv::embed<kv::Weights##format>(a); }
KV_ALL_FORMATS(KV_EMBED)
