// Heads of up to 32 numbers. A file per length, so that a driver compiles only what a model needs.
#include "attention_forms.h"

KV_ATTEND(F16, f16, 32)
KV_ATTEND(BF16, bf16, 32)
