#!/usr/bin/env python3
"""Times PyTorch's attention and products on the shapes that `KvChat.Gpu benchmark` measures.

python3 pytorch_reference.py --shape llama-3-8b --json pytorch.json
KvChat.Gpu benchmark --shape llama-3-8b --pytorch pytorch.json

Needs PyTorch with CUDA. Times are medians of CUDA events; inputs that caches could hold take turns. `--device cpu` with `--shape tiny` tries the script where there is no GPU; its times mean nothing.
"""
import argparse
import json
import sys
import time

try:
    import torch
    import torch.nn.functional as functional
except ImportError:
    sys.exit("PyTorch is not here: without it KvChat.Gpu benchmarks leave out its columns.")

# query heads, KV heads, head dimension, width, hidden width, vocabulary: as in Shapes/ModelShape.cs
SHAPES = {
    "llama-3-8b": (32, 8, 128, 4096, 14336, 128256),
    "llama-3.2-1b": (32, 8, 64, 2048, 8192, 128256),
    "tiny": (8, 2, 32, 256, 256, 256),
}
# batches, contexts, rows of whole prompts, (rows, KVs before) of a chunk, rows of products: as in Benchmarks/BenchmarkScale.cs
FULL = ((1, 8, 32, 128), (2048, 8192, 32768), (2048, 8192), (512, 8192), 2048)
SMALL = ((1, 3), (70,), (48,), (16, 64), 40)
COLD_BYTES = 512 << 20


def median_microseconds(device, rounds, operations):
    """The median time of an operation, each round going through all of them at least once."""
    repeats = max(1, 8 // len(operations))
    times = []
    for round_number in range(rounds + 5):
        if device == "cuda":
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            spacer.zero_()
            begin.record()
        else:
            start = time.perf_counter()
        for _ in range(repeats):
            for operation in operations:
                operation()
        if device == "cuda":
            end.record()
            torch.cuda.synchronize()
            elapsed = begin.elapsed_time(end) * 1000
        else:
            elapsed = (time.perf_counter() - start) * 1e6
        if round_number >= 5:
            times.append(elapsed / (repeats * len(operations)))
    return sorted(times)[len(times) // 2]


def copies_of(size_in_bytes):
    """How many inputs take turns, so that caches do not hold them."""
    return max(1, min(32, COLD_BYTES // size_in_bytes)) if arguments.device == "cuda" else 1


def random(*shape):
    return torch.randn(*shape, device=arguments.device, dtype=torch.float16 if arguments.device == "cuda" else torch.float32)


def attention(query, key, value, **options):
    """Grouped queries without copies of keys and values where this PyTorch knows them."""
    try:
        return functional.scaled_dot_product_attention(query, key, value, enable_gqa=True, **options)
    except TypeError:
        group = query.shape[1] // key.shape[1]
        return functional.scaled_dot_product_attention(query, key.repeat_interleave(group, 1), value.repeat_interleave(group, 1), **options)


def decode_attention(batch, context):
    copies = copies_of(batch * context * kv_heads * head_dim * 4)
    inputs = [(random(batch, heads, 1, head_dim), random(batch, kv_heads, context, head_dim), random(batch, kv_heads, context, head_dim)) for _ in range(copies)]
    # The group's queries as rows of one head: keys and values are then read once per group, which is the best that this function can do.
    grouped = [(q.view(batch, kv_heads, heads // kv_heads, head_dim), k, v) for q, k, v in inputs]
    plain = median_microseconds(arguments.device, arguments.rounds, [lambda i=i: attention(*i) for i in inputs])
    as_rows = median_microseconds(arguments.device, arguments.rounds, [lambda i=i: functional.scaled_dot_product_attention(*i) for i in grouped])
    return min(plain, as_rows)


def prefill_attention(rows, before):
    query, key, value = random(1, heads, rows, head_dim), random(1, kv_heads, before + rows, head_dim), random(1, kv_heads, before + rows, head_dim)
    if before == 0:
        options = {"is_causal": True}
    else:
        seen = torch.arange(before + rows, device=arguments.device)[None, :] <= torch.arange(before, before + rows, device=arguments.device)[:, None]
        options = {"attn_mask": seen}
    return median_microseconds(arguments.device, arguments.rounds, [lambda: attention(query, key, value, **options)])


def product(rows, outputs, inputs):
    weights = [random(outputs, inputs) for _ in range(copies_of(outputs * inputs * 2))]
    source = random(rows, inputs)
    return median_microseconds(arguments.device, arguments.rounds, [lambda w=w: functional.linear(source, w) for w in weights])


def measured(what, sizes, measure):
    """A row per size; what does not fit into the device is left out and said."""
    rows = []
    for size in sizes:
        try:
            rows.append({**size, "microseconds": measure(*size.values())})
            print(f"{what} {size}: {rows[-1]['microseconds']:.1f} us", flush=True)
        except torch.OutOfMemoryError if hasattr(torch, "OutOfMemoryError") else RuntimeError as error:
            print(f"{what} {size}: left out, {str(error).splitlines()[0]}", flush=True)
        if arguments.device == "cuda":
            torch.cuda.empty_cache()
    return rows


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-3-8b")
parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
parser.add_argument("--rounds", type=int, default=9)
parser.add_argument("--json", required=True)
arguments = parser.parse_args()
if arguments.device == "cuda" and not torch.cuda.is_available():
    sys.exit("This PyTorch sees no CUDA device.")
heads, kv_heads, head_dim, width, hidden, vocabulary = SHAPES[arguments.shape]
batches, contexts, prompts, chunk, product_rows = SMALL if arguments.shape == "tiny" else FULL
spacer = torch.empty(256 << 20 if arguments.device == "cuda" else 1, dtype=torch.uint8, device=arguments.device)
query_key_value = (heads + 2 * kv_heads) * head_dim
with torch.inference_mode():
    results = {
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "pytorch": torch.__version__,
        "shape": arguments.shape,
        "decode_attention": measured("decode attention", [{"batch": b, "context": c} for b in batches for c in contexts], decode_attention),
        "prefill_attention": measured("prefill attention", [{"rows": r, "before": 0} for r in prompts] + [{"rows": chunk[0], "before": chunk[1]}], prefill_attention),
        "products": measured("product", [{"rows": product_rows, "outputs": o, "inputs": i} for o, i in
                                         ((query_key_value, width), (width, heads * head_dim), (2 * hidden, width), (width, hidden))], product),
    }
with open(arguments.json, "w", encoding="utf-8") as file:
    json.dump(results, file, indent=1)
