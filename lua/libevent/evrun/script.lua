--- What `evrun` does with a script: it is the main task of a loop whose errors
-- are logged, and that a signal ends.

local core = require "libevent.core"
local log = require "libevent.log"
local describe = require "libevent.log.format".tostring
local look = require "libevent.evrun.look"
local service = require "libevent.service"
local task = require "libevent.task"

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

--- Lets others look into a worker of a monitor, by its name and number.
local function open_console()
  local number, name = service.worker()
  if number then
    local ok, message = require "libevent.console".listen(
      ("%s-%d"):format(name, number))
    if not ok then
      log.warn("nobody can look inside", { error = message })
    end
  end
end

--- What is wrong, and where; the traceback of a task that was ended from
-- outside does not say what.
local function told(err)
  local trace = task.traceback()
  if not trace or trace:find "^stack traceback:" then
    return describe(err) .. (trace and "\n" .. trace or "")
  end
  return trace
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
    return look.fail(message)
  end
  local base <close> = assert(core.event_base())
  base:on_error(complain)
  if service.worker() then -- what it prints is to be seen, file or not
    io.stdout:setvbuf "line"
  end
  local ok, err = pcall(task.run, base, function()
    local ctrl_c = service.start { drain = got.drain,
      on_ready = open_console }
    if got.console then
      assert(require "libevent.console".listen(got.console))
    end
    for _, step in ipairs(list) do
      step()
    end
    service.ready()
    if interactive then
      converse(base, ctrl_c, version)
    end
  end)
  if ok then
    return 0
  end
  return look.fail(told(err))
end
