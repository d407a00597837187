--- The Lua that runs the specs, for commands of the shell.
--
-- Where the specs are sanitized it looks for leaks at its end. Other programs,
-- such as the shell, have inherited the sanitizer, too, and must not: to look
-- stops a process for a moment, and once in a while it never goes on.

local posix = require "spec.posix"

local interpreter = {}

--- What comes before a program of this project.
interpreter.before = ""

if os.getenv "LIBEVENT_SANITIZE" then
  interpreter.before = "env ASAN_OPTIONS=detect_leaks=1:"
    .. "verify_asan_link_order=0 " -- others may be preloaded, too
  posix.setenv("ASAN_OPTIONS", "detect_leaks=0")
end

interpreter.lua = interpreter.before .. (arg[-1] or "lua5.4")

return interpreter
