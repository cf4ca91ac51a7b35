// Heads of 65 to 96 numbers. A file per length, so that a driver compiles only what a model needs.
#include "attention_forms.h"

KV_ATTEND(F16, f16, 96)
KV_ATTEND(BF16, bf16, 96)
