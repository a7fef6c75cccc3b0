// Follows one type in the store: everything there is, then every change, on the loop and never inside a writer's call.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "codeexec/local/store.hpp"

namespace codeexec::local {

class store_feed {
 public:
  using handler = std::function<void(object const& what)>;

  store_feed(boost::asio::any_io_executor executor, store& objects, kube::resource type, handler changed, handler gone);
  ~store_feed();
  store_feed(store_feed const&) = delete;
  store_feed& operator=(store_feed const&) = delete;

  /// Calls `changed` for what is there now, before it returns.
  void start();
  /// No handler runs afterwards.
  void stop();

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace codeexec::local
