# The smallest program worth running: codeexec run config/samples/hello.py -- you
import platform
import sys

print("hello,", sys.argv[1] if len(sys.argv) > 1 else "world")
print("this is", platform.system(), platform.release(), "with Python", platform.python_version())
