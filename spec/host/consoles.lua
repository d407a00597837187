-- What memory.c runs with failing allocations: a console, at which somebody
-- types, and what a typed line is evaluated, shown and completed by.

local libevent = libevent -- luacheck: ignore
local trial = require "spec.host.trial"
local check, same = trial.check, trial.same
local complete = require "libevent.repl.complete"
local remote = require "libevent.console.remote"
local session = require "libevent.repl.session"
local show = require "libevent.repl.show"

libevent.log.output(function() end)

local function typed(base)
  local written = {}
  local one = session.new(base, function(text)
    written[#written + 1] = text
  end)
  one:feed "1 +"
  one:feed "2, 'x'"
  one:feed "error 'why'"
  check(table.concat(written):find("why", 1, true))
  check(complete.words("string.for", _G))
  same("{ 1, a = {} }", show.values { 1, a = {} })
end

local function attached()
  local path = os.tmpname()
  os.remove(path)
  local console <close> = check(libevent.console { path = path })
  same(path, console:getsockname())
  check(tostring(console))
  local said = {}
  local one <close> = check(remote.connect(path, "it"))
  one:start(function(text)
    said[#said + 1] = text
  end, function() end)
  one:feed "1 + 1"
  same("2\n", table.concat(said))
end

trial.run(function(base)
  typed(base)
  attached()
  base:loopbreak() -- its terminal would linger
end, 0.3) -- who is attached waits 5 s for an answer
