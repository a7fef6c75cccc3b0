#include "runner_shield.hpp"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace codeexec::runner {
namespace {

// From linux/filter.h, linux/seccomp.h and linux/audit.h, which musl's include folder does not have.
struct instruction {
  uint16_t code;
  uint8_t if_true;
  uint8_t if_false;
  uint32_t value;
};
struct program {
  uint16_t length;
  instruction* first;
};
struct system_call {
  int32_t number;
  uint32_t architecture;
  uint64_t instruction_pointer;
  uint64_t arguments[6];
};

constexpr uint16_t load_word = 0x20;      // BPF_LD | BPF_W | BPF_ABS
constexpr uint16_t jump_if_equal = 0x15;  // BPF_JMP | BPF_JEQ | BPF_K
constexpr uint16_t jump_if_any = 0x45;    // BPF_JMP | BPF_JSET | BPF_K
constexpr uint16_t give_back = 0x06;      // BPF_RET | BPF_K
constexpr uint32_t allow = 0x7FFF0000;    // SECCOMP_RET_ALLOW
constexpr uint32_t refuse = 0x00050000;   // SECCOMP_RET_ERRNO
constexpr int filter_mode = 2;            // SECCOMP_MODE_FILTER

#if defined(__x86_64__)
constexpr uint32_t architecture = 0xC000003E;  // AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
constexpr uint32_t architecture = 0xC00000B7;  // AUDIT_ARCH_AARCH64
#else
#error "the architecture's AUDIT_ARCH number is needed here"
#endif

// The same on every architecture; musl 1.2.3 has no names for them.
constexpr uint32_t pidfd_open_number = 434;
constexpr uint32_t clone3_number = 435;

constexpr uint32_t set_owner = 8;                            // F_SETOWN
constexpr uint32_t set_owner_ex = 15;                        // F_SETOWN_EX: behind a pointer, where no filter sees
constexpr uint32_t set_owner_by_ioctl[] = {0x8901, 0x8902};  // FIOSETOWN, SIOCSPGRP: behind a pointer too

/// CLONE_NEWTIME shares its bit with clone()'s exit signal.
constexpr uint32_t new_namespaces = 0x7E020000;  // CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
constexpr uint32_t new_time_namespace = 0x80;
constexpr uint32_t clone_parent = 0x8000;

/// Built rule by rule. The number of the system call stays loaded until a rule for it is met, which then decides: a
/// call that no rule is about passes by one comparison a rule.
class filter {
 public:
  filter() {
    add({load_word, 0, 0, offsetof(system_call, architecture)});
    add({jump_if_equal, 1, 0, architecture});
    add({give_back, 0, 0, refuse | ENOSYS});
    add({load_word, 0, 0, offsetof(system_call, number)});
  }

  /// Argument `index` must not be `value`; only the low half is looked at, which is all of a PID or of flags.
  void refuse_value(uint32_t call, int index, uint32_t value) {
    add({jump_if_equal, 0, 4, call});
    load_argument(index);
    add({jump_if_equal, 0, 1, value});
    decide();
  }
  void refuse_values(uint32_t call, int index, uint32_t const (&values)[2]) {
    add({jump_if_equal, 0, 5, call});
    load_argument(index);
    add({jump_if_equal, 1, 0, values[0]});
    add({jump_if_equal, 0, 1, values[1]});
    decide();
  }
  void refuse_any_of(uint32_t call, int index, uint32_t bits) {
    add({jump_if_equal, 0, 4, call});
    load_argument(index);
    add({jump_if_any, 0, 1, bits});
    decide();
  }
  /// fcntl: the owner must not be PID 1, nor its process group, which is -1 here.
  void refuse_owner() {
    add({jump_if_equal, 0, 8, SYS_fcntl});
    load_argument(1);
    add({jump_if_equal, 4, 0, set_owner_ex});
    add({jump_if_equal, 0, 4, set_owner});
    load_argument(2);
    add({jump_if_equal, 1, 0, 1});
    add({jump_if_equal, 0, 1, ~0u});
    decide();
  }
  /// As if the kernel did not know it: a C library then does without.
  void hide(uint32_t call) {
    add({jump_if_equal, 0, 1, call});
    add({give_back, 0, 0, refuse | ENOSYS});
  }

  void load() {
    add({give_back, 0, 0, allow});
    program loaded = {size_, instructions_};
    prctl(PR_SET_SECCOMP, filter_mode, &loaded);
  }

 private:
  void add(instruction one) {
    if (size_ < sizeof instructions_ / sizeof instructions_[0]) instructions_[size_++] = one;
  }
  void load_argument(int index) {
    add({load_word, 0, 0, static_cast<uint32_t>(offsetof(system_call, arguments)) + 8 * static_cast<uint32_t>(index)});
  }
  void decide() {
    add({give_back, 0, 0, refuse | EPERM});
    add({give_back, 0, 0, allow});
  }

  instruction instructions_[96];
  uint16_t size_ = 0;
};

}  // namespace

void shield_runner() {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half of an argument is its first word");
  filter rules;
  uint32_t const take_a_pid_first[] = {
      SYS_kill, SYS_tgkill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_prlimit64, pidfd_open_number};
  for (uint32_t const call : take_a_pid_first)
    rules.refuse_value(call, 0, 1);
  rules.refuse_owner();
  rules.refuse_values(SYS_ioctl, 1, set_owner_by_ioctl);
  rules.refuse_any_of(SYS_unshare, 0, new_namespaces | new_time_namespace);
  rules.refuse_any_of(SYS_clone, 0, new_namespaces | clone_parent);
  rules.hide(clone3_number);
  rules.load();
}

}  // namespace codeexec::runner
