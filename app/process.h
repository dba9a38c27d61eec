#pragma once
#include <string>

namespace spikeloom::app {

/// To be called before anything else is done. Opens standard streams that are closed on /dev/null, and makes
/// training faster by how OpenMP's threads wait and how freed memory is kept. May start the program again
/// (once, the same process; only for the commands that compute) with an environment variable set.
void prepare_process(char** argv);

/// The program as the user called it ("build/release/spikeloom"), for commands to be typed next.
const std::string& program_path();

}  // namespace spikeloom::app
