// Streams and events. A stream's work runs when somebody waits for it (KVCHAT_FAKE_EAGER=1: at once), so that a host that
// does not wait is found out. Order between streams is kept as the real driver keeps it, by events and by the legacy stream.
#include "fake_driver.h"
#include <chrono>

namespace kv::driver {
namespace {
/// Destroyed streams and events: points in others' queues may still name them.
std::vector<std::unique_ptr<Stream>> retired_streams;

double now_in_milliseconds() {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What the legacy stream and the streams that block with it owe one another.
void add_legacy_order(Stream& stream, std::vector<Point>& after) {
    Machine& m = machine();
    if (&stream == &m.legacy) {
        for (const auto& [other, owner] : m.streams) {
            if (other->blocks_with_legacy) {
                after.push_back({other, other->queued});
            }
        }
    } else if (stream.blocks_with_legacy) {
        after.push_back({&m.legacy, m.legacy.queued});
    }
}

Event* find_event(void* handle) {
    const auto found = machine().events.find((Event*)handle);
    return found == machine().events.end() ? nullptr : found->first;
}

Result make_stream(void** handle, unsigned flags) {
    if (flags > 1) {
        return INVALID_VALUE;
    }
    auto made = std::make_unique<Stream>();
    made->blocks_with_legacy = flags == 0;
    *handle = made.get();
    Stream* const key = made.get();
    machine().streams[key] = std::move(made);
    return SUCCESS;
}

/// A stream that is polled gets on by one operation a call, so that polling ends and never answers too early.
Result poll(Point point) {
    if (point.stream->executed < point.position) {
        run_until(*point.stream, point.stream->executed + 1);
    }
    if (machine().sticky != SUCCESS) {
        return machine().sticky;
    }
    return point.stream->executed < point.position ? NOT_READY : SUCCESS;
}
}

Stream* find_stream(void* handle) {
    if (!handle || handle == (void*)1) {
        return &machine().legacy;
    }
    const auto found = machine().streams.find((Stream*)handle);
    return found == machine().streams.end() ? nullptr : found->first;
}

Result enqueue(Stream& stream, std::function<Result()> work) {
    if (capturing(stream)) {
        stream.capture->operations.push_back(std::move(work));
        stream.captured++;
        return SUCCESS;
    }
    if (&stream == &machine().legacy) {
        if (const Result refused = refuse_while_capturing(); refused != SUCCESS) {
            return refused;
        }
    }
    Operation operation{std::move(work), std::move(stream.waits)};
    stream.waits.clear();
    add_legacy_order(stream, operation.after);
    stream.pending.push_back(std::move(operation));
    stream.queued++;
    return number_setting("EAGER", 0) ? run_until(stream, stream.queued) : machine().sticky;
}

Result run_until(Stream& stream, uint64_t position) {
    while (stream.executed < position) {
        Operation operation = std::move(stream.pending.front());
        stream.pending.pop_front();
        for (const Point& point : operation.after) {
            run_until(*point.stream, point.position);
        }
        if (machine().sticky == SUCCESS) {
            operation.run();
        }
        stream.executed++;
    }
    return machine().sticky;
}

Result run_everything() {
    run_until(machine().legacy, machine().legacy.queued);
    for (const auto& [stream, owner] : machine().streams) {
        run_until(*stream, stream->queued);
    }
    return machine().sticky;
}

/// Calls that wait for, or allocate in, the whole context are not allowed while a stream is captured in the global mode.
Result refuse_while_capturing() {
    Result refused = SUCCESS;
    for (const auto& [stream, owner] : machine().streams) {
        if (stream->capture_global) {
            stream->capture_invalid = true;
            refused = CAPTURE_UNSUPPORTED;
        }
    }
    return refused;
}

void forget_streams() {
    Machine& m = machine();
    m.streams.clear();
    m.events.clear();
    retired_streams.clear();
    forget_graphs();
    m.legacy.pending.clear();
    m.legacy.executed = m.legacy.queued;
    m.legacy.waits.clear();
}
}

using namespace kv::driver;

KV_DRIVER int cuStreamCreate(void** handle, unsigned flags) {
    KV_USABLE
    return make_stream(handle, flags);
}

KV_DRIVER int cuStreamCreateWithPriority(void** handle, unsigned flags, int) {
    KV_USABLE
    return make_stream(handle, flags);
}

KV_DRIVER int cuStreamDestroy_v2(void* handle) {
    KV_USABLE
    const auto found = machine().streams.find((Stream*)handle);
    if (found == machine().streams.end()) {
        return INVALID_HANDLE;
    }
    const Result ran = run_until(*found->first, found->first->queued);
    retired_streams.push_back(std::move(found->second));
    machine().streams.erase(found);
    return ran;
}

KV_DRIVER int cuStreamSynchronize(void* handle) {
    KV_USABLE
    Stream* stream = find_stream(handle);
    if (!stream) {
        return INVALID_HANDLE;
    }
    if (capturing(*stream)) {
        stream->capture_invalid = true;
        return CAPTURE_UNSUPPORTED;
    }
    for (const Point& point : stream->waits) {
        run_until(*point.stream, point.position);
    }
    if (stream == &machine().legacy) {
        if (const Result refused = refuse_while_capturing(); refused != SUCCESS) {
            return refused;
        }
        enqueue(*stream, [] { return SUCCESS; });
    }
    return run_until(*stream, stream->queued);
}

KV_DRIVER int cuStreamQuery(void* handle) {
    KV_USABLE
    Stream* stream = find_stream(handle);
    return !stream ? INVALID_HANDLE : capturing(*stream) ? CAPTURE_UNSUPPORTED : poll({stream, stream->queued});
}

KV_DRIVER int cuStreamWaitEvent(void* handle, void* event_handle, unsigned) {
    KV_USABLE
    Stream* stream = find_stream(handle);
    Event* event = find_event(event_handle);
    if (!stream || !event) {
        return INVALID_HANDLE;
    }
    if (event->capture) {
        if (!stream->capture) {
            stream->capture = event->capture;
        }
        if (stream->capture != event->capture) {
            return CAPTURE_ISOLATION;
        }
        Stream& from = *event->captured_from;
        from.joined = from.joined > event->captured ? from.joined : event->captured;
        return SUCCESS;
    }
    if (capturing(*stream)) {
        stream->capture_invalid = event->recorded;
        return event->recorded ? CAPTURE_ISOLATION : SUCCESS;
    }
    if (event->recorded) {
        stream->waits.push_back(event->point);
    }
    return SUCCESS;
}

KV_DRIVER int cuLaunchHostFunc(void* handle, void (*function)(void*), void* argument) {
    KV_USABLE
    Stream* stream = find_stream(handle);
    if (!stream) {
        return INVALID_HANDLE;
    }
    return enqueue(*stream, [=] {
        function(argument);
        return SUCCESS;
    });
}

KV_DRIVER int cuEventCreate(void** handle, unsigned flags) {
    KV_USABLE
    auto made = std::make_unique<Event>();
    made->timed = (flags & 2) == 0;
    *handle = made.get();
    Event* const key = made.get();
    machine().events[key] = std::move(made);
    return SUCCESS;
}

KV_DRIVER int cuEventDestroy_v2(void* handle) {
    KV_USABLE
    return machine().events.erase((Event*)handle) ? SUCCESS : INVALID_HANDLE;
}

KV_DRIVER int cuEventRecord(void* handle, void* stream_handle) {
    KV_USABLE
    Event* event = find_event(handle);
    Stream* stream = find_stream(stream_handle);
    if (!event || !stream) {
        return INVALID_HANDLE;
    }
    if (capturing(*stream)) {
        event->capture = stream->capture;
        event->captured_from = stream;
        event->captured = stream->captured;
        return SUCCESS;
    }
    event->capture = nullptr;
    event->recorded = true;
    event->point = {stream, stream->queued + 1};
    return enqueue(*stream, [handle] {
        if (Event* reached = find_event(handle)) {
            reached->milliseconds = now_in_milliseconds();
        }
        return SUCCESS;
    });
}

KV_DRIVER int cuEventSynchronize(void* handle) {
    KV_USABLE
    Event* event = find_event(handle);
    if (!event) {
        return INVALID_HANDLE;
    }
    if (event->capture) {
        return CAPTURE_UNSUPPORTED;
    }
    return event->recorded ? run_until(*event->point.stream, event->point.position) : SUCCESS;
}

KV_DRIVER int cuEventQuery(void* handle) {
    KV_USABLE
    Event* event = find_event(handle);
    return !event ? INVALID_HANDLE : event->recorded ? poll(event->point) : SUCCESS;
}

KV_DRIVER int cuEventElapsedTime(float* milliseconds, void* start_handle, void* end_handle) {
    KV_USABLE
    Event *start = find_event(start_handle), *end = find_event(end_handle);
    if (!start || !end || !start->recorded || !end->recorded || !start->timed || !end->timed) {
        return INVALID_HANDLE;
    }
    if (start->point.stream->executed < start->point.position || end->point.stream->executed < end->point.position) {
        return NOT_READY;
    }
    *milliseconds = (float)(end->milliseconds - start->milliseconds);
    return SUCCESS;
}
