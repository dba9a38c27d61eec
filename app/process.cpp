#include "app/process.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace spikeloom::app {
namespace {

std::string called_as = "spikeloom";

// By default idle OpenMP threads spin for milliseconds. Between two parallel loops LibTorch's matrix products
// want the processor for the BLAS's own threads, and on a shared machine others do: spinning makes both wait.
// The variable is read when libgomp is loaded, so that it has to be there before the program starts.
void wait_without_spinning(char** argv) {
  // Loading LibTorch takes most of a second: not twice for a command that computes nothing.
  const std::string command = argv[0] != nullptr && argv[1] != nullptr ? argv[1] : "";
  if (command != "train" && command != "eval" && command != "bench") return;
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (::setenv("GOMP_SPINCOUNT", "1000", 1) != 0) return;
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (length > 0) ::execv(path.data(), argv);  // returns only if it fails: then as it is
}

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

const std::string& program_path() { return called_as; }

void prepare_process(char** argv) {
  open_standard_descriptors();
  if (argv[0] != nullptr) called_as = argv[0];
  wait_without_spinning(argv);
  // Activations are freed and allocated again at every step. By default glibc hands large blocks back to the
  // system each time, and the page faults of getting them again cost more than some layers: keep them.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace spikeloom::app
