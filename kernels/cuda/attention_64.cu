// Heads of 33 to 64 numbers. A file per length, so that a driver compiles only what a model needs.
#include "attention_forms.h"

KV_ATTEND(F16, f16, 64)
KV_ATTEND(BF16, bf16, 64)
