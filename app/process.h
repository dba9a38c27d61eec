#pragma once

namespace spikeloom::app {

/// Settings of the process that make training faster, before anything else is done: how OpenMP's threads wait and
/// how freed memory is kept. May start the program again (once, the same process) with an environment variable set.
void prepare_process(char** argv);

}  // namespace spikeloom::app
