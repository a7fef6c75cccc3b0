#include "codeexec/execution/admission_queue.hpp"

#include <algorithm>
#include <limits>

namespace codeexec::execution {

std::string describe(admission const& where) {
  return "Position " + std::to_string(where.position) + " of " + std::to_string(where.waiting) + " in the queue" +
         (where.namespace_full ? " of this namespace" : "") + " (" + std::to_string(where.running) + " of " +
         std::to_string(where.bound) + " executions run in this " + (where.namespace_full ? "namespace" : "cluster") +
         ").";
}

std::size_t admission_queue::space::room() const {
  if (bound <= 0) return std::numeric_limits<std::size_t>::max();
  return full() ? 0 : static_cast<std::size_t>(bound - running);
}

admission_queue::admission_queue(std::int64_t bound_of_all, terms_of_namespace terms_of)
    : bound_of_all_(bound_of_all), terms_of_(std::move(terms_of)) {}

admission_queue::space& admission_queue::space_of(std::string const& ns) {
  auto const [found, is_new] = spaces_.try_emplace(ns);
  if (is_new) {
    auto const said = terms_of_(ns);
    found->second.bound = said.bound;
    found->second.of_class = said.of_class;
  }
  return found->second;
}

void admission_queue::update_turn(std::string const& ns, space& of, bool to_the_end) {
  bool const wants = !of.waiting.empty() && !of.full();
  if (of.turn != 0 && (!wants || to_the_end)) {
    turns_.erase(of.turn);
    of.turn = 0;
  }
  if (wants && of.turn == 0) {
    of.turn = ++last_turn_;
    turns_.emplace(of.turn, ns);
  }
}

void admission_queue::drop_if_unused(std::string const& ns) {
  auto const found = spaces_.find(ns);
  if (found != spaces_.end() && found->second.waiting.empty() && found->second.running == 0) spaces_.erase(found);
}

void admission_queue::wait(ticket const& who) {
  auto const [found, is_new] = entries_.try_emplace(who.uid, entry{who, false});
  if (!is_new) return;
  auto& of = space_of(who.ns);
  of.waiting.insert(place(who.created, who.uid));
  ++waiting_;
  update_turn(who.ns, of, false);
}

void admission_queue::hold(ticket const& who) {
  auto const [found, is_new] = entries_.try_emplace(who.uid, entry{who, true});
  if (!is_new && found->second.holds) return;
  auto& of = space_of(who.ns);
  if (!is_new) {
    found->second.holds = true;
    of.waiting.erase(place(found->second.who.created, who.uid));
    --waiting_;
  }
  ++of.running;
  update_turn(who.ns, of, false);
}

void admission_queue::leave(std::string const& uid) {
  auto const found = entries_.find(uid);
  if (found == entries_.end()) return;
  auto const who = std::move(found->second.who);
  bool const held = found->second.holds;
  entries_.erase(found);
  auto& of = space_of(who.ns);
  if (held) {
    --of.running;
  } else {
    of.waiting.erase(place(who.created, who.uid));
    --waiting_;
  }
  update_turn(who.ns, of, false);
  drop_if_unused(who.ns);
}

bool admission_queue::holds(std::string const& uid) const {
  auto const found = entries_.find(uid);
  return found != entries_.end() && found->second.holds;
}

std::vector<admission_queue::ticket> admission_queue::admit() {
  std::vector<ticket> admitted;
  while (!turns_.empty() && (bound_of_all_ <= 0 || running() < static_cast<std::size_t>(bound_of_all_))) {
    std::string const ns = turns_.begin()->second;
    auto& of = spaces_.at(ns);
    auto const first = *of.waiting.begin();
    of.waiting.erase(first);
    --waiting_;
    ++of.running;
    auto& next = entries_.at(first.second);
    next.holds = true;
    admitted.push_back(next.who);
    update_turn(ns, of, true);
  }
  return admitted;
}

admission admission_queue::look(std::string const& uid) const {
  admission where;
  auto const found = entries_.find(uid);
  if (found == entries_.end() || found->second.holds) return where;
  auto const& who = found->second.who;
  auto const& of = spaces_.at(who.ns);
  where.admitted = false;
  auto const before = of.waiting.order_of_key(place(who.created, who.uid));
  where.namespace_full = of.full();
  if (where.namespace_full) {
    where.position = before + 1;
    where.waiting = of.waiting.size();
    where.running = of.running;
    where.bound = of.bound;
    return where;
  }
  // When its turn comes, the others have had as many turns as its own namespace before, and one more where theirs comes
  // first.
  where.position = before + 1;
  for (auto const& [turn, ns] : turns_) {
    if (turn == of.turn) continue;
    auto const& other = spaces_.at(ns);
    where.position += std::min({other.waiting.size(), other.room(), before + (turn < of.turn ? 1U : 0U)});
  }
  where.waiting = waiting_;
  where.running = static_cast<std::int64_t>(running());
  where.bound = bound_of_all_;
  return where;
}

std::vector<admission_queue::depth> admission_queue::count(std::size_t classes) const {
  std::vector<depth> all(std::max<std::size_t>(classes, 1));
  for (auto const& [ns, of] : spaces_) {
    if (of.of_class >= all.size()) all.resize(of.of_class + 1);
    auto& sum = all[of.of_class];
    sum.running += static_cast<std::size_t>(of.running);
    if (of.waiting.empty()) continue;
    (of.full() ? sum.for_namespace : sum.for_all) += of.waiting.size();
    auto const& first = of.waiting.begin()->first;
    if (sum.oldest.empty() || first < sum.oldest) sum.oldest = first;
  }
  return all;
}

}  // namespace codeexec::execution
