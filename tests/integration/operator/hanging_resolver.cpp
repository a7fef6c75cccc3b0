// Loaded before the C library's: a name server that never answers, and that says what it was asked.
#include <netdb.h>
#include <string>
#include <unistd.h>

extern "C" int getaddrinfo(char const* name, char const*, addrinfo const*, addrinfo**) {
  auto const line = "asked for " + std::string(name) + "\n";
  (void)!write(2, line.data(), line.size());
  for (;;)
    pause();
}
