#include "tests/app/program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "spikeloom/formats/safetensors.h"

namespace spikeloom::app::testing {

namespace fs = std::filesystem;

nlohmann::json Outcome::json() const {
  auto value = nlohmann::json::parse(out, nullptr, false);
  EXPECT_FALSE(value.is_discarded()) << "not JSON:\n" << out << "\non standard error:\n" << err;
  return value;
}

ProgramTest::ProgramTest() {
  spikeloom::testing::write_pattern_set(path("sets"), 120, 30);
  write("r.toml", R"(description = "patterns"
[data]
dataset = "mnist"
validation_samples = 20
[network]
structure = "2C3(Encoding)-AP4-16FC-Voting"
num_steps = 2
[voting]
neurons_per_class = 2
[optimizer]
kind = "adam"
learning_rate = 1e-2
[training]
epochs = 3
batch_size = 20
log_every = 1
)");
}

pid_t ProgramTest::start(const std::vector<std::string>& arguments, const Surroundings& surroundings) const {
  std::vector<std::string> words = {surroundings.program.empty() ? SPIKELOOM_PROGRAM : surroundings.program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string out = surroundings.out_file.empty() ? path("out.txt") : surroundings.out_file;
  const std::string err = path("err.txt"), folder = folder_.path();
  fs::remove(path("out.txt"));
  const pid_t process = ::fork();
  if (process != 0) return process;
  const int out_file = ::open(out.c_str(), O_WRONLY | O_CREAT, 0600);
  const int err_file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::dup2(::open("/dev/null", O_RDONLY), 0);
  ::dup2(out_file, 1);
  ::dup2(err_file, 2);
  if (surroundings.max_file_bytes >= 0) {
    const auto bytes = static_cast<rlim_t>(surroundings.max_file_bytes);
    const struct rlimit limit = {bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  if (surroundings.max_memory_bytes >= 0) {
    const auto bytes = static_cast<rlim_t>(surroundings.max_memory_bytes);
    const struct rlimit limit = {bytes, bytes};
    ::setrlimit(RLIMIT_AS, &limit);
  }
  ::unsetenv("SPIKELOOM_DATA_DIR");
  ::setenv("SPIKELOOM_NUM_THREADS", "1", 1);
  if (!surroundings.cache_dir.empty()) ::setenv("SPIKELOOM_CACHE_DIR", surroundings.cache_dir.c_str(), 1);
  for (const char digit : surroundings.closed) ::close(digit - '0');
  // The files above must not take the numbers that are closed here.
  for (int descriptor = 3; descriptor < 64; ++descriptor) ::close(descriptor);
  if (::chdir(folder.c_str()) == 0) ::execv(argv[0], argv.data());
  ::_exit(127);
}

Outcome ProgramTest::finish(pid_t process) const {
  int status = 0;
  ::waitpid(process, &status, 0);
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = read("out.txt");
  outcome.err = read("err.txt");
  return outcome;
}

Outcome ProgramTest::run(const std::vector<std::string>& arguments, const Surroundings& surroundings) const {
  return finish(start(arguments, surroundings));
}

Outcome ProgramTest::run_and_signal(const std::vector<std::string>& arguments, int signal,
                                    const std::function<bool()>& ready,
                                    const Surroundings& surroundings) const {
  const pid_t process = start(arguments, surroundings);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  bool ended = false;
  while (!ready() && !ended && std::chrono::steady_clock::now() < give_up) {
    siginfo_t info{};
    ended = ::waitid(P_PID, static_cast<id_t>(process), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid != 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ::kill(process, ended ? 0 : signal);
  const Outcome outcome = finish(process);
  EXPECT_FALSE(ended) << "it ended before it was to be stopped: " << outcome.out << outcome.err;
  return outcome;
}

std::vector<std::string> ProgramTest::train_command(const std::string& name,
                                                    const std::vector<std::string>& more) {
  std::vector<std::string> words = {"train", "r.toml", "--data-dir", "sets", "--out", name};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

bool ProgramTest::exists(const std::string& name) const { return fs::exists(path(name)); }

std::string ProgramTest::read(const std::string& name) const {
  std::ifstream file(path(name), std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void ProgramTest::write(const std::string& name, const std::string& bytes) const {
  fs::create_directories(fs::path(path(name)).parent_path());
  std::ofstream file(path(name), std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.flush()) << name;
}

int ProgramTest::count_lines(const std::string& name) const {
  const std::string text = read(name);
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

std::string ProgramTest::tensor_bytes(const std::string& name) const {
  const auto file = formats::SafetensorsFile::open(path(name));
  std::string all;
  for (const auto& info : file.tensors()) {
    std::string bytes(static_cast<std::size_t>(info.size_bytes), '\0');
    file.read(info, bytes.data());
    all += info.name + bytes;
  }
  return all;
}

void expect_error(const Outcome& outcome, int exit_code, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.find("spikeloom: "), 0u) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_EQ(outcome.err.empty() ? ' ' : outcome.err.back(), '\n');
  for (const auto& part : parts)
    EXPECT_TRUE(contains(outcome.err, part)) << part << "\nis not in\n" << outcome.err;
  expect_plain_text(outcome);
}

void expect_marked_error(const Outcome& outcome, int exit_code, const std::vector<std::string>& parts,
                         const std::string& shown, std::size_t column) {
  const std::string marked = shown + "\n" + std::string(column, ' ') + "^\n";
  const std::size_t end = outcome.err.find('\n') + 1;
  EXPECT_EQ(outcome.err.substr(end), marked);
  Outcome first = outcome;
  first.err = outcome.err.substr(0, end);
  expect_error(first, exit_code, parts);
}

void expect_plain_text(const Outcome& outcome) {
  for (const auto* text : {&outcome.out, &outcome.err}) {
    for (const char c : *text) {
      ASSERT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= ' ')
          << "control character " << static_cast<int>(c) << " in\n"
          << *text;
    }
  }
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace spikeloom::app::testing
