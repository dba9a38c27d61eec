#pragma once

/// The format that this program fuzzes: its key in fuzz/CMakeLists.txt.
extern const char* const kFuzzFormat;
