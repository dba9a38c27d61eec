#include "fuzz/format_name.h"

const char* const kFuzzFormat = SPIKELOOM_FUZZ_FORMAT;
