#pragma once
#include <string>

namespace spikeloom::app {

/// Settings of the process that make training faster, before anything else is done: how OpenMP's threads wait
/// and how freed memory is kept. May start the program again (once, the same process; only for the
/// commands that compute) with an environment variable set.
void prepare_process(char** argv);

/// The program as the user called it ("build/release/spikeloom"), for commands to be typed next.
const std::string& program_path();

}  // namespace spikeloom::app
