// A store that fills itself: one kind of object, decoded into the type the operator works with, from one or several
// namespaces.
#pragma once

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "codeexec/async/event.hpp"
#include "codeexec/async/task_group.hpp"
#include "codeexec/runtime/reflector.hpp"
#include "codeexec/runtime/store.hpp"

namespace codeexec::runtime {

/// What a controller must know of an informer.
class informer_base {
 public:
  informer_base(informer_base const&) = delete;
  informer_base& operator=(informer_base const&) = delete;
  virtual ~informer_base() = default;

  /// For logs: the plural of the kind.
  std::string const& name() const { return name_; }
  /// Whether every namespace has been listed once. Never turns back.
  bool has_synced() const { return synced_.is_set(); }
  /// True: synced. False: the waiting task was cancelled.
  kube::task<bool> wait_synced() { return synced_.wait(); }

 protected:
  informer_base(boost::asio::any_io_executor const& executor, std::string name)
      : name_(std::move(name)), synced_(executor) {}
  void set_synced() { synced_.set(); }

 private:
  std::string name_;
  async::event synced_;
};

struct informer_options {
  kube::resource type;
  std::vector<std::string> namespaces;  ///< none: all
  std::string label_selector;
  std::string field_selector;
  kube::projection keep;                       ///< what of an object the decoder reads; empty: all of it
  std::optional<kube::lighter_state> lighter;  ///< where it reads less
  watch_policy policy;
};

/// Lifetime: the client and the clock outlive it; it outlives the group that start() was given. Thread: the client's.
template <class T>
class informer final : public informer_base {
 public:
  /// kube::decode_pod and its like. Never throws, whatever the object looks like.
  using decode_function = std::function<std::variant<T, api::decode_error>(nlohmann::json const&)>;

  informer(boost::asio::any_io_executor const& executor, kube::client& client, informer_options options,
           decode_function decode, base::clock const& clock, base::rng random)
      : informer_base(executor, std::string(options.type.plural)), decode_(std::move(decode)) {
    if (options.namespaces.empty()) options.namespaces.emplace_back();
    for (auto& ns : options.namespaces) {
      collection what{options.type,           std::move(ns), options.label_selector,
                      options.field_selector, options.keep,  options.lighter};
      base::rng own(random());
      scopes_.push_back(std::make_unique<scope>(*this, client, std::move(what), clock, options.policy, own));
    }
    unsynced_ = scopes_.size();
  }

  /// Add indices and handlers here, before start().
  store<T>& objects() { return store_; }
  store<T> const& objects() const { return store_; }

  /// One task a namespace, each ending when the group is stopped.
  void start(async::task_group& group) {
    for (auto& one : scopes_) {
      auto task = one->source.run();
      group.spawn("reflector " + name(), std::move(task));
    }
  }

  /// Summed over the namespaces.
  watch_counters counters() const {
    watch_counters sum;
    for (auto const& one : scopes_)
      sum += one->source.counters();
    return sum;
  }
  /// Objects and lines that could not be decoded.
  std::uint64_t malformed() const {
    std::uint64_t sum = 0;
    for (auto const& one : scopes_)
      sum += one->source.malformed();
    return sum;
  }

 private:
  struct scope final : object_sink {
    scope(informer& owner, kube::client& client, collection what, base::clock const& clock, watch_policy policy,
          base::rng random)
        : owner_(owner), ns_(what.ns), source(client, std::move(what), *this, clock, policy, random) {}

    void list_started() override {
      listed_.clear();
      unreadable_.clear();
      changed_meanwhile_ = false;
    }
    decode_result listed(object_id id, nlohmann::json const& object) override {
      auto decoded = owner_.decode_(object);
      if (auto* const e = std::get_if<api::decode_error>(&decoded)) {
        unreadable_.push_back(std::move(id.key));
        return std::move(*e);
      }
      listed_.emplace_back(std::move(id), share(std::move(decoded)));
      return std::nullopt;
    }
    void unlisted(object_key const& key) override {
      listed_.emplace_back(object_id(key, {}, {}), nullptr);
      std::erase(unreadable_, key);
      changed_meanwhile_ = true;
    }
    void list_complete() override {
      if (changed_meanwhile_) keep_last_states();
      owner_.store_.replace(ns_, std::exchange(listed_, {}), std::exchange(unreadable_, {}));
      if (std::exchange(synced_, true)) return;
      if (--owner_.unsynced_ == 0) owner_.set_synced();
    }
    decode_result applied(object_id id, nlohmann::json const& object) override {
      auto decoded = owner_.decode_(object);
      if (auto* const e = std::get_if<api::decode_error>(&decoded)) return std::move(*e);
      owner_.store_.apply(std::move(id), share(std::move(decoded)));
      return std::nullopt;
    }
    decode_result deleted(object_id id, nlohmann::json const& object) override {
      auto decoded = owner_.decode_(object);
      if (auto* const e = std::get_if<api::decode_error>(&decoded)) {
        owner_.store_.erase(std::move(id.key));
        return std::move(*e);
      }
      owner_.store_.erase(std::move(id.key), share(std::move(decoded)));
      return std::nullopt;
    }
    static typename store<T>::pointer share(std::variant<T, api::decode_error> decoded) {
      return std::make_shared<T const>(std::move(std::get<T>(decoded)));
    }

    /// Of several states of one object the last; of one that ends deleted, none.
    void keep_last_states() {
      std::unordered_set<object_key> seen;
      auto const superseded = [&seen](auto const& one) { return !seen.insert(one.first.key).second || !one.second; };
      auto const kept = std::remove_if(listed_.rbegin(), listed_.rend(), superseded);
      listed_.erase(listed_.begin(), kept.base());
    }

    informer& owner_;
    std::string ns_;
    std::vector<std::pair<object_id, typename store<T>::pointer>> listed_;
    std::vector<object_key> unreadable_;
    bool changed_meanwhile_ = false;  // an object was listed more than once, or deleted while the list was streamed
    bool synced_ = false;
    reflector source;
  };

  decode_function decode_;
  store<T> store_;
  std::vector<std::unique_ptr<scope>> scopes_;
  std::size_t unsynced_ = 0;
};

}  // namespace codeexec::runtime
