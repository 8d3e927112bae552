// HTTP ceiling of the stack the emulator is built on: Beast, one thread, constant answer.
//   beast_hello PORT
#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <memory>
namespace net = boost::asio;
namespace http = boost::beast::http;
using tcp = net::ip::tcp;

struct Session : std::enable_shared_from_this<Session> {
  boost::beast::tcp_stream s;
  boost::beast::flat_buffer b;
  http::request<http::string_body> q;
  http::response<http::string_body> r;
  explicit Session(tcp::socket k) : s(std::move(k)) {}
  void read() {
    q = {};
    http::async_read(s, b, q, [me = shared_from_this()](boost::system::error_code e, size_t) {
      if (!e) me->write();
    });
  }
  void write() {
    r = {http::status::ok, q.version()};
    r.keep_alive(q.keep_alive());
    r.body() = "hello";
    r.prepare_payload();
    http::async_write(s, r, [me = shared_from_this()](boost::system::error_code e, size_t) {
      if (!e) me->read();
    });
  }
};
static void accept(tcp::acceptor& a) {
  a.async_accept([&a](boost::system::error_code e, tcp::socket k) {
    if (!e) {
      k.set_option(tcp::no_delay(true));
      std::make_shared<Session>(std::move(k))->read();
    }
    accept(a);
  });
}
int main(int, char** v) {
  net::io_context io(1);
  tcp::acceptor a(io,
                  {net::ip::make_address("127.0.0.1"), static_cast<unsigned short>(atoi(v[1]))});
  accept(a);
  io.run();
}
