// Memory faults inside a kernel become failures of the launch: the handler lets the thread go on in a function that reports where the
// fault was, on a stack of its own, since the fiber's may be what ran out. Other faults go to whoever handled them before.
#include "scheduler.h"
#include <csignal>
#include <cstring>
#include <mutex>
#include <ucontext.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace kv::emulator {
namespace {
constexpr size_t STACK_BYTES = 128 << 10;
struct sigaction previous_segv, previous_bus;

[[noreturn]] __attribute__((no_sanitize_address)) void report_fault() {
    const Worker& w = *worker();
    const char* address = (const char*)w.fault_address;
    const char* shared_end = (const char*)w.block.shared + w.block.shared_bytes;
    const char* stack = current()->stack;
    if (address >= shared_end && address < shared_end + 4096) {
        fail("the thread touches memory " + std::to_string(address - shared_end) + " bytes behind the "
            + std::to_string(w.block.shared_bytes) + " bytes of shared memory");
    }
    if (address < stack && address >= stack - 4096) {
        fail("the thread touches memory below its stack: its local variables are too many");
    }
    fail("the thread touches memory at address " + std::to_string(w.fault_address) + ", which is not allocated");
}

void pass_on(int signal, siginfo_t* information, void* context) {
    const struct sigaction& previous = signal == SIGBUS ? previous_bus : previous_segv;
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(signal, information, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal);
    } else {
        sigaction(signal, &previous, nullptr);    // the instruction faults again, and ends the process
    }
}

void handle(int signal, siginfo_t* information, void* context) {
    Worker* w = worker();
    if (!w || !current()) {
        pass_on(signal, information, context);
        return;
    }
    w->fault_address = (uintptr_t)information->si_addr;
    greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
    const uintptr_t top = (uintptr_t)w->fault_stack.memory + 2 * STACK_BYTES;
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(w->fault_stack.memory + STACK_BYTES, STACK_BYTES);    // frames of the last report never returned
#endif
    registers[REG_RSP] = (greg_t)(top - 8);    // as a call would leave it
    registers[REG_RIP] = (greg_t)(uintptr_t)&report_fault;
}
}

void catch_faults(Worker& w) {
    // The upper part is the stack that faults are reported on, the lower one that of the signal handler.
    w.fault_stack.reserve(2 * STACK_BYTES);
    stack_t alternative{};
    alternative.ss_sp = w.fault_stack.memory;
    alternative.ss_size = STACK_BYTES;
    sigaltstack(&alternative, nullptr);

    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action{};
        action.sa_sigaction = handle;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigaction(SIGSEGV, &action, &previous_segv);
        sigaction(SIGBUS, &action, &previous_bus);
    });
}
}
