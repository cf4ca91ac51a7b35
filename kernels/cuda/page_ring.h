#pragma once
#include "primitives.h"

namespace kv {

// Free pages in a ring: the next one to go out is at first, so many follow. Twin: RingState.
struct RingState {
    u32 first;
    u32 count;
    u32 taken_from;  // where the pages of the last demand start
    u32 taken;       // how many they are; 0 where too few were free
};

// Twin: RingArguments.
struct RingArguments {
    int* ring;  // [capacity]
    RingState* state;
    const int* demands;  // [count]: pages that each asks for; or the pages that come back
    int* offsets;        // [count + 1]: where each one's pages start
    int* pages;
    u32 capacity;
    int count;
};

}  // namespace kv
