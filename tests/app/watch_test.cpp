// Watching while a training runs: it sees the training, and the training does not notice.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

/// The body of an answer, or "".
std::string get(int port, const std::string& path) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  std::string all;
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                                "\r\nConnection: close\r\n\r\n";
    if (::send(socket, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
      char block[4096];
      for (ssize_t count; (count = ::recv(socket, block, sizeof block, 0)) > 0;)
        all.append(block, static_cast<std::size_t>(count));
    }
  }
  ::close(socket);
  const std::size_t body = all.find("\r\n\r\n");
  return body == std::string::npos ? "" : all.substr(body + 4);
}

// Some seconds: runs are looked through once a second.
const std::vector<std::string> kLong = {"--threads", "1", "--set", "training.epochs=100"};

class Watch : public ProgramTest {};

TEST_F(Watch, SaysWhereAndEndsWithCtrlC) {
  const int port = free_port();
  write("runs/notes.txt", "");
  const Outcome outcome = run_and_signal({"watch", "runs", "--port", std::to_string(port)}, SIGINT,
                                         [&] { return !get(port, "/data").empty(); });
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out, "watching at http://127.0.0.1:" + std::to_string(port) + "/ (Ctrl-C ends it)\n");
}

TEST_F(Watch, TheTrainingIsSeenAndNotDisturbed) {
  const int port = free_port();
  std::atomic<bool> ended{false}, seen_running{false};
  nlohmann::json last;  // of the run's page
  Outcome trained;
  write("runs/notes.txt", "");
  const auto train_while_watched = [&] {
    if (get(port, "/data").empty()) return false;  // it has just been started
    std::thread viewer([&] {
      while (!ended) {
        const auto data = nlohmann::json::parse(get(port, "/data"), nullptr, false);
        if (!data.is_object() || data["runs"].empty()) continue;
        const auto& run = data["runs"][0];
        seen_running = seen_running || run["state"] == "running";
        get(port, "/run/" + run["id"].get<std::string>());
      }
    });
    trained = run(train_command("runs/watched", kLong));
    ended = true;
    viewer.join();
    // What the network does with samples follows the training.
    const auto list = nlohmann::json::parse(get(port, "/data"));
    const std::string page = "/run/" + list["runs"][0]["id"].get<std::string>() + "/data";
    for (int i = 0; i < 1200; ++i) {
      last = nlohmann::json::parse(get(port, page));
      if (last.contains("observed") && last["observed"]["split"] == "test") break;
      ::usleep(100000);
    }
    return true;
  };
  const Outcome watched = run_and_signal(
      {"watch", "runs", "--data-dir", "sets", "--port", std::to_string(port)}, SIGTERM, train_while_watched);
  EXPECT_EQ(watched.exit_code, 0) << watched.err;
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_TRUE(seen_running);
  ASSERT_TRUE(last.contains("observed")) << last["notes"];
  EXPECT_EQ(last["observed"]["split"], "test");
  EXPECT_EQ(last["model"], "runs/watched/model.safetensors");
  EXPECT_EQ(last["network_of"], "the network of iteration 500 (model.safetensors)");
  EXPECT_EQ(last["run"]["iterations"], 500);
  EXPECT_FALSE(last["observed"]["rasters"].empty());
  EXPECT_FALSE(last["weights"].empty());
  ASSERT_EQ(run(train_command("plain", kLong)).exit_code, 0);
  EXPECT_EQ(tensor_bytes("runs/watched/model.safetensors"), tensor_bytes("plain/model.safetensors"));
}

}  // namespace
}  // namespace spikeloom::app::testing
