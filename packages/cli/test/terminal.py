"""Runs a program in a pseudo-terminal: types what comes on stdin, prints what the screen shows, ends with its status."""
import os
import pty
import select
import sys

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
keyboard = sys.stdin.fileno()
watched = [terminal, keyboard]
while True:
    ready, _, _ = select.select(watched, [], [])
    if terminal in ready:
        try:
            screen = os.read(terminal, 65536)
        except OSError:  # the program has ended
            break
        if not screen:
            break
        os.write(sys.stdout.fileno(), screen)
    if keyboard in ready:
        typed = os.read(keyboard, 1024)
        if typed:
            os.write(terminal, typed)
        else:
            watched.remove(keyboard)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
