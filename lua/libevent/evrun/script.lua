--- What `evrun` does with a script: it is the main task of a loop whose errors
-- are logged, and that a signal ends.

local core = require "libevent.core"
local log = require "libevent.log"
local describe = require "libevent.log.format".tostring
local server = require "libevent.server"
local task = require "libevent.task"

--- Seconds that connections get to end when a signal comes.
local patience = 10

--- Logs an error that is nobody's, and closes the connection that it was in.
local function complain(err, traceback, object)
  log.error("an error in a callback or task", {
    error = describe(err),
    object = tostring(object),
    traceback = traceback,
  })
  local kind = tostring(object)
  if kind:find "^libevent.stream" or kind:find "^libevent.bufferevent" then
    object:close()
  end
end

--- Ends the loop when a signal comes: servers accept no more, and their
-- connections get some time; a second signal ends it at once. Returns what it
-- watches Ctrl-C with.
local function end_on_signals(base, seconds)
  local ending = false
  local function stop(_, name)
    if ending then
      log.warn("ends at once", { signal = name })
      base:loopbreak()
      return
    end
    ending = true
    log.info("ends when its connections have", { signal = name,
      seconds = seconds })
    base:task(function()
      local n = server.drain(base, seconds)
      if n > 0 then
        log.warn("connections were cut", { n = n })
      end
      base:loopbreak()
    end):name "drain"
  end
  local signals = {}
  for i, name in ipairs { "TERM", "INT" } do
    signals[i] = base:signal(name, stop)
    signals[i]:background()
    assert(signals[i]:add())
  end
  signals[2]:interrupts()
  return signals[2]
end

--- Runs what is typed, while Ctrl-C is for that alone; the end of a terminal's
-- input is the end of the loop.
local function converse(base, ctrl_c, version)
  ctrl_c:del()
  if require "libevent.repl".run(version) then
    base:loopbreak()
  elseif ctrl_c:add() then
    ctrl_c:interrupts()
  end
end

--- Requires a module into a global variable.
local function require_into(text)
  local name, module = text:match "^([^=]+)=(.+)$"
  _G[name or text] = require(module or text)
end

--- What the command line wants done, one function after the other; nil and what
-- is wrong with a text. The script "-" is standard input.
local function steps(got)
  local list = {}
  for i, step in ipairs(got.before) do
    local letter, text = table.unpack(step)
    local chunk, message
    if letter == "e" then
      chunk, message = load(text, "=(command line)")
      if not chunk then
        return nil, message
      end
    end
    list[i] = chunk or function()
      require_into(text)
    end
  end
  if got.file then
    local chunk, message = loadfile(got.file ~= "-" and got.file or nil)
    if not chunk then
      return nil, message
    end
    list[#list + 1] = function()
      chunk(table.unpack(got.arguments))
    end
  end
  return list
end

local function fail(message)
  io.stderr:write("evrun: ", message, "\n")
  return 1
end

--- Runs a script, and then what is typed if that is wanted; returns the exit
-- status.
---@param got table What the command line says.
---@param interactive boolean|nil
---@param version string
---@return integer status
return function(got, interactive, version)
  local list, message = steps(got)
  if not list then
    return fail(message)
  end
  local base <close> = assert(core.event_base())
  base:on_error(complain)
  local ctrl_c = end_on_signals(base, got.drain or patience)
  local ok, err = pcall(task.run, base, function()
    if got.console then
      assert(require "libevent.console".listen(got.console))
    end
    for _, step in ipairs(list) do
      step()
    end
    if interactive then
      converse(base, ctrl_c, version)
    end
  end)
  if ok then
    return 0
  end
  return fail(task.traceback() or describe(err))
end
