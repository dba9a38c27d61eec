#include "app/process.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>

namespace spikeloom::app {
namespace {

std::string called_as = "spikeloom";
char** given_arguments = nullptr;

// A file that is opened gets the lowest free number. Where a standard stream is closed (`>&-`) that would be
// a file of the run, and text for the user would land inside it.
void open_standard_descriptors() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) != -1) continue;
    const int opened = ::open("/dev/null", O_RDWR);
    if (opened < 0 || opened == descriptor) continue;
    ::dup2(opened, descriptor);
    ::close(opened);
  }
}

}  // namespace

void wait_without_spinning(const std::string& command) {
  if (command != "train" && command != "eval" && command != "bench" && command != "study" &&
      command != "launch")
    return;
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  ::setenv("GOMP_SPINCOUNT", "1000", 1);
}

const std::string& program_path() { return called_as; }

char** program_arguments() { return given_arguments; }

void prepare_process(char** argv) {
  open_standard_descriptors();
  given_arguments = argv;
  if (argv[0] != nullptr) called_as = argv[0];
  // Activations are freed and allocated again at every step. By default glibc hands large blocks back to the
  // system each time, and the page faults of getting them again cost more than some layers: keep them.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace spikeloom::app
