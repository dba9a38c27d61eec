// What is drawn on a terminal.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <thread>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Terminal : public ProgramTest {
 protected:
  /// Trains on a terminal of that many columns: all that was written to it.
  std::string train(unsigned short columns) {
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
    EXPECT_GE(terminal, 0);
    EXPECT_EQ(::grantpt(terminal) + ::unlockpt(terminal), 0);
    struct winsize size {};
    size.ws_row = 24;
    size.ws_col = columns;
    ::ioctl(terminal, TIOCSWINSZ, &size);
    const std::string name = ::ptsname(terminal);
    const int kept_open =
        ::open(name.c_str(), O_RDWR | O_NOCTTY);  // so that reading ends only when we say so
    std::string text;
    std::thread reader([&] {
      char bytes[4096];
      for (ssize_t count; (count = ::read(terminal, bytes, sizeof bytes)) > 0;) {
        text.append(bytes, static_cast<std::size_t>(count));
      }
    });
    Surroundings surroundings;
    surroundings.out_file = name;
    const auto outcome =
        run(train_command("runs/" + std::to_string(columns), {"--set", "training.epochs=12"}), surroundings);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    ::close(kept_open);
    reader.join();
    ::close(terminal);
    return text;
  }
};

TEST_F(Terminal, TheProgressLineFitsAndSaysWhatIsLeft) {
  for (const unsigned short columns : {40, 80, 120}) {
    const std::string text = train(columns);
    const std::string begin = "\r\033[K";
    int lines = 0;
    for (std::size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1)) {
      const std::string line =
          text.substr(at + begin.size(), text.find_first_of("\r\n", at + 1) - at - begin.size());
      if (line.rfind("epoch ", 0) != 0 || contains(line, "train:")) continue;
      ++lines;
      EXPECT_LT(line.size(), columns) << line;
      EXPECT_TRUE(contains(line, " left")) << line;
    }
    EXPECT_GT(lines, 0) << text;
  }
}

}  // namespace
}  // namespace spikeloom::app::testing
