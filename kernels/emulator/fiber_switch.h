// The switch between fibers: saves the registers that a callee must keep, swaps stacks, and goes on there. ucontext would make a
// system call at every switch.
#pragma once
#if !defined(__x86_64__) || !defined(__linux__)
#error "The emulator switches fibers by hand and knows x86-64 Linux only."
#endif

extern "C" void kv_switch_stack(void** saved_stack_pointer, void* next_stack_pointer);

asm(R"(
    .text
    .globl kv_switch_stack
    .hidden kv_switch_stack
    .type kv_switch_stack, @function
kv_switch_stack:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size kv_switch_stack, .-kv_switch_stack
)");

namespace kv::emulator {
/// Lays out a fresh stack so that the first switch to it enters the function, which must never return.
inline void* prepare_stack(char* top, void (*function)()) {
    void** at = (void**)top;
    *--at = nullptr;
    *--at = (void*)function;
    for (int saved = 0; saved < 6; saved++) {
        *--at = nullptr;
    }
    return at;
}
}
