// What streams are captured into: graphs, and what is made of them to be launched as a whole.
#include "fake_driver.h"

namespace kv::driver {
namespace {
std::map<Graph*, std::shared_ptr<Graph>> graphs;
std::map<Graph*, std::unique_ptr<Graph>> executables;

void leave_capture(const std::shared_ptr<Graph>& capture) {
    for (const auto& [stream, owner] : machine().streams) {
        if (stream->capture == capture) {
            stream->capture = nullptr;
            stream->capture_origin = stream->capture_global = stream->capture_invalid = false;
            stream->captured = stream->joined = 0;
        }
    }
}

bool has_unjoined_work(const std::shared_ptr<Graph>& capture) {
    for (const auto& [stream, owner] : machine().streams) {
        if (stream->capture == capture && !stream->capture_origin && stream->joined < stream->captured) {
            return true;
        }
    }
    return false;
}

bool is_invalid(const std::shared_ptr<Graph>& capture) {
    for (const auto& [stream, owner] : machine().streams) {
        if (stream->capture == capture && stream->capture_invalid) {
            return true;
        }
    }
    return false;
}

Result instantiate(void** handle, void* graph) {
    const auto found = graphs.find((Graph*)graph);
    if (found == graphs.end()) {
        return INVALID_VALUE;
    }
    auto made = std::make_unique<Graph>(*found->second);
    *handle = made.get();
    Graph* const key = made.get();
    executables[key] = std::move(made);
    return SUCCESS;
}
}

void forget_graphs() {
    graphs.clear();
    executables.clear();
}
}

using namespace kv::driver;

KV_DRIVER int cuStreamBeginCapture_v2(void* handle, int mode) {
    KV_USABLE
    Stream* stream = find_stream(handle);
    if (!stream || stream == &machine().legacy || capturing(*stream)) {
        return !stream ? INVALID_HANDLE : CAPTURE_UNSUPPORTED;
    }
    stream->capture = std::make_shared<Graph>();
    stream->capture_origin = true;
    stream->capture_global = mode == 0;
    stream->capture_invalid = false;
    return SUCCESS;
}

KV_DRIVER int cuStreamIsCapturing(void* handle, int* status) {
    KV_USABLE
    Stream* stream = find_stream(handle);
    if (!stream) {
        return INVALID_HANDLE;
    }
    *status = !capturing(*stream) ? 0 : is_invalid(stream->capture) ? 2 : 1;
    return SUCCESS;
}

KV_DRIVER int cuStreamEndCapture(void* handle, void** graph) {
    KV_USABLE
    Stream* stream = find_stream(handle);
    if (!stream || !capturing(*stream) || !stream->capture_origin) {
        return !stream ? INVALID_HANDLE : CAPTURE_UNMATCHED;
    }
    const std::shared_ptr<Graph> capture = stream->capture;
    const Result fault = is_invalid(capture) ? CAPTURE_INVALIDATED : has_unjoined_work(capture) ? CAPTURE_UNJOINED : SUCCESS;
    leave_capture(capture);
    *graph = fault == SUCCESS ? capture.get() : nullptr;
    if (fault == SUCCESS) {
        graphs[capture.get()] = capture;
    }
    return fault;
}

KV_DRIVER int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
    KV_USABLE
    return instantiate(executable, graph);
}

KV_DRIVER int cuGraphInstantiate_v2(void** executable, void* graph, void**, char*, size_t) {
    KV_USABLE
    return instantiate(executable, graph);
}

KV_DRIVER int cuGraphExecUpdate_v2(void* executable, void* graph, int* information) {
    KV_USABLE
    const auto target = executables.find((Graph*)executable);
    const auto source = graphs.find((Graph*)graph);
    if (target == executables.end() || source == graphs.end()) {
        return INVALID_VALUE;
    }
    const bool alike = target->second->operations.size() == source->second->operations.size();
    *information = alike ? 0 : 2;
    if (!alike) {
        return 910;    // CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE
    }
    target->second->operations = source->second->operations;
    return SUCCESS;
}

KV_DRIVER int cuGraphGetNodes(void* graph, void**, size_t* count) {
    KV_USABLE
    const auto found = graphs.find((Graph*)graph);
    if (found == graphs.end()) {
        return INVALID_VALUE;
    }
    *count = found->second->operations.size();
    return SUCCESS;
}

KV_DRIVER int cuGraphLaunch(void* executable, void* stream_handle) {
    KV_USABLE
    Stream* stream = find_stream(stream_handle);
    const auto found = executables.find((Graph*)executable);
    if (!stream || found == executables.end()) {
        return stream ? INVALID_VALUE : INVALID_HANDLE;
    }
    return enqueue(*stream, [operations = found->second->operations]() -> Result {
        for (const auto& operation : operations) {
            if (const Result result = operation(); result != SUCCESS) {
                return result;
            }
        }
        return SUCCESS;
    });
}

KV_DRIVER int cuGraphExecDestroy(void* executable) {
    KV_USABLE
    return executables.erase((Graph*)executable) ? SUCCESS : INVALID_VALUE;
}

KV_DRIVER int cuGraphDestroy(void* graph) {
    KV_USABLE
    return graphs.erase((Graph*)graph) ? SUCCESS : INVALID_VALUE;
}
