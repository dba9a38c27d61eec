// The server as a hostile client sees it, over plain sockets.
#include "spikeloom/watch/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/watch/run_pages.h"

namespace spikeloom::watch {
namespace {

namespace fs = std::filesystem;

class Client {
 public:
  /// buffer: bytes that come without being received; 0: as many as usual.
  explicit Client(int port, int buffer = 0) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (buffer > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  Client(Client&& other) noexcept : socket_(other.socket_), connected_(other.connected_) {
    other.socket_ = -1;
  }
  Client& operator=(Client&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(connected_, other.connected_);
    return *this;
  }
  ~Client() {
    if (socket_ >= 0) ::close(socket_);
  }
  /// false once the server has closed the connection.
  bool send(const std::string& bytes) {
    return connected_ &&
           ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  /// Nothing more will come from here.
  void finish() { ::shutdown(socket_, SHUT_WR); }
  /// All that comes until the connection ends.
  std::string receive() {
    std::string all;
    while (receive_some(&all) > 0) {
    }
    return all;
  }
  /// How many bytes came, at most 4096; 0 at the end.
  std::size_t receive_some(std::string* to = nullptr) {
    char block[4096];
    const ssize_t count = ::recv(socket_, block, sizeof block, 0);
    if (count <= 0) return 0;
    if (to != nullptr) to->append(block, static_cast<std::size_t>(count));
    return static_cast<std::size_t>(count);
  }

 private:
  int socket_;
  bool connected_ = false;
};

class WatchTest : public ::testing::Test {
 protected:
  WatchTest() {
    std::string pattern = (fs::temp_directory_path() / "watch_XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    for (const char* name : {"one", "two"}) {
      const std::string folder = root_ + "/runs/" + name;
      fs::create_directories(folder);
      std::ofstream(folder + "/recipe.toml") << "name = \"" << name << "\"\n[training]\nepochs = 4\n";
      append(name,
             "{\"kind\":\"epoch\",\"epoch\":1,\"iteration\":10,\"train_loss\":1.5,\"train_seconds\":2,"
             "\"validation_accuracy\":0.25}\n");
    }
    std::ofstream(root_ + "/secret.txt") << "the secret";
    std::ofstream(root_ + "/runs/one/private.txt") << "the secret";
    pages_ = std::make_unique<RunPages>(std::vector<std::string>{root_ + "/runs"},
                                        [this](const report::RunRecord& run, const std::atomic<bool>& stop) {
                                          return details_of(run, stop);
                                        });
    serve(32, 4);
  }
  ~WatchTest() override {
    server_.reset();
    pages_.reset();
    fs::remove_all(root_);
  }

  void serve(int most_connections, int timeout_s) {
    ServerSettings settings;
    settings.most_connections = most_connections;
    settings.timeout_s = timeout_s;
    serve(settings);
  }
  void serve(const ServerSettings& settings) {
    server_ = std::make_unique<Server>(settings, [this](const std::string& path) {
      if (path == "/throws") throw DataError("no luck");
      if (path == "/large") return text_response(200, std::string(kLarge, 'l'));
      return pages_->answer(path);
    });
    host_ = "127.0.0.1:" + std::to_string(server_->port());
  }
  void append(const std::string& run, const std::string& line) const {
    std::ofstream(root_ + "/runs/" + run + "/metrics.jsonl", std::ios::app) << line;
  }
  std::string ask(const std::string& request) const {
    Client client(server_->port());
    EXPECT_TRUE(client.send(request));
    return client.receive();
  }
  std::string get(const std::string& path, const std::string& headers = "",
                  const std::string& host = "") const {
    return ask("GET " + path + " HTTP/1.1\r\nHost: " + (host.empty() ? host_ : host) + "\r\n" + headers +
               "Connection: close\r\n\r\n");
  }
  static int status_of(const std::string& answer) {
    return answer.rfind("HTTP/1.1 ", 0) == 0 ? std::stoi(answer.substr(9, 3)) : 0;
  }
  static nlohmann::json json_of(const std::string& answer) {
    return try_parse_json(answer.substr(answer.find("\r\n\r\n") + 4));
  }
  std::string id_of(const std::string& run) const {
    const auto data = json_of(get("/data"));
    for (const auto& one : data["runs"])
      if (one["name"] == run) return one["id"];
    return "";
  }

  /// As slow as a test wants it.
  report::RunDetails details_of(const report::RunRecord& run, const std::atomic<bool>& stop) {
    const int number = ++details_;
    while (hold_details_ && !stop) ::usleep(1000);
    if (run.name == "two") throw DataError("no model");
    report::RunDetails details;
    details.model = run.path + "/checkpoint.safetensors";
    details.notes = {"details " + std::to_string(number)};
    return details;
  }
  nlohmann::json run_data(const std::string& id) const { return json_of(get("/run/" + id + "/data")); }
  /// The notes of a run's page once `expected` is among them, or after 30 s.
  nlohmann::json notes_once(const std::string& id, const std::string& expected) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    nlohmann::json notes;
    do {
      notes = run_data(id)["notes"];
      if (notes == nlohmann::json({expected})) break;
      ::usleep(20000);
    } while (std::chrono::steady_clock::now() < end);
    return notes;
  }

  static constexpr std::size_t kLarge = std::size_t{16} << 20;  // more than the system holds for a client
  std::string root_, host_;
  std::atomic<int> details_{0};
  std::atomic<bool> hold_details_{false};
  std::unique_ptr<RunPages> pages_;
  std::unique_ptr<Server> server_;
};

TEST_F(WatchTest, ListsRunsAndShowsOne) {
  const std::string list = get("/");
  EXPECT_EQ(status_of(list), 200);
  EXPECT_NE(list.find("data-live=\"/data\""), std::string::npos);
  EXPECT_NE(list.find("X-Frame-Options: DENY"), std::string::npos);
  const auto data = json_of(get("/data"));
  ASSERT_EQ(data["runs"].size(), 2u);
  EXPECT_EQ(data["runs"][0]["name"], "one");
  EXPECT_EQ(data["runs"][0]["state"], "interrupted");
  EXPECT_EQ(data["runs"][0]["best_validation_accuracy"], 0.25);
  EXPECT_EQ(data["runs"][0]["seconds_left"], 6.0);
  const std::string page = get("/run/" + id_of("two"));
  EXPECT_EQ(status_of(page), 200);
  EXPECT_NE(page.find("connect-src &#39;self&#39;"), std::string::npos);
  const auto run = json_of(get("/run/" + id_of("two") + "/data?x=1"));
  EXPECT_EQ(run["run"]["name"], "two");
  EXPECT_EQ(run["epochs"]["loss"], nlohmann::json({1.5}));
}

TEST_F(WatchTest, DetailsAreMadeBesideAndKept) {
  const std::string id = id_of("one");
  hold_details_ = true;
  EXPECT_EQ(run_data(id)["notes"],
            nlohmann::json({"The network and what it does with samples follow in a moment."}));
  EXPECT_EQ(status_of(get("/run/" + id)), 200);  // nobody waits for them
  EXPECT_EQ(run_data(id_of("two"))["notes"].size(), 1u);
  hold_details_ = false;
  EXPECT_EQ(notes_once(id, "details 1"), nlohmann::json({"details 1"}));
  EXPECT_EQ(run_data(id)["model"], root_ + "/runs/one/checkpoint.safetensors");
  for (int i = 0; i < 20; ++i) get("/run/" + id);
  EXPECT_EQ(details_, 1);  // once a model, not once a request
  const std::string failed = "Network and samples are not shown: no model";
  EXPECT_EQ(notes_once(id_of("two"), failed), nlohmann::json({failed}));
  // A new checkpoint.
  std::ofstream(root_ + "/runs/one/checkpoint.safetensors") << "weights";
  EXPECT_EQ(notes_once(id, "details 3"), nlohmann::json({"details 3"}));
}

TEST_F(WatchTest, EndsWhileDetailsAreMade) {
  hold_details_ = true;
  run_data(id_of("one"));
  const auto begin = std::chrono::steady_clock::now();
  server_.reset();
  pages_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST_F(WatchTest, FollowsARunThatGoesOn) {
  const std::string id = id_of("one");
  EXPECT_EQ(json_of(get("/run/" + id + "/data"))["epochs"]["loss"].size(), 1u);
  append(
      "one",
      "{\"kind\":\"epoch\",\"epoch\":2,\"iteration\":20,\"train_loss\":1.0,\"validation_accuracy\":0.75}\n");
  fs::create_directories(root_ + "/runs/three");
  std::ofstream(root_ + "/runs/three/recipe.toml") << "name = \"three\"\n";
  std::ofstream(root_ + "/runs/three/metrics.jsonl") << "";
  fs::remove_all(root_ + "/runs/two");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  nlohmann::json list, run;
  do {
    ::usleep(100000);
    list = json_of(get("/data"));
    run = json_of(get("/run/" + id + "/data"));
  } while (std::chrono::steady_clock::now() < end &&
           (run["epochs"]["loss"].size() != 2 || list["runs"].size() != 2 ||
            list["runs"][1]["name"] != "three" || list["runs"][0]["best_validation_accuracy"] != 0.75));
  EXPECT_EQ(run["epochs"]["loss"], nlohmann::json({1.5, 1.0}));
  ASSERT_EQ(list["runs"].size(), 2u);
  EXPECT_EQ(list["runs"][0]["best_validation_accuracy"], 0.75);
  EXPECT_EQ(list["runs"][1]["name"], "three");
}

TEST_F(WatchTest, NoPathLeadsOutOfTheRuns) {
  const std::string id = id_of("one");
  for (const std::string& path :
       {std::string("/secret.txt"), std::string("/../secret.txt"), std::string("/run/../../secret.txt"),
        std::string("/run/%2e%2e%2f%2e%2e%2fsecret.txt"), std::string("/run/..%5c..%5csecret.txt"),
        std::string("//etc/passwd"), std::string("/run//etc/passwd"), root_ + "/secret.txt",
        "/run/" + id + "/../..", "/run/" + id + "/private.txt", "/run/" + id + "/data/../private.txt",
        "/run/" + id + "/", "/run/" + id + "%00/data", "/run/" + std::string(16, '0'), std::string("/run"),
        std::string("/run/"), std::string("/data/"), std::string("/runs/one/private.txt"),
        "/" + std::string(5000, 'a')}) {
    const std::string answer = get(path);
    EXPECT_EQ(status_of(answer), 404) << path;
    EXPECT_EQ(answer.find("the secret"), std::string::npos) << path;
  }
}

TEST_F(WatchTest, OnlyGetIsAnswered) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW"}) {
    const std::string answer = ask(std::string(method) + " / HTTP/1.1\r\nHost: " + host_ +
                                   "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(status_of(answer), 405) << method;
  }
  const std::string body = "Content-Length: 100000000000\r\n";
  EXPECT_EQ(status_of(get("/", body)), 413);
  EXPECT_EQ(status_of(get("/", "Transfer-Encoding: chunked\r\n")), 413);
}

TEST_F(WatchTest, OtherSitesAreRefused) {
  const std::string port = std::to_string(server_->port());
  for (const std::string& host :
       {std::string("evil.example"), "evil.example:" + port, std::string("127.0.0.1:1"),
        std::string("127.0.0.1"), "localhost.evil.example:" + port, "10.0.0.1:" + port, "[::1:" + port,
        std::string(" ")}) {
    EXPECT_EQ(status_of(get("/data", "", host)), 403) << host;
  }
  EXPECT_EQ(status_of(ask("GET / HTTP/1.0\r\n\r\n")), 403);  // none at all
  EXPECT_EQ(status_of(get("/data", "", "localhost:" + port)), 200);
  // Names of hosts are the same in either case.
  EXPECT_EQ(status_of(get("/data", "", "LOCALHOST:" + port)), 200);
  EXPECT_EQ(status_of(get("/data", "Origin: HTTP://LocalHost:" + port + "\r\n", "lOCALhOST:" + port)), 200);
  EXPECT_EQ(status_of(get("/data", "Origin: http://EVIL.example\r\n", "LOCALHOST:" + port)), 403);
  EXPECT_EQ(status_of(get("/data", "", "[::1]:" + port)), 200);
  EXPECT_EQ(status_of(get("/data", "Origin: http://evil.example\r\n")), 403);
  EXPECT_EQ(status_of(get("/data", "Origin: null\r\n")), 403);
  EXPECT_EQ(status_of(get("/data", "Origin: http://" + host_ + "\r\n")), 200);
  EXPECT_EQ(status_of(get("/data", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n")), 403);
  EXPECT_EQ(status_of(get("/", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n")),
            200);  // a link
}

TEST_F(WatchTest, WhatIsTooLargeOrNoHttpEndsTheConnection) {
  serve(32, 1);  // some of it only looks like half a request
  for (const std::string& request :
       {"GET /" + std::string(100000, 'a') + " HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nX: " + std::string(100000, 'b') + "\r\n\r\n", std::string(100000, '\0'),
        std::string("\r\n\r\n\r\n\r\n"), std::string("GET\r\n\r\n"), std::string("\x16\x03\x01\x02")}) {
    Client client(server_->port());
    client.send(request);
    client.finish();
    EXPECT_NE(status_of(client.receive()), 200);
  }
  // Headers without end: closed long before they are held.
  Client endless(server_->port());
  endless.send("GET / HTTP/1.1\r\n");
  int sent = 0;
  while (sent < 100000 && endless.send("X-" + std::to_string(sent) + ": " + std::string(100, 'c') + "\r\n"))
    ++sent;
  EXPECT_LT(sent, 100000);
  EXPECT_EQ(status_of(get("/data")), 200);
}

TEST_F(WatchTest, SlowClientsHoldNobodyUp) {
  std::vector<Client> slow;
  for (int i = 0; i < 20; ++i) {
    slow.emplace_back(server_->port());
    EXPECT_TRUE(slow.back().send("GET / HT"));  // and never more
  }
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(status_of(get("/data")), 200);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));  // less than their timeout
}

TEST_F(WatchTest, ClientsThatDawdleKeepNobodyOutAndAreEnded) {
  ServerSettings settings;
  settings.times.request = std::chrono::milliseconds(600);
  serve(settings);
  const auto begin = std::chrono::steady_clock::now();
  const auto ended = [&] { return std::chrono::steady_clock::now() - begin > std::chrono::seconds(4); };
  std::vector<Client> dawdlers;
  for (int i = 0; i < 300; ++i) {
    dawdlers.emplace_back(server_->port());
    EXPECT_TRUE(dawdlers.back().send("GET /data HTTP/1.1\r\nX: "));
  }
  EXPECT_EQ(status_of(get("/data")), 200);
  EXPECT_FALSE(ended());  // before any of them counts as one on which nothing moves
  const auto is_ended = [](Client& client) { return !client.send("a"); };
  while (!dawdlers.empty() && !ended()) {
    dawdlers.erase(std::remove_if(dawdlers.begin(), dawdlers.end(), is_ended), dawdlers.end());
    ::usleep(20000);
  }
  EXPECT_EQ(dawdlers.size(), 0u);
}

TEST_F(WatchTest, AnAnswerThatIsTakenTooSlowlyEnds) {
  ServerSettings settings;
  settings.times.answer = std::chrono::milliseconds(300);
  serve(settings);
  Client slow(server_->port(), 4096);
  EXPECT_TRUE(slow.send("GET /large HTTP/1.1\r\nHost: " + host_ + "\r\n\r\n"));
  std::size_t taken = 0;
  const auto slow_until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  for (std::size_t count = 1; count > 0; taken += count) {
    count = slow.receive_some();
    if (std::chrono::steady_clock::now() < slow_until) ::usleep(5000);
  }
  EXPECT_GT(taken, 0u);
  EXPECT_LT(taken, kLarge);
}

/// Memory of this process in bytes.
std::int64_t resident_bytes() {
  std::int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST_F(WatchTest, AScanLeavesMemoryAsItWas) {
  // As many connections as by default; half a request keeps one until the timeout, also of a client that
  // went.
  const std::string id = id_of("one");
  serve(ServerSettings().most_connections, 1);
  const std::vector<std::string> requests = {
      "GET /run/" + id + " HTTP/1.1\r\nHost: " + host_ + "\r\nConnection: close\r\n\r\n",
      "GET /../../etc/passwd HTTP/1.1\r\nHost: " + host_ + "\r\nConnection: close\r\n\r\n",
      "GET /" + std::string(20000, 'a') + " HTTP/1.1\r\nHost: " + host_ + "\r\nConnection: close\r\n\r\n",
      "GET /data HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
      "BREW / HTTP/1.1\r\nHost: " + host_ + "\r\nConnection: close\r\n\r\n",
      "POST /data HTTP/1.1\r\nHost: " + host_ + "\r\nContent-Length: 1000000000\r\n\r\n" +
          std::string(20000, 'b'),
      "GET / HTTP/1.1\r\nX: " + std::string(60000, 'c') + "\r\n\r\n",
      std::string(1000, '\0') + "\r\n\r\n",
      "GET /run/" + std::string(16, 'f') + "/data?" + std::string(1000, '%') + " HTTP/1.1\r\nHost: " + host_ +
          "\r\nConnection: close\r\n\r\n"};
  const auto scan = [&](int count) {
    for (int i = 0; i < count; ++i) {
      Client client(server_->port());
      const std::string& request = requests[static_cast<std::size_t>(i) % requests.size()];
      client.send(request);
      // Else it goes away in the middle.
      if (i % 3 != 0 && request.find("Connection: close") != std::string::npos) client.receive();
    }
  };
  scan(200);
  const std::int64_t before = resident_bytes();
  std::vector<Client> slow;
  for (int i = 0; i < 150; ++i) {  // more than there are places for
    slow.emplace_back(server_->port());
    slow.back().send("GET /run/" + id + " HTTP/1.1\r\n");
  }
  slow.clear();
  scan(900);
#ifdef __SANITIZE_ADDRESS__
  const std::int64_t kept = std::int64_t{256} << 20;  // its quarantine: memory that was freed stays resident
#else
  const std::int64_t kept = 0;
#endif
  EXPECT_LT(resident_bytes() - before, kept + (std::int64_t{8} << 20));
  EXPECT_EQ(status_of(get("/data")), 200);
}

TEST_F(WatchTest, AFailureIsAnAnswer) {
  const std::string answer = get("/throws");
  EXPECT_EQ(status_of(answer), 500);
  EXPECT_NE(answer.find("no luck"), std::string::npos);
  EXPECT_EQ(status_of(get("/")), 200);
}

TEST_F(WatchTest, AddressesAndPortsThatDoNotWorkAreNamed) {
  ServerSettings settings;
  settings.port = server_->port();
  EXPECT_THROW(Server(settings, nullptr), DataError);
  settings.port = 0;
  settings.address = "example.org";
  EXPECT_THROW(Server(settings, nullptr), ConfigError);
}

}  // namespace
}  // namespace spikeloom::watch
