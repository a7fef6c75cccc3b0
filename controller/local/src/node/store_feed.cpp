#include "store_feed.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "codeexec/base/log.hpp"

namespace codeexec::local {

struct store_feed::state : std::enable_shared_from_this<store_feed::state> {
  state(boost::asio::any_io_executor on, store& all, kube::resource which, handler on_change, handler on_gone)
      : executor(std::move(on)), objects(all), type(which), changed(std::move(on_change)), gone(std::move(on_gone)) {}

  boost::asio::any_io_executor executor;
  store& objects;
  kube::resource type;
  handler changed;
  handler gone;
  std::map<std::string, object> known;  ///< by uid
  std::unique_ptr<watch> following;
  bool posted = false;
  bool stopped = false;

  void list_and_follow() {
    auto const from = objects.resource_version();
    std::map<std::string, object> before;
    before.swap(known);
    for (auto const& what : objects.list(type)) {
      known[what.uid()] = what;
    }
    auto opened = objects.open_watch(type, {}, from, [weak = weak_from_this()] {
      if (auto const self = weak.lock()) {
        self->wake();
      }
    });
    if (!opened) {
      base::log::error("cannot follow a type of the store",
                       {base::log::kv("type", type.plural), base::log::kv("error", opened.error().message)});
      return;
    }
    following = std::move(*opened);
    for (auto const& [uid, what] : before) {
      if (known.find(uid) == known.end() && !stopped) {
        gone(what);
      }
    }
    auto const now = known;
    for (auto const& [uid, what] : now) {
      if (!stopped) {
        changed(what);
      }
    }
  }

  void wake() {
    if (!posted && !stopped) {
      posted = true;
      boost::asio::post(executor, [self = shared_from_this()] { self->drain(); });
    }
  }

  void drain() {
    posted = false;
    while (!stopped && following != nullptr) {
      auto const step = following->next();
      if (step.what == watch::state::idle) {
        return;
      }
      if (step.what != watch::state::event) {
        following.reset();
        if (step.what == watch::state::expired) {
          list_and_follow();
        }
        return;
      }
      auto const& current = step.next->current;
      if (step.next->type == event_type::deleted) {
        known.erase(current.uid());
        gone(current);
      } else {
        known[current.uid()] = current;
        changed(current);
      }
    }
  }
};

store_feed::store_feed(boost::asio::any_io_executor executor, store& objects, kube::resource type, handler changed,
                       handler gone)
    : state_(std::make_shared<state>(std::move(executor), objects, type, std::move(changed), std::move(gone))) {}

store_feed::~store_feed() {
  stop();
}

void store_feed::start() {
  state_->list_and_follow();
}

void store_feed::stop() {
  state_->stopped = true;
  state_->following.reset();
}

}  // namespace codeexec::local
